//! The verb table.

/// A verb, in the order of the table. `Unknown` stands for whatever no row names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Verb {
    Ehlo,
    Helo,
    Lhlo,
    Mail,
    Rcpt,
    Data,
    Rset,
    Noop,
    Quit,
    Vrfy,
    Expn,
    Help,
    StartTls,
    Auth,
    Bdat,
    Burl,
    Etrn,
    Atrn,
    Turn,
    Send,
    Soml,
    Saml,
    Xclient,
    Xforward,
    // ... (all the rest)
    Unknown,
}

/// Which argument a verb takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// EHLO HELO LHLO
    Hello,
    /// MAIL (also SEND SOML SAML)
    Mail,
    /// RCPT
    Rcpt,
    /// none allowed
    None,
    /// optional text: NOOP, HELP
    OptionalText,
    /// VRFY EXPN
    Text,
    /// BDAT
    Chunk,
    /// AUTH
    Auth,
    /// ETRN
    Node,
    /// ATRN
    Domains,
    /// No grammar here: whatever it is, it can never be forwarded ("what Gatepost cannot parse, no rule can allow").
    Opaque,
}

/// Where in a pipelined group (RFC 2920 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Group {
    Any,
    End,
}

/// One row.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Facts {
    /// As it is spoken, upper case.
    pub name: &'static str,
    /// RFC and section.
    pub section: &'static str,
    pub grammar: Grammar,
    pub group: Group,
    /// The extension that must have been offered for it, none for the core verbs.
    pub unlocked_by: Option<crate::smtp::extension::Extension>,
    /// Whether a 3yz reply is possible to it.
    pub intermediate: bool,
    /// Counts as a trivial command (NOOP RSET HELO EHLO VRFY EXPN HELP LHLO).
    pub trivial: bool,
    /// Why a rule file may never allow it, if so (TURN, DEBUG, WIZ, X-...).
    pub never: Option<&'static str>,
}
impl Verb {
    /// All rows.
    pub const ALL: &'static [Verb] = &[];
    /// How many.
    pub const COUNT: usize = Self::ALL.len();
    /// Its row.
    pub const fn facts(self) -> &'static Facts {
        todo!()
    }
    /// From the wire, any case.
    pub fn from_wire(_octets: &[u8]) -> Verb {
        todo!()
    }
    /// 0-based place in `ALL`.
    pub const fn index(self) -> usize {
        todo!()
    }
}
