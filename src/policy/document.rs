//! Reading a TOML document by asking for what may stand in it.
//!
//! The schema of a file *is* the code that reads it: each key that is asked for is a known key, and whatever was not
//! asked for when a [`Section`] goes out of scope is reported as unknown, with the nearest key that was. Nothing stops
//! at the first error; all of them are collected in [`Findings`].
//!
//! ```
//! use gatepost::policy::document::{Document, Word};
//! use gatepost::policy::source::{Findings, Source};
//! use std::time::Duration;
//!
//! #[derive(Clone, Copy, Debug, PartialEq)]
//! enum Balance { First, Spread }
//! impl Word for Balance {
//!     const WORDS: &'static [(&'static str, Self)] = &[("first", Self::First), ("spread", Self::Spread)];
//! }
//!
//! let findings = Findings::new();
//! let source = Source::new("gatepost.toml", "name = 'mx.example.com'\n[relay.exchange]\nbalance = 'spread'\nlink = 80\n");
//! let document = Document::open(&source, &findings).unwrap();
//! let top = document.section(&findings);
//! let name = top.take::<String>("name").unwrap().value;
//! assert_eq!(name, "mx.example.com");
//! for (relay, section) in top.sections("relay") {
//!     assert_eq!(relay.value, "exchange");
//!     assert_eq!(section.take::<Balance>("balance").unwrap().value, Balance::Spread);
//!     assert!(section.take::<Duration>("connect_wait").is_none());
//!     assert!(section.take::<u32>("links").is_none());
//! }
//! drop(top);
//! let found = findings.into_sorted();
//! assert_eq!(found.len(), 1);
//! assert_eq!(found[0].message, "unknown key `link` in [relay.exchange]");
//! assert_eq!(found[0].help.as_deref(), Some("did you mean `links`?"));
//! ```

use super::nearest::nearest;
use super::quantity::{self, Octets, Rate};
use super::source::{Diagnostic, Findings, Located, Place, Source};
use super::tree::{self, Date, Node, Table, Value};
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

/// A text that is TOML.
#[derive(Debug)]
pub struct Document {
    table: Table,
    place: Place,
}

impl Document {
    /// Reads the text. What TOML itself refuses goes to `findings`, and there is no document.
    pub fn open(source: &Arc<Source>, findings: &Findings) -> Option<Document> {
        match tree::parse(source) {
            Ok(table) => Some(Document { table, place: Place::new(source, 0..0) }),
            Err(found) => {
                findings.extend(found);
                None
            }
        }
    }

    /// The whole of it, to be read.
    pub fn section<'d>(&'d self, findings: &'d Findings) -> Section<'d> {
        Section::new(String::new(), &self.table, &self.place, findings)
    }
}

/// A closed set of words that a value may be.
pub trait Word: Copy + 'static {
    /// Each word with its meaning.
    const WORDS: &'static [(&'static str, Self)];
}

/// What can be read from a value.
pub trait FromNode: Sized {
    /// Reads it; what is wrong goes to `findings`, and then there is nothing.
    fn from_node(node: &Node, findings: &Findings) -> Option<Self>;
}

/// A table while it is read.
#[derive(Debug)]
pub struct Section<'d> {
    name: String,
    table: &'d Table,
    place: &'d Place,
    asked: RefCell<Vec<String>>,
    findings: &'d Findings,
}

