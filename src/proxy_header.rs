//! What the PROXY protocol of `HAProxy` says: who the client is, said in front of everything else. Versions 1 and 2, as they
//! are read and as they are written; pure syntax.

mod read;
mod write;

pub use read::read;
pub use write::{Client, Tls, binary, line};

use std::net::SocketAddr;

/// What version 1 begins with, and how long it may be, CRLF included.
const NAME: &[u8] = b"PROXY ";
const LINE_MOST: usize = 107;

/// What version 2 begins with; behind it stand command, family and length.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const FIXED: usize = 16;

/// The longest header that is read, in octets: what a proxy has to say of a client is a tenth of it, certificates aside.
pub const MOST: usize = 2048;

/// Who the proxy speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A client, that called this address.
    Client {
        /// The client.
        client: SocketAddr,
        /// The address that it called.
        local: SocketAddr,
    },
    /// Itself (LOCAL), or it does not know (UNKNOWN): the socket's own addresses count.
    Nobody,
}

/// What octets are that came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// A header, so long.
    Header(Told, usize),
    /// The beginning of one: all of them belong to it.
    Incomplete,
    /// None at all.
    Absent,
    /// One that is none.
    Malformed,
}

impl Told {
    /// An IPv4 address in IPv6 is an IPv4 address, for rules and counts alike.
    fn new(client: SocketAddr, local: SocketAddr) -> Self {
        Self::Client { client: plain(client), local: plain(local) }
    }
}

fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests;
