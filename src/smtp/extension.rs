//! The table of service extensions.
use super::verb::Verb;

/// A service extension by its EHLO keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Extension {
    Size,
    EightBitMime,
    BinaryMime,
    Chunking,
    Pipelining,
    StartTls,
    Auth,
    EnhancedStatusCodes,
    Dsn,
    SmtpUtf8,
    RequireTls,
    DeliverBy,
    MtPriority,
    FutureRelease,
    NoSoliciting,
    Rrvs,
    Burl,
    Etrn,
    Atrn,
    Vrfy,
    Expn,
    Help,
    Turn,
    Send,
    Soml,
    Saml,
    Limits,
    Mtrk,
    Submitter,
    Conperm,
    Conneg,
    Checkpoint,
    Utf8Smtp,
    Xclient,
    Xforward,
    Xverp,
    PipeConnect,
    // + Exchange
}

/// Who gives it to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Giver {
    Relay,
    Gate,
    Both,
    /// withheld always, with the reason
    Nobody(&'static str),
}

/// One row.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Facts {
    pub keyword: &'static str,
    pub section: &'static str,
    pub giver: Giver,
    /// Needs these others offered too (BINARYMIME: CHUNKING; SMTPUTF8: 8BITMIME).
    pub needs: Option<Extension>,
    pub verbs: &'static [Verb],
    /// Octets that it adds to the limit of a MAIL line, and of a RCPT line.
    pub mail_octets: usize,
    pub rcpt_octets: usize,
}
impl Extension {
    /// All rows, in the order in which EHLO replies list them.
    pub const ALL: &'static [Extension] = &[];
    /// Its row.
    pub const fn facts(self) -> &'static Facts {
        todo!()
    }
    /// From an EHLO line or a rule file.
    pub fn from_keyword(_k: &[u8]) -> Option<Extension> {
        todo!()
    }
}
/// A set of extensions (a bit each).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions(u64);
impl Extensions {
    /// None of them.
    pub const NONE: Extensions = Extensions(0);
    /// Whether it is in.
    pub const fn contains(self, _e: Extension) -> bool {
        todo!()
    }
    /// With it.
    #[must_use]
    pub const fn with(self, _e: Extension) -> Extensions {
        todo!()
    }
    /// Without it.
    #[must_use]
    pub const fn without(self, _e: Extension) -> Extensions {
        todo!()
    }
    /// Those in both.
    #[must_use]
    pub const fn intersection(self, _o: Extensions) -> Extensions {
        todo!()
    }
    /// In table order.
    pub fn iter(self) -> impl Iterator<Item = Extension> {
        Extension::ALL.iter().copied().filter(move |e| self.contains(*e))
    }
    /// Octets they add to the limit of a line with this verb (MAIL, RCPT; VRFY/EXPN 9 for SMTPUTF8; 0 else).
    pub fn octets_for(self, _verb: Verb) -> usize {
        todo!()
    }
}
impl FromIterator<Extension> for Extensions {
    fn from_iter<I: IntoIterator<Item = Extension>>(i: I) -> Self {
        i.into_iter().fold(Self::NONE, Extensions::with)
    }
}
