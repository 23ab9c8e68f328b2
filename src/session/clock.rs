//! Time as an argument.

use std::num::NonZeroU64;
use std::ops::Add;
use std::time::Duration;

/// A point in time: how long after the driver's start. An `Instant` cannot be made without a clock, so the core has none.
///
/// In nanoseconds, which are enough for 584 years, and counted from 1, so that none costs nothing: a session keeps
/// several of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(NonZeroU64);

impl Default for Moment {
    fn default() -> Self {
        Self::START
    }
}

impl Moment {
    /// The driver's start.
    pub const START: Self = Self(NonZeroU64::MIN);
    /// Later than anything that happens.
    pub const NEVER: Self = Self(NonZeroU64::MAX);

    /// So long after the driver's start.
    pub fn after_start(span: Duration) -> Self {
        Self::START + span
    }

    /// How long after the driver's start it is.
    pub fn since_start(self) -> Duration {
        self.since(Self::START)
    }

    /// The earlier of two, as far as there are any.
    pub fn earlier(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// How much later this is than `earlier`; zero if it is not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// The time a client has for mail data: time spends it, octets earn it back, and it never grows above `full`.
/// Dripping therefore extends nothing, and a large message over a slow line is not cut off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    full: Duration,
    /// Octets that earn a second.
    rate: u64,
    left: Duration,
    at: Moment,
}

impl Budget {
    pub(crate) fn new(full: Duration, rate: u64, now: Moment) -> Self {
        Self { full, rate: rate.max(1), left: full, at: now }
    }

    /// `octets` came in at `now`.
    pub(crate) fn earn(&mut self, now: Moment, octets: usize) {
        let octets = u64::try_from(octets).unwrap_or(u64::MAX);
        let earned = Duration::from_millis(octets.saturating_mul(1000) / self.rate);
        self.left = self.left.saturating_sub(now.since(self.at)).saturating_add(earned).min(self.full);
        self.at = now;
    }

    /// From now on there is no more than this.
    pub(crate) fn tighten(&mut self, full: Duration) {
        self.full = self.full.min(full);
        self.left = self.left.min(full);
    }

    /// The time up to `now` was not the client's to spend.
    pub(crate) fn forgive(&mut self, now: Moment) {
        self.at = self.at.max(now);
    }

    pub(crate) fn deadline(&self) -> Moment {
        self.at + self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dripping_extends_nothing_and_a_steady_stream_is_never_cut() {
        let second = |n: u64| Moment::after_start(Duration::from_secs(n));
        let mut drip = Budget::new(Duration::from_secs(10), 500, second(0));
        for n in 1..=9 {
            drip.earn(second(n), 1);
        }
        assert!(drip.deadline() < second(11));
        let mut stream = Budget::new(Duration::from_secs(10), 500, second(0));
        for n in 1..=1000 {
            assert!(stream.deadline() > second(n));
            stream.earn(second(n), 500);
        }
        stream.forgive(second(5000));
        assert!(stream.deadline() > second(5000));
    }
}
