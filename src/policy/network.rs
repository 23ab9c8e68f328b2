//! Sets of addresses and networks: sorted intervals, one binary search an address.

use super::source::{Diagnostic, Place};
use ipnet::{IpNet, Ipv6Subnets};
use std::net::{IpAddr, Ipv6Addr};
use std::ops::{Range, RangeInclusive};

/// What a network must look like.
pub const NETWORK: &str = "an address or network like \"192.0.2.1\" or \"2001:db8::/32\"";

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrongNetwork {
    /// It does not look like one.
    Form(String),
    /// Octets are set behind the prefix: either the address or the prefix is not what was meant.
    HostBits {
        /// What was written.
        written: String,
        /// The network in which it lies.
        network: IpNet,
    },
}

impl WrongNetwork {
    /// As a finding about `place`.
    pub fn at(&self, place: &Place) -> Diagnostic {
        match self {
            WrongNetwork::Form(text) => {
                place.error(format!("expected {NETWORK}, found \"{}\"", text.escape_debug()))
            }
            WrongNetwork::HostBits { written, network } => place
                .error(format!("`{written}` has bits set behind its prefix"))
                .with_help(format!("the network is `{network}`; for the one address leave the prefix off")),
        }
    }
}

/// Reads an address or a network; an address is the network of itself alone.
pub fn parse(text: &str) -> Result<IpNet, WrongNetwork> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let network: IpNet = text.parse().map_err(|_| WrongNetwork::Form(text.to_owned()))?;
    if network.trunc() == network {
        Ok(network)
    } else {
        Err(WrongNetwork::HostBits { written: text.to_owned(), network: network.trunc() })
    }
}

/// An address as a number; IPv4 is its mapped form, so `::ffff:192.0.2.1` is `192.0.2.1` by itself.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => four.to_ipv6_mapped(),
        IpAddr::V6(six) => six,
    }
    .to_bits()
}

/// IPv4 among all addresses.
const FOUR: RangeInclusive<u128> = 0xffff_0000_0000..=0xffff_ffff_ffff;

/// A set of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSet {
    /// Stretches that are in it, and those between them.
    inside: NetworkMap<bool>,
}

impl NetworkSet {
    /// Whether the address lies in one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.inside.get(address)
    }

    /// Whether any address of a network lies in one of them.
    pub fn touches(&self, network: IpNet) -> bool {
        self.inside.any(number(network.network()), number(network.broadcast()))
    }

    /// How many stretches it is.
    pub fn len(&self) -> usize {
        self.stretches().count()
    }

    /// Whether no address lies in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether every IPv4 or every IPv6 address lies in it: what operators write for "any".
    pub fn is_everybody(&self) -> bool {
        let covers = |(first, last): (u128, u128)| {
            (first <= *FOUR.start() && last >= *FOUR.end()) || (first == 0 && last == u128::MAX)
        };
        self.stretches().any(covers)
    }

    /// First and last address of each stretch, sorted, none touching the next.
    fn stretches(&self) -> impl Iterator<Item = (u128, u128)> + '_ {
        let NetworkMap { starts, values, .. } = &self.inside;
        let last = |place: usize| starts.get(place + 1).map_or(u128::MAX, |next| next.saturating_sub(1));
        let stretches = starts.iter().zip(values).enumerate();
        stretches.filter(|(_, (_, inside))| **inside).map(move |(place, (first, _))| (*first, last(place)))
    }

    /// The fewest networks that make it up, first and last address of each: never more than were written.
    pub(super) fn networks(&self) -> impl Iterator<Item = (u128, u128)> + '_ {
        let cut = |(first, last): (u128, u128)| {
            Ipv6Subnets::new(Ipv6Addr::from_bits(first), Ipv6Addr::from_bits(last), 0)
        };
        self.stretches().flat_map(cut).map(|net| (net.network().to_bits(), net.broadcast().to_bits()))
    }
}

impl FromIterator<IpNet> for NetworkSet {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> NetworkSet {
        let ends = |net: IpNet| (number(net.network()), number(net.broadcast()), ());
        NetworkSet { inside: NetworkMap::new(networks.into_iter().map(ends).collect(), |_, ()| true) }
    }
}

