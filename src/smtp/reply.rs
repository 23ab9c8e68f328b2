//! Replies (RFC 5321 4.2): a relay's, read and bounded; Gatepost's own, written.

#[cfg(test)]
mod tests;

use super::line::{self, Cut};
use super::violation::Violation;
use memchr::memchr;
use std::borrow::Cow;
use std::fmt;
use std::io::Write;

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

    /// 214: help.
    pub const HELP: Code = Code(214);
    /// 220: ready.
    pub const READY: Code = Code(220);
    /// 221: closing, as asked.
    pub const BYE: Code = Code(221);
    /// 235: authenticated.
    pub const AUTHENTICATED: Code = Code(235);
    /// 250: done.
    pub const OK: Code = Code(250);
    /// 252: cannot verify, but will try.
    pub const UNVERIFIED: Code = Code(252);
    /// 334: a challenge.
    pub const CHALLENGE: Code = Code(334);
    /// 421: closing, come back.
    pub const CLOSING: Code = Code(421);
    /// 451: not done, for a reason on our side.
    pub const NOT_NOW: Code = Code(451);
    /// 452: not done, for want of room.
    pub const NO_ROOM: Code = Code(452);
    /// 454: TLS or authentication cannot be had now.
    pub const CANNOT_NOW: Code = Code(454);
    /// 501: not with this argument.
    pub const ARGUMENT: Code = Code(501);
    /// 504: not with this parameter.
    pub const PARAMETER: Code = Code(504);
    /// 530: something else first.
    pub const FIRST: Code = Code(530);
    /// 535: wrong credentials.
    pub const CREDENTIALS: Code = Code(535);
    /// 550: not done, for good.
    pub const DENIED: Code = Code(550);
    /// 553: not with this mailbox.
    pub const MAILBOX: Code = Code(553);
    /// 554: no service.
    pub const NO_SERVICE: Code = Code(554);

    /// Its three digits.
    fn digits(self) -> [u8; 3] {
        [100, 10, 1].map(|unit| u8::try_from(self.0 / unit % 10).map_or(b'?', |digit| b'0' + digit))
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
        let mut left = self.octets;
        let line = std::iter::from_fn(move || {
            let end = memchr(b'\n', left).map_or(left.len(), |lf| lf + 1);
            let (line, behind) = left.split_at_checked(end).filter(|(line, _)| !line.is_empty())?;
            left = behind;
            Some(line)
        });
        line.map(text)
    }

    /// The enhanced code of the first line, if there is one and it is of the right class.
    pub fn enhanced(&self) -> Option<Enhanced> {
        self.lines().next().and_then(|text| Enhanced::read(self.code, text))
    }

    /// Whether it is one line, as nearly all are, that stands as it would be written.
    fn is_canonical(&self) -> bool {
        match self.octets {
            [_, _, _, b' ', text @ .., b'\r', b'\n'] => {
                is_plain(text) && !matches!(text.last(), Some(b' ' | b'\t'))
            }
            _ => false,
        }
    }

    /// Writes it in canonical form: bare codes get a space, trailing blanks go, and no octet is passed on
    /// that could speak to a terminal.
    pub fn encode(&self, out: &mut Vec<u8>) {
        if self.is_canonical() {
            return out.extend_from_slice(self.octets);
        }
        let mut lines = self.lines().peekable();
        while let Some(text) = lines.next() {
            write_line(self.code, lines.peek().is_none(), None, text, out);
        }
    }
}

/// Whether all of it is printable.
fn is_plain(text: &[u8]) -> bool {
    // Without a way out in the middle it is done many octets at a time.
    text.iter().fold(true, |plain, octet| plain & matches!(octet, b'\t' | b' '..=b'~'))
}

/// Writes one line of a reply.
fn write_line(code: Code, last: bool, enhanced: Option<Enhanced>, text: &[u8], out: &mut Vec<u8>) {
    let [hundreds, tens, units] = code.digits();
    out.extend_from_slice(&[hundreds, tens, units, if last { b' ' } else { b'-' }]);
    if let Some(Enhanced(class, subject, detail)) = enhanced {
        write_number(class.into(), out);
        out.push(b'.');
        write_number(subject, out);
        out.push(b'.');
        write_number(detail, out);
        out.push(b' ');
    }
    write_text(text.trim_ascii_end(), out);
    out.extend_from_slice(b"\r\n");
}

/// Writes a number of an enhanced code: nearly all have one digit.
fn write_number(number: u16, out: &mut Vec<u8>) {
    match u8::try_from(number) {
        Ok(digit @ 0..=9) => out.push(b'0' + digit),
        // Writing to a vector cannot fail.
        _ => _ = write!(out, "{number}"),
    }
}

/// Writes text for people: control characters become question marks, and so do octets above 127 that are no
/// UTF-8.
fn write_text(text: &[u8], out: &mut Vec<u8>) {
    let plain = |octet: &u8| matches!(octet, b'\t' | b' '..=b'~');
    if is_plain(text) {
        out.extend_from_slice(text);
    } else if let Ok(text) = std::str::from_utf8(text) {
        let silent = |c: char| c.is_control() && c != '\t';
        out.extend_from_slice(text.replace(silent, "?").as_bytes());
    } else {
        out.extend(text.iter().map(|octet| if plain(octet) { *octet } else { b'?' }));
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
    /// In our own words; the class of the enhanced code is the code's (RFC 3463 2).
    pub const fn own(code: Code, subject: u16, detail: u16, text: Cow<'static, str>) -> Reply {
        let class = match code.class() {
            Class::Positive | Class::Intermediate => 2,
            Class::Transient => 4,
            Class::Permanent => 5,
        };
        Reply { code, enhanced: Some(Enhanced(class, subject, detail)), text }
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
        let mut last = self.text.as_bytes();
        while let Some((line, behind)) = memchr(b'\n', last).and_then(|lf| last.split_at_checked(lf)) {
            write_line(self.code, false, enhanced, line, out);
            last = behind.get(1..).unwrap_or_default();
        }
        for footer in footers.iter().filter(|footer| !footer.is_empty()) {
            write_line(self.code, false, enhanced, footer.as_bytes(), out);
        }
        let last =
            if tail.is_empty() { Cow::Borrowed(last) } else { [last, b" ", tail.as_bytes()].concat().into() };
        write_line(self.code, true, enhanced, &last, out);
    }
}

/// Three numbers with dots between.
fn looks_enhanced(word: &str) -> bool {
    word.split('.').count() == 3 && word.split('.').all(|part| number(part.as_bytes()).is_some())
}
