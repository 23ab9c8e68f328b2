//! Stress: a bound is near, so whoever is no partner has less time and fewer errors. It is weighed a few times a second,
//! by nobody's session, and costs a session nothing but to be told.

use prometheus::IntGauge;
use std::sync::atomic::{AtomicBool, Ordering};

/// It is over when no load is above this share of what there is, in percent: it does not come and go with each session.
const LOW: usize = 60;

/// Whether a listener is under stress.
#[derive(Debug)]
pub(super) struct Stress {
    on: AtomicBool,
    gauge: IntGauge,
}

/// How much is used of something that has a bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) used: usize,
    pub(super) most: usize,
    /// From which share on it is too much, in percent.
    pub(super) high: usize,
}

impl Load {
    fn exceeds(self, percent: usize) -> bool {
        self.used.saturating_mul(100) > self.most.saturating_mul(percent)
    }
}

impl Stress {
    pub(super) fn new(gauge: IntGauge) -> Self {
        Self { on: AtomicBool::new(false), gauge }
    }

    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }

    /// Weighs the loads. Some: it has just begun, or it is just over.
    pub(super) fn weigh(&self, loads: &[Load]) -> Option<bool> {
        let was = self.is_on();
        let on = loads.iter().any(|load| load.exceeds(if was { LOW } else { load.high }));
        self.on.store(on, Ordering::Release);
        self.gauge.set(on.into());
        (on != was).then_some(on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_above_four_fifths_and_is_over_below_three() {
        let stress = Stress::new(IntGauge::new("stressed", "Stressed.").unwrap());
        let weigh = |used| stress.weigh(&[Load { used, most: 10, high: 80 }]);
        assert_eq!(weigh(8), None);
        assert_eq!(weigh(9), Some(true));
        assert_eq!(weigh(7), None);
        assert_eq!(weigh(6), Some(false));
        assert_eq!(weigh(7), None);
    }
}
