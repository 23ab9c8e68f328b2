//! Commands and replies in flight: what the relay may hear, and whose reply comes next.
//!
//! Replies carry no name; they match commands strictly in order and by count (RFC 2920 3.1). Our own replies to
//! commands that arrived behind forwarded ones wait here for their turn.

mod output;
mod own;
mod queue;

pub use output::{Action, Choice, Linger, Octets, Output};
pub(super) use own::Own;

use super::clock::Moment;
use super::hello::Hello;
use crate::event::Side;
use crate::policy::verdict::{self, Refusal, Verdict};
use crate::smtp::base64::is_base64;
use crate::smtp::command::Command;
use crate::smtp::mail_data::Piece;
use crate::smtp::parameter::Parameter;
use crate::smtp::reply::{Code, Heard, Reply};
use crate::smtp::verb::Verb;
use crate::smtp::violation::Violation;
use queue::Queue;

/// Proof that the relay may hear this. It is made in this file alone: from a command with the verdict *forward*, from
/// a piece of content that a scanner released, and from [`Own`]. Output to the relay takes nothing else.
///
/// ```compile_fail
/// let smuggled = gatepost::session::Cleared("MAIL FROM:<a@b>");
/// ```
#[derive(Debug)]
pub struct Cleared<T>(T);

impl<'c, 'l> Cleared<&'c Command<'l>> {
    /// Clears a command that was judged.
    pub(super) fn judged(command: &'c Command<'l>, verdict: Verdict) -> Result<Self, Refusal> {
        match verdict {
            Verdict::Forward => Ok(Self(command)),
            Verdict::Refuse(refusal) => Err(*refusal),
        }
    }
}

/// A line of an AUTH exchange, as the client says it (RFC 4954 4).
#[derive(Debug)]
pub(super) struct Response<'l>(&'l [u8]);

impl<'l> Cleared<Response<'l>> {
    /// Clears base64: nothing else can stand in it, and one decoder reads what any other does.
    pub(super) fn base64(line: &'l [u8]) -> Result<Self, Violation> {
        if is_base64(line) { Ok(Self(Response(line))) } else { Err(Violation::AuthLine) }
    }
}

impl<'p> Cleared<Piece<'p>> {
    /// Clears what the scanner released.
    pub(super) fn released(piece: Piece<'p>) -> Self {
        Self(piece)
    }
}

/// What the next reply of the relay answers.
#[derive(Debug)]
pub(super) enum Asked {
    /// A command of the client's; it hears the reply.
    Command(Verb),
    /// A hello of the client's on an open link; what follows from it.
    Hello(Box<Hello>),
    /// A MAIL that the client was answered long ago.
    LateMail,
    /// A chunk of our own making.
    Chunk,
    /// The end of mail data, or the last chunk.
    Message,
    /// A RSET of our own.
    Reset,
    /// A step of an AUTH exchange; the client hears the reply.
    Auth,
    /// The end of one, because of this.
    AuthCancelled(Violation),
}

/// Something that waits for its turn to be said to the client.
#[derive(Debug)]
pub(super) enum Awaited {
    /// The relay's next reply.
    Relay(Asked),
    /// A reply of our own.
    Own(Box<[u8]>),
    /// A refusal that is made to wait (a tarpit costs a timer and nothing else).
    Held(Box<(Hold, Box<[u8]>)>),
    /// The end of a chunk of the client's: answered when the relay has answered all that was made of it.
    ChunkEnd {
        /// Its octets.
        size: u64,
        /// Whether it ends the message.
        last: bool,
    },
}

/// A tarpit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    /// When it is over.
    pub(super) until: Moment,
    /// Whether the session goes on then.
    pub(super) then: verdict::Action,
}

/// What is to be done when it has come to its turn.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    /// The end of a chunk of the client's, of so many octets, is to be answered; true: it ends the message.
    ChunkEnd(u64, bool),
    /// The last word was said.
    End,
}

/// What is in flight.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    waiting: Queue<Awaited>,
    /// Since when the relay's next reply is waited for.
    since: Moment,
}

