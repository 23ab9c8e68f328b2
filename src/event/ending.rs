//! How sessions end, or do not begin.

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
    pub const ALL: [Self; 18] = [
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
        Self::NotAdmitted(NoService::Banned),
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
    /// The client is banned.
    Banned,
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
            Self::Banned => "not_admitted_banned",
        }
    }
}
