//! What reverse DNS says of the client: asked as soon as it is let in, and waited for by what depends on it alone.

use super::clock::Moment;
use super::edit::Edit;
use super::exchange::Action as Do;
use super::exchange::Own;
use super::trace::{GROWTH, Trace};
use super::{Answered, Asking, Identity, Output, Question, Session};
use crate::message::results::Sieve;
use crate::policy::Policy;
use crate::policy::condition::NameScene;
use crate::policy::names::{Annotate, NameVerdict, Naming};
use crate::smtp::verb::Verb;
use std::time::Duration;

/// How long an answer may take that a command waits for, counted from the question on. (The driver has bounds of its own,
/// and they are closer.)
const LONGEST: Duration = Duration::from_secs(20);

/// What is known of it.
#[derive(Debug, Default)]
pub(super) enum Inquiry {
    /// Nobody wants to know.
    #[default]
    Unasked,
    /// The question of this number is open; from then on it is not waited for.
    Asked(u32, Moment),
    /// And a command waits for the answer.
    Awaited(u32, Moment),
    /// The answer.
    Known(Box<Naming>),
}

/// By how much a message may grow under a policy.
pub(super) fn growth(policy: &Policy) -> u64 {
    if policy.names().annotate == Annotate::Off { 0 } else { GROWTH }
}

static UNKNOWN: Naming = Naming::of(NameVerdict::Unknown);

impl Inquiry {
    /// The answer, as far as it is there.
    pub(super) fn naming(&self) -> &Naming {
        match self {
            Self::Known(naming) => naming,
            Self::Unasked | Self::Asked(..) | Self::Awaited(..) => &UNKNOWN,
        }
    }

    /// For rules.
    pub(super) fn scene(&self) -> NameScene<'_> {
        NameScene::of(self.naming())
    }

    /// For logs; none: nobody wanted to know.
    pub(super) fn shown(&self) -> Option<Naming> {
        (!matches!(self, Self::Unasked)).then(|| self.naming().clone())
    }

    /// Until when a command waits, if one does.
    pub(super) fn awaited_until(&self) -> Option<Moment> {
        match self {
            Self::Awaited(_, until) => Some(*until),
            _ => None,
        }
    }

    /// The number of the question, if it is open.
    fn open(&self) -> Option<u32> {
        match self {
            Self::Asked(number, _) | Self::Awaited(number, _) => Some(*number),
            Self::Unasked | Self::Known(_) => None,
        }
    }
}

impl Session {
    /// Asks, if anybody wants to know.
    pub(super) fn inquire(&mut self, now: Moment, out: &mut Output) {
        let told = self.setting.station.identity == Identity::Xclient;
        if self.is_over() || !(told || self.setting.policy.wants_names()) {
            return;
        }
        let number = self.next_question();
        self.inquiry = Inquiry::Asked(number, now + LONGEST);
        out.act(Do::Ask(Question { number, what: Asking::Name }));
    }

    /// The number of a question.
    pub(super) fn next_question(&mut self) -> u32 {
        self.tally.questions = self.tally.questions.wrapping_add(1);
        self.tally.questions
    }

    /// Whether a command has to wait for the answer; from now on it does.
    pub(super) fn awaits_name(&mut self, now: Moment, verb: Verb) -> bool {
        let Inquiry::Asked(number, until) = self.inquiry else {
            return matches!(self.inquiry, Inquiry::Awaited(..));
        };
        if !self.setting.policy.awaits_name(verb) {
            return false;
        }
        if until <= now {
            self.unnamed(now);
            return false;
        }
        self.inquiry = Inquiry::Awaited(number, until);
        true
    }

    /// Nobody has answered in time.
    pub(super) fn unnamed(&mut self, now: Moment) {
        self.turn = now;
        self.inquiry = Inquiry::Known(Box::new(Naming::of(NameVerdict::Failed)));
    }

    /// Whether an answer is that of the client's name; it is taken, and any that comes later is of no interest.
    pub(super) fn named(&mut self, now: Moment, number: u32, answer: &Answered) -> bool {
        if self.inquiry.open() != Some(number) {
            return false;
        }
        let naming = match answer {
            Answered::Name(naming) => (**naming).clone().sound(),
            // Nobody can say, or says something else.
            _ => Naming::of(NameVerdict::Failed),
        };
        if self.inquiry.awaited_until().is_some() {
            self.turn = now;
        }
        self.inquiry = Inquiry::Known(Box::new(naming));
        true
    }

    /// Writes on a message that goes on by DATA, in front of its content.
    pub(super) fn trace_data(&mut self, now: Moment, out: &mut Output) {
        let fields = self.trace(now);
        if !fields.is_empty() {
            self.exchange.say(now, Own::Trace(&fields), out);
        }
    }

    /// Likewise by BDAT, in a chunk of its own.
    pub(super) fn trace_chunk(&mut self, now: Moment, out: &mut Output) {
        let fields = self.trace(now);
        if !fields.is_empty() {
            self.exchange.say(now, Own::TraceChunk(&fields), out);
        }
    }

    /// By how much a message may grow on its way to the relay.
    pub(super) fn growth(&self) -> u64 {
        growth(&self.setting.policy)
    }

    /// What becomes of a message on which something is written. `stuffed`: it comes by DATA.
    pub(super) fn edit(&self, stuffed: bool) -> Edit {
        let sieve = || Box::new(Sieve::new(&self.setting.station.name, stuffed));
        match self.setting.policy.names().annotate {
            Annotate::Off => Edit::NONE,
            Annotate::Received => Edit::behind_ours(stuffed, None),
            Annotate::Both => Edit::behind_ours(stuffed, Some(sieve())),
        }
    }

    /// What goes in front of a message that comes now; nothing, if nothing is to be written on it.
    fn trace(&self, now: Moment) -> Vec<u8> {
        let rules = *self.setting.policy.names();
        let Some(hello) = self.phase.hello().filter(|_| rules.annotate != Annotate::Off) else {
            return Vec::new();
        };
        let station = &self.setting.station;
        let trace = Trace {
            gate: &station.name,
            id: self.setting.id.as_str(),
            hello,
            client: self.setting.client.ip(),
            naming: self.inquiry.naming(),
            proven: &self.proven,
            smtputf8: self.phase.transaction().is_some_and(|mail| mail.declared.smtputf8),
            at: station.started.saturating_add(now.since_start()),
        };
        trace.encode(rules)
    }
}
