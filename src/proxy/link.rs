//! A link to a relay: the socket, and the turn that goes with it.

use super::config::Host;
use super::links::Turn;
use super::relay::Relay;
use super::spares::Spare;
use super::tls::{Failed, Part};
use super::wire::{Hearing, Pieces, Wire};
use crate::event::{LinkFailure, Secured, Side, TlsFailure};
use crate::session::{FAREWELL, Happening, Leg, Moment};
use arrayvec::ArrayVec;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// A link: the socket, and the turn that goes with it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) wire: Wire,
    relay: Counted,
    host: Host,
    /// How many sessions had it before.
    sessions: u32,
    turn: Turn,
}

/// What comes of opening one, with what the session is to be told of it.
pub(super) type Opened = Result<(Link, ArrayVec<Happening, 2>), NotOpened>;

/// Why a link was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotOpened {
    Link(LinkFailure),
    Tls(TlsFailure),
}

impl From<NotOpened> for Happening {
    fn from(why: NotOpened) -> Self {
        match why {
            NotOpened::Link(why) => Self::LinkFailed(why),
            NotOpened::Tls(why) => Self::NotSecured(Side::Relay, why),
        }
    }
}

/// The relay that it leads to, among whose links operators see it.
#[derive(Debug)]
pub(super) struct Counted(Arc<Relay>);

impl Counted {
    fn new(relay: Arc<Relay>) -> Self {
        relay.figures().active().inc();
        Self(relay)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.figures().active().dec();
    }
}

/// How long a link that is closed may take for what was said on it before.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Link {
    pub(super) fn new(relay: Arc<Relay>, wire: Wire, host: Host, turn: Turn) -> Self {
        Self { wire, relay: Counted::new(relay), host, sessions: 0, turn }
    }

    /// One that was handed on, with the turn of another.
    pub(super) fn again(Spare { wire, relay, host, sessions, .. }: Spare, turn: Turn) -> Self {
        Self { wire, relay, host, sessions, turn }
    }

    /// Lets a session to come have it, if it is still worth anything and has not served its time.
    pub(super) fn hand_on(mut self, cx: &mut Context<'_>, now: Moment, leg: Leg) {
        self.wire.hand_on();
        let sessions = self.sessions.saturating_add(1);
        let quiet = !self.wire.is_pending() && self.wire.kept().is_empty();
        let lives = quiet && self.wire.hearing() == Hearing::Open;
        if lives && sessions < self.relay.0.config().sessions_per_link {
            let spares = Arc::clone(self.relay.0.spares());
            // Its turn ends behind that: whoever has the next finds it.
            return spares.put((self.wire, self.relay, self.host), leg, sessions);
        }
        self.wire.send_last(cx, now, &mut Pieces::from_iter([FAREWELL]));
        self.close(cx);
    }

    /// Whether it, which is not needed now, is to be given up: a yes is to be acted on.
    pub(super) fn take_recall(&self) -> bool {
        self.turn.take_recall()
    }

    /// Begins the handshake, on the terms of the relay. False: there are none, or it has no name that TLS could ask for.
    pub(super) fn secure(&mut self) -> bool {
        let dialling = self.relay.0.calling().and_then(|calling| calling.dial(&self.host));
        dialling.map(|dialling| self.wire.secure(Part::Client(dialling))).is_some()
    }

    /// As [`secure`](Self::secure), and waits for the end of it.
    pub(super) async fn secure_now(&mut self) -> Result<Box<Secured>, NotOpened> {
        if !self.secure() {
            return Err(NotOpened::Tls(TlsFailure::Own));
        }
        let handshake = poll_fn(|cx| self.wire.poll_secure(cx, &mut []));
        let done = timeout(self.relay.0.config().waits.open, handshake).await;
        done.unwrap_or_else(|_| Err(Failed::timed_out())).map_err(|failed| {
            self.relay.0.note(&failed);
            NotOpened::Tls(failed.failure)
        })
    }

    /// Closes it as it stands, once what was said is out; nobody waits for that.
    pub(super) fn close(self, cx: &mut Context<'_>) {
        let Self { wire, turn, relay, .. } = self;
        if !wire.is_pending() {
            return wire.close(cx);
        }
        let (mut stream, pending, descriptor) = wire.into_rest();
        tokio::spawn(async move {
            let rest = async {
                stream.write_all(&pending).await?;
                stream.shutdown().await
            };
            // A relay that does not take it in time hears no end of mail data: what it has is no message.
            let _ = timeout(LAST_WORDS, rest).await;
            drop((stream, turn, relay, descriptor));
        });
    }
}
