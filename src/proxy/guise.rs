//! As whom a link comes to the relay: what is said of the client before anything else.

use crate::event::Secured;
use crate::session::{Identity, Session};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

/// What version 2 of the PROXY protocol begins with.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// As whom a link comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Guise {
    /// As the gate itself. What else there is to say the session says.
    Own,
    /// With this in front of everything else.
    Header(Box<[u8]>),
    /// As the gate itself, which a line in front says: version 1 has UNKNOWN for that, and Postfix does not take it.
    OwnLine,
    /// As the client: from its address, and from its port where that is free.
    Client(SocketAddr, Port),
}

/// The port of a link that comes from the client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// The client's own.
    Kept,
    /// Any: the client's is taken, by an earlier link or by what NAT remembers.
    Any,
}

/// A client, as a header tells of it.
struct Told<'c> {
    client: SocketAddr,
    local: SocketAddr,
    /// The name of its session.
    id: &'c str,
    tls: Option<&'c Secured>,
}

impl Guise {
    /// Of the gate, that only wants to know what is offered.
    pub(super) fn of_gate(identity: Identity) -> Self {
        match identity {
            Identity::None | Identity::Xclient | Identity::Transparent => Self::Own,
            Identity::ProxyV1 => Self::OwnLine,
            Identity::ProxyV2 => Self::Header(binary(None).into()),
        }
    }

    /// Of the client of this session.
    pub(super) fn of_client(identity: Identity, session: &Session, port: Port) -> Self {
        let (client, id) = session.who();
        let nowhere = match client.ip() {
            IpAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            IpAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let (client, local) = of_one_family(client, session.called().unwrap_or(nowhere));
        let told = || Told { client, local, id: id.as_str(), tls: session.client_tls() };
        match identity {
            Identity::None | Identity::Xclient => Self::Own,
            Identity::ProxyV1 => Self::Header(line(client, local).into()),
            Identity::ProxyV2 => Self::Header(binary(Some(&told())).into()),
            Identity::Transparent => Self::Client(session.who().0, port),
        }
    }

    /// Whether it can call this address: an IPv4 client cannot come to an IPv6 relay.
    pub(super) fn suits(&self, address: SocketAddr) -> bool {
        match self {
            Self::Own | Self::OwnLine | Self::Header(_) => true,
            Self::Client(client, _) => client.is_ipv4() == address.is_ipv4(),
        }
    }

    /// Calls this address, and says what is to be said first.
    pub(super) async fn call(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let mut stream = match self {
            Self::Own | Self::OwnLine | Self::Header(_) => TcpStream::connect(address).await?,
            Self::Client(client, Port::Any) => from(SocketAddr::new(client.ip(), 0), address).await?,
            Self::Client(client, Port::Kept) => match from(*client, address).await {
                Err(error) if is_taken(&error) => from(SocketAddr::new(client.ip(), 0), address).await?,
                called => called?,
            },
        };
        // What is written is complete: there is nothing to wait for.
        let _ = stream.set_nodelay(true);
        match self {
            Self::Header(header) => stream.write_all(header).await?,
            Self::OwnLine => {
                let (own, relay) = (stream.local_addr()?, stream.peer_addr()?);
                stream.write_all(&line(own, relay)).await?;
            }
            Self::Own | Self::Client(..) => {}
        }
        Ok(stream)
    }
}

/// Calls from an address that may be somebody else's.
async fn from(own: SocketAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(own), Type::STREAM, Some(Protocol::TCP))?;
    be_transparent(&socket, own)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&own.into())?;
    TcpSocket::from_std_stream(socket.into()).connect(address).await
}

/// Lets a socket have an address that is not this host's. It needs `CAP_NET_RAW` or `CAP_NET_ADMIN`.
pub(super) fn be_transparent(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(_) => socket.set_ip_transparent_v4(true),
        SocketAddr::V6(_) => socket.set_ip_transparent_v6(true),
    }
}

/// Whether links may come as clients: it is better known at the start than at the first mail.
pub(super) fn may_be_transparent() -> io::Result<()> {
    let own = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let socket = Socket::new(Domain::for_address(own), Type::STREAM, Some(Protocol::TCP))?;
    be_transparent(&socket, own)
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)
}

