//! The lines of a message: header and body told apart (RFC 5322 2.1), lengths, Received fields. Keeps no
//! octets.

use memchr::{memchr, memchr_iter};

/// What was seen so far in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Content octets, line ends counted, stuffed dots not (RFC 1870 5).
    pub octets: u64,
    /// Those of the header, with the empty line that ends it.
    pub header_octets: u64,
    /// Octets of the longest header line, without its line end.
    pub longest_header_line: u64,
    /// Octets of the longest body line, without its line end.
    pub longest_body_line: u64,
    /// How many Received fields the header has (RFC 5321 6.3).
    pub received: u32,
    /// Whether an octet of the header is above 127.
    pub eight_bit_header: bool,
    /// Whether an octet of the body is above 127.
    pub eight_bit_body: bool,
    /// Whether the empty line was seen.
    pub in_body: bool,
}

/// Follows released content slice by slice, in one cheap pass. What it says does not depend on how content is
/// cut into slices.
#[derive(Clone, Debug, Default)]
pub struct Meter {
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
    fn take<'a>(&mut self, part: &'a [u8], stuffed: bool) -> &'a [u8] {
        let at_start = self.octets == 0 && !self.unstuffed;
        let part = match part {
            [b'.', rest @ ..] if stuffed && at_start => {
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
    /// Follows one slice. `stuffed`: a dot at the start of a line is transparency, not content (DATA, not
    /// BDAT).
    pub fn follow(&mut self, slice: &[u8], stuffed: bool) {
        let mut rest = slice;
        while !self.seen.in_body && !rest.is_empty() {
            rest = self.follow_header_line(rest, stuffed);
        }
        if !rest.is_empty() {
            self.follow_body(rest, stuffed);
        }
    }

    /// So far.
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// A line at the front, or the part of it that is there. Returns what is behind it.
    fn follow_header_line<'a>(&mut self, slice: &'a [u8], stuffed: bool) -> &'a [u8] {
        let end = memchr(b'\n', slice).unwrap_or(slice.len());
        let (part, rest) = slice.split_at_checked(end).unwrap_or((slice, b""));
        let before = self.line.octets;
        let part = self.line.take(part, stuffed);
        self.match_name(before, part);

        let (seen, length) = (&mut self.seen, self.line.length());
        let octets = count(part.len()) + u64::from(!rest.is_empty());
        seen.octets += octets;
        seen.header_octets += octets;
        seen.longest_header_line = length.max(seen.longest_header_line);
        seen.eight_bit_header = seen.eight_bit_header || !part.is_ascii();
        let [_lf, behind @ ..] = rest else { return rest };
        seen.in_body = length == 0;
        (self.line, self.matched) = (Line::default(), 0);
        behind
    }

    /// All of the slice. Only the ends and the first octets of lines are looked at, and all octets for one
    /// above 127 until there was one.
    fn follow_body(&mut self, slice: &[u8], stuffed: bool) {
        let (mut start, mut content, mut longest) = (0, slice.len(), self.seen.longest_body_line);
        let ends = memchr_iter(b'\n', slice).map(|lf| (lf, true));
        for (end, ended) in ends.chain([(slice.len(), false)]) {
            let part = slice.get(start..end).unwrap_or_default();
            content -= part.len() - self.line.take(part, stuffed).len();
            longest = self.line.length().max(longest);
            start = end + 1;
            if ended {
                self.line = Line::default();
            }
        }
        let seen = &mut self.seen;
        seen.longest_body_line = longest;
        seen.octets += count(content);
        seen.eight_bit_body = seen.eight_bit_body || !slice.is_ascii();
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

fn count(octets: usize) -> u64 {
    u64::try_from(octets).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(message: &[u8], stuffed: bool) -> Seen {
        let mut whole = Meter::default();
        whole.follow(message, stuffed);
        for cut in 0..=message.len() {
            let mut pieces = Meter::default();
            let (head, tail) = message.split_at(cut);
            pieces.follow(head, stuffed);
            pieces.follow(tail, stuffed);
            assert_eq!(pieces.seen(), whole.seen(), "cut at {cut}");
        }
        let mut octets = Meter::default();
        message.chunks(1).for_each(|octet| octets.follow(octet, stuffed));
        assert_eq!(octets.seen(), whole.seen());
        whole.seen()
    }

    #[test]
    fn header_and_body_are_told_apart_at_the_empty_line() {
        let seen = seen(b"Subject: x\r\nTo: y\r\n\r\nbody text\r\n\r\nReceived: z\r\n", true);
        assert!(seen.in_body);
        assert_eq!((seen.octets, seen.header_octets, seen.received), (47, 21, 0));
        assert_eq!((seen.longest_header_line, seen.longest_body_line), (10, 11));
    }

    #[test]
    fn received_fields_are_counted_in_any_case_at_the_start_of_a_line() {
        let header = b"Received: a\r\n by b\r\nRECEIVED:c\r\n received: d\r\nX-Received: e\r\n\
            Received-SPF: f\r\nRecei\r\n";
        assert_eq!(seen(header, true).received, 2);
        assert!(!seen(header, true).in_body);
    }

    #[test]
    fn stuffed_dots_are_not_content() {
        let data = seen(b"\r\n..\r\n...a\r\nb.\r\n", true);
        assert_eq!((data.octets, data.longest_body_line), (2 + 3 + 5 + 4, 3));
        let chunk = seen(b"\r\n..\r\n...a\r\nb.\r\n", false);
        assert_eq!((chunk.octets, chunk.longest_body_line), (2 + 4 + 6 + 4, 4));
    }

    #[test]
    fn octets_above_127_are_told_apart_by_where_they_stand() {
        let header = seen(b"Subject: \xc3\xa4\r\n\r\nx\r\n", true);
        assert!(header.eight_bit_header && !header.eight_bit_body);
        let body = seen(b"Subject: x\r\n\r\n\xe4\r\n", true);
        assert!(!body.eight_bit_header && body.eight_bit_body);
    }

    #[test]
    fn a_line_counts_before_it_has_ended() {
        assert_eq!(seen(&[b'a'; 2000], true).longest_header_line, 2000);
        assert_eq!(seen(b"\r\nabc\r", false).longest_body_line, 3);
        assert_eq!(seen(b"\nabc\n", false).longest_body_line, 3);
    }

    /// What the fields of [`Seen`] say, line by line.
    fn definition(message: &[u8], stuffed: bool) -> Seen {
        let mut seen = Seen::default();
        for line in message.split_inclusive(|octet| *octet == b'\n') {
            let line = if stuffed { line.strip_prefix(b".").unwrap_or(line) } else { line };
            let body = line.strip_suffix(b"\n").unwrap_or(line);
            let length = count(body.strip_suffix(b"\r").unwrap_or(body).len());
            seen.octets += count(line.len());
            if seen.in_body {
                seen.longest_body_line = seen.longest_body_line.max(length);
                continue;
            }
            seen.header_octets += count(line.len());
            seen.longest_header_line = seen.longest_header_line.max(length);
            seen.in_body = line.ends_with(b"\n") && length == 0;
        }
        seen
    }

    #[test]
    fn every_short_message_is_seen_as_defined_whole_and_in_pieces() {
        const ALPHABET: &[u8] = b"\r\n.a";
        for number in 0..ALPHABET.len().pow(7) {
            let message: Vec<u8> =
                (0..7).map(|place| ALPHABET[number / ALPHABET.len().pow(place) % 4]).collect();
            for stuffed in [true, false] {
                assert_eq!(
                    seen(&message, stuffed),
                    definition(&message, stuffed),
                    "{}",
                    message.escape_ascii()
                );
            }
        }
    }
}
