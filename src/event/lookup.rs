//! What comes of questions to DNS.

/// What came of a question to DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// A client has a name, and the name has its address.
    Verified,
    /// It has none, or none that has its address.
    Unverified,
    /// A list answered, in whatever way.
    Answered,
    /// DNS did not say: broken, or silent for too long.
    Failed,
    /// The answer was known from a moment ago, and nobody was asked.
    Remembered,
    /// Too many wait for an answer already, and nobody was asked.
    Busy,
}

impl Lookup {
    /// Those of a client's name, in the order of the metrics page.
    pub const OF_NAMES: [Self; 5] =
        [Self::Verified, Self::Unverified, Self::Failed, Self::Remembered, Self::Busy];
    /// Those of a list.
    pub const OF_LISTS: [Self; 4] = [Self::Answered, Self::Failed, Self::Remembered, Self::Busy];

    /// The label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unverified => "unverified",
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Remembered => "remembered",
            Self::Busy => "busy",
        }
    }
}

/// What a DNS list said of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListAnswer {
    /// It is on it.
    Listed,
    /// It is not, or not for a reason that counts.
    NotListed,
    /// It does not answer us (127.255.255.0/24).
    Refused,
    /// It gave no answer, or one that no list gives.
    Error,
}

impl ListAnswer {
    /// All of them, in the order of the metrics page.
    pub const ALL: [Self; 4] = [Self::Listed, Self::NotListed, Self::Refused, Self::Error];

    /// The label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::NotListed => "not_listed",
            Self::Refused => "refused",
            Self::Error => "error",
        }
    }
}
