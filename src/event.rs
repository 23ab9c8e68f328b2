//! What happened: the one vocabulary. Every log line and every metric is made of an [`Event`], and of nothing else.
//!
//! An event carries no message content and no credential; labels come from its closed enums only. Octets from the
//! wire stand in [`Excerpt`]s, bounded and printable, and never reach a label.

use crate::policy::tls::TlsVersion;
use crate::policy::verdict::{Action, Check};
use crate::smtp::mechanism::Mechanism;
use crate::smtp::reply::Code;
use crate::smtp::verb::Verb;
use crate::smtp::violation::Violation;
use std::fmt;
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
    /// What the peer said.
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

/// The link to the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkChange {
    /// Greeting and hello are done.
    Opened,
    /// It could not be opened.
    Failed(LinkFailure),
    /// The relay closed it, or said 421 unasked.
    Lost,
    /// The relay has it back, because the client left it idle or begins anew.
    Released,
}

/// What became of TLS on a side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsChange {
    /// It holds from here on.
    Started(Box<Secured>),
    /// The handshake came to nothing.
    Failed(TlsFailure),
    /// What follows passes uninspected.
    Passed,
}

/// TLS that was established.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secured {
    /// The version.
    pub version: TlsVersion,
    /// The cipher suite by its IANA name.
    pub cipher: &'static str,
    /// The server name that the client asked for (SNI), or that the gate asked the relay for.
    pub name: Option<Box<str>>,
    /// The name in the certificate that the peer showed and that was verified; none: it showed none, or was not verified.
    pub peer: Option<Box<str>>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

/// Why a handshake came to nothing: a closed set, for labels. What exactly was offered is the log's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsFailure {
    /// It was not finished in time.
    TimedOut,
    /// The peer closed, or broke off.
    Closed,
    /// No version that both speak.
    Version,
    /// No cipher suite, or signature scheme, that both have.
    Cipher,
    /// The peer's certificate was missing or not accepted.
    Certificate,
    /// The peer refused ours, or complained otherwise.
    Alert,
    /// What came was no TLS.
    Garbled,
    /// A certificate of our own could not be used.
    Own,
}

impl TlsFailure {
    /// All of them, in the order of the metrics page.
    pub const ALL: [Self; 8] = [
        Self::TimedOut,
        Self::Closed,
        Self::Version,
        Self::Cipher,
        Self::Certificate,
        Self::Alert,
        Self::Garbled,
        Self::Own,
    ];

    /// The label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::Closed => "closed",
            Self::Version => "no_common_version",
            Self::Cipher => "no_common_cipher",
            Self::Certificate => "certificate",
            Self::Alert => "alert",
            Self::Garbled => "garbled",
            Self::Own => "own_certificate",
        }
    }
}

/// An attempt to authenticate. It holds no credential: the name of the account alone, and that only where it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// How; none: a mechanism that no row names.
    pub mechanism: Option<Mechanism>,
    /// The account, if the mechanism shows it and the attempt succeeded.
    pub account: Option<Excerpt>,
    /// What came of it.
    pub outcome: AuthOutcome,
}

/// What came of an attempt to authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthOutcome {
    /// 235.
    Succeeded,
    /// 535 and the like.
    Failed,
    /// The client broke it off, or what it said was malformed.
    Broken,
    /// The backend could not answer.
    Deferred,
}

impl AuthOutcome {
    /// All of them, in the order of the metrics page.
    pub const ALL: [Self; 4] = [Self::Succeeded, Self::Failed, Self::Broken, Self::Deferred];

    /// The label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Broken => "broken",
            Self::Deferred => "deferred",
        }
    }
}

/// Why a link could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkFailure {
    /// No address of the relay took the connection.
    NoConnection,
    /// The relay did not finish greeting and hello in time, or broke off.
    Silent,
    /// All links were in use for as long as a command may wait for its turn.
    NoTurn,
    /// The relay greeted or answered hello with 4yz.
    NotNow,
    /// The relay greeted or answered hello with 5yz.
    Refused,
    /// The relay's reply was no reply.
    Garbled,
    /// TLS is required, and the relay does not offer it, or refused.
    TlsAbsent,
    /// TLS is required, and the handshake came to nothing.
    TlsFailed,
    /// The relay is to be told who the client is, and does not offer what that needs.
    IdentityAbsent,
    /// It is to be told, and refused.
    IdentityRefused,
}

impl LinkFailure {
    /// All of them, in the order of the metrics page.
    pub const ALL: [Self; 10] = [
        Self::NoConnection,
        Self::Silent,
        Self::NoTurn,
        Self::NotNow,
        Self::Refused,
        Self::Garbled,
        Self::TlsAbsent,
        Self::TlsFailed,
        Self::IdentityAbsent,
        Self::IdentityRefused,
    ];

    /// The label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoConnection => "no_connection",
            Self::Silent => "silent",
            Self::NoTurn => "no_turn",
            Self::NotNow => "not_now",
            Self::Refused => "refused",
            Self::Garbled => "garbled",
            Self::TlsAbsent => "tls_absent",
            Self::TlsFailed => "tls_failed",
            Self::IdentityAbsent => "identity_absent",
            Self::IdentityRefused => "identity_refused",
        }
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// QUIT.
    Quit,
    /// The client closed without QUIT.
    ClientClosed,
    /// The relay was lost in a mail transaction.
    RelayLost,
    /// The relay said something impossible.
    RelayBroken,
    /// A refusal that disconnects.
    Refused,
    /// The client was silent or too slow.
    Timeout,
    /// The process is going away.
    Drained,
    /// It had lasted as long as `[limits] session_time` lets it.
    TimeUp,
    /// It was never let in.
    NotAdmitted(NoService),
    /// `buffer_memory` was used up.
    Memory,
    /// The handshake of TLS came to nothing.
    TlsFailed,
    /// It went on uninspected, until a side ended.
    Passed,
}

