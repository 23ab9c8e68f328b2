//! What a ledger costs with a million keys: `cargo bench --bench ledger`. It prints memory and times, and judges neither:
//! times are those of a machine that does other things, too.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measurement that cannot go on has failed, and reads the clock"
)]

use gatepost::policy::allowance::{Allowance, Charge, Key};
use gatepost::policy::quantity::Rate;
use gatepost::proxy::{Books, Ledger};
use gatepost::telemetry::Metrics;
use std::fs;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const KEYS: u32 = 1_000_000;

fn main() {
    let limit = |per| Allowance {
        id: "connections".into(),
        rate: Rate { count: 1, per: Duration::from_secs(per) },
        burst: 100,
        shared: false,
    };
    let metrics = Metrics::new();
    let ledger = Ledger::new(usize::try_from(KEYS).unwrap());
    let open = |per| ledger.open(&metrics, [("inbound", &[limit(per)][..])]).remove(0);
    let books = open(60);
    let before = resident();
    let took = fill(&books, 0);
    println!("{KEYS} keys: {:.1} octets each, {took} ns to make one", octets(before));
    println!("a known key: {} ns", fill(&books, 0));
    println!("a stranger beyond them: {} ns", fill(&books, KEYS));
    println!("with what stands for wider networks: {:.1} octets each", octets(before));
    println!("sweeping: {:?} is the longest beat", beats(&ledger));
    let [most, nearly_all] = beside_a_sweep(&ledger, &books);
    println!("a charge while they are swept: 99 % below {most:?}, 99.9 % below {nearly_all:?}");
    let short = open(1);
    drop(books);
    fill(&short, 0);
    std::thread::sleep(Duration::from_millis(1100));
    println!("sweeping all of them away: {:?} is the longest beat", beats(&ledger));
    println!("and what is left is {:.1} octets for each that there was", octets(before));
}

/// Charges one to each of so many addresses; gives nanoseconds of one.
fn fill(books: &Books, from: u32) -> u128 {
    let start = Instant::now();
    for number in from..from + KEYS {
        black_box(books.ask(&charge(number)));
    }
    start.elapsed().as_nanos() / u128::from(KEYS)
}

/// Addresses that are spread as those of a flood are.
fn charge(number: u32) -> Charge {
    let address = Ipv4Addr::from(number.wrapping_mul(2_654_435_761));
    Charge {
        limit: 0,
        key: Key { network: Some(ipnet::Ipv4Net::from(address).into()), rest: "".into() },
        amount: 1,
    }
}

/// Sweeps twice through everything; gives the longest that it took at a time.
fn beats(ledger: &Ledger) -> Duration {
    (0..40).map(|_| timed(|| ledger.sweep())).max().unwrap()
}

/// Charges while everything is swept without a pause: what 99 and 99.9 of a hundred take at most.
fn beside_a_sweep(ledger: &Ledger, books: &Books) -> [Duration; 2] {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let charging = scope.spawn(|| {
            let ask = |number: u32| {
                timed(|| {
                    black_box(books.ask(&charge(number % KEYS)));
                })
            };
            let mut times: Vec<_> =
                (0..u32::MAX).take_while(|_| !over.load(Ordering::Relaxed)).map(ask).collect();
            times.sort_unstable();
            [100, 1000].map(|part| times[times.len() - 1 - times.len() / part])
        });
        (0..400).for_each(|_| ledger.sweep());
        over.store(true, Ordering::Relaxed);
        charging.join().unwrap()
    })
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// KiB of memory in use.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn octets(before: f64) -> f64 {
    (resident() - before) * 1024.0 / f64::from(KEYS)
}
