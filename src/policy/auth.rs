//! `[auth]`: whether clients authenticate, how, and against what.

use super::list::List;
use crate::smtp::mechanism::Mechanism;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// `[auth]`, compiled.
#[derive(Clone, Debug, Default)]
pub struct AuthRules {
    /// Whether a client may, or must.
    pub policy: AuthPolicy,
    /// The mechanisms that may be offered, as far as the backend has them.
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

/// What each account may send as.
#[derive(Clone, Debug, Default)]
pub struct AccountSenders(HashMap<Box<[u8]>, Arc<List>>);

/// Accounts with their argon2id hashes (PHC strings). What they hold is never shown.
#[derive(Default)]
pub struct Accounts(HashMap<Box<str>, Box<str>>);

impl Accounts {
    /// The hash of an account's password.
    pub fn hash(&self, user: &str) -> Option<&str> {
        self.0.get(user).map(|hash| &**hash)
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("count", &self.0.len()).finish_non_exhaustive()
    }
}
