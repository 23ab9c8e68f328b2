//! Who is a partner: one of those for whom room is kept when everybody else has filled the rest.

use super::config::Reserve;
use std::net::IpAddr;

/// What a client is to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// Whoever comes.
    Stranger,
    /// In the networks of the listener's `reserve`.
    Partner,
}

impl Rank {
    /// The rank of a client, where this is the listener's reserve.
    pub(super) fn of(client: IpAddr, reserve: Option<&Reserve>) -> Self {
        let listed = reserve.is_some_and(|reserve| reserve.partners.contains(client));
        if listed { Self::Partner } else { Self::Stranger }
    }
}
