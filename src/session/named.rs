//! What reverse DNS says of the client, and what is written on a message of it.

use super::clock::Moment;
use super::edit::Edit;
use super::exchange::Own;
use super::trace::{GROWTH, Trace};
use super::{Answered, Identity, Output, Session};
use crate::message::results::Sieve;
use crate::policy::Policy;
use crate::policy::condition::NameScene;
use crate::policy::names::{Annotate, NameVerdict, Naming};

/// By how much a message may grow under a policy.
pub(super) fn growth(policy: &Policy) -> u64 {
    if policy.names().annotate == Annotate::Off { 0 } else { GROWTH }
}

static UNKNOWN: Naming = Naming::of(NameVerdict::Unknown);

impl Session {
    /// Whether anybody wants to know it.
    pub(super) fn wants_name(&self) -> bool {
        self.setting.station.identity == Identity::Xclient || self.setting.policy.wants_names()
    }

    /// What is made of an answer.
    pub(super) fn named(answer: Answered) -> Naming {
        match answer {
            Answered::Name(naming) => naming.sound(),
            // Nobody can say, or says something else.
            _ => Self::unnamed(),
        }
    }

    /// What is made of none.
    pub(super) fn unnamed() -> Naming {
        Naming::of(NameVerdict::Failed)
    }

    /// The answer, as far as it is there.
    pub(super) fn naming(&self) -> &Naming {
        self.about.as_ref().and_then(|about| about.naming.known()).unwrap_or(&UNKNOWN)
    }

    /// For rules.
    pub(super) fn name_scene(&self) -> NameScene<'_> {
        NameScene::of(self.naming())
    }

    /// For logs; none: nobody wanted to know.
    pub(super) fn shown_naming(&self) -> Option<Naming> {
        self.about.as_ref().is_some_and(|about| about.naming.is_asked()).then(|| self.naming().clone())
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
            client: self.setting.client,
            naming: self.naming(),
            proven: &self.proven,
            smtputf8: self.phase.transaction().is_some_and(|mail| mail.declared().smtputf8),
            at: station.started.saturating_add(now.since_start()),
        };
        trace.encode(rules)
    }
}
