//! What a wire speaks over: a socket as it is, or TLS on it. The rest of the room does not know which.

use super::handshake::{Handshake, Part};
use crate::proxy::socket::{Next, Socket};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// What TLS may hold of octets that the peer has not taken: two records. (What it has read and not shown is at most one.)
pub(in crate::proxy) const OWED_MOST: usize = 32 * 1024;
/// What a TLS session holds while it is idle (measured: 7.6 KB), and what it keeps of its buffer after a large record.
const IDLE: usize = 8 * 1024;
const SWOLLEN: usize = 28 * 1024;
/// More plaintext in one read than what leaves the buffer of records small.
const SMALL: usize = 4 * 1024;

/// A socket, plain or not. Most wires are plain, and none is to grow for those that are not: there is one value that a
/// socket cannot have, so there are two variants, and the rest is apart.
#[derive(Debug)]
pub(in crate::proxy) enum Stream {
    Plain(Arc<Socket>),
    /// None: it is gone, and nothing comes of it.
    Apart(Option<Box<Apart>>),
}

/// What is more than a socket.
#[derive(Debug)]
pub(in crate::proxy) enum Apart {
    /// TLS is on its way: nothing is heard, and nothing said but what was to be said before.
    Shaking(Handshake),
    Secure(Secure),
}

/// TLS that holds.
#[derive(Debug)]
pub(in crate::proxy) struct Secure {
    stream: TlsStream<TcpStream>,
    /// Whether a large record has come.
    swollen: bool,
}

impl Secure {
    fn new(mut stream: TlsStream<TcpStream>) -> Self {
        match &mut stream {
            TlsStream::Client(client) => client.get_mut().1.set_buffer_limit(Some(OWED_MOST)),
            TlsStream::Server(server) => server.get_mut().1.set_buffer_limit(Some(OWED_MOST)),
        }
        Self { stream, swollen: false }
    }
}

impl Apart {
    fn poll_hear(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let Self::Secure(secure) = self else { return Poll::Pending };
        let mut room = ReadBuf::new(room);
        ready!(Pin::new(&mut secure.stream).poll_read(cx, &mut room))?;
        let octets = room.filled().len();
        secure.swollen |= octets > SMALL;
        Poll::Ready(Ok(octets))
    }
}

impl Stream {
    /// Without TLS.
    pub(in crate::proxy) fn plain(socket: TcpStream) -> Self {
        Self::Plain(Arc::new(Socket::new(socket)))
    }

    /// With TLS that holds.
    pub(in crate::proxy) fn secure(stream: TlsStream<TcpStream>) -> Self {
        Self::Apart(Some(Box::new(Apart::Secure(Secure::new(stream)))))
    }

    /// What a handshake leaves that failed: the socket, if it gave it back.
    pub(in crate::proxy) fn remains(socket: Option<TcpStream>) -> Self {
        socket.map_or(Self::Apart(None), Self::plain)
    }

    /// Begins a handshake. One that is plain no longer stays as it is, and one to whose peer a letter is on its way is gone.
    pub(in crate::proxy) fn shake(&mut self, part: Part) {
        *self = match std::mem::replace(self, Self::Apart(None)) {
            Self::Plain(socket) => Self::Apart(Arc::into_inner(socket).map(|socket| {
                let handshake = Handshake::new(socket.into_stream(), part);
                Box::new(Apart::Shaking(handshake))
            })),
            apart @ Self::Apart(_) => apart,
        };
    }

    /// It is another's now: who posted to the peer until now does so no longer.
    pub(in crate::proxy) fn hand_on(&mut self) {
        *self = match std::mem::replace(self, Self::Apart(None)) {
            Self::Plain(socket) => Self::remains(Arc::into_inner(socket).map(Socket::into_stream)),
            apart @ Self::Apart(_) => apart,
        };
    }

    /// The socket, if it is nothing else.
    pub(in crate::proxy) fn socket(&self) -> Option<&Arc<Socket>> {
        match self {
            Self::Plain(socket) => Some(socket),
            Self::Apart(_) => None,
        }
    }

