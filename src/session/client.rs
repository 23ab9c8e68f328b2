//! What follows from the client's octets: lines, commands, mail data, chunks.

use super::act::Turn;
use super::clock::{Budget, Moment};
use super::exchange::Cleared;
use super::inquiry::Which;
use super::judge::{Spoken, violation};
use super::phase::{Phase, Place, Stage};
use super::{Output, Session, replies};
use crate::event::{Ending, Event, Fate, Force, Outcome, Side};
use crate::policy::Weight;
use crate::policy::count::Deed;
use crate::policy::verdict::{Action, Check, Refusal, Verdict};
use crate::smtp::command::{self, Argument, Command};
use crate::smtp::line::{self, Cut};
use crate::smtp::mail_data::LineEnds;
use crate::smtp::verb::Verb;
use crate::smtp::violation::{Response, Violation};

/// How the client's next octets are to be read.
#[derive(Debug)]
pub(super) enum Reading {
    /// As the phase says.
    Lines,
    /// A chunk that came out of place: RFC 3030 2 wants it swallowed before the refusal.
    Swallow(Box<Swallowed>),
}

/// A chunk that nobody wants.
#[derive(Debug)]
pub(super) struct Swallowed {
    /// Octets that are still to come.
    left: u64,
    refusal: Refusal,
    /// They come at the client's pace.
    pub(super) budget: Budget,
}

impl Session {
    pub(super) fn hear_client(&mut self, now: Moment, input: &[u8], out: &mut Output) -> usize {
        let mut taken = 0;
        while taken < input.len() {
            let step = self.hear_step(now, input, taken, out);
            if step == 0 {
                break;
            }
            taken = taken.saturating_add(step);
        }
        let octets = u64::try_from(taken).unwrap_or(u64::MAX);
        self.tally.octets = self.tally.octets.saturating_add(octets);
        // A line has its time from the first octet on; between lines the client has its turn.
        if taken > 0 {
            self.turn = now;
            self.line = None;
        }
        if taken < input.len() && !self.is_waiting() && self.line.is_none() {
            self.line = Some(now);
        }
        taken
    }

    /// Takes the next thing off the client's octets; 0 if it is not complete or has to wait.
    fn hear_step(&mut self, now: Moment, input: &[u8], at: usize, out: &mut Output) -> usize {
        let rest = input.get(at..).unwrap_or_default();
        if let Reading::Swallow(_) = self.reading {
            return self.swallow(now, rest, out);
        }
        match &self.phase {
            Phase::Leaving(_) | Phase::Over => rest.len(),
            Phase::Securing(_) | Phase::Passing(_) => 0,
            _ if self.exchange.asks_tls() => self.speaks_before_tls(now, rest, out),
            Phase::Connecting(_) => self.early_talker(now, rest, out),
            Phase::Introduced(_, Stage::Auth(_)) => self.auth_line(now, rest, out),
            Phase::Introduced(_, Stage::Data(..)) if self.exchange.is_empty() => {
                self.mail_data(now, input, at, out)
            }
            Phase::Introduced(_, Stage::Data(..)) => 0,
            Phase::Introduced(_, Stage::Chunks(_, content)) if content.in_chunk() => {
                self.chunk(now, input, at, out)
            }
            Phase::Greeted | Phase::Introduced(..) | Phase::Parting => self.line(now, rest, out),
        }
    }

    fn early_talker(&mut self, now: Moment, rest: &[u8], out: &mut Output) -> usize {
        let fault = Violation::EarlyTalker;
        // In place of a greeting there is nothing to go on with (RFC 5321 3.1).
        let refusal = violation(fault, Response::Disconnect);
        let scene = self.bare_scene(now);
        match self.setting.policy.weigh(refusal.check, &scene) {
            Weight::Enforce => {
                self.refuse(now, refusal, None, rest, out);
                rest.len()
            }
            Weight::Observe => {
                // Told once: when its time comes the line is judged like any other.
                if self.line.replace(now).is_none() {
                    self.observe(&refusal, None, rest, out);
                }
                0
            }
            Weight::Nothing => 0,
        }
    }

