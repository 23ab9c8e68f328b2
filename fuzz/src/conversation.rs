//! Whole sessions: a client and a relay that may say anything at any time, and what holds all the same.
//!
//! A conversation is a text, so that seeds are written by hand, findings are read, and a dictionary helps: records with
//! the octet 0x1e between them. The first is the scene, a letter for each thing that is not as usual:
//!
//! | letter | meaning |
//! |---|---|
//! | `r` `l` `m` `s` `t` | the policy: bare line ends are refused, lenient, monitor, small limits, tarpits and rules |
//! | `w` | the policy: how much in a time |
//! | `a` `h` `n` | the link is opened at accept, hello, MAIL |
//! | `u` | nothing was learned of the relay's offer |
//! | `g` | a client is greeted although there is no relay |
//! | `x` | the relay answers nothing by itself |
//! | `c` `p` `q` `f` | the policy: STARTTLS, that passes through, with AUTH required of the relay, of a file |
//! | `v` | the policy: names decide, and rules read them |
//! | `i` | the client came in TLS |
//! | `O` `Q` `V` | the link is in TLS where it can be, in any case; the relay is not verified |
//! | `j` | sessions hand links on, and one was handed on |
//! | `P` `K` `B` | the relay offers no PIPELINING, no CHUNKING; it offers BINARYMIME |
//! | `1` `2` | octets come one by one, in pieces |
//!
//! Of the others the first octet says what happens; what follows are octets (`C`, `R`) or a number (`t`):
//!
//! | octet | what happens |
//! |---|---|
//! | `C` `R` | the client says, the relay says |
//! | `P` `x` `a` | from now on the relay answers politely, answers nothing, answers the next one politely |
//! | `o` `f` | the link that was asked for opens, fails |
//! | `E` `e` | the client, the relay will say nothing more |
//! | `t` `d` | seconds pass, the deadline comes |
//! | `g` `D` `M` | time is forgiven, the process drains, memory is short |
//! | `H` `N` | the handshake that is on holds, fails |
//! | `Y` `y` `U` `n` | the question is answered yes, no, unknown, that nothing is left; with a digit, one so many before it |
//! | `W` `w` | it is about the client's name, which is verified, is not; with a digit likewise |
//! | `S` `s` `T` `L` | stress begins, is over; the tarpit is full; somebody else waits for a link |

mod setup;

use crate::witness::{Client, Relay};
use crate::{alike, pieces};
use gatepost::event::{Event, LinkFailure, Outcome, Secured, Side, TlsFailure};
use gatepost::policy::allowance::Balance;
use gatepost::policy::tls::{StartTls, TlsVersion};
use gatepost::replay::{Certificate, HandingOn};
use gatepost::session::{
    Action, Answer, Answered, Asking, CONTENT_ROOM, Choice, Happening, Leg, Moment, Output, RelayTls, Session,
};
use gatepost::smtp::mail_data::LineEnds;
use setup::Setup;
use std::sync::Arc;
use std::time::Duration;

/// The most octets of a conversation that are played: enough for whatever has a limit of its own but the largest.
const CAP: usize = 40 * 1024;
/// The most octets that come one by one.
const SLOW_CAP: usize = 1024;

/// The driver's end of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Closed,
    Asked(Choice),
    Open,
}

/// What octets are to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// Its own.
    Plain,
    /// Of this side they are those of a handshake.
    Handshake(Side),
    /// Nobody's.
    Passing,
}

/// What a side sent and the session has not taken.
#[derive(Debug, Default)]
struct Line {
    kept: Vec<u8>,
    /// Nothing more will come, and whether that was told.
    ended: Option<bool>,
}

/// A session between its witnesses.
struct World {
    session: Session,
    out: Output,
    now: Moment,
    link: Link,
    /// One that was handed on.
    spare: Option<Leg>,
    course: Course,
    /// The last question that was asked, and whether it was answered.
    question: (u32, bool),
    /// How many allowances it was about.
    charges: usize,
    verified: bool,
    polite: bool,
    cut: u8,
    client_line: Line,
    relay_line: Line,
    client: Client,
    relay: Relay,
    closed: bool,
    ended: usize,
    accepted: usize,
    /// All that the client heard.
    heard: Vec<u8>,
}