    /// Whether it is a socket and nothing else.
    pub(in crate::proxy) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// The handshake that is on.
    pub(in crate::proxy) fn handshake(&mut self) -> Option<&mut Handshake> {
        match self.apart() {
            Some(Apart::Shaking(handshake)) => Some(handshake),
            Some(Apart::Secure(_)) | None => None,
        }
    }

    /// Reads what there is, as far as there is room. Nothing: it is at its end.
    #[inline]
    pub(in crate::proxy) fn poll_hear(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_read(cx, room),
            Self::Apart(Some(apart)) => apart.poll_hear(cx, room),
            Self::Apart(None) => Poll::Ready(Ok(0)),
        }
    }

    /// Writes the pieces, behind which this follows.
    pub(in crate::proxy) fn poll_say(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
        next: Next,
    ) -> Poll<io::Result<usize>> {
        if let Self::Plain(socket) = self {
            return socket.poll_write(cx, pieces, next);
        }
        Pin::new(self).poll_write_vectored(cx, pieces)
    }

    fn apart(&mut self) -> Option<&mut Apart> {
        match self {
            Self::Plain(_) => None,
            Self::Apart(apart) => apart.as_deref_mut(),
        }
    }

    fn secured(&self) -> Option<&Secure> {
        match self {
            Self::Apart(Some(apart)) => match &**apart {
                Apart::Secure(secure) => Some(secure),
                Apart::Shaking(_) => None,
            },
            Self::Plain(_) | Self::Apart(None) => None,
        }
    }

    /// Whether a read would find something; without looking, it might.
    pub(in crate::proxy) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Plain(socket) => socket.poll_read_ready(cx),
            // What was decrypted may wait inside.
            Self::Apart(_) => Poll::Ready(()),
        }
    }

    /// Whether it took octets that are not out yet.
    pub(in crate::proxy) fn owes(&self) -> bool {
        self.secured().is_some_and(|secure| secure.stream.get_ref().1.wants_write())
    }

    /// Memory that it holds: none while it is plain.
    pub(in crate::proxy) fn memory(&self) -> usize {
        match self {
            Self::Plain(_) | Self::Apart(None) => 0,
            Self::Apart(Some(_)) => {
                let swollen = self.secured().is_some_and(|secure| secure.swollen);
                if swollen { IDLE + SWOLLEN } else { IDLE }
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let octets = ready!(self.get_mut().poll_hear(cx, room.initialize_unfilled()))?;
        room.advance(octets);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Self::Plain(socket) = this {
            return socket.poll_write(cx, &[IoSlice::new(octets)], Next::Open);
        }
        match this.apart() {
            Some(Apart::Secure(secure)) => Pin::new(&mut secure.stream).poll_write(cx, octets),
            Some(Apart::Shaking(handshake)) => handshake.poll_write(cx, octets),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Self::Plain(socket) = this {
            return socket.poll_write(cx, pieces, Next::Open);
        }
        match this.apart() {
            Some(Apart::Secure(secure)) => Pin::new(&mut secure.stream).poll_write_vectored(cx, pieces),
            Some(Apart::Shaking(_)) | None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut().apart() {
            Some(Apart::Secure(secure)) => Pin::new(&mut secure.stream).poll_flush(cx),
            // A socket has nothing to flush.
            Some(Apart::Shaking(_)) | None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Self::Plain(socket) = this {
            return Poll::Ready(socket.shut());
        }
        match this.apart() {
            // With the alert that says so, or the peer would have to take it for an attack (RFC 8446 6.1).
            Some(Apart::Secure(secure)) => Pin::new(&mut secure.stream).poll_shutdown(cx),
            Some(Apart::Shaking(_)) | None => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_tls_is_no_larger_than_what_is_not() {
        assert_eq!(size_of::<Stream>(), 2 * size_of::<Arc<Socket>>());
    }
}
