//! Links that sessions have handed on, until others take them.
//!
//! One comes here when its turn ends, and goes from here when the next turn begins, which opens a new one only where there
//! is none, or dismisses one for it: those in use and those that wait together are never more than the relay is to have.

use super::config::Host;
use super::link::Counted;
use super::lock;
use super::means::Means;
use super::wire::{Pieces, Read, Wire};
use crate::session::{FAREWELL, Leg, Moment};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;
use tokio::time::sleep_until;

/// Those of a relay.
#[derive(Debug)]
pub(super) struct Spares {
    means: Arc<Means>,
    /// How long one is kept.
    wait: Duration,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The last to come is the first to be taken: what is not needed grows old at the front.
    spares: VecDeque<Spare>,
    /// Whether somebody sees to those that have grown old.
    kept: bool,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Spare {
    pub(super) wire: Wire,
    pub(super) relay: Counted,
    pub(super) host: Host,
    pub(super) leg: Leg,
    /// How many sessions had it.
    pub(super) sessions: u32,
    since: Moment,
    /// Whose runtime knows its socket: on another thread it works, but two have to be roused for it.
    thread: ThreadId,
}

impl Spares {
    pub(super) fn new(means: Arc<Means>, wait: Duration) -> Arc<Self> {
        Arc::new(Self { means, wait, waiting: Mutex::default() })
    }

    /// Keeps a link for whoever comes.
    pub(super) fn put(self: &Arc<Self>, (wire, relay, host): (Wire, Counted, Host), leg: Leg, sessions: u32) {
        let (since, thread) = (self.means.now(), thread::current().id());
        let mut waiting = lock(&self.waiting);
        waiting.spares.push_back(Spare { wire, relay, host, leg, sessions, since, thread });
        if !std::mem::replace(&mut waiting.kept, true) {
            tokio::spawn(keep(Arc::clone(self)));
        }
    }

    /// Takes one that lives, as far as anybody knows; of this thread, if there is one.
    pub(super) fn take(&self, cx: &mut Context<'_>) -> Option<Spare> {
        let here = thread::current().id();
        loop {
            let mut spare = {
                let spares = &mut lock(&self.waiting).spares;
                let of_here = spares.iter().rposition(|spare| spare.thread == here);
                spares.remove(of_here.or(spares.len().checked_sub(1))?)?
            };
            // A relay that says something now says goodbye, or is gone.
            if spare.wire.read(cx, &mut [0]) == Read::Nothing {
                return Some(spare);
            }
        }
    }

    /// A new link is opened although one may wait: the oldest makes room for it.
    pub(super) fn make_room(&self) {
        let oldest = lock(&self.waiting).spares.pop_front();
        if let Some(spare) = oldest {
            spare.dismiss(self.means.now());
        }
    }

    /// The relay has back what is older than that.
    pub(super) fn dismiss(&self, age: Duration) {
        let now = self.means.now();
        let is_old = |spare: &Spare| now.since(spare.since) >= age;
        let old: Vec<_> = {
            let spares = &mut lock(&self.waiting).spares;
            let count = spares.iter().take_while(|spare| is_old(spare)).count();
            spares.drain(..count).collect()
        };
        for spare in old {
            spare.dismiss(now);
        }
    }

    /// Since when the oldest waits. None: there are none, and nobody sees to them from now on.
    fn oldest(&self) -> Option<Moment> {
        let mut waiting = lock(&self.waiting);
        let oldest = waiting.spares.front().map(|spare| spare.since);
        waiting.kept = oldest.is_some();
        oldest
    }
}

impl Spare {
    fn dismiss(mut self, now: Moment) {
        // It is one write. A relay that does not take it at once is not told.
        let mut cx = Context::from_waker(Waker::noop());
        self.wire.send_last(&mut cx, now, &mut Pieces::from_iter([FAREWELL]));
        self.wire.close(&mut cx);
    }
}

/// Sees to those that grow old, as long as there are any.
async fn keep(spares: Arc<Spares>) {
    while let Some(oldest) = spares.oldest() {
        sleep_until(spares.means.instant(oldest + spares.wait)).await;
        spares.dismiss(spares.wait);
    }
}
