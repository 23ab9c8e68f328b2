//! Sets of addresses and networks: sorted intervals, one binary search an address.

use super::source::{Diagnostic, Place};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr};

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

/// A set of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSet {
    /// First and last address of each stretch, sorted, none touching the next.
    stretches: Vec<(u128, u128)>,
}

impl NetworkSet {
    /// Whether the address lies in one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let wanted = number(address);
        let behind = self.stretches.partition_point(|(first, _)| *first <= wanted);
        let found = behind.checked_sub(1).and_then(|place| self.stretches.get(place));
        found.is_some_and(|(_, last)| wanted <= *last)
    }

    /// Whether no address lies in it.
    pub fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// Whether every IPv4 or every IPv6 address lies in it: what operators write for "any".
    pub fn is_everybody(&self) -> bool {
        let four = number(IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0)));
        let covers = |(first, last): &(u128, u128)| {
            (*first <= four && *last >= four + u128::from(u32::MAX)) || (*first == 0 && *last == u128::MAX)
        };
        self.stretches.iter().any(covers)
    }
}

impl FromIterator<IpNet> for NetworkSet {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> NetworkSet {
        let mut all: Vec<(u128, u128)> =
            networks.into_iter().map(|net| (number(net.network()), number(net.broadcast()))).collect();
        all.sort_unstable();
        let mut stretches: Vec<(u128, u128)> = Vec::with_capacity(all.len());
        for (first, last) in all {
            match stretches.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => stretches.push((first, last)),
            }
        }
        NetworkSet { stretches }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(networks: &[&str]) -> NetworkSet {
        networks.iter().map(|text| parse(text).unwrap()).collect()
    }

    #[test]
    fn neighbours_and_overlaps_become_one_stretch() {
        let set = set(&["10.0.0.0/9", "10.128.0.0/9", "10.1.2.3", "192.0.2.1"]);
        assert_eq!(set.stretches.len(), 2);
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
}
