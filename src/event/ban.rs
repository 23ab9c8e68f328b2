//! Bans: who is not let in for a time.

use ipnet::IpNet;
use std::time::Duration;

/// What became of a ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BanChange {
    /// It was placed, or made longer.
    Placed,
    /// Whoever came was turned away by it.
    Met,
}

/// A ban, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Who is banned: an IPv4 address, or an IPv6 /64.
    pub network: IpNet,
    /// How long it still lasts.
    pub left: Duration,
    /// The id of the check that placed it.
    pub check: Box<str>,
    /// The name of the session in which it was placed.
    pub reference: Box<str>,
}
