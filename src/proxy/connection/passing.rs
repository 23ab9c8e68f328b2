//! Octets that pass uninspected, because the rules leave TLS to the relay: bounded in time and memory, and counted.

use super::{Connection, Course, ROUNDS, Way};
use crate::event::Side;
use crate::proxy::turn::Turn;
use crate::proxy::wire::{Hearing, Pieces, Read, Wire};
use crate::session::{Happening, Linger, Moment};
use crate::telemetry::Desk;
use std::task::Context;
use std::time::Duration;

/// How long one side may go on when the other has ended.
const HALF: Duration = Duration::from_mins(1);

/// How far a passage has come.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Passage {
    /// The side that ended first, and when.
    ended: Option<(Side, Moment)>,
}

impl Passage {
    /// When it is over although one side goes on.
    pub(super) fn until(&self) -> Option<Moment> {
        self.ended.map(|(_, at)| at + HALF)
    }

    /// Carries from one side to the other what is there. False: nothing was.
    fn carry(
        &mut self,
        turn: &mut Turn<'_, '_>,
        side: Side,
        (from, to): (&mut Wire, &mut Wire),
        desk: &Desk,
    ) -> bool {
        if to.is_pending() || turn.is_silent(side) {
            return false;
        }
        match from.read(turn.cx, turn.buffer) {
            Read::Nothing => {
                turn.fell_silent(side);
                false
            }
            Read::Octets(length) => {
                let octets = turn.buffer.get(..length).unwrap_or_default();
                say(turn.cx, turn.now, octets, to, desk);
                true
            }
            Read::End => {
                to.shut(turn.cx);
                self.ended.get_or_insert((side, turn.now));
                true
            }
        }
    }
}

fn say(cx: &mut Context<'_>, now: Moment, octets: &[u8], to: &mut Wire, desk: &Desk) {
    let mut pieces = Pieces::new();
    pieces.push(octets);
    to.send(cx, now, &mut pieces);
    desk.pass(octets.len());
}

impl Connection {
    /// Begins a passage. What the session left of the client's octets goes first.
    pub(super) fn start_passing(&mut self, turn: &mut Turn<'_, '_>) {
        self.course = Course::Passing(Box::default());
        let length = self.client.kept().len();
        let (Way::Open(link), Some(front)) = (&mut self.way, turn.buffer.get_mut(..length)) else { return };
        front.copy_from_slice(self.client.kept());
        self.client.keep(&[]);
        say(turn.cx, turn.now, front, &mut link.wire, &self.door.desk);
    }

    /// Lets pass what can, and ends with the sides or with the session's time.
    pub(super) fn pass(&mut self, turn: &mut Turn<'_, '_>) {
        self.hear_news(turn);
        for round in 0.. {
            if !self.pass_round(turn) {
                break;
            }
            if round == ROUNDS {
                turn.give_way();
                break;
            }
        }
        self.heed_alarm(turn);
        self.weigh(turn);
    }

    /// False: nothing could pass, or it is over.
    fn pass_round(&mut self, turn: &mut Turn<'_, '_>) -> bool {
        let Course::Passing(passage) = &mut self.course else { return false };
        let Way::Open(link) = &mut self.way else {
            self.end_passage(turn, Side::Relay);
            return false;
        };
        let (client, relay, desk) = (&mut self.client, &mut link.wire, &self.door.desk);
        let flushed = client.flush(turn.cx, turn.now) | relay.flush(turn.cx, turn.now);
        let to_relay = passage.carry(turn, Side::Client, (client, relay), desk);
        let to_client = passage.carry(turn, Side::Relay, (relay, client), desk);
        let silent = |wire: &Wire| wire.hearing() != Hearing::Open && !wire.is_pending();
        match passage.ended {
            Some((side, at)) if silent(client) && silent(relay) || turn.now >= at + HALF => {
                self.end_passage(turn, side);
                false
            }
            _ => flushed || to_relay || to_client,
        }
    }

    /// Tells the session; what it says to that is nobody's to hear, for inside TLS are others.
    fn end_passage(&mut self, turn: &mut Turn<'_, '_>, side: Side) {
        self.tell(turn, Happening::Ended(side));
        if matches!(self.course, Course::Passing(_)) {
            self.leave(turn.now, Linger::Heard);
        }
    }
}
