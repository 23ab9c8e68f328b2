//! `[auth]`: whether clients authenticate, how, and against what.

mod accounts;
mod senders;
mod table;

use crate::smtp::mechanism::Mechanism;
use crate::smtp::path::ReversePath;
pub use accounts::Accounts;
pub use senders::AccountSenders;
use std::sync::Arc;
pub(super) use table::AuthTable;

/// `[auth]`, compiled.
#[derive(Clone, Debug, Default)]
pub struct AuthRules {
    /// Whether a client may, or must.
    pub policy: AuthPolicy,
    /// The mechanisms that may be offered, as far as the backend has them; those that are `clear` under TLS alone.
    pub mechanisms: Vec<Mechanism>,
    /// Who says yes.
    pub backend: Backend,
    /// Failures before 421.
    pub attempts: u32,
    /// Which senders an account may name.
    pub senders: Senders,
}

/// `policy`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthPolicy {
    /// AUTH is withheld, and 502.
    #[default]
    Refuse,
    /// A client may.
    Optional,
    /// It must, before MAIL.
    Required,
}

/// `backend`
#[derive(Clone, Debug, Default)]
pub enum Backend {
    /// The relay: nothing but its 235 is success.
    #[default]
    Relay,
    /// A file of accounts; the relay sees an ordinary session.
    File(Arc<Accounts>),
}

/// `senders`
#[derive(Clone, Debug, Default)]
pub enum Senders {
    /// Any.
    #[default]
    Any,
    /// Those of the account's own domain.
    Domain,
    /// Those that a file names for the account.
    Listed(AccountSenders),
}

impl AuthRules {
    /// Whether a mechanism may be offered and taken now (RFC 4954 4: what shows a password only under TLS).
    pub fn permits(&self, mechanism: Mechanism, secured: bool) -> bool {
        let facts = mechanism.facts();
        self.policy != AuthPolicy::Refuse
            && self.mechanisms.contains(&mechanism)
            && facts.never.is_none()
            && (secured || !facts.clear)
    }

    /// How many entries its files have, for a reload to compare.
    pub(super) fn sizes(&self) -> Vec<(String, usize)> {
        let accounts = match &self.backend {
            Backend::File(accounts) => Some(("auth.backend", accounts.len())),
            Backend::Relay => None,
        };
        let senders = match &self.senders {
            Senders::Listed(listed) => Some(("auth.senders", listed.len())),
            Senders::Any | Senders::Domain => None,
        };
        [accounts, senders].into_iter().flatten().map(|(name, size)| (name.to_owned(), size)).collect()
    }

    /// Whether an account may name this sender. A bounce has none, and must leave (RFC 5321 4.5.5); an account of which
    /// `senders` knows nothing may send as nobody.
    pub fn may_send(&self, account: &str, path: &ReversePath<'_>) -> bool {
        let ReversePath::Mailbox(mailbox) = path else { return true };
        match &self.senders {
            Senders::Any => true,
            Senders::Domain => senders::of_own_domain(account, mailbox),
            Senders::Listed(listed) => listed.permit(account, mailbox),
        }
    }
}
