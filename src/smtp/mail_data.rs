//! Content between DATA and its final dot (RFC 5321 4.1.1.4, 4.5.2).

/// What bare line ends in content become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEnds {
    /// LF becomes CRLF, a stray CR a space, a dot behind a normalised LF is stuffed anew.
    #[default]
    Normalise,
    /// Found, named, refused at the true end. (The content is then not sent on: what is released does not matter.)
    Reject,
    /// Old devices: LF alone ends a line, and `LF . LF` (any mix) the content. Released with CRLF.
    Lenient,
}
/// What the scanner hands out, in order. Slices of `Content` point into the input of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Content as it was sent (still dot-stuffed), exact to the octet.
    Content(&'a [u8]),
    /// Octets that the scanner had held back from an earlier call, or that a repair puts in.
    Own(&'static [u8]),
}
/// Position in a line: five.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Position {
    #[default]
    LineStart,
    Inside,
    Cr,
    Dot,
    DotCr,
}
/// Finds the end of mail data. Holds back at most two octets.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    position: Position,
}
/// What a scan came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Scanned {
    /// octets of the input that belong to mail data (all, unless `ended`)
    pub taken: usize,
    /// CRLF.CRLF (and only that) was seen; the terminator itself is never released
    pub ended: bool,
    pub bare_cr: bool,
    pub bare_lf: bool,
    pub nul: bool,
}
impl Scanner {
    /// Scans; hands out pieces.
    pub fn scan<'a>(
        &mut self,
        _input: &'a [u8],
        _ends: LineEnds,
        _release: &mut impl FnMut(Piece<'a>),
    ) -> Scanned {
        todo!()
    }
}
