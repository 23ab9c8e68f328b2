//! The name of a client: one that its address has (PTR), and that has its address (A, AAAA). Whoever answers for an address
//! can name it as he likes, so that the first half alone proves nothing (RFC 1912 2.1, RFC 8601 3).

use super::resolver::{Resolver, Said};
use crate::policy::names::{NameVerdict, Naming};
use hickory_resolver::proto::rr::Name;
use std::net::IpAddr;

/// How many names of an address are looked at.
const NAMES: usize = 10;
/// The longest name.
const LONGEST: usize = 253;

/// DNS did not say.
pub(super) fn failed() -> Naming {
    Naming { verdict: NameVerdict::Failed, name: None }
}

/// Looks up a client's name. It takes as long as DNS takes.
pub(super) async fn verify(resolver: &Resolver, client: IpAddr) -> Option<Naming> {
    let names = match resolver.names(client).await {
        Said::These(names) => names,
        Said::Nothing => Vec::new(),
        Said::Failed => return Some(failed()),
    };
    let mut verdict = NameVerdict::Unverified;
    for name in names.into_iter().take(NAMES) {
        let Some(text) = host_name(&name) else { continue };
        match resolver.addresses(name, client).await {
            Said::These(addresses) if addresses.contains(&client) => {
                return Some(Naming { verdict: NameVerdict::Verified, name: Some(text) });
            }
            Said::These(_) | Said::Nothing => {}
            // Of the others one may still have it.
            Said::Failed => verdict = NameVerdict::Failed,
        }
    }
    Some(Naming { verdict, name: None })
}

/// A name as a text, without a final dot. In DNS any octet may stand in a label, and this one goes into logs, rules and
/// messages: what is no name of a host is none.
fn host_name(name: &Name) -> Option<Box<str>> {
    let plain = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    let labels = name.iter().map(|label| {
        let sound = !label.is_empty() && label.iter().all(plain);
        std::str::from_utf8(label).ok().filter(|_| sound)
    });
    let labels: Vec<&str> = labels.collect::<Option<_>>()?;
    let text = labels.join(".");
    (!text.is_empty() && text.len() <= LONGEST).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_hosts_are_names() {
        let read = |text: &str| host_name(&Name::from_ascii(text).unwrap());
        assert_eq!(read("Mail_1.example.ORG.").as_deref(), Some("Mail_1.example.ORG"));
        for label in [&b"a\rb"[..], b"a.b", b"a b", b"a\"b", b"a\r\nReceived: x", b"\xff\x00", "ä".as_bytes()]
        {
            assert_eq!(host_name(&Name::from_labels([label, b"example"]).unwrap()), None, "{label:?}");
        }
        assert_eq!(host_name(&Name::root()), None);
    }
}
