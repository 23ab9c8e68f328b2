//! Figures of bans.

use super::families::{counters, make};
use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};

/// All of them.
#[derive(Clone, Debug)]
pub struct OfBans {
    standing: IntGauge,
    placed: IntCounter,
    displaced: IntCounter,
    met: IntCounterVec,
}

impl OfBans {
    pub(super) fn new(registry: &Registry) -> Self {
        let counter = |name: &str, help: &str| make(registry, IntCounter::new(name, help));
        Self {
            standing: make(registry, IntGauge::new("gatepost_bans", "Networks that are not let in now.")),
            placed: counter("gatepost_bans_total", "Bans that were placed, or made longer."),
            displaced: counter(
                "gatepost_bans_displaced_total",
                "Bans for which there was no room: of those that are known, the one that ended first.",
            ),
            met: counters(
                registry,
                "gatepost_banned_connections_total",
                "Connections that were turned away because of a ban.",
                &["listener"],
            ),
        }
    }

    /// Those that stand now.
    pub fn standing(&self) -> &IntGauge {
        &self.standing
    }

    /// Those that were placed.
    pub(super) fn placed(&self) -> &IntCounter {
        &self.placed
    }

    /// Connections to a listener that were turned away.
    pub(super) fn met(&self, listener: &str) -> IntCounter {
        self.met.with_label_values(&[listener])
    }

    /// Those for which there was no room.
    pub fn displaced(&self) -> &IntCounter {
        &self.displaced
    }
}
