//! The deployment file, `gatepost.toml`: where Gatepost listens, and in front of what.

mod accept;
mod from;
mod outlook;
mod relay;
mod resolver;
mod security;
mod store;
#[cfg(test)]
mod tests;

use super::files;
use gatepost::policy::Policy;
use gatepost::policy::document::{Document, Section, unknown_word};
use gatepost::policy::network::NetworkSet;
use gatepost::policy::quantity::Octets;
use gatepost::policy::source::{Diagnostic, Findings, Located, Source};
use gatepost::proxy::config::{Accept, Address, Admin, Deployment, Listener, Relay, Reserve};
pub(super) use outlook::outlook;
use security::Named;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Gives the policy of a rule file; none if it has errors, which were told already.
pub(super) type Compile<'c> = dyn FnMut(&str) -> Option<Arc<Policy>> + 'c;

/// Reads a deployment file. What is wrong goes to `findings`, all of it at once; then there is no deployment.
pub(super) fn read(path: &str, compile: &mut Compile<'_>, findings: &Findings) -> Option<Deployment> {
    let unread = |reason| Diagnostic::about_file(path, format!("cannot read it: {reason}"));
    let source = Source::new(path, findings.check(files::read(path).map_err(unread))?);
    let document = Document::open(&source, findings)?;
    let top = document.section(findings);
    for later in ["log", "explain"] {
        top.not_yet(later);
    }
    let name = top.require::<String>("name").and_then(|name| host_name(name, findings));
    let buffer_memory = top.take::<Octets>("buffer_memory").map(|octets| octets.value.0);
    let admin = top.section("admin").and_then(|section| admin(&section));
    let resolver = top.section("resolver").map(|section| resolver::read(&section));
    let keys = top.section("allowances").and_then(|section| allowance_keys(&section));
    let drain = top.section("drain").and_then(|section| section.take::<Duration>("within"));
    let state = top.take::<String>("state").map(|folder| source.beside(&folder.value));
    let store = top.section("store").and_then(|section| store::read(&source, &section));
    let certificates: Vec<_> = top
        .sections("certificate")
        .into_iter()
        .filter_map(|(name, section)| security::certificate(&source, name.value, &section))
        .collect();
    let named = Named::new(&source, &certificates);
    let relays = top.sections("relay").into_iter();
    let mut relays: Vec<_> =
        relays.filter_map(|(name, section)| relay::read(&name.value, &section, &named)).collect();
    let mut house = House {
        named,
        relays: &mut relays,
        compile,
        names: Vec::new(),
        listen: Vec::new(),
        last: Vec::new(),
    };
    let listeners: Vec<_> =
        top.list("listener").iter().filter_map(|section| house.listener(section)).collect();
    if !findings.has_errors() {
        accept::check_original(&listeners, &relays, &top);
    }
    drop(top);
    Some(Deployment {
        name: name.filter(|_| !findings.has_errors())?,
        buffer_memory: buffer_memory.unwrap_or(Deployment::BUFFER_MEMORY),
        allowance_keys: keys.unwrap_or(Deployment::ALLOWANCE_KEYS),
        admin,
        listeners,
        relays,
        certificates,
        resolver: resolver.unwrap_or_default(),
        drain: drain.map_or(Deployment::DRAIN, |within| within.value),
        state,
        store,
    })
}

/// The file of a `[certificate.NAME]`; nothing else in the deployment file is looked at. None: there is no such one.
pub(super) fn chain(path: &str, name: &str, findings: &Findings) -> Result<Option<String>, String> {
    let source = Source::new(path, files::read(path)?);
    let document = Document::open(&source, findings).ok_or("it is no TOML")?;
    // Findings about the rest are nobody's question here.
    let aside = Findings::new();
    let top = document.section(&aside);
    let of_name = top.sections("certificate").into_iter().find(|(found, _)| found.value == name);
    Ok(of_name
        .and_then(|(_, section)| section.take::<String>("chain"))
        .map(|chain| source.beside(&chain.value)))
}

/// A name that can stand in a greeting: the parts that no domain and no address literal has are refused.
fn host_name(name: Located<String>, findings: &Findings) -> Option<String> {
    let plain =
        |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'[' | b']' | b':');
    if name.value.is_empty() || name.value.len() > 255 || !name.value.bytes().all(plain) {
        let finding = name.place.error(format!("`{}` is no host name", name.value.escape_debug()));
        findings.add(finding.with_help("the name of this host, such as \"mx.example.com\""));
        return None;
    }
    Some(name.value)
}

fn admin(section: &Section<'_>) -> Option<Admin> {
    section.not_yet("control");
    let listen = section.require::<SocketAddr>("listen");
    let hosts = section.take::<Vec<String>>("hosts");
    Some(Admin { listen: listen?.value, hosts: hosts.map(|hosts| hosts.value).unwrap_or_default() })
}

/// `[allowances] keys`
fn allowance_keys(section: &Section<'_>) -> Option<usize> {
    const MOST: usize = 100_000_000;
    let keys = section.take::<usize>("keys")?;
    if !(1..=MOST).contains(&keys.value) {
        let finding = keys.place.error(format!("`keys` is between 1 and {MOST}"));
        section.findings().add(finding.with_help("so many clients each [[limit]] tells apart"));
    }
    Some(keys.value)
}

/// What the entries of `[[listener]]` have in common while they are read.
struct House<'h> {
    named: Named<'h>,
    relays: &'h mut Vec<Relay>,
    compile: &'h mut Compile<'h>,
    names: Vec<String>,
    /// Where listeners for everybody listen, and the last of them.
    listen: Vec<SocketAddr>,
    last: Vec<SocketAddr>,
}

