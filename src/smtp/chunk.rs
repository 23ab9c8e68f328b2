//! Content counted by BDAT (RFC 3030).
use super::mail_data::{LineEnds, Piece};
/// Repairs line ends in chunks; state runs across the chunks of one message. No dots have a meaning here.
#[derive(Clone, Debug, Default)]
pub struct Repair {
    after_cr: bool,
}
/// What was found in a slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Found {
    pub bare_cr: bool,
    pub bare_lf: bool,
    pub nul: bool,
}
impl Repair {
    /// Passes one slice of a chunk; `binary` (BODY=BINARYMIME): content has no lines, everything is released as it is.
    pub fn pass<'a>(
        &mut self,
        _input: &'a [u8],
        _ends: LineEnds,
        _binary: bool,
        _release: &mut impl FnMut(Piece<'a>),
    ) -> Found {
        todo!()
    }
    /// At the end of the last chunk: a held CR is bare; (Normalise) becomes a space.
    pub fn finish(&mut self, _ends: LineEnds) -> (Found, Option<&'static [u8]>) {
        todo!()
    }
}
