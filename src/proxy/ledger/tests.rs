use super::book::Book;
use super::entries::PARTS;
use super::*;
use crate::policy::allowance::Key;
use governor::clock::FakeRelativeClock;
use ipnet::IpNet;
use proptest::prelude::*;
use std::time::Duration;

fn limit(count: u64, per: u64, burst: u32) -> Allowance {
    let rate = Rate { count, per: Duration::from_secs(per) };
    Allowance { id: "limit".into(), rate, burst, shared: false }
}

fn book(limit: &Allowance, keys: usize) -> (Book<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    (Book::new(limit, keys, clock.clone(), Metrics::new().allowance("profile", "limit")), clock)
}

/// One of 256 addresses in each of the networks 198.N.0.0/16; above those, keys without a network.
fn key(number: usize) -> Key {
    let (wide, host) = (number / 256, number % 256);
    if wide < NETWORKS {
        let address = format!("198.{wide}.{}.{}/32", host % 3, host);
        Key { network: Some(address.parse().unwrap()), rest: "".into() }
    } else {
        Key { network: None, rest: format!("user-{host}").into() }
    }
}

const NETWORKS: usize = 3;
const MOST: usize = 40;

/// What a book should do, with one number a key: what it lacks, in nanoseconds times `count`, so that nothing is rounded.
#[derive(Default)]
struct Model {
    lacks: HashMap<usize, u128>,
}

impl Model {
    fn pass(&mut self, span: Duration, limit: &Allowance) {
        for lack in self.lacks.values_mut() {
            *lack = lack.saturating_sub(span.as_nanos() * u128::from(limit.rate.count));
        }
    }

    /// What a key has; none: it is not known, and there is no room for it.
    fn left(&self, key: usize, limit: &Allowance) -> Option<u32> {
        let per = limit.rate.per.as_nanos();
        match self.lacks.get(&key) {
            Some(lack) => Some(u32::try_from((per * u128::from(limit.burst) - lack) / per).unwrap()),
            None => (self.lacks.len() < MOST).then_some(limit.burst),
        }
    }

    fn take(&mut self, key: usize, amount: u32, limit: &Allowance) {
        *self.lacks.entry(key).or_default() += limit.rate.per.as_nanos() * u128::from(amount);
    }

