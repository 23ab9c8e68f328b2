//! Where this connection stands: the session as a pure machine.
//!
//! No socket, no clock, no logger, no lock. Octets and time go in; things to do come out, in order.
//!
//! * [`Session::receive`] is shown octets of a side and says how many it took; the driver keeps the rest and shows it
//!   again, with what followed, after anything else has happened.
//! * [`Session::happened`] is told everything that is not octets.
//! * [`Output`] says what to do. It borrows nothing and is shared by all sessions of a thread, so a session owns no buffer.
//! * [`Session::room`] is the back-pressure, [`Session::deadline`] the one timer.
//!
//! | file | noun |
//! |---|---|
//! | `phase` | where we are, and which verb may come: the whole sequence logic |
//! | `exchange` | what we wait for: commands and replies in flight, [`Cleared`] |
//! | `link`, `opening` | the link to the relay, how it is opened, and what becomes of it |
//! | `introduction` | XCLIENT: telling the relay who the client is |
//! | `offer`, `hello` | what the relay offers, what the client was offered |
//! | `transaction`, `content` | a message on its way |
//! | `inquiry` | what is asked early and waited for late |
//! | `named`, `listed` | what reverse DNS says of the client, and what DNS lists do |
//! | `trace`, `edit` | what Gatepost writes on a message, and what becomes of the rest |
//! | `judge` | what the policy says of a command |
//! | `client`, `act` | what follows from the client's octets, from a command that nothing refused |
//! | `relay` | what follows from a reply |
//! | `tls` | STARTTLS, ours and that of others |
//! | `counsel` | what somebody may do in a time: asked, and told of |
//! | `auth`, `dialogue` | AUTH, and the exchange that it opens |
//! | `proven` | what is known of a client beyond its words |
//! | `delivery` | what becomes of content |
//! | `deadline` | the one timer |
//! | `speak` | answers, refusals, the last word |

mod act;
mod auth;
mod client;
mod clock;
mod content;
mod counsel;
mod deadline;
mod delivery;
mod dialogue;
mod edit;
mod exchange;
mod hello;
mod inquiry;
mod introduction;
mod judge;
mod link;
mod listed;
mod named;
mod offer;
mod opening;
mod phase;
mod proven;
mod question;
mod relay;
mod replies;
mod setting;
mod speak;
mod tls;
mod trace;
mod transaction;

pub use clock::Moment;
pub use exchange::{Action, Choice, Cleared, Linger, Octets, Output};
pub use link::{FAREWELL, Leg};
pub use offer::Offer;
pub use question::{Answer, Answered, Asking, Question, Secret};
pub use setting::{Connect, Identity, RelayTls, SessionId, Setting, Station, Waits, WhenDown};

use crate::event::{Ending, LinkFailure, NoService, Secured, Side, TlsFailure};
use crate::policy::Policy;
use crate::policy::limits::Pressure;
use crate::policy::verdict::Refusal;
use crate::smtp::line::HARD_CAP;
use crate::smtp::reply::REPLY_CAP;
use client::Reading;
use counsel::Counsel;
use exchange::Exchange;
use inquiry::About;
use link::Link;
use phase::{Phase, Stage};
use proven::Proven;
use std::net::SocketAddr;

/// Octets of content that the session will look at in one call: the most that it ever does.
pub const CONTENT_ROOM: usize = 128 * 1024;

/// What happened, other than octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The link that was asked for is connected; the relay speaks next.
    LinkOpened,
    /// In place of a new one there is one that a session before has handed on, as it left it: the gate speaks next.
    LinkHandedOn(Leg),
    /// It could not be had.
    LinkFailed(LinkFailure),
    /// TLS holds on a side. Of the client this is also told before [`Session::begin`], of the relay before
    /// [`LinkOpened`](Self::LinkOpened), where TLS came first (implicit TLS).
    Secured(Side, Box<Secured>),
    /// It does not: the handshake that [`Action::StartTls`] asked for failed, and the side is closed.
    NotSecured(Side, TlsFailure),
    /// The answer to a question.
    Answered(Answer),
    /// The gate is under stress: `[stress]` holds in place of what `[limits]` says.
    Stressed,
    /// It no longer is.
    Relieved,
    /// There is no room in the tarpit: a reply that is made to wait is said at once.
    TarpitFull,
    /// Somebody else waits for a link: the one that is open is given up, if no message is on its way.
    LinkRecalled,
    /// A side will send nothing more. Of the client this is told only once everything it sent was taken or cannot be
    /// ([`Session::is_waiting`]).
    Ended(Side),
    /// [`Session::deadline`] has come.
    DeadlinePassed,
    /// The process is going away.
    Draining,
    /// It goes now: what is not finished does not exist.
    DrainOver,
    /// No memory is left for what this connection holds back.
    MemoryShort,
}

