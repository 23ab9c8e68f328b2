//! Where a relay listens, as a file says it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Where a relay listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// What is in front of the port.
    pub host: Host,
    /// The port.
    pub port: u16,
}

/// The host of an [`Address`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name, looked up when a link is opened.
    Name(Arc<str>),
}

impl Address {
    /// Reads `192.0.2.1:25`, `[2001:db8::1]:25` or `ex2.corp.test:25`. Without a port it is 25.
    pub fn read(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Some(Self { host: Host::Ip(address.ip()), port: address.port() });
        }
        if let Ok(ip) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Some(Self { host: Host::Ip(ip), port: 25 });
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, port.parse().ok().filter(|port| *port > 0)?),
            None => (text, 25),
        };
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
        let is_name = !name.is_empty() && name.len() <= 253 && name.bytes().all(plain);
        is_name.then(|| Self { host: Host::Name(name.into()), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => write!(f, "{}", SocketAddr::new(*ip, self.port)),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_in_all_its_forms() {
        for (text, meaning) in [
            ("192.0.2.1:2525", "192.0.2.1:2525"),
            ("192.0.2.1", "192.0.2.1:25"),
            ("[2001:db8::1]:587", "[2001:db8::1]:587"),
            ("2001:db8::1", "[2001:db8::1]:25"),
            ("ex2.corp.test:25", "ex2.corp.test:25"),
            ("localhost", "localhost:25"),
        ] {
            assert_eq!(Address::read(text).map(|address| address.to_string()).as_deref(), Some(meaning));
        }
        for text in ["", ":25", "host:", "host:0", "host:99999", "two words:25", "a/b:25"] {
            assert_eq!(Address::read(text), None, "{text}");
        }
    }
}
