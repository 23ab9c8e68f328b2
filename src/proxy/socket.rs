//! A socket, read from and written to by one system call each and nothing around it.
//!
//! The C library makes a point at which a thread may be cancelled of each of these calls, and the runtime asks three times
//! whether it may try what nearly always can be done. Here the kernel is called at once, and the runtime is asked only
//! when the kernel said no.

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// What follows on a socket after what is said now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Whatever comes.
    Open,
    /// The end of the stream, at once: both leave in one segment, and wake the peer once.
    End,
}

impl Next {
    fn flags(self) -> SendFlags {
        match self {
            Self::Open => SendFlags::NOSIGNAL,
            Self::End => SendFlags::NOSIGNAL | SendFlags::MORE,
        }
    }
}

/// Reads what there is, as far as there is room. Nothing: the stream is at its end.
pub(super) fn poll_read(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    room: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut tried = try_read(socket, room);
    while would_block(&tried) {
        ready!(socket.poll_read_ready(cx))?;
        tried = try_read(socket, room);
    }
    Poll::Ready(tried)
}

fn would_block(tried: &io::Result<usize>) -> bool {
    matches!(tried, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Less than there was room for is all there was. The runtime, which would have it asked once more, is told so.
fn try_read(socket: &TcpStream, room: &mut [u8]) -> io::Result<usize> {
    let mut some = None;
    let tried = socket.try_io(Interest::READABLE, || {
        let (octets, _) = recv(socket, &mut *room, RecvFlags::empty())?;
        if (1..room.len()).contains(&octets) {
            some = Some(octets);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(octets)
    });
    some.map_or(tried, Ok)
}

/// Writes the pieces, as far as the peer has room. One that is new has it, before the runtime knows of it.
pub(super) fn poll_write(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    pieces: &[IoSlice<'_>],
    next: Next,
) -> Poll<io::Result<usize>> {
    let call = || match pieces {
        [piece] => Ok(send(socket, piece, next.flags())?),
        pieces => Ok(sendmsg(socket, pieces, &mut SendAncillaryBuffer::default(), next.flags())?),
    };
    let mut tried = call();
    while would_block(&tried) {
        ready!(socket.poll_write_ready(cx))?;
        tried = socket.try_io(Interest::WRITABLE, call);
    }
    Poll::Ready(tried)
}
