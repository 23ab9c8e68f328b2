//! Patterns, as they stand behind a field in `when`: `{ "mail.domain" = ["@local_domains", "!*.example"] }`.

use super::document::{expected, unknown_word};
use super::effective::Inline;
use super::field::{Field, Kind, Seen, Unit};
use super::fold::Folded;
use super::list::List;
use super::lists::Lists;
use super::needle::{self, AnyOf};
use super::quantity;
use super::source::{Diagnostic, Findings, Located, Place};
use super::tree::{Node, Value};
use super::wildcard::Wildcard;
use regex::bytes::{Regex, RegexBuilder};
use std::ops::{Deref, RangeInclusive};
use std::sync::Arc;

/// The most memory that one compiled expression may take. `[a-z]{1,1000}{1,1000}` is refused, not paid for.
const EXPRESSION_SIZE: usize = 1 << 20;

/// What a value is compared with.
#[derive(Clone, Debug)]
enum Test {
    Listed(Arc<List>),
    Wildcard(Wildcard),
    Expression(Regex),
    Between(RangeInclusive<u64>),
    Is(bool),
}

impl Test {
    fn fits(&self, seen: &Seen<'_>) -> bool {
        match (self, seen) {
            (Test::Listed(list), seen) => list.contains(seen),
            (Test::Between(range), Seen::Number(number)) => range.contains(number),
            (Test::Is(wanted), Seen::Truth(truth)) => wanted == truth,
            (Test::Wildcard(wildcard), seen) => shown(seen).is_some_and(|octets| wildcard.fits(&octets)),
            (Test::Expression(expression), seen) => {
                shown(seen).is_some_and(|octets| expression.is_match(&octets))
            }
            // Patterns are checked against the type of their field, so nothing else meets here.
            (Test::Between(_) | Test::Is(_), _) => false,
        }
    }
}

/// What wildcards and expressions look at.
#[expect(clippy::large_enum_variant, reason = "it lives on the stack, to spare the heap")]
pub(super) enum Shown<'s> {
    Written(&'s [u8]),
    Folded(Folded),
}

impl Deref for Shown<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Shown::Written(octets) => octets,
            Shown::Folded(octets) => octets,
        }
    }
}

/// A value as wildcards and expressions see it: domains folded, all else as it was written.
pub(super) fn shown<'s>(seen: &'s Seen<'_>) -> Option<Shown<'s>> {
    match seen {
        Seen::Text(text) => Some(Shown::Written(text)),
        Seen::Domain(name) => Some(Shown::Folded(Folded::domain(name))),
        Seen::Mailbox(local, None) => Some(Shown::Written(local)),
        Seen::Mailbox(local, Some(domain)) => Some(Shown::Folded(Folded::mailbox_as_written(local, domain))),
        Seen::Address(_) | Seen::Number(_) | Seen::Truth(_) => None,
    }
}

#[derive(Clone, Debug)]
struct Pattern {
    negated: bool,
    test: Test,
}

/// A field and what it may be: any of the patterns.
#[derive(Clone, Debug)]
pub(super) struct Clause {
    field: Field,
    any: Vec<Pattern>,
    /// As it stands in the file: of two that say the same one answer will do.
    written: Arc<str>,
}

/// By what a pattern is found without being asked.
#[derive(Debug)]
pub(super) enum Key<'c> {
    /// The value is in a list.
    Listed(&'c List),
    /// The value holds one of each.
    Needles(Vec<AnyOf>),
    /// The value fits a regular expression, of which nothing more can be said.
    Expression(&'c str),
}

impl Pattern {
    fn key(&self) -> Option<Key<'_>> {
        let needles = |needles: Vec<AnyOf>| (!needles.is_empty()).then_some(Key::Needles(needles));
        match &self.test {
            _ if self.negated => None,
            Test::Listed(list) => Some(Key::Listed(list)),
            Test::Wildcard(wildcard) => needles(needle::of_pieces(wildcard.pieces())),
            Test::Expression(expression) => {
                let text = expression.as_str();
                needles(needle::of_expression(text)).or(Some(Key::Expression(text)))
            }
            Test::Between(_) | Test::Is(_) => None,
        }
    }
}

impl Clause {
    /// Whether the field, as it is seen (or not), fits. A field without a value fits `!` patterns and no others.
    pub(super) fn fits(&self, seen: Option<&Seen<'_>>) -> bool {
        self.any.iter().any(|pattern| match seen {
            None => pattern.negated,
            Some(seen) => pattern.test.fits(seen) != pattern.negated,
        })
    }

