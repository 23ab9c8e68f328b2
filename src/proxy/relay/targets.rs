//! Where a link may go, and what is tried first.

use crate::proxy::config::{Address, Balance, Host, Relay};
use crate::proxy::lock;
use crate::session::Moment;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// How long the addresses of a name are remembered.
const NAMES_FRESH: Duration = Duration::from_secs(30);

/// Where the links of a relay may go.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// The address that comes first, under `balance = "spread"`.
    next: AtomicUsize,
    names: Mutex<Option<(Moment, Vec<Target>)>>,
}

/// An address, and what the file calls its host.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) host: Host,
}

impl Targets {
    /// All addresses, in the order in which they are to be tried.
    pub(super) async fn in_turn(&self, relay: &Relay, now: Moment) -> Vec<Target> {
        let first = match relay.balance {
            Balance::First => 0,
            Balance::Spread => self.next.fetch_add(1, Ordering::Relaxed),
        };
        let mut targets = match fixed(relay) {
            Some(fixed) => fixed,
            None => self.look_up(relay, now).await,
        };
        let count = targets.len().max(1);
        targets.rotate_left(first % count);
        targets
    }

    async fn look_up(&self, relay: &Relay, now: Moment) -> Vec<Target> {
        if let Some((at, targets)) = &*lock(&self.names)
            && now.since(*at) < NAMES_FRESH
        {
            return targets.clone();
        }
        let mut found = Vec::new();
        for Address { host, port } in relay.addresses.known() {
            let target = |address| Target { address, host: host.clone() };
            match host {
                Host::Ip(ip) => found.push(target(SocketAddr::new(*ip, *port))),
                Host::Name(name) => {
                    let lookup = tokio::net::lookup_host((&**name, *port));
                    if let Ok(Ok(addresses)) = timeout(relay.connect_wait, lookup).await {
                        found.extend(addresses.map(target));
                    }
                }
            }
        }
        let mut names = lock(&self.names);
        match &*names {
            // What a name meant before is better than nothing while it cannot be looked up.
            Some((_, before)) if found.is_empty() => before.clone(),
            _ => {
                *names = (!found.is_empty()).then(|| (now, found.clone()));
                found
            }
        }
    }
}

/// All addresses, if there is no name among them.
fn fixed(relay: &Relay) -> Option<Vec<Target>> {
    let fixed = |address: &Address| match address.host {
        Host::Ip(ip) => {
            Some(Target { address: SocketAddr::new(ip, address.port), host: address.host.clone() })
        }
        Host::Name(_) => None,
    };
    relay.addresses.known().iter().map(fixed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_load_that_is_spread_begins_at_each_address_in_turn() {
        let addresses = ["192.0.2.1:25", "192.0.2.2:25"].map(|text| Address::read(text).unwrap());
        let mut relay = Relay::new("test", addresses.into());
        relay.balance = Balance::Spread;
        let targets = Targets::default();
        for first in ["192.0.2.1", "192.0.2.2", "192.0.2.1"] {
            let in_turn = targets.in_turn(&relay, Moment::START).await;
            assert_eq!(in_turn.first().unwrap().address.ip().to_string(), first);
        }
    }
}
