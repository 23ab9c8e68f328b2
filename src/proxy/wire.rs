//! One of a connection's two sockets, and what waits for it.

use super::means::Descriptor;
use crate::session::Moment;
use arrayvec::ArrayVec;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The most pieces that leave in one write.
pub(super) const PIECES: usize = 16;

/// Octets on their way to a side, in the order in which they leave.
pub(super) type Pieces<'a> = ArrayVec<&'a [u8], PIECES>;

/// A socket. While nothing waits it has no memory of its own.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    waiting: Option<Box<Waiting>>,
    hearing: Hearing,
    writing: Writing,
    descriptor: Descriptor,
}

/// What waits, in either direction.
#[derive(Debug, Default)]
struct Waiting {
    /// What the peer has not taken.
    pending: Vec<u8>,
    /// Since when it takes nothing of it.
    stuck: Moment,
    /// What the session has not taken.
    kept: Vec<u8>,
}

/// Whether the peer still speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hearing {
    Open,
    /// It will say nothing more.
    Ended,
    /// And the session knows.
    Told,
}

/// Whether it can be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Open,
    /// It broke: what would be said is dropped, and the reading side will tell.
    Broken,
}

/// What came of a read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// So many octets are in the buffer, those kept before included.
    Octets(usize),
    /// The peer will say nothing more.
    End,
    Nothing,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, descriptor: Descriptor) -> Self {
        Self { stream, waiting: None, hearing: Hearing::Open, writing: Writing::Open, descriptor }
    }

    /// The socket itself, where nothing else waits for it.
    pub(super) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Whether the first write will find room.
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        // A socket that is broken already says so at the first read.
        self.stream.poll_write_ready(cx).map(|_| ())
    }

    /// Whether nothing is known to have come that was not read.
    pub(super) fn is_silent(&self, cx: &mut Context<'_>) -> bool {
        self.stream.poll_read_ready(cx).is_pending()
    }

    /// Whether something waits for the peer.
    pub(super) fn is_pending(&self) -> bool {
        !self.pending().is_empty()
    }

    fn pending(&self) -> &[u8] {
        self.waiting.as_ref().map_or(&[], |waiting| &waiting.pending)
    }

    /// What the session has not taken.
    pub(super) fn kept(&self) -> &[u8] {
        self.waiting.as_ref().map_or(&[], |waiting| &waiting.kept)
    }

    /// Since when the peer takes nothing of what waits for it, if something does.
    pub(super) fn stuck_since(&self) -> Option<Moment> {
        self.waiting.as_ref().filter(|waiting| !waiting.pending.is_empty()).map(|waiting| waiting.stuck)
    }

    pub(super) fn hearing(&self) -> Hearing {
        self.hearing
    }

    /// The session was told that the peer has ended.
    pub(super) fn tell_end(&mut self) {
        self.hearing = Hearing::Told;
    }

    /// Memory that this side holds.
    pub(super) fn memory(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.pending.capacity() + waiting.kept.capacity())
    }

    /// Reads behind what is kept, into a buffer that is larger.
    pub(super) fn read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Read {
        if self.hearing != Hearing::Open {
            return Read::Nothing;
        }
        let kept = self.kept().len();
        if kept > 0 {
            // Looks before it copies.
            if self.stream.poll_read_ready(cx).is_pending() {
                return Read::Nothing;
            }
            if let Some(front) = buffer.get_mut(..kept) {
                front.copy_from_slice(self.kept());
            }
        }
        let Some(room) = buffer.get_mut(kept..).filter(|room| !room.is_empty()) else { return Read::Nothing };
        let mut room = ReadBuf::new(room);
        match Pin::new(&mut self.stream).poll_read(cx, &mut room) {
            Poll::Pending => Read::Nothing,
            Poll::Ready(Ok(())) if !room.filled().is_empty() => Read::Octets(kept + room.filled().len()),
            // A reset is an end like any other.
            Poll::Ready(_) => {
                self.hearing = Hearing::Ended;
                Read::End
            }
        }
    }

    /// Keeps what the session did not take; without any the memory is given back.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        match &mut self.waiting {
            None if rest.is_empty() => return,
            Some(waiting) if rest.is_empty() => waiting.kept = Vec::new(),
            waiting => {
                let waiting = waiting.get_or_insert_default();
                waiting.kept.clear();
                waiting.kept.extend_from_slice(rest);
            }
        }
        self.settle();
    }

    /// Gives back the memory of what no longer waits.
    fn settle(&mut self) {
        self.waiting.take_if(|waiting| waiting.pending.is_empty() && waiting.kept.is_empty());
    }

    /// Says what is in the pieces, and empties them. What the peer does not take waits.
    pub(super) fn send(&mut self, cx: &mut Context<'_>, now: Moment, pieces: &mut Pieces<'_>) {
        let mut written = 0;
        if !self.is_pending() && self.writing == Writing::Open && !pieces.is_empty() {
            match self.write(cx, pieces) {
                Poll::Ready(Ok(octets)) => written = octets,
                Poll::Ready(Err(_)) => self.writing = Writing::Broken,
                Poll::Pending => {}
            }
        }
        for piece in pieces.drain(..) {
            let rest = piece.get(written..).unwrap_or_default();
            written = written.saturating_sub(piece.len());
            if self.writing == Writing::Open && !rest.is_empty() {
                let waiting = self.waiting.get_or_insert_default();
                if waiting.pending.is_empty() {
                    waiting.stuck = now;
                }
                waiting.pending.extend_from_slice(rest);
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>, pieces: &Pieces<'_>) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        match pieces.as_slice() {
            [piece] => stream.poll_write(cx, piece),
            pieces => {
                let slices: ArrayVec<IoSlice<'_>, PIECES> =
                    pieces.iter().map(|piece| IoSlice::new(piece)).collect();
                stream.poll_write_vectored(cx, &slices)
            }
        }
    }

    /// Says more of what waits. True: all of it has gone.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>, now: Moment) -> bool {
        let Some(waiting) = &mut self.waiting else { return false };
        let mut gone = 0;
        while let Some(rest) = waiting.pending.get(gone..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(octets)) if octets > 0 => gone += octets,
                Poll::Ready(_) => {
                    self.writing = Writing::Broken;
                    gone = waiting.pending.len();
                }
                Poll::Pending => break,
            }
        }
        if gone == 0 {
            return false;
        }
        waiting.stuck = now;
        if gone < waiting.pending.len() {
            waiting.pending.drain(..gone);
            return false;
        }
        waiting.pending = Vec::new();
        self.settle();
        true
    }

    /// Says that nothing more will be said.
    pub(super) fn shut(&mut self, cx: &mut Context<'_>) {
        // It is one system call and never waits; a peer that is gone needs not be told.
        let _ = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.keep(&[]);
    }

    /// Takes the socket and what waits for it.
    pub(super) fn into_rest(self) -> (TcpStream, Vec<u8>, Descriptor) {
        let pending = self.waiting.map(|waiting| waiting.pending).unwrap_or_default();
        (self.stream, pending, self.descriptor)
    }
}
