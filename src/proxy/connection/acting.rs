//! Doing what a session says.

use super::{Connection, Course, Way};
use crate::event::{Decision, Event, Side};
use crate::proxy::farewell::{Farewell, Then};
use crate::proxy::guise::{Guise, Port};
use crate::proxy::socket::Next;
use crate::proxy::turn::Turn;
use crate::proxy::wire::Pieces;
use crate::session::{Action, Choice, Linger, Moment, Output};
use crate::telemetry::Who;
use arrayvec::ArrayVec;
use std::sync::Arc;
use std::time::Duration;

/// The ban of a turn, if there is one: the longest, with the verdict that follows it.
#[derive(Debug, Default)]
struct Sentence {
    span: Option<Duration>,
    by: Option<Box<Decision>>,
}

impl Sentence {
    fn pass(&mut self, span: Duration) {
        if self.span.is_none_or(|longest| longest < span) {
            *self = Self { span: Some(span), by: None };
        }
    }

    fn hear(&mut self, event: Event) {
        if self.span.is_some()
            && self.by.is_none()
            && let Event::Verdict(decision) = event
        {
            self.by = Some(decision);
        }
    }
}

impl Connection {
    /// Does what the session says; the first `length` octets of the buffer are what it was shown.
    pub(super) fn carry_out(&mut self, turn: &mut Turn<'_, '_>, length: usize) {
        let Turn { cx, now, buffer, output, .. } = turn;
        let input = buffer.get(..length).unwrap_or_default();
        let (actions, scratch) = output.parts();
        // The two sides are independent of each other; what is for one leaves in one write.
        let (mut to_client, mut to_relay) = (Pieces::new(), Pieces::new());
        let (mut secures, mut passes) = (ArrayVec::<_, 2>::new(), false);
        let mut sentence = Sentence::default();
        for action in actions {
            match action {
                Action::Send { to, what } => {
                    let octets = Output::octets(scratch, input, &what);
                    let (pieces, wire) = match (to, &mut self.way) {
                        (Side::Client, _) => (&mut to_client, &mut self.client),
                        (Side::Relay, Way::Open(link)) => (&mut to_relay, &mut link.wire),
                        (Side::Relay, Way::None | Way::Opening(_)) => continue,
                    };
                    if pieces.is_full() {
                        wire.send(cx, *now, pieces);
                    }
                    pieces.push(octets);
                }
                Action::OpenLink(choice) => self.open_link(choice),
                Action::CloseLink | Action::HandOn(_) => {
                    if let Way::Open(mut link) = std::mem::replace(&mut self.way, Way::None) {
                        if let Action::HandOn(leg) = action {
                            link.wire.send(cx, *now, &mut to_relay);
                            link.hand_on(cx, *now, leg);
                        } else {
                            link.wire.post((Side::Relay, Next::End), cx, *now, &mut to_relay);
                            link.close(cx);
                        }
                    }
                }
                Action::CloseClient(linger) => self.leave(*now, linger),
                // There are two sides, and TLS begins once on each.
                Action::StartTls(side) => drop(secures.try_push(side)),
                Action::PassThrough => passes = true,
                Action::Ask(question) => self.ask(question),
                Action::Charge(charge) => self.charge(charge),
                Action::Ban(span) => sentence.pass(span),
                Action::Learn(offer) => self.door.relay.learn(offer),
                Action::Tell(event) => {
                    self.tell_desk(&event);
                    sentence.hear(event);
                }
            }
        }
        // Whoever hears of it and comes again at once meets it.
        if let Sentence { span: Some(span), by } = sentence {
            let check = by.as_ref().map_or("-", |decision| &decision.id);
            let (client, id) = self.session.who();
            self.door.ban((client, *id), span, check);
        }
        if let Way::Open(link) = &mut self.way {
            link.wire.post((Side::Relay, Next::Open), cx, *now, &mut to_relay);
        }
        let next = if matches!(self.course, Course::Leaving(_)) { Next::End } else { Next::Open };
        self.client.post((Side::Client, next), cx, *now, &mut to_client);
        drop((to_client, to_relay));
        secures.into_iter().for_each(|side| self.start_tls(turn, side));
        if passes {
            self.start_passing(turn);
        }
    }

    fn open_link(&mut self, choice: Choice) {
        let relay = Arc::clone(&self.door.relay);
        let port = std::mem::replace(&mut self.port, Port::Any);
        let guise = Guise::of_client(relay.config().identity, &self.session, port);
        let called = self.session.called();
        self.way = Way::Opening(Box::pin(relay.open(choice, self.rank, guise, called)));
    }

    pub(super) fn tell_desk(&self, event: &Event) {
        let who = || {
            let (client, id) = self.session.who();
            Who { client, session: id.as_str() }
        };
        self.door.desk.tell(who, event);
    }

    /// The session is over: the last words go out, and then the sockets are closed.
    pub(super) fn leave(&mut self, now: Moment, linger: Linger) {
        let then = Then::of(linger, self.session.admission());
        self.course = Course::Leaving(Box::new(Farewell::new(now, then)));
    }
}
