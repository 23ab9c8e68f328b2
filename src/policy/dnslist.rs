//! `[[dnslist]]`: lists of addresses that are asked by DNS (RFC 5782).

use std::net::Ipv4Addr;
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
}

/// An answer of one of the lists: an address that it gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The place of the list in [`Policy::dnslists`](super::Policy::dnslists).
    pub list: u32,
    /// What it said.
    pub answer: Ipv4Addr,
}
