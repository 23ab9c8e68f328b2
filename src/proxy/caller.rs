//! How a connection comes in: from whom, and with which header in front.

use super::config::Accept;
use super::guise::Port;
use super::means::Descriptor;
use crate::event::ProxyHeader;
use crate::proxy_header::{self, Read, Told};
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a header may take.
const HEADER_WAIT: Duration = Duration::from_secs(5);

/// Whoever has called.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) stream: TcpStream,
    pub(super) descriptor: Descriptor,
    /// The client: the peer, or for whom it speaks.
    pub(super) client: SocketAddr,
    /// The address that the client called; none: the socket knows.
    pub(super) local: Option<SocketAddr>,
    /// That of the first link, where it comes from the client's address.
    pub(super) port: Port,
}

impl Caller {
    /// From a peer that speaks for itself, as far as is known.
    pub(super) fn new(stream: TcpStream, descriptor: Descriptor, peer: SocketAddr) -> Self {
        // An IPv4 client of an IPv6 socket is an IPv4 client, for rules and counts alike.
        let client = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        Self { stream, descriptor, client, local: None, port: Port::Kept }
    }

    /// Whether it called somebody else than the gate, which listens on `own`; whom, is known from now on. A link to the
    /// gate's own address would be its own next client.
    pub(super) fn was_intercepted(&mut self, accept: &Accept, own: SocketAddr) -> bool {
        let Ok(local) = self.stream.local_addr() else { return false };
        self.local = if *accept == Accept::Redirect {
            // The client's port is taken by what NAT remembers: a link from it would never be answered.
            self.port = Port::Any;
            let socket = SockRef::from(&self.stream);
            let called =
                if self.client.is_ipv4() { socket.original_dst_v4() } else { socket.original_dst_v6() };
            called.ok().and_then(|called| called.as_socket()).filter(|called| *called != local)
        } else {
            Some(local).filter(|called| *called != own)
        };
        self.local.is_some()
    }

    /// Takes the PROXY header off, and not an octet more: what stands behind it may be TLS.
    pub(super) async fn take_header(&mut self) -> ProxyHeader {
        match timeout(HEADER_WAIT, header(&mut self.stream)).await {
            Ok(Ok(Told::Client { client, local })) => {
                (self.client, self.local) = (client, Some(local));
                ProxyHeader::Client
            }
            Ok(Ok(Told::Nobody)) => ProxyHeader::Nobody,
            Ok(Err(why)) => why,
            Err(_) => ProxyHeader::TimedOut,
        }
    }
}

async fn header(stream: &mut TcpStream) -> Result<Told, ProxyHeader> {
    let closed = |_: io::Error| ProxyHeader::Closed;
    let mut buffer = vec![0; proxy_header::MOST];
    let mut taken: usize = 0;
    loop {
        // It is looked at before it is taken: all that is taken must be of the header.
        let room = buffer.get_mut(taken..).unwrap_or_default();
        let seen = taken.saturating_add(stream.peek(room).await.map_err(closed)?);
        if seen == taken {
            return Err(ProxyHeader::Closed);
        }
        let (upto, told) = match proxy_header::read(buffer.get(..seen).unwrap_or_default()) {
            Read::Header(told, length) => (length, Some(told)),
            Read::Incomplete => (seen, None),
            Read::Absent => return Err(ProxyHeader::Absent),
            Read::Malformed => return Err(ProxyHeader::Malformed),
        };
        let piece = buffer.get_mut(taken..upto).unwrap_or_default();
        stream.read_exact(piece).await.map_err(closed)?;
        taken = upto;
        if let Some(told) = told {
            return Ok(told);
        }
    }
}
