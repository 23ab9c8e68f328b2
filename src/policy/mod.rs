//! What the operator says: opinions as data; no connection, no I/O.
//!
//! Rule files are read into a spanned tree ([`source`], [`file`]), compiled ([`compile`]) into a [`Policy`], and asked by
//! `session` one command at a time. A `Policy` is immutable.

pub mod compile;
pub mod condition;
pub mod file;
pub mod limits;
pub mod source;
pub mod verdict;

use crate::smtp::extension::Extensions;
use crate::smtp::reply::Reply;
use crate::smtp::verb::Verb;
use crate::smtp::violation::{Response, Violation};
use condition::{Point, Scene};
use limits::Limits;
use std::time::Duration;
use verdict::{Check, Refusal};

/// Enforce, or only observe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Mode {
    #[default]
    Enforce,
    Monitor,
}

/// A rule file's meaning: compiled, complete, immutable.
#[derive(Debug)]
pub struct Policy {/* private fields; the helper decides */}

/// `[verbs] NAME = { ... }`
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct VerbRule {
    /// CRLF counts; none = 512 + what the offered extensions add.
    pub max_length: Option<usize>,
    /// Answered here with this, never forwarded.
    pub reply: Option<Reply>,
}
/// `[greeting] banner`
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Banner {
    Name,
    Text(String),
    Relay,
}
/// `[line_ends] content`
pub use crate::smtp::mail_data::LineEnds;

/// How weighty a finding is after mode, exemption and the file's own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// exempt or tolerated: as if nothing had been found
    Nothing,
    /// logged and counted, nothing else (report, or monitor mode)
    Observe,
    /// acted on
    Enforce,
}

#[allow(unused_variables)]
impl Policy {
    /// `profile = "..."`
    pub fn profile(&self) -> &str {
        todo!()
    }
    /// `mode`
    pub fn mode(&self) -> Mode {
        todo!()
    }
    /// None: absent, so refused. (In monitor mode the session forwards it all the same if it can parse it.)
    pub fn verb(&self, verb: Verb) -> Option<&VerbRule> {
        todo!()
    }
    /// `[extensions] offer`
    pub fn offer(&self) -> Extensions {
        todo!()
    }
    /// Whether `[verbs] MAIL/RCPT parameters` lists this keyword (BODY etc.).
    pub fn permits_parameter(&self, keyword: crate::smtp::parameter::Keyword) -> bool {
        todo!()
    }
    /// `[greeting] banner`
    pub fn banner(&self) -> &Banner {
        todo!()
    }
    /// `[greeting] wait`
    pub fn greeting_wait(&self) -> Duration {
        todo!()
    }
    /// `[line_ends]` for this client (Lenient for its networks).
    pub fn line_ends(&self, client: std::net::IpAddr) -> LineEnds {
        todo!()
    }
    /// `[limits]`
    pub fn limits(&self) -> &Limits {
        todo!()
    }
    /// `[violations]`: what to do about this one (framing: always disconnect; grammar: always reject).
    pub fn response(&self, violation: Violation) -> Response {
        todo!()
    }
    /// `[replies] reference`
    pub fn reference(&self) -> bool {
        todo!()
    }
    /// `[replies] delay`
    pub fn delay(&self) -> bool {
        todo!()
    }
    /// `[replies] footer`
    pub fn footer(&self) -> Option<&str> {
        todo!()
    }
    /// Weighs a built-in check: exemptions (`[[exempt]]`), then mode, then, for violations, `[violations]`.
    pub fn weigh(&self, check: Check, scene: &Scene<'_>) -> Weight {
        todo!()
    }
    /// `[clients]` at CONNECT, `[relay] to` at RCPT: the built-in tables that need no memory. A refusal to be weighed.
    pub fn admits_client(&self, client: std::net::IpAddr) -> bool {
        todo!()
    }
    /// Whether `client` is named in `[clients] allow`.
    pub fn names_client(&self, client: std::net::IpAddr) -> bool {
        todo!()
    }
    /// Whether a recipient is ours to relay to (`[relay] to`; local parts that route count as foreign; `<postmaster>` is ours).
    pub fn relays_to(&self, path: &crate::smtp::path::ForwardPath<'_>) -> bool {
        todo!()
    }
    /// `[relay] always`: passes opinions (RFC 5321 4.5.1).
    pub fn always(&self, path: &crate::smtp::path::ForwardPath<'_>) -> bool {
        todo!()
    }
    /// Signatures, then opinions (`[[rule]]` in file order, parent first), for this point. The first that is to be enforced is returned;
    /// those only to be observed are told to `observed` (id by `check`). Exemptions are applied inside.
    pub fn judge(
        &self,
        point: Point,
        scene: &Scene<'_>,
        observed: &mut dyn FnMut(Refusal),
    ) -> Option<Refusal> {
        todo!()
    }
    /// The id of a check as logs and `[[exempt]]` spell it.
    pub fn id(&self, check: Check) -> String {
        todo!()
    }
    /// Where a check was written: `rules/inbound.toml:52`, or `built in`.
    pub fn origin(&self, check: Check) -> String {
        todo!()
    }
    /// The `[[expect]]` dialogues.
    pub fn expectations(&self) -> &[Expectation] {
        todo!()
    }
}

/// One `[[expect]]`.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Expectation {
    pub name: String,
    pub client: std::net::IpAddr,
    /// One dialogue for each value of `each`, `$each` replaced (one, if there is no `each`).
    pub dialogues: Vec<String>,
    /// Who decided.
    pub rule: Option<String>,
    /// `rules/inbound.toml:71`
    pub origin: String,
}
