//! Where a command line ends, and when it never may (RFC 5321 2.3.8).
//!
//! Framing stands apart from grammar: a line is cut off by its end alone, so that a line which nobody
//! understands cannot shift the place where the next one begins.

use super::verb::Verb;
use super::violation::Violation;
use memchr::{memchr3, memmem};

/// The most octets a command line may have, CRLF included, whatever any rule file says. It covers the 12,288
/// octets of RFC 4954 4.
pub const HARD_CAP: usize = 16 * 1024;

/// What stands at the front of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut<'a> {
    /// No line end yet.
    Incomplete,
    /// A line.
    Line {
        /// Without its line end.
        body: &'a [u8],
        /// How many octets of the input it took, line end included.
        taken: usize,
    },
    /// Framing is broken: a bare CR, a bare LF (unless `lenient`), a NUL, or no end within [`HARD_CAP`].
    Broken(Violation),
}

/// Cuts one command line off the front, in one pass. `lenient`: a LF alone ends a line, too.
///
/// A CR that is the last octet of the input is not bare, it is incomplete. What is found does not depend on
/// how the input was cut into pieces: the first octet in doubt decides.
pub fn cut(input: &[u8], lenient: bool) -> Cut<'_> {
    // A line end that begins behind this place would end beyond the cap.
    const LAST: usize = HARD_CAP - 2;
    let Some(at) = memchr3(b'\r', b'\n', 0, input) else {
        return if input.len() > LAST { Cut::Broken(Violation::LineWithoutEnd) } else { Cut::Incomplete };
    };
    match input.split_at_checked(at) {
        _ if at > LAST => Cut::Broken(Violation::LineWithoutEnd),
        Some((body, [b'\r', b'\n', ..])) => Cut::Line { body, taken: at + 2 },
        Some((_, [b'\r'])) | None => Cut::Incomplete,
        Some((_, [b'\r', ..])) => Cut::Broken(Violation::BareCr),
        Some((body, [b'\n', ..])) if lenient => Cut::Line { body, taken: at + 1 },
        Some((_, [b'\n', ..])) => Cut::Broken(Violation::BareLf),
        Some(_) => Cut::Broken(Violation::NulInCommand),
    }
}

/// Whether these are the first octets of another protocol (an HTTP request, a TLS handshake, an SSH banner, a
/// header line): a browser, a scanner, or a request made to smuggle SMTP inside another protocol.
///
/// It takes all that has come so far on a connection, before any line is cut (a TLS handshake has no line
/// end); only what stands before the first CR, LF or NUL is looked at. More input may turn `None` into a finding,
/// so it is worth asking again as long as the first line is incomplete, but never a finding into another.
/// What begins with a verb of the table is never foreign.
pub fn foreign(input: &[u8]) -> Option<Violation> {
    let end = memchr3(b'\r', b'\n', 0, input).unwrap_or(input.len());
    let (line, ended) = (input.get(..end).unwrap_or(input), end < input.len());
    match input {
        // A TLS record of type handshake; a hello of SSL 2.
        [0x16, 0x03, ..] | [0x80..=0xff, 0x0e..=0xff, 0x01, 0x00 | 0x03, ..] => {
            Some(Violation::TlsInPlaintext)
        }
        // SOCKS 4 and 5; remote desktop; a directory.
        [0x04, 0x01 | 0x02, ..]
        | [0x05, 0x01..=0x08, ..]
        | [0x03, 0x00, ..]
        | [0x30, 0x01..=0x09 | 0x0b | 0x0c | 0x0e..=0xff, 0x02, 0x01, ..] => Some(Violation::ForeignProtocol),
        _ => is_foreign_line(line, ended).then_some(Violation::ForeignProtocol),
    }
}

/// The methods of HTTP and its kin (RFC 9110 9, 4918 9, 7826 13, 3261 7.1).
const METHODS: &str = "GET POST HEAD PUT DELETE CONNECT OPTIONS TRACE PATCH PRI PROPFIND PROPPATCH MKCOL \
    COPY MOVE LOCK UNLOCK REPORT SEARCH DESCRIBE SETUP PLAY INVITE REGISTER";

/// `ended`: the line is whole. What might go on otherwise is not judged before.
fn is_foreign_line(line: &[u8], ended: bool) -> bool {
    let end = line.iter().position(|octet| matches!(octet, b' ' | b'\t' | b':')).unwrap_or(line.len());
    let Some((word, rest)) = line.split_at_checked(end) else { return false };
    if Verb::from_wire(word) != Verb::Unknown {
        return false;
    }
    match rest {
        _ if line.starts_with(b"SSH-") || line.starts_with(b"{\"") => true,
        // Redis: an array of so many strings.
        [] => ended && matches!(word, [b'*', b'0'..=b'9', ..]),
        [b':', rest @ ..] => {
            is_label(word) && (ended && rest.is_empty() || matches!(rest, [b' ' | b'\t', ..]))
        }
        [_, rest @ ..] => {
            let method = METHODS.split(' ').any(|method| method.as_bytes() == word);
            let target =
                rest.starts_with(b"/") || rest.starts_with(b"*") || memmem::find(rest, b"://").is_some();
            method && target
                || [&b" HTTP/"[..], b" RTSP/", b" SIP/2"].iter().any(|v| memmem::find(rest, v).is_some())
        }
    }
}

