//! Figures of the shared store.

use super::families::{counters, gauges};
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

/// The families; without a store they have no series.
#[derive(Debug)]
pub(super) struct OfStores {
    up: IntGaugeVec,
    charges: IntCounterVec,
}

/// Those of the store.
#[derive(Clone, Debug)]
pub struct OfStore {
    up: IntGauge,
    answered: IntCounter,
    leased: IntCounter,
    local: IntCounter,
}

impl OfStores {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            up: gauges(
                registry,
                "gatepost_store_up",
                "Whether the shared store answers (1) or not (0).",
                &[],
            ),
            charges: counters(
                registry,
                "gatepost_store_charges_total",
                "Charges of shared limits, by who decided: the store, a lease, or this gate alone.",
                &["by"],
            ),
        }
    }

    pub(super) fn store(&self) -> OfStore {
        let charges = |by: &str| self.charges.with_label_values(&[by]);
        OfStore {
            up: self.up.with_label_values::<&str>(&[]),
            answered: charges("store"),
            leased: charges("lease"),
            local: charges("local"),
        }
    }
}

impl OfStore {
    /// Whether it answers.
    pub fn up(&self) -> &IntGauge {
        &self.up
    }

    /// Charges that it decided.
    pub fn answered(&self) -> &IntCounter {
        &self.answered
    }

    /// Charges of which a lease was enough.
    pub fn leased(&self) -> &IntCounter {
        &self.leased
    }

    /// Charges that were decided here, because it was away.
    pub fn local(&self) -> &IntCounter {
        &self.local
    }
}