/// One SMTP session with its client and, when it is needed, its link to the relay.
#[derive(Debug)]
pub struct Session {
    setting: Setting,
    phase: Phase,
    /// How the client's next octets are to be read.
    reading: Reading,
    link: Link,
    exchange: Exchange,
    proven: Proven,
    /// What reverse DNS and DNS lists say of the client.
    about: Option<Box<About>>,
    /// An opinion of CONNECT that waits for the first recipient.
    held: Option<Box<Refusal>>,
    /// What was asked of limits about the command, or the connection, that waits.
    counsel: Option<Box<Counsel>>,
    /// Since when it is the client's turn, and since when its line is incomplete.
    turn: Moment,
    line: Option<Moment>,
    /// When the session is asked to end between transactions, and why.
    farewell: Moment,
    reason: Ending,
    pressure: Pressure,
    tally: Tally,
    /// Questions that were asked; each has its number.
    questions: u32,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    began: Moment,
    commands: u32,
    refusals: u32,
    messages: u32,
    recipients: u32,
    transactions: u32,
    octets: u64,
    /// Since the last accepted message.
    errors: u32,
    refused_recipients: u32,
    trivial: u32,
    /// AUTH commands, and those of them that failed.
    auths: u32,
    failures: u32,
}

impl Session {
    /// A session that has not begun; [`begin`](Self::begin) says the greeting.
    pub fn new(setting: Setting) -> Self {
        Self {
            setting,
            phase: Phase::Connecting(None),
            reading: Reading::Lines,
            link: Link::Closed,
            exchange: Exchange::default(),
            proven: Proven::default(),
            about: None,
            held: None,
            counsel: None,
            turn: Moment::default(),
            line: None,
            farewell: Moment::NEVER,
            reason: Ending::TimeUp,
            pressure: Pressure::Calm,
            tally: Tally::default(),
            questions: 0,
        }
    }

    /// Whom it is with, and its name in logs.
    pub fn who(&self) -> (SocketAddr, &SessionId) {
        (self.client(), &self.setting.id)
    }

    /// Whom it is with.
    pub(super) fn client(&self) -> SocketAddr {
        SocketAddr::new(self.setting.client, self.setting.port)
    }

    /// The address that the client called, where that is known.
    pub fn called(&self) -> Option<SocketAddr> {
        self.setting.local.as_deref().copied()
    }

    /// TLS with the client, while it holds.
    pub fn client_tls(&self) -> Option<&Secured> {
        self.proven.tls.as_deref()
    }

    /// The rules it keeps to its end.
    pub fn policy(&self) -> &Policy {
        &self.setting.policy
    }

    /// Whether it was let in.
    pub fn admission(&self) -> Result<(), NoService> {
        self.setting.admission
    }

    /// The client has connected.
    pub fn begin(&mut self, now: Moment, out: &mut Output) {
        self.tally.began = now;
        self.turn = now;
        self.farewell = now + self.limits().session_time;
        self.admit(now, out);
        self.inquire(out);
        self.conclude(now, out);
    }

    /// Shows octets of a side: all that were not taken yet. Gives how many were taken.
    pub fn receive(&mut self, now: Moment, side: Side, input: &[u8], out: &mut Output) -> usize {
        let taken = match side {
            Side::Client => self.hear_client(now, input, out),
            Side::Relay => self.hear_relay(now, input, out),
        };
        self.conclude(now, out);
        taken
    }

