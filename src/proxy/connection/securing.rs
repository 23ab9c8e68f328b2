//! How a side of a connection comes to TLS: within its turns, like everything else.

use super::{Connection, Course, Way};
use crate::event::{Side, TlsFailure};
use crate::proxy::tls::{Failed, Part};
use crate::proxy::turn::Turn;
use crate::session::{Happening, Moment};
use std::task::Poll;
use std::time::Duration;

/// How long a client may take for the handshake where it comes before anything is said.
const IMPLICIT: Duration = Duration::from_secs(30);

impl Connection {
    /// Begins the handshake that comes before the first word, where there is one. Who is not let in is told so in no
    /// words: a handshake would be the dearest way to say it.
    pub(super) fn arrive(&mut self, now: Moment) {
        self.course = Course::Talking;
        if !self.door.is_implicit() {
            return;
        }
        match self.door.terms() {
            Some(terms) if self.session.admission().is_ok() => {
                self.client.secure(Part::Server(terms));
                self.course = Course::Securing(now + IMPLICIT);
            }
            _ => self.client.mute(),
        }
    }

    /// Goes on with that handshake. True: TLS holds, and the session was told.
    pub(super) fn secure_arrival(&mut self, turn: &mut Turn<'_, '_>, until: Moment) -> bool {
        turn.output.clear();
        let failed = match self.client.poll_secure(turn.cx, turn.buffer) {
            Poll::Pending if turn.now < until => return false,
            Poll::Pending => Failed::timed_out(),
            Poll::Ready(Ok(secured)) => {
                self.session.happened(turn.now, Happening::Secured(Side::Client, secured), turn.output);
                self.course = Course::Talking;
                return true;
            }
            Poll::Ready(Err(failed)) => failed,
        };
        self.note(&failed);
        self.course = Course::Talking;
        self.not_secured(turn, Side::Client, failed.failure);
        false
    }

    /// Begins the handshake that the session asked for; what was said before is on its way.
    pub(super) fn start_tls(&mut self, turn: &mut Turn<'_, '_>, side: Side) {
        let begun = match (side, &mut self.way) {
            (Side::Client, _) => {
                let terms = self.door.terms();
                terms.map(|terms| self.client.secure(Part::Server(terms))).is_some()
            }
            (Side::Relay, Way::Open(link)) => link.secure(),
            (Side::Relay, Way::None | Way::Opening(_)) => false,
        };
        if !begun {
            // After a reload there may be no terms any more on which it was offered.
            self.not_secured(turn, side, TlsFailure::Own);
        }
    }

    /// A handshake came to nothing, and so has the side.
    fn not_secured(&mut self, turn: &mut Turn<'_, '_>, side: Side, failure: TlsFailure) {
        match side {
            Side::Client => self.client.mute(),
            Side::Relay => self.way = Way::None,
        }
        self.tell(turn, Happening::NotSecured(side, failure));
    }

    /// Goes on with handshakes. True: one has come to its end.
    pub(super) fn poll_tls(&mut self, turn: &mut Turn<'_, '_>) -> bool {
        let client = match self.client.poll_secure(turn.cx, turn.buffer) {
            Poll::Pending => false,
            Poll::Ready(outcome) => {
                turn.speaks(Side::Client);
                match outcome {
                    Ok(secured) => self.tell(turn, Happening::Secured(Side::Client, secured)),
                    Err(failed) => {
                        self.note(&failed);
                        self.not_secured(turn, Side::Client, failed.failure);
                    }
                }
                true
            }
        };
        let Way::Open(link) = &mut self.way else { return client };
        let Poll::Ready(outcome) = link.wire.poll_secure(turn.cx, turn.buffer) else { return client };
        turn.speaks(Side::Relay);
        match outcome {
            Ok(secured) => self.tell(turn, Happening::Secured(Side::Relay, secured)),
            Err(failed) => {
                self.door.relay.note(&failed);
                self.not_secured(turn, Side::Relay, failed.failure);
            }
        }
        true
    }

    /// Tells operators of what they can mend.
    fn note(&self, failed: &Failed) {
        if failed.failure != TlsFailure::Closed {
            self.door.note(self.session.who().0, failed);
        }
    }
}
