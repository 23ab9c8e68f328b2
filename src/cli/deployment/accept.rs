//! `accept`: how connections come in, and who says who the client is.

use super::from;
use super::security::Named;
use gatepost::policy::document::{Section, Word};
use gatepost::policy::network::NetworkSet;
use gatepost::proxy::config::Accept;

/// What `accept` may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Direct,
    ProxyProtocol,
    Tproxy,
    Redirect,
}

impl Word for Way {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("direct", Self::Direct),
        ("proxy-protocol", Self::ProxyProtocol),
        ("tproxy", Self::Tproxy),
        ("redirect", Self::Redirect),
    ];
}

/// Reads `accept` and `trusted`. A listener that is for some networks alone has neither: who a client is, is known before
/// it is known whose it is.
pub(super) fn read(section: &Section<'_>, named: &Named<'_>, narrow: bool) -> Accept {
    let findings = section.findings();
    let way = section.take::<Way>("accept");
    let trusted = section.node("trusted");
    for node in [section.node("accept"), trusted].into_iter().flatten().filter(|_| narrow) {
        let finding = node.place.error("this is said by the listener above it that is for everybody");
        findings.add(finding.with_help("who the client is must be known before it is known whose it is"));
    }
    let networks = trusted.and_then(|node| from::networks(node, named, findings));
    let networks = networks.map(|networks| networks.into_iter().collect::<NetworkSet>());
    if let (Some(node), Some(true)) = (trusted, networks.as_ref().map(NetworkSet::is_everybody)) {
        let finding = node.place.error("everybody is trusted here: anyone could say to be anyone");
        findings.add(finding.with_help("the networks of the load balancers, and no others"));
    }
    match way.as_ref().map_or(Way::Direct, |way| way.value) {
        Way::ProxyProtocol => {
            if trusted.is_none() {
                let place = way.as_ref().map_or(section.place(), |way| &way.place);
                let finding = place.error("`trusted` is missing: whose PROXY headers are believed?");
                findings.add(finding.with_help("the networks of the load balancers, and no others"));
            }
            return Accept::ProxyProtocol(networks.unwrap_or_default());
        }
        Way::Direct => {}
        Way::Tproxy | Way::Redirect => {
            if let Some(way) = &way {
                findings.add(gatepost::policy::document::not_yet(&way.place, "this `accept`"));
            }
        }
    }
    if let Some(node) = trusted {
        let finding = node.place.error("`trusted` says nothing beside this `accept`");
        findings.add(finding.with_help("it is for accept = \"proxy-protocol\""));
    }
    Accept::Direct
}
