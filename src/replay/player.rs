//! One session, played.

mod course;

use super::polite::Polite;
use super::purse::{Counted, Purse};
use super::scene::{Allowances, Backend, Certificate, Dns, HandingOn, Handshakes, Lists, RelayScene, Scene};
use crate::event::{Event, LinkFailure, Side, TlsFailure};
use crate::policy::Policy;
use crate::session::{Action, Choice, Happening, Moment, Offer, Output, Question, Session};
use course::Course;
use std::sync::Arc;
use std::time::Duration;

/// How octets are cut on their way to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cuts {
    /// As they were said.
    Whole,
    /// One at a time.
    Octets,
    /// At random, from this seed.
    Random(u64),
}

/// A session with everything around it: what was said, what was heard, what happened.
#[derive(Debug)]
pub struct Player {
    session: Session,
    out: Output,
    now: Moment,
    cuts: Cuts,
    scene: RelayScene,
    /// Whether links are in TLS from their first octet on.
    relay_in_tls: bool,
    handing_on: HandingOn,
    handshakes: Handshakes,
    backend: Backend,
    allowances: Allowances,
    purse: Purse,
    /// What was counted and nobody took note of yet.
    pub counted: Vec<Counted>,
    /// Bans that nobody took note of yet.
    pub bans: Vec<Duration>,
    /// The last question that was asked.
    pub question: Option<Question>,
    lists: Lists,
    /// The number of the question about them.
    lists_asked: Option<u32>,
    dns: Dns,
    /// The question about the client's name.
    name_question: Option<u32>,
    certificate: Certificate,
    course: Course,
    /// The relay behind.
    pub relay: Polite,
    link: LinkEnd,
    kept: Kept,
    /// What the client heard and nobody took note of yet.
    pub client_heard: Vec<u8>,
    /// Likewise what the relay heard, but for the opening of a link that it answers by itself.
    pub relay_heard: Vec<u8>,
    /// What happened and nobody took note of yet.
    pub events: Vec<Event>,
    /// Whether the client's connection was closed from our side.
    pub client_closed: bool,
    /// What sessions to come would be told of the relay.
    pub learned: Option<Arc<Offer>>,
}

/// The relay's end of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkEnd {
    None,
    /// Open; the relay answers hello by itself.
    Opening,
    Open,
}

/// What a side sent and the session did not take yet.
#[derive(Debug, Default)]
struct Kept {
    client: Vec<u8>,
    relay: Vec<u8>,
}

