//! Writing who the client is.

use super::{SIGNATURE, plain};
use std::net::{IpAddr, SocketAddr};

/// A client, as a header tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Client<'c> {
    /// The client.
    pub client: SocketAddr,
    /// The address that it called.
    pub local: SocketAddr,
    /// The name of its session.
    pub id: &'c str,
    /// None: it speaks in clear.
    pub tls: Option<Tls<'c>>,
}

/// What is known of its TLS.
#[derive(Clone, Copy, Debug)]
pub struct Tls<'c> {
    /// `1.3`
    pub version: &'c str,
    /// The cipher suite, by its name at IANA.
    pub cipher: &'c str,
    /// The server name that it asked for.
    pub authority: Option<&'c str>,
    /// The name in its certificate, which was verified; none: it showed none.
    pub common_name: Option<&'c str>,
}

/// A header tells of two addresses of one family: an IPv4 address can be written in IPv6.
fn of_one_family(client: SocketAddr, local: SocketAddr) -> (SocketAddr, SocketAddr) {
    let mapped = |address: SocketAddr| match address.ip() {
        IpAddr::V4(four) => SocketAddr::new(four.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    };
    let (client, local) = (plain(client), plain(local));
    if client.is_ipv4() == local.is_ipv4() { (client, local) } else { (mapped(client), mapped(local)) }
}

/// Version 1.
pub fn line(client: SocketAddr, local: SocketAddr) -> Vec<u8> {
    let (client, local) = of_one_family(client, local);
    let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (client.ip(), local.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", client.port(), local.port()).into_bytes()
}

/// Version 2; nobody: whoever writes it speaks for itself (LOCAL).
pub fn binary(told: Option<&Client<'_>>) -> Vec<u8> {
    const LOCAL: [u8; 2] = [0x20, 0x00];
    let (kind, block) = match told {
        None => (LOCAL, Vec::new()),
        Some(told) => block(told),
    };
    // Names are bounded: it is a few hundred octets.
    let length = u16::try_from(block.len()).unwrap_or_default();
    [SIGNATURE, &kind, &length.to_be_bytes(), &block].concat()
}

/// Command and family; then addresses, ports, and what else there is to say.
fn block(told: &Client<'_>) -> ([u8; 2], Vec<u8>) {
    let (client, local) = of_one_family(told.client, told.local);
    let mut block = Vec::new();
    let mut family = 0x11;
    for address in [client.ip(), local.ip()] {
        match address {
            IpAddr::V4(four) => block.extend(four.octets()),
            IpAddr::V6(six) => {
                family = 0x21;
                block.extend(six.octets());
            }
        }
    }
    block.extend(client.port().to_be_bytes());
    block.extend(local.port().to_be_bytes());
    if let Some(tls) = &told.tls {
        if let Some(name) = tls.authority {
            tlv(Kind::Authority, name.as_bytes(), &mut block);
        }
        tlv(Kind::Ssl, &ssl(tls), &mut block);
    }
    tlv(Kind::UniqueId, told.id.as_bytes(), &mut block);
    ([0x21, family], block)
}

/// What is said of TLS: who has it, whether a certificate was verified, then the version and so on.
fn ssl(tls: &Tls<'_>) -> Vec<u8> {
    const IN_TLS: u8 = 0x01;
    const WITH_CERTIFICATE: u8 = 0x02 | 0x04;
    let verified = tls.common_name.is_some();
    let client = if verified { IN_TLS | WITH_CERTIFICATE } else { IN_TLS };
    let mut value = vec![client];
    value.extend(u32::from(!verified).to_be_bytes());
    tlv(Kind::Version, format!("TLSv{}", tls.version).as_bytes(), &mut value);
    if let Some(name) = tls.common_name {
        tlv(Kind::CommonName, name.as_bytes(), &mut value);
    }
    tlv(Kind::Cipher, tls.cipher.as_bytes(), &mut value);
    value
}

/// What a TLV may be.
#[derive(Clone, Copy)]
enum Kind {
    Authority,
    UniqueId,
    Ssl,
    Version,
    CommonName,
    Cipher,
}

impl Kind {
    const fn number(self) -> u8 {
        match self {
            Self::Authority => 0x02,
            Self::UniqueId => 0x05,
            Self::Ssl => 0x20,
            Self::Version => 0x21,
            Self::CommonName => 0x22,
            Self::Cipher => 0x23,
        }
    }
}

/// Type, length, value.
fn tlv(kind: Kind, value: &[u8], out: &mut Vec<u8>) {
    // What has no room in its length is left out.
    if let Ok(length) = u16::try_from(value.len()) {
        out.push(kind.number());
        out.extend(length.to_be_bytes());
        out.extend(value);
    }
}