impl<'d> Section<'d> {
    /// A table to be read. `name` is what messages call it: `limits`, `relay.exchange`; empty for the top of a file.
    pub fn new(
        name: impl Into<String>,
        table: &'d Table,
        place: &'d Place,
        findings: &'d Findings,
    ) -> Section<'d> {
        Section { name: name.into(), table, place, asked: RefCell::default(), findings }
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the table begins.
    pub fn place(&self) -> &'d Place {
        self.place
    }

    /// Where findings about it go.
    pub fn findings(&self) -> &'d Findings {
        self.findings
    }

    /// The value behind a key, unread.
    pub fn node(&self, key: &str) -> Option<&'d Node> {
        self.asked.borrow_mut().push(key.to_owned());
        self.table.get(key).map(|entry| &entry.node)
    }

    /// The value behind a key. None: it is not there, or it is wrong and has been reported.
    pub fn take<T: FromNode>(&self, key: &str) -> Option<Located<T>> {
        let node = self.node(key)?;
        let value = T::from_node(node, self.findings)?;
        Some(Located { value, place: node.place.clone() })
    }

    /// As [`Section::take`], where a missing key is an error.
    pub fn require<T: FromNode>(&self, key: &str) -> Option<Located<T>> {
        if self.table.get(key).is_none() {
            self.asked.borrow_mut().push(key.to_owned());
            self.findings.add(self.place.error(format!("`{key}` is missing{}", self.inside())));
            return None;
        }
        self.take(key)
    }

    /// The table behind a key.
    pub fn section(&self, key: &str) -> Option<Section<'d>> {
        let node = self.node(key)?;
        self.open(node, self.child(key))
    }

    /// The tables in a table: `[relay.NAME]`, each with its name.
    pub fn sections(&self, key: &str) -> Vec<(Located<String>, Section<'d>)> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let Value::Table(table) = &node.value else {
            self.findings.add(expected(node, "a table"));
            return Vec::new();
        };
        let open = |entry: &'d tree::Entry| {
            let section = self.open(&entry.node, format!("{}.{}", self.child(key), entry.key))?;
            Some((Located { value: entry.key.clone(), place: entry.place.clone() }, section))
        };
        table.entries().iter().filter_map(open).collect()
    }

    /// The entries of `[[key]]`, in order.
    pub fn list(&self, key: &str) -> Vec<Section<'d>> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let Value::List(items) = &node.value else {
            self.findings.add(expected(node, &format!("entries that begin with [[{key}]]")));
            return Vec::new();
        };
        items.iter().filter_map(|item| self.open(item, format!("[{key}]"))).collect()
    }

    /// The keys and values of a table whose keys are free (names of lists, verbs); all of them count as known.
    pub fn entries(&self) -> &'d [tree::Entry] {
        let mut asked = self.asked.borrow_mut();
        asked.extend(self.table.entries().iter().map(|entry| entry.key.clone()));
        self.table.entries()
    }

    /// A key that the language has and this version does not: refused as such, not as unknown.
    pub fn not_yet(&self, key: &str) {
        // It is taken, so that it is no unknown key, but it is no suggestion either: that would be a poor one.
        let Some(entry) = self.table.get(key) else { return };
        self.asked.borrow_mut().push(key.to_owned());
        let name = match &entry.node.value {
            Value::Table(_) if self.name.is_empty() => format!("`[{key}]`"),
            Value::List(_) if self.name.is_empty() => format!("`[[{key}]]`"),
            _ => format!("`{key}`"),
        };
        self.findings.add(not_yet(&entry.place, &name));
    }

    fn child(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn inside(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!(" in [{}]", self.name) }
    }

    fn open(&self, node: &'d Node, name: String) -> Option<Section<'d>> {
        let Value::Table(table) = &node.value else {
            self.findings.add(expected(node, "a table"));
            return None;
        };
        Some(Section::new(name, table, &node.place, self.findings))
    }
}

/// Unknown keys are reported here, so that no reader can forget to.
impl Drop for Section<'_> {
    fn drop(&mut self) {
        let asked = self.asked.borrow();
        for entry in self.table.entries().iter().filter(|entry| !asked.contains(&entry.key)) {
            let message = format!("unknown key `{}`{}", entry.key, self.inside());
            let near = nearest(&entry.key, asked.iter().map(String::as_str));
            self.findings.add(entry.place.error(message).with_nearest(near));
        }
    }
}

/// The finding for what the language has and this version does not.
pub fn not_yet(place: &Place, name: &str) -> Diagnostic {
    place.error(format!("{name} is known but does not work yet in this version; remove it"))
}

/// The finding for a value of the wrong kind.
pub fn expected(node: &Node, what: &str) -> Diagnostic {
    let found = match &node.value {
        Value::Text(text) if text.len() <= 40 => format!("\"{}\"", text.escape_debug()),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        other => other.kind().to_owned(),
    };
    node.place.error(format!("expected {what}, found {found}"))
}

/// The finding for a word that is none of those known.
pub fn unknown_word<'w>(
    place: &Place,
    what: &str,
    word: &str,
    known: impl Iterator<Item = &'w str> + Clone,
) -> Diagnostic {
    let finding = place.error(format!("unknown {what} `{}`", word.escape_debug()));
    match nearest(word, known.clone()) {
        Some(near) => finding.with_nearest(Some(near)),
        None => finding.with_help(format!("known: {}", known.collect::<Vec<_>>().join(", "))),
    }
}