impl House<'_> {
    fn listener(&mut self, section: &Section<'_>) -> Option<Listener> {
        let name = section.require::<String>("name");
        let from = section.node("from").map(|node| from::networks(node, &self.named, section.findings()));
        let accept = accept::read(section, &self.named, from.is_some());
        let listen = self.listen(section, &accept, from.is_some());
        let rules = section.require::<String>("rules");
        let relay = section.require::<String>("relay").and_then(|name| self.relay(name, section.findings()));
        let sessions = some(section, "sessions", Listener::SESSIONS);
        let of_client = some(section, "sessions_per_client", Listener::SESSIONS_PER_CLIENT);
        let tarpit = section.take::<usize>("tarpit_sessions").map(|most| most.value);
        let policy = rules.and_then(|rules| (self.compile)(&self.named.source.beside(&rules.value)));
        let security = security::of_listener(section, &self.named, policy.as_deref());
        let reserve = section.section("reserve");
        let reserve = match (reserve, policy.as_deref()) {
            (Some(written), Some(policy)) => self::reserve(&written, policy, sessions),
            (Some(written), None) => {
                // What is wrong with the rules was told already, and they may have the list.
                let _ = (written.node("for"), written.node("sessions"));
                None
            }
            (None, policy) => policy.and_then(|policy| Reserve::usual(policy, sessions)),
        };
        let name = name?;
        if self.names.contains(&name.value) {
            let finding = name.place.error(format!("there are two listeners `{}`", name.value));
            section.findings().add(finding.with_help("logs and metrics tell them apart by their names"));
        }
        self.names.push(name.value.clone());
        Some(Listener {
            name: name.value,
            listen: listen?,
            policy: policy?,
            relay: relay?,
            sessions,
            sessions_per_client: of_client,
            tarpit_sessions: tarpit.unwrap_or(Listener::tarpit_sessions(sessions)),
            reserve,
            accept,
            arrival: security.arrival,
            certificates: security.certificates,
            client_ca: security.client_ca,
            from: match from {
                Some(networks) => Some(networks?),
                None => None,
            },
        })
    }

    /// The addresses. One that is for some networks alone may leave them out: then it stands
    /// where the one above it does.
    fn listen(&mut self, section: &Section<'_>, accept: &Accept, narrow: bool) -> Option<Vec<SocketAddr>> {
        if narrow && section.node("listen").is_none() && !self.last.is_empty() {
            return Some(self.last.clone());
        }
        let listen = section.require::<Vec<Located<SocketAddr>>>("listen")?;
        accept::check_listen(accept, &listen.value, section.findings());
        for address in &listen.value {
            // A free port is another one each time.
            let taken = address.value.port() != 0 && self.listen.contains(&address.value);
            if taken && !narrow {
                let message = format!("another listener has {} already", address.value);
                let help = "`from` says which clients are whose, where two have one address";
                section.findings().add(address.place.error(message).with_help(help));
            } else if !taken && narrow {
                let message = format!("nobody but these networks would be heard on {}", address.value);
                let help = "a listener above it with this address, and without `from`, is for everybody else";
                section.findings().add(address.place.error(message).with_help(help));
            }
        }
        let addresses: Vec<_> = listen.value.iter().map(|address| address.value).collect();
        if !narrow {
            self.listen.extend(&addresses);
            self.last.clone_from(&addresses);
        }
        Some(addresses)
    }

    /// The name of a `[relay.NAME]`, or an address for which nothing else is said.
    fn relay(&mut self, name: Located<String>, findings: &Findings) -> Option<String> {
        if self.relays.iter().any(|relay| relay.name == name.value) {
            return Some(name.value);
        }
        let Some(address) = Address::read(&name.value).filter(|_| name.value.contains(':')) else {
            let known = self.relays.iter().map(|relay| relay.name.as_str());
            findings.add(unknown_word(&name.place, "relay", &name.value, known));
            return None;
        };
        self.relays.push(Relay::new(&name.value, vec![address]));
        Some(name.value)
    }
}

/// How many there may be of something without which no mail passes.
fn some(section: &Section<'_>, key: &str, usual: usize) -> usize {
    let Some(number) = section.take::<usize>(key) else { return usual };
    if number.value == 0 {
        section.findings().add(number.place.error(format!("`{key}` of zero lets no mail pass")));
    }
    number.value
}

/// `reserve = { for = "@partners", sessions = 200 }`
fn reserve(section: &Section<'_>, policy: &Policy, of: usize) -> Option<Reserve> {
    let (list, sessions) = (section.require::<String>("for"), section.require::<usize>("sessions"));
    if let Some(sessions) = sessions.as_ref().filter(|sessions| sessions.value >= of) {
        let message = format!("{} of {of} sessions are kept: nobody else could come in", sessions.value);
        section.findings().add(sessions.place.error(message));
    }
    let list = list?;
    let partners = list.value.strip_prefix('@').and_then(|name| policy.networks(name));
    if partners.is_none() {
        let message = format!("`{}` is no list of networks of these rules", list.value.escape_debug());
        let help = "name a list in [lists] of the rule file that holds networks, like \"@partners\"";
        section.findings().add(list.place.error(message).with_help(help));
    } else if partners.is_some_and(NetworkSet::is_empty) {
        section.findings().add(list.place.warning("this list is empty: room is kept for nobody"));
    }
    Some(Reserve { partners: partners?.clone(), sessions: sessions?.value })
}