    fn line(&mut self, now: Moment, rest: &[u8], out: &mut Output) -> usize {
        if self.room(Side::Client) == 0 {
            // What follows may be a command or, behind DATA, content: the relay's answer says which.
            return 0;
        }
        if self.tally.commands == 0
            && let Some(fault) = line::foreign(rest)
        {
            let refusal = violation(fault, Response::Disconnect);
            if fault == Violation::TlsInPlaintext {
                // Words in plain text mean nothing to who speaks TLS.
                self.decide(&refusal, Force::Enforced, None, rest, out);
                self.end(now, Ending::Refused, out);
            } else {
                self.refuse(now, refusal, None, rest, out);
            }
            return rest.len();
        }
        match line::cut(rest, self.is_lenient()) {
            Cut::Incomplete => 0,
            // Who is cut off hears first what it is still owed.
            Cut::Broken(_) if !self.exchange.is_empty() => 0,
            Cut::Broken(fault) => {
                self.refuse(now, violation(fault, Response::Disconnect), None, rest, out);
                rest.len()
            }
            Cut::Line { body, taken } => match self.command(now, (body, taken), taken < rest.len(), out) {
                Turn::Taken(_) => taken,
                Turn::Waits => 0,
            },
        }
    }

    /// Whether a LF alone ends a line.
    pub(super) fn is_lenient(&self) -> bool {
        self.line_ends() == LineEnds::Lenient
    }

    pub(super) fn line_ends(&self) -> LineEnds {
        self.setting.policy.line_ends(self.setting.client)
    }

    /// A line of so many octets; `followed`: more came with it.
    fn command(
        &mut self,
        now: Moment,
        (body, length): (&[u8], usize),
        followed: bool,
        out: &mut Output,
    ) -> Turn {
        let command = command::parse(body);
        let joins = command.verb == Verb::Rcpt && self.pipelines() && self.exchange.takes_recipient();
        if !self.exchange.is_empty() && !joins {
            return Turn::Waits;
        }
        let gone = match self.phase {
            Phase::Parting => Some(replies::COME_BACK),
            _ => self.is_orphaned().then_some(replies::RELAY_LOST),
        };
        if let Some(words) = gone.filter(|_| command.verb != Verb::Quit) {
            self.disconnect(now, &words, Ending::RelayLost, out);
            return self.taken(command.verb, length, Fate::Refused, out);
        }
        if now >= self.farewell && self.is_between() && command.verb != Verb::Quit {
            self.part(now, out);
            return self.taken(command.verb, length, Fate::Refused, out);
        }
        let Some(place) = self.phase.place().or((command.verb == Verb::Quit).then_some(Place::Greeted))
        else {
            return Turn::Waits;
        };
        let named = self.setting.policy.awaits_name(command.verb) && place.admits(command.verb).is_ok();
        if named && self.waits_for(now, Which::Name) {
            return Turn::Waits;
        }
        let spoken = Spoken { command: &command, length, line: body, followed };
        let judgement = match self.judge(now, spoken, place) {
            Ok(judgement) => judgement,
            Err(charges) => {
                self.ask_allowances(now, charges, out);
                return Turn::Waits;
            }
        };
        if self.depends_on_lists(&command, &judgement.verdict) && self.waits_for(now, Which::Lists) {
            return Turn::Waits;
        }
        if let Verdict::Refuse(refusal) = &judgement.verdict
            && !self.exchange.is_empty()
            && self.sentence(Refusal::clone(refusal)).action == Action::Disconnect
        {
            // Replies leave in the order of the commands, the last word too.
            return Turn::Waits;
        }
        // What was refused before any limit was asked was a command all the same.
        if self.counsel.is_none()
            && matches!(judgement.verdict, Verdict::Refuse(_))
            && self.setting.policy.counts_anything()
        {
            self.count_in(Deed::Commanded(command.verb), 1, &self.scene(now, spoken), out);
        }
        let turn = match Cleared::judged(&command, judgement.verdict) {
            Err(refusal) => self.refuse_command(now, refusal, &command, body, out),
            Ok(cleared) => self.act(now, &command, &cleared, judgement.held.clone(), out),
        };
        let Turn::Taken(fate) = turn else { return turn };
        for observed in judgement.observed.iter().chain(judgement.held.as_deref()) {
            self.observe_or_hold(observed, judgement.held.as_deref(), command.verb, body, out);
        }
        self.taken(command.verb, length, fate, out)
    }

