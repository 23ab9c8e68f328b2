//! The book of bans: who, until when, why. It knows no clock, no lock and no file.

use crate::session::Moment;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

/// The longest ban that is kept.
pub(super) const LONGEST: Duration = Duration::from_hours(24 * 366);

/// A ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// From then on the network is let in.
    pub(super) until: Moment,
    /// The id of the check that placed it.
    pub(super) check: Box<str>,
    /// The name of the session in which it was placed.
    pub(super) reference: Box<str>,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entered {
    /// It stands.
    New,
    /// It stands, and one that would have ended first had to give way.
    InPlaceOfAnother,
    /// It stands in the place of a shorter one.
    Longer,
    /// The network is banned for longer than that.
    Shorter,
    /// All others last longer, and there is no room.
    NoRoom,
}

impl Entered {
    /// Whether it stands.
    pub(super) fn stands(self) -> bool {
        matches!(self, Self::New | Self::InPlaceOfAnother | Self::Longer)
    }
}

/// All bans. There is room for so many; if there are more, those that end last are kept.
#[derive(Debug)]
pub(super) struct Book {
    most: usize,
    entries: HashMap<IpNet, Entry>,
    /// The same, by their ends.
    ends: BTreeSet<(Moment, IpNet)>,
}

impl Book {
    pub(super) fn new(most: usize) -> Self {
        Self { most, entries: HashMap::new(), ends: BTreeSet::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All of them, those that end first in front.
    pub(super) fn iter(&self) -> impl Iterator<Item = (IpNet, &Entry)> {
        self.ends.iter().filter_map(|(_, network)| Some((*network, self.entries.get(network)?)))
    }

    /// The ban of a network that stands at this time.
    pub(super) fn get(&self, network: IpNet, now: Moment) -> Option<&Entry> {
        self.entries.get(&network).filter(|entry| entry.until > now)
    }

    /// Enters a ban. One that lasts longer is never shortened.
    pub(super) fn enter(&mut self, network: IpNet, entry: Entry) -> Entered {
        let mut entered = Entered::New;
        if let Some(old) = self.entries.get(&network) {
            if old.until >= entry.until {
                return Entered::Shorter;
            }
            entered = Entered::Longer;
            self.remove(network);
        } else if self.entries.len() >= self.most {
            match self.ends.first().copied() {
                Some((until, first)) if until < entry.until => self.remove(first),
                _ => return Entered::NoRoom,
            }
            entered = Entered::InPlaceOfAnother;
        }
        self.ends.insert((entry.until, network));
        self.entries.insert(network, entry);
        entered
    }

    /// Strikes out those whose time is over. True: there were any.
    pub(super) fn lapse(&mut self, now: Moment) -> bool {
        let before = self.len();
        while let Some((_, network)) = self.ends.first().copied().filter(|(until, _)| *until <= now) {
            self.remove(network);
        }
        self.len() != before
    }

    /// Strikes out those that `lifted` names; gives them.
    pub(super) fn lift(&mut self, lifted: impl Fn(IpNet) -> bool) -> Vec<IpNet> {
        let found: Vec<_> = self.entries.keys().copied().filter(|network| lifted(*network)).collect();
        for network in &found {
            self.remove(*network);
        }
        found
    }

    fn remove(&mut self, network: IpNet) {
        if let Some(entry) = self.entries.remove(&network) {
            self.ends.remove(&(entry.until, network));
        }
    }
}

/// Whom an address stands for: whoever has one IPv6 address has the 2^64 beside it.
pub(super) fn network(client: IpAddr) -> IpNet {
    match client.to_canonical() {
        IpAddr::V4(four) => Ipv4Net::from(four).into(),
        IpAddr::V6(six) => Ipv6Net::new_assert(six, 64).trunc().into(),
    }
}

/// Whether a network is of a size that is banned.
pub(super) fn is_whole(net: IpNet) -> bool {
    net == network(net.addr())
}
