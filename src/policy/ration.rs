//! `[[limit]]`, compiled: whom it counts, when it is asked, and what follows where nothing is left. The counting itself
//! is the driver's ([`Allowance`](super::allowance::Allowance)).

use super::allowance::{Balance, Charge, Key};
use super::ban::{Ban, is_private};
use super::condition::{Point, Scene, When};
use super::count::{Count, Deed};
use super::field::{Field, Seen};
use super::fold::Folded;
use super::source::Place;
use super::tree::Date;
use super::verdict::{Action, Check, Refusal};
use super::{Mode, Policy, Weight};
use crate::smtp::reply::Reply;
use ipnet::IpNet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

/// The most of a value that a key holds; of names that begin with the same 256 octets nobody is told apart.
const LONGEST_VALUE: usize = 256;

/// A `[[limit]]`, but for how much there is.
#[derive(Debug)]
pub(super) struct Ration {
    pub(super) place: Place,
    pub(super) count: Count,
    /// Whose values make the key, in the order of the file.
    pub(super) key: Vec<Field>,
    /// How many bits of a client's address count, of IPv4 and of IPv6.
    pub(super) prefixes: (u8, u8),
    /// Whether addresses of the house are counted, too.
    pub(super) private: bool,
    pub(super) when: When,
    pub(super) action: Action,
    pub(super) reply: Reply,
    pub(super) tarpit: Option<Duration>,
    pub(super) ban: Option<Ban>,
    pub(super) mode: Mode,
    pub(super) until: Option<(Date, Place)>,
}

impl Ration {
    /// Whose account a scene goes to. None: nobody's, because it is not meant, or a field has no value.
    fn key(&self, scene: &Scene<'_>) -> Option<Key> {
        if !self.when.holds(scene) {
            return None;
        }
        let (mut network, mut rest) = (None, String::new());
        for field in &self.key {
            match field.seen(scene)? {
                Seen::Address(address) => {
                    if is_private(address) && !self.private {
                        return None;
                    }
                    network = Some(self.network(address.to_canonical())?);
                }
                seen => {
                    if !rest.is_empty() {
                        rest.push(' ');
                    }
                    enter(&seen, &mut rest);
                }
            }
        }
        Some(Key { network, rest: rest.into() })
    }

    fn network(&self, address: IpAddr) -> Option<IpNet> {
        let prefix = if address.is_ipv4() { self.prefixes.0 } else { self.prefixes.1 };
        IpNet::new(address, prefix).ok().map(|net| net.trunc())
    }
}

/// Writes a value so that two that are compared as one are one, and nothing in it can be taken for another value.
fn enter(seen: &Seen<'_>, key: &mut String) {
    let folded = match seen {
        Seen::Domain(name) => Folded::domain(name),
        Seen::Mailbox(local, Some(domain)) => Folded::mailbox(local, domain),
        Seen::Mailbox(text, None) | Seen::Text(text) => Folded::text(text),
        // No such field names anybody; compiling refuses them.
        Seen::Address(_) | Seen::Number(_) | Seen::Truth(_) => return,
    };
    for octet in folded.iter().take(LONGEST_VALUE) {
        if octet.is_ascii_graphic() && *octet != b'\\' {
            key.push(char::from(*octet));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(key, "\\x{octet:02x}");
        }
    }
}

impl Policy {
    /// What has to be asked at this point before anything is decided. (Nothing, as with nearly all commands, costs
    /// nothing.)
    pub fn charges(&self, point: Point, scene: &Scene<'_>) -> Vec<Charge> {
        let asked = (0..).zip(&self.rations).filter_map(|(limit, ration)| {
            let amount = ration.count.asked_at(point)?;
            self.charge(limit, ration, amount, scene)
        });
        asked.collect()
    }

    /// What is to be taken for something that was done.
    pub fn charges_for<'p>(
        &'p self,
        deed: Deed,
        amount: u32,
        scene: &'p Scene<'p>,
    ) -> impl Iterator<Item = Charge> + 'p {
        let counted = (0..).zip(&self.rations).filter(move |(_, ration)| ration.count.counts(deed));
        counted.filter_map(move |(limit, ration)| self.charge(limit, ration, amount, scene))
    }

    /// Whether anything is counted at all.
    pub fn counts_anything(&self) -> bool {
        !self.rations.is_empty()
    }

    fn charge(&self, limit: u32, ration: &Ration, amount: u32, scene: &Scene<'_>) -> Option<Charge> {
        let key = ration.key(scene)?;
        let exempt = self.weigh(Check::Allowance(limit), scene) == Weight::Nothing;
        (!exempt).then_some(Charge { limit, key, amount })
    }

    /// What follows where nothing is left.
    pub fn exhausted(&self, charge: &Charge, client: IpAddr) -> Option<Refusal> {
        let check = Check::Allowance(charge.limit);
        let ration = self.ration(check)?;
        Some(Refusal {
            check,
            action: ration.action,
            reply: ration.reply.clone(),
            tarpit: ration.tarpit,
            ban: self.ban(ration.ban, client),
            at_once: true,
        })
    }

    /// Whose account it is and how full, for people: `client.net=203.0.113.0/24, 0 of 100 left, 300/min`.
    pub fn account(&self, charge: &Charge, balance: Balance) -> String {
        let Some((allowance, ration)) = usize::try_from(charge.limit)
            .ok()
            .and_then(|place| self.allowances.get(place).zip(self.rations.get(place)))
        else {
            return String::new();
        };
        let mut text = String::new();
        let mut rest = charge.key.rest.split(' ');
        for field in &ration.key {
            let value = match (field, charge.key.network) {
                (Field::ClientIp, Some(network)) => network.addr().to_string(),
                (Field::ClientNet, Some(network)) => network.to_string(),
                _ => rest.next().unwrap_or_default().to_owned(),
            };
            // Writing to a String cannot fail.
            let _ = write!(text, "{}={value} ", field.name());
        }
        let (left, burst) = (balance.left.min(allowance.burst), allowance.burst);
        format!("{}, {left} of {burst} left, {}", text.trim_end(), allowance.rate)
    }

    /// The limit behind a check.
    pub(super) fn ration(&self, check: Check) -> Option<&Ration> {
        match check {
            Check::Allowance(place) => self.rations.get(usize::try_from(place).ok()?),
            _ => None,
        }
    }

    /// Its id.
    pub(super) fn ration_id(&self, check: Check) -> Option<&String> {
        match check {
            Check::Allowance(place) => {
                self.allowances.get(usize::try_from(place).ok()?).map(|allowance| &allowance.id)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entered(seen: &Seen<'_>) -> String {
        let mut key = String::new();
        enter(seen, &mut key);
        key
    }

    #[test]
    fn what_is_compared_as_one_is_counted_as_one() {
        assert_eq!(entered(&Seen::Domain(b"MX.Example.org.")), "mx.example.org");
        assert_eq!(entered(&Seen::Domain("bücher.example".as_bytes())), "xn--bcher-kva.example");
        let mailbox = Seen::Mailbox(b"Anna".as_slice().into(), Some(b"Example.COM"));
        assert_eq!(entered(&mailbox), "anna@example.com");
    }

    #[test]
    fn no_value_can_be_taken_for_two() {
        let text = |octets: &'static [u8]| entered(&Seen::Text(octets.into()));
        assert_eq!(text(b"a b"), "a\\x20b");
        assert_eq!(text(b"a\\x20b"), "a\\x5cx20b");
        assert_eq!(text("\u{e9}\t".as_bytes()), "\\xc3\\xa9\\x09");
        assert_eq!(text(&[b'x'; 900]).len(), LONGEST_VALUE);
    }
}
