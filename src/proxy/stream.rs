//! What a wire speaks over: a socket as it is, or TLS on it. The rest of the room does not know which.

use super::handshake::Handshake;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// What TLS may hold of octets that the peer has not taken: two records. (What it has read and not shown is at most one.)
pub(super) const OWED_MOST: usize = 32 * 1024;
/// What a TLS session holds while it is idle (measured: 7.4 KB), and what it keeps of its buffer after a large record.
const IDLE: usize = 8 * 1024;
const SWOLLEN: usize = 28 * 1024;
/// More plaintext in one read than what leaves the buffer of records small.
const SMALL: usize = 4 * 1024;

/// A socket, plain or not. Everything but the plain one is apart: most wires are plain, and none is to grow for those
/// that are not.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    /// TLS is on its way: nothing is heard, and nothing said but what was to be said before.
    Shaking(Box<Handshake>),
    Secure(Box<Secure>),
    /// Between two of the others; nothing comes of it.
    Gone,
}

/// TLS that holds.
#[derive(Debug)]
pub(super) struct Secure {
    stream: TlsStream<TcpStream>,
    /// Whether a large record has come.
    swollen: bool,
}

impl Secure {
    pub(super) fn new(mut stream: TlsStream<TcpStream>) -> Box<Self> {
        match &mut stream {
            TlsStream::Client(client) => client.get_mut().1.set_buffer_limit(Some(OWED_MOST)),
            TlsStream::Server(server) => server.get_mut().1.set_buffer_limit(Some(OWED_MOST)),
        }
        Box::new(Self { stream, swollen: false })
    }
}

impl Stream {
    /// Takes it, and leaves nothing.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Gone)
    }

    /// Whether a read would find something; without looking, it might.
    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Plain(tcp) => tcp.poll_read_ready(cx).map(|_| ()),
            // What was decrypted may wait inside.
            Self::Secure(_) => Poll::Ready(()),
            Self::Shaking(_) | Self::Gone => Poll::Pending,
        }
    }

    /// Whether the first write will find room.
    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            // A socket that is broken already says so at the first read.
            Self::Plain(tcp) => tcp.poll_write_ready(cx).map(|_| ()),
            Self::Shaking(_) | Self::Secure(_) | Self::Gone => Poll::Ready(()),
        }
    }

    /// Whether it took octets that are not out yet.
    pub(super) fn owes(&self) -> bool {
        matches!(self, Self::Secure(secure) if secure.stream.get_ref().1.wants_write())
    }

    /// Memory that it holds: none while it is plain.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Plain(_) | Self::Gone => 0,
            Self::Shaking(_) => IDLE,
            Self::Secure(secure) if secure.swollen => IDLE + SWOLLEN,
            Self::Secure(_) => IDLE,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, room),
            Self::Secure(secure) => {
                let before = room.filled().len();
                let polled = Pin::new(&mut secure.stream).poll_read(cx, room);
                secure.swollen |= room.filled().len().saturating_sub(before) > SMALL;
                polled
            }
            Self::Shaking(_) => Poll::Pending,
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, octets),
            Self::Secure(secure) => Pin::new(&mut secure.stream).poll_write(cx, octets),
            Self::Shaking(handshake) => handshake.poll_write(cx, octets),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, pieces),
            Self::Secure(secure) => Pin::new(&mut secure.stream).poll_write_vectored(cx, pieces),
            Self::Shaking(_) | Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Secure(secure) => Pin::new(&mut secure.stream).poll_flush(cx),
            // A socket has nothing to flush.
            Self::Plain(_) | Self::Shaking(_) | Self::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            // With the alert that says so, or the peer would have to take it for an attack (RFC 8446 6.1).
            Self::Secure(secure) => Pin::new(&mut secure.stream).poll_shutdown(cx),
            Self::Shaking(_) | Self::Gone => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_tls_is_no_larger_than_what_is_not() {
        assert_eq!(size_of::<Stream>(), size_of::<TcpStream>());
    }
}
