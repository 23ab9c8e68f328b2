//! On which terms TLS is spoken: with the clients of a listener, and with a relay.
//!
//! | file | noun |
//! |---|---|
//! | `certificate`, `certificates` | one of them, with what stands in it; which of a listener's a client gets |
//! | `trust` | who is believed |
//! | `client_hello`, `handshake` | what a client offers; how a socket comes to TLS |
//! | `stream` | a socket with TLS or without |

mod certificate;
mod certificates;
mod client_hello;
mod handshake;
mod stream;
mod trust;

pub use certificate::{Certificate, Description};
pub(super) use handshake::{Failed, Part};
pub(super) use stream::Stream;

use super::config::{self, Arrival};
use crate::policy::tls::{ClientCertificate, TlsRules, TlsVersion};
use crate::session::RelayTls;
use certificates::Certificates;
use handshake::Dialling;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use trust::{Anyone, Pinned, Tolerant};

/// TLS sessions with a relay that may be resumed.
const RESUMABLE: usize = 32;

/// There is one, and it is named wherever one is needed: the library's own choice depends on who else links it.
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(default_provider()));

/// The certificates of a deployment, by their names.
#[derive(Debug, Default)]
pub(super) struct Keys {
    named: HashMap<String, Certificate>,
    /// For listeners that name none.
    ephemeral: Option<Certificate>,
}

/// On which terms clients get TLS.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) config: Arc<ServerConfig>,
    /// Who is trusted to say who a client is.
    trust: Option<Arc<dyn ClientCertVerifier>>,
}

/// On which terms a relay is called.
#[derive(Debug)]
pub(super) struct Calling {
    config: Arc<ClientConfig>,
    verified: bool,
    /// The name that is expected, where it is not that of the address.
    name: Option<ServerName<'static>>,
}

impl Keys {
    /// Reads all of them; if one cannot be read, nothing is.
    pub(super) fn read(deployment: &config::Deployment) -> Result<Self, String> {
        let read = |config: &config::Certificate| Ok((config.name.clone(), Certificate::read(config)?));
        let named = deployment.certificates.iter().map(read).collect::<Result<_, String>>()?;
        let nameless = |listener: &config::Listener| listener.certificates.is_empty() && ends_tls(listener);
        let ephemeral = deployment.listeners.iter().any(nameless);
        let ephemeral = ephemeral.then(|| certificate::ephemeral(&deployment.name)).transpose()?;
        Ok(Self { named, ephemeral })
    }

    /// All that operators look after.
    pub(super) fn named(&self) -> impl Iterator<Item = &Certificate> {
        self.named.values()
    }

    /// Whether one was made, because some listener has none.
    pub(super) fn has_ephemeral(&self) -> bool {
        self.ephemeral.is_some()
    }

    fn get(&self, name: &str) -> Result<&Certificate, String> {
        self.named.get(name).ok_or_else(|| format!("there is no certificate `{name}`"))
    }

    /// Those of a listener, in its order.
    fn of(&self, listener: &config::Listener) -> Result<Certificates, String> {
        let named = listener.certificates.iter().map(|name| self.get(name));
        let own = self.ephemeral.iter().filter(|_| listener.certificates.is_empty());
        let all: Vec<_> = named.chain(own.map(Ok)).collect::<Result<_, _>>()?;
        Ok(Certificates::new(all.into_iter()))
    }
}

/// Whether a listener ends TLS at all.
pub(super) fn ends_tls(listener: &config::Listener) -> bool {
    listener.arrival == Arrival::Implicit || listener.policy.ends_tls()
}

impl Terms {
    /// Those of a listener, if it ends TLS.
    pub(super) fn of(listener: &config::Listener, keys: &Keys) -> Result<Option<Self>, String> {
        if !ends_tls(listener) {
            return Ok(None);
        }
        let wrong = |reason: String| format!("listener `{}`: {reason}", listener.name);
        let rules = listener.policy.tls();
        let certificates = keys.of(listener).map_err(wrong)?;
        let trust = trust(listener).map_err(wrong)?;
        let made = server(rules, certificates, trust.clone()).map_err(|error| wrong(error.to_string()))?;
        Ok(Some(Self { config: Arc::new(made), trust }))
    }