    /// By what each of its patterns is found; none, if one of them can only be asked.
    pub(super) fn keys(&self) -> Option<Vec<Key<'_>>> {
        self.any.iter().map(Pattern::key).collect()
    }

    /// As it stands in the file, field and all.
    pub(super) fn written(&self) -> &str {
        &self.written
    }

    /// The field of which it speaks.
    pub(super) fn field(&self) -> Field {
        self.field
    }

    /// Whether nothing can ever fit: only empty lists.
    pub(super) fn never_fits(&self) -> bool {
        let empty = |pattern: &Pattern| match &pattern.test {
            Test::Listed(list) => list.is_empty() && !pattern.negated,
            _ => false,
        };
        self.any.iter().all(empty)
    }

    /// Whether everything fits: two negations in an array, of which one always holds.
    pub(super) fn always_fits(&self) -> bool {
        self.any.len() > 1 && self.any.iter().all(|pattern| pattern.negated)
    }

    /// Whether it asks for the null reverse-path.
    pub(super) fn wants_null(&self) -> bool {
        self.field == Field::MailNull && self.fits(Some(&Seen::Truth(true)))
    }

    /// Reads the patterns behind a field; what does not fit its type is reported.
    pub(super) fn compile(field: Field, node: &Node, lists: &Lists, findings: &Findings) -> Option<Clause> {
        let nodes = match &node.value {
            Value::List(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut plain = Vec::new();
        let mut any = Vec::new();
        let mut sound = true;
        for node in nodes {
            match read(field, node, lists, findings) {
                Ok(Read::Plain(text)) => plain.push(Located { value: text, place: node.place.clone() }),
                Ok(Read::Pattern(pattern)) => any.push(pattern),
                Err(finding) => {
                    sound = false;
                    findings.add(finding);
                }
            }
        }
        if nodes.is_empty() {
            findings.add(node.place.error("an empty array fits nothing"));
            sound = false;
        }
        // All plain texts of an array are one list: its length costs nothing.
        if !plain.is_empty() {
            let list = List::build(field.kind(), &plain, findings)?;
            any.push(Pattern { negated: false, test: Test::Listed(Arc::new(list)) });
        }
        let written = format!("{} = {}", field.name(), Inline(node)).into();
        sound.then_some(Clause { field, any, written })
    }
}

/// One pattern, or a text that joins the others of its array in a list.
enum Read {
    Plain(String),
    Pattern(Pattern),
}

fn read(field: Field, node: &Node, lists: &Lists, findings: &Findings) -> Result<Read, Diagnostic> {
    let pattern = |test| Ok(Read::Pattern(Pattern { negated: false, test }));
    match (&node.value, field.kind()) {
        (Value::Boolean(truth), Kind::Truth) => pattern(Test::Is(*truth)),
        (Value::Integer(number), Kind::Number(_)) => match u64::try_from(*number) {
            Ok(number) => pattern(Test::Between(number..=number)),
            Err(_) => Err(misfit(field, node)),
        },
        (Value::Text(_), Kind::Truth) => Err(misfit(field, node)),
        (Value::Text(written), _) => match written.strip_prefix('!') {
            None => read_text(field, written, node, lists),
            Some(negated) => {
                let read = read_text(field, negated.trim_start(), node, lists)?;
                read.negate(field, node, findings)
            }
        },
        _ => Err(misfit(field, node)),
    }
}

impl Read {
    /// The same with `!` in front. A text cannot join the others of its array then; it is a list of its own.
    fn negate(self, field: Field, node: &Node, findings: &Findings) -> Result<Read, Diagnostic> {
        let test = match self {
            Read::Pattern(pattern) => pattern.test,
            Read::Plain(text) => {
                let entry = Located { value: text, place: node.place.clone() };
                let list = List::build(field.kind(), &[entry], findings);
                Test::Listed(Arc::new(list.ok_or_else(|| misfit(field, node))?))
            }
        };
        Ok(Read::Pattern(Pattern { negated: true, test }))
    }
}

fn read_text(field: Field, text: &str, node: &Node, lists: &Lists) -> Result<Read, Diagnostic> {
    let kind = field.kind();
    let pattern = |test| Ok(Read::Pattern(Pattern { negated: false, test }));
    if let Some(name) = list_name(kind, text) {
        let name = Located { value: name.to_owned(), place: node.place.clone() };
        return pattern(Test::Listed(lists.typed(&name, kind, &field.name())?));
    }
    if let Kind::Number(unit) = kind {
        return pattern(Test::Between(range(unit, text).ok_or_else(|| misfit(field, node))?));
    }
    let is_text = matches!(kind, Kind::Domain | Kind::Mailbox | Kind::Text);
    if let Some(inner) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        if !is_text {
            return Err(misfit(field, node));
        }
        return pattern(Test::Expression(expression(inner, &node.place)?));
    }
    if text.contains('*') {
        if !is_text {
            return Err(misfit(field, node));
        }
        return pattern(Test::Wildcard(Wildcard::new(text)));
    }
    let words = field.words();
    if kind == Kind::Word && !words.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return Err(unknown_word(
            &node.place,
            &format!("word of `{}`", field.name()),
            text,
            words.into_iter(),
        ));
    }
    Ok(Read::Plain(text.to_owned()))
}

