//! A client, its session, its link to the relay: one task, one turn at a time.
//!
//! A turn is synchronous. Octets are read into the thread's own buffer, shown to the session, and what it says to do is
//! done at once, from that buffer; nothing borrowed outlives the turn. Back-pressure follows from two rules: the client
//! is read only while nothing waits to be written to either side, the relay only while nothing waits for the client.

mod acting;
mod asking;
mod passing;
mod rest;
mod securing;

use super::alarm::Alarm;
use super::farewell::Farewell;
use super::guise::Port;
use super::ledger::Books;
use super::link::{Link, Opened};
use super::listener::Door;
use super::means::Share;
use super::news::News;
use super::reserve::Rank;
use super::roll::Place;
use super::round;
use super::tarpit::Stay;
use super::turn::{self, Turn};
use super::wire::{Hearing, Read, Wire};
use crate::event::Side;
use crate::session::{Happening, Moment, Session, Setting};
use asking::Questions;
use passing::Passage;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How often in one turn a connection may go round before others have theirs.
const ROUNDS: usize = 32;
/// How long a side may take nothing of what waits for it.
const STUCK: Duration = Duration::from_mins(5);

/// A connection; as a future it lasts as long as that.
pub(super) struct Connection {
    door: Arc<Door>,
    session: Session,
    client: Wire,
    way: Way,
    course: Course,
    alarm: Alarm,
    share: Share,
    /// What the session was told of the world.
    news: News,
    stay: Stay,
    /// What the session waits to be told. Apart, because hardly any does.
    questions: Option<Box<Questions>>,
    /// What is left of the limits of its session's policy.
    books: Books,
    /// The port of the next link, where it comes from the client's address.
    port: Port,
    rank: Rank,
    place: Place,
}

/// The way to the relay.
enum Way {
    None,
    Opening(Pin<Box<dyn Future<Output = Opened> + Send>>),
    /// Apart, because most of the connections that are idle have none.
    Open(Box<Link>),
}

/// How far a connection has come.
#[derive(Debug, PartialEq, Eq)]
enum Course {
    /// Nothing was said yet.
    Arriving,
    /// TLS comes first, until then.
    Securing(Moment),
    /// The session is on.
    Talking,
    /// Octets pass uninspected.
    Passing(Box<Passage>),
    /// It is over.
    Leaving(Box<Farewell>),
}

impl Connection {
    pub(super) fn new(
        door: Arc<Door>,
        (client, port): (Wire, Port),
        (rank, place): (Rank, Place),
        (setting, books): (Setting, Books),
    ) -> Self {
        Self {
            client,
            way: Way::None,
            course: Course::Arriving,
            alarm: Alarm::default(),
            share: Share::new(Arc::clone(&door.means)),
            news: News::none(),
            stay: Stay::default(),
            questions: None,
            books,
            session: Session::new(setting),
            port,
            rank,
            place,
            door,
        }
    }

    fn turn(&mut self, turn: &mut Turn<'_, '_>) -> Poll<()> {
        if self.course == Course::Arriving {
            self.place.answer_to(turn.cx.waker());
            turn.output.clear();
            self.arrive(turn.now);
            if self.course == Course::Talking {
                self.begin(turn);
            }
        }
        if let Course::Securing(until) = self.course
            && self.secure_arrival(turn, until)
        {
            self.begin(turn);
        }
        match self.course {
            Course::Talking => self.talk(turn),
            Course::Passing(_) => self.pass(turn),
            Course::Arriving | Course::Securing(_) | Course::Leaving(_) => {}
        }
        if let Course::Leaving(farewell) = &mut self.course {
            let gone = farewell.poll(turn.cx, turn.now, &mut self.client, turn.buffer);
            self.share.settle(self.memory());
            if gone.is_ready() {
                return Poll::Ready(());
            }
        }
        let wanted = self.wanted();
        self.alarm.set(turn.cx, turn.now, wanted, &self.door.means);
        Poll::Pending
    }

    /// The session begins, after what it was told already.
    fn begin(&mut self, turn: &mut Turn<'_, '_>) {
        self.session.begin(turn.now, turn.output);
        self.carry_out(turn, 0);
    }

    #[inline]
    fn hear_news(&mut self, turn: &mut Turn<'_, '_>) {
        while let Some(happening) = self.news.next(&self.door, self.rank) {
            self.tell(turn, happening);
        }
    }

