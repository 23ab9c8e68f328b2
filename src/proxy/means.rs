//! What the process has to give: memory for what waits in connections, descriptors, time, names of sessions.

use super::reserve::Rank;
use crate::event::NoService;
use crate::session::{Moment, SessionId};
use crate::telemetry::Metrics;
use prometheus::IntGauge;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Descriptors that are kept for listeners, logs, lookups and the endpoint; and a twentieth of all.
const SPARE_DESCRIPTORS: u64 = 32;

/// Descriptors of a session, which may come to need a link.
const OF_A_SESSION: usize = 2;

/// What all sessions of the process share.
#[derive(Debug)]
pub(super) struct Means {
    /// Octets in use; the gauge that operators see is the count itself.
    memory: IntGauge,
    /// The most of them.
    memory_most: i64,
    descriptors: AtomicUsize,
    descriptors_most: usize,
    /// How many of them are kept for partners.
    descriptors_kept: usize,
    start: Instant,
    names: AtomicU64,
}

impl Means {
    /// `reserved` sessions are kept for partners: so are the descriptors that they need.
    pub(super) fn new(metrics: &Metrics, buffer_memory: u64, reserved: usize) -> Arc<Self> {
        let descriptors_most = descriptors();
        let memory_most = i64::try_from(buffer_memory).unwrap_or(i64::MAX);
        metrics.set_buffer_limit(memory_most);
        Arc::new(Self {
            memory: metrics.buffer_used().clone(),
            memory_most,
            descriptors: AtomicUsize::new(0),
            descriptors_most,
            descriptors_kept: reserved.saturating_mul(OF_A_SESSION).min(descriptors_most / 2),
            start: instant(),
            names: AtomicU64::new(random()),
        })
    }

    /// The time, as sessions count it.
    pub(super) fn now(&self) -> Moment {
        Moment::after_start(instant().duration_since(self.start))
    }

    /// What the clock says at the first of these moments, since 1970-01-01 in UTC.
    pub(super) fn started(&self) -> Duration {
        time_of_day().saturating_sub(instant().duration_since(self.start))
    }

    /// The instant of a moment, for the runtime's timers.
    pub(super) fn instant(&self, at: Moment) -> tokio::time::Instant {
        // A moment too far away to be an instant never comes.
        let far = Duration::from_hours(24 * 3650);
        (self.start + at.since_start().min(far)).into()
    }

    /// A name for a session: ordered by the second, and within one no name comes twice before 2^18 others.
    pub(super) fn name(&self) -> SessionId {
        const WITHIN: u64 = (1 << 18) - 1;
        // An odd factor only shuffles the numbers below a power of two.
        let within = self.names.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x2_9E35) & WITHIN;
        SessionId::from_bits((time_of_day().as_secs() & ((1 << 22) - 1)) << 18 | within)
    }

    /// Whether there is enough for one session more.
    pub(super) fn suffice(&self, rank: Rank) -> Result<(), NoService> {
        let kept = match rank {
            Rank::Partner => 0,
            Rank::Stranger => self.descriptors_kept,
        };
        let wanted = OF_A_SESSION.saturating_add(kept);
        if self.descriptors.load(Ordering::Relaxed).saturating_add(wanted) > self.descriptors_most {
            return Err(NoService::Descriptors);
        }
        if self.memory.get() > self.memory_most / 5 * 4 {
            return Err(NoService::Memory);
        }
        Ok(())
    }
}

/// A connection's part of the memory. What it holds is counted here, and given back with it.
#[derive(Debug)]
pub(super) struct Share {
    means: Arc<Means>,
    octets: i64,
}

impl Share {
    pub(super) fn new(means: Arc<Means>) -> Self {
        Self { means, octets: 0 }
    }

    /// Counts what the connection holds now. False: it holds more than before, and there is no more to give.
    pub(super) fn settle(&mut self, octets: usize) -> bool {
        let octets = i64::try_from(octets).unwrap_or(i64::MAX);
        let more = octets - self.octets;
        if more == 0 {
            return true;
        }
        self.octets = octets;
        self.means.memory.add(more);
        more < 0 || self.means.memory.get() <= self.means.memory_most
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.means.memory.sub(self.octets);
    }
}

/// A descriptor in use.
#[derive(Debug)]
pub(super) struct Descriptor(Arc<Means>);

impl Descriptor {
    pub(super) fn count(means: &Arc<Means>) -> Self {
        means.descriptors.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(means))
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.0.descriptors.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many descriptors sessions may use. The soft limit is for programs that use `select`; this one does not.
fn descriptors() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let limit = if raised { maximum } else { current }.unwrap_or(u64::MAX);
    let most = limit.saturating_sub(SPARE_DESCRIPTORS).saturating_sub(limit / 20);
    usize::try_from(most).unwrap_or(usize::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the driver is where time comes from")]
fn instant() -> Instant {
    Instant::now()
}

/// Since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "names of sessions are ordered by the time of day, mail is dated, and bans in a file end at one"
)]
pub(super) fn time_of_day() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Where the names begin: another start, other names.
fn random() -> u64 {
    let mut octets = [0_u8; 8];
    // Without entropy names begin at 0, and are unique all the same.
    let _ = rustix::rand::getrandom(&mut octets, rustix::rand::GetRandomFlags::NONBLOCK);
    u64::from_ne_bytes(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_of_sessions_do_not_repeat() {
        let means = Means::new(&Metrics::new(), 1000, 0);
        let names: HashSet<_> = (0..10_000).map(|_| means.name()).collect();
        assert_eq!(names.len(), 10_000);
    }

    #[test]
    fn memory_is_counted_and_given_back() {
        let metrics = Metrics::new();
        let means = Means::new(&metrics, 1000, 0);
        let (mut one, mut other) = (Share::new(Arc::clone(&means)), Share::new(Arc::clone(&means)));
        assert!(one.settle(700));
        assert_eq!(means.suffice(Rank::Stranger), Ok(()));
        assert!(!other.settle(400));
        assert_eq!(means.suffice(Rank::Partner), Err(NoService::Memory));
        assert!(other.settle(300));
        drop((one, other));
        assert_eq!(metrics.buffer_used().get(), 0);
    }
}
