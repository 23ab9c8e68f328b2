//! Bans: clients that are not let in for a while after something was refused to them.

use super::Policy;
use super::compile::Compiler;
use super::lists::Networks;
use super::source::Located;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// The longest ban.
const LONGEST: Duration = Duration::from_hours(30 * 24);
/// Addresses change hands: behind one that was given out anew there is somebody else the next day.
const LONG: Duration = Duration::from_hours(24);

/// `ban` of a rule, a signature or a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ban {
    pub(super) span: Duration,
    /// Whether it holds for addresses of the house, too.
    pub(super) private: bool,
}

/// `ban` and `private` as they are written.
#[derive(Debug, Default)]
pub(super) struct BanWords {
    pub(super) span: Option<Located<Duration>>,
    pub(super) private: Option<Located<bool>>,
}

impl BanWords {
    /// `private = true`
    pub(super) fn private(&self) -> bool {
        self.private.as_ref().is_some_and(|private| private.value)
    }
}

/// Whether an address is of the house, or of a provider's own: whoever shares it is not to suffer for others (RFC 1918,
/// 3927, 4193, 6598).
pub(super) fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => {
            four.is_loopback() || four.is_private() || four.is_link_local() || is_shared(four)
        }
        IpAddr::V6(six) => six.is_loopback() || six.is_unique_local() || is_link_local(six),
    }
}

/// 100.64.0.0/10 (RFC 6598)
fn is_shared(four: Ipv4Addr) -> bool {
    let [first, second, ..] = four.octets();
    first == 100 && second & 0xc0 == 0x40
}

/// `fe80::/10`
fn is_link_local(six: Ipv6Addr) -> bool {
    six.is_unicast_link_local()
}

impl Policy {
    /// Whether a client may be banned: not one of `[bans] never`, and not one of the house unless the rule says so
    /// (`private`).
    pub fn may_ban(&self, client: IpAddr, private: bool) -> bool {
        (private || !is_private(client)) && !self.never_banned.contains(client.to_canonical())
    }

    /// How long a client is banned, if at all.
    pub(super) fn ban(&self, ban: Option<Ban>, client: IpAddr) -> Option<Duration> {
        ban.filter(|ban| self.may_ban(client, ban.private)).map(|ban| ban.span)
    }
}

impl Compiler<'_> {
    /// What is meant by `ban` and `private`.
    pub(super) fn ban(&self, words: &BanWords) -> Option<Ban> {
        let span = words.span.as_ref()?;
        if span.value.is_zero() || span.value > LONGEST {
            let finding = span.place.error("`ban` lies above zero, and not above 30 days");
            self.findings.add(finding.with_help(
                "an address that is never to be let in belongs into [clients] deny, where it can be found",
            ));
        } else if span.value > LONG {
            let finding =
                span.place.warning("a ban of more than a day strikes those who get the address next");
            self.findings.add(finding.with_help("an hour stops a machine as well, and ends by itself"));
        }
        Some(Ban { span: span.value, private: words.private() })
    }

    /// The same where nobody is counted, so that `private` is about the ban alone.
    pub(super) fn ban_alone(&self, words: &BanWords) -> Option<Ban> {
        if let (Some(private), None) = (&words.private, &words.span) {
            self.findings.add(private.place.error("`private` means nothing without `ban`"));
        }
        self.ban(words)
    }

    /// `[bans] never`
    pub(super) fn never_banned(&self) -> Networks {
        self.networks(self.file.never_banned.as_ref(), "bans.never")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_the_house_is_known_by_its_address() {
        for (address, private) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("172.32.0.1", false),
            ("192.168.1.1", true),
            ("169.254.1.1", true),
            ("100.63.255.255", false),
            ("100.64.0.1", true),
            ("100.127.255.255", true),
            ("100.128.0.1", false),
            ("203.0.113.9", false),
            ("::1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("fec0::1", false),
            ("2001:db8::9", false),
            ("::ffff:10.1.2.3", true),
            ("::ffff:203.0.113.9", false),
        ] {
            assert_eq!(is_private(address.parse().unwrap()), private, "{address}");
        }
    }
}
