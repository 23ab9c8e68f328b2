//! `[names]`: what reverse DNS says of a client, and what is made of it.

use crate::smtp::violation::Response;

/// What reverse DNS says of a client's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NameVerdict {
    /// It has a name (PTR), and the name has the address (A, AAAA).
    Verified,
    /// It has none, or none that has the address.
    Unverified,
    /// DNS did not say: broken, or silent for too long.
    Failed,
    /// Nobody has asked, or the answer is not there yet.
    #[default]
    Unknown,
}

impl NameVerdict {
    /// All of them, in the order of the metrics page.
    pub const ALL: [Self; 4] = [Self::Verified, Self::Unverified, Self::Failed, Self::Unknown];

    /// The word in rules, logs and labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unverified => "unverified",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// A verdict with the name that it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// The verdict.
    pub verdict: NameVerdict,
    /// The name, without a final dot; only one that is verified. Letters, digits, hyphens, underscores and dots, at most
    /// 253 of them: whoever answers for the address wrote it.
    pub name: Option<Box<str>>,
}

/// What is written on a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Annotate {
    /// Nothing.
    #[default]
    Off,
    /// A Received field (RFC 5321 4.4).
    Received,
    /// And an Authentication-Results field (RFC 8601).
    Both,
}

/// `[names]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamesRules {
    /// What an unverified name is worth.
    pub unverified: Response,
    /// What a lookup that failed is worth.
    pub failed: Response,
    /// What is written on a message.
    pub annotate: Annotate,
    /// Whether it tells the client's address (`client = "shown"`).
    pub shows_client: bool,
}

impl Default for NamesRules {
    fn default() -> Self {
        Self {
            unverified: Response::Tolerate,
            failed: Response::Tolerate,
            annotate: Annotate::Off,
            shows_client: false,
        }
    }
}
