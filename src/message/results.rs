//! Authentication-Results (RFC 8601): fields that somebody else has written in our name are taken out of a message (5),
//! and nothing else of it is touched.

mod authserv;
#[cfg(test)]
mod tests;

use arrayvec::ArrayVec;
use authserv::{Extent, Whose, whose};
use memchr::memchr;
use std::ops::Range;

/// The name of the field.
const NAME: &[u8] = b"authentication-results";
/// Octets of a field that are held until it is known whose it is. None that is honest comes near.
const HELD: usize = 4096;
/// Octets of a line that say what it is: the name, a dot in front, and what stands behind.
const FIRST: usize = NAME.len() + 2;

/// What a [`Sieve`] hands out, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passed<'a> {
    /// A range of the octets of this call.
    Range(Range<usize>),
    /// Octets of earlier calls, or of this one, that were held.
    Held(&'a [u8]),
}

/// Takes Authentication-Results fields of our own name out of a header, however it is cut. Holds back a field of this name
/// alone, and of that at most 4 KiB.
#[derive(Debug)]
pub struct Sieve {
    /// Our authserv-id.
    name: Box<str>,
    /// Whether a dot at the start of a line is transparency, not content (RFC 5321 4.5.2).
    stuffed: bool,
    field: Field,
    line: Line,
    /// What is held of a candidate.
    held: Vec<u8>,
    /// The first octets of a line, as long as they do not say what it is.
    first: ArrayVec<u8, FIRST>,
    /// Whether the last octet was a CR, and whether the last line end was a LF alone (as in BINARYMIME).
    after_cr: bool,
    loose: bool,
}

/// What becomes of the field that a line may go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    /// It passes.
    Passing,
    /// It is held.
    Candidate,
    /// It does not pass.
    Refused,
}

/// Where in the header the next octet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// In the first octets of a line.
    Start,
    /// In a line of which it is known what it is.
    Inside,
    /// Behind the header.
    Body,
}

/// What a line is, by its first octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    /// More of them are needed.
    Unclear,
    /// The empty one, which ends the header.
    Empty,
    /// More of the field before.
    Continues,
    /// A field that may bear our name.
    Candidate,
    /// Any other field, or none.
    Other,
}

impl Sieve {
    /// For a message from its first octet on. `stuffed`: it comes by DATA.
    pub fn new(name: &str, stuffed: bool) -> Self {
        Self {
            name: name.into(),
            stuffed,
            field: Field::Passing,
            line: Line::Start,
            held: Vec::new(),
            first: ArrayVec::new(),
            after_cr: false,
            loose: false,
        }
    }

    /// Lets octets pass, or not.
    pub fn pass(&mut self, octets: &[u8], release: &mut impl FnMut(Passed<'_>)) {
        // What lies between these passes, and is not handed out yet.
        let (mut from, mut at) = (0, 0);
        while let Some(rest) = octets.get(at..).filter(|rest| !rest.is_empty()) {
            match self.line {
                Line::Body => at = octets.len(),
                Line::Start if self.first.is_empty() => {
                    let ahead = rest.get(..FIRST).unwrap_or(rest);
                    let beginning = self.beginning(ahead);
                    if beginning != Beginning::Unclear {
                        self.turn(beginning, release);
                        continue;
                    }
                    hand_out(from..at, release);
                    self.first.extend(ahead.iter().copied());
                    (from, at) = (octets.len(), octets.len());
                }
                Line::Start => {
                    self.first.extend(rest.first().copied());
                    (from, at) = (at + 1, at + 1);
                    self.one_more(release);
                }
                Line::Inside => {
                    let end = at + memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1);
                    if self.field != Field::Passing {
                        hand_out(from..at, release);
                        from = end;
                    }
                    self.follow(octets.get(at..end).unwrap_or_default(), release);
                    at = end;
                }
            }
        }
        hand_out(from..at, release);
    }