    fn talk(&mut self, turn: &mut Turn<'_, '_>) {
        if matches!(&self.way, Way::Open(link) if link.wire.is_pending()) {
            // The relay is the slow side, and the client's time is not spent by it.
            self.session.forgive(turn.now);
        }
        self.hear_news(turn);
        for round in 0.. {
            if self.course != Course::Talking || !self.go_round(turn) || !self.goes_on(turn) {
                break;
            }
            if round == ROUNDS {
                turn.give_way();
                break;
            }
        }
        if !self.stay.follow(self.session.is_held(), &self.door, turn.now) {
            self.tell(turn, Happening::TarpitFull);
            // Who has its reply may go on, and is heard in a turn of its own.
            turn.cx.waker().wake_by_ref();
        }
        if self.session.is_between() && matches!(&self.way, Way::Open(link) if link.take_recall()) {
            self.tell(turn, Happening::LinkRecalled);
        }
        self.weigh(turn);
    }

    /// Counts what the connection holds. Who needs more than there is must go.
    fn weigh(&mut self, turn: &mut Turn<'_, '_>) {
        let speaks = matches!(self.course, Course::Talking | Course::Passing(_));
        if !self.share.settle(self.memory()) && speaks {
            self.tell(turn, Happening::MemoryShort);
            self.share.settle(self.memory());
        }
    }

    /// Lets everything happen that can. False: nothing could.
    fn go_round(&mut self, turn: &mut Turn<'_, '_>) -> bool {
        let stirred = !self.rests() && self.stir(turn);
        let news = stirred | self.hear_relay(turn) | self.heed_alarm(turn);
        // What a session did not take it may take after anything else has happened.
        let shown = news && self.show_kept(turn);
        let heard = self.hear_client(turn, !news);
        news || shown || heard || self.tell_client_end(turn)
    }

    fn poll_link(&mut self, turn: &mut Turn<'_, '_>) -> bool {
        let Way::Opening(opening) = &mut self.way else { return false };
        let Poll::Ready(opened) = opening.as_mut().poll(turn.cx) else { return false };
        self.way = Way::None;
        match opened {
            Ok((link, news)) => {
                self.way = Way::Open(Box::new(link));
                turn.speaks(Side::Relay);
                news.into_iter().for_each(|happening| self.tell(turn, happening));
            }
            Err(why) => self.tell(turn, why.into()),
        }
        true
    }

    fn hear_relay(&mut self, turn: &mut Turn<'_, '_>) -> bool {
        let Way::Open(link) = &mut self.way else { return false };
        if turn.is_silent(Side::Relay) || self.client.is_pending() {
            return false;
        }
        // To ask whether there is something costs half of what it costs to find nothing.
        if !self.session.is_waiting() && !turn.hears_more(Side::Relay, &link.wire) {
            return false;
        }
        let room = self.session.room(Side::Relay).min(turn.buffer.len());
        let Some(buffer) = turn.buffer.get_mut(..room) else { return false };
        match link.wire.read(turn.cx, buffer) {
            Read::Nothing => {
                turn.fell_silent(Side::Relay);
                false
            }
            Read::Octets(length) => {
                self.show(turn, Side::Relay, length);
                true
            }
            Read::End => {
                self.way = Way::None;
                self.tell(turn, Happening::Ended(Side::Relay));
                true
            }
        }
    }

    /// `likely`: nothing else has happened for which this could be the turn.
    fn hear_client(&mut self, turn: &mut Turn<'_, '_>, likely: bool) -> bool {
        if self.course != Course::Talking || turn.is_silent(Side::Client) || self.is_pending() {
            return false;
        }
        let room = self.session.room(Side::Client).min(turn.buffer.len());
        if room <= self.client.kept().len() || !likely && !turn.hears_more(Side::Client, &self.client) {
            return false;
        }
        let Some(buffer) = turn.buffer.get_mut(..room) else { return false };
        match self.client.read(turn.cx, buffer) {
            Read::Nothing => {
                turn.fell_silent(Side::Client);
                false
            }
            Read::Octets(length) => {
                self.show(turn, Side::Client, length);
                true
            }
            Read::End => true,
        }
    }

