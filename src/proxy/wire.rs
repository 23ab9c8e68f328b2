//! One of a connection's two sockets, and what waits for it.

use super::means::Descriptor;
use super::post;
use super::socket::{Letter, Next};
use super::tls::{Failed, Part, Stream};
use crate::event::{Secured, Side};
use crate::session::Moment;
use arrayvec::ArrayVec;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

/// The most pieces that leave in one write.
pub(super) const PIECES: usize = 16;

/// Octets on their way to a side, in the order in which they leave.
pub(super) type Pieces<'a> = ArrayVec<&'a [u8], PIECES>;

/// A socket. While nothing waits it has no memory of its own.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
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
    /// Since when it takes nothing of what was said, if something of it is not out.
    stuck: Option<Moment>,
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
    pub(super) fn new(socket: TcpStream, descriptor: Descriptor) -> Self {
        let stream = Stream::plain(socket);
        Self { stream, waiting: None, hearing: Hearing::Open, writing: Writing::Open, descriptor }
    }

    /// The stream itself, where nothing else waits for it.
    pub(super) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// From here on a handshake is on: it begins once what waits is out. What was kept is forgotten: it came before, and
    /// whoever put it there is not the one with whom TLS will hold (RFC 3207 4.2).
    pub(super) fn secure(&mut self, part: Part) {
        self.hurry();
        self.keep(&[]);
        self.stream.shake(part);
    }

    /// Goes on with it; the buffer is there to look into.
    pub(super) fn poll_secure(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<Box<Secured>, Failed>> {
        if self.stream.is_plain() || self.is_pending() {
            return Poll::Pending;
        }
        let Some(handshake) = self.stream.handshake() else { return Poll::Pending };
        Poll::Ready(match ready!(handshake.poll(cx, buffer)) {
            Ok((stream, secured)) => {
                self.stream = Stream::secure(stream);
                Ok(secured)
            }
            Err(mut failed) => {
                self.stream = Stream::remains(failed.socket.take());
                self.mute();
                Err(failed)
            }
        })
    }

    /// Nothing more is said on it.
    pub(super) fn mute(&mut self) {
        self.writing = Writing::Broken;
    }

    /// Whether nothing is known to have come that was not read.
    pub(super) fn is_silent(&self, cx: &mut Context<'_>) -> bool {
        self.stream.poll_read_ready(cx).is_pending()
    }

    /// Whether it is a socket on which nothing waits, and whose end the session need not be told.
    pub(super) fn rests(&self) -> bool {
        let waits = self.waiting.is_some() || self.has_returned();
        !waits && self.stream.is_plain() && self.hearing != Hearing::Ended
    }

    /// Whether something waits for the peer.
    pub(super) fn is_pending(&self) -> bool {
        !self.pending().is_empty() || self.owes() || self.has_returned()
    }

    /// Whether something that was posted came back.
    fn has_returned(&self) -> bool {
        self.stream.socket().is_some_and(|socket| socket.letter() == Letter::Returned)
    }

    /// Whether what was said is not out, although nobody here has it any more.
    fn owes(&self) -> bool {
        self.writing == Writing::Open && self.stream.owes()
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
        self.waiting.as_ref().and_then(|waiting| waiting.stuck)
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
        let waiting =
            self.waiting.as_ref().map_or(0, |waiting| waiting.pending.capacity() + waiting.kept.capacity());
        waiting + self.stream.memory()
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
        match self.stream.poll_hear(cx, room) {
            Poll::Pending => Read::Nothing,
            Poll::Ready(Ok(octets @ 1..)) => Read::Octets(kept + octets),
            // A reset is an end like any other.
            Poll::Ready(_) => {
                self.hearing = Hearing::Ended;
                Read::End
            }
        }
    }

    /// Keeps what the session did not take; without any the memory is given back.
    #[inline]
    pub(super) fn keep(&mut self, rest: &[u8]) {
        // Nearly always it took all.
        if self.waiting.is_some() || !rest.is_empty() {
            self.keep_rest(rest);
        }
    }

    fn keep_rest(&mut self, rest: &[u8]) {
        match &mut self.waiting {
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
        let owes = self.owes();
        self.waiting.take_if(|waiting| !owes && waiting.pending.is_empty() && waiting.kept.is_empty());
    }

    /// Says what is in the pieces, and empties them, when all who came at once have been heard, if it is short. Where the
    /// end is next the wire may be closed at once: what is posted goes out first.
    #[inline]
    pub(super) fn post(
        &mut self,
        to: (Side, Next),
        cx: &mut Context<'_>,
        now: Moment,
        pieces: &mut Pieces<'_>,
    ) {
        if !pieces.is_empty() {
            self.post_all(to, cx, now, pieces);
        }
    }

    fn post_all(
        &mut self,
        (side, next): (Side, Next),
        cx: &mut Context<'_>,
        now: Moment,
        pieces: &mut Pieces<'_>,
    ) {
        let free = !self.is_pending() && self.writing == Writing::Open;
        match self.stream.socket().filter(|_| free) {
            Some(socket) if post::post((side, socket), pieces, next, cx) => pieces.clear(),
            _ => self.send_all(cx, now, pieces, next),
        }
    }

    /// What was posted is said now. What comes back of it waits.
    pub(super) fn hurry(&mut self) {
        let Some(socket) = self.stream.socket() else { return };
        if socket.letter() == Letter::Posted {
            post::deliver();
        }
        if socket.letter() == Letter::Returned {
            let returned = post::take_returned(socket);
            self.waiting.get_or_insert_default().pending.extend_from_slice(&returned);
        }
    }

    /// It is for another task from now on, which may have another thread, with a post of its own.
    pub(super) fn hand_on(&mut self) {
        self.hurry();
        self.stream.hand_on();
    }

    /// Says what is in the pieces at once, and empties them. What the peer does not take waits.
    #[inline]
    pub(super) fn send(&mut self, cx: &mut Context<'_>, now: Moment, pieces: &mut Pieces<'_>) {
        if !pieces.is_empty() {
            self.send_all(cx, now, pieces, Next::Open);
        }
    }

    /// The same, and nothing more is said: it is closed, or shut, at once.
    pub(super) fn send_last(&mut self, cx: &mut Context<'_>, now: Moment, pieces: &mut Pieces<'_>) {
        if !pieces.is_empty() {
            self.send_all(cx, now, pieces, Next::End);
        }
    }

    fn send_all(&mut self, cx: &mut Context<'_>, now: Moment, pieces: &mut Pieces<'_>, next: Next) {
        self.hurry();
        let mut written = 0;
        if !self.is_pending() && self.writing == Writing::Open {
            match self.write(cx, pieces, next) {
                Poll::Ready(Ok(octets)) => written = octets,
                Poll::Ready(Err(_)) => self.writing = Writing::Broken,
                Poll::Pending => {}
            }
        }
        for piece in &*pieces {
            let rest = piece.get(written..).unwrap_or_default();
            written = written.saturating_sub(piece.len());
            if self.writing == Writing::Open && !rest.is_empty() {
                self.waiting.get_or_insert_default().pending.extend_from_slice(rest);
            }
        }
        pieces.clear();
        if self.is_pending() {
            self.waiting.get_or_insert_default().stuck.get_or_insert(now);
        }
    }

    fn write(&mut self, cx: &mut Context<'_>, pieces: &Pieces<'_>, next: Next) -> Poll<io::Result<usize>> {
        match pieces.as_slice() {
            [piece] => self.stream.poll_say(cx, &[IoSlice::new(piece)], next),
            pieces => {
                let slices: ArrayVec<_, PIECES> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
                self.stream.poll_say(cx, &slices, next)
            }
        }
    }

    /// Says more of what waits. True: all of it has gone.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>, now: Moment) -> bool {
        if !self.is_pending() {
            return false;
        }
        self.hurry();
        let gone = self.flush_pending(cx);
        if let Some(waiting) = self.waiting.as_mut().filter(|_| gone > 0) {
            waiting.stuck = Some(now);
            waiting.pending.drain(..gone);
        }
        let owed = self.pending().is_empty() && self.owes();
        if owed && matches!(Pin::new(&mut self.stream).poll_flush(cx), Poll::Ready(Err(_))) {
            self.mute();
        }
        if self.is_pending() {
            self.waiting.get_or_insert_default().stuck.get_or_insert(now);
            return false;
        }
        if let Some(waiting) = &mut self.waiting {
            (waiting.pending, waiting.stuck) = (Vec::new(), None);
        }
        self.settle();
        true
    }

    /// How many octets of what waits have gone.
    fn flush_pending(&mut self, cx: &mut Context<'_>) -> usize {
        let Some(waiting) = &self.waiting else { return 0 };
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
        gone
    }

    /// Closes it. A socket alone says so by itself.
    pub(super) fn close(mut self, cx: &mut Context<'_>) {
        if !self.stream.is_plain() {
            self.shut(cx);
        }
    }

    /// Says that nothing more will be said.
    pub(super) fn shut(&mut self, cx: &mut Context<'_>) {
        self.hurry();
        // It is one system call and never waits; a peer that is gone needs not be told.
        let _ = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.keep(&[]);
    }

    /// Takes the stream and what waits for it.
    pub(super) fn into_rest(mut self) -> (Stream, Vec<u8>, Descriptor) {
        self.hurry();
        let pending = self.waiting.map(|waiting| waiting.pending).unwrap_or_default();
        (self.stream, pending, self.descriptor)
    }
}
