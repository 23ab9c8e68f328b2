//! What is known of a client beyond what it says of itself.

use crate::event::Secured;
use crate::smtp::verb::Verb;
use crate::smtp::violation::Violation;

/// What is proven of a client. A hello leaves it as it is; TLS begins it anew (RFC 3207 4.2).
#[derive(Debug, Default)]
pub(crate) struct Proven {
    /// TLS holds.
    pub(crate) tls: Option<Box<Secured>>,
}

impl Proven {
    /// Which verb may come, wherever the session stands otherwise.
    pub(super) fn admits(&self, verb: Verb) -> Result<(), Violation> {
        match verb {
            // RFC 3207 4.2: not in TLS.
            Verb::StartTls if self.tls.is_some() => Err(Violation::BadSequence),
            _ => Ok(()),
        }
    }
}