/// A header tells of two addresses of one family: an IPv4 address can be written in IPv6.
fn of_one_family(client: SocketAddr, local: SocketAddr) -> (SocketAddr, SocketAddr) {
    let plain = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let mapped = |address: SocketAddr| match address.ip() {
        IpAddr::V4(four) => SocketAddr::new(four.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    };
    let (client, local) = (plain(client), plain(local));
    if client.is_ipv4() == local.is_ipv4() { (client, local) } else { (mapped(client), mapped(local)) }
}

/// Version 1.
fn line(client: SocketAddr, local: SocketAddr) -> Vec<u8> {
    let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (client.ip(), local.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", client.port(), local.port()).into_bytes()
}

/// Version 2; nobody: the gate speaks for itself (LOCAL).
fn binary(told: Option<&Told<'_>>) -> Vec<u8> {
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
fn block(told: &Told<'_>) -> ([u8; 2], Vec<u8>) {
    let mut block = Vec::new();
    let mut family = 0x11;
    for address in [told.client.ip(), told.local.ip()] {
        match address {
            IpAddr::V4(four) => block.extend(four.octets()),
            IpAddr::V6(six) => {
                family = 0x21;
                block.extend(six.octets());
            }
        }
    }
    block.extend(told.client.port().to_be_bytes());
    block.extend(told.local.port().to_be_bytes());
    if let Some(tls) = told.tls {
        if let Some(name) = &tls.name {
            tlv(Kind::Authority, name.as_bytes(), &mut block);
        }
        tlv(Kind::Ssl, &ssl(tls), &mut block);
    }
    tlv(Kind::UniqueId, told.id.as_bytes(), &mut block);
    ([0x21, family], block)
}

/// What is said of TLS: who has it, whether a certificate was verified, then the version and so on.
fn ssl(tls: &Secured) -> Vec<u8> {
    const IN_TLS: u8 = 0x01;
    const WITH_CERTIFICATE: u8 = 0x02 | 0x04;
    let verified = tls.peer.is_some();
    let client = if verified { IN_TLS | WITH_CERTIFICATE } else { IN_TLS };
    let mut value = vec![client];
    value.extend(u32::from(!verified).to_be_bytes());
    tlv(Kind::Version, format!("TLSv{}", tls.version.name()).as_bytes(), &mut value);
    if let Some(name) = &tls.peer {
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

#[cfg(test)]
mod tests {
    use super::super::header::{self, Read};
    use super::*;
    use crate::policy::tls::TlsVersion;

    fn told<'c>(client: &str, local: &str, tls: Option<&'c Secured>) -> Told<'c> {
        let (client, local) = of_one_family(client.parse().unwrap(), local.parse().unwrap());
        Told { client, local, id: "7K2M9QXT", tls }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        for (client, local) in [
            ("192.0.2.9:50000", "198.51.100.1:25"),
            ("[2001:db8::9]:1", "[2001:db8::1]:65535"),
            ("192.0.2.9:50000", "[2001:db8::1]:25"),
            ("[::ffff:192.0.2.9]:50000", "198.51.100.1:25"),
        ] {
            let told = told(client, local, None);
            for header in [line(told.client, told.local), binary(Some(&told))] {
                let plain = |address: &str| {
                    let address: SocketAddr = address.parse().unwrap();
                    SocketAddr::new(address.ip().to_canonical(), address.port())
                };
                let expected = header::Told::Client { client: plain(client), local: plain(local) };
                assert_eq!(header::read(&header), Read::Header(expected, header.len()));
            }
        }
        let header = binary(None);
        assert_eq!(header::read(&header), Read::Header(header::Told::Nobody, header.len()));
    }

    #[test]
    fn tls_and_the_name_of_the_session_stand_behind_the_addresses() {
        let tls = Secured {
            version: TlsVersion::V1_3,
            cipher: "TLS_AES_128_GCM_SHA256",
            name: Some("mx.example".into()),
            peer: Some("client.example".into()),
            resumed: false,
        };
        let header = binary(Some(&told("192.0.2.9:50000", "198.51.100.1:25", Some(&tls))));
        let more = &header[16 + 12..];
        let sub = b"\x21\0\x07TLSv1.3\x22\0\x0eclient.example\x23\0\x16TLS_AES_128_GCM_SHA256";
        let ssl = [&[0x20, 0, u8::try_from(sub.len() + 5).unwrap(), 7, 0, 0, 0, 0][..], sub].concat();
        assert_eq!(more, [b"\x02\0\x0amx.example", &ssl[..], b"\x05\0\x087K2M9QXT"].concat());
        let unknown = Secured { peer: None, name: None, ..tls };
        let header = binary(Some(&told("192.0.2.9:50000", "198.51.100.1:25", Some(&unknown))));
        assert_eq!(&header[16 + 12 + 3..][..5], [1, 0, 0, 0, 1]);
    }
}
