//! A TOML text as a tree in which every key and every value knows its place, whichever file it came from.

use super::source::{Diagnostic, Place, Source};
use std::fmt;
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

/// A calendar day, as in `until = 2027-03-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// From 0 to 9999.
    pub year: u16,
    /// From 1 to 12.
    pub month: u8,
    /// From 1 to 31.
    pub day: u8,
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// What stands behind a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// A day.
    Date(Date),
    /// `[...]`, or the entries of a `[[...]]`.
    List(Vec<Node>),
    /// A table, inline or with a header.
    Table(Table),
}

impl Value {
    /// What it is, with its article, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "a string",
            Value::Integer(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::Date(_) => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// A value in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What.
    pub value: Value,
    /// Where.
    pub place: Place,
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// What it stands for.
    pub node: Node,
}

/// Keys and values in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    entries: Vec<Entry>,
}

impl Table {
    /// By key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// By key, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    /// The text behind a key, if it is one.
    pub fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.node.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// In order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Puts an entry in, in the place of the one with this key if there is one.
    pub fn put(&mut self, entry: Entry) {
        match self.get_mut(&entry.key) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }

    /// Keeps only the keys that fit.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.entries.retain(|entry| keep(&entry.key));
    }
}

impl IntoIterator for Table {
    type Item = Entry;
    type IntoIter = std::vec::IntoIter<Entry>;
    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl FromIterator<Entry> for Table {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Table {
        Table { entries: entries.into_iter().collect() }
    }
}

/// Reads a TOML text. What TOML itself finds wrong is one finding: after it, nothing that follows can be trusted.
pub fn parse(source: &Arc<Source>) -> Result<Table, Vec<Diagnostic>> {
    let parsed = DeTable::parse(source.text()).map_err(|error| {
        let place = Place::new(source, error.span().unwrap_or(0..0));
        vec![place.error(format!("this is not TOML: {}", error.message()))]
    })?;
    let mut findings = Vec::new();
    let table = table(source, parsed.into_inner(), &mut findings);
    if findings.is_empty() { Ok(table) } else { Err(findings) }
}

fn table(source: &Arc<Source>, read: DeTable<'_>, findings: &mut Vec<Diagnostic>) -> Table {
    let mut keys: Vec<_> = read.into_iter().collect();
    // The parser sorts by key; people read, and rules run, in the order of the file.
    keys.sort_by_key(|(key, _)| key.span().start);
    keys.into_iter()
        .filter_map(|(key, value)| {
            let place = Place::new(source, key.span());
            let node = node(source, value, findings)?;
            Some(Entry { key: key.into_inner().into_owned(), place, node })
        })
        .collect()
}

fn node(
    source: &Arc<Source>,
    read: toml::Spanned<DeValue<'_>>,
    findings: &mut Vec<Diagnostic>,
) -> Option<Node> {
    let place = Place::new(source, read.span());
    let value = match read.into_inner() {
        DeValue::String(text) => Ok(Value::Text(text.into_owned())),
        DeValue::Boolean(truth) => Ok(Value::Boolean(truth)),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Value::Integer)
            .map_err(|_| "this number is too large"),
        DeValue::Float(_) => Err("a number with a fraction means nothing here"),
        DeValue::Datetime(moment) => match (moment.date, moment.time) {
            (Some(date), None) => Ok(Value::Date(Date { year: date.year, month: date.month, day: date.day })),
            _ => Err("expected a day like 2027-03-01, without a time"),
        },
        DeValue::Array(items) => {
            Ok(Value::List(items.into_iter().filter_map(|item| node(source, item, findings)).collect()))
        }
        DeValue::Table(entries) => Ok(Value::Table(table(source, entries, findings))),
    };
    match value {
        Ok(value) => Some(Node { value, place }),
        Err(message) => {
            findings.push(place.error(message));
            None
        }
    }
}