/// Networks, each with what it stands for; what holds for a network holds for those inside it.
///
/// The nest of them is laid flat: one search finds the innermost, which knows what holds around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NetworkMap<V> {
    /// Where each stretch begins, in order; it ends where the next one begins. At most two for each network.
    starts: Vec<u128>,
    /// What holds in it.
    values: Vec<V>,
    four: Ladder,
    six: Ladder,
}

impl<V: Copy + Default + PartialEq> NetworkMap<V> {
    /// Lays networks flat (first and last address of each, as [`NetworkSet::networks`] gives them). `join` says what
    /// holds in one, given what holds around it.
    pub(super) fn new<T: Ord>(
        mut networks: Vec<(u128, u128, T)>,
        mut join: impl FnMut(V, T) -> V,
    ) -> NetworkMap<V> {
        // Outer before inner: of two networks that begin at once the longer one goes first.
        networks.sort_unstable_by(|a, b| (a.0, b.1, &a.2).cmp(&(b.0, a.1, &b.2)));
        let mut map = NetworkMap::default();
        let mut around: Vec<(u128, V)> = Vec::new();
        for (first, last, meaning) in networks {
            map.close(&mut around, Some(first));
            let outer = around.last().map_or_else(V::default, |(_, value)| *value);
            let value = join(outer, meaning);
            map.begin(first, value);
            around.push((last, value));
        }
        map.close(&mut around, None);
        map.join_neighbours();
        let fours = map.starts.partition_point(|start| start <= FOUR.end());
        map.four = Ladder::new(&map.starts, 0..fours, *FOUR.start());
        map.six = Ladder::new(&map.starts, fours..map.starts.len(), 0);
        map
    }

    /// Ends the networks that end before `next`.
    fn close(&mut self, around: &mut Vec<(u128, V)>, next: Option<u128>) {
        while let Some((last, _)) = around.pop_if(|(last, _)| next.is_none_or(|next| *last < next)) {
            let outer = around.last().map_or_else(V::default, |(_, value)| *value);
            if let Some(behind) = last.checked_add(1) {
                self.begin(behind, outer);
            }
        }
    }

    fn begin(&mut self, start: u128, value: V) {
        match (self.starts.last(), self.values.last_mut()) {
            (Some(known), Some(old)) if *known == start => *old = value,
            _ => {
                self.starts.push(start);
                self.values.push(value);
            }
        }
    }

    /// Where the same holds on both sides, nothing begins.
    fn join_neighbours(&mut self) {
        let stretches = self.starts.iter().copied().zip(self.values.iter().copied());
        let mut before = V::default();
        let (starts, values) =
            stretches.filter(|(_, value)| std::mem::replace(&mut before, *value) != *value).unzip();
        (self.starts, self.values) = (starts, values);
    }

    /// Whether anything but the usual holds between two addresses.
    fn any(&self, first: u128, last: u128) -> bool {
        let begun = self.starts.partition_point(|start| *start <= first).saturating_sub(1);
        let stretches = self.starts.iter().zip(&self.values).skip(begun);
        let mut near = stretches.take_while(|(start, _)| **start <= last);
        near.any(|(_, value)| *value != V::default())
    }

    /// What holds for an address.
    pub(super) fn get(&self, address: IpAddr) -> V {
        let wanted = number(address);
        let ladder = if wanted <= *FOUR.end() { &self.four } else { &self.six };
        let near = ladder.around(wanted);
        let behind = near.start
            + self.starts.get(near).map_or(0, |near| near.partition_point(|start| *start <= wanted));
        behind.checked_sub(1).and_then(|place| self.values.get(place)).copied().unwrap_or_default()
    }
}

/// Where to search: the space from the first to the last of some starts, cut into about as many rungs of equal size as
/// there are starts. Among networks of one provenance a search is a step or two, however many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ladder {
    base: u128,
    /// The size of a rung, as a power of two.
    shift: u32,
    /// How many starts lie below each rung, and at the end how many there are.
    below: Vec<u32>,
}

impl Ladder {
    /// A ladder for the starts at `places`. What lies below `floor` shares the first rung.
    fn new(starts: &[u128], places: Range<usize>, floor: u128) -> Ladder {
        let count = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        let own = starts.get(places.clone()).unwrap_or_default();
        let base = own.iter().find(|start| **start >= floor).copied().unwrap_or(floor);
        let span = own.last().map_or(0, |last| last.saturating_sub(base));
        let shift = (u128::BITS - span.leading_zeros())
            .saturating_sub(count(own.len()).checked_ilog2().unwrap_or_default());
        let mut ladder = Ladder { base, shift, below: vec![count(places.start)] };
        for (place, start) in places.clone().zip(own) {
            let rung = ladder.rung(*start);
            while ladder.below.len() <= rung {
                ladder.below.push(count(place));
            }
        }
        ladder.below.push(count(places.end));
        ladder
    }

