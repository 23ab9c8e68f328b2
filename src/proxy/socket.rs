//! A socket, read from and written to by one system call each and nothing around it.
//!
//! The C library makes a point at which a thread may be cancelled of each of these calls, and the runtime asks three times
//! whether it may try what nearly always can be done. Here the kernel is called at once, and the runtime is asked only
//! when the kernel said no.

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recv, send, sendmsg, shutdown};
use std::io::{self, IoSlice};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Waker, ready};
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

/// A socket, and how it is with what was posted to its peer. It has one thread at a time, and so has its post.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    letter: AtomicU8,
    /// Who posts to the peer: one task, for as long as it has the socket.
    sender: OnceLock<Waker>,
}

/// How it is with what was posted to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letter {
    /// Nothing was, or it was delivered.
    None,
    /// It is to be delivered: what is said now has to wait for that.
    Posted,
    /// It could not be delivered, or not all of it.
    Returned,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, letter: AtomicU8::new(0), sender: OnceLock::new() }
    }

    /// The socket alone.
    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// How it is with what was posted to its peer.
    pub(super) fn letter(&self) -> Letter {
        match self.letter.load(Ordering::Relaxed) {
            0 => Letter::None,
            1 => Letter::Posted,
            _ => Letter::Returned,
        }
    }

    pub(super) fn set_letter(&self, letter: Letter) {
        let number = match letter {
            Letter::None => 0,
            Letter::Posted => 1,
            Letter::Returned => 2,
        };
        self.letter.store(number, Ordering::Relaxed);
    }

    /// Something is posted to its peer by this task.
    pub(super) fn post(&self, cx: &Context<'_>) {
        self.sender.get_or_init(|| cx.waker().clone());
        self.set_letter(Letter::Posted);
    }

    /// What was posted comes back: whoever posted it is told.
    pub(super) fn give_back(&self) {
        self.set_letter(Letter::Returned);
        if let Some(sender) = self.sender.get() {
            sender.wake_by_ref();
        }
    }

    /// Says this, and gives what there is no room for.
    pub(super) fn say<'t>(&self, text: &'t [u8], next: Next) -> &'t [u8] {
        match send(&self.stream, text, next.flags()) {
            Ok(said) => text.get(said..).unwrap_or_default(),
            Err(Errno::AGAIN) => text,
            // It is broken: who reads from it hears of it.
            Err(_) => &[],
        }
    }

    /// Whether a read would find something.
    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_read_ready(cx).map(|_| ())
    }

    /// Reads what there is, as far as there is room. Nothing: the stream is at its end.
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut tried = self.try_read(room);
        while would_block(&tried) {
            ready!(self.stream.poll_read_ready(cx))?;
            tried = self.try_read(room);
        }
        Poll::Ready(tried)
    }

    /// Less than there was room for is all there was. The runtime, which would have it asked once more, is told so.
    fn try_read(&self, room: &mut [u8]) -> io::Result<usize> {
        let mut some = None;
        let tried = self.stream.try_io(Interest::READABLE, || {
            let (octets, _) = recv(&self.stream, &mut *room, RecvFlags::empty())?;
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
        &self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
        next: Next,
    ) -> Poll<io::Result<usize>> {
        let call = || match pieces {
            [piece] => Ok(send(&self.stream, piece, next.flags())?),
            pieces => Ok(sendmsg(&self.stream, pieces, &mut SendAncillaryBuffer::default(), next.flags())?),
        };
        let mut tried = call();
        while would_block(&tried) {
            ready!(self.stream.poll_write_ready(cx))?;
            tried = self.stream.try_io(Interest::WRITABLE, call);
        }
        Poll::Ready(tried)
    }

    /// Says that nothing more will be said.
    pub(super) fn shut(&self) -> io::Result<()> {
        Ok(shutdown(&self.stream, Shutdown::Write)?)
    }
}

fn would_block(tried: &io::Result<usize>) -> bool {
    matches!(tried, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}
