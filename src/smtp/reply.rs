//! Replies (RFC 5321 4.2): a relay's, read and bounded; Gatepost's own, written.

use super::line::{self, Cut};
use super::violation::Violation;
use std::borrow::Cow;
use std::fmt;

/// The most octets of one reply, all its lines together.
pub const REPLY_CAP: usize = 16 * 1024;

/// The most octets of one line of a reply, CRLF included. RFC 5321 4.5.3.1.5 says 512; real ones are longer.
pub const REPLY_LINE_CAP: usize = 4 * 1024;

/// The most octets of a reply line that Gatepost writes itself, CRLF included (RFC 5321 4.5.3.1.5).
const OWN_LINE_CAP: usize = 512;

/// A reply code, 200 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub(super) u16);

/// A class of replies, by the first digit of their code (RFC 5321 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// 2yz: done.
    Positive,
    /// 3yz: go on.
    Intermediate,
    /// 4yz: not now.
    Transient,
    /// 5yz: never.
    Permanent,
}

impl Code {
    /// From 200 to 599, and none outside. (By the letter the second digit ends at 5, yet 4.2 bids to go by
    /// the first digit of a code that one does not know.)
    pub const fn new(number: u16) -> Option<Code> {
        match number {
            200..=599 => Some(Code(number)),
            _ => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// By the first digit.
    pub const fn class(self) -> Class {
        match self.0 {
            ..300 => Class::Positive,
            300..400 => Class::Intermediate,
            400..500 => Class::Transient,
            500.. => Class::Permanent,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An enhanced status code (RFC 3463 2). Its class is the first digit of the reply code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Enhanced(pub u8, pub u16, pub u16);

impl Enhanced {
    /// Reads one off the front of a reply's text, if it is of the right class for the code.
    fn read(code: Code, text: &[u8]) -> Option<Enhanced> {
        let token = text.split(|octet| *octet == b' ').next()?;
        let mut numbers = token.split(|octet| *octet == b'.').map(number);
        let found = Enhanced(u8::try_from(numbers.next()??).ok()?, numbers.next()??, numbers.next()??);
        (numbers.next().is_none() && found.suits(code)).then_some(found)
    }

    /// Whether its class is that of the code (RFC 2034 4).
    fn suits(self, code: Code) -> bool {
        matches!(self.0, 2 | 4 | 5) && u16::from(self.0) == code.get() / 100
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// One to three digits, as a number.
fn number(digits: &[u8]) -> Option<u16> {
    let sound = matches!(digits.len(), 1..=3) && digits.iter().all(u8::is_ascii_digit);
    sound.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
}

/// A complete reply of a relay, in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard<'a> {
    /// The code, the same on all lines.
    pub code: Code,
    /// All lines with CRLF.
    pub octets: &'a [u8],
}

/// What stands at the front of the relay's octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read<'a> {
    /// Not yet a whole reply.
    Incomplete,
    /// A reply.
    Reply {
        /// What was said.
        reply: Heard<'a>,
        /// How many octets of the input it took.
        taken: usize,
    },
    /// No reply, or too long a one: from here on nothing the relay says can be relied on.
    Broken(Violation),
}

/// Reads one reply off the front (RFC 5321 4.2.1): lines with one and the same code, ended by CRLF alone.
/// What is found does not depend on how the input was cut into pieces.
pub fn read(input: &[u8]) -> Read<'_> {
    let all = input.get(..REPLY_CAP).unwrap_or(input);
    let (mut taken, mut agreed) = (0, None);
    loop {
        let rest = all.get(taken..).unwrap_or_default();
        let view = rest.get(..REPLY_LINE_CAP).unwrap_or(rest);
        match line::cut(view, false) {
            Cut::Incomplete if view.len() == REPLY_LINE_CAP || all.len() == REPLY_CAP => {
                return Read::Broken(Violation::ReplyTooLong);
            }
            Cut::Incomplete => return Read::Incomplete,
            Cut::Broken(_) => return Read::Broken(Violation::ReplyMalformed),
            Cut::Line { body, taken: line } => {
                taken += line;
                match status(body) {
                    Some((code, _)) if agreed.is_some_and(|agreed| agreed != code) => {
                        return Read::Broken(Violation::ReplyMalformed);
                    }
                    Some((code, false)) => agreed = Some(code),
                    Some((code, true)) => {
                        let octets = all.get(..taken).unwrap_or_default();
                        return Read::Reply { reply: Heard { code, octets }, taken };
                    }
                    None => return Read::Broken(Violation::ReplyMalformed),
                }
            }
        }
    }
}

/// The code of a line, and whether it is the last. A bare code is tolerated (RFC 5321 4.2).
fn status(line: &[u8]) -> Option<(Code, bool)> {
    let (digits, rest) = line.split_at_checked(3)?;
    let code = Code::new(number(digits)?)?;
    match rest {
        [] | [b' ', ..] => Some((code, true)),
        [b'-', ..] => Some((code, false)),
        _ => None,
    }
}

impl<'a> Heard<'a> {
    /// The text of each line, code and separator cut off.
    pub fn lines(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        const HEAD: usize = "250-".len();
        let text =
            |line: &'a [u8]| line.strip_suffix(b"\r\n").and_then(|line| line.get(HEAD..)).unwrap_or_default();
        self.octets.split_inclusive(|octet| *octet == b'\n').map(text)
    }

    /// The enhanced code of the first line, if there is one and it is of the right class.
    pub fn enhanced(&self) -> Option<Enhanced> {
        self.lines().next().and_then(|text| Enhanced::read(self.code, text))
    }

    /// Writes it in canonical form: bare codes get a space, trailing blanks go, and no octet is passed on
    /// that could speak to a terminal.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut lines = self.lines().peekable();
        while let Some(text) = lines.next() {
            write_line(self.code, lines.peek().is_none(), None, text, out);
        }
    }
}

/// Writes one line of a reply.
fn write_line(code: Code, last: bool, enhanced: Option<Enhanced>, text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(code.to_string().as_bytes());
    out.push(if last { b' ' } else { b'-' });
    if let Some(enhanced) = enhanced {
        out.extend_from_slice(enhanced.to_string().as_bytes());
        out.push(b' ');
    }
    write_text(text.trim_ascii_end(), out);
    out.extend_from_slice(b"\r\n");
}

/// Writes text for people: control characters become question marks, and so do octets above 127 that are no
/// UTF-8.
fn write_text(text: &[u8], out: &mut Vec<u8>) {
    if let Ok(text) = std::str::from_utf8(text) {
        let silent = |c: char| c.is_control() && c != '\t';
        out.extend_from_slice(text.replace(silent, "?").as_bytes());
    } else {
        let shown = |octet: &u8| if matches!(octet, b'\t' | b' '..=b'~') { *octet } else { b'?' };
        out.extend(text.iter().map(shown));
    }
}

/// A reply of Gatepost's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its code.
    pub code: Code,
    /// Its enhanced code, if it has one.
    pub enhanced: Option<Enhanced>,
    /// Its words. A LF between words makes another line.
    pub text: Cow<'static, str>,
}

impl Reply {
    /// Words of the program's own.
    pub const fn new(code: u16, enhanced: Enhanced, text: &'static str) -> Reply {
        Reply { code: Code(code), enhanced: Some(enhanced), text: Cow::Borrowed(text) }
    }

    /// Words made at run time.
    pub fn owned(code: u16, (class, subject, detail): (u8, u16, u16), text: String) -> Reply {
        Reply { code: Code(code), enhanced: Some(Enhanced(class, subject, detail)), text: Cow::Owned(text) }
    }

    /// What the table says to a violation.
    pub fn to_violation(violation: Violation) -> Reply {
        let facts = violation.facts();
        Reply { code: facts.code, enhanced: Some(facts.enhanced), text: Cow::Borrowed(facts.text) }
    }

    /// From `"550 5.7.1 text"` as operators write it: class and enhanced code must agree, the text is
    /// printable ASCII, and the line has at most 512 octets.
    pub fn from_text(text: &str) -> Result<Reply, &'static str> {
        if !text.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
            return Err("a reply is one line of printable ASCII");
        }
        if text.len() + "\r\n".len() > OWN_LINE_CAP {
            return Err("a reply line has at most 512 octets (RFC 5321 4.5.3.1.5)");
        }
        let (digits, words) = text.split_once(' ').unwrap_or((text, ""));
        let code = number(digits.as_bytes()).filter(|_| digits.len() == 3).and_then(Code::new);
        let code = code.ok_or("a reply begins with a code from 200 to 599, such as 550")?;
        let (first, after) = words.split_once(' ').unwrap_or((words, ""));
        let (enhanced, words) = match Enhanced::read(code, first.as_bytes()) {
            Some(enhanced) => (Some(enhanced), after),
            None if looks_enhanced(first) => {
                return Err("the enhanced code is not of the code's class (RFC 2034 4)");
            }
            None => (None, words),
        };
        match words.trim() {
            "" => Err("a reply needs some words for people"),
            words => Ok(Reply { code, enhanced, text: Cow::Owned(words.to_owned()) }),
        }
    }