/// The most commands in flight together.
const DEPTH: usize = 128;

impl Exchange {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether another command of the group that MAIL and RCPT make (RFC 2920 3.1) may join what is in flight.
    pub(super) fn takes_recipient(&self) -> bool {
        self.waiting.len() < DEPTH
            && self.waiting.iter().all(|awaited| match awaited {
                Awaited::Relay(asked) => {
                    matches!(asked, Asked::Command(Verb::Mail | Verb::Rcpt) | Asked::LateMail)
                }
                Awaited::Own(_) => true,
                Awaited::Held(_) | Awaited::ChunkEnd { .. } => false,
            })
    }

    /// Whether a STARTTLS of the client's is on its way.
    pub(super) fn asks_tls(&self) -> bool {
        matches!(self.asked(), Some(Asked::Command(Verb::StartTls)))
    }

    /// Whether another chunk of ours may follow those in flight.
    pub(super) fn takes_chunk(&self) -> bool {
        self.waiting.len() < DEPTH
            && self.waiting.iter().all(|awaited| matches!(awaited, Awaited::Relay(Asked::Chunk)))
    }

    /// Until when a reply is made to wait, if the next one is.
    pub(super) fn held_until(&self) -> Option<Moment> {
        match self.waiting.front() {
            Some(Awaited::Held(held)) => Some(held.0.until),
            _ => None,
        }
    }

    /// Whether a reply is made to wait.
    pub(super) fn is_held(&self) -> bool {
        self.waiting.iter().any(|awaited| matches!(awaited, Awaited::Held(..)))
    }

    /// Makes no reply wait any longer.
    pub(super) fn release(&mut self, now: Moment) {
        for awaited in self.waiting.iter_mut() {
            if let Awaited::Held(held) = awaited {
                held.0.until = now;
            }
        }
    }

    /// What the relay's next reply answers.
    pub(super) fn asked(&self) -> Option<&Asked> {
        self.waiting.iter().find_map(|awaited| match awaited {
            Awaited::Relay(asked) => Some(asked),
            _ => None,
        })
    }

    /// Since when it is waited for.
    pub(super) fn since(&self) -> Moment {
        self.since
    }

