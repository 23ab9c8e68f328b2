//! Whether clients are hidden: something between them and the gate has them all come from one private address of its own, as
//! a balancer without PROXY headers does, or a container's network. Then rules, limits and the relay know nobody.

use super::lock;
use prometheus::IntGauge;
use std::net::IpAddr;
use std::sync::Mutex;

/// How many sessions are looked at before anything is said.
const WINDOW: u32 = 100;
/// How many of them in a hundred must come from one address, and one more.
const MOST: u32 = 90;

/// Over the sessions of a listener. It remembers two addresses, whatever comes.
#[derive(Debug)]
pub(super) struct Veil {
    within: Mutex<Within>,
    gauge: IntGauge,
}

#[derive(Debug, Default)]
struct Within {
    sessions: u32,
    /// Whose sessions are counted in this window, and how many they are.
    suspect: Option<IpAddr>,
    counted: u32,
    /// Whose are counted in the next one: whoever has the majority of this one (Boyer and Moore), with its lead.
    next: Option<IpAddr>,
    lead: u32,
    hidden: bool,
}

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// From now on nearly all come from there.
    Hidden(IpAddr),
    /// They come from elsewhere again.
    Seen,
}

impl Veil {
    pub(super) fn new(gauge: IntGauge) -> Self {
        Self { within: Mutex::default(), gauge }
    }

    /// A session from `client`; one that the rules name is no stranger behind something, wherever it comes from.
    pub(super) fn note(&self, client: IpAddr, is_named: bool) -> Option<Change> {
        let suspect = Some(client).filter(|client| !is_named && is_private(*client));
        let mut within = lock(&self.within);
        within.count(suspect);
        if within.sessions < WINDOW {
            return None;
        }
        let change = within.turn();
        self.gauge.set(within.hidden.into());
        change
    }
}

impl Within {
    fn count(&mut self, suspect: Option<IpAddr>) {
        self.sessions = self.sessions.saturating_add(1);
        if suspect.is_some() && suspect == self.suspect {
            self.counted = self.counted.saturating_add(1);
        }
        if suspect == self.next {
            self.lead = self.lead.saturating_add(1);
        } else if self.lead == 0 {
            (self.next, self.lead) = (suspect, 1);
        } else {
            self.lead = self.lead.saturating_sub(1);
        }
    }

    /// The window is over, and another begins.
    fn turn(&mut self) -> Option<Change> {
        let was = self.hidden;
        let hidden = self.suspect.filter(|_| self.counted > MOST);
        *self = Self { suspect: self.next, hidden: hidden.is_some(), ..Self::default() };
        match hidden {
            Some(address) if !was => Some(Change::Hidden(address)),
            None if was => Some(Change::Seen),
            _ => None,
        }
    }
}

/// An address that is nobody's on the Internet: RFC 1918, RFC 6598 (shared), RFC 4193, link-local, loopback.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => {
            let shared = matches!(four.octets(), [100, 64..=127, ..]);
            four.is_private() || shared || four.is_link_local() || four.is_loopback()
        }
        IpAddr::V6(six) => six.is_unique_local() || six.is_unicast_link_local() || six.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn veil() -> Veil {
        Veil::new(IntGauge::new("hidden", "Hidden.").unwrap())
    }

    /// So many sessions from one address and the rest of a hundred from others; what changed.
    fn hundred(veil: &Veil, client: &str, times: u32, is_named: bool) -> Option<Change> {
        let other = |number: u32| IpAddr::from([203, 0, 113, u8::try_from(number % 100).unwrap()]);
        let (client, rest) = (client.parse().unwrap(), 100 - times);
        let mut changes = Vec::new();
        for number in 0..100 {
            // The others come in between, not one after another.
            let is_other = (number + 1) * rest / 100 > number * rest / 100;
            let (from, named) = if is_other { (other(number), false) } else { (client, is_named) };
            changes.extend(veil.note(from, named));
        }
        assert!(changes.len() <= 1);
        changes.pop()
    }

    #[test]
    fn one_private_address_of_nearly_all_sessions_hides_whoever_is_behind_it() {
        for address in
            ["10.0.0.5", "172.17.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "::1", "fd00::1", "fe80::1"]
        {
            let veil = veil();
            assert_eq!(hundred(&veil, address, 91, false), None, "whose to count is known from now on");
            assert_eq!(hundred(&veil, address, 91, false), Some(Change::Hidden(address.parse().unwrap())));
            assert_eq!(veil.gauge.get(), 1);
            assert_eq!(hundred(&veil, address, 100, false), None, "it is said once");
            assert_eq!(hundred(&veil, address, 90, false), Some(Change::Seen));
            assert_eq!(veil.gauge.get(), 0);
        }
    }

    #[test]
    fn neither_public_addresses_nor_those_that_the_rules_name_nor_several_hide_anybody() {
        for (address, is_named) in [
            ("203.0.113.200", false),
            ("2001:db8::1", false),
            ("100.128.0.1", false),
            ("172.32.0.1", false),
            ("10.0.0.5", true),
        ] {
            let veil = veil();
            for _ in 0..5 {
                assert_eq!(hundred(&veil, address, 100, is_named), None, "{address}");
            }
        }
        let veil = veil();
        for number in 0..2000_u32 {
            let client = IpAddr::from([10, 0, 0, u8::from(number % 8 == 0)]);
            assert_eq!(veil.note(client, false), None);
        }
    }

    #[test]
    fn another_address_is_found_in_the_place_of_the_first() {
        let veil = veil();
        hundred(&veil, "10.0.0.5", 100, false);
        assert!(hundred(&veil, "10.0.0.5", 100, false).is_some());
        assert_eq!(hundred(&veil, "10.0.0.6", 100, false), Some(Change::Seen));
        assert_eq!(hundred(&veil, "10.0.0.6", 100, false), Some(Change::Hidden("10.0.0.6".parse().unwrap())));
    }
}