/// `@name`. Behind an `@` in a field of mailboxes a dot makes it a domain: `@example.com` is each mailbox there.
fn list_name(kind: Kind, text: &str) -> Option<&str> {
    let name = text.strip_prefix('@')?;
    let is_domain = kind == Kind::Mailbox && name.contains('.');
    (!is_domain).then_some(name)
}

/// Compiles what stands between slashes. It sees octets, so that no text, however encoded, is out of its reach.
pub(super) fn expression(text: &str, place: &Place) -> Result<Regex, Diagnostic> {
    RegexBuilder::new(text)
        .unicode(false)
        .size_limit(EXPRESSION_SIZE)
        .dfa_size_limit(EXPRESSION_SIZE)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => place.error("this regular expression is too large"),
            error => {
                let text = error.to_string();
                // The parser draws its own picture over several lines; the reason is its last one.
                let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                place.error(format!("this is no regular expression: {reason}"))
            }
        })
}

/// `100`, `>= 100`, `10..20`.
fn range(unit: Unit, text: &str) -> Option<RangeInclusive<u64>> {
    if let Some((low, high)) = text.split_once("..") {
        let (low, high) = (number(unit, low)?, number(unit, high)?);
        return (low <= high).then_some(low..=high);
    }
    if let Some(least) = text.strip_prefix(">=") {
        return Some(number(unit, least)?..=u64::MAX);
    }
    if let Some(most) = text.strip_prefix("<=") {
        return Some(0..=number(unit, most)?);
    }
    if let Some(below) = text.strip_prefix('>') {
        return Some(number(unit, below)?.checked_add(1)?..=u64::MAX);
    }
    if let Some(above) = text.strip_prefix('<') {
        return Some(0..=number(unit, above)?.checked_sub(1)?);
    }
    let exact = number(unit, text)?;
    Some(exact..=exact)
}

fn number(unit: Unit, text: &str) -> Option<u64> {
    let text = text.trim();
    match unit {
        Unit::Count => text.parse().ok(),
        Unit::Octets => text.parse().ok().or_else(|| quantity::size(text).map(|size| size.0)),
        Unit::Seconds => quantity::duration(text).map(|duration| duration.as_secs()),
    }
}

/// A pattern that does not fit the type of its field.
fn misfit(field: Field, node: &Node) -> Diagnostic {
    let what = match field.kind() {
        Kind::Address => "an address, a network or a @list",
        Kind::Domain => "a domain, a wildcard, a /regular expression/ or a @list",
        Kind::Mailbox => "a mailbox, a wildcard, a /regular expression/ or a @list",
        Kind::Text => "a text, a wildcard, a /regular expression/ or a @list",
        Kind::Number(Unit::Count) => "a number: 100, \">= 100\" or \"10..20\"",
        Kind::Number(Unit::Octets) => "a size: \">= 25MiB\" or \"10KiB..20KiB\"",
        Kind::Number(Unit::Seconds) => "a duration: \">= 5m\" or \"1m..5m\"",
        Kind::Truth => "true or false",
        Kind::Word => "one word, without wildcards,",
    };
    expected(node, &format!("{what} for `{}`", field.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_in_the_unit_of_their_field() {
        assert_eq!(range(Unit::Count, ">= 100"), Some(100..=u64::MAX));
        assert_eq!(range(Unit::Count, "> 100"), Some(101..=u64::MAX));
        assert_eq!(range(Unit::Count, "<100"), Some(0..=99));
        assert_eq!(range(Unit::Count, "< 0"), None);
        assert_eq!(range(Unit::Count, "20..10"), None);
        assert_eq!(range(Unit::Octets, "<= 1KiB"), Some(0..=1024));
        assert_eq!(range(Unit::Seconds, "1m..5m"), Some(60..=300));
        assert_eq!(range(Unit::Seconds, "60"), None);
    }
}