    /// Tells what happened.
    pub fn happened(&mut self, now: Moment, what: Happening, out: &mut Output) {
        if self.is_over() {
            return;
        }
        match what {
            Happening::LinkOpened => self.link_opened(),
            Happening::LinkHandedOn(leg) => self.link_handed_on(now, leg, out),
            Happening::LinkFailed(why) => self.link_failed(now, why, link::words(why), out),
            Happening::Secured(side, secured) => self.secured(now, side, secured, out),
            Happening::NotSecured(side, why) => self.not_secured(now, side, why, out),
            Happening::Answered(answer) => self.answered_to(now, answer, out),
            Happening::Stressed => self.press(Pressure::Stressed),
            Happening::Relieved => self.press(Pressure::Calm),
            Happening::TarpitFull => {
                self.exchange.release(now);
                self.flush(now, out);
            }
            Happening::LinkRecalled => self.give_up_link(now, out),
            Happening::Ended(_) if matches!(self.phase, Phase::Passing(_)) => {
                self.end(now, Ending::Passed, out);
            }
            Happening::Ended(Side::Client) => self.end(now, Ending::ClientClosed, out),
            Happening::Ended(Side::Relay) => self.relay_lost(now, out),
            Happening::DeadlinePassed => self.deadline_passed(now, out),
            Happening::Draining => (self.farewell, self.reason) = (now, Ending::Drained),
            Happening::DrainOver => self.disconnect(now, &replies::DRAINING, Ending::Drained, out),
            Happening::MemoryShort => self.disconnect(now, &replies::NO_MEMORY, Ending::Memory, out),
        }
        self.conclude(now, out);
    }

    /// How many octets of a side the session will look at now; 0 while it waits for something else.
    pub fn room(&self, side: Side) -> usize {
        match (side, &self.phase) {
            // A handshake is the driver's to read, and TLS that is not ours nobody's.
            (_, Phase::Leaving(_) | Phase::Over | Phase::Passing(_)) | (Side::Client, Phase::Securing(_)) => {
                0
            }
            (Side::Relay, _) if self.link.is_securing() => 0,
            (Side::Relay, _) => REPLY_CAP,
            (Side::Client, _) if self.asks() || self.awaited_until().is_some() => 0,
            (Side::Client, _) if matches!(self.link, Link::Opening { .. }) && !self.greets() => 0,
            (Side::Client, Phase::Introduced(_, Stage::Data(_, content) | Stage::Chunks(_, content)))
                if content.in_chunk() || matches!(self.phase, Phase::Introduced(_, Stage::Data(..))) =>
            {
                if self.exchange.is_empty() || self.joins_chunks() {
                    CONTENT_ROOM
                } else {
                    0
                }
            }
            (Side::Client, _) if self.exchange.is_empty() || self.joins_commands() => HARD_CAP,
            (Side::Client, _) => 0,
        }
    }

    /// Whether a chunk may join what is in flight.
    fn joins_chunks(&self) -> bool {
        self.pipelines() && self.exchange.takes_chunk()
    }

    /// Whether a command may.
    fn joins_commands(&self) -> bool {
        // Behind STARTTLS nothing may come: that it does is to be seen.
        self.exchange.asks_tls() || self.pipelines() && self.exchange.takes_recipient()
    }

    /// Whether the session waits for something other than the client: the relay, the link, an answer, the end of a tarpit.
    pub fn is_waiting(&self) -> bool {
        let asks = self.asks() || self.awaited_until().is_some();
        let busy = !self.exchange.is_empty() || asks || matches!(self.link, Link::Opening { .. });
        !self.is_over() && (busy || matches!(self.phase, Phase::Securing(_)))
    }

    /// Whether a refusal is made to wait. The driver gives it room in its tarpit, or says
    /// [`Happening::TarpitFull`].
    pub fn is_held(&self) -> bool {
        self.exchange.is_held()
    }

    /// Whether the last word was said.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Leaving(_) | Phase::Over)
    }

    /// Whether no message is on its way: the session may be ended without a loss.
    pub fn is_between(&self) -> bool {
        self.exchange.is_empty()
            && matches!(
                self.phase,
                Phase::Connecting(_)
                    | Phase::Greeted
                    | Phase::Parting
                    | Phase::Introduced(_, Stage::Idle | Stage::Spoiled)
            )
    }

    /// Whether the greeting has not been said.
    fn greets(&self) -> bool {
        matches!(self.phase, Phase::Connecting(_))
    }

    /// Whether the relay takes commands in groups.
    fn pipelines(&self) -> bool {
        matches!(&self.link, Link::Open { offer, .. } if offer.extensions.contains(crate::smtp::extension::Extension::Pipelining))
    }
}
