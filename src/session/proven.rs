//! What is known of a client beyond what it says of itself.

use crate::event::{Excerpt, Secured};
use crate::policy::condition::{AuthScene, TlsScene};
use crate::smtp::mechanism::Mechanism;
use crate::smtp::verb::Verb;
use crate::smtp::violation::Violation;

/// What is proven of a client. A hello leaves it as it is; TLS begins it anew (RFC 3207 4.2).
#[derive(Debug, Default)]
pub(crate) struct Proven {
    /// TLS holds.
    pub(crate) tls: Option<Box<Secured>>,
    /// It has authenticated.
    pub(crate) account: Option<Box<Account>>,
}

/// An authentication that succeeded.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) mechanism: Mechanism,
    /// Its name; none: the mechanism does not show it.
    pub(crate) user: Option<Box<str>>,
    pub(crate) known_to: KnownTo,
}

/// Who has seen the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KnownTo {
    /// The gate; to the relay it is nobody in particular.
    Gate,
    /// The relay, on the link that is open: no other will do.
    Relay,
}

impl Proven {
    /// Which verb may come, wherever the session stands otherwise.
    pub(super) fn admits(&self, verb: Verb) -> Result<(), Violation> {
        match verb {
            // RFC 3207 4.2: not in TLS.
            Verb::StartTls if self.tls.is_some() => Err(Violation::BadSequence),
            // RFC 4954 4: not after a success.
            Verb::Auth if self.account.is_some() => Err(Violation::BadSequence),
            _ => Ok(()),
        }
    }

    /// Whether the relay knows the client by the link that is open.
    pub(super) fn is_pinned(&self) -> bool {
        self.account.as_ref().is_some_and(|account| account.known_to == KnownTo::Relay)
    }

    /// The name of the account.
    pub(super) fn user(&self) -> Option<&str> {
        self.account.as_ref().and_then(|account| account.user.as_deref())
    }

    /// For logs.
    pub(super) fn shown(&self) -> Option<Excerpt> {
        self.user().map(|user| Excerpt::of(user.as_bytes()))
    }

    /// For rules.
    pub(super) fn tls_scene(&self) -> Option<TlsScene<'_>> {
        self.tls.as_ref().map(|secured| TlsScene {
            version: secured.version,
            cipher: secured.cipher,
            name: secured.name.as_deref(),
            client_name: secured.peer.as_deref(),
        })
    }

    /// Likewise.
    pub(super) fn auth_scene(&self) -> Option<AuthScene<'_>> {
        self.account
            .as_ref()
            .map(|account| AuthScene { user: account.user.as_deref(), mechanism: account.mechanism })
    }
}
