//! The end of a connection: the last words go out, and the client is read on for a while, so that no reset eats them.

use super::wire::{Hearing, Read, Wire};
use crate::event::NoService;
use crate::session::{Linger, Moment};
use std::task::{Context, Poll};
use std::time::Duration;

/// How long a client may take for the last words.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// How long it is read on afterwards, so that no reset eats them.
const LINGER: Duration = Duration::from_secs(2);
/// How many octets are read on behind the last reply: a client that floods gets no two seconds of our time.
const LINGER_OCTETS: usize = 1024 * 1024;
/// How many reads a flood gets before others have their turn.
const ROUNDS: usize = 32;

/// What is done when the last words are out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The socket is closed: a client that is not let in for want of descriptors does not keep one.
    Close,
    /// It is closed if nothing is known to have come that was not read: a reset would eat the last words.
    CloseIfSilent,
    /// It is read on.
    ReadOn,
}

impl Then {
    pub(super) fn of(linger: Linger, admission: Result<(), NoService>) -> Self {
        match (admission, linger) {
            (Err(NoService::Descriptors), _) => Self::Close,
            (_, Linger::Done) => Self::CloseIfSilent,
            (_, Linger::Heard) => Self::ReadOn,
        }
    }
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// The client is to have the last words until then.
    Speaking { until: Moment, then: Then },
    /// They are out; it is read on until then, as long as it sends no more than this.
    Lingering { until: Moment, left: usize },
}

impl Farewell {
    pub(super) fn new(now: Moment, then: Then) -> Self {
        Self::Speaking { until: now + LAST_WORDS, then }
    }

    /// Of a client that takes nothing: there is nothing to wait for.
    pub(super) fn at_once(now: Moment) -> Self {
        Self::Speaking { until: now, then: Then::Close }
    }

    /// When it is over at the latest.
    pub(super) fn until(self) -> Moment {
        let (Self::Speaking { until, .. } | Self::Lingering { until, .. }) = self;
        until
    }

    /// Goes on. Ready: the sockets may be closed.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Moment,
        client: &mut Wire,
        buffer: &mut [u8],
    ) -> Poll<()> {
        if let Self::Speaking { until, then } = *self {
            client.keep(&[]);
            let silent = then == Then::CloseIfSilent && client.is_silent(cx);
            if !silent {
                client.hurry();
            }
            client.flush(cx, now);
            let late = now >= until;
            if client.is_pending() && !late {
                return Poll::Pending;
            }
            if late || silent || then == Then::Close {
                return Poll::Ready(());
            }
            client.shut(cx);
            if client.hearing() != Hearing::Open {
                return Poll::Ready(());
            }
            *self = Self::Lingering { until: now + LINGER, left: LINGER_OCTETS };
        }
        self.read_on(cx, now, client, buffer)
    }

    fn read_on(
        &mut self,
        cx: &mut Context<'_>,
        now: Moment,
        client: &mut Wire,
        buffer: &mut [u8],
    ) -> Poll<()> {
        let Self::Lingering { until, left } = self else { return Poll::Pending };
        for _ in 0..ROUNDS {
            if now >= *until || *left == 0 {
                return Poll::Ready(());
            }
            match client.read(cx, buffer) {
                Read::Octets(octets) => *left = left.saturating_sub(octets),
                Read::Nothing => return Poll::Pending,
                Read::End => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
