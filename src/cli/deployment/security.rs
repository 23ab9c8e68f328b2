//! What the deployment file says of TLS: certificates, and whom listeners and relays believe.

use base64ct::{Base64, Encoding};
use gatepost::policy::Policy;
use gatepost::policy::document::{Section, Word, unknown_word};
use gatepost::policy::source::{Located, Source};
use gatepost::policy::tls::ClientCertificate;
use gatepost::proxy::config::{Arrival, Certificate, RelayTerms};
use gatepost::proxy::{Certificate as Read, Description};
use gatepost::session::RelayTls;
use std::sync::Arc;

/// The certificates that others may name.
pub(super) struct Named<'n> {
    pub(super) source: &'n Arc<Source>,
    certificates: Vec<String>,
}

impl<'n> Named<'n> {
    pub(super) fn new(source: &'n Arc<Source>, certificates: &[Certificate]) -> Self {
        Self { source, certificates: certificates.iter().map(|one| one.name.clone()).collect() }
    }

    fn certificate(&self, name: Located<String>, section: &Section<'_>) -> Option<String> {
        if self.certificates.contains(&name.value) {
            return Some(name.value);
        }
        let known = self.certificates.iter().map(String::as_str);
        section.findings().add(unknown_word(&name.place, "certificate", &name.value, known));
        None
    }

    /// Files with CAs, each of which can be read.
    fn authorities(&self, section: &Section<'_>, key: &str) -> Vec<String> {
        let written = section.take::<Vec<Located<String>>>(key).map(|written| written.value);
        let read = |path: Located<String>| {
            let beside = self.source.beside(&path.value);
            let wrong = |reason| path.place.error(reason);
            section.findings().check(Description::read(&beside).map_err(wrong)).map(|_| beside)
        };
        written.unwrap_or_default().into_iter().filter_map(read).collect()
    }
}

/// `[certificate.NAME]`. It is read here, so that what is wrong with it is known before it is needed.
pub(super) fn certificate(source: &Source, name: String, section: &Section<'_>) -> Option<Certificate> {
    let (chain, key) = (section.require::<String>("chain"), section.require::<String>("key"));
    let (chain, key) = (chain?, key?);
    let config = Certificate { name, chain: source.beside(&chain.value), key: source.beside(&key.value) };
    if let Err(reason) = Read::read(&config) {
        section.findings().add(chain.place.error(reason));
    }
    Some(config)
}

/// What a listener says of it.
pub(super) struct OfListener {
    pub(super) arrival: Arrival,
    pub(super) certificates: Vec<String>,
    pub(super) client_ca: Vec<String>,
}

/// `tls`, `certificates`, `client_ca`
pub(super) fn of_listener(section: &Section<'_>, named: &Named<'_>, policy: Option<&Policy>) -> OfListener {
    let arrival = section.take::<How>("tls").map_or(Arrival::default(), |how| how.value.0);
    let certificates = section.take::<Vec<Located<String>>>("certificates");
    let certificates = certificates.map(|names| names.value).unwrap_or_default();
    let client_ca = named.authorities(section, "client_ca");
    let asks = policy.is_some_and(|policy| policy.tls().client_certificate != ClientCertificate::Off);
    if asks && section.node("client_ca").is_none() {
        let finding = section.place().error("its rules ask for client certificates: `client_ca` is missing");
        section.findings().add(finding.with_help("the file with the CA that issued them"));
    }
    OfListener {
        arrival,
        certificates: certificates.into_iter().filter_map(|name| named.certificate(name, section)).collect(),
        client_ca,
    }
}

/// `tls` of a relay, and the keys that begin with it
pub(super) fn of_relay(section: &Section<'_>, named: &Named<'_>) -> (RelayTls, RelayTerms) {
    let tls = section.take::<Wanted>("tls").map_or(RelayTls::default(), |wanted| wanted.value.0);
    let pins = section.take::<Vec<Located<String>>>("tls_pin").map(|pins| pins.value).unwrap_or_default();
    let certificate = section.take::<Located<String>>("tls_certificate").map(|name| name.value);
    let terms = RelayTerms {
        implicit: section.take::<bool>("tls_implicit").is_some_and(|implicit| implicit.value),
        ca: named.authorities(section, "tls_ca"),
        name: section.take::<String>("tls_name").map(|name| name.value),
        pins: pins.iter().filter_map(|pin| self::pin(pin, section)).collect(),
        certificate: certificate.and_then(|name| named.certificate(name, section)),
    };
    let idle: &[&str] = match tls {
        RelayTls::None => &["tls_pin", "tls_certificate", "tls_implicit", "tls_ca", "tls_name"],
        // It says whom to believe, and there anyone is believed.
        RelayTls::Opportunistic => &["tls_pin", "tls_ca"],
        RelayTls::Required if pins.is_empty() => &[],
        RelayTls::Required => &["tls_ca"],
    };
    for key in idle {
        if let Some(node) = section.node(key) {
            let finding = node.place.error(format!("`{key}` says nothing beside this `tls`"));
            section.findings().add(finding.with_help(
                "tls = \"required\" verifies by the system's CAs, by `tls_ca`, or by `tls_pin` alone",
            ));
        }
    }
    (tls, terms)
}

/// SHA-256 of a key, in base64.
fn pin(written: &Located<String>, section: &Section<'_>) -> Option<[u8; 32]> {
    let mut pin = [0; 32];
    let read = Base64::decode(&written.value, &mut pin).is_ok_and(|octets| octets.len() == 32);
    if !read {
        let finding = written.place.error(format!("`{}` is no pin", written.value.escape_debug()));
        section.findings().add(finding.with_help("`gatepost cert FILE` prints that of a certificate"));
    }
    read.then_some(pin)
}

/// `tls` of a listener
#[derive(Clone, Copy)]
struct How(Arrival);

impl Word for How {
    const WORDS: &'static [(&'static str, Self)] =
        &[("starttls", Self(Arrival::StartTls)), ("implicit", Self(Arrival::Implicit))];
}

/// `tls` of a relay
#[derive(Clone, Copy)]
struct Wanted(RelayTls);

impl Word for Wanted {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("none", Self(RelayTls::None)),
        ("opportunistic", Self(RelayTls::Opportunistic)),
        ("required", Self(RelayTls::Required)),
    ];
}
