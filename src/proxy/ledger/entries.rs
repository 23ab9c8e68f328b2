//! What was used up of one limit, by key: so many entries and never more.
//!
//! An entry is a hash of its key and the time at which the key has everything again (the *theoretical arrival time* of
//! GCRA): 16 octets, whatever the key is. The hash is `SipHash` with a seed of this process, so nobody outside can make two
//! keys meet; that two of a million do so by chance is one in thirty million, and then they share an entry.
//!
//! A key for which there is no room is charged to one of [`SLOTS`]: [`PARTS`] of them stand for each wider network, and
//! the key's hash says which of the parts is its own. So a wider network has [`PARTS`] times what one key has, and one
//! stranger alone cannot use up what is there for his neighbours. Networks that meet in a slot share it.

use crate::policy::allowance::Key;
use crate::proxy::lock;
use governor::nanos::Nanos;
use governor::state::StateStore;
use ipnet::IpNet;
use prometheus::IntCounter;
use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// Keys of a shard, about: going through one, or letting it grow, takes some ten microseconds.
const OF_A_SHARD: usize = 4096;
/// How many parts a wider network has.
pub(super) const PARTS: u64 = 16;
/// Parts of all wider networks, half a MiB; they are made when the first is needed.
const SLOTS: usize = 1 << 16;
/// Prefixes of wider networks, for IPv4 and IPv6.
const WIDER: (u8, u8) = (16, 32);

/// The entries of a limit.
#[derive(Debug)]
pub(super) struct Entries {
    most: usize,
    used: AtomicUsize,
    shards: Box<[Mutex<Shard>]>,
    /// When each has everything again; 0: it has.
    slots: OnceLock<Box<[AtomicU64]>>,
    seed: RandomState,
    /// Charges to slots.
    aggregated: IntCounter,
}

/// By the hash of the key: when it has everything again.
type Shard = HashMap<u64, Nanos, BuildHasherDefault<Hashed>>;

/// What is hashed already is not hashed again.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = self.0.rotate_left(8) ^ u64::from(*octet);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl Entries {
    pub(super) fn new(most: usize, aggregated: IntCounter) -> Self {
        let shards = (most / OF_A_SHARD).next_power_of_two().clamp(16, 1 << 16);
        Self {
            most,
            used: AtomicUsize::new(0),
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            slots: OnceLock::new(),
            seed: RandomState::new(),
            aggregated,
        }
    }

    /// How many there are.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// How many there may be.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    pub(super) fn is_full(&self) -> bool {
        self.used() >= self.most
    }

    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// When the key has everything again; none: it has.
    pub(super) fn until(&self, key: &Key) -> Option<Nanos> {
        let print = self.seed.hash_one(key);
        if let Some(until) = lock(self.shard(print)?).get(&print) {
            return Some(*until);
        }
        if !self.is_full() {
            return None;
        }
        value(self.slot(key, print)?.load(Ordering::Acquire))
    }

    /// Measures a key that is known, or for which there is room. None: there is none.
    fn measure_known<T, E>(
        &self,
        print: u64,
        measure: &impl Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    ) -> Option<Result<T, E>> {
        let mut shard = lock(self.shard(print)?);
        let entry = shard.entry(print);
        let before = match &entry {
            Entry::Occupied(known) => Some(*known.get()),
            Entry::Vacant(_) if self.take_room() => None,
            Entry::Vacant(_) => return None,
        };
        Some(match measure(before) {
            Ok((result, until)) => {
                entry.insert_entry(until);
                Ok(result)
            }
            Err(refused) => {
                // Nothing was taken, so there is nothing to be known.
                self.used.fetch_sub(before.is_none().into(), Ordering::AcqRel);
                Err(refused)
            }
        })
    }

    /// Forgets the keys of one shard that have everything again. What it gives is the last time at which one has.
    pub(super) fn sweep(&self, shard: usize, now: Nanos) -> Option<Nanos> {
        let mut shard = lock(self.shards.get(shard)?);
        let (before, mut last) = (shard.len(), None);
        shard.retain(|_, until| {
            last = last.max(Some(*until));
            *until > now
        });
        self.used.fetch_sub(before.saturating_sub(shard.len()), Ordering::AcqRel);
        // What a flood took is free again.
        if shard.capacity() / 4 > shard.len() {
            let twice = shard.len().saturating_mul(2);
            shard.shrink_to(twice);
        }
        last
    }

    /// Lower bits choose within a shard.
    fn shard(&self, print: u64) -> Option<&Mutex<Shard>> {
        let bits = usize::try_from(print >> 40).unwrap_or_default();
        self.shards.get(bits & self.shards.len().saturating_sub(1))
    }

    fn take_room(&self) -> bool {
        let one_more = |used: usize| (used < self.most).then_some(used.saturating_add(1));
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok()
    }

    /// A key without a network is a part by itself.
    fn slot(&self, key: &Key, print: u64) -> Option<&AtomicU64> {
        let slots = self.slots.get_or_init(|| (0..SLOTS).map(|_| AtomicU64::new(0)).collect());
        let place = match key.network.map(wider) {
            Some(network) => self.seed.hash_one((network, print % PARTS)),
            None => print,
        };
        slots.get(usize::try_from(place % u64::try_from(SLOTS).ok()?).ok()?)
    }
}

/// The wider network that a network is in.
fn wider(network: IpNet) -> IpNet {
    let (v4, v6) = WIDER;
    let prefix = if network.addr().is_ipv4() { v4 } else { v6 };
    IpNet::new(network.addr(), prefix.min(network.prefix_len())).map_or(network, |wide| wide.trunc())
}

fn value(stored: u64) -> Option<Nanos> {
    (stored > 0).then(|| Nanos::new(stored))
}

/// The entries, as `governor` wants them.
#[derive(Debug)]
pub(super) struct Store(pub(super) Arc<Entries>);

impl StateStore for Store {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let entries = &self.0;
        let print = entries.seed.hash_one(key);
        if let Some(result) = entries.measure_known(print, &measure) {
            return result;
        }
        entries.aggregated.inc();
        match entries.slot(key, print) {
            Some(slot) => measure_slot(slot, measure),
            // There is a slot for each hash.
            None => measure(None).map(|(result, _)| result),
        }
    }
}

fn measure_slot<T, E>(
    slot: &AtomicU64,
    measure: impl Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
) -> Result<T, E> {
    let mut seen = slot.load(Ordering::Acquire);
    loop {
        let (result, until) = measure(value(seen))?;
        match slot.compare_exchange_weak(seen, until.as_u64(), Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Ok(result),
            Err(other) => seen = other,
        }
    }
}