/// The name of a header field, in HTTP or in a message.
fn is_label(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(body: &'static str, taken: usize) -> Cut<'static> {
        Cut::Line { body: body.as_bytes(), taken }
    }

    #[test]
    fn a_line_ends_with_crlf_and_nothing_else() {
        assert_eq!(cut(b"NOOP\r\nQUIT\r\n", false), line("NOOP", 6));
        assert_eq!(cut(b"\r\n", false), line("", 2));
        assert_eq!(cut(b"NOOP\nQUIT\r\n", false), Cut::Broken(Violation::BareLf));
        assert_eq!(cut(b"NOOP\rQUIT\r\n", false), Cut::Broken(Violation::BareCr));
        assert_eq!(cut(b"NOOP\r\r\n", false), Cut::Broken(Violation::BareCr));
        assert_eq!(cut(b"NO\0OP\r\n", false), Cut::Broken(Violation::NulInCommand));
    }

    #[test]
    fn a_cr_at_the_very_end_is_incomplete() {
        assert_eq!(cut(b"NOOP\r", false), Cut::Incomplete);
        assert_eq!(cut(b"NOOP\r", true), Cut::Incomplete);
        assert_eq!(cut(b"", false), Cut::Incomplete);
    }

    #[test]
    fn a_lenient_line_may_end_with_lf_but_never_with_cr() {
        assert_eq!(cut(b"NOOP\nQUIT\n", true), line("NOOP", 5));
        assert_eq!(cut(b"NOOP\r\nQUIT\n", true), line("NOOP", 6));
        assert_eq!(cut(b"NOOP\rQUIT\n", true), Cut::Broken(Violation::BareCr));
        assert_eq!(cut(b"NO\0OP\n", true), Cut::Broken(Violation::NulInCommand));
    }

    #[test]
    fn the_cap_holds_to_the_octet_whole_or_in_pieces() {
        for length in HARD_CAP - 4..HARD_CAP + 4 {
            let mut input = vec![b'a'; length];
            input.extend_from_slice(b"\r\nrest");
            let whole = cut(&input, false);
            assert_eq!(matches!(whole, Cut::Line { .. }), length + 2 <= HARD_CAP, "{length}");
            let piecewise =
                (0..=input.len()).map(|n| cut(&input[..n], false)).find(|c| *c != Cut::Incomplete);
            assert_eq!(piecewise, Some(whole), "{length}");
        }
    }

    #[test]
    fn every_short_input_is_cut_alike_whole_and_in_pieces() {
        const ALPHABET: &[u8] = b"\r\na\0";
        for number in 0..ALPHABET.len().pow(7) {
            let input: Vec<u8> =
                (0..7).map(|place| ALPHABET[number / ALPHABET.len().pow(place) % 4]).collect();
            for lenient in [false, true] {
                let whole = cut(&input, lenient);
                let piecewise = (0..=7).map(|n| cut(&input[..n], lenient)).find(|c| *c != Cut::Incomplete);
                assert_eq!(piecewise.unwrap_or(Cut::Incomplete), whole, "{}", input.escape_ascii());
                if let Cut::Line { body, taken } = whole {
                    assert!(body.iter().all(|octet| *octet == b'a'));
                    assert!(
                        matches!(&input[body.len()..taken], b"\r\n") || lenient && input[body.len()] == b'\n'
                    );
                }
            }
        }
    }

    #[test]
    fn other_protocols_are_told_apart() {
        for first in [
            &b"GET / HTTP/1.1\r\nHost: x\r\n"[..],
            b"POST /x HTTP/1.0",
            b"CONNECT mx:25 HTTP/1.1",
            b"GET http://a/",
            b"PRI * HTTP/2.0\r\n\r\nSM",
            b"OPTIONS * HTTP/1.1",
            b"OPTIONS sip:nm SIP/2.0",
            b"OPTIONS / RTSP/1.0",
            b"Host: example.org",
            b"User-Agent: x",
            b"Content-Length:\r\n",
            b"SSH-2.0-Go",
            b"\x05\x01\x00",
            b"\x04\x01\x00\x19",
            b"{\"id\": 1}",
            b"*1\r\n$4\r\nPING\r\n",
            b"\x03\x00\x00\x13\x0e",
            b"FOO x HTTP/1.1",
        ] {
            assert_eq!(foreign(first), Some(Violation::ForeignProtocol), "{}", first.escape_ascii());
        }
        assert_eq!(foreign(b"\x16\x03\x01\x02\x00\x01"), Some(Violation::TlsInPlaintext));
        assert_eq!(foreign(b"\x80\x2e\x01\x00\x02"), Some(Violation::TlsInPlaintext));
    }

    #[test]
    fn smtp_is_never_foreign() {
        for verb in Verb::ALL {
            for argument in ["", " ", " FROM:<a@b>", ": x", " / HTTP/1.1", " GET / HTTP/1.1", " http://x"] {
                let line = format!("{}{argument}\r\n", verb.facts().name);
                assert_eq!(
                    foreign(line.as_bytes()),
                    if *verb == Verb::Unknown { foreign(line.as_bytes()) } else { None }
                );
            }
        }
        for first in [
            &b""[..],
            b"\x16",
            b"G",
            b"GET",
            b"\r\n",
            b"HELLO x",
            b"mail from:<a@b>",
            b"XFOO bar",
            b"To:",
            b"*1",
            b"\x80\n\x01\x03",
        ] {
            assert_eq!(foreign(first), None, "{}", first.escape_ascii());
        }
    }
}
