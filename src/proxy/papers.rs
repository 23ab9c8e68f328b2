//! What a reload changes: rules, certificates, terms. It is read as a whole before any of it counts; and whoever is in
//! keeps what he came in with.

use super::config::{self, Deployment, Listener};
use super::ledger::Ledger;
use super::listener::{Door, Standing};
use super::relay::Relay;
use super::tls::{Calling, Certificate, Keys, Terms};
use crate::policy::Policy;
use crate::telemetry::Metrics;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// How many days before its end a certificate is spoken of.
const SOON: u64 = 14;
const DAY: u64 = 86_400;

/// All of it, read.
#[derive(Debug)]
pub(super) struct Papers {
    keys: Keys,
    /// By the names of listeners.
    listeners: HashMap<String, Standing>,
    /// By the names of relays.
    relays: HashMap<String, Option<Calling>>,
}

impl Papers {
    /// Reads all files that the deployment names. The error says which one is wrong.
    pub(super) fn read(deployment: &Deployment) -> Result<Self, String> {
        let keys = Keys::read(deployment)?;
        let mut papers = Self { keys, listeners: HashMap::new(), relays: HashMap::new() };
        for listener in &deployment.listeners {
            let terms = Terms::of(listener, &papers.keys)?;
            papers.listeners.insert(listener.name.clone(), Standing::new(listener, terms));
        }
        for relay in &deployment.relays {
            papers.relays.insert(relay.name.clone(), Calling::of(relay, &papers.keys)?);
        }
        Ok(papers)
    }

    /// Whether they are for this house: what listeners and relays are is settled when it starts.
    pub(super) fn fit(
        &self,
        (before, now): (&Deployment, &Deployment),
        doors: &[Arc<Door>],
    ) -> Result<(), String> {
        let listeners = |of: &Deployment| -> Vec<_> {
            let settled = |one: &Listener| {
                (
                    one.name.clone(),
                    one.listen.clone(),
                    one.from.clone(),
                    one.relay.clone(),
                    one.arrival,
                    one.accept.clone(),
                )
            };
            of.listeners.iter().map(settled).collect()
        };
        let relays = |of: &Deployment| -> Vec<_> {
            let settled = |one: &config::Relay| {
                (one.name.clone(), one.addresses.clone(), one.tls, one.terms.implicit, one.identity)
            };
            of.relays.iter().map(settled).collect()
        };
        if listeners(before) != listeners(now) || relays(before) != relays(now) {
            return Err(
                "listeners or relays have other names, addresses, kinds of TLS or ways to say who a client is: that needs a restart"
                    .into(),
            );
        }
        if before.resolver != now.resolver {
            return Err("[resolver] is another one: that needs a restart".into());
        }
        for door in doors {
            let Some(standing) = self.listeners.get(door.listener()) else { continue };
            let (name, new, old) = (door.listener(), standing.policy.profile(), door.policy());
            if new != old.profile() {
                return Err(format!("listener `{name}` has another profile, `{new}`: that needs a restart"));
            }
            if let Some(list) = shrunk(&old, &standing.policy) {
                return Err(format!(
                    "the list `{list}` of listener `{name}` has lost more than half of what it had; restart to have it so"
                ));
            }
        }
        Ok(())
    }

    /// From now on they count.
    pub(super) fn post(mut self, doors: &[Arc<Door>], relays: &[Arc<Relay>]) -> Expiries {
        for door in doors {
            if let Some(standing) = self.listeners.remove(door.listener()) {
                door.post(standing);
            }
        }
        for relay in relays {
            if let Some(calling) = self.relays.remove(&relay.config().name) {
                relay.call_on(calling);
            }
        }
        if self.keys.has_ephemeral() {
            tracing::warn!(
                "a listener has no certificate: clients get one that nobody knows, made for this run; see [certificate.NAME]"
            );
        }
        Expiries::of(self.keys.named())
    }

    /// What was used up of limits that stay is not forgotten.
    pub(super) fn with_books(mut self, ledger: &Ledger, metrics: &Metrics) -> Self {
        let standings: Vec<_> = self.listeners.values_mut().collect();
        let policies =
            standings.iter().map(|standing| (standing.policy.profile(), standing.policy.allowances()));
        let books = ledger.open(metrics, policies);
        for (standing, books) in standings.into_iter().zip(books) {
            standing.books = books;
        }
        self
    }
}

/// A list that is less than half of what it was: a file that was cut off looks like this, and what it says would open or
/// close the door to many.
fn shrunk<'p>(old: &'p Policy, new: &Policy) -> Option<&'p str> {
    let size = |name: &str| new.list_sizes().iter().find(|(list, _)| list == name).map(|(_, size)| *size);
    let halved = |(list, before): &&(String, usize)| size(list).is_some_and(|size| size < before.div_ceil(2));
    old.list_sizes().iter().find(halved).map(|(list, _)| list.as_str())
}

/// When certificates end.
#[derive(Debug, Default)]
pub(super) struct Expiries(Vec<(String, u64)>);

impl Expiries {
    fn of<'c>(certificates: impl Iterator<Item = &'c Certificate>) -> Self {
        Self(certificates.map(|one| (one.name.clone(), one.description.not_after)).collect())
    }

    /// Shows them in the metrics.
    pub(super) fn show(&self, metrics: &Metrics) {
        for (name, not_after) in &self.0 {
            metrics.set_not_after(name, i64::try_from(*not_after).unwrap_or(i64::MAX));
        }
    }

    /// Warns of those that end soon.
    pub(super) fn warn(&self) {
        let now = seconds();
        for (certificate, not_after) in &self.0 {
            match not_after.checked_sub(now) {
                None => tracing::error!(
                    certificate,
                    "the certificate has expired: clients that look will not send"
                ),
                Some(left) if left < SOON * DAY => {
                    tracing::warn!(certificate, days = left / DAY, "the certificate ends soon");
                }
                Some(_) => {}
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "certificates end at a time of day")]
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
