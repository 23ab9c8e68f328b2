//! `keyword=value` behind a path (RFC 5321 4.1.2), with the grammar of every registered one.
use super::extension::Extension;
use super::verb::Verb;

/// Which parameter, known rows only. `Body` belongs to two extensions: its value decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Keyword {
    Size,
    Body,
    Ret,
    Envid,
    SmtpUtf8,
    RequireTls,
    Auth,
    By,
    MtPriority,
    HoldFor,
    HoldUntil,
    Solicit,
    Notify,
    Orcpt,
    Rrvs,
    Mtrk,
    Submitter,
    Conperm,
    Conneg,
    TransId,
    AltAddress,
    Xverp,
}
impl Keyword {
    /// All rows.
    pub const ALL: &'static [Keyword] = &[];
    /// As spoken.
    pub const fn name(self) -> &'static str {
        todo!()
    }
    /// From the wire or a rule file, any case.
    pub fn from_wire(_k: &[u8]) -> Option<Keyword> {
        todo!()
    }
    /// The verb that takes it.
    pub const fn verb(self) -> Verb {
        todo!()
    }
}
/// One parameter as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Parameter<'a> {
    pub keyword: Option<Keyword>,
    pub name: &'a [u8],
    pub value: Option<&'a [u8]>,
}
impl Parameter<'_> {
    /// The extension that must have been offered for it (BODY=BINARYMIME: BINARYMIME, BODY else: 8BITMIME). None: unknown keyword.
    pub fn needs(&self) -> Option<Extension> {
        todo!()
    }
}
/// At most 16.
pub type Parameters<'a> = arrayvec::ArrayVec<Parameter<'a>, 16>;
/// What BODY said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Body {
    #[default]
    SevenBit,
    EightBitMime,
    BinaryMime,
}
/// Decodes xtext (RFC 3461 4).
pub fn xtext(_v: &[u8]) -> Option<Vec<u8>> {
    todo!()
}