    /// The message has ended.
    pub fn finish(&mut self, release: &mut impl FnMut(Passed<'_>)) {
        self.settle(release);
        if !self.first.is_empty() {
            release(Passed::Held(&self.first));
            self.first.clear();
        }
    }

    /// One octet more of the first ones of a line has come.
    fn one_more(&mut self, release: &mut impl FnMut(Passed<'_>)) {
        let beginning = self.beginning(&self.first);
        if beginning == Beginning::Unclear {
            return;
        }
        let first = std::mem::take(&mut self.first);
        self.turn(beginning, release);
        if self.field == Field::Passing {
            release(Passed::Held(&first));
        }
        self.follow(&first, release);
    }

    /// It is known what a line is.
    fn turn(&mut self, beginning: Beginning, release: &mut impl FnMut(Passed<'_>)) {
        if beginning != Beginning::Continues {
            self.settle(release);
        }
        if beginning == Beginning::Candidate {
            self.field = Field::Candidate;
        }
        self.line = if beginning == Beginning::Empty { Line::Body } else { Line::Inside };
    }

    /// What a line is, of which these are the first octets.
    fn beginning(&self, line: &[u8]) -> Beginning {
        let dotted = self.stuffed && line.starts_with(b".");
        let line = line.get(usize::from(dotted)..).unwrap_or_default();
        match line {
            [] | [b'\r'] => Beginning::Unclear,
            [b' ' | b'\t', ..] => Beginning::Continues,
            // For one parser a LF alone ends a line and for another it does not: the header ends where it does for both.
            [b'\r', b'\n', ..] if !dotted && !self.loose => Beginning::Empty,
            _ => {
                let same =
                    line.iter().zip(NAME).take_while(|(is, want)| is.eq_ignore_ascii_case(want)).count();
                match line.get(same) {
                    None => Beginning::Unclear,
                    // Blanks before the colon are obsolete and understood (RFC 5322 4.5); so may a line end be.
                    Some(b':' | b' ' | b'\t' | b'\r' | b'\n') if same == NAME.len() => Beginning::Candidate,
                    Some(_) => Beginning::Other,
                }
            }
        }
    }

    /// Follows a part of a line of which it is known what it is.
    fn follow(&mut self, part: &[u8], release: &mut impl FnMut(Passed<'_>)) {
        if self.field == Field::Candidate {
            let room = HELD.saturating_sub(self.held.len());
            let (held, more) = part.split_at_checked(room).unwrap_or((part, b""));
            self.held.extend_from_slice(held);
            if !more.is_empty() {
                self.overflow(more, release);
            }
        }
        let crlf = part.ends_with(b"\r\n") || (part == b"\n" && self.after_cr);
        self.after_cr = part.ends_with(b"\r");
        if part.ends_with(b"\n") && self.line == Line::Inside {
            (self.line, self.loose) = (Line::Start, !crlf);
        }
    }

    /// A candidate is longer than may be held: it is judged by its beginning, wherever it was cut.
    fn overflow(&mut self, more: &[u8], release: &mut impl FnMut(Passed<'_>)) {
        match whose(&self.held, Extent::Beginning, self.stuffed, &self.name) {
            Whose::Another => {
                self.field = Field::Passing;
                release(Passed::Held(&self.held));
                release(Passed::Held(more));
            }
            // Who hides a name behind so much has no honest reason to.
            Whose::Ours | Whose::Unclear => self.field = Field::Refused,
        }
        self.held = Vec::new();
    }

    /// The field has ended: one that was held passes, unless it is ours.
    fn settle(&mut self, release: &mut impl FnMut(Passed<'_>)) {
        if self.field == Field::Candidate {
            if !self.is_ours() {
                release(Passed::Held(&self.held));
            }
            self.held = Vec::new();
        }
        self.field = Field::Passing;
    }

    /// Whether the whole field that is held is ours. Where its parsers may disagree, our name alone is too much.
    fn is_ours(&self) -> bool {
        match whose(&self.held, Extent::Whole, self.stuffed, &self.name) {
            Whose::Ours => true,
            Whose::Another => false,
            Whose::Unclear => {
                let name = self.name.as_bytes();
                self.held.windows(name.len().max(1)).any(|octets| octets.eq_ignore_ascii_case(name))
            }
        }
    }
}

fn hand_out(range: Range<usize>, release: &mut impl FnMut(Passed<'_>)) {
    if !range.is_empty() {
        release(Passed::Range(range));
    }
}
