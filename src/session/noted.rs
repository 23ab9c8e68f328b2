//! Questions that are asked early and waited for late, or never.

use super::clock::Moment;
use std::time::Duration;

/// How long an answer is waited for. The driver has less patience, and says so; this is for a driver that says nothing.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What was asked early.
#[derive(Debug, Default)]
pub(super) enum Noted<T> {
    /// Nobody has asked.
    #[default]
    NotAsked,
    /// The question with this number is open, until then.
    Asked(u32, Moment),
    /// The answer, or what is made of none.
    Known(T),
}

impl<T> Noted<T> {
    /// The answer, if it is there.
    pub(super) fn known(&self) -> Option<&T> {
        match self {
            Self::Known(answer) => Some(answer),
            Self::NotAsked | Self::Asked(..) => None,
        }
    }

    /// Until when it is waited for, if it is.
    pub(super) fn until(&self) -> Option<Moment> {
        match self {
            Self::Asked(_, until) => Some(*until),
            Self::NotAsked | Self::Known(_) => None,
        }
    }

    /// Whether this is the question with that number.
    pub(super) fn is(&self, number: u32) -> bool {
        matches!(self, Self::Asked(asked, _) if *asked == number)
    }
}
