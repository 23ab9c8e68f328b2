//! What holds today and will not, and what is hardly meant: `gatepost check` says so, before the log has to.

use super::super::cert::DAY;
use super::super::{count, files};
use gatepost::policy::document::{Document, Section};
use gatepost::policy::source::{Diagnostic, Findings, Source};
use gatepost::policy::tls::StartTls;
use gatepost::policy::tree::{Node, Value};
use gatepost::proxy::config::{Arrival, Deployment, Listener};
use gatepost::proxy::{Description, config};
use gatepost::session::RelayTls;
use gatepost::smtp::extension::Extension;
use std::path::Path;

/// How many days before its end a certificate is spoken of: the gate's log does likewise.
const SOON: u64 = 14;

/// Warns of what stands in a deployment file that was read without errors. `now` is in seconds since 1970.
pub(in crate::cli) fn outlook(path: &str, deployment: &Deployment, now: u64, findings: &Findings) {
    let Ok(text) = files::read(path) else { return };
    let source = Source::new(path, text);
    // All else about this file was told already.
    let aside = Findings::new();
    let Some(document) = Document::open(&source, &aside) else { return };
    let top = document.section(&aside);
    for (name, section) in top.sections("certificate") {
        let written = deployment.certificates.iter().find(|known| known.name == name.value);
        findings.extend(written.and_then(|written| of_certificate(written, &section, now)));
    }
    findings.extend(deployment.state.as_deref().and_then(|folder| of_state(folder, &top)));
    for relay in deployment.relays.iter().filter(|relay| !relay.identity.is_told()) {
        findings.add(of_stranger(relay, &top));
    }
    findings.extend(of_resolver(deployment, &top));
    for (listener, section) in deployment.listeners.iter().zip(top.list("listener").iter()) {
        findings.extend(of_listener(listener, section));
        findings.extend(of_limits(listener, deployment, section));
        let relay = deployment.relays.iter().find(|relay| relay.name == listener.relay);
        findings.extend(relay.and_then(|relay| of_passage(listener, relay, section)));
    }
}

fn of_certificate(written: &config::Certificate, section: &Section<'_>, now: u64) -> Option<Diagnostic> {
    let read = Description::read(&written.chain).ok()?;
    let days = |left: u64| count(usize::try_from(left / DAY).unwrap_or(usize::MAX), "day");
    let how = match read.not_after.checked_sub(now) {
        None => "has ended: clients that look will not send".to_owned(),
        Some(left) if left < SOON * DAY => format!("ends in {}", days(left)),
        Some(_) if now < read.not_before => {
            format!("is not valid yet, but in {}", days(read.not_before.saturating_sub(now)))
        }
        Some(_) => return None,
    };
    let place = section.node("chain").map_or_else(|| section.place(), |node| &node.place);
    Some(place.warning(format!("certificate `{}` {how}", written.name)))
}

/// Without the folder the gate does not start. (It may be another host on which this is checked.)
fn of_state(folder: &str, top: &Section<'_>) -> Option<Diagnostic> {
    let place = top.node("state").map_or_else(|| top.place(), |node| &node.place);
    let warn = || {
        let finding = place.warning(format!("there is no folder `{folder}`"));
        finding.with_help("the gate needs it to start: mkdir, or StateDirectory= in a unit of systemd")
    };
    (!Path::new(folder).is_dir()).then(warn)
}

/// A limit that is to be shared, and nothing to share it in.
fn of_limits(listener: &Listener, deployment: &Deployment, section: &Section<'_>) -> Option<Diagnostic> {
    let shared = listener.policy.allowances().iter().find(|limit| limit.shared)?;
    let place = section.node("rules").map_or_else(|| section.place(), |node| &node.place);
    let warn = || {
        let message = format!("limit `{}` is shared, and there is no [store]", shared.id);
        place.warning(message).with_help("each gate counts for itself, until there is one")
    };
    deployment.store.is_none().then(warn)
}

fn of_listener(listener: &Listener, section: &Section<'_>) -> Option<Diagnostic> {
    let policy = &listener.policy;
    let starts = policy.tls().starttls == StartTls::Inspect && policy.offer().contains(Extension::StartTls);
    let nameless = listener.certificates.is_empty() && (starts || listener.arrival == Arrival::Implicit);
    let warn = || {
        let message = format!("listener `{}` has no certificate", listener.name);
        let help = "clients get one that nobody knows, made for each run; name one in `certificates`";
        section.place().warning(message).with_help(help)
    };
    nameless.then(warn)
}

/// What it costs that a relay does not know who the client is.
fn of_stranger(relay: &config::Relay, top: &Section<'_>) -> Diagnostic {
    let sections = top.sections("relay");
    let section = sections.iter().find(|(name, _)| name.value == relay.name).map(|(_, section)| section);
    // One that a listener names by its address has no section of its own.
    let listeners = top.list("listener");
    let named = || listeners.iter().filter_map(|listener| listener.node("relay"));
    let is_it = |node: &&Node| matches!(&node.value, Value::Text(text) if *text == relay.name);
    let by_address = || named().find(is_it).map(|node| &node.place);
    let place = section.and_then(|section| section.node("identity")).map(|node| &node.place);
    let place = place.or_else(by_address).unwrap_or_else(|| top.place());
    let message = format!("relay `{}` sees all clients come from the gate's own address", relay.name);
    place.warning(message).with_help(
        "it must trust that address with nothing (mynetworks and the like), or it relays for everybody; and its SPF, \
         DNS lists and greylisting judge the gate in place of the client",
    )
}

/// Resolvers that anybody may ask: lists do not answer them (127.255.255.254), for they cannot tell who asks.
const PUBLIC: &[&str] = &[
    "1.0.0.1",
    "1.1.1.1",
    "8.8.4.4",
    "8.8.8.8",
    "9.9.9.9",
    "149.112.112.112",
    "208.67.220.220",
    "208.67.222.222",
    "2001:4860:4860::8844",
    "2001:4860:4860::8888",
    "2606:4700:4700::1001",
    "2606:4700:4700::1111",
    "2620:fe::fe",
];

/// DNS lists that are asked by a resolver which they do not answer.
fn of_resolver(deployment: &Deployment, top: &Section<'_>) -> Option<Diagnostic> {
    let has_lists = deployment.listeners.iter().any(|listener| !listener.policy.dnslists().is_empty());
    let servers = deployment.resolver.servers.iter().map(|server| server.ip().to_string());
    let public = servers.filter(|_| has_lists).find(|server| PUBLIC.contains(&server.as_str()))?;
    let place = top.section("resolver")?.node("servers").map(|node| node.place.clone())?;
    let message = format!("many DNS lists do not answer a resolver that anybody may ask, such as {public}");
    Some(place.warning(message).with_help("ask one of your own; lists that do not answer are put aside"))
}

/// STARTTLS passes through a link that is in clear until then.
fn of_passage(listener: &Listener, relay: &config::Relay, section: &Section<'_>) -> Option<Diagnostic> {
    let passes = listener.policy.tls().starttls == StartTls::Passthrough;
    let warn = || {
        let (name, relay) = (&listener.name, &relay.name);
        let message =
            format!("listener `{name}`: STARTTLS cannot pass through to `{relay}`, which has TLS already");
        let place = section.node("relay").map_or_else(|| section.place(), |node| &node.place);
        place
            .warning(message)
            .with_help("name a [relay.NAME] of its own, with this address and tls = \"opportunistic\"")
    };
    // Where it is only tried, it is left to the client.
    let secured = relay.tls == RelayTls::Required || relay.terms.implicit;
    (passes && secured).then(warn)
}
