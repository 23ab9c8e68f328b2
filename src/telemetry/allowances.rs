//! Figures of `[[limit]]`: how many keys are known, what was decided, how near the fullest came. They tell how many, never
//! who. The labels are words of the rule files.

use super::families::{counters, gauges, make};
use super::metrics::Metrics;
use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Which limit: the name of a profile, and the id.
const LABELS: [&str; 2] = ["profile", "limit"];

/// Those of all limits.
#[derive(Debug)]
pub(super) struct OfAllowances {
    keys: IntGaugeVec,
    keys_most: IntGaugeVec,
    decisions: IntCounterVec,
    aggregated: IntCounterVec,
    fullest: GaugeVec,
}

/// The figures of a limit.
#[derive(Clone, Debug)]
pub struct OfAllowance {
    /// Keys of which something is known now.
    pub keys: IntGauge,
    /// The most of them.
    pub keys_most: IntGauge,
    /// Charges and looks for which there was enough.
    pub within: IntCounter,
    /// Those for which there was not.
    pub exhausted: IntCounter,
    /// Charges to a part of a wider network, for want of room for a key.
    pub aggregated: IntCounter,
    /// How much of its burst the fullest key has used lately: 0 to 1.
    pub fullest: Gauge,
}

impl OfAllowances {
    pub(super) fn new(registry: &Registry) -> Self {
        let gauges = |name: &str, help: &str| gauges(registry, name, help, &LABELS);
        let fullest = Opts::new(
            "gatepost_limit_fullest_ratio",
            "How much of its burst the fullest key of a limit has used in the last seconds.",
        );
        Self {
            keys: gauges("gatepost_limit_keys", "Keys of a limit of which something is known."),
            keys_most: gauges("gatepost_limit_keys_most", "The most of them."),
            decisions: counters(
                registry,
                "gatepost_limit_decisions_total",
                "Whether there was enough of a limit when it was asked.",
                &[LABELS[0], LABELS[1], "decision"],
            ),
            aggregated: counters(
                registry,
                "gatepost_limit_aggregated_total",
                "Charges to a part of a wider network, for want of room for a key.",
                &LABELS,
            ),
            fullest: make(registry, GaugeVec::new(fullest, &LABELS)),
        }
    }
}

impl Metrics {
    /// The figures of a limit.
    pub fn allowance(&self, profile: &str, limit: &str) -> OfAllowance {
        let of = &self.allowances;
        let decision = |decision: &str| of.decisions.with_label_values(&[profile, limit, decision]);
        OfAllowance {
            keys: of.keys.with_label_values(&[profile, limit]),
            keys_most: of.keys_most.with_label_values(&[profile, limit]),
            within: decision("within"),
            exhausted: decision("exhausted"),
            aggregated: of.aggregated.with_label_values(&[profile, limit]),
            fullest: of.fullest.with_label_values(&[profile, limit]),
        }
    }

    /// There is no such limit any more: it is no longer shown.
    pub fn forget_allowance(&self, profile: &str, limit: &str) {
        let (of, labels) = (&self.allowances, [profile, limit]);
        // What was never shown is not shown now either.
        let _ = of.keys.remove_label_values(&labels);
        let _ = of.keys_most.remove_label_values(&labels);
        let _ = of.aggregated.remove_label_values(&labels);
        let _ = of.fullest.remove_label_values(&labels);
        for decision in ["within", "exhausted"] {
            let _ = of.decisions.remove_label_values(&[profile, limit, decision]);
        }
    }
}
