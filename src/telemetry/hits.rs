//! How often each rule decided. Which rules there are is known when they decide: their ids are the operator's.

use super::families::counters;
use super::labels::{FORCES, of_force};
use crate::event::{Decision, Force};
use prometheus::{IntCounter, IntCounterVec, Registry};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// The most rules that are counted by name; further ones are `other`.
const RULES: usize = 500;

/// Decisions of rules, signatures and limits, by id.
#[derive(Debug)]
pub(super) struct Hits {
    family: IntCounterVec,
    /// By id: enforced, observed.
    known: RwLock<HashMap<String, [IntCounter; 2]>>,
}

impl Hits {
    pub(super) fn new(registry: &Registry) -> Self {
        let help = "Decisions of rules, signatures and limits, by id.";
        let family = counters(registry, "gatepost_rule_hits_total", help, &["rule", "force"]);
        Self { family, known: RwLock::default() }
    }

    pub(super) fn count(&self, decision: &Decision) {
        let count = |[enforced, observed]: &[IntCounter; 2]| match decision.force {
            Force::Enforced => enforced.inc(),
            Force::Observed => observed.inc(),
        };
        if let Some(hits) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&decision.id) {
            return count(hits);
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let name = if known.len() < RULES { decision.id.as_str() } else { "other" };
        let hits = known
            .entry(name.to_owned())
            .or_insert_with(|| FORCES.map(|force| self.family.with_label_values(&[name, of_force(force)])));
        count(hits);
    }
}