impl Player {
    /// A session that has just begun.
    pub fn new(policy: Arc<Policy>, scene: &Scene, cuts: Cuts) -> Self {
        let left = match &scene.allowances {
            Allowances::Left(left) => left.clone(),
            Allowances::Unknown | Allowances::Awaited => Vec::new(),
        };
        let mut player = Self {
            purse: Purse::new(Arc::clone(&policy), left),
            allowances: scene.allowances.clone(),
            counted: Vec::new(),
            bans: Vec::new(),
            session: Session::new(scene.setting(policy)),
            out: Output::default(),
            now: Moment::after_start(Duration::from_secs(1)),
            cuts,
            scene: scene.relay,
            relay_in_tls: scene.relay_in_tls,
            handing_on: scene.handing_on,
            handshakes: scene.handshakes,
            backend: scene.backend.clone(),
            question: None,
            lists: scene.lists.clone(),
            lists_asked: None,
            dns: scene.dns.clone(),
            name_question: None,
            certificate: scene.relay_certificate,
            course: Course::Plain,
            relay: Polite::new(&scene.offer),
            link: LinkEnd::None,
            kept: Kept::default(),
            client_heard: Vec::new(),
            relay_heard: Vec::new(),
            events: Vec::new(),
            client_closed: false,
            learned: None,
        };
        if scene.tls {
            let secured = Happening::Secured(Side::Client, Box::new(player.secured(Side::Client)));
            player.session.happened(player.now, secured, &mut player.out);
        }
        if let Some(account) = &scene.auth {
            player.session.vouch(account);
        }
        player.session.begin(player.now, &mut player.out);
        player.carry_out(&[]);
        player.turn();
        player
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Octets that a side sent and the session has not taken.
    pub fn waiting(&self, side: Side) -> usize {
        match side {
            Side::Client => self.kept.client.len(),
            Side::Relay => self.kept.relay.len(),
        }
    }

    /// Whether a link is open.
    pub fn linked(&self) -> bool {
        self.link != LinkEnd::None
    }

    /// The client says this.
    pub fn client_says(&mut self, octets: &[u8]) {
        self.say(Side::Client, octets);
    }

    /// The relay says this (it must not be a polite one).
    pub fn relay_says(&mut self, octets: &[u8]) {
        self.say(Side::Relay, octets);
    }

    fn say(&mut self, side: Side, octets: &[u8]) {
        for piece in pieces(self.cuts, octets) {
            match (self.course, side) {
                (Course::Handshake(shaking), _) if shaking == side => {
                    self.handshake_ends(side, Err(TlsFailure::Garbled));
                    return self.turn();
                }
                (Course::Passing, Side::Client) => self.relay_heard.extend_from_slice(piece),
                (Course::Passing, Side::Relay) => self.client_heard.extend_from_slice(piece),
                _ => {}
            }
            if self.course == Course::Passing {
                continue;
            }
            match side {
                Side::Client => self.kept.client.extend_from_slice(piece),
                Side::Relay => self.kept.relay.extend_from_slice(piece),
            }
            self.turn();
        }
    }

    /// Something happens that is no octets.
    pub fn happens(&mut self, what: Happening) {
        if what == Happening::Ended(Side::Relay) {
            if self.link == LinkEnd::None {
                return;
            }
            self.link = LinkEnd::None;
            self.relay.hang_up();
        }
        self.session.happened(self.now, what, &mut self.out);
        self.carry_out(&[]);
        self.turn();
    }

    /// The link that was asked for is connected (a silent relay's; the others answer at once).
    pub fn link_opens(&mut self) {
        self.link = LinkEnd::Open;
        self.happens(Happening::LinkOpened);
    }

    /// From now on nobody takes a connection.
    pub fn relay_goes(&mut self) {
        self.scene = RelayScene::Absent;
    }

    /// Time passes; deadlines on the way come true.
    pub fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(deadline) = self.session.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.happens(Happening::DeadlinePassed);
            if self.session.deadline().is_some_and(|next| next <= self.now) {
                break;
            }
        }
        self.now = self.now.max(end);
    }

    /// Shows the session what it has not taken, until nothing moves.
    fn turn(&mut self) {
        while self.show(Side::Relay) || self.show(Side::Client) {}
    }

    fn show(&mut self, side: Side) -> bool {
        let kept = match side {
            Side::Client => &mut self.kept.client,
            Side::Relay => &mut self.kept.relay,
        };
        let mut input = std::mem::take(kept);
        let room = self.session.room(side).min(input.len());
        let shown = input.get(..room).unwrap_or_default();
        if shown.is_empty() && !input.is_empty() && self.session.is_over() {
            return false;
        }
        let taken =
            if shown.is_empty() { 0 } else { self.session.receive(self.now, side, shown, &mut self.out) };
        let acted = !self.out.is_empty();
        let shown = shown.to_vec();
        self.carry_out(&shown);
        input.drain(..taken.min(input.len()));
        let kept = match side {
            Side::Client => &mut self.kept.client,
            Side::Relay => &mut self.kept.relay,
        };
        // What arrived meanwhile stands behind what was kept.
        input.append(kept);
        *kept = input;
        taken > 0 || acted
    }

    fn carry_out(&mut self, input: &[u8]) {
        let mut out = std::mem::take(&mut self.out);
        let (actions, scratch) = out.parts();
        for action in actions {
            match action {
                Action::Send { to: Side::Client, what } => {
                    self.client_heard.extend_from_slice(Output::octets(scratch, input, &what));
                }
                Action::Send { to: Side::Relay, what } => {
                    self.relay_hears(Output::octets(scratch, input, &what));
                }
                Action::OpenLink(Choice::Any) if self.take_link() => {}
                Action::OpenLink(_) => self.open_link(),
                Action::HandOn(leg) => {
                    self.handing_on = HandingOn::Waiting(leg);
                    self.link = LinkEnd::None;
                }
                Action::CloseLink => {
                    if self.course == Course::Handshake(Side::Relay) {
                        self.course = Course::Plain;
                    }
                    self.link = LinkEnd::None;
                    self.kept.relay.clear();
                    self.relay.hang_up();
                }
                Action::StartTls(side) => self.course = Course::Handshake(side),
                Action::PassThrough => self.course = Course::Passing,
                Action::Ask(question) => self.note_question(question),
                Action::Charge(charge) => self.counted.push(self.purse.charge(self.now, &charge)),
                Action::Ban(span) => self.bans.push(span),
                Action::CloseClient(_) => self.client_closed = true,
                Action::Learn(offer) => self.learned = Some(offer),
                Action::Tell(event) => self.events.push(event),
            }
        }
        out.clear();
        if let (Course::Handshake(side), Handshakes::Hold) = (self.course, self.handshakes) {
            self.handshake_ends(side, Ok(()));
        }
        if let (Backend::Says(what), true) = (self.backend.clone(), self.asks_credentials()) {
            self.answer_question(what);
        }
        // Answers of the relay may have come of what was sent; they are shown in the next turn.
        if self.out.is_empty() {
            self.out = out;
        } else {
            self.carry_out(&[]);
        }
    }

    fn relay_hears(&mut self, octets: &[u8]) {
        let opening = self.link == LinkEnd::Opening;
        if !opening {
            self.relay_heard.extend_from_slice(octets);
        }
        if opening || self.scene == RelayScene::Polite {
            let said = self.relay.hear(octets);
            if opening && said.starts_with(b"250") {
                self.link = LinkEnd::Open;
            }
            self.kept.relay.extend_from_slice(&said);
        }
    }

    /// Takes the link that waits, if one does.
    fn take_link(&mut self) -> bool {
        let HandingOn::Waiting(leg) = self.handing_on else { return false };
        self.handing_on = HandingOn::Empty;
        self.link = if self.scene == RelayScene::Silent { LinkEnd::Open } else { LinkEnd::Opening };
        self.session.happened(self.now, Happening::LinkHandedOn(leg), &mut self.out);
        true
    }

    /// Whether one waits for another session.
    pub fn has_handed_on(&self) -> bool {
        matches!(self.handing_on, HandingOn::Waiting(_))
    }

    fn open_link(&mut self) {
        if self.relay_in_tls {
            let secured = Happening::Secured(Side::Relay, Box::new(self.secured(Side::Relay)));
            self.session.happened(self.now, secured, &mut self.out);
        }
        match self.scene {
            RelayScene::Polite | RelayScene::Scripted => {
                self.link = LinkEnd::Opening;
                self.session.happened(self.now, Happening::LinkOpened, &mut self.out);
                let greeting = self.relay.greet();
                self.kept.relay.extend_from_slice(&greeting);
            }
            RelayScene::Silent => {
                self.link = LinkEnd::Open;
                self.session.happened(self.now, Happening::LinkOpened, &mut self.out);
            }
            RelayScene::Absent => {
                let failed = Happening::LinkFailed(LinkFailure::NoConnection);
                self.session.happened(self.now, failed, &mut self.out);
            }
        }
    }
}

/// Cuts octets.
fn pieces(cuts: Cuts, octets: &[u8]) -> Vec<&[u8]> {
    match cuts {
        Cuts::Whole => vec![octets],
        Cuts::Octets => octets.chunks(1).collect(),
        Cuts::Random(seed) => {
            let (mut rest, mut state, mut pieces) = (octets, seed | 1, Vec::new());
            while !rest.is_empty() {
                // xorshift: any generator does, as long as the same seed gives the same cuts.
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let size = usize::try_from(state % 23).unwrap_or_default().saturating_add(1).min(rest.len());
                let (piece, behind) = rest.split_at(size);
                pieces.push(piece);
                rest = behind;
            }
            pieces
        }
    }
}
