//! The roll of a listener: who is in. It says who may come in, and it can call everybody.

use super::config;
use super::lock;
use super::reserve::Rank;
use super::stress::Load;
use crate::event::NoService;
use slab::Slab;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::task::Waker;

/// The sessions of a listener.
#[derive(Debug)]
pub(super) struct Roll {
    most: usize,
    /// How many of them are for whoever comes; the rest is for partners alone.
    open_to_all: usize,
    most_of_peer: usize,
    within: Mutex<Within>,
}

#[derive(Debug, Default)]
struct Within {
    /// Each with the means to wake it, once it has given that; also those that are only told that there is no room.
    entries: Slab<Option<Waker>>,
    /// Those that were let in.
    strangers: usize,
    partners: usize,
    /// How many a peer has in.
    peers: HashMap<IpAddr, usize>,
}

/// Who comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guest {
    pub(super) rank: Rank,
    /// Bounded by the number of all sessions alone.
    pub(super) unbounded: bool,
}

/// A session's place on the roll; it leaves when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    roll: Arc<Roll>,
    number: usize,
    seat: Option<Seat>,
}

/// What a session that was let in takes up.
#[derive(Clone, Copy, Debug)]
struct Seat {
    rank: Rank,
    /// Whose share it is part of.
    peer: Option<IpAddr>,
}

impl Roll {
    pub(super) fn new(listener: &config::Listener) -> Arc<Self> {
        let kept = listener.reserve.as_ref().map_or(0, |reserve| reserve.sessions);
        Arc::new(Self {
            most: listener.sessions,
            open_to_all: listener.sessions.saturating_sub(kept),
            most_of_peer: listener.sessions_per_client,
            within: Mutex::default(),
        })
    }

    /// Enters a connection from `client`; it has a place even if it is not let in, because it is told so.
    pub(super) fn enter(self: &Arc<Self>, client: IpAddr, guest: Guest) -> (Place, Result<(), NoService>) {
        let seat = Seat { rank: guest.rank, peer: (!guest.unbounded).then(|| peer(client)) };
        let mut within = lock(&self.within);
        let number = within.note();
        let admission = self.admit(&within, seat);
        if admission.is_ok() {
            within.take(seat);
        }
        drop(within);
        let seat = admission.is_ok().then_some(seat);
        (Place { roll: Arc::clone(self), number, seat }, admission)
    }

    /// Enters a connection that is only told that it is not let in.
    pub(super) fn note(self: &Arc<Self>) -> Place {
        let number = lock(&self.within).note();
        Place { roll: Arc::clone(self), number, seat: None }
    }

    fn admit(&self, within: &Within, seat: Seat) -> Result<(), NoService> {
        let full = within.strangers.saturating_add(within.partners) >= self.most;
        let full_for_strangers = seat.rank == Rank::Stranger && within.strangers >= self.open_to_all;
        let of_peer = seat.peer.and_then(|peer| within.peers.get(&peer).copied());
        if full || full_for_strangers {
            Err(NoService::Sessions)
        } else if of_peer.is_some_and(|count| count >= self.most_of_peer) {
            Err(NoService::SessionsOfPeer)
        } else {
            Ok(())
        }
    }

    /// How full it is for whoever comes: above four fifths is too much.
    pub(super) fn load(&self) -> Load {
        Load { used: lock(&self.within).strangers, most: self.open_to_all, high: 80 }
    }

    /// Wakes all of them.
    pub(super) fn call(&self) {
        let within = lock(&self.within);
        within.entries.iter().filter_map(|(_, waker)| waker.as_ref()).for_each(Waker::wake_by_ref);
    }

    /// Whether nobody is in.
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.within).entries.is_empty()
    }
}

impl Place {
    /// How this session is woken.
    pub(super) fn answer_to(&self, waker: &Waker) {
        if let Some(entry) = lock(&self.roll.within).entries.get_mut(self.number) {
            *entry = Some(waker.clone());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut within = lock(&self.roll.within);
        within.entries.try_remove(self.number);
        if let Some(seat) = self.seat {
            within.leave(seat);
        }
    }
}

impl Within {
    fn note(&mut self) -> usize {
        self.entries.insert(None)
    }

    fn of(&mut self, rank: Rank) -> &mut usize {
        match rank {
            Rank::Stranger => &mut self.strangers,
            Rank::Partner => &mut self.partners,
        }
    }

    fn take(&mut self, seat: Seat) {
        *self.of(seat.rank) += 1;
        if let Some(peer) = seat.peer {
            *self.peers.entry(peer).or_default() += 1;
        }
    }

    fn leave(&mut self, seat: Seat) {
        *self.of(seat.rank) -= 1;
        if let Some(peer) = seat.peer
            && let Some(count) = self.peers.get_mut(&peer)
        {
            *count -= 1;
            if *count == 0 {
                self.peers.remove(&peer);
            }
        }
    }
}

/// Whom an address stands for: whoever has one IPv6 address has the 2^64 beside it.
fn peer(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roll(most: usize, kept: usize, most_of_peer: usize) -> Arc<Roll> {
        Arc::new(Roll { most, open_to_all: most - kept, most_of_peer, within: Mutex::default() })
    }

    fn enter(roll: &Arc<Roll>, client: &str, rank: Rank, unbounded: bool) -> (Place, Result<(), NoService>) {
        roll.enter(client.parse().unwrap(), Guest { rank, unbounded })
    }

    #[test]
    fn a_peer_has_its_share_and_no_more() {
        let roll = roll(4, 0, 2);
        let enter = |client, unbounded| enter(&roll, client, Rank::Stranger, unbounded);
        let (first, admitted) = enter("2001:db8::1", false);
        assert_eq!(admitted, Ok(()));
        let (_second, admitted) = enter("2001:db8::2", false);
        assert_eq!(admitted, Ok(()));
        let (third, admitted) = enter("2001:db8::3", false);
        assert_eq!(admitted, Err(NoService::SessionsOfPeer));
        drop((first, third));
        let (_fourth, admitted) = enter("2001:db8::4", false);
        assert_eq!(admitted, Ok(()));
        let named: Vec<_> = (0..3).map(|_| enter("2001:db8::5", true)).collect();
        let admissions: Vec<_> = named.iter().map(|(_, admitted)| *admitted).collect();
        assert_eq!(admissions, [Ok(()), Ok(()), Err(NoService::Sessions)]);
    }

    #[test]
    fn what_is_kept_for_partners_is_not_filled_by_others_nor_by_those_who_are_turned_away() {
        let roll = roll(3, 1, 9);
        let strangers: Vec<_> = (0..6).map(|_| enter(&roll, "192.0.2.1", Rank::Stranger, false)).collect();
        assert_eq!(strangers.iter().filter(|(_, admitted)| admitted.is_ok()).count(), 2);
        let (_partner, admitted) = enter(&roll, "198.51.100.1", Rank::Partner, false);
        assert_eq!(admitted, Ok(()));
        let (_other, admitted) = enter(&roll, "198.51.100.1", Rank::Partner, false);
        assert_eq!(admitted, Err(NoService::Sessions));
        drop(strangers);
        let partners: Vec<_> = (0..2).map(|_| enter(&roll, "198.51.100.1", Rank::Partner, false)).collect();
        assert!(partners.iter().all(|(_, admitted)| admitted.is_ok()));
    }
}
