//! The lines of a message: header and body told apart (RFC 5322 2.1), lengths, Received fields. Keeps no
//! octets.

use memchr::memchr;

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
    /// Octets of the line so far.
    line: u64,
    /// Whether the last of them is a CR.
    after_cr: bool,
    /// Whether a stuffed dot was left out at the start of the line.
    unstuffed: bool,
    /// How many octets of the line are the name that is looked for; the line is no such field if it has more.
    matched: usize,
}

const RECEIVED: &[u8] = b"received:";

impl Meter {
    /// Follows one slice. `stuffed`: a dot at the start of a line is transparency, not content (DATA, not
    /// BDAT).
    pub fn follow(&mut self, slice: &[u8], stuffed: bool) {
        let mut rest = slice;
        while !rest.is_empty() {
            let end = memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1);
            let Some((part, after)) = rest.split_at_checked(end) else { return };
            self.part(part, stuffed);
            rest = after;
        }
    }

    /// So far.
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// A line or a part of one; a LF is the last octet or is not in it.
    fn part(&mut self, part: &[u8], stuffed: bool) {
        let at_start = self.line == 0 && !self.unstuffed;
        let part = match part {
            [b'.', rest @ ..] if stuffed && at_start => {
                self.unstuffed = true;
                rest
            }
            _ => part,
        };
        if part.is_empty() {
            return;
        }
        if !self.seen.in_body {
            self.match_name(part);
        }
        let body = part.strip_suffix(b"\n").unwrap_or(part);
        let after_cr = body.last().map_or(self.after_cr, |octet| *octet == b'\r');
        let line = self.line + count(body.len());
        let length = line - u64::from(after_cr);

        let seen = &mut self.seen;
        let octets = count(part.len());
        seen.octets += octets;
        let (longest, eight_bit) = if seen.in_body {
            (&mut seen.longest_body_line, &mut seen.eight_bit_body)
        } else {
            seen.header_octets += octets;
            (&mut seen.longest_header_line, &mut seen.eight_bit_header)
        };
        *longest = length.max(*longest);
        *eight_bit = *eight_bit || !part.is_ascii();

        if body.len() < part.len() {
            seen.in_body = seen.in_body || length == 0;
            (self.line, self.after_cr, self.unstuffed, self.matched) = (0, false, false, 0);
        } else {
            (self.line, self.after_cr) = (line, after_cr);
        }
    }

    /// Counts the field once its whole name was seen at the start of a line, in any case.
    fn match_name(&mut self, part: &[u8]) {
        let wanted = RECEIVED.get(self.matched..).unwrap_or_default();
        if count(self.matched) != self.line || wanted.is_empty() {
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
        let header = b"Received: a\r\n by b\r\nRECEIVED:c\r\n received: d\r\nX-Received: e\r\nReceived-SPF: f\r\nRecei\r\n";
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
}