/// Plays a conversation; and if only octets went to and fro, plays it again in other pieces.
pub fn conversation(data: &[u8]) {
    let data = &data[..data.len().min(CAP)];
    let (letters, records) = {
        let mut records = data.split(|octet| *octet == 0x1e);
        (records.next().unwrap_or_default(), records.collect::<Vec<_>>())
    };
    let setup = Setup::read(letters);
    let cut = if data.len() > SLOW_CAP { 0 } else { setup.cut };
    let (heard, arrived) = play(&setup, &records, cut);
    let octets_only =
        setup.polite && records.iter().all(|record| !b"RPxaofEetdgDMHNYyU".contains(&first(record)));
    if octets_only && data.len() <= SLOW_CAP && !begins_tls(&setup, &records) {
        let other = u8::from(cut == 0);
        let (again, arrived_again) = play(&setup, &records, other);
        alike(&heard, &again, "pieces make a difference");
        assert_eq!(arrived, arrived_again);
    }
}

/// Whether it matters what comes together with what.
fn begins_tls(setup: &Setup, records: &[&[u8]]) -> bool {
    let named = |record: &&[u8]| record.to_ascii_uppercase().windows(8).any(|word| word == b"STARTTLS");
    setup.policy.tls().starttls != StartTls::Withhold && records.iter().any(named)
}

fn first(record: &[u8]) -> u8 {
    record.first().copied().unwrap_or_default()
}

fn play(setup: &Setup, records: &[&[u8]], cut: u8) -> (Vec<u8>, usize) {
    let mut world = World::new(setup, cut);
    for record in records {
        world.happens(record);
    }
    let (heard, arrived) = (world.heard.clone(), world.client.acknowledged().len());
    world.ends();
    (heard, arrived)
}

impl World {
    fn new(setup: &Setup, cut: u8) -> Self {
        let lenient = setup.policy.line_ends(setup.scene.client) == LineEnds::Lenient;
        let mut world = Self {
            session: Session::new(setup.scene.setting(Arc::clone(&setup.policy))),
            out: Output::default(),
            now: Moment::after_start(Duration::from_secs(1)),
            link: Link::Closed,
            spare: (setup.scene.handing_on == HandingOn::Empty).then_some(Leg::Clear(RelayTls::None)),
            course: Course::Plain,
            question: (0, true),
            charges: 0,
            verified: setup.scene.relay_certificate == Certificate::Verified,
            polite: setup.polite,
            cut,
            client_line: Line::default(),
            relay_line: Line::default(),
            client: Client::new(lenient),
            relay: Relay::new(setup.offer.clone(), setup.demands()),
            closed: false,
            ended: 0,
            accepted: 0,
            heard: Vec::new(),
        };
        if setup.scene.tls {
            let secured = Happening::Secured(Side::Client, Box::new(world.secured()));
            world.session.happened(world.now, secured, &mut world.out);
        }
        world.session.begin(world.now, &mut world.out);
        world.carry_out(b"");
        world.turn();
        world
    }

    fn happens(&mut self, record: &[u8]) {
        let behind = record.get(1..).unwrap_or_default();
        match first(record) {
            b'R' => {
                self.client.polite = false;
                self.says(Side::Relay, behind);
            }
            b'P' => self.polite = true,
            b'x' => self.polite = false,
            b'a' => self.answer(),
            b'o' => self.link_opens(),
            b'f' => self.link_fails(behind),
            b'E' => self.client_line.ended = self.client_line.ended.or(Some(false)),
            b'e' if self.link == Link::Open => self.relay_line.ended = self.relay_line.ended.or(Some(false)),
            b't' => {
                self.pass(behind.iter().fold(0, |sum, digit| (sum * 10 + u64::from(digit & 15)) % 100_000));
            }
            b'd' => self.deadline_comes(),
            b'g' => self.session.forgive(self.now),
            b'D' => self.tell(Happening::Draining),
            b'M' => self.tell(Happening::MemoryShort),
            b'H' => self.handshake_ends(Ok(())),
            b'N' => {
                self.handshake_ends(Err(TlsFailure::ALL[usize::from(first(behind)) % TlsFailure::ALL.len()]));
            }
            b'Y' => self.answers(Answered::Yes, behind),
            b'y' => self.answers(Answered::No, behind),
            b'U' => self.answers(Answered::Unknown, behind),
            named @ (b'W' | b'w') => {
                let naming = if named == b'W' { "verified a.example" } else { "unverified" };
                self.answers(Answered::Name(Box::new(naming.parse().unwrap_or_default())), behind);
            }
            b'n' => {
                let nothing = Balance { within: false, left: 0 };
                self.answers(Answered::Allowances(vec![nothing; self.charges].into()), behind);
            }
            b'S' => self.tell(Happening::Stressed),
            b's' => self.tell(Happening::Relieved),
            b'T' => self.tell(Happening::TarpitFull),
            b'L' => self.tell(Happening::LinkRecalled),
            b'C' => self.says(Side::Client, behind),
            b'e' => {}
            _ => self.says(Side::Client, record),
        }
        self.turn();
    }

