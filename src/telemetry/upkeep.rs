//! Figures of what operators look after: when certificates end, and whether the last reload was taken.

use super::families::{counters, gauges, make};
use prometheus::{IntCounter, IntGauge, IntGaugeVec, Registry};
use std::time::{SystemTime, UNIX_EPOCH};

/// All of them.
#[derive(Debug)]
pub(super) struct Upkeep {
    not_after: IntGaugeVec,
    accepted: IntCounter,
    refused: IntCounter,
    successful: IntGauge,
    succeeded_at: IntGauge,
}

impl Upkeep {
    /// The files of the start count as taken.
    pub(super) fn new(registry: &Registry) -> Self {
        let reloads = counters(registry, "gatepost_config_reloads_total", "Reloads, by result.", &["result"]);
        let gauge = |name: &str, help: &str| make(registry, IntGauge::new(name, help));
        let this = Self {
            not_after: gauges(
                registry,
                "gatepost_tls_certificate_not_after_timestamp_seconds",
                "Unix time at which a certificate ends.",
                &["certificate"],
            ),
            accepted: reloads.with_label_values(&["accepted"]),
            refused: reloads.with_label_values(&["refused"]),
            successful: gauge(
                "gatepost_config_last_reload_successful",
                "Whether the last reload was taken (1) or refused (0).",
            ),
            succeeded_at: gauge(
                "gatepost_config_last_reload_success_timestamp_seconds",
                "Unix time of the last reload that was taken.",
            ),
        };
        this.successful.set(1);
        this.succeeded_at.set(seconds());
        this
    }

    pub(super) fn set_not_after(&self, certificate: &str, seconds: i64) {
        self.not_after.with_label_values(&[certificate]).set(seconds);
    }

    pub(super) fn reloaded(&self, taken: bool) {
        self.successful.set(taken.into());
        if taken {
            self.accepted.inc();
            self.succeeded_at.set(seconds());
        } else {
            self.refused.inc();
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a figure says at what time of day it was; nothing depends on it"
)]
fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
