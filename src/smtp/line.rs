//! Where a command line ends, and when it never may.
use super::violation::Violation;

/// The most octets a command line may have, CRLF included, whatever any rule file says (covers RFC 4954 4's 12,288).
pub const HARD_CAP: usize = 16 * 1024;

/// What stands at the front of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut<'a> {
    /// No line end yet.
    Incomplete,
    /// `body` without its line end; `taken` with it.
    Line {
        /// without CRLF
        body: &'a [u8],
        /// with CRLF
        taken: usize,
    },
    /// Framing broken: bare CR, bare LF (unless `lenient`), NUL, or no end within [`HARD_CAP`].
    Broken(Violation),
}
/// Cuts one command line off the front. `lenient`: a LF alone ends a line too. One memchr-driven pass. A CR at the very end of the input is
/// incomplete, not bare.
pub fn cut(_input: &[u8], _lenient: bool) -> Cut<'_> {
    todo!()
}
/// Whether these first octets of a connection are another protocol (HTTP request line, TLS ClientHello, SSH banner, a header line...): see smtp-facts 8.8.
pub fn foreign(_body: &[u8]) -> Option<Violation> {
    todo!()
}
