//! Things to do, in order: what a session hands to its driver.

use crate::event::{Event, Side};
use crate::policy::allowance::Charge;
use crate::session::link::Leg;
use crate::session::offer::Offer;
use crate::session::question::Question;
use crate::smtp::mail_data::Piece;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// What the driver is to do. The order counts.
#[derive(Debug)]
pub enum Action {
    /// Send these octets to a side.
    Send {
        /// To whom.
        to: Side,
        /// Which octets; [`Output::octets`] finds them.
        what: Octets,
    },
    /// Open a link to the relay, or take one that was handed on; the answer is
    /// [`Happening::LinkOpened`](crate::session::Happening), `LinkHandedOn` or `LinkFailed`.
    OpenLink(Choice),
    /// Close the link as it stands, once what was sent is out.
    CloseLink,
    /// The link is not needed any more, and is as good as new: a session to come may have it. Whoever closes it says
    /// [`FAREWELL`](crate::session::FAREWELL) first.
    HandOn(Leg),
    /// Close the client's connection, once what was sent is out. The session is over.
    CloseClient(Linger),
    /// Once what was sent to this side is out, the handshake begins there: the gate is the server of a client and the
    /// client of a relay. The answer is [`Happening::Secured`](crate::session::Happening) or `NotSecured`; until then
    /// nothing is read from it. Octets that came before the handshake are an attack, and the session has seen to them.
    StartTls(Side),
    /// From here on octets go both ways uninspected, until a side ends: bounded in time, and counted as such.
    PassThrough,
    /// The answer is [`Happening::Answered`](crate::session::Happening).
    Ask(Question),
    /// Take this from an allowance, as far as there is; nobody waits for it.
    Charge(Charge),
    /// The client is not let in for so long.
    Ban(Duration),
    /// What the relay offers, for sessions to come.
    Learn(Arc<Offer>),
    /// Tell telemetry.
    Tell(Event),
}

/// Which link will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Any, also one that an earlier session has handed on.
    Any,
    /// One on which nothing was said.
    New,
}

/// What a client that is closed may still say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linger {
    /// Whatever it had on its way: shut the sending side, read on for a short while so that no reset eats the last
    /// reply, then close.
    Heard,
    /// Nothing: it said QUIT, after which nothing may follow (RFC 5321 4.1.1.10).
    Done,
}

/// Octets to send: of the input of this call, or of the output's own scratch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Octets {
    /// A range of the input that was shown in this call.
    Input(Range<usize>),
    /// A range of [`Output::scratch`].
    Scratch(Range<usize>),
}

/// Collects actions. One per thread serves all its sessions: a session owns no buffer.
#[derive(Debug, Default)]
pub struct Output {
    actions: Vec<Action>,
    scratch: Vec<u8>,
    /// Nothing is joined to actions in front of it.
    fence: usize,
}

impl Output {
    /// Takes the actions of the last call out, in order. The scratch stays until [`clear`](Self::clear).
    pub fn actions(&mut self) -> std::vec::Drain<'_, Action> {
        self.actions.drain(..)
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Finds octets to send; `input` is what was shown in this call.
    pub fn octets<'a>(scratch: &'a [u8], input: &'a [u8], what: &Octets) -> &'a [u8] {
        match what {
            Octets::Input(range) => input.get(range.clone()),
            Octets::Scratch(range) => scratch.get(range.clone()),
        }
        .unwrap_or_default()
    }

    /// Splits into actions and the scratch that they refer to.
    pub fn parts(&mut self) -> (std::vec::Drain<'_, Action>, &[u8]) {
        (self.actions.drain(..), &self.scratch)
    }

    /// Forgets everything, keeps its memory.
    pub fn clear(&mut self) {
        self.actions.clear();
        self.scratch.clear();
        self.fence = 0;
    }

    pub(in crate::session) fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    pub(in crate::session) fn tell(&mut self, event: Event) {
        self.actions.push(Action::Tell(event));
    }

    /// Sends what `write` appends to the client. (The relay hears only what [`Cleared`](super::Cleared) says.)
    pub(in crate::session) fn say_to_client(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.write(Side::Client, write);
    }

    /// Sends what `write` appends to the scratch.
    pub(super) fn write(&mut self, to: Side, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.scratch.len();
        write(&mut self.scratch);
        let range = start..self.scratch.len();
        if range.is_empty() {
            return;
        }
        // What is adjacent leaves as one.
        if let Some(Action::Send { to: last, what: Octets::Scratch(before) }) = self.last()
            && *last == to
            && before.end == start
        {
            before.end = range.end;
            return;
        }
        self.actions.push(Action::Send { to, what: Octets::Scratch(range) });
    }

    /// Sends a piece of content to the relay: by reference where it lies in the input.
    pub(super) fn pass(&mut self, input: &[u8], piece: Piece<'_>) {
        match piece {
            Piece::Content([]) | Piece::Plain([]) => {}
            Piece::Own(octets) | Piece::Kept(octets) => {
                self.write(Side::Relay, |out| out.extend_from_slice(octets));
            }
            Piece::Content(slice) | Piece::Plain(slice) => {
                let start = slice.as_ptr().addr().wrapping_sub(input.as_ptr().addr());
                let range = start..start.saturating_add(slice.len());
                debug_assert_eq!(input.get(range.clone()), Some(slice), "content is a slice of the input");
                if let Some(Action::Send { to: Side::Relay, what: Octets::Input(before) }) = self.last()
                    && before.end == range.start
                {
                    before.end = range.end;
                    return;
                }
                self.actions.push(Action::Send { to: Side::Relay, what: Octets::Input(range) });
            }
        }
    }

    /// A place to insert at; what comes later is not joined to what stands in front of it.
    pub(in crate::session) fn mark(&mut self) -> usize {
        self.fence = self.actions.len();
        self.fence
    }

    /// The last action, if something may be joined to it.
    fn last(&mut self) -> Option<&mut Action> {
        let fence = self.fence;
        self.actions.get_mut(fence..).and_then(<[Action]>::last_mut)
    }

    /// Puts octets for the relay in front of everything since `mark` (a chunk's command goes before its octets, but
    /// its size is known only behind them).
    pub(super) fn insert(&mut self, mark: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.scratch.len();
        write(&mut self.scratch);
        let what = Octets::Scratch(start..self.scratch.len());
        if mark <= self.actions.len() {
            self.actions.insert(mark, Action::Send { to: Side::Relay, what });
        }
    }
}