    fn sweep(&mut self) {
        self.lacks.retain(|_, lack| *lack > 0);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Ask(usize, u32),
    Spend(usize, u32),
    Pass(u64),
    Sweep,
    /// So many new keys at once.
    Flood(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let keys = 256 * (NETWORKS + 1);
    // Few keys come again and again, many come once.
    let key = prop_oneof![4 => 0..12_usize, 1 => 0..keys];
    prop_oneof![
        8 => (key.clone(), 0..8_u32).prop_map(|(key, amount)| Step::Ask(key, amount)),
        3 => (key, 0..30_u32).prop_map(|(key, amount)| Step::Spend(key, amount)),
        3 => (0..2_000_000_000_u64).prop_map(Step::Pass),
        1 => Just(Step::Sweep),
        1 => (0..keys, 1..120_usize).prop_map(|(from, number)| Step::Flood(from, number)),
    ]
}

/// A book beside its model, and what went through for want of room in each wider network.
struct Trial {
    limit: Allowance,
    book: Book<FakeRelativeClock>,
    clock: FakeRelativeClock,
    model: Model,
    aggregated: [u64; NETWORKS + 1],
    spans: Duration,
}

impl Trial {
    fn new(limit: Allowance) -> Self {
        let (book, clock) = book(&limit, MOST);
        let (model, aggregated, spans) = (Model::default(), [0; NETWORKS + 1], Duration::ZERO);
        Self { limit, book, clock, model, aggregated, spans }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Ask(number, amount) => self.ask(number, amount),
            Step::Spend(number, amount) => {
                let known = self.model.left(number, &self.limit);
                self.book.spend(&key(number), amount);
                if let Some(taken) = known.map(|left| left.min(amount)).filter(|taken| *taken > 0) {
                    self.model.take(number, taken, &self.limit);
                    assert_eq!(self.book.ask(&key(number), 0).left, known.unwrap() - taken);
                }
            }
            Step::Pass(nanoseconds) => {
                let span = Duration::from_nanos(nanoseconds);
                self.clock.advance(span);
                self.model.pass(span, &self.limit);
                self.spans += span;
            }
            Step::Sweep => {
                for _ in 0..super::book::BEATS {
                    self.book.sweep();
                }
                self.model.sweep();
            }
            Step::Flood(from, number) => (from..from + number).for_each(|key| self.ask(key % 1024, 1)),
        }
        assert_eq!(self.book.keys(), self.model.lacks.len());
        assert!(self.book.keys() <= MOST);
        self.check_aggregates();
    }

    fn ask(&mut self, number: usize, amount: u32) {
        let balance = self.book.ask(&key(number), amount);
        let Some(left) = self.model.left(number, &self.limit) else {
            assert!(balance.left <= self.limit.burst);
            self.aggregated[number / 256] += u64::from(if balance.within { amount } else { 0 });
            return;
        };
        let within = left >= amount.max(1);
        if within && amount > 0 {
            self.model.take(number, amount, &self.limit);
        }
        let left = if within { left - amount } else { left };
        assert_eq!(balance, Balance { within, left }, "{number}: {amount}");
    }

    /// Spent is not counted here, so it is at most that much.
    fn check_aggregates(&self) {
        let Allowance { rate, burst, .. } = &self.limit;
        let back = self.spans.as_nanos() * u128::from(rate.count) / rate.per.as_nanos();
        let of_one = u64::from(*burst) + u64::try_from(back).unwrap() + 1;
        for network in &self.aggregated[..NETWORKS] {
            assert!(*network <= of_one * PARTS, "{network} of {of_one} times {PARTS}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 25, failure_persistence: None, ..ProptestConfig::default() })]

    // Ten thousand steps.
    #[test]
    fn a_book_does_what_its_model_does(
        steps in prop::collection::vec(step(), 400),
        // Rates whose interval is a whole number of nanoseconds: only those come out even.
        count in prop::sample::select(vec![1, 2, 5, 8, 10, 1000]),
        burst in 1..20_u32,
    ) {
        let mut trial = Trial::new(limit(count, 4, burst));
        for step in &steps {
            trial.step(step);
        }
    }

    #[test]
    fn no_key_ever_has_more_than_burst_and_rate_say(
        asked in prop::collection::vec((0..20_u32, 0..3_000_000_000_u64), 200),
        count in 1..5_000_000_000_u64,
        per in prop::sample::select(vec![1, 60, 3600, 86_400]),
        burst in 1..50_u32,
    ) {
        let limit = limit(count, per, burst);
        let (book, clock) = book(&limit, MOST);
        let (mut given, mut span) = (0_u128, 0_u128);
        for (amount, nanoseconds) in asked {
            given += if book.ask(&key(0), amount).within { u128::from(amount) } else { 0 };
            let back = span * u128::from(count) / Duration::from_secs(per).as_nanos();
            prop_assert!(given <= u128::from(burst) + back);
            clock.advance(Duration::from_nanos(nanoseconds));
            span += u128::from(nanoseconds);
        }
    }
}

#[test]
fn the_largest_of_everything_is_no_panic() {
    for (count, per, burst) in
        [(1, u64::MAX, u32::MAX), (u64::MAX, 1, u32::MAX), (1, 86_400, u32::MAX), (1, 0, 0), (0, 1, 1)]
    {
        let (book, clock) = book(&limit(count, per, burst), 1);
        for number in [0, 1, 2, 0] {
            book.ask(&key(number), u32::MAX);
            book.spend(&key(number), u32::MAX);
            assert_eq!(book.ask(&key(number), 1).left, 0);
            clock.advance(Duration::from_hours(24 * 3650));
            assert!(book.ask(&key(number), 0).left <= burst.max(1));
        }
        book.sweep();
    }
}

#[test]
fn more_than_the_burst_is_never_there_and_takes_nothing() {
    let (book, _clock) = book(&limit(1, 60, 10), MOST);
    assert_eq!(book.ask(&key(0), 11), Balance { within: false, left: 10 });
    assert_eq!(book.keys(), 0);
    assert_eq!(book.ask(&key(0), 4), Balance { within: true, left: 6 });
    assert_eq!(book.ask(&key(0), 7), Balance { within: false, left: 6 });
    // What has happened takes what there is.
    book.spend(&key(0), 1000);
    assert_eq!(book.ask(&key(0), 0), Balance { within: false, left: 0 });
}

#[test]
fn a_known_key_keeps_its_own_when_strangers_fill_the_book() {
    let (book, _clock) = book(&limit(1, 3600, 10), MOST);
    let partner = key(0);
    assert_eq!(book.ask(&partner, 1).left, 9);
    // All of its own network.
    for number in 1..256 {
        book.spend(&key(number), 10);
    }
    assert_eq!(book.keys(), MOST);
    assert_eq!(book.ask(&partner, 1), Balance { within: true, left: 8 });
    // A stranger from there has nothing any more.
    assert_eq!(book.ask(&Key { network: "198.0.9.9/32".parse().ok(), rest: "".into() }, 1).left, 0);
    // Those from elsewhere have, but for one that shares a slot by chance.
    let elsewhere = (256..272).filter(|number| book.ask(&key(*number), 10).within);
    assert!(elsewhere.count() > 5);
}

#[test]
fn a_wider_network_has_sixteen_times_what_one_key_has() {
    for (place, network) in ["203.0.0.0/16", "2001:db8::/32"].into_iter().enumerate() {
        let (book, _clock) = book(&limit(1, 3600, 10), 1);
        book.spend(&key(512 + place), 1);
        let network: IpNet = network.parse().unwrap();
        let step = if place == 0 { 24 } else { 64 };
        let subnets: Vec<_> = network.subnets(step).unwrap().take(256).collect();
        let mut through = 0;
        for _ in 0..20 {
            for subnet in &subnets {
                through += u64::from(book.ask(&Key { network: Some(*subnet), rest: "".into() }, 1).within);
            }
        }
        // Two parts may meet in one slot.
        assert!((10 * (PARTS - 2)..=10 * PARTS).contains(&through), "{through}");
        assert_eq!(book.keys(), 1);
    }
}

#[test]
fn who_has_everything_again_is_forgotten_and_there_is_room() {
    let (book, clock) = book(&limit(1, 1, 10), 3);
    (0..3).for_each(|number| book.spend(&key(number), u32::try_from(number).unwrap() + 1));
    let beats = |number: usize| (0..number).filter_map(|_| book.sweep()).collect::<Vec<_>>();
    assert_eq!(beats(20), [Room::None]);
    assert_eq!(beats(20), []);
    clock.advance(Duration::from_millis(1999));
    assert_eq!((book.keys(), beats(20), book.keys()), (3, vec![Room::Again], 2));
    clock.advance(Duration::from_millis(1001));
    assert_eq!((beats(20), book.keys()), (vec![], 0));
}

/// The value of a line of the metrics.
fn metric(metrics: &Metrics, line: &str) -> Option<f64> {
    let text = String::from_utf8(metrics.encode()).unwrap();
    text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok())
}

fn charge(amount: u32) -> Charge {
    Charge { limit: 0, key: key(0), amount }
}

#[test]
fn what_was_counted_outlives_a_reload_unless_the_limit_has_changed() {
    let (ledger, metrics) = (Ledger::new(MOST), Metrics::new());
    let open = |limits: &[Allowance]| ledger.open(&metrics, [("inbound", limits)]).remove(0);
    let (old, new) = (limit(1, 3600, 10), limit(1, 3600, 20));
    let books = open(std::slice::from_ref(&old));
    assert_eq!(books.ask(&charge(4)).left, 6);
    // Its place in the file is not what it is known by.
    let other = Allowance { id: "other".into(), ..old.clone() };
    let again = open(&[other, old.clone()]);
    assert_eq!(again.ask(&Charge { limit: 1, ..charge(0) }).left, 6);
    assert_eq!(again.ask(&charge(0)).left, 10);
    // A session that came before has its own list.
    assert_eq!(books.ask(&charge(1)).left, 5);
    let changed = open(&[new]);
    assert_eq!(changed.ask(&charge(0)).left, 20);
    assert_eq!(books.ask(&charge(0)).left, 5);
    // It was dropped, and is not taken up again.
    assert_eq!(open(&[old]).ask(&charge(0)).left, 10);
    assert_eq!(metric(&metrics, "gatepost_limit_keys{limit=\"limit\",profile=\"inbound\"}"), Some(0.0));
    open(&[]);
    assert_eq!(metric(&metrics, "gatepost_limit_keys{limit=\"limit\",profile=\"inbound\"}"), None);
}

#[test]
fn listeners_with_one_profile_share_and_others_do_not() {
    let (ledger, metrics) = (Ledger::new(MOST), Metrics::new());
    let limits = [limit(1, 3600, 10)];
    let profiles = ["inbound", "inbound", "submission"].map(|profile| (profile, &limits[..]));
    let books = ledger.open(&metrics, profiles);
    books[0].spend(&charge(3));
    assert_eq!([0, 1, 2].map(|place: usize| books[place].ask(&charge(0)).left), [7, 7, 10]);
}

#[test]
fn figures_tell_how_many_and_how_full() {
    let (ledger, metrics) = (Ledger::new(2), Metrics::new());
    let books = ledger.open(&metrics, [("inbound", &[limit(1, 3600, 10)][..])]).remove(0);
    books.ask(&charge(8));
    books.ask(&charge(8));
    (1..5).for_each(|number| books.spend(&Charge { key: key(number), ..charge(1) }));
    (0..super::book::BEATS).for_each(|_| ledger.sweep());
    let labels = "{limit=\"limit\",profile=\"inbound\"}";
    for (name, value) in [
        (format!("gatepost_limit_keys{labels}"), 2.0),
        (format!("gatepost_limit_keys_most{labels}"), 2.0),
        (format!("gatepost_limit_aggregated_total{labels}"), 3.0),
        (format!("gatepost_limit_fullest_ratio{labels}"), 0.8),
        (
            "gatepost_limit_decisions_total{decision=\"within\",limit=\"limit\",profile=\"inbound\"}".into(),
            1.0,
        ),
        (
            "gatepost_limit_decisions_total{decision=\"exhausted\",limit=\"limit\",profile=\"inbound\"}"
                .into(),
            1.0,
        ),
    ] {
        assert_eq!(metric(&metrics, &name), Some(value), "{name}");
    }
}

#[test]
fn threads_never_take_more_than_there_is() {
    const EACH: u64 = 2000;
    let (book, _clock) = book(&limit(1, 86_400, 1000), 8);
    let through = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let book = &book;
                let one = move |number: u64| {
                    // Every other key is a stranger.
                    let which = usize::try_from(number % 16).unwrap();
                    u64::from(book.ask(&key(which), 1).within)
                };
                scope.spawn(move || {
                    book.sweep();
                    (0..EACH * 16).map(one).sum::<u64>()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum::<u64>()
    });
    // Eight keys of their own, and eight that may meet in parts.
    assert!((9 * 1000..=16 * 1000).contains(&through), "{through}");
    assert_eq!(through % 1000, 0);
    assert_eq!(book.keys(), 8);
}
