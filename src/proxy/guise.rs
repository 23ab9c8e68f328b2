//! As whom a link comes to the relay: what is said of the client before anything else.

use crate::event::Secured;
use crate::proxy_header::{Client, Tls, binary, line};
use crate::session::{Identity, Session};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::OnceLock;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

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
        let local = session.called().unwrap_or(nowhere);
        match identity {
            Identity::None | Identity::Xclient => Self::Own,
            Identity::ProxyV1 => Self::Header(line(client, local).into()),
            Identity::ProxyV2 => {
                let tls = session.client_tls().map(tls);
                Self::Header(binary(Some(&Client { client, local, id: id.as_str(), tls })).into())
            }
            Identity::Transparent => Self::Client(client, port),
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
            Self::Own | Self::OwnLine | Self::Header(_) => connect(new(address)?, address).await?,
            Self::Client(client, Port::Any) => from(SocketAddr::new(client.ip(), 0), address).await?,
            Self::Client(client, Port::Kept) => match from(*client, address).await {
                Err(error) if is_taken(&error) => from(SocketAddr::new(client.ip(), 0), address).await?,
                called => called?,
            },
        };
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

/// How a sender that paces itself is called.
const PACED: &[u8] = b"bbr";
/// One that does not, and that everybody may use.
const UNPACED: &[u8] = b"reno";

/// Over loopback there is no path whose rate could be found out, and a timer for what could leave at once costs more than
/// to send it: twice as much for a large message, where BBR is what the system uses. It is the same for all sockets, so
/// only the first is asked.
fn unpace(socket: &Socket) {
    static PACES: OnceLock<bool> = OnceLock::new();
    let paces = || socket.tcp_congestion().is_ok_and(|name| name.starts_with(PACED));
    if *PACES.get_or_init(paces) {
        // Where it cannot be had mail goes on, at that cost.
        let _ = socket.set_tcp_congestion(UNPACED);
    }
}

/// A socket that can call this address.
fn new(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    // What is written is complete: there is nothing to wait for.
    socket.set_tcp_nodelay(true)?;
    if address.ip().is_loopback() {
        unpace(&socket);
    }
    Ok(socket)
}

/// Calls. A relay on this host has answered when the call is made, and need not be waited for.
async fn connect(socket: Socket, address: SocketAddr) -> io::Result<TcpStream> {
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => return Err(error),
        _ => {}
    }
    let has_answered = socket.peer_addr().is_ok();
    let stream = TcpStream::from_std(socket.into())?;
    if !has_answered {
        stream.writable().await?;
        stream.take_error()?.map_or(Ok(()), Err)?;
    }
    Ok(stream)
}

/// What a header says of TLS.
fn tls(secured: &Secured) -> Tls<'_> {
    Tls {
        version: secured.version.name(),
        cipher: secured.cipher,
        authority: secured.name.as_deref(),
        common_name: secured.peer.as_deref(),
    }
}

/// Calls from an address that may be somebody else's.
async fn from(own: SocketAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = new(address)?;
    be_transparent(&socket, own)?;
    socket.set_reuse_address(true)?;
    socket.bind(&own.into())?;
    connect(socket, address).await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_link_over_loopback_is_not_paced_whatever_the_system_does() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        for _ in 0..2 {
            let stream = Guise::Own.call(listener.local_addr().unwrap()).await.unwrap();
            assert!(!socket2::SockRef::from(&stream).tcp_congestion().unwrap().starts_with(PACED));
        }
    }
}