impl Ending {
    /// All of them, in the order of the metrics page.
    pub const ALL: [Self; 17] = [
        Self::Quit,
        Self::ClientClosed,
        Self::RelayLost,
        Self::RelayBroken,
        Self::Refused,
        Self::Timeout,
        Self::Drained,
        Self::TimeUp,
        Self::Memory,
        Self::TlsFailed,
        Self::Passed,
        Self::NotAdmitted(NoService::Draining),
        Self::NotAdmitted(NoService::Sessions),
        Self::NotAdmitted(NoService::SessionsOfPeer),
        Self::NotAdmitted(NoService::Memory),
        Self::NotAdmitted(NoService::Descriptors),
        Self::NotAdmitted(NoService::RelayDown),
    ];

    /// The label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::ClientClosed => "client_closed",
            Self::RelayLost => "relay_lost",
            Self::RelayBroken => "relay_broken",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Drained => "drained",
            Self::TimeUp => "time_up",
            Self::Memory => "memory",
            Self::TlsFailed => "tls_failed",
            Self::Passed => "passed",
            Self::NotAdmitted(why) => why.name(),
        }
    }
}

/// Why a connection gets 421 in place of a greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoService {
    /// The process is going away.
    Draining,
    /// `sessions` of the listener are open.
    Sessions,
    /// `sessions_per_client` are open from this peer.
    SessionsOfPeer,
    /// More than four fifths of `buffer_memory` are in use.
    Memory,
    /// Hardly a descriptor is left.
    Descriptors,
    /// No relay can be reached (`when_down = "refuse"`).
    RelayDown,
}

impl NoService {
    /// The label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Draining => "not_admitted_draining",
            Self::Sessions => "not_admitted_sessions",
            Self::SessionsOfPeer => "not_admitted_sessions_of_peer",
            Self::Memory => "not_admitted_memory",
            Self::Descriptors => "not_admitted_descriptors",
            Self::RelayDown => "not_admitted_relay_down",
        }
    }
}

/// What came of a connection that was to begin with a PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyHeader {
    /// It says who the client is.
    Client,
    /// The proxy speaks for itself, or does not know for whom.
    Nobody,
    /// The peer is none of those that are trusted.
    Untrusted,
    /// What came first was no header.
    Absent,
    /// It was a header, and a wrong one.
    Malformed,
    /// It was not complete in time.
    TimedOut,
    /// The peer closed before.
    Closed,
}

impl ProxyHeader {
    /// All of them, in the order of the metrics page.
    pub const ALL: [Self; 7] = [
        Self::Client,
        Self::Nobody,
        Self::Untrusted,
        Self::Absent,
        Self::Malformed,
        Self::TimedOut,
        Self::Closed,
    ];

    /// The label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Nobody => "nobody",
            Self::Untrusted => "untrusted",
            Self::Absent => "absent",
            Self::Malformed => "malformed",
            Self::TimedOut => "timed_out",
            Self::Closed => "closed",
        }
    }
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
    /// Whether all of it was read. False: TLS passed between client and relay (`starttls = "passthrough"`).
    pub inspected: bool,
}

/// Octets from the wire, made harmless: at most 256 of them, printable, quotes and backslashes escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Excerpt(Box<str>);

impl Excerpt {
    /// The most octets of the original that are kept.
    pub const CAP: usize = 256;

    /// Keeps what a log may hold of `octets`: control and non-UTF-8 octets become `\xNN`.
    pub fn of(octets: &[u8]) -> Self {
        let cut = octets.get(..Self::CAP).unwrap_or(octets);
        let mut text = String::with_capacity(cut.len());
        for chunk in cut.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' | '\\' => text.extend(['\\', c]),
                    c if is_harmless(c) => text.push(c),
                    c => c.encode_utf8(&mut [0; 4]).bytes().for_each(|octet| push_escaped(&mut text, octet)),
                }
            }
            chunk.invalid().iter().for_each(|octet| push_escaped(&mut text, *octet));
        }
        if cut.len() < octets.len() {
            text.push('…');
        }
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Neither a control octet nor one of the invisible characters that turn or split a line on a terminal.
fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn push_escaped(text: &mut String, octet: u8) {
    use fmt::Write;
    // Writing to a String cannot fail.
    let _ = write!(text, "\\x{octet:02x}");
}

/// A violation as the decision of the check that bears its name.
impl From<Violation> for Check {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_bounded_and_cannot_forge_a_line() {
        let text = Excerpt::of(b"a\r\nb\x1b[2J\"\\\xff\xc3\xa9");
        assert_eq!(text.as_str(), "a\\x0d\\x0ab\\x1b[2J\\\"\\\\\\xff\u{e9}");
        assert_eq!(Excerpt::of("\u{202e}".as_bytes()).as_str(), "\\xe2\\x80\\xae");
        assert!(Excerpt::of(&[b'x'; 1000]).as_str().chars().count() <= Excerpt::CAP + 1);
    }
}
