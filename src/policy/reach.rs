//! Who may connect, and where mail may go: `[clients]` and `[relay]`.

use super::Policy;
use super::field::Seen;
use crate::smtp::path::ForwardPath;
use std::net::IpAddr;

impl Policy {
    /// `[clients]`: whether this client may connect at all. A refusal is to be weighed as
    /// [`Check::Clients`](super::verdict::Check::Clients).
    pub fn admits_client(&self, client: IpAddr) -> bool {
        self.allow.as_ref().is_none_or(|allow| allow.contains(client)) && !self.deny.contains(client)
    }

    /// Whether `client` is named in `[clients] allow`.
    pub fn names_client(&self, client: IpAddr) -> bool {
        self.allow.as_ref().is_some_and(|allow| allow.contains(client))
    }

    /// Whether a recipient is ours to relay to (`[relay] to`; local parts that route count as foreign; `<postmaster>` is
    /// ours).
    pub fn relays_to(&self, path: &ForwardPath<'_>) -> bool {
        match (path, &self.relay.to) {
            (_, None) | (ForwardPath::Postmaster, _) => true,
            (ForwardPath::Mailbox(mailbox), Some(lists)) => {
                let domain = Seen::Domain(mailbox.host.octets());
                !mailbox.routes() && lists.iter().any(|list| list.contains(&domain))
            }
        }
    }

    /// `[relay] always`: passes opinions (RFC 5321 4.5.1).
    pub fn always(&self, path: &ForwardPath<'_>) -> bool {
        match path {
            ForwardPath::Postmaster => true,
            ForwardPath::Mailbox(mailbox) => {
                // Where recipients may be anywhere, none of the domains is known to be ours.
                self.relay.to.is_some()
                    && self.relay.always.contains(&Seen::Text(mailbox.unquoted()))
                    && self.relays_to(path)
            }
        }
    }
}
