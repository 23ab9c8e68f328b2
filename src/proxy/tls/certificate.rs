//! One certificate: what stands in it, and the key that goes with it.

use crate::proxy::config;
use ring::digest::{SHA256, digest};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use x509_cert::Certificate as X509;
use x509_cert::der::Decode;
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// More than any chain or key is.
const MOST: u64 = 1024 * 1024;
/// The longest name of a peer that is told on.
const NAME_MOST: usize = 253;

/// What stands in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The names it is for, in small letters; without any the common name of its subject.
    pub names: Vec<String>,
    /// Mailboxes that it is for.
    pub mailboxes: Vec<String>,
    /// Who issued it.
    pub issuer: String,
    /// From when it is valid, and until when, in seconds since 1970.
    pub not_before: u64,
    /// Until when.
    pub not_after: u64,
    /// The kind of its key.
    pub key: String,
    /// SHA-256 of its key (SPKI): what `tls_pin` and TLSA `3 1 1` name.
    pub pin: [u8; 32],
}

/// A certificate with its chain and its key, ready to be shown.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub(in crate::proxy) name: String,
    pub(in crate::proxy) certified: Arc<CertifiedKey>,
    /// What stands in it.
    pub description: Description,
}

impl Certificate {
    /// Reads chain and key. The error names the file.
    pub fn read(config: &config::Certificate) -> Result<Self, String> {
        let wrong = |reason: String| format!("certificate `{}`: {reason}", config.name);
        let chain = chain(&config.chain).map_err(wrong)?;
        let key = key(&config.key).map_err(wrong)?;
        Self::new(&config.name, chain, key).map_err(|error| {
            wrong(match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    format!("the key in {} is not that of the certificate in {}", config.key, config.chain)
                }
                error => format!("{} with {}: {error}", config.chain, config.key),
            })
        })
    }

    pub(in crate::proxy) fn new(
        name: &str,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, Error> {
        let first = chain.first().ok_or(Error::NoCertificatesPresented)?;
        let description = Description::of(first).map_err(Error::General)?;
        let certified = CertifiedKey::from_der(chain, key, &default_provider())?;
        Ok(Self { name: name.to_owned(), certified: Arc::new(certified), description })
    }
}

impl Description {
    /// Reads the first certificate of a file.
    pub fn read(path: &str) -> Result<Self, String> {
        let chain = chain(path)?;
        let first = chain.first().ok_or_else(|| format!("there is no certificate in {path}"))?;
        Self::of(first).map_err(|reason| format!("{path}: {reason}"))
    }

    fn of(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let read = X509::from_der(certificate).map_err(|error| format!("it is no certificate: {error}"))?;
        let body = read.tbs_certificate();
        let (mut names, mut mailboxes) = (Vec::new(), Vec::new());
        if let Ok(Some((_, alternatives))) = body.get_extension::<SubjectAltName>() {
            for alternative in alternatives.0 {
                match alternative {
                    GeneralName::DnsName(name) => names.push(name.as_str().to_ascii_lowercase()),
                    GeneralName::Rfc822Name(mailbox) => mailboxes.push(mailbox.as_str().to_owned()),
                    _ => {}
                }
            }
        }
        if names.is_empty()
            && mailboxes.is_empty()
            && let Ok(Some(common)) = body.subject().common_name()
        {
            names.push(common.value().to_ascii_lowercase());
        }
        let validity = body.validity();
        Ok(Self {
            names,
            mailboxes,
            issuer: body.issuer().to_string(),
            not_before: validity.not_before.to_unix_duration().as_secs(),
            not_after: validity.not_after.to_unix_duration().as_secs(),
            key: key_kind(body.subject_public_key_info()),
            pin: pin(certificate).ok_or("its key cannot be read")?,
        })
    }
}

/// SHA-256 of the key in a certificate.
pub(in crate::proxy) fn pin(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    digest(&SHA256, parsed.subject_public_key_info().as_ref()).as_ref().try_into().ok()
}

