//! Replies (RFC 5321 4.2): a relay's, read and bounded; Gatepost's own, written.
use super::violation::Violation;
use std::borrow::Cow;

/// The most octets of one reply, all its lines together; and of one line. (512 by RFC 5321 4.5.3.1.5; real ones are longer.)
pub const REPLY_CAP: usize = 16 * 1024;
/// One line.
pub const REPLY_LINE_CAP: usize = 4 * 1024;

/// A reply code, 200 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(u16);
/// By first digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Class {
    Positive,
    Intermediate,
    Transient,
    Permanent,
}
impl Code {
    /// None outside [2-5][0-5][0-9]... be liberal: any 200..=599.
    pub const fn new(_n: u16) -> Option<Code> {
        todo!()
    }
    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
    /// First digit.
    pub const fn class(self) -> Class {
        todo!()
    }
}
/// An enhanced status code (RFC 3463); the class is the code's first digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Enhanced(pub u8, pub u16, pub u16);

/// A complete reply of a relay, in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Heard<'a> {
    pub code: Code,
    /// all lines with CRLF
    pub octets: &'a [u8],
}
/// What stands at the front of the relay's octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Read<'a> {
    Incomplete,
    Reply { reply: Heard<'a>, taken: usize },
    Broken(Violation),
}
/// Reads one reply off the front.
pub fn read(_input: &[u8]) -> Read<'_> {
    todo!()
}
impl<'a> Heard<'a> {
    /// The text of each line, code and separator cut off.
    pub fn lines(&self) -> impl Iterator<Item = &'a [u8]> {
        [&b""[..]].into_iter()
    }
    /// The enhanced code of the first line, if any and of the right class.
    pub fn enhanced(&self) -> Option<Enhanced> {
        todo!()
    }
    /// Writes it in canonical form: bare codes get a space, trailing blanks go, each line at most `REPLY_LINE_CAP`.
    pub fn encode(&self, _out: &mut Vec<u8>) {
        todo!()
    }
}
/// A reply of Gatepost's own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Reply {
    pub code: Code,
    pub enhanced: Option<Enhanced>,
    pub text: Cow<'static, str>,
}
impl Reply {
    /// Const.
    pub const fn new(code: u16, enhanced: Enhanced, text: &'static str) -> Reply {
        Reply { code: Code(code), enhanced: Some(enhanced), text: Cow::Borrowed(text) }
    }
    /// With text made at run time.
    pub fn owned(_code: u16, _enhanced: (u8, u16, u16), _text: String) -> Reply {
        todo!()
    }
    /// From `"550 5.7.1 text"` as operators write it: class and enhanced code must agree, printable ASCII, at most 512 octets.
    pub fn from_text(_s: &str) -> Result<Reply, &'static str> {
        todo!()
    }
    /// Writes it; `enhanced` off where the keyword was not offered; `suffix` is appended to the text (reference, footer on a line of its own).
    pub fn encode(&self, _with_enhanced: bool, _suffix: &[&str], _out: &mut Vec<u8>) {
        todo!()
    }
}
