//! Certificates, clients and relays that speak TLS, for a test. The keys are made here; but for an RSA key, which takes
//! too long, and which guards nothing.

use crate::support::{Client, Relay, Talk};
use base64ct::{Base64, Encoding};
use gatepost::proxy::config::Certificate as Config;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, DigitallySignedStruct, Error, ServerConfig,
    ServerConnection, SideData, SignatureScheme, StreamOwned,
};
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const RSA: &str = include_str!("rsa-of-no-secret.pem");

/// A certificate with its key.
pub(crate) struct Pair {
    pub(crate) certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Pair {
    /// One that vouches for itself.
    pub(crate) fn own(names: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        let made = params(names).self_signed(&key).unwrap();
        Self { certificate: made.der().clone(), key: key.serialize_der() }
    }

    /// One that is valid from so many days on, and until so many; both may be past.
    pub(crate) fn for_days(names: &[&str], from: i64, until: i64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let day = |days: i64| {
            let seconds = now.checked_add_signed(days * 86_400).unwrap();
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
        };
        let (mut params, key) = (params(names), KeyPair::generate().unwrap());
        (params.not_before, params.not_after) = (day(from), day(until));
        let made = params.self_signed(&key).unwrap();
        Self { certificate: made.der().clone(), key: key.serialize_der() }
    }

    /// One with an RSA key.
    pub(crate) fn rsa(names: &[&str]) -> Self {
        let key = PrivatePkcs8KeyDer::from_pem_slice(RSA.as_bytes()).unwrap();
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_RSA_SHA256).unwrap();
        let made = params(names).self_signed(&pair).unwrap();
        Self { certificate: made.der().clone(), key: key.secret_pkcs8_der().to_vec() }
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.clone()).unwrap()
    }
}

fn params(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
}

/// Somebody who vouches for others.
pub(crate) struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = params(&[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn issue(&self, names: &[&str]) -> Pair {
        let key = KeyPair::generate().unwrap();
        let made = params(names).signed_by(&key, &self.issuer).unwrap();
        Pair { certificate: made.der().clone(), key: key.serialize_der() }
    }
}

/// A folder for the files of a test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("gatepost-tls-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes the files of a certificate.
    pub(crate) fn put(&self, name: &str, pair: &Pair) -> Config {
        let chain = self.write(&format!("{name}.pem"), "CERTIFICATE", &pair.certificate);
        let key = self.write(&format!("{name}.key"), "PRIVATE KEY", &pair.key);
        Config { name: name.to_owned(), chain, key }
    }

    /// The file of an authority.
    pub(crate) fn authority(&self, authority: &Authority) -> String {
        self.write("ca.pem", "CERTIFICATE", &authority.certificate)
    }

    fn write(&self, name: &str, label: &str, octets: &[u8]) -> String {
        let path = self.0.join(name);
        let lines = Base64::encode_string(octets);
        let lines: Vec<_> = lines.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        fs::write(&path, format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")))
            .unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A client that believes anyone, and can do no more than these signatures.
#[derive(Debug)]
struct Gullible(Vec<SignatureScheme>, Arc<CryptoProvider>);

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.1.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.1.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

/// What a client can do.
#[derive(Clone, Default)]
pub(crate) struct Abilities {
    pub(crate) only_tls12: bool,
    pub(crate) only_rsa: bool,
}

/// A client with these abilities, and this certificate if it has one.
pub(crate) fn able(abilities: &Abilities, own: Option<&Pair>) -> Arc<ClientConfig> {
    let provider = Arc::new(default_provider());
    let schemes = if abilities.only_rsa {
        vec![SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256]
    } else {
        provider.signature_verification_algorithms.supported_schemes()
    };
    let versions: &[_] = if abilities.only_tls12 { &[&TLS12] } else { &[&TLS12, &TLS13] };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible(schemes, provider)));
    Arc::new(match own {
        Some(own) => builder.with_client_auth_cert(vec![own.certificate.clone()], own.key()).unwrap(),
        None => builder.with_no_client_auth(),
    })
}

pub(crate) fn usual() -> Arc<ClientConfig> {
    able(&Abilities::default(), None)
}

/// What a client sees when TLS holds.
pub(crate) struct Seen {
    pub(crate) client: Client,
    /// The certificate that it was shown.
    pub(crate) certificate: CertificateDer<'static>,
}

/// The handshake of a client that has connected.
pub(crate) fn handshake(client: Client, config: &Arc<ClientConfig>, name: &str) -> io::Result<Seen> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    let mut stream = client.stream.try_clone()?;
    shake(&mut connection, &mut stream)?;
    let certificate = connection.peer_certificates().unwrap()[0].clone();
    Ok(Seen { client: client.over(StreamOwned::new(connection, stream)), certificate })
}