    /// Sends a cleared command to the relay; parameters for which `keep` is false stay here, and a message will be
    /// larger by `growth` than its client says.
    pub(super) fn forward(
        &mut self,
        now: Moment,
        command: &Cleared<&Command<'_>>,
        (keep, growth): (impl Fn(&Parameter<'_>) -> bool, u64),
        asked: Asked,
        out: &mut Output,
    ) {
        out.write(Side::Relay, |octets| {
            // A command with a fault is never cleared: nothing is written then.
            let _ = command.0.encode_grown(keep, growth, octets);
        });
        self.expect(now, asked);
    }

    /// Says something of our own to the relay and waits for the reply, if there is one to come.
    pub(super) fn say(&mut self, now: Moment, own: Own<'_>, out: &mut Output) {
        let own = Cleared(own);
        out.write(Side::Relay, |octets| own.0.encode(octets));
        match own.0 {
            Own::LastChunk | Own::EndOfMailData => self.expect(now, Asked::Message),
            Own::Reset => self.expect(now, Asked::Reset),
            Own::TraceChunk(_) => self.expect(now, Asked::Chunk),
            // These belong to the opening of a link, and nobody waits for the reply to QUIT; of the rest others see to it.
            Own::Ehlo(_)
            | Own::Helo(_)
            | Own::StartTls
            | Own::Xclient(_)
            | Own::CancelAuth
            | Own::Quit
            | Own::Trace(_)
            | Own::Chunk(_) => {}
        }
    }

    /// Sends an answer to the relay's challenge.
    pub(super) fn respond(&mut self, now: Moment, response: &Cleared<Response<'_>>, out: &mut Output) {
        out.write(Side::Relay, |octets| {
            octets.extend_from_slice(response.0.0);
            octets.extend_from_slice(b"\r\n");
        });
        self.expect(now, Asked::Auth);
    }

    /// Ends an AUTH exchange with the relay, because of this.
    pub(super) fn cancel(&mut self, now: Moment, fault: Violation, out: &mut Output) {
        self.say(now, Own::CancelAuth, out);
        self.expect(now, Asked::AuthCancelled(fault));
    }

    /// Sends released content behind `DATA`.
    pub(super) fn content(input: &[u8], piece: &Cleared<Piece<'_>>, out: &mut Output) {
        out.pass(input, piece.0);
    }

    /// Makes one chunk of the content that was passed since `mark`: its octets are all at hand.
    pub(super) fn chunk(&mut self, now: Moment, mark: usize, size: usize, out: &mut Output) {
        if size > 0 {
            let own = Cleared(Own::Chunk(size));
            out.insert(mark, |octets| own.0.encode(octets));
            self.expect(now, Asked::Chunk);
        }
    }

    fn expect(&mut self, now: Moment, asked: Asked) {
        if self.asked().is_none() {
            self.since = now;
        }
        self.waiting.push(Awaited::Relay(asked));
    }

    /// The relay answered: what was it asked?
    pub(super) fn answered(&mut self, now: Moment) -> Option<Asked> {
        self.since = now;
        match self.waiting.pop() {
            Some(Awaited::Relay(asked)) => Some(asked),
            other => {
                // Nothing was asked: what waits goes on waiting.
                if let Some(other) = other {
                    self.waiting.push(other);
                }
                None
            }
        }
    }

    /// Says a reply of our own to the client, in its turn.
    pub(super) fn reply(&mut self, hold: Option<Hold>, write: impl FnOnce(&mut Vec<u8>), out: &mut Output) {
        if self.waiting.is_empty() && hold.is_none() {
            return out.say_to_client(write);
        }
        let mut octets = Vec::new();
        write(&mut octets);
        self.waiting.push(match hold {
            Some(hold) => Awaited::Held(Box::new((hold, octets.into()))),
            None => Awaited::Own(octets.into()),
        });
    }

    /// A chunk of the client's is complete.
    pub(super) fn chunk_end(&mut self, size: u64, last: bool) {
        self.waiting.push(Awaited::ChunkEnd { size, last });
    }

    /// Says what has come to its turn; gives back what more is to be done. In lock-step it is nothing.
    #[inline]
    pub(super) fn flush(&mut self, now: Moment, out: &mut Output) -> Option<Due> {
        if self.waiting.is_empty() { None } else { self.say_next(now, out) }
    }

    fn say_next(&mut self, now: Moment, out: &mut Output) -> Option<Due> {
        loop {
            let due = match self.waiting.front()? {
                Awaited::Held(held) if held.0.until > now => return None,
                Awaited::Relay(_) => return None,
                Awaited::Own(octets) => {
                    out.say_to_client(|to| to.extend_from_slice(octets));
                    None
                }
                Awaited::Held(held) => {
                    out.say_to_client(|to| to.extend_from_slice(&held.1));
                    (held.0.then == verdict::Action::Disconnect).then_some(Due::End)
                }
                Awaited::ChunkEnd { size, last } => Some(Due::ChunkEnd(*size, *last)),
            };
            self.waiting.pop();
            if due.is_some() {
                return due;
            }
        }
    }

    /// Nothing more will be answered: forgets what is in flight.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}

/// Words for the client: our own, or the relay's as they were heard.
#[derive(Clone, Debug)]
pub(super) enum Words {
    /// Gatepost's.
    Own(Reply),
    /// The relay's, canonical.
    Relay(Box<[u8]>),
}

impl Words {
    /// Keeps what the relay said.
    pub(super) fn of(heard: &Heard<'_>) -> Self {
        let mut octets = Vec::new();
        heard.encode(&mut octets);
        Self::Relay(octets.into())
    }

    /// Their code.
    pub(super) fn code(&self) -> Option<Code> {
        match self {
            Self::Own(reply) => Some(reply.code),
            Self::Relay(octets) => Code::new(
                octets.iter().take(3).fold(0, |code, digit| code * 10 + u16::from(digit.wrapping_sub(b'0'))),
            ),
        }
    }
}
