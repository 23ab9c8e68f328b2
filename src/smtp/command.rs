//! A complete line, understood. Parsing is total: the verb survives a bad argument, so that the answer is
//! 501, not 500.
//!
//! What goes on to a relay is the encoding of what was understood, never the octets that came. Sloppy syntax
//! that real clients use is understood, named in [`Command::sloppy`], and gone from the encoding wherever
//! another spelling exists.

mod argument;
#[cfg(test)]
mod tests;

pub use super::base64::is_base64;
use super::decimal;
use super::parameter::{Keyword, Parameter, Parameters};
use super::path::{ForwardPath, Host, ReversePath};
use super::verb::Verb;
use super::violation::{Violation, Violations};
use std::fmt;

/// A command line as understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// The verb, by its row.
    pub verb: Verb,
    /// What was written where the verb stands (for logs; bounded by the line).
    pub spoken: &'a [u8],
    /// The argument, or the first thing wrong with it.
    pub argument: Result<Argument<'a>, Violation>,
    /// Sloppy syntax that was understood all the same: rows of `Kind::Conduct` only.
    pub sloppy: Violations,
}

/// The argument of a command.
#[derive(Clone, PartialEq, Eq)]
pub enum Argument<'a> {
    /// None.
    None,
    /// EHLO, HELO, LHLO. `Host::Domain` holds also what is no domain by the letter (`sloppy` says so).
    Hello(Host<'a>),
    /// MAIL, and SEND, SOML, SAML.
    Mail {
        /// Whom to tell if it fails.
        path: ReversePath<'a>,
        /// What else was asked for.
        parameters: Parameters<'a>,
    },
    /// RCPT.
    Rcpt {
        /// Whom it is for.
        path: ForwardPath<'a>,
        /// What else was asked for.
        parameters: Parameters<'a>,
    },
    /// NOOP, HELP, VRFY, EXPN, ETRN, ATRN: validated text.
    Text(Option<&'a [u8]>),
    /// BDAT.
    Chunk {
        /// How many octets follow.
        size: u64,
        /// Whether they are the last of the message.
        last: bool,
    },
    /// AUTH.
    Auth {
        /// As written.
        mechanism: &'a [u8],
        /// Base64, or `=` for an empty one. It is a secret.
        initial: Option<&'a [u8]>,
    },
    /// No grammar: for verbs that can never be forwarded.
    Opaque(&'a [u8]),
}

/// All but what could be a secret: an initial response is not shown, and neither is text without a grammar.
impl fmt::Debug for Argument<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Argument::None => f.write_str("None"),
            Argument::Hello(host) => f.debug_tuple("Hello").field(host).finish(),
            Argument::Mail { path, parameters } => {
                f.debug_struct("Mail").field("path", path).field("parameters", parameters).finish()
            }
            Argument::Rcpt { path, parameters } => {
                f.debug_struct("Rcpt").field("path", path).field("parameters", parameters).finish()
            }
            Argument::Text(text) => f.debug_tuple("Text").field(text).finish(),
            Argument::Chunk { size, last } => {
                f.debug_struct("Chunk").field("size", size).field("last", last).finish()
            }
            Argument::Auth { mechanism, .. } => {
                f.debug_struct("Auth").field("mechanism", mechanism).finish_non_exhaustive()
            }
            Argument::Opaque(_) => f.debug_struct("Opaque").finish_non_exhaustive(),
        }
    }
}

/// Understands one line (without CRLF). The verb ends at the first space or tab.
pub fn parse(line: &[u8]) -> Command<'_> {
    let end = line.iter().position(|octet| matches!(octet, b' ' | b'\t')).unwrap_or(line.len());
    let (spoken, rest) = line.split_at_checked(end).unwrap_or((line, b""));
    let verb = Verb::from_wire(spoken);
    let mut sloppy = Violations::NONE;
    let argument = match verb {
        Verb::Unknown => Err(Violation::UnknownVerb),
        verb => argument::parse(verb, rest, &mut sloppy),
    };
    Command { verb, spoken, argument, sloppy }
}

impl<'a> Command<'a> {
    /// A MAIL whose argument was found sound before.
    pub(crate) fn mail(path: ReversePath<'a>, parameters: Parameters<'a>) -> Self {
        let spoken = Verb::Mail.facts().name.as_bytes();
        let argument = Ok(Argument::Mail { path, parameters });
        Self { verb: Verb::Mail, spoken, argument, sloppy: Violations::NONE }
    }

    /// Writes the canonical line with CRLF, if the command is sound and may ever pass; else nothing, and says
    /// why. `keep` says which parameters go on (others are consumed here).
    pub fn encode(&self, keep: impl Fn(&Parameter<'_>) -> bool, out: &mut Vec<u8>) -> Result<(), Violation> {
        self.encode_grown(keep, 0, out)
    }

    /// Likewise, with a SIZE that is so much larger: of a message to which something is added.
    pub fn encode_grown(
        &self,
        keep: impl Fn(&Parameter<'_>) -> bool,
        growth: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        let argument = self.argument.as_ref().map_err(|fault| *fault)?;
        if self.verb.facts().never.is_some() {
            return Err(Violation::VerbNeverPermitted);
        }
        out.extend_from_slice(self.verb.facts().name.as_bytes());
        match argument {
            Argument::None | Argument::Text(None) | Argument::Opaque(_) => {}
            Argument::Hello(host) => word(host.octets(), out),
            Argument::Text(Some(text)) => word(text, out),
            Argument::Mail { path, parameters } => {
                word(b"FROM:", out);
                path.encode(out);
                encode_parameters(parameters, keep, growth, out);
            }
            Argument::Rcpt { path, parameters } => {
                word(b"TO:", out);
                path.encode(out);
                encode_parameters(parameters, keep, 0, out);
            }
            Argument::Chunk { size, last } => {
                out.push(b' ');
                decimal::write(*size, out);
                if *last {
                    word(b"LAST", out);
                }
            }
            Argument::Auth { mechanism, initial } => {
                word(&mechanism.to_ascii_uppercase(), out);
                if let Some(initial) = initial {
                    word(initial, out);
                }
            }
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }
}

fn word(octets: &[u8], out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(octets);
}

fn encode_parameters(
    parameters: &Parameters<'_>,
    keep: impl Fn(&Parameter<'_>) -> bool,
    growth: u64,
    out: &mut Vec<u8>,
) {
    for parameter in parameters.iter().filter(|parameter| keep(parameter)) {
        out.push(b' ');
        let size =
            if growth > 0 && parameter.keyword == Some(Keyword::Size) { parameter.value } else { None };
        match size.and_then(decimal::read) {
            Some(size) => {
                let mut grown = Vec::new();
                decimal::write(size.saturating_add(growth), &mut grown);
                Parameter { value: Some(&grown), ..parameter }.encode(out);
            }
            None => parameter.encode(out),
        }
    }
}
