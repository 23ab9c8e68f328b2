//! Attempts to authenticate.

use super::Excerpt;
use crate::smtp::mechanism::Mechanism;

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
