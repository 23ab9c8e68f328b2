//! Leases: units of a hot key that were taken from the store at once, to be spent here within a second. They were charged
//! when they were taken, so all instances together never have more than there is; but what was taken in one second may be
//! spent in the next: in any stretch of time, at most a lease for each key and instance beyond what the limit gives.

use crate::policy::allowance::Balance;
use crate::proxy::lock;
use crate::session::Moment;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

/// How long a lease lasts; what is not spent by then is lost.
const TERM: Duration = Duration::from_secs(1);
/// A key that is asked for again within this is hot.
const HOT: Duration = Duration::from_millis(200);
/// The most keys that are remembered.
const KEYS: usize = 10_000;

/// The leases of this instance.
#[derive(Debug)]
pub(super) struct Leases {
    /// The most units of one.
    most: u32,
    within: Mutex<HashMap<String, Lease>>,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    units: u32,
    until: Moment,
    asked: Moment,
    /// Whether somebody is asking for more.
    pending: bool,
}

impl Lease {
    fn units(&self, now: Moment) -> u32 {
        if self.until > now { self.units } else { 0 }
    }
}

impl Leases {
    pub(super) fn new(most: u32) -> Self {
        Self { most, within: Mutex::default() }
    }

    /// Spends from a lease; none: there is not enough of it.
    pub(super) fn spend(&self, key: &str, amount: u32, now: Moment) -> Option<Balance> {
        if self.most == 0 {
            return None;
        }
        let mut within = lock(&self.within);
        let lease = within.get_mut(key)?;
        let units = lease.units(now);
        if units < amount.max(1) {
            return None;
        }
        lease.units = units.saturating_sub(amount);
        Some(Balance { within: true, left: lease.units })
    }

    /// How many more are to be asked for; whoever hears more than zero must say what came of it.
    pub(super) fn wanted(&self, key: &str, now: Moment) -> u32 {
        if self.most == 0 {
            return 0;
        }
        let mut within = lock(&self.within);
        if within.len() >= KEYS && !within.contains_key(key) {
            within.retain(|_, lease| lease.pending || now.since(lease.asked) < TERM);
            if within.len() >= KEYS {
                return 0;
            }
        }
        let Some(lease) = within.get_mut(key) else {
            let lease = Lease { units: 0, until: now, asked: now, pending: false };
            within.insert(key.to_owned(), lease);
            return 0;
        };
        let is_hot = now.since(lease.asked) < HOT;
        lease.asked = now;
        if lease.pending || !is_hot {
            return 0;
        }
        let more = self.most.saturating_sub(lease.units(now));
        lease.pending = more > 0;
        more
    }

    /// So many came.
    pub(super) fn granted(&self, key: &str, units: u32, now: Moment) {
        if let Some(lease) = lock(&self.within).get_mut(key) {
            lease.pending = false;
            if units > 0 {
                lease.units = lease.units(now).saturating_add(units);
                lease.until = now + TERM;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::after_start(Duration::from_millis(millis))
    }

    #[test]
    fn a_hot_key_has_a_lease_of_so_many_and_no_more_for_a_second() {
        let leases = Leases::new(5);
        assert_eq!((leases.wanted("k", at(0)), leases.wanted("k", at(500))), (0, 0));
        assert_eq!(leases.wanted("k", at(600)), 5);
        // One asks, the others do not.
        assert_eq!(leases.wanted("k", at(601)), 0);
        leases.granted("k", 5, at(610));
        let left: Vec<_> = (0..6).map(|_| leases.spend("k", 1, at(700)).map(|had| had.left)).collect();
        assert_eq!(left, [Some(4), Some(3), Some(2), Some(1), Some(0), None]);
        assert_eq!(leases.wanted("k", at(710)), 5);
        leases.granted("k", 3, at(710));
        assert_eq!(leases.spend("k", 0, at(1709)), Some(Balance { within: true, left: 3 }));
        assert_eq!(leases.spend("k", 1, at(1710)), None);
        assert_eq!(leases.spend("other", 1, at(0)), None);
    }

    #[test]
    fn what_is_left_of_a_lease_is_part_of_the_next() {
        let leases = Leases::new(5);
        leases.wanted("k", at(0));
        assert_eq!(leases.wanted("k", at(1)), 5);
        leases.granted("k", 5, at(2));
        assert_eq!(leases.spend("k", 6, at(3)), None);
        assert_eq!(leases.wanted("k", at(4)), 0);
        leases.spend("k", 3, at(5));
        assert_eq!(leases.wanted("k", at(6)), 3);
    }

    #[test]
    fn where_there_are_none_nothing_is_remembered() {
        let leases = Leases::new(0);
        assert_eq!((leases.wanted("k", at(0)), leases.wanted("k", at(1))), (0, 0));
        assert!(lock(&leases.within).is_empty());
    }
}