    /// Whether what a client showed is to be believed; it proved by its signature that it is his.
    pub(super) fn trusts(&self, shown: &[CertificateDer<'_>]) -> bool {
        let (Some(trust), Some((first, rest))) = (&self.trust, shown.split_first()) else { return false };
        trust.verify_client_cert(first, rest, UnixTime::now()).is_ok()
    }
}

fn server(
    rules: &TlsRules,
    certificates: Certificates,
    trust: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<ServerConfig, rustls::Error> {
    let versions: &[&SupportedProtocolVersion] = match rules.min_version {
        TlsVersion::V1_2 => &[&TLS13, &TLS12],
        TlsVersion::V1_3 => &[&TLS13],
    };
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&PROVIDER)).with_protocol_versions(versions)?;
    let builder = match (rules.client_certificate, trust) {
        (ClientCertificate::Off, _) | (_, None) => builder.with_no_client_auth(),
        (ClientCertificate::Require, Some(trust)) => builder.with_client_cert_verifier(trust),
        (ClientCertificate::Ask, Some(trust)) => builder.with_client_cert_verifier(Tolerant::of(trust)),
    };
    let mut config = builder.with_cert_resolver(Arc::new(certificates));
    // The key of the tickets changes by itself, and with every reload; so nothing is kept for a client that is gone.
    config.ticketer = Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// Whom a listener trusts to say who a client is.
fn trust(listener: &config::Listener) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    if listener.policy.tls().client_certificate == ClientCertificate::Off {
        return Ok(None);
    }
    if listener.client_ca.is_empty() {
        return Err("its rules ask for client certificates: `client_ca` is missing".to_owned());
    }
    let roots = Arc::new(roots(&listener.client_ca)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&PROVIDER));
    verifier.build().map(Some).map_err(|error| error.to_string())
}

/// The certificates of CAs in these files.
fn roots(files: &[String]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for file in files {
        for certificate in certificate::chain(file)? {
            roots.add(certificate).map_err(|error| format!("{file}: {error}"))?;
        }
    }
    Ok(roots)
}

impl Calling {
    /// Those of a relay, if TLS is ever spoken with it.
    pub(super) fn of(relay: &config::Relay, keys: &Keys) -> Result<Option<Self>, String> {
        let verified = match relay.tls {
            RelayTls::None => return Ok(None),
            RelayTls::Opportunistic => false,
            RelayTls::Required => true,
        };
        let wrong = |reason: String| format!("relay `{}`: {reason}", relay.name);
        let terms = &relay.terms;
        let belief: Arc<dyn ServerCertVerifier> = match (verified, terms.pins.as_slice()) {
            (false, _) => Arc::new(Anyone::new(&PROVIDER)),
            (true, []) => authorities(&terms.ca).map_err(wrong)?,
            (true, pins) => Arc::new(Pinned::new(pins, &PROVIDER)),
        };
        let named = terms.certificate.as_deref().map(|name| keys.get(name)).transpose().map_err(wrong)?;
        let config = client(belief, named).map_err(|error| wrong(error.to_string()))?;
        let name = terms.name.clone().map(ServerName::try_from).transpose();
        let name = name.map_err(|_| wrong("`tls_name` is no host name".to_owned()))?;
        Ok(Some(Self { config: Arc::new(config), verified, name }))
    }

    /// How the one at an address is called; `host` is what the file calls it.
    pub(super) fn dial(&self, host: &config::Host) -> Option<Dialling> {
        let of_host = || match host {
            config::Host::Ip(ip) => Some(ServerName::from(*ip)),
            config::Host::Name(name) => ServerName::try_from(&**name).ok().map(|name| name.to_owned()),
        };
        let name = self.name.clone().or_else(of_host)?;
        Some(Dialling { config: Arc::clone(&self.config), name, verified: self.verified })
    }
}

fn client(
    verifier: Arc<dyn ServerCertVerifier>,
    own: Option<&Certificate>,
) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_protocol_versions(&[&TLS13, &TLS12])?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match own {
        Some(own) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from((*own.certified).clone())))
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::in_memory_sessions(RESUMABLE);
    Ok(config)
}

/// Verification by name and by CA: those of these files, or of the system.
fn authorities(files: &[String]) -> Result<Arc<WebPkiServerVerifier>, String> {
    let roots = if files.is_empty() { of_the_system()? } else { roots(files)? };
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&PROVIDER));
    verifier.build().map_err(|error| error.to_string())
}

fn of_the_system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    // One that cannot be read is not trusted, and nothing else follows from it.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("this system trusts no CA; say `tls_ca` or `tls_pin`".to_owned());
    }
    Ok(roots)
}
