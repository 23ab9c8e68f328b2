//! The lines of a message: header and body told apart (RFC 5322 2.1), lengths, Received fields. Keeps no
//! octets.

#[cfg(test)]
mod tests;

use memchr::{memchr, memmem, memrchr};

/// What was seen so far in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are findings, and any of them may come with any other"
)]
pub struct Seen {
    /// Content octets, line ends counted, stuffed dots not (RFC 1870 5).
    pub octets: u64,
    /// Those of the header, with the empty line that ends it.
    pub header_octets: u64,
    /// Whether a header line is longer than it may be.
    pub long_header_line: bool,
    /// Whether a body line is.
    pub long_body_line: bool,
    /// How many Received fields the header has (RFC 5321 6.3).
    pub received: u32,
    /// Whether an octet of the header is above 127.
    pub eight_bit_header: bool,
    /// Whether an octet of the body is above 127.
    pub eight_bit_body: bool,
    /// Whether the empty line was seen.
    pub in_body: bool,
}

/// How long a line may be, without its line end (RFC 5322 2.1.1 says 998).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Longest {
    /// In the header.
    pub header: u64,
    /// In the body.
    pub body: u64,
}

/// What a slice is to a [`Meter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    /// Every octet is content (BDAT).
    Counted,
    /// A dot at the start of a line is transparency, not content (DATA, RFC 5321 4.5.2).
    Stuffed,
    /// Every octet is content, and whoever released it has seen that none is above 127.
    Plain,
}

/// Follows released content slice by slice, in one cheap pass. What it says does not depend on how content is
/// cut into slices.
#[derive(Clone, Debug)]
pub struct Meter {
    longest: Longest,
    seen: Seen,
    line: Line,
    /// How many octets of the line are the name that is looked for; the line is no such field if it has more.
    matched: usize,
}

/// The line that has not ended yet.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    /// Its octets so far, without a stuffed dot.
    octets: u64,
    /// Whether the last of them is a CR.
    after_cr: bool,
    /// Whether a stuffed dot was left out.
    unstuffed: bool,
}

const RECEIVED: &[u8] = b"received:";

impl Line {
    /// Takes a line or a part of one, without its LF, and leaves out a stuffed dot. Returns what is content
    /// of it.
    fn take<'a>(&mut self, part: &'a [u8], slice: Slice) -> &'a [u8] {
        let at_start = self.octets == 0 && !self.unstuffed;
        let part = match part {
            [b'.', rest @ ..] if slice == Slice::Stuffed && at_start => {
                self.unstuffed = true;
                rest
            }
            _ => part,
        };
        if let Some(last) = part.last() {
            self.after_cr = *last == b'\r';
            self.octets += count(part.len());
        }
        part
    }

    /// Without a CR that may be half of its end.
    fn length(self) -> u64 {
        self.octets - u64::from(self.after_cr)
    }
}

impl Meter {
    /// A message from its first octet on.
    pub fn new(longest: Longest) -> Self {
        Self { longest, seen: Seen::default(), line: Line::default(), matched: 0 }
    }

    /// Follows one slice.
    pub fn follow(&mut self, octets: &[u8], slice: Slice) {
        let mut rest = octets;
        while !self.seen.in_body && !rest.is_empty() {
            rest = self.follow_header_line(rest, slice);
        }
        if !rest.is_empty() {
            self.follow_body(rest, slice);
        }
    }

    /// So far.
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// A line at the front, or the part of it that is there. Returns what is behind it.
    fn follow_header_line<'a>(&mut self, octets: &'a [u8], slice: Slice) -> &'a [u8] {
        let (part, rest) = split_line(octets);
        let before = self.line.octets;
        let part = self.line.take(part, slice);
        self.match_name(before, part);

        let (seen, length) = (&mut self.seen, self.line.length());
        let octets = count(part.len()) + u64::from(!rest.is_empty());
        seen.octets += octets;
        seen.header_octets += octets;
        seen.long_header_line |= length > self.longest.header;
        seen.eight_bit_header = seen.eight_bit_header || slice != Slice::Plain && !part.is_ascii();
        let [_lf, behind @ ..] = rest else { return rest };
        seen.in_body = length == 0;
        (self.line, self.matched) = (Line::default(), 0);
        behind
    }

    /// All of it. What was seen before is not looked for again, and most of a plain slice is never touched.
    fn follow_body(&mut self, octets: &[u8], slice: Slice) {
        let (first, rest) = split_line(octets);
        let mut dots = first.len() - self.line.take(first, slice).len();
        self.seen.long_body_line |= self.line.length() > self.longest.body;
        if let [_lf, behind @ ..] = rest {
            let whole = memrchr(b'\n', behind).map_or(0, |lf| lf + 1);
            let (lines, last) = behind.split_at_checked(whole).unwrap_or_default();
            self.line = Line::default();
            self.line.take(last, slice);
            self.seen.long_body_line = self.seen.long_body_line
                || self.line.length() > self.longest.body
                || has_longer(self.longest.body, lines, slice);
            if slice == Slice::Stuffed && !behind.is_empty() {
                dots += memmem::find_iter(rest, b"\n.").count();
            }
        }
        let seen = &mut self.seen;
        seen.octets += count(octets.len() - dots);
        seen.eight_bit_body = seen.eight_bit_body || slice != Slice::Plain && !octets.is_ascii();
    }

    /// Counts the field once its whole name was seen at the start of a line, in any case. `before` octets of
    /// the line came in earlier slices.
    fn match_name(&mut self, before: u64, part: &[u8]) {
        let wanted = RECEIVED.get(self.matched..).unwrap_or_default();
        if count(self.matched) != before || wanted.is_empty() {
            return;
        }
        self.matched +=
            part.iter().zip(wanted).take_while(|(is, want)| is.eq_ignore_ascii_case(want)).count();
        if self.matched == RECEIVED.len() {
            self.seen.received = self.seen.received.saturating_add(1);
        }
    }
}

/// Whether one of these whole lines is longer than it may be. From the start of a line it is enough to look back
/// from where the longest would have ended: what lies before the line end that is found there is short enough.
fn has_longer(longest: u64, mut lines: &[u8], slice: Slice) -> bool {
    let reach = usize::try_from(longest).unwrap_or(usize::MAX);
    while !lines.is_empty() {
        let near = lines.get(..reach.saturating_add(2)).unwrap_or(lines);
        let end = memrchr(b'\n', near).filter(|lf| {
            let with_cr = || near.get(..*lf).is_some_and(|line| line.ends_with(b"\r"));
            *lf <= reach || with_cr()
        });
        if let Some(lf) = end {
            lines = lines.get(lf + 1..).unwrap_or_default();
            continue;
        }
        let ((part, rest), mut line) = (split_line(lines), Line::default());
        line.take(part, slice);
        if line.length() > longest {
            return true;
        }
        lines = rest.get(1..).unwrap_or_default();
    }
    false
}

/// Up to the first LF, and from there on.
fn split_line(octets: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr(b'\n', octets).unwrap_or(octets.len());
    octets.split_at_checked(end).unwrap_or((octets, b""))
}

fn count(octets: usize) -> u64 {
    u64::try_from(octets).unwrap_or(u64::MAX)
}
