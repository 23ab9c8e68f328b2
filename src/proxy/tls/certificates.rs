//! The certificates of a listener, and which of them a client gets.

use super::certificate::Certificate;
use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;

/// Those of a listener. A client gets the first that is for the name it asks for and with whose key it can do
/// something; one that asks for no name, or an unknown one, likewise of all (RFC 8461 6.1: the first, in short).
#[derive(Debug)]
pub(in crate::proxy) struct Certificates {
    all: Vec<Arc<CertifiedKey>>,
    /// By their names.
    named: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    /// Those for any one label in front of these names.
    below: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
}

impl Certificates {
    /// In the order in which they count.
    pub(in crate::proxy) fn new<'c>(certificates: impl Iterator<Item = &'c Certificate>) -> Self {
        let (mut all, mut named, mut below) = (Vec::new(), HashMap::<_, Vec<_>>::new(), HashMap::new());
        for Certificate { certified, description, .. } in certificates {
            all.push(Arc::clone(certified));
            for name in &description.names {
                let (book, name) = match name.strip_prefix("*.") {
                    Some(above) => (&mut below, above),
                    None => (&mut named, name.as_str()),
                };
                book.entry(name.into()).or_default().push(Arc::clone(certified));
            }
        }
        Self { all, named, below }
    }

    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let name = name.map(str::to_ascii_lowercase);
        let name = name.as_deref().map(|name| name.trim_end_matches('.'));
        let named = name.and_then(|name| self.named.get(name));
        let of_all = || {
            let (_, above) = name?.split_once('.')?;
            self.below.get(above)
        };
        let usable = |keys: &[Arc<CertifiedKey>]| {
            keys.iter().find(|certified| certified.key.choose_scheme(schemes).is_some()).cloned()
        };
        let of_name = named.or_else(of_all).and_then(|keys| usable(keys));
        // Where none will do, the first shows the library what is missing.
        of_name.or_else(|| usable(&self.all)).or_else(|| self.all.first().cloned())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::PrivateKeyDer;

    fn made(name: &str, names: &[&str]) -> Certificate {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let pair = rcgen::KeyPair::generate().unwrap();
        let made = rcgen::CertificateParams::new(names).unwrap().self_signed(&pair).unwrap();
        let key = PrivateKeyDer::try_from(pair.serialize_der()).unwrap();
        Certificate::new(name, vec![made.der().clone()], key).unwrap()
    }

    #[test]
    fn the_name_decides_then_the_wildcard_then_the_order() {
        let made = [
            made("first", &["mx.example.com"]),
            made("second", &["*.example.com", "MAIL.example.net"]),
            made("third", &["smtp.example.com"]),
        ];
        let certificates = Certificates::new(made.iter());
        let choose = |name| {
            let chosen = certificates.choose(name, &[SignatureScheme::ECDSA_NISTP256_SHA256]).unwrap();
            made.iter().find(|made| Arc::ptr_eq(&made.certified, &chosen)).unwrap().name.clone()
        };
        for (name, chosen) in [
            (None, "first"),
            (Some("unknown.test"), "first"),
            (Some("MX.example.com"), "first"),
            (Some("mail.example.net."), "second"),
            (Some("other.example.com"), "second"),
            (Some("smtp.example.com"), "third"),
            (Some("a.b.example.com"), "first"),
            (Some("example.com"), "first"),
        ] {
            assert_eq!(choose(name), chosen, "{name:?}");
        }
        // Nobody can do anything with any of them: the first says so.
        assert!(certificates.choose(None, &[SignatureScheme::RSA_PSS_SHA256]).is_some());
    }
}
