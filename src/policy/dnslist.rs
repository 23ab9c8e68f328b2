//! `[[dnslist]]`: lists of addresses that are asked by DNS (RFC 5782), and what is made of what they say.

mod table;

pub(super) use table::{DnsListEntry, DnsListsTable, listing};

use super::condition::Scene;
use super::verdict::{Action, Check, Refusal, Weight};
use super::{Mode, Policy};
use crate::smtp::reply::Reply;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

/// A `[[dnslist]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsList {
    /// Its id.
    pub id: String,
    /// The zone that is asked, without a final dot.
    pub zone: String,
    /// Answers that count. What is outside 127/8, and 127.255.255.0/24, is the list's own error, never a listing.
    pub listed: Vec<RangeInclusive<Ipv4Addr>>,
    /// What a listing weighs.
    pub weight: u32,
    /// Whether it weighs towards a refusal, or is only watched.
    pub mode: Mode,
    /// What a client hears that it lists, if the file has no words for all lists.
    pub reply: Reply,
}

impl DnsList {
    /// Whether an answer counts as a listing.
    pub fn counts(&self, answer: Ipv4Addr) -> bool {
        Sense::of(answer) == Sense::Listing && self.listed.iter().any(|range| range.contains(&answer))
    }
}

/// What a list can mean by an address, whatever an operator thinks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// The address that was asked about is on it.
    Listing,
    /// It does not answer whoever asks: 127.255.255.0/24 is how the large lists say so.
    Refused,
    /// Nothing: it is no answer of a list (RFC 5782 2.1), but of somebody who has its domain now.
    Foreign,
}

impl Sense {
    /// That of an answer.
    pub const fn of(answer: Ipv4Addr) -> Self {
        match answer.octets() {
            [127, 255, 255, _] => Self::Refused,
            [127, ..] => Self::Listing,
            _ => Self::Foreign,
        }
    }
}

/// `[dnslists]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsListRules {
    /// From this weight on a client is reported.
    pub report: u32,
    /// From this on it is refused.
    pub reject: u32,
    /// In these words; none: those of the first list.
    pub reply: Option<Reply>,
}

/// An answer of one of the lists: an address that it gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The place of the list in [`Policy::dnslists`](super::Policy::dnslists).
    pub list: u32,
    /// What it said.
    pub answer: Ipv4Addr,
}

/// Whether a list may be asked about an address: what is only known inside of a network is nobody's business outside.
pub fn is_public(client: IpAddr) -> bool {
    match client.to_canonical() {
        IpAddr::V4(four) => {
            let shared = matches!(four.octets(), [100, 64..=127, ..] | [0, ..]);
            let inside = four.is_private() || four.is_loopback() || four.is_link_local();
            !inside && !shared && !four.is_multicast() && !four.is_broadcast()
        }
        IpAddr::V6(six) => {
            let inside = six.is_loopback() || six.is_unique_local() || six.is_unicast_link_local();
            !inside && !six.is_unspecified() && !six.is_multicast()
        }
    }
}

impl Policy {
    /// The `[[dnslist]]`, in file order.
    pub fn dnslists(&self) -> &[DnsList] {
        &self.dnslists
    }

    /// The one behind a check.
    pub(super) fn dnslist(&self, check: Check) -> Option<&DnsList> {
        match check {
            Check::DnsList(place) => self.dnslists.get(usize::try_from(place).ok()?),
            _ => None,
        }
    }

    /// What is made of what the lists said; none: nothing. Each list weighs once, however much it said; one that an
    /// `[[exempt]]` names weighs nothing there.
    pub fn judge_listings(&self, listings: &[Listing], scene: &Scene<'_>) -> Option<(Weight, Refusal)> {
        let (mut reported, mut refused, mut first) = (0_u32, 0_u32, None);
        for (place, list) in self.listing(listings) {
            if self.is_exempt(Check::DnsList(place), scene) {
                continue;
            }
            reported = reported.saturating_add(list.weight);
            if list.mode == Mode::Enforce {
                refused = refused.saturating_add(list.weight);
            }
            first = first.or(Some(list));
        }
        let (rules, first) = (&self.dnslist_rules, first?);
        let weight = match self.weigh(Check::DnsLists, scene) {
            Weight::Enforce if refused >= rules.reject => Weight::Enforce,
            Weight::Enforce | Weight::Observe if reported >= rules.report => Weight::Observe,
            _ => return None,
        };
        let reply = rules.reply.clone().unwrap_or_else(|| first.reply.clone());
        let check = Check::DnsLists;
        let refusal =
            Refusal { check, action: Action::Reject, reply, tarpit: None, ban: None, at_once: false };
        Some((weight, refusal))
    }

    /// The lists that list a client, with what each said, for people: `zen 127.0.0.2, other 127.0.0.4`.
    pub fn show_listings(&self, listings: &[Listing]) -> String {
        let mut shown = String::new();
        for (place, list) in self.listing(listings) {
            let comma = if shown.is_empty() { "" } else { ", " };
            let answer = listings.iter().find(|said| said.list == place && list.counts(said.answer));
            // Writing to a String cannot fail.
            let _ = write!(shown, "{comma}{}", list.id);
            let _ = answer.map(|said| write!(shown, " {}", said.answer));
        }
        shown
    }

    /// The lists that list a client, in file order.
    fn listing(&self, listings: &[Listing]) -> impl Iterator<Item = (u32, &DnsList)> {
        let lists = move |place: u32, list: &DnsList| {
            listings.iter().any(|said| said.list == place && list.counts(said.answer))
        };
        (0..).zip(&self.dnslists).filter(move |(place, list)| lists(*place, list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_everywhere_is_asked_about() {
        for address in
            ["192.0.2.1", "203.0.113.9", "8.8.8.8", "100.63.0.1", "2001:db8::1", "::ffff:192.0.2.1"]
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_list_that_refuses_to_answer_or_has_lost_its_domain_lists_nobody() {
        for (answer, sense) in [
            ("127.0.0.2", Sense::Listing),
            ("127.255.254.255", Sense::Listing),
            ("127.255.255.254", Sense::Refused),
            ("127.255.255.0", Sense::Refused),
            ("192.0.2.1", Sense::Foreign),
            ("128.0.0.2", Sense::Foreign),
        ] {
            assert_eq!(Sense::of(answer.parse().unwrap()), sense, "{answer}");
        }
    }
}
