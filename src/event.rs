//! What happened: the one vocabulary. Every log line and every metric is made of an [`Event`], and of nothing else.
//!
//! An event carries no message content and no credential; labels come from its closed enums only. Octets from the
//! wire stand in [`Excerpt`]s, bounded and printable, and never reach a label.

mod auth;
mod ban;
mod ending;
mod excerpt;
mod header;
mod link;
mod lookup;

pub use auth::{Attempt, AuthOutcome};
pub use ban::{Ban, BanChange};
pub use ending::{Ending, NoService};
pub use excerpt::Excerpt;
pub use header::ProxyHeader;
pub use link::{LinkChange, LinkFailure, Secured, TlsChange, TlsFailure};
pub use lookup::{ListAnswer, Lookup};

use crate::policy::names::Naming;
use crate::policy::tls::TlsVersion;
use crate::policy::verdict::{Action, Check};
use crate::smtp::reply::Code;
use crate::smtp::verb::Verb;
use crate::smtp::violation::Violation;
use std::time::Duration;

/// One of the two sides of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The peer that connected to us.
    Client,
    /// The mail relay behind us.
    Relay,
}

/// Something that happened in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A command was read and dealt with.
    Command {
        /// Its verb, `Unknown` for what no row names.
        verb: Verb,
        /// Octets of its line, CRLF included.
        length: usize,
        /// What became of it.
        fate: Fate,
    },
    /// Something was refused, or would have been.
    Verdict(Box<Decision>),
    /// A reply reached the client.
    Reply {
        /// Its code.
        code: Code,
        /// Who said so.
        origin: Origin,
    },
    /// A recipient was answered.
    Recipient(Outcome),
    /// A mail transaction came to its end.
    Message(Transfer),
    /// The link to the relay changed.
    Link(LinkChange),
    /// TLS on a side.
    Tls(Side, TlsChange),
    /// A client tried to authenticate.
    Auth(Box<Attempt>),
    /// A ban that came of the session, or met it.
    Ban(BanChange, Box<Ban>),
    /// The session is over; the last event.
    Ended(Box<Summary>),
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Sent on to the relay.
    Forwarded,
    /// Answered by Gatepost itself, favourably.
    Answered,
    /// Refused by Gatepost.
    Refused,
}

/// Who wrote a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Gatepost.
    Gate,
    /// The relay.
    Relay,
}

/// Whether a decision was acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Force {
    /// Acted on.
    Enforced,
    /// Noted only: the response is *report*, or the mode is *monitor*.
    Observed,
}

/// A decision against something: who decided, and what the peer was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Who decided.
    pub check: Check,
    /// Its id as rule files and `gatepost reasons` spell it.
    pub id: String,
    /// Where it was written: file and line, or `built in`.
    pub origin: String,
    /// Acted on or only noted.
    pub force: Force,
    /// Reject or disconnect.
    pub action: Action,
    /// The verb it was about, if a command was.
    pub verb: Option<Verb>,
    /// The reply code that was, or would have been, given.
    pub code: Code,
    /// How long the reply is, or would have been, made to wait.
    pub tarpit: Option<Duration>,
    /// How long the client is, or would have been, kept out after it.
    pub ban: Option<Duration>,
    /// What the peer said; of a `[[limit]]` whose account it was and how full.
    pub detail: Excerpt,
}

/// The end of a recipient or a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The relay said 2yz.
    Accepted,
    /// Gatepost refused.
    RefusedByGate,
    /// The relay said 5yz.
    RefusedByRelay,
    /// Somebody said 4yz, or the relay was lost before its reply.
    Deferred,
    /// The client left, reset, or was cut off before the end.
    Aborted,
}

impl Outcome {
    /// All of them, in the order of the metrics page.
    pub const ALL: [Self; 5] =
        [Self::Accepted, Self::RefusedByGate, Self::RefusedByRelay, Self::Deferred, Self::Aborted];

    /// The label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::RefusedByGate => "refused_by_gatepost",
            Self::RefusedByRelay => "refused_by_relay",
            Self::Deferred => "deferred",
            Self::Aborted => "aborted",
        }
    }
}

/// What a mail transaction came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// How it ended.
    pub outcome: Outcome,
    /// Recipients that the relay accepted.
    pub recipients: u32,
    /// Octets of content (RFC 1870 5), as far as it was read.
    pub octets: u64,
    /// The reply that ended it, if there was one.
    pub code: Option<Code>,
}

/// A session in figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Why it ended.
    pub ending: Ending,
    /// How long it lasted.
    pub age: Duration,
    /// The name of the last accepted EHLO or HELO, empty without one.
    pub hello: Excerpt,
    /// Command lines read.
    pub commands: u32,
    /// Refusals by Gatepost.
    pub refusals: u32,
    /// Messages that the relay accepted.
    pub messages: u32,
    /// Recipients that the relay accepted.
    pub recipients: u32,
    /// Octets read from the client.
    pub octets: u64,
    /// The version of TLS that the client spoke at the end; none: plain text.
    pub tls: Option<TlsVersion>,
    /// The account as which it had authenticated at the end; none: it had not, or the mechanism does not show it.
    pub account: Option<Excerpt>,
    /// What reverse DNS said of the client; none: nobody wanted to know.
    pub naming: Option<Naming>,
    /// Whether all of it was read. False: TLS passed between client and relay (`starttls = "passthrough"`).
    pub inspected: bool,
}

/// A violation as the decision of the check that bears its name.
impl From<Violation> for Check {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}