    /// Writes it. `enhanced` is off where the keyword was not offered.
    ///
    /// The first `suffix` is said at the end of the text (a reference); each further one is a line of its own
    /// before the last line (a footer), because many programs show their users the last line alone. Empty
    /// ones are left out.
    pub fn encode(&self, with_enhanced: bool, suffix: &[&str], out: &mut Vec<u8>) {
        let enhanced = self.enhanced.filter(|_| with_enhanced);
        let (tail, footers) = match suffix {
            [] => ("", &[][..]),
            [tail, footers @ ..] => (*tail, footers),
        };
        let (before, last) = match self.text.rsplit_once('\n') {
            Some((before, last)) => (Some(before), last),
            None => (None, &*self.text),
        };
        let lines = before.into_iter().flat_map(|before| before.split('\n'));
        for line in lines.chain(footers.iter().copied().filter(|footer| !footer.is_empty())) {
            write_line(self.code, false, enhanced, line.as_bytes(), out);
        }
        let last = if tail.is_empty() { Cow::Borrowed(last) } else { Cow::Owned(format!("{last} {tail}")) };
        write_line(self.code, true, enhanced, last.as_bytes(), out);
    }
}

/// Three numbers with dots between.
fn looks_enhanced(word: &str) -> bool {
    word.split('.').count() == 3 && word.split('.').all(|part| number(part.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(input: &[u8]) -> Heard<'_> {
        match read(input) {
            Read::Reply { reply, taken } => {
                assert_eq!(reply.octets.len(), taken);
                reply
            }
            other => panic!("{other:?}"),
        }
    }

    fn canonical(input: &[u8]) -> String {
        let mut out = Vec::new();
        heard(input).encode(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_reply_is_read_off_the_front() {
        let reply = heard(b"250-mx.example.com\r\n250-SIZE 100\r\n250 HELP\r\n220 next\r\n");
        assert_eq!(reply.code, Code(250));
        assert_eq!(reply.lines().collect::<Vec<_>>(), [&b"mx.example.com"[..], b"SIZE 100", b"HELP"]);
        assert_eq!(heard(b"550 5.7.1 no\r\n").enhanced(), Some(Enhanced(5, 7, 1)));
        assert_eq!(heard(b"550 4.7.1 no\r\n").enhanced(), None);
        assert_eq!(heard(b"250 2.1.0\r\n").enhanced(), Some(Enhanced(2, 1, 0)));
        assert_eq!(heard(b"250 1.2.3.4 ok\r\n").enhanced(), None);
    }

    #[test]
    fn bare_codes_and_odd_octets_leave_in_canonical_form() {
        assert_eq!(canonical(b"250\r\n"), "250 \r\n");
        assert_eq!(canonical(b"250-\r\n250 ok  \r\n"), "250-\r\n250 ok\r\n");
        assert_eq!(canonical(b"550 \x1b[2Jred\x7f\r\n"), "550 ?[2Jred?\r\n");
        assert_eq!(canonical(b"550 caf\xc3\xa9 \xc2\x9b\r\n"), "550 caf\u{e9} ?\r\n");
        assert_eq!(canonical(b"550 caf\xe9\r\n"), "550 caf?\r\n");
    }

    #[test]
    fn what_is_no_reply_is_malformed() {
        for bad in [
            &b"hello\r\n"[..],
            b"25\r\n",
            b"250x\r\n",
            b"150 x\r\n",
            b"600 x\r\n",
            b"250-a\r\n251 b\r\n",
            b"250 a\n",
            b"250 a\rb\r\n",
            b"250 a\0\r\n",
            b"\r\n",
            b"250-a\r\n\r\n",
            b" 250 a\r\n",
            b"2505 a\r\n",
            b"250\ta\r\n",
        ] {
            assert_eq!(read(bad), Read::Broken(Violation::ReplyMalformed), "{}", bad.escape_ascii());
        }
        for part in [&b""[..], b"2", b"250", b"250 a", b"250 a\r", b"250-a\r\n", b"250-a\r\n250"] {
            assert_eq!(read(part), Read::Incomplete, "{}", part.escape_ascii());
        }
    }

    #[test]
    fn the_caps_hold_to_the_octet() {
        let line = |octets: usize| format!("250 {}\r\n", "a".repeat(octets - 6)).into_bytes();
        assert!(matches!(read(&line(REPLY_LINE_CAP)), Read::Reply { .. }));
        assert_eq!(read(&line(REPLY_LINE_CAP + 1)), Read::Broken(Violation::ReplyTooLong));
        assert_eq!(read(&vec![b'2'; REPLY_LINE_CAP]), Read::Broken(Violation::ReplyTooLong));
        let many = b"250-abcdefghij\r\n".repeat(REPLY_CAP / 16 + 1);
        assert_eq!(read(&many), Read::Broken(Violation::ReplyTooLong));
        assert_eq!(read(&many[..REPLY_CAP]), Read::Broken(Violation::ReplyTooLong));
        assert_eq!(read(&many[..REPLY_CAP - 1]), Read::Incomplete);
    }

    #[test]
    fn operators_words_are_checked() {
        let reply = Reply::from_text("550 5.7.1 Not from here").unwrap();
        assert_eq!((reply.code, reply.enhanced), (Code(550), Some(Enhanced(5, 7, 1))));
        assert_eq!(reply.text, "Not from here");
        assert_eq!(Reply::from_text("252 Cannot verify").unwrap().enhanced, None);
        assert_eq!(Reply::from_text("250 1.2.3.4 is me").unwrap().text, "1.2.3.4 is me");
        for bad in [
            "",
            "550",
            "550 ",
            "550 5.7.1",
            "550 4.7.1 x",
            "150 x",
            "5500 x",
            "55 x",
            "550 a\nb",
            "550 \u{e9}",
        ] {
            assert!(Reply::from_text(bad).is_err(), "{bad:?}");
        }
        assert!(Reply::from_text(&format!("550 {}", "a".repeat(506))).is_ok());
        assert!(Reply::from_text(&format!("550 {}", "a".repeat(507))).is_err());
    }

    #[test]
    fn every_line_carries_both_codes_and_the_footer_stands_before_the_last() {
        let reply = Reply::from_text("550 5.7.1 No").unwrap();
        let encode = |with_enhanced, suffix: &[&str]| {
            let mut out = Vec::new();
            reply.encode(with_enhanced, suffix, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(encode(true, &[]), "550 5.7.1 No\r\n");
        assert_eq!(encode(false, &["(ref X)"]), "550 No (ref X)\r\n");
        assert_eq!(encode(true, &["(ref X)", "help: y"]), "550-5.7.1 help: y\r\n550 5.7.1 No (ref X)\r\n");
        assert_eq!(encode(true, &["", "help: y"]), "550-5.7.1 help: y\r\n550 5.7.1 No\r\n");
    }

    #[test]
    fn text_of_several_lines_becomes_a_reply_of_several_lines() {
        let reply =
            Reply { code: Code(250), enhanced: None, text: Cow::Borrowed("mx.example.com\nSIZE 100\nHELP") };
        let mut out = Vec::new();
        reply.encode(true, &[], &mut out);
        assert_eq!(out, b"250-mx.example.com\r\n250-SIZE 100\r\n250 HELP\r\n");
    }

    #[test]
    fn the_table_of_violations_has_only_sound_replies() {
        for violation in Violation::ALL {
            let facts = violation.facts();
            assert!(facts.enhanced.suits(facts.code), "{violation:?}");
            let text = format!("{} {} {}", facts.code, facts.enhanced, facts.text);
            assert_eq!(Reply::from_text(&text), Ok(Reply::to_violation(*violation)));
            assert_eq!(Violation::from_name(facts.name), Some(*violation));
        }
    }
}