    fn rung(&self, wanted: u128) -> usize {
        usize::try_from(wanted.saturating_sub(self.base) >> self.shift).unwrap_or(usize::MAX)
    }

    /// Where the first start behind an address lies.
    fn around(&self, wanted: u128) -> Range<usize> {
        let rung = self.rung(wanted).min(self.below.len().saturating_sub(2));
        let place = |rung| self.below.get(rung).and_then(|place| usize::try_from(*place).ok()).unwrap_or(0);
        place(rung)..place(rung + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn set(networks: &[&str]) -> NetworkSet {
        networks.iter().map(|text| parse(text).unwrap()).collect()
    }

    #[test]
    fn neighbours_and_overlaps_become_one_stretch() {
        let set = set(&["10.0.0.0/9", "10.128.0.0/9", "10.1.2.3", "192.0.2.1"]);
        assert_eq!(set.len(), 2);
        assert!(set.contains("10.255.255.255".parse().unwrap()));
        assert!(!set.contains("11.0.0.0".parse().unwrap()));
        assert!(!set.contains("9.255.255.255".parse().unwrap()));
    }

    #[test]
    fn a_mapped_address_is_the_address() {
        let set = set(&["192.0.2.0/24", "2001:db8::/32"]);
        assert!(set.contains("::ffff:192.0.2.7".parse().unwrap()));
        assert!(set.contains("2001:db8:1::1".parse().unwrap()));
        assert!(!set.contains("::192.0.2.7".parse().unwrap()));
    }

    #[test]
    fn everybody_is_recognised() {
        assert!(set(&["0.0.0.0/1", "128.0.0.0/1"]).is_everybody());
        assert!(set(&["::/0"]).is_everybody());
        assert!(!set(&["10.0.0.0/8"]).is_everybody());
    }

    #[test]
    fn bits_behind_the_prefix_are_named() {
        let wrong = parse("192.0.2.7/24").unwrap_err();
        assert!(
            matches!(wrong, WrongNetwork::HostBits { network, .. } if network.to_string() == "192.0.2.0/24")
        );
    }

    fn network() -> impl Strategy<Value = IpNet> {
        let four = (prop_oneof![any::<u32>(), 0x0a00_0000..0x0a00_0400_u32], 0..=32_u8)
            .prop_map(|(bits, prefix)| IpNet::new(IpAddr::V4(bits.into()), prefix));
        let six = (prop_oneof![any::<u128>(), 0..0x400_u128], 0..=128_u8)
            .prop_map(|(bits, prefix)| IpNet::new(IpAddr::V6(bits.into()), prefix));
        prop_oneof![4 => four, 1 => six].prop_map(|net| net.unwrap().trunc())
    }

    proptest! {
        #[test]
        fn an_address_finds_the_networks_around_it(nets in vec(network(), 0..200), others in vec(network(), 0..20)) {
            let set: NetworkSet = nets.iter().copied().collect();
            let numbered = (0..).zip(&nets).map(|(place, net)| (number(net.network()), number(net.broadcast()), place));
            // The innermost knows all around it: here, their sum.
            let map = NetworkMap::new(numbered.collect(), |around: u64, place: u64| around + place + 1);
            for address in nets.iter().chain(&others).flat_map(|net| [net.network(), net.broadcast()]) {
                let wanted = number(address);
                let around: u64 = (1..)
                    .zip(&nets)
                    .filter(|(_, net)| (number(net.network())..=number(net.broadcast())).contains(&wanted))
                    .map(|(place, _)| place)
                    .sum();
                prop_assert_eq!(map.get(address), around, "{}", address);
                prop_assert_eq!(set.contains(address), around > 0, "{}", address);
            }
            prop_assert!(set.networks().count() <= nets.len());
            for other in nets.iter().chain(&others) {
                let (first, last) = (number(other.network()), number(other.broadcast()));
                let meet = |net: &IpNet| number(net.network()) <= last && number(net.broadcast()) >= first;
                prop_assert_eq!(set.touches(*other), nets.iter().any(meet), "{}", other);
            }
        }
    }
}
