use super::*;
use crate::policy::network::NetworkSet;
use crate::telemetry::Metrics;
use proptest::prelude::*;
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt;

const SECOND: Duration = Duration::from_secs(1);
/// Small, so that it is full often.
const MOST: usize = 12;

fn entry(until: Moment, check: &str) -> Entry {
    Entry { until, check: check.into(), reference: "7K2M9QXT".into() }
}

fn after(seconds: u64) -> Moment {
    Moment::after_start(Duration::from_secs(seconds))
}

fn clocks(seconds: u64, day: u64) -> Clocks {
    Clocks { now: after(seconds), day: Duration::from_secs(day) }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

#[test]
fn a_ban_is_for_an_ipv4_address_or_an_ipv6_64() {
    for (client, banned) in [
        ("203.0.113.9", "203.0.113.9/32"),
        ("::ffff:203.0.113.9", "203.0.113.9/32"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    ] {
        assert_eq!(network(client.parse().unwrap()), net(banned));
    }
}

#[test]
fn a_longer_ban_takes_the_place_of_a_shorter_one_and_never_the_other_way_round() {
    let mut book = Book::new(2);
    let one = net("203.0.113.9/32");
    assert_eq!(book.enter(one, entry(after(10), "first")), Entered::New);
    assert_eq!(book.enter(one, entry(after(9), "second")), Entered::Shorter);
    assert_eq!(book.get(one, after(9)).unwrap().check.as_ref(), "first");
    assert_eq!(book.enter(one, entry(after(11), "third")), Entered::Longer);
    assert_eq!(book.get(one, after(10)).unwrap().check.as_ref(), "third");
    assert_eq!(book.get(one, after(11)), None);
}

#[test]
fn in_a_full_book_the_ban_that_ends_first_gives_way() {
    let mut book = Book::new(2);
    let (one, two, three) = (net("203.0.113.1/32"), net("203.0.113.2/32"), net("203.0.113.3/32"));
    book.enter(one, entry(after(10), "a"));
    book.enter(two, entry(after(20), "a"));
    assert_eq!(book.enter(three, entry(after(10), "a")), Entered::NoRoom);
    assert_eq!(book.enter(three, entry(after(11), "a")), Entered::InPlaceOfAnother);
    assert_eq!(book.get(one, after(0)), None);
    assert_eq!(book.len(), 2);
}

#[test]
fn lines_that_are_no_bans_are_passed_over_and_the_others_hold() {
    let text = "# by hand\n\n203.0.113.9/32 1970-01-01T00:02:00Z harvesting 7K2M9QXT\r\n\
                203.0.113.0/24 1970-01-01T00:02:00Z harvesting 7K2M9QXT\n\
                203.0.113.8/32 tomorrow harvesting 7K2M9QXT\n\
                203.0.113.7/32 1970-01-01T00:02:00Z a\"b 7K2M9QXT\n\
                203.0.113.6/32 1970-01-01T00:02:00Z a b c\n\
                203.0.113.5/32 1970-01-01T00:01:00Z over 7K2M9QXT\n\
                2001:db8::/64 2020-01-01T00:00:00Z far 7K2M9QXT\n\
                203.0.113.1/32 1970-01-01T00:0";
    let mut book = Book::new(10);
    assert_eq!(scan(text.as_bytes(), clocks(7, 60), &mut book), 5);
    let found: Vec<_> = book.iter().map(|(network, entry)| (network, entry.until)).collect();
    // However far away the end, it is not much more than a year.
    let longest = Moment::after_start(LONGEST + 7 * SECOND);
    assert_eq!(found, [(net("203.0.113.9/32"), after(67)), (net("2001:db8::/64"), longest)]);
    let (mut book, garbage) = (Book::new(10), [0xFF, 0, b'\n', b' ', b'\n', 0x80]);
    assert_eq!(scan(&garbage, clocks(0, 0), &mut book), 2);
}

#[test]
fn the_file_is_for_its_owner_alone_and_what_a_killed_process_left_is_no_matter() {
    let folder = std::env::temp_dir().join(format!("gatepost-bans-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let ledger = Ledger::new(folder.to_str().unwrap());
    assert!(ledger.read(10).unwrap().is_empty());
    std::fs::write(folder.join("bans.new"), "half").unwrap();
    ledger.write("one\n").unwrap();
    ledger.write("other\n").unwrap();
    assert_eq!(ledger.read(10).unwrap(), b"other\n");
    assert_eq!(std::fs::metadata(ledger.path()).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(ledger.write("nowhere\n").is_err());
}

fn bans(most: usize) -> Bans {
    let metrics = Metrics::new();
    let means = Means::new(&metrics, 0, 0);
    let within = Within { book: Book::new(most), changed: false, saved: None };
    let figures = metrics.bans().clone();
    Bans { means, figures, ledger: None, within: Mutex::new(within), unkept: Mutex::default() }
}

#[test]
fn a_ban_that_is_placed_is_met_until_it_is_lifted() {
    let bans = bans(2);
    let client = "2001:db8::1".parse().unwrap();
    let hour = Duration::from_hours(1);
    let placed = bans.place(client, hour, "harvesting", "7K2M9QXT").unwrap();
    assert_eq!((placed.network, placed.left), (net("2001:db8::/64"), hour));
    assert_eq!(bans.place(client, hour / 2, "other", "7K2M9QXV"), None);
    let met = bans.meet("2001:db8::2".parse().unwrap()).unwrap();
    assert_eq!((&*met.check, &*met.reference), ("harvesting", "7K2M9QXT"));
    assert_eq!(bans.meet("2001:db8:0:1::1".parse().unwrap()), None);
    let page = bans.page(|_| false);
    let seconds =
        page.strip_prefix("2001:db8::/64 ").unwrap().strip_suffix(" harvesting 7K2M9QXT\n").unwrap();
    assert!((3590..=3600).contains(&seconds.parse::<u32>().unwrap()), "{page}");
    bans.lift(|network| network == net("2001:db8::/64"));
    assert_eq!((bans.meet(client), bans.figures.standing().get()), (None, 0));
}

#[test]
fn a_ban_of_another_gate_is_judged_like_a_line_of_a_file() {
    let bans = bans(9);
    let now = bans.means.now();
    for (network, left, said) in [
        ("203.0.113.0/24", "5000", "x y"),
        ("203.0.113.9", "5000", "x y"),
        ("203.0.113.9/32", "soon", "x y"),
        ("203.0.113.9/32", "-1", "x y"),
        ("203.0.113.9/32", "5000", "x"),
        ("203.0.113.9/32", "5000", "x\n y"),
        ("203.0.113.9/32", "5000", "x y z"),
    ] {
        bans.adopt((network, left, said), now);
    }
    assert_eq!(bans.figures.standing().get(), 0);
    bans.adopt(("203.0.113.9/32", "5000", "x y"), now);
    bans.adopt(("203.0.113.8/32", "18446744073709551615", "x y"), now);
    let left = |client: &str| bans.meet(client.parse().unwrap()).unwrap().left;
    assert!(left("203.0.113.9") <= 5 * SECOND && left("203.0.113.8") <= LONGEST);
}

#[test]
fn what_there_is_no_room_for_is_counted() {
    let bans = bans(1);
    let place = |client: &str, seconds| {
        bans.place(client.parse().unwrap(), Duration::from_secs(seconds), "x", "y").is_some()
    };
    assert!(place("203.0.113.1", 60));
    assert!(!place("203.0.113.2", 50));
    assert!(place("203.0.113.3", 70));
    assert_eq!((bans.figures.standing().get(), bans.figures.displaced().get()), (1, 2));
}

/// What happens to a book.
#[derive(Clone, Debug)]
enum Step {
    Ban(IpAddr, Duration),
    Pass(Duration),
    Meet(IpAddr),
    Lapse,
    /// A restart: so long it is away, and the clock is put by so much meanwhile.
    Restart(Duration, i64),
    /// The file is cut off there.
    Truncate(prop::sample::Index),
    Except(Vec<IpAddr>),
    Lift,
}

fn address() -> impl Strategy<Value = IpAddr> {
    let four = (0_u8..20).prop_map(|last| Ipv4Addr::new(203, 0, 113, last).into());
    let six = (0_u16..4, 0_u16..3)
        .prop_map(|(network, host)| Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, host).into());
    prop_oneof![four, six]
}

/// By how many seconds the clock was put.
fn put() -> impl Strategy<Value = i64> {
    prop_oneof![3 => Just(0), 1 => -40_i64..40]
}

fn step() -> impl Strategy<Value = Step> {
    let span = |most: u64| (1..most).prop_map(Duration::from_millis);
    prop_oneof![
        6 => (address(), span(60_000)).prop_map(|(client, span)| Step::Ban(client, span)),
        4 => span(5_000).prop_map(Step::Pass),
        8 => address().prop_map(Step::Meet),
        2 => Just(Step::Lapse),
        1 => (span(3_000), put()).prop_map(|(away, put)| Step::Restart(away, put)),
        1 => any::<prop::sample::Index>().prop_map(Step::Truncate),
        1 => prop::collection::vec(address(), 0..3).prop_map(Step::Except),
        1 => Just(Step::Lift),
    ]
}

/// What is so, as simply as it can be said: an end for each network.
#[derive(Default)]
struct Model {
    ends: HashMap<IpNet, Moment>,
    never: Vec<IpAddr>,
}

impl Model {
    fn ban(&mut self, network: IpNet, until: Moment) {
        if self.ends.get(&network).is_some_and(|old| *old >= until) {
            return;
        }
        if !self.ends.contains_key(&network) && self.ends.len() == MOST {
            let (end, first) = self.ends.iter().map(|(network, end)| (*end, *network)).min().unwrap();
            if end >= until {
                return;
            }
            self.ends.remove(&first);
        }
        self.ends.insert(network, until);
    }

    fn spares(&self, network: IpNet) -> bool {
        let set: NetworkSet = self.never.iter().map(|client| IpNet::from(*client)).collect();
        set.touches(network)
    }
}

struct House {
    book: Book,
    model: Model,
    clocks: Clocks,
}

impl House {
    fn take(&mut self, step: Step) {
        match step {
            Step::Ban(client, span) => {
                let until = self.clocks.now + span;
                self.book.enter(network(client), entry(until, "x"));
                self.model.ban(network(client), until);
            }
            Step::Pass(span) => self.pass(span),
            Step::Meet(client) => self.meet(client),
            Step::Lapse => {
                self.book.lapse(self.clocks.now);
                self.model.ends.retain(|_, end| *end > self.clocks.now);
            }
            Step::Restart(away, put) => self.restart(away, put),
            Step::Truncate(at) => {
                let text = print(&self.book, self.clocks);
                let mut read = Book::new(MOST);
                let wrong = scan(&text.as_bytes()[..at.index(text.len() + 1)], self.clocks, &mut read);
                assert!(wrong <= 1, "only the last line can be wrong");
                for (network, entry) in read.iter() {
                    assert!(entry.until <= self.model.ends[&network]);
                }
            }
            Step::Except(never) => self.model.never = never,
            Step::Lift => {
                let (book, model) = (&mut self.book, &mut self.model);
                book.lift(|network| model.spares(network));
                let lifted: Vec<_> = model.ends.keys().copied().filter(|one| model.spares(*one)).collect();
                model.ends.retain(|network, _| !lifted.contains(network));
            }
        }
        let ends: HashMap<_, _> = self.book.iter().map(|(network, entry)| (network, entry.until)).collect();
        assert_eq!(ends, self.model.ends);
        assert!(self.book.len() <= MOST);
    }

    fn pass(&mut self, span: Duration) {
        self.clocks.now = self.clocks.now + span;
        self.clocks.day += span;
    }

    fn meet(&self, client: IpAddr) {
        // As a door asks.
        let spared = self.model.spares(client.into());
        let met = !spared && self.book.get(network(client), self.clocks.now).is_some();
        assert!(!met || !self.model.never.contains(&client), "a listed one");
        let banned = self.model.ends.get(&network(client)).is_some_and(|end| *end > self.clocks.now);
        assert_eq!(met, banned && !spared);
    }

    /// Nothing lasts longer for it, and without a clock that was put nothing lasts two seconds less.
    fn restart(&mut self, away: Duration, put: i64) {
        let (text, before) = (print(&self.book, self.clocks), self.clocks);
        self.pass(away);
        let put_by = Duration::from_secs(put.unsigned_abs());
        let day = self.clocks.day;
        self.clocks.day = if put < 0 { day.saturating_sub(put_by) } else { day + put_by };
        self.book = Book::new(MOST);
        assert_eq!(scan(text.as_bytes(), self.clocks, &mut self.book), 0);
        for (network, entry) in self.book.iter() {
            let end = self.model.ends[&network];
            let left = entry.until.since(self.clocks.now);
            assert!(left <= end.since(before.now), "longer than it was");
            assert!(put < 0 || entry.until <= end, "it outlives its time");
        }
        for (network, end) in &self.model.ends {
            let kept = self.book.get(*network, self.clocks.now).is_some();
            assert!(put > 0 || kept || end.since(self.clocks.now) <= 2 * SECOND, "it was forgotten");
        }
        self.model.ends = self.book.iter().map(|(network, entry)| (network, entry.until)).collect();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, ..ProptestConfig::default() })]

    /// Ten thousand steps.
    #[test]
    fn whatever_happens_a_ban_never_outlives_its_time(steps in prop::collection::vec(step(), 200)) {
        let clocks = Clocks { now: Moment::START, day: Duration::from_millis(1_700_000_000_400) };
        let mut house = House { book: Book::new(MOST), model: Model::default(), clocks };
        for step in steps {
            house.take(step);
        }
    }
}
