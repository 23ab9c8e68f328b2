//! Whether a connection has anything left to do. Most turns bring one segment, and it is dealt with in one round.

use super::{Connection, Way};
use crate::event::Side;
use crate::proxy::turn::Turn;

impl Connection {
    /// Whether nothing is under way but what the two sides may say: no handshake, no link that is being opened, no answer
    /// to come, nothing that waits for a side or for the session.
    pub(super) fn rests(&self) -> bool {
        let relay = match &self.way {
            Way::None => true,
            Way::Opening(_) => false,
            Way::Open(link) => link.wire.rests(),
        };
        relay && self.client.rests() && self.questions.is_none()
    }

    /// Whether something waits to be written to a side.
    pub(super) fn is_pending(&self) -> bool {
        self.client.is_pending() || matches!(&self.way, Way::Open(link) if link.wire.is_pending())
    }

    /// Goes on with what is under way. False: none of it could.
    pub(super) fn stir(&mut self, turn: &mut Turn<'_, '_>) -> bool {
        let word = self.poll_tls(turn) | self.poll_link(turn) | self.poll_answer(turn);
        let client = self.client.flush(turn.cx, turn.now);
        let relay = match &mut self.way {
            Way::Open(link) => link.wire.flush(turn.cx, turn.now),
            Way::None | Way::Opening(_) => false,
        };
        word | client | relay
    }

    /// Whether another round could bring anything. Of a side that has said all there was the runtime is asked to tell when
    /// there is more; who is not to be heard now is not asked for.
    pub(super) fn goes_on(&self, turn: &mut Turn<'_, '_>) -> bool {
        let relay = match &self.way {
            Way::Open(link) => Some(&link.wire),
            Way::None | Way::Opening(_) => None,
        };
        if !self.rests() || relay.is_some_and(|wire| turn.hears_more(Side::Relay, wire)) {
            return true;
        }
        let is_heard = !turn.is_silent(Side::Client) && self.session.room(Side::Client) > 0;
        is_heard && turn.hears_more(Side::Client, &self.client)
    }
}
