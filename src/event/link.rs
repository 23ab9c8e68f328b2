//! What happens to links, and to TLS on either side.

use crate::policy::tls::TlsVersion;

/// The link to the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkChange {
    /// Greeting and hello are done.
    Opened,
    /// Likewise, on a link that an earlier session has handed on.
    Reused,
    /// It could not be opened.
    Failed(LinkFailure),
    /// The relay closed it, or said 421 unasked.
    Lost,
    /// The relay has it back, or another session, because the client left it idle or begins anew.
    Released,
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