    fn line(&mut self, side: Side) -> &mut Line {
        match side {
            Side::Client => &mut self.client_line,
            Side::Relay => &mut self.relay_line,
        }
    }

    fn says(&mut self, side: Side, octets: &[u8]) {
        for piece in pieces(self.cut, octets) {
            if self.course == Course::Handshake(side) {
                // It is no TLS.
                return self.handshake_ends(Err(TlsFailure::Garbled));
            }
            if self.course == Course::Passing {
                return;
            }
            let line = self.line(side);
            if side == Side::Relay && line.kept.len() > 64 * 1024 || line.ended.is_some() {
                return;
            }
            line.kept.extend_from_slice(piece);
            self.turn();
        }
    }

    fn secured(&self) -> Secured {
        let peer = self.verified.then(|| "relay.example".into());
        let (version, cipher) = (TlsVersion::V1_3, "TLS_AES_128_GCM_SHA256");
        Secured { version, cipher, name: None, peer, resumed: false }
    }

    fn handshake_ends(&mut self, how: Result<(), TlsFailure>) {
        let Course::Handshake(side) = self.course else { return };
        self.course = Course::Plain;
        match (side, how) {
            (Side::Client, Ok(())) => self.client.secured(),
            (Side::Relay, Ok(())) => self.relay.secured(),
            (Side::Client, Err(_)) => {}
            (Side::Relay, Err(_)) => {
                self.link = Link::Closed;
                self.relay_line = Line::default();
                self.relay.hangs_up();
            }
        }
        match how {
            Ok(()) => self.tell(Happening::Secured(side, Box::new(self.secured()))),
            Err(why) => self.tell(Happening::NotSecured(side, why)),
        }
    }

    fn answers(&mut self, what: Answered, before: &[u8]) {
        let (last, answered) = self.question;
        let number = last.wrapping_sub(u32::from(first(before) & 3));
        if number == last {
            self.question.1 = true;
        }
        if !answered || number != last {
            self.tell(Happening::Answered(Answer { number, what }));
        }
    }

    /// The relay answers the next thing politely.
    fn answer(&mut self) {
        if self.link == Link::Open && self.relay_line.ended.is_none() {
            let said = self.relay.polite();
            self.relay_line.kept.extend_from_slice(&said);
        }
    }

    fn link_opens(&mut self) {
        let Link::Asked(choice) = self.link else { return };
        self.link = Link::Open;
        self.relay_line = Line::default();
        match self.spare.take_if(|_| choice == Choice::Any) {
            Some(leg) => {
                self.relay.handed_on();
                self.tell(Happening::LinkHandedOn(leg));
            }
            None => {
                self.relay.connected();
                self.tell(Happening::LinkOpened);
            }
        }
    }

    fn link_fails(&mut self, digit: &[u8]) {
        if let Link::Asked(_) = self.link {
            self.link = Link::Closed;
            let why = LinkFailure::ALL[usize::from(first(digit)) % LinkFailure::ALL.len()];
            self.tell(Happening::LinkFailed(why));
        }
    }

    fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        for _ in 0..32 {
            let Some(deadline) = self.session.deadline().filter(|deadline| *deadline <= end) else { break };
            self.now = self.now.max(deadline);
            self.deadline_passes();
        }
        self.now = self.now.max(end);
    }

    fn deadline_comes(&mut self) {
        if let Some(deadline) = self.session.deadline() {
            self.now = self.now.max(deadline);
            self.deadline_passes();
        }
    }

    /// A deadline that has come is dealt with, and does not come again.
    fn deadline_passes(&mut self) {
        for _ in 0..256 {
            if self.session.deadline().is_none_or(|deadline| deadline > self.now) {
                return;
            }
            self.tell(Happening::DeadlinePassed);
            self.turn();
        }
        panic!("a deadline that stays: {:?} at {:?}", self.session.deadline(), self.now);
    }

    fn tell(&mut self, what: Happening) {
        let over = self.session.is_over();
        self.session.happened(self.now, what, &mut self.out);
        assert!(!over || self.out.is_empty(), "a word after the last");
        self.carry_out(b"");
    }

    /// Shows the session what it has not taken, until nothing moves.
    fn turn(&mut self) {
        loop {
            if self.polite {
                self.link_opens();
                self.answer();
                self.handshake_ends(Ok(()));
                self.answers(Answered::Yes, b"");
            }
            if !self.show(Side::Relay) && !self.show(Side::Client) && !self.tell_ends() {
                break;
            }
        }
        if self.client.greeted && !self.session.is_over() && !self.session.is_waiting() {
            assert_eq!(self.client.unanswered(), 0, "a command was taken, and nobody will ever answer it");
        }
    }

    /// An end is told once everything before it was taken, or cannot be.
    fn tell_ends(&mut self) -> bool {
        let ended = |line: &Line| line.ended == Some(false);
        match self.course {
            Course::Handshake(Side::Client) if ended(&self.client_line) => {
                self.client_line.ended = Some(true);
                self.handshake_ends(Err(TlsFailure::Closed));
                return true;
            }
            Course::Handshake(Side::Relay) if ended(&self.relay_line) => {
                self.handshake_ends(Err(TlsFailure::Closed));
                return true;
            }
            _ => {}
        }
        if self.relay_line.ended == Some(false) && self.link == Link::Open {
            self.relay_line = Line { kept: Vec::new(), ended: Some(true) };
            self.link = Link::Closed;
            self.relay.hangs_up();
            self.tell(Happening::Ended(Side::Relay));
            return true;
        }
        if self.client_line.ended == Some(false) && !self.session.is_waiting() {
            self.client_line.ended = Some(true);
            self.tell(Happening::Ended(Side::Client));
            return true;
        }
        false
    }

    fn show(&mut self, side: Side) -> bool {
        let room = self.session.room(side);
        assert!(room <= CONTENT_ROOM, "room without bounds");
        let mut kept = std::mem::take(&mut self.line(side).kept);
        let shown = kept[..room.min(kept.len())].to_vec();
        if shown.is_empty() || side == Side::Relay && self.link != Link::Open {
            self.line(side).kept = kept;
            return false;
        }
        let taken = self.session.receive(self.now, side, &shown, &mut self.out);
        assert!(taken <= shown.len(), "more was taken than was shown");
        match side {
            Side::Client => {
                self.client.said(&shown[..taken]);
                self.client.goes_on(&shown[taken..]);
            }
            Side::Relay => self.relay.said(&shown[..taken]),
        }
        let acted = !self.out.is_empty();
        let full = shown.len() == room;
        if full && taken == 0 && !acted && side == Side::Client && self.client.greeted {
            assert!(
                self.session.is_waiting() || self.session.room(side) != room,
                "it will never look at more"
            );
        }
        kept.drain(..taken);
        self.line(side).kept = kept;
        self.carry_out(&shown);
        taken > 0 || acted
    }

    fn carry_out(&mut self, input: &[u8]) {
        let mut out = std::mem::take(&mut self.out);
        let mut heard = Vec::new();
        let (actions, scratch) = out.parts();
        for action in actions {
            assert_eq!(self.ended, 0, "{action:?} after the end");
            match action {
                Action::Send { to, .. } if self.course == Course::Handshake(to) => {
                    panic!("words in plain text amid a handshake");
                }
                Action::Send { .. } if self.course == Course::Passing => {
                    panic!("words of ours in TLS that is not ours");
                }
                Action::Send { to: Side::Client, what } => {
                    assert!(!self.closed, "to a client whose connection was closed");
                    heard.extend_from_slice(Output::octets(scratch, input, &what));
                }
                Action::Send { to: Side::Relay, what } => {
                    assert_eq!(self.link, Link::Open, "to a relay without a link");
                    if !self.session.is_over() {
                        // How the client goes on may depend on what it was told before.
                        self.heard.extend_from_slice(&heard);
                        self.client.hears(&std::mem::take(&mut heard), false);
                    }
                    self.relay.hears(Output::octets(scratch, input, &what), &self.client);
                }
                Action::OpenLink(choice) => {
                    assert_eq!(self.link, Link::Closed, "a second link");
                    self.link = Link::Asked(choice);
                }
                Action::CloseLink => self.close_link(),
                Action::HandOn(leg) => {
                    assert_eq!(self.link, Link::Open, "nothing to hand on");
                    self.relay.is_free();
                    (self.link, self.spare, self.relay_line) = (Link::Closed, Some(leg), Line::default());
                }
                Action::CloseClient(_) => {
                    assert!(!self.closed, "closed twice");
                    self.closed = true;
                }
                Action::StartTls(side) => {
                    assert_eq!(self.course, Course::Plain, "two handshakes");
                    assert!(self.line(side).kept.is_empty(), "octets in clear would be read in TLS");
                    assert_eq!(self.session.room(side), 0, "a handshake is not the session's to read");
                    self.course = Course::Handshake(side);
                }
                Action::PassThrough => {
                    assert_eq!(self.link, Link::Open, "to nobody");
                    assert!(self.client_line.kept.is_empty() && self.relay_line.kept.is_empty());
                    self.course = Course::Passing;
                }
                Action::Ask(question) => {
                    self.charges = match &question.what {
                        Asking::Allowances(charges) => charges.len(),
                        _ => 0,
                    };
                    assert_ne!(question.number, self.question.0, "two questions with one number");
                    self.question = (question.number, false);
                }
                Action::Learn(_) | Action::Charge(_) | Action::Ban(_) => {}
                Action::Tell(event) => self.note(&event),
            }
        }
        out.clear();
        self.out = out;
        if self.link == Link::Open {
            self.relay.pauses();
        }
        self.heard.extend_from_slice(&heard);
        self.client.hears(&heard, self.session.is_over());
        self.compare();
    }

    fn close_link(&mut self) {
        if self.course == Course::Handshake(Side::Relay) {
            self.course = Course::Plain;
        }
        if self.link == Link::Open {
            self.relay.hangs_up();
        }
        self.link = Link::Closed;
        self.relay_line = Line::default();
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::Ended(summary) => {
                self.ended += 1;
                assert_eq!(usize::try_from(summary.messages), Ok(self.accepted), "messages were miscounted");
            }
            Event::Message(transfer) if transfer.outcome == Outcome::Accepted => self.accepted += 1,
            _ => {}
        }
    }

    /// Nothing is acknowledged that the relay has not acknowledged, for the same sender and the same recipients; and
    /// what it has acknowledged is acknowledged.
    fn compare(&self) {
        let (told, said) = (self.client.acknowledged(), self.relay.acknowledged());
        assert!(told.len() <= said.len(), "acknowledged, but not by the relay");
        assert_eq!(told, &said[..told.len()], "another envelope");
        assert_eq!(self.session.is_over(), self.ended == 1, "the end was told {} times", self.ended);
        assert_eq!(self.session.is_over(), self.closed);
        if self.session.is_over() {
            assert_eq!((self.session.room(Side::Client), self.session.room(Side::Relay)), (0, 0));
            assert_eq!(self.session.deadline(), None);
        } else {
            assert_eq!(told.len(), said.len(), "the client was not told that its message arrived");
            assert_eq!(self.accepted, told.len(), "messages were miscounted");
            assert!(self.session.deadline().is_some(), "nothing bounds the wait");
        }
    }

    /// Everybody falls silent: the session must come to its end by itself, and say nothing after it.
    fn ends(&mut self) {
        self.polite = false;
        self.client_line.kept.clear();
        for _ in 0..1024 {
            if self.session.is_over() {
                break;
            }
            self.deadline_comes();
        }
        assert!(self.session.is_over(), "a session without an end");
        for what in [Happening::Draining, Happening::Ended(Side::Client), Happening::DeadlinePassed] {
            self.tell(what);
        }
        for side in [Side::Client, Side::Relay] {
            let _ = self.session.receive(self.now, side, b"NOOP\r\n", &mut self.out);
            assert!(self.out.is_empty(), "a word after the last: {:?}", self.out);
        }
    }
}
