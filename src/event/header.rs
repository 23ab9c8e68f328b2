//! What comes of PROXY headers.

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
