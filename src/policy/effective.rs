//! The merged profile as a text: every value with the place where it was written.

use super::merge::Merged;
use super::source::Place;
use super::tree::{Entry, Node, Table, Value};
use std::fmt::{self, Write as _};

/// The column in which origins stand, where the value leaves room.
const ORIGIN: usize = 64;

/// The order in which people expect it.
const ORDER: &[&str] = &[
    "profile",
    "mode",
    "verbs",
    "extensions",
    "greeting",
    "line_ends",
    "limits",
    "relay",
    "clients",
    "tls",
    "auth",
    "lists",
    "violations",
    "replies",
    "bans",
    "limit",
    "rule",
    "exempt",
    "signature",
    "expect",
];

/// Prints a merged profile for `check --effective`. It is TOML again, so that it can be compared and even loaded.
pub(super) fn print(merged: &Merged) -> String {
    let mut text = String::new();
    let mut entries: Vec<&Entry> = merged.table.entries().iter().collect();
    entries.sort_by_key(|entry| ORDER.iter().position(|key| *key == entry.key).unwrap_or(ORDER.len()));
    let (tables, values): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| is_headed(&entry.node));
    for entry in values {
        line(&mut text, &entry.key, &entry.node, &entry.place);
    }
    for entry in tables {
        match &entry.node.value {
            Value::Table(table) => section(&mut text, &format!("[{}]", entry.key), table, None),
            Value::List(items) => {
                for item in items {
                    if let Value::Table(table) = &item.value {
                        section(&mut text, &format!("[[{}]]", entry.key), table, Some(&item.place));
                    }
                }
            }
            _ => {}
        }
    }
    for note in &merged.notes {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n# {note}");
    }
    if !merged.notes.is_empty() {
        text.push('\n');
    }
    text
}

/// Whether it is printed under a header of its own.
fn is_headed(node: &Node) -> bool {
    match &node.value {
        Value::Table(_) => true,
        Value::List(items) => items.iter().all(|item| matches!(item.value, Value::Table(_))),
        _ => false,
    }
}

fn section(text: &mut String, header: &str, table: &Table, place: Option<&Place>) {
    text.push('\n');
    if let Some(place) = place {
        padded(text, header, place);
    } else {
        text.push_str(header);
        text.push('\n');
    }
    for entry in table.entries() {
        line(text, &entry.key, &entry.node, &entry.place);
    }
}

fn line(text: &mut String, key: &str, node: &Node, place: &Place) {
    padded(text, &format!("{} = {}", Key(key), Inline(node)), place);
}

fn padded(text: &mut String, value: &str, place: &Place) {
    let _ = writeln!(text, "{value:ORIGIN$}  # {place}");
}

/// A key, quoted where it must be.
struct Key<'k>(&'k str);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if !self.0.is_empty() && self.0.chars().all(bare) {
            return f.write_str(self.0);
        }
        write!(f, "{}", Text(self.0))
    }
}

/// A basic string of TOML.
struct Text<'t>(&'t str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                '\r' => f.write_str("\\r")?,
                control if control.is_control() => write!(f, "\\u{:04X}", u32::from(control))?,
                letter => f.write_char(letter)?,
            }
        }
        f.write_char('"')
    }
}

/// A value on one line.
pub(super) struct Inline<'n>(pub(super) &'n Node);

impl fmt::Display for Inline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.value {
            Value::Text(text) => write!(f, "{}", Text(text)),
            Value::Integer(number) => write!(f, "{number}"),
            Value::Boolean(truth) => write!(f, "{truth}"),
            Value::Date(date) => write!(f, "{date}"),
            Value::List(items) => {
                f.write_char('[')?;
                for (place, item) in items.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    write!(f, "{comma}{}", Inline(item))?;
                }
                f.write_char(']')
            }
            Value::Table(table) if table.entries().is_empty() => f.write_str("{}"),
            Value::Table(table) => {
                let pair = |entry: &Entry| format!("{} = {}", Key(&entry.key), Inline(&entry.node));
                let pairs: Vec<_> = table.entries().iter().map(pair).collect();
                write!(f, "{{ {} }}", pairs.join(", "))
            }
        }
    }
}
