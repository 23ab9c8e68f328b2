//! What connections work with when it is their turn. A thread has one of each, because only one has its turn at a time.

use super::round;
use super::wire::Wire;
use crate::event::Side;
use crate::session::{CONTENT_ROOM, Moment, Output};
use std::cell::RefCell;
use std::task::Context;

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::new(Bench::default());
}

struct Bench {
    /// As much content as a session will look at in one call.
    buffer: Box<[u8]>,
    output: Output,
}

impl Default for Bench {
    fn default() -> Self {
        Self { buffer: vec![0; CONTENT_ROOM].into(), output: Output::default() }
    }
}

/// One turn of a connection.
pub(super) struct Turn<'t, 'c> {
    pub(super) cx: &'t mut Context<'c>,
    pub(super) now: Moment,
    pub(super) buffer: &'t mut [u8],
    pub(super) output: &'t mut Output,
    /// Whether the client, and the relay, have nothing more to say: what comes in now is known to the runtime only when the
    /// turn is over.
    silent: (bool, bool),
}

/// Gives a connection its turn.
pub(super) fn take<T>(cx: &mut Context<'_>, now: Moment, work: impl FnOnce(&mut Turn<'_, '_>) -> T) -> T {
    BENCH.with_borrow_mut(|Bench { buffer, output }| {
        work(&mut Turn { cx, now, buffer, output, silent: (false, false) })
    })
}

impl Turn<'_, '_> {
    /// Whether a side need not be asked again.
    pub(super) fn is_silent(&self, side: Side) -> bool {
        match side {
            Side::Client => self.silent.0,
            Side::Relay => self.silent.1,
        }
    }

    /// A side was asked, and has nothing more to say.
    pub(super) fn fell_silent(&mut self, side: Side) {
        *self.silence(side) = true;
    }

    /// There is a new socket on a side, which was not asked yet.
    pub(super) fn speaks(&mut self, side: Side) {
        *self.silence(side) = false;
    }

    /// Whether a side may have more to say. It is asked at most once.
    pub(super) fn hears_more(&mut self, side: Side, wire: &Wire) -> bool {
        if !self.is_silent(side) && wire.is_silent(self.cx) {
            self.fell_silent(side);
        }
        !self.is_silent(side)
    }

    /// Lets others have theirs before this connection has another. What they have to hear does not wait until it ends.
    pub(super) fn give_way(&mut self) {
        self.cx.waker().wake_by_ref();
        round::renew();
    }

    fn silence(&mut self, side: Side) -> &mut bool {
        match side {
            Side::Client => &mut self.silent.0,
            Side::Relay => &mut self.silent.1,
        }
    }
}
