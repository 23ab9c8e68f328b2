//! A complete line, understood. Parsing is total: the verb survives a bad argument.
use super::parameter::{Body, Parameters};
use super::path::{ForwardPath, Host, ReversePath};
use super::verb::Verb;
use super::violation::{Violation, Violations};

/// A command line as understood.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Command<'a> {
    pub verb: Verb,
    /// What was written where the verb stands (for logs; bounded by the line).
    pub spoken: &'a [u8],
    /// The argument, or the first thing wrong with it.
    pub argument: Result<Argument<'a>, Violation>,
    /// Sloppy syntax that was understood all the same: `Kind::Conduct` rows only.
    pub sloppy: Violations,
}
/// The argument of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, clippy::large_enum_variant)]
pub enum Argument<'a> {
    None,
    /// EHLO, HELO, LHLO. `Host::Domain` holds also what is no domain by the letter (`sloppy` says so).
    Hello(Host<'a>),
    /// MAIL, and SEND SOML SAML
    Mail {
        path: ReversePath<'a>,
        parameters: Parameters<'a>,
    },
    Rcpt {
        path: ForwardPath<'a>,
        parameters: Parameters<'a>,
    },
    /// NOOP, HELP, VRFY, EXPN, ETRN, ATRN: validated text.
    Text(Option<&'a [u8]>),
    Chunk {
        size: u64,
        last: bool,
    },
    Auth {
        mechanism: &'a [u8],
        initial: Option<&'a [u8]>,
    },
    /// No grammar: for verbs that can never be forwarded.
    Opaque(&'a [u8]),
}
/// Understands one line (without CRLF).
pub fn parse(_line: &[u8]) -> Command<'_> {
    todo!()
}
impl Command<'_> {
    /// Writes the canonical line with CRLF, if the command is sound. `keep` says which parameters go on (others are consumed here).
    pub fn encode(
        &self,
        _keep: impl Fn(&super::parameter::Parameter<'_>) -> bool,
        _out: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        todo!()
    }
}
/// What MAIL's parameters declare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Declared {
    pub size: Option<u64>,
    pub body: Body,
    pub smtputf8: bool,
}
/// Reads SIZE, BODY and SMTPUTF8.
pub fn declared(_p: &Parameters<'_>) -> Declared {
    todo!()
}
