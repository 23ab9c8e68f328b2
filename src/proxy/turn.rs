//! What connections work with when it is their turn. A thread has one of each, because only one has its turn at a time.

use crate::event::Side;
use crate::session::{Moment, Output};
use arrayvec::ArrayVec;
use std::cell::RefCell;
use std::task::Context;

/// The thread's buffer: as much content as a session will look at in one call.
const BUFFER: usize = 64 * 1024;

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::new(Bench::default());
}

struct Bench {
    buffer: Box<[u8]>,
    output: Output,
}

impl Default for Bench {
    fn default() -> Self {
        Self { buffer: vec![0; BUFFER].into(), output: Output::default() }
    }
}

/// One turn of a connection.
pub(super) struct Turn<'t, 'c> {
    pub(super) cx: &'t mut Context<'c>,
    pub(super) now: Moment,
    pub(super) buffer: &'t mut [u8],
    pub(super) output: &'t mut Output,
    /// The sides that have nothing more to say: what comes in now is known to the runtime only when the turn is over.
    silent: ArrayVec<Side, 2>,
}

/// Gives a connection its turn.
pub(super) fn take<T>(cx: &mut Context<'_>, now: Moment, work: impl FnOnce(&mut Turn<'_, '_>) -> T) -> T {
    BENCH.with_borrow_mut(|Bench { buffer, output }| {
        work(&mut Turn { cx, now, buffer, output, silent: ArrayVec::new() })
    })
}

impl Turn<'_, '_> {
    /// Whether a side need not be asked again.
    pub(super) fn is_silent(&self, side: Side) -> bool {
        self.silent.contains(&side)
    }

    /// A side was asked, and has nothing more to say.
    pub(super) fn fell_silent(&mut self, side: Side) {
        if !self.is_silent(side) {
            // There are two sides, and each stands here once.
            let _ = self.silent.try_push(side);
        }
    }

    /// There is a new socket on a side, which was not asked yet.
    pub(super) fn speaks(&mut self, side: Side) {
        self.silent.retain(|silent| *silent != side);
    }
}
