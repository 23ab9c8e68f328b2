//! Octets from the wire in what is told.

use std::fmt;

/// Octets from the wire, made harmless: at most 256 of them, printable, quotes and backslashes escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Excerpt(Box<str>);

impl Excerpt {
    /// The most octets of the original that are kept.
    pub const CAP: usize = 256;

    /// Keeps what a log may hold of `octets`: control and non-UTF-8 octets become `\xNN`.
    pub fn of(octets: &[u8]) -> Self {
        let cut = octets.get(..Self::CAP).unwrap_or(octets);
        let mut text = match std::str::from_utf8(cut) {
            // Nearly everything that is said.
            // (Without a way out in the middle it is seen many octets at a time.)
            Ok(plain) if plain.bytes().fold(true, |all, octet| all & is_plain(octet)) => plain.to_owned(),
            _ => escaped(cut),
        };
        if cut.len() < octets.len() {
            text.push('…');
        }
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether an octet stands for itself, whatever is beside it.
const fn is_plain(octet: u8) -> bool {
    matches!(octet, b' '..=b'~') & !matches!(octet, b'"' | b'\\')
}

/// The octets as printable text, character by character.
fn escaped(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                c if is_harmless(c) => text.push(c),
                c => c.encode_utf8(&mut [0; 4]).bytes().for_each(|octet| push_escaped(&mut text, octet)),
            }
        }
        chunk.invalid().iter().for_each(|octet| push_escaped(&mut text, *octet));
    }
    text
}

/// Neither a control octet nor one of the invisible characters that turn or split a line on a terminal.
fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn push_escaped(text: &mut String, octet: u8) {
    use fmt::Write;
    // Writing to a String cannot fail.
    let _ = write!(text, "\\x{octet:02x}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_octet_is_plain_if_nothing_would_be_escaped_in_it() {
        for octet in 0..=u8::MAX {
            let itself = char::from(octet).to_string();
            assert_eq!(is_plain(octet), octet.is_ascii() && escaped(&[octet]) == itself, "{octet:#04x}");
            let among_others = [b'a', octet, b'z'];
            assert_eq!(Excerpt::of(&among_others).as_str(), escaped(&among_others));
        }
    }

    #[test]
    fn an_excerpt_is_bounded_and_cannot_forge_a_line() {
        let text = Excerpt::of(b"a\r\nb\x1b[2J\"\\\xff\xc3\xa9");
        assert_eq!(text.as_str(), "a\\x0d\\x0ab\\x1b[2J\\\"\\\\\\xff\u{e9}");
        assert_eq!(Excerpt::of("\u{202e}".as_bytes()).as_str(), "\\xe2\\x80\\xae");
        assert!(Excerpt::of(&[b'x'; 1000]).as_str().chars().count() <= Excerpt::CAP + 1);
    }
}