    fn observe_or_hold(
        &mut self,
        observed: &Refusal,
        held: Option<&Refusal>,
        verb: Verb,
        body: &[u8],
        out: &mut Output,
    ) {
        // An opinion that waits is told when it is spoken.
        if held.is_none_or(|held| held.check != observed.check) {
            self.observe(observed, Some(verb), body, out);
        }
    }

    fn taken(&mut self, verb: Verb, length: usize, fate: Fate, out: &mut Output) -> Turn {
        self.tally.commands = self.tally.commands.saturating_add(1);
        if let Reading::Lines = self.reading {
            self.counsel = None;
        }
        if verb == Verb::Mail {
            // RFC 9422 4.1: every one counts, the refused ones included.
            self.tally.transactions = self.tally.transactions.saturating_add(1);
        }
        if verb == Verb::Auth {
            self.tally.auths = self.tally.auths.saturating_add(1);
        }
        if verb.facts().trivial {
            self.tally.trivial = self.tally.trivial.saturating_add(1);
        }
        out.tell(Event::Command { verb, length, fate });
        Turn::Taken(fate)
    }

    /// A refused command: but a chunk's octets come all the same, and are swallowed first.
    fn refuse_command(
        &mut self,
        now: Moment,
        refusal: Refusal,
        command: &Command<'_>,
        body: &[u8],
        out: &mut Output,
    ) -> Turn {
        if let Ok(Argument::Chunk { size, .. }) = command.argument
            && size > 0
            && refusal.action == Action::Reject
        {
            let budget = self.new_budget(now);
            self.reading = Reading::Swallow(Box::new(Swallowed { left: size, refusal, budget }));
            return Turn::Taken(Fate::Refused);
        }
        if command.verb == Verb::Rcpt {
            self.tally.refused_recipients = self.tally.refused_recipients.saturating_add(1);
            out.tell(Event::Recipient(Outcome::RefusedByGate));
        }
        if command.verb == Verb::Auth {
            Self::auth_refused(command, refusal.check, out);
        }
        self.refuse(now, refusal, Some(command.verb), body, out);
        Turn::Taken(Fate::Refused)
    }

    fn swallow(&mut self, now: Moment, rest: &[u8], out: &mut Output) -> usize {
        let Reading::Swallow(chunk) = &mut self.reading else { return 0 };
        let step = usize::try_from(chunk.left).unwrap_or(usize::MAX).min(rest.len());
        chunk.left = chunk.left.saturating_sub(u64::try_from(step).unwrap_or(u64::MAX));
        chunk.budget.earn(now, step);
        if chunk.left == 0
            && let Reading::Swallow(chunk) = std::mem::replace(&mut self.reading, Reading::Lines)
        {
            let (check, code) = (chunk.refusal.check, chunk.refusal.reply.code);
            self.refuse(now, chunk.refusal, Some(Verb::Bdat), b"BDAT", out);
            self.counsel = None;
            if !matches!(check, Check::Verb(_)) {
                // Where no chunk ever passes, DATA may.
                self.chunk_refused(now, code, out);
            }
        }
        step
    }

    pub(super) fn new_budget(&self, now: Moment) -> Budget {
        let limits = self.limits();
        Budget::new(limits.data_wait, limits.data_rate, now)
    }

    fn chunk(&mut self, now: Moment, input: &[u8], at: usize, out: &mut Output) -> usize {
        if self.exchange.is_empty() || self.joins_chunks() { self.take_chunk(now, input, at, out) } else { 0 }
    }

    /// Takes what is there of a chunk.
    pub(super) fn take_chunk(&mut self, now: Moment, input: &[u8], at: usize, out: &mut Output) -> usize {
        let Phase::Introduced(_, Stage::Chunks(_, content)) = &mut self.phase else { return 0 };
        let (taken, complete) = content.read_chunk(now, (input, at), &mut self.exchange, out);
        self.judge_content(now, out);
        if let Some(chunk) = complete {
            self.exchange.chunk_end(chunk.size, chunk.last);
            self.flush(now, out);
        }
        taken
    }

    fn mail_data(&mut self, now: Moment, input: &[u8], at: usize, out: &mut Output) -> usize {
        let Phase::Introduced(_, Stage::Data(_, content)) = &mut self.phase else { return 0 };
        let (taken, ended) = content.read_data(now, input, at, out);
        self.judge_content(now, out);
        if ended {
            self.end_of_mail_data(now, out);
        }
        taken
    }
}