fn read_text<T>(
    node: &Node,
    findings: &Findings,
    what: &str,
    meaning: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let read = match &node.value {
        Value::Text(text) => meaning(text),
        _ => None,
    };
    read.or_else(|| {
        findings.add(expected(node, what));
        None
    })
}

impl FromNode for String {
    fn from_node(node: &Node, findings: &Findings) -> Option<String> {
        read_text(node, findings, "a string", |text| Some(text.to_owned()))
    }
}

impl FromNode for Duration {
    fn from_node(node: &Node, findings: &Findings) -> Option<Duration> {
        read_text(node, findings, quantity::DURATION, quantity::duration)
    }
}

impl FromNode for Octets {
    fn from_node(node: &Node, findings: &Findings) -> Option<Octets> {
        read_text(node, findings, quantity::SIZE, quantity::size)
    }
}

impl FromNode for Rate {
    fn from_node(node: &Node, findings: &Findings) -> Option<Rate> {
        read_text(node, findings, quantity::RATE, quantity::rate)
    }
}

impl FromNode for std::net::IpAddr {
    fn from_node(node: &Node, findings: &Findings) -> Option<Self> {
        read_text(node, findings, "an address like \"192.0.2.1\" or \"2001:db8::1\"", |text| {
            text.parse().ok()
        })
    }
}

impl FromNode for std::net::SocketAddr {
    fn from_node(node: &Node, findings: &Findings) -> Option<Self> {
        read_text(node, findings, "an address and port like \"192.0.2.1:25\" or \"[::1]:25\"", |text| {
            text.parse().ok()
        })
    }
}

impl FromNode for ipnet::IpNet {
    fn from_node(node: &Node, findings: &Findings) -> Option<Self> {
        let Value::Text(text) = &node.value else {
            findings.add(expected(node, super::network::NETWORK));
            return None;
        };
        findings.check(super::network::parse(text).map_err(|wrong| wrong.at(&node.place)))
    }
}

impl FromNode for bool {
    fn from_node(node: &Node, findings: &Findings) -> Option<bool> {
        let Value::Boolean(truth) = node.value else {
            findings.add(expected(node, "true or false"));
            return None;
        };
        Some(truth)
    }
}

impl FromNode for Date {
    fn from_node(node: &Node, findings: &Findings) -> Option<Date> {
        let Value::Date(date) = node.value else {
            findings.add(expected(node, "a day like 2027-03-01, without quotes"));
            return None;
        };
        Some(date)
    }
}

/// Whole numbers, none of them negative.
macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl FromNode for $number {
            fn from_node(node: &Node, findings: &Findings) -> Option<$number> {
                let read = match node.value {
                    Value::Integer(number) => <$number>::try_from(number).ok(),
                    _ => None,
                };
                read.or_else(|| {
                    findings.add(expected(node, &format!("a whole number from 0 to {}", <$number>::MAX)));
                    None
                })
            }
        }
    )*};
}
whole_numbers!(u16, u32, u64, usize);

impl<W: Word> FromNode for W {
    fn from_node(node: &Node, findings: &Findings) -> Option<W> {
        let words = || W::WORDS.iter().map(|(word, _)| *word);
        let one_of = || words().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let Value::Text(text) = &node.value else {
            findings.add(expected(node, &format!("one of {}", one_of())));
            return None;
        };
        if let Some((_, meaning)) = W::WORDS.iter().find(|(word, _)| word == text) {
            return Some(*meaning);
        }
        let finding = expected(node, &format!("one of {}", one_of()));
        findings.add(finding.with_nearest(nearest(text, words())));
        None
    }
}

impl<T: FromNode> FromNode for Located<T> {
    fn from_node(node: &Node, findings: &Findings) -> Option<Located<T>> {
        Some(Located { value: T::from_node(node, findings)?, place: node.place.clone() })
    }
}

/// A list; a single value counts as a list of one.
impl<T: FromNode> FromNode for Vec<T> {
    fn from_node(node: &Node, findings: &Findings) -> Option<Vec<T>> {
        match &node.value {
            Value::List(items) => {
                let read: Vec<T> = items.iter().filter_map(|item| T::from_node(item, findings)).collect();
                (read.len() == items.len()).then_some(read)
            }
            _ => T::from_node(node, findings).map(|one| vec![one]),
        }
    }
}
