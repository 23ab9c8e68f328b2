//! The roll of a listener: who is in. It says who may come in, and it can call everybody.

use super::lock;
use crate::event::NoService;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::task::Waker;

/// The sessions of a listener.
#[derive(Debug)]
pub(super) struct Roll {
    most: usize,
    most_of_peer: usize,
    within: Mutex<Within>,
}

#[derive(Debug, Default)]
struct Within {
    next: u64,
    /// Each with the means to wake it, once it has given that.
    entries: HashMap<u64, Option<Waker>>,
    /// How many a peer has in.
    peers: HashMap<IpAddr, usize>,
}

/// A session's place on the roll; it leaves when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    roll: Arc<Roll>,
    number: u64,
    peer: Option<IpAddr>,
}

impl Roll {
    pub(super) fn new(most: usize, most_of_peer: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_peer, within: Mutex::default() })
    }

    /// Enters a connection from `client`; it has a place even if it is not let in, because it is told so. A client
    /// that is `named` by the rules is bounded by the number of all sessions alone.
    pub(super) fn enter(self: &Arc<Self>, client: IpAddr, named: bool) -> (Place, Result<(), NoService>) {
        let peer = (!named).then(|| peer(client));
        let mut within = lock(&self.within);
        let number = within.next;
        within.next = number.wrapping_add(1);
        within.entries.insert(number, None);
        let of_peer = peer.map_or(0, |peer| {
            let count = within.peers.entry(peer).or_default();
            *count += 1;
            *count
        });
        let admission = if within.entries.len() > self.most {
            Err(NoService::Sessions)
        } else if of_peer > self.most_of_peer {
            Err(NoService::SessionsOfPeer)
        } else {
            Ok(())
        };
        drop(within);
        (Place { roll: Arc::clone(self), number, peer }, admission)
    }

    /// Wakes all of them.
    pub(super) fn call(&self) {
        let within = lock(&self.within);
        within.entries.values().flatten().for_each(Waker::wake_by_ref);
    }

    /// Whether nobody is in.
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.within).entries.is_empty()
    }
}

impl Place {
    /// How this session is woken.
    pub(super) fn answer_to(&self, waker: &Waker) {
        lock(&self.roll.within).entries.insert(self.number, Some(waker.clone()));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut within = lock(&self.roll.within);
        within.entries.remove(&self.number);
        if let Some(peer) = self.peer
            && let Some(count) = within.peers.get_mut(&peer)
        {
            *count -= 1;
            if *count == 0 {
                within.peers.remove(&peer);
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

    fn enter(roll: &Arc<Roll>, client: &str, named: bool) -> (Place, Result<(), NoService>) {
        roll.enter(client.parse().unwrap(), named)
    }

    #[test]
    fn a_peer_has_its_share_and_no_more() {
        let roll = Roll::new(4, 2);
        let (first, admitted) = enter(&roll, "2001:db8::1", false);
        assert_eq!(admitted, Ok(()));
        let (_second, admitted) = enter(&roll, "2001:db8::2", false);
        assert_eq!(admitted, Ok(()));
        let (third, admitted) = enter(&roll, "2001:db8::3", false);
        assert_eq!(admitted, Err(NoService::SessionsOfPeer));
        drop((first, third));
        let (_fourth, admitted) = enter(&roll, "2001:db8::4", false);
        assert_eq!(admitted, Ok(()));
        let named: Vec<_> = (0..3).map(|_| enter(&roll, "2001:db8::5", true)).collect();
        let admissions: Vec<_> = named.iter().map(|(_, admitted)| *admitted).collect();
        assert_eq!(admissions, [Ok(()), Ok(()), Err(NoService::Sessions)]);
    }
}