fn shake<C, S: SideData>(connection: &mut C, stream: &mut TcpStream) -> io::Result<()>
where
    C: Deref<Target = ConnectionCommon<S>> + DerefMut,
{
    while connection.is_handshaking() {
        connection.complete_io(stream)?;
    }
    stream.flush()
}

/// Greeting, EHLO, STARTTLS, handshake.
pub(crate) fn starttls(mut client: Client, config: &Arc<ClientConfig>, name: &str) -> io::Result<Seen> {
    client = client.greeted();
    client.expect("STARTTLS", "220");
    handshake(client, config, name)
}

/// How a relay deals with TLS.
#[derive(Clone)]
pub(crate) struct Manner {
    config: Arc<ServerConfig>,
    /// Before it says anything.
    implicit: bool,
    /// It says yes to STARTTLS, and then something that is no TLS.
    broken: bool,
}

impl Manner {
    pub(crate) fn with(pair: &Pair) -> Self {
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![pair.certificate.clone()], pair.key())
            .unwrap();
        Self { config: Arc::new(config), implicit: false, broken: false }
    }

    pub(crate) fn implicit(mut self) -> Self {
        self.implicit = true;
        self
    }

    pub(crate) fn broken(mut self) -> Self {
        self.broken = true;
        self
    }
}

/// A relay that has TLS. What it offers inside is larger than what it offers before, and what it hears there is noted as
/// `tls: …`.
pub(crate) fn secure_relay(manner: Manner) -> Relay {
    Relay::playing(move |talk| {
        if manner.implicit {
            return serve(talk, &manner, true);
        }
        talk.say("220 relay.test ESMTP");
        while let Some(line) = talk.hear() {
            match line.split(' ').next().unwrap() {
                "EHLO" => talk.say("250-relay.test\r\n250-STARTTLS\r\n250-PIPELINING\r\n250 SIZE 1000"),
                "STARTTLS" if manner.broken => {
                    talk.say("220 go ahead");
                    // The handshake has begun on the other side.
                    let _ = talk.wire.stream.read(&mut [0; 5]);
                    return talk.say("250 but this is no TLS");
                }
                "STARTTLS" => {
                    talk.say("220 go ahead");
                    return serve(talk, &manner, false);
                }
                "QUIT" => return talk.say("221 bye"),
                // A message that comes in clear after all.
                "MAIL" | "RCPT" => talk.say("250 fine"),
                "DATA" => {
                    talk.say("354 go on");
                    while talk.hear().is_some_and(|line| line != ".") {}
                    talk.say("250 queued");
                }
                _ => talk.say("500 what?"),
            }
        }
    })
}

fn serve(talk: &mut Talk, manner: &Manner, greets: bool) {
    let mut connection = ServerConnection::new(Arc::clone(&manner.config)).unwrap();
    let mut stream = talk.wire.stream.try_clone().unwrap();
    if shake(&mut connection, &mut stream).is_err() {
        return;
    }
    talk.secure(StreamOwned::new(connection, stream));
    talk.politely_in_tls(greets);
}

/// What both ends of a dialogue are read from and written to.
pub(crate) trait Both: Read + Write + Send {}
impl<T: Read + Write + Send> Both for T {}
