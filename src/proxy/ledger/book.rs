//! One limit: what each key has left of it.

use super::entries::{Entries, Store};
use crate::policy::allowance::{Allowance, Balance, Key};
use crate::policy::quantity::Rate;
use crate::telemetry::OfAllowance;
use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::{Quota, RateLimiter};
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The longest that a burst may take to come back, in nanoseconds: 73 years. A longer one is cut to what comes back in
/// that time, so that no sum of times is too large for its type.
const FOREVER: u64 = 1 << 61;
/// In how many beats all entries are looked at once.
pub(super) const BEATS: usize = 20;
/// How often what is left is taken again when others were quicker.
const TRIES: usize = 16;

/// Time since the process began to count.
#[derive(Clone, Debug)]
pub(super) struct Watch(Instant);

impl Watch {
    #[expect(clippy::disallowed_methods, reason = "allowances come back with time")]
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Watch {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX >> 1))
    }
}

/// The book of a limit.
pub(super) struct Book<C: Clock<Instant = Nanos> = Watch> {
    limiter: RateLimiter<Key, Store, C, StateInformationMiddleware>,
    entries: Arc<Entries>,
    /// From when on the limiter counts.
    start: Nanos,
    /// How long one takes to come back, in nanoseconds.
    interval: u64,
    burst: NonZeroU32,
    /// Where the sweep goes on.
    place: AtomicUsize,
    /// The least that was left to anybody since that was shown.
    least: AtomicU32,
    /// Whether it was said that there is no room.
    crowded: AtomicBool,
    figures: OfAllowance,
}

impl<C: Clock<Instant = Nanos>> fmt::Debug for Book<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book").field("burst", &self.burst).finish_non_exhaustive()
    }
}

impl<C: Clock<Instant = Nanos>> Book<C> {
    /// An empty one, for so many keys.
    pub(super) fn new(limit: &Allowance, keys: usize, clock: C, figures: OfAllowance) -> Self {
        let interval = interval(limit.rate);
        let most = u32::try_from(FOREVER / interval).unwrap_or(u32::MAX);
        let burst = NonZeroU32::new(limit.burst.min(most)).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(Duration::from_nanos(interval));
        // An interval is never zero; a second would be the quota's if it were.
        let quota = quota.unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(burst);
        let entries = Arc::new(Entries::new(keys, figures.aggregated.clone()));
        figures.keys_most.set(i64::try_from(keys).unwrap_or(i64::MAX));
        let start = clock.now();
        Self {
            limiter: RateLimiter::new(quota, Store(Arc::clone(&entries)), clock),
            entries,
            start,
            interval,
            burst,
            place: AtomicUsize::new(0),
            least: AtomicU32::new(u32::MAX),
            crowded: AtomicBool::new(false),
            figures,
        }
    }

    /// Takes an amount, if there is so much; 0 only looks.
    pub(super) fn ask(&self, key: &Key, amount: u32) -> Balance {
        let balance = match NonZeroU32::new(amount) {
            None => {
                let left = self.left(key);
                Balance { within: left > 0, left }
            }
            Some(amount) => self.take(key, amount),
        };
        let Balance { within, left } = balance;
        if within { &self.figures.within } else { &self.figures.exhausted }.inc();
        self.least.fetch_min(left, Ordering::Relaxed);
        balance
    }

    /// Takes an amount, or what there is of it.
    pub(super) fn spend(&self, key: &Key, amount: u32) {
        for _ in 0..TRIES {
            let Some(there) = NonZeroU32::new(self.left(key).min(amount)) else { break };
            let Balance { within, left } = self.take(key, there);
            if within {
                self.least.fetch_min(left, Ordering::Relaxed);
                return;
            }
        }
        self.least.fetch_min(0, Ordering::Relaxed);
    }

    fn take(&self, key: &Key, amount: NonZeroU32) -> Balance {
        // There is never so much, and `governor` would multiply without looking.
        if amount > self.burst {
            return Balance { within: false, left: self.left(key) };
        }
        match self.limiter.check_key_n(key, amount) {
            Ok(Ok(state)) => Balance { within: true, left: state.remaining_burst_capacity() },
            Ok(Err(_)) | Err(_) => Balance { within: false, left: self.left(key) },
        }
    }

    fn left(&self, key: &Key) -> u32 {
        self.entries.until(key).map_or(self.burst.get(), |until| self.left_at(until, self.now()))
    }

    /// What somebody has who has everything at `until`.
    fn left_at(&self, until: Nanos, now: Nanos) -> u32 {
        let lacking = until.saturating_sub(now).as_u64().div_ceil(self.interval);
        self.burst.get().saturating_sub(u32::try_from(lacking).unwrap_or(u32::MAX))
    }

    fn now(&self) -> Nanos {
        self.limiter.clock().now().saturating_sub(self.start)
    }

    /// Forgets a part of the keys that have everything again, so that in so many [`BEATS`] all were looked at, and shows how
    /// it stands. Whether there is room is told when that changes.
    pub(super) fn sweep(&self) -> Option<Room> {
        let (now, shards) = (self.now(), self.entries.shards());
        let from = self.place.load(Ordering::Relaxed);
        let to = from.saturating_add(shards.div_ceil(BEATS)).min(shards);
        for shard in from..to {
            if let Some(until) = self.entries.sweep(shard, now) {
                self.least.fetch_min(self.left_at(until, now), Ordering::Relaxed);
            }
        }
        self.place.store(if to == shards { 0 } else { to }, Ordering::Relaxed);
        if to == shards {
            let burst = self.burst.get();
            let least = self.least.swap(u32::MAX, Ordering::Relaxed).min(burst);
            self.figures.fullest.set(f64::from(burst - least) / f64::from(burst));
        }
        self.figures.keys.set(i64::try_from(self.entries.used()).unwrap_or(i64::MAX));
        let full = self.entries.is_full();
        // What is full stays so for a while: it is told once.
        let eased = self.entries.used().saturating_mul(10) < self.entries.most().saturating_mul(9);
        let was = self.crowded.load(Ordering::Relaxed);
        let is = full || (was && !eased);
        self.crowded.store(is, Ordering::Relaxed);
        (is != was).then_some(if is { Room::None } else { Room::Again })
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        self.entries.used()
    }
}

/// Whether there is room for new keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    None,
    Again,
}

/// How long one takes to come back, in whole nanoseconds; rounded up, so that it is never more than the rate says.
fn interval(Rate { count, per }: Rate) -> u64 {
    let interval = per.as_nanos().div_ceil(u128::from(count.max(1)));
    u64::try_from(interval).unwrap_or(FOREVER).clamp(1, FOREVER)
}
