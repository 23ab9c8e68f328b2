//! `accept`: how connections come in, and who says who the client is.

use super::from;
use super::security::Named;
use gatepost::policy::document::{Section, Word};
use gatepost::policy::network::NetworkSet;
use gatepost::policy::source::{Findings, Located};
use gatepost::proxy::config::{Accept, Addresses, Listener, Relay};
use std::net::SocketAddr;

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
            Accept::ProxyProtocol(networks.unwrap_or_default())
        }
        way => {
            if let Some(node) = trusted {
                let finding = node.place.error("`trusted` says nothing beside this `accept`");
                findings.add(finding.with_help("it is for accept = \"proxy-protocol\""));
            }
            match way {
                Way::Tproxy => Accept::Tproxy,
                Way::Redirect => Accept::Redirect,
                Way::Direct | Way::ProxyProtocol => Accept::Direct,
            }
        }
    }
}

/// Where connections are intercepted, it must be known which address is the gate's own.
pub(super) fn check_listen(accept: &Accept, listen: &[Located<SocketAddr>], findings: &Findings) {
    for address in
        listen.iter().filter(|address| *accept == Accept::Tproxy && address.value.ip().is_unspecified())
    {
        let finding = address.place.error("with accept = \"tproxy\" it must be one address of this host");
        findings.add(
            finding.with_help("that to which the firewall sends, like \"127.0.0.1:2525\" or \"[::1]:2525\""),
        );
    }
}

/// Whom a client called is known only where connections are intercepted. Gives a finding for each listener of which it is
/// not known, although its relay is whoever was called.
pub(super) fn check_original(listeners: &[Listener], relays: &[Relay], top: &Section<'_>) {
    let sections = top.list("listener");
    for (listener, section) in listeners.iter().zip(&sections) {
        // They were read already.
        section.entries();
        let relay = relays.iter().find(|relay| relay.name == listener.relay);
        let original = relay.is_some_and(|relay| relay.addresses == Addresses::Original);
        let mut hosts = listeners.iter().filter(|host| {
            host.from.is_none() && host.listen.iter().any(|address| listener.listen.contains(address))
        });
        if original && !hosts.all(|host| host.accept.intercepts()) {
            let place = section.node("relay").map_or_else(|| section.place(), |node| &node.place);
            let finding =
                place.error("nobody knows whom a client called here, and its relay is whoever that was");
            top.findings().add(finding.with_help("accept = \"tproxy\" or \"redirect\" knows"));
        }
    }
}