/// The name by which a peer is called that showed this.
pub(in crate::proxy) fn peer_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let description = Description::of(certificate).ok()?;
    let mut names = description.names.into_iter().chain(description.mailboxes);
    names.next().filter(|name| name.len() <= NAME_MOST && name.bytes().all(|octet| octet.is_ascii_graphic()))
}

/// The kind of a key, as people call it.
fn key_kind(key: &x509_cert::spki::SubjectPublicKeyInfoOwned) -> String {
    const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
    const CURVES: [(&str, ObjectIdentifier); 3] = [
        ("ECDSA P-256", ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7")),
        ("ECDSA P-384", ObjectIdentifier::new_unwrap("1.3.132.0.34")),
        ("ECDSA P-521", ObjectIdentifier::new_unwrap("1.3.132.0.35")),
    ];
    const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
    match key.algorithm.oid {
        RSA => {
            // Modulus and exponent.
            let numbers: Vec<UintRef<'_>> =
                Decode::from_der(key.subject_public_key.raw_bytes()).unwrap_or_default();
            let octets = numbers.first().map_or(0, |modulus| modulus.as_bytes().len());
            format!("RSA {}", octets.saturating_mul(8))
        }
        ED25519 => "Ed25519".to_owned(),
        other => {
            let parameters = key.algorithm.parameters.as_ref();
            let curve = parameters.and_then(|parameters| parameters.decode_as::<ObjectIdentifier>().ok());
            let known = CURVES.iter().find(|(_, oid)| Some(*oid) == curve);
            known.map_or_else(|| other.to_string(), |(name, _)| (*name).to_owned())
        }
    }
}

/// The certificates of a file, the first one's own in front.
pub(in crate::proxy) fn chain(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = octets(path)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = read.map_err(|error| format!("{path} is no PEM: {error}"))?;
    if chain.is_empty() { Err(format!("there is no certificate in {path}")) } else { Ok(chain) }
}

fn key(path: &str) -> Result<PrivateKeyDer<'static>, String> {
    let mut text = octets(path)?;
    let key = PrivateKeyDer::from_pem_slice(&text);
    text.fill(0);
    // Without this the writes to memory that nobody reads again may be left out.
    std::hint::black_box(&text);
    // The error is not told on: it might quote what it could not read.
    key.map_err(|_| format!("there is no private key in {path} (PEM, not encrypted)"))
}

fn octets(path: &str) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    let file = File::open(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    let read = file.take(MOST).read_to_end(&mut octets);
    read.map_err(|error| format!("cannot read {path}: {error}"))?;
    Ok(octets)
}

/// A certificate and a key that nobody knows, for who has none: it lasts as long as the process.
pub(in crate::proxy) fn ephemeral(name: &str) -> Result<Certificate, String> {
    let wrong = |error: rcgen::Error| format!("cannot make a certificate for {name}: {error}");
    // A name that no certificate can bear (an address literal) is left out.
    let names = vec![name.to_owned()];
    let params = rcgen::CertificateParams::new(names).or_else(|_| rcgen::CertificateParams::new(Vec::new()));
    let pair = rcgen::KeyPair::generate().map_err(wrong)?;
    let made = params.and_then(|params| params.self_signed(&pair)).map_err(wrong)?;
    let key = PrivateKeyDer::try_from(pair.serialize_der()).map_err(str::to_owned)?;
    Certificate::new("ephemeral", vec![made.der().clone()], key).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_certificate_is_read() {
        let made = ephemeral("MX.example.com").unwrap();
        let read = &made.description;
        assert_eq!(read.names, ["mx.example.com"]);
        assert_eq!(read.key, "ECDSA P-256");
        assert!(read.not_after > read.not_before);
        assert_eq!(peer_name(&made.certified.cert[0]).as_deref(), Some("mx.example.com"));
        assert!(ephemeral("[192.0.2.1]").is_ok());
    }
}