    /// Shows again what was not taken.
    fn show_kept(&mut self, turn: &mut Turn<'_, '_>) -> bool {
        let length = self.client.kept().len();
        if length == 0 || self.course != Course::Talking || self.is_pending() {
            return false;
        }
        let Some(front) = turn.buffer.get_mut(..length) else { return false };
        front.copy_from_slice(self.client.kept());
        self.show(turn, Side::Client, length)
    }

    /// Shows what is in the buffer. True: some of it was taken.
    fn show(&mut self, turn: &mut Turn<'_, '_>, side: Side, length: usize) -> bool {
        let input = turn.buffer.get(..length).unwrap_or_default();
        turn.output.clear();
        let taken = self.session.receive(turn.now, side, input, turn.output);
        let rest = input.get(taken..).unwrap_or_default();
        match (side, &mut self.way) {
            (Side::Client, _) => self.client.keep(rest),
            (Side::Relay, Way::Open(link)) => link.wire.keep(rest),
            (Side::Relay, Way::None | Way::Opening(_)) => {}
        }
        self.carry_out(turn, length);
        taken > 0
    }

    /// A client that half-closes still hears every reply: its end is told when nothing else is to come of what it said.
    fn tell_client_end(&mut self, turn: &mut Turn<'_, '_>) -> bool {
        let due = self.client.hearing() == Hearing::Ended && !self.session.is_waiting() && !self.is_pending();
        if due {
            self.client.tell_end();
            self.tell(turn, Happening::Ended(Side::Client));
        }
        due
    }

    fn tell(&mut self, turn: &mut Turn<'_, '_>, happening: Happening) {
        turn.output.clear();
        self.session.happened(turn.now, happening, turn.output);
        self.carry_out(turn, 0);
    }

    fn heed_alarm(&mut self, turn: &mut Turn<'_, '_>) -> bool {
        if !self.alarm.rings(turn.now) {
            return false;
        }
        let stuck = |wire: &Wire| wire.stuck_since().is_some_and(|since| turn.now.since(since) >= STUCK);
        if stuck(&self.client) {
            self.tell(turn, Happening::Ended(Side::Client));
            self.course = Course::Leaving(Box::new(Farewell::at_once(turn.now)));
            return true;
        }
        if matches!(&self.way, Way::Open(link) if stuck(&link.wire)) {
            self.way = Way::None;
            self.tell(turn, Happening::Ended(Side::Relay));
            return true;
        }
        let due = self.session.deadline().is_some_and(|deadline| deadline <= turn.now);
        if due {
            self.tell(turn, Happening::DeadlinePassed);
        }
        due
    }

    /// When the next turn is due, whatever happens.
    fn wanted(&self) -> Option<Moment> {
        let relay = match &self.way {
            Way::Open(link) => link.wire.stuck_since(),
            Way::None | Way::Opening(_) => None,
        };
        match &self.course {
            Course::Arriving => None,
            Course::Securing(until) => Some(*until),
            Course::Talking | Course::Passing(_) => {
                let stuck = Moment::earlier(self.client.stuck_since(), relay).map(|since| since + STUCK);
                let passage = match &self.course {
                    Course::Passing(passage) => passage.until(),
                    _ => None,
                };
                Moment::earlier(Moment::earlier(self.session.deadline(), stuck), passage)
            }
            Course::Leaving(farewell) => Some(farewell.until()),
        }
    }

    fn memory(&self) -> usize {
        let relay = match &self.way {
            Way::Open(link) => link.wire.memory(),
            Way::None | Way::Opening(_) => 0,
        };
        self.client.memory() + relay
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        turn::take(cx, round::now(&this.door.means), |turn| this.turn(turn))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.door.desk.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The runtime keeps a task in steps of 128 octets, and has about 100 of its own in it.
    #[test]
    fn a_connection_that_is_idle_fits_in_640_octets_with_its_task() {
        assert!(size_of::<Connection>() <= 528, "{}", size_of::<Connection>());
    }

    /// An allocation has 16 octets to a step and 8 of its own; beside a socket of the runtime's there is a gap of 112.
    #[test]
    fn a_link_fits_in_the_gap_beside_its_socket() {
        // Without optimisation the socket itself, of 24, has 8 octets more.
        assert!(size_of::<Link>() - size_of::<tokio::net::TcpStream>() <= 104 - 24);
    }
}
