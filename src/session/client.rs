//! What follows from the client's octets: lines, commands, mail data, chunks.

use super::clock::{Budget, Moment};
use super::content::Content;
use super::exchange::{Action as Do, Asked, Cleared, Own, Words};
use super::hello::Hello;
use super::judge::{Spoken, violation};
use super::link::{self, Link, Step};
use super::offer::Announced;
use super::phase::{Phase, Stage};
use super::transaction::{Standing, Transaction};
use super::{Connect, Output, Session, WhenDown, replies};
use crate::event::{Ending, Event, Fate, LinkFailure, Outcome};
use crate::policy::verdict::{Refusal, Verdict};
use crate::smtp::command::{self, Argument, Command};
use crate::smtp::extension::Extension;
use crate::smtp::line::{self, Cut};
use crate::smtp::mail_data::LineEnds;
use crate::smtp::parameter::{Body, Parameter};
use crate::smtp::path::Host;
use crate::smtp::verb::Verb;
use crate::smtp::violation::{Response, Violation};

/// How the client's next octets are to be read.
#[derive(Debug)]
pub(super) enum Reading {
    /// As the phase says.
    Lines,
    /// A chunk that came out of place: RFC 3030 2 wants it swallowed before the refusal.
    Swallow {
        left: u64,
        refusal: Box<Refusal>,
        /// The octets come at the client's pace.
        budget: Budget,
    },
}

/// Whether a command was dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Yes: its line is taken.
    Taken(Fate),
    /// Not yet: it is shown again when what it waits for has come.
    Waits,
}

/// What the link says to a command that needs it.
enum Need {
    Ready,
    Waits,
    Failed(LinkFailure, Words),
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
        if let Reading::Swallow { .. } = self.reading {
            return self.swallow(now, rest, out);
        }
        match &self.phase {
            Phase::Over => rest.len(),
            Phase::Connecting(_) => self.early_talker(now, rest, out),
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
        let refusal = violation(fault, self.setting.policy.response(fault));
        let scene = self.bare_scene(now);
        match self.setting.policy.weigh(refusal.check, &scene) {
            crate::policy::Weight::Enforce => {
                self.refuse(now, refusal, None, rest, out);
                rest.len()
            }
            crate::policy::Weight::Observe => {
                // Told once: when its time comes the line is judged like any other.
                if self.line.is_none() {
                    self.observe(&refusal, None, rest, out);
                }
                0
            }
            crate::policy::Weight::Nothing => 0,
        }
    }

    fn line(&mut self, now: Moment, rest: &[u8], out: &mut Output) -> usize {
        if self.tally.commands == 0
            && let Some(fault) = line::foreign(rest)
        {
            self.refuse(now, violation(fault, Response::Disconnect), None, rest, out);
            return rest.len();
        }
        let lenient = self.line_ends() == LineEnds::Lenient;
        match line::cut(rest, lenient) {
            Cut::Incomplete => 0,
            Cut::Broken(fault) => {
                self.refuse(now, violation(fault, Response::Disconnect), None, rest, out);
                rest.len()
            }
            Cut::Line { body, taken } => match self.command(now, body, taken, out) {
                Turn::Taken(_) => taken,
                Turn::Waits => 0,
            },
        }
    }

    fn line_ends(&self) -> LineEnds {
        self.setting.policy.line_ends(self.setting.client.ip())
    }

    fn command(&mut self, now: Moment, body: &[u8], length: usize, out: &mut Output) -> Turn {
        let command = command::parse(body);
        let joins = command.verb == Verb::Rcpt && self.pipelines() && self.exchange.takes_recipient();
        if !self.exchange.is_empty() && !joins {
            return Turn::Waits;
        }
        if matches!(self.phase, Phase::Parting) && command.verb != Verb::Quit {
            self.disconnect(now, &replies::COME_BACK, Ending::RelayLost, out);
            return self.taken(command.verb, length, Fate::Refused, out);
        }
        if now >= self.farewell.0 && self.is_between() && command.verb != Verb::Quit {
            self.part(now, out);
            return self.taken(command.verb, length, Fate::Refused, out);
        }
        let Some(place) =
            self.phase.place().or((command.verb == Verb::Quit).then_some(super::phase::Place::Greeted))
        else {
            return Turn::Waits;
        };
        let spoken = Spoken { command: &command, length, line: body };
        let judgement = self.judge(now, spoken, place);
        let turn = match Cleared::judged(&command, judgement.verdict) {
            Err(refusal) => self.refuse_command(now, refusal, &command, body, out),
            Ok(cleared) => self.act(now, &command, &cleared, judgement.held.clone(), out),
        };
        let Turn::Taken(fate) = turn else { return turn };
        for observed in judgement.observed.iter().chain(&judgement.held) {
            self.observe_or_hold(observed, judgement.held.as_ref(), command.verb, body, out);
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
            && refusal.action == crate::policy::verdict::Action::Reject
        {
            let budget = self.new_budget(now);
            self.reading = Reading::Swallow { left: size, refusal: Box::new(refusal), budget };
            return Turn::Taken(Fate::Refused);
        }
        if command.verb == Verb::Rcpt {
            self.tally.refused_recipients = self.tally.refused_recipients.saturating_add(1);
            out.tell(Event::Recipient(Outcome::RefusedByGate));
        }
        self.refuse(now, refusal, Some(command.verb), body, out);
        Turn::Taken(Fate::Refused)
    }

    fn swallow(&mut self, now: Moment, rest: &[u8], out: &mut Output) -> usize {
        let Reading::Swallow { left, budget, .. } = &mut self.reading else { return 0 };
        let step = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
        *left = left.saturating_sub(u64::try_from(step).unwrap_or(u64::MAX));
        budget.earn(now, step);
        if *left == 0
            && let Reading::Swallow { refusal, .. } = std::mem::replace(&mut self.reading, Reading::Lines)
        {
            self.refuse(now, *refusal, Some(Verb::Bdat), b"BDAT", out);
        }
        step
    }

    fn new_budget(&self, now: Moment) -> Budget {
        let limits = self.setting.policy.limits();
        Budget::new(limits.data_wait, limits.data_rate, now)
    }

    /// Carries out a command that nothing refused.
    fn act(
        &mut self,
        now: Moment,
        command: &Command<'_>,
        cleared: &Cleared<&Command<'_>>,
        held: Option<Refusal>,
        out: &mut Output,
    ) -> Turn {
        if let Some(reply) = self.setting.policy.verb(command.verb).and_then(|rule| rule.reply.clone()) {
            self.answer(&reply, out);
            return Turn::Taken(Fate::Answered);
        }
        match (&command.argument, command.verb) {
            (Ok(Argument::Hello(name)), verb) => self.hello(now, verb, *name, cleared, held, out),
            (Ok(Argument::Mail { .. }), _) => self.mail(now, command, cleared, held, out),
            (Ok(Argument::Rcpt { .. }), _) => self.rcpt(now, cleared, out),
            (Ok(Argument::Chunk { size, last }), _) => self.bdat(now, *size, *last, out),
            (_, Verb::Quit) => self.quit(now, out),
            (_, Verb::Rset) => self.rset(now, cleared, out),
            (_, Verb::Noop) if !matches!(self.link, Link::Open { .. }) => {
                self.answered(&replies::NOTHING_DONE, out)
            }
            (_, Verb::Help) if !matches!(self.link, Link::Open { .. }) => self.answered(&replies::HELP, out),
            (_, Verb::Vrfy) if self.phase.hello().is_none() => self.answered(&replies::CANNOT_VERIFY, out),
            (_, verb) => self.forward(now, verb, cleared, out),
        }
    }

    fn answered(&mut self, reply: &crate::smtp::reply::Reply, out: &mut Output) -> Turn {
        self.answer(reply, out);
        Turn::Taken(Fate::Answered)
    }

    /// Anything that only the relay can answer.
    fn forward(
        &mut self,
        now: Moment,
        verb: Verb,
        cleared: &Cleared<&Command<'_>>,
        out: &mut Output,
    ) -> Turn {
        match self.need_link(now, None, out) {
            Need::Waits => return Turn::Waits,
            Need::Failed(why, words) => return self.without_link(now, why, words, verb, out),
            Need::Ready => {}
        }
        let offered = self.offer().extensions;
        let keep =
            |parameter: &Parameter<'_>| parameter.needs().is_some_and(|needed| offered.contains(needed));
        self.exchange.forward(now, cleared, keep, Asked::Command(verb), out);
        Turn::Taken(Fate::Forwarded)
    }

    /// Asks for the link. Its hello is the client's own.
    fn need_link(&mut self, now: Moment, hello: Option<Box<[u8]>>, out: &mut Output) -> Need {
        let hello = hello.unwrap_or_else(|| match self.phase.hello() {
            Some(hello) => link::spoken(hello.verb(), hello.name()),
            None => link::spoken(Verb::Ehlo, self.setting.station.name.as_bytes()),
        });
        let by = now + self.setting.station.waits.open;
        match std::mem::replace(&mut self.link, Link::Closed) {
            open @ Link::Open { .. } => {
                self.link = open;
                Need::Ready
            }
            opening @ Link::Opening { .. } => {
                self.link = opening;
                Need::Waits
            }
            Link::Failed(why, words) => Need::Failed(why, words),
            Link::Greeted => {
                let step = if hello.starts_with(b"HELO") { Step::Helo(hello) } else { Step::Ehlo(hello) };
                self.say_hello(now, step, by, out);
                Need::Waits
            }
            Link::Closed => {
                out.act(Do::OpenLink);
                self.link = Link::Opening { step: Step::Connecting(Some(hello)), by };
                Need::Waits
            }
        }
    }

    /// Says hello on the link.
    pub(super) fn say_hello(&mut self, now: Moment, step: Step, by: Moment, out: &mut Output) {
        match &step {
            Step::Ehlo(hello) => self.exchange.say(now, Own::Ehlo(link::name(hello)), out),
            Step::Helo(hello) => self.exchange.say(now, Own::Helo(link::name(hello)), out),
            Step::Connecting(_) | Step::Greeting(_) => {}
        }
        self.link = Link::Opening { step, by };
    }

    /// A command that cannot have the link it needs hears why.
    fn without_link(
        &mut self,
        now: Moment,
        why: LinkFailure,
        words: Words,
        verb: Verb,
        out: &mut Output,
    ) -> Turn {
        if matches!(verb, Verb::Ehlo | Verb::Helo) {
            match words {
                Words::Relay(_) if why == LinkFailure::Refused => self.say(&words, out),
                _ => self.disconnect(now, &replies::NO_RELAY, Ending::RelayLost, out),
            }
            return Turn::Taken(Fate::Refused);
        }
        if verb == Verb::Rcpt {
            let outcome =
                if why == LinkFailure::Refused { Outcome::RefusedByRelay } else { Outcome::Deferred };
            out.tell(Event::Recipient(outcome));
        }
        self.say(&words, out);
        Turn::Taken(Fate::Refused)
    }

    fn hello(
        &mut self,
        now: Moment,
        verb: Verb,
        name: Host<'_>,
        cleared: &Cleared<&Command<'_>>,
        held: Option<Refusal>,
        out: &mut Output,
    ) -> Turn {
        let spoken = link::spoken(verb, name.octets());
        let eager = matches!(self.setting.station.connect, Connect::Accept | Connect::Hello);
        let learned = self.setting.learned.is_some() && !eager;
        if let Link::Open { hello, .. } = &self.link
            && *hello != spoken
        {
            let announced = Announced::of(&self.setting.policy, &self.offer());
            let hello = Hello::new(verb, name, announced, held);
            self.exchange.forward(now, cleared, |_| false, Asked::Hello(Box::new(hello)), out);
            return Turn::Taken(Fate::Forwarded);
        }
        if !learned {
            match self.need_link(now, Some(spoken), out) {
                Need::Waits => return Turn::Waits,
                Need::Failed(why, words) => {
                    let greets =
                        self.setting.station.when_down == WhenDown::Greet && why != LinkFailure::Refused;
                    if !greets {
                        return self.without_link(now, why, words, verb, out);
                    }
                }
                Need::Ready => {}
            }
        }
        self.forget_transaction(now, out);
        let announced = Announced::of(&self.setting.policy, &self.offer());
        self.introduce(Hello::new(verb, name, announced, held), out);
        Turn::Taken(Fate::Answered)
    }

    /// A hello is accepted: everything before it is forgotten (RFC 5321 4.1.4).
    pub(super) fn introduce(&mut self, hello: Hello, out: &mut Output) {
        let (name, offer) = (&self.setting.station.name, self.offer());
        let (announced, verb) = (hello.announced, hello.verb());
        self.exchange.reply(
            None,
            |octets| match verb {
                Verb::Helo => octets.extend_from_slice(format!("250 {name}\r\n").as_bytes()),
                _ => announced.encode(name, &offer, octets),
            },
            out,
        );
        self.told(250, out);
        self.phase = Phase::Introduced(hello, Stage::Idle);
    }

    /// The relay is told to forget a mail transaction that it has.
    fn forget_transaction(&mut self, now: Moment, out: &mut Output) {
        let there = self.phase.transaction().is_some_and(|mail| matches!(mail.standing, Standing::There));
        if there && matches!(self.link, Link::Open { .. }) {
            self.exchange.say(now, Own::Reset, out);
        }
        self.abandon(out);
    }

    fn mail(
        &mut self,
        now: Moment,
        command: &Command<'_>,
        cleared: &Cleared<&Command<'_>>,
        held: Option<Refusal>,
        out: &mut Output,
    ) -> Turn {
        let Ok(Argument::Mail { parameters, .. }) = &command.argument else { return Turn::Waits };
        let declared = command::declared(parameters);
        let late =
            self.setting.station.connect == Connect::Recipient && !matches!(self.link, Link::Open { .. });
        if late {
            let transaction = Transaction::new(command, declared, Standing::Here, held);
            self.phase.turn(Stage::Mail(transaction));
            self.begun();
            self.answer(&replies::SENDER_OK, out);
            return Turn::Taken(Fate::Answered);
        }
        let turn = self.forward(now, Verb::Mail, cleared, out);
        if turn == Turn::Taken(Fate::Forwarded) {
            let transaction = Transaction::new(command, declared, Standing::There, held);
            self.phase.turn(Stage::Mail(transaction));
            self.begun();
        }
        turn
    }

    fn begun(&mut self) {
        self.tally.transactions = self.tally.transactions.saturating_add(1);
    }

    fn rcpt(&mut self, now: Moment, cleared: &Cleared<&Command<'_>>, out: &mut Output) -> Turn {
        if let Some(Transaction { standing: Standing::Refused(words), .. }) = self.phase.transaction() {
            let words = words.clone();
            self.tally.refused_recipients = self.tally.refused_recipients.saturating_add(1);
            out.tell(Event::Recipient(Outcome::RefusedByRelay));
            self.say(&words, out);
            return Turn::Taken(Fate::Refused);
        }
        match self.need_link(now, None, out) {
            Need::Waits => return Turn::Waits,
            Need::Failed(why, words) => return self.without_link(now, why, words, Verb::Rcpt, out),
            Need::Ready => {}
        }
        if let Some(turn) = self.late_mail(now, out) {
            return turn;
        }
        let turn = self.forward(now, Verb::Rcpt, cleared, out);
        if let (Turn::Taken(_), Some(mail)) = (turn, self.phase.transaction_mut()) {
            mail.asked = mail.asked.saturating_add(1);
        }
        turn
    }

    /// Tells the relay of a MAIL that was answered here. Gives a turn if the recipient has to wait or cannot go on.
    fn late_mail(&mut self, now: Moment, out: &mut Output) -> Option<Turn> {
        let offered = self.offer().extensions;
        let Self { phase, exchange, .. } = self;
        let transaction = phase.transaction_mut().filter(|mail| matches!(mail.standing, Standing::Here))?;
        let mail = transaction.command();
        let gone = |parameter: &Parameter<'_>| {
            parameter.needs().is_none_or(|needed| needed != Extension::Size && !offered.contains(needed))
        };
        let changed =
            matches!(&mail.argument, Ok(Argument::Mail { parameters, .. }) if parameters.iter().any(gone));
        // It was judged when it came, and nothing but its place has changed since.
        if !changed && let Ok(cleared) = Cleared::judged(&mail, Verdict::Forward) {
            let keep =
                |parameter: &Parameter<'_>| parameter.needs().is_some_and(|needed| offered.contains(needed));
            exchange.forward(now, &cleared, keep, Asked::LateMail, out);
        }
        drop(mail);
        if changed {
            // What was offered from memory is gone: the retry meets the new offer.
            out.tell(Event::Recipient(Outcome::Deferred));
            self.answer(&replies::RELAY_CHANGED, out);
            self.abandon(out);
            self.phase = Phase::Parting;
            return Some(Turn::Taken(Fate::Refused));
        }
        transaction.standing = Standing::There;
        (!self.pipelines()).then_some(Turn::Waits)
    }

    fn rset(&mut self, now: Moment, cleared: &Cleared<&Command<'_>>, out: &mut Output) -> Turn {
        let there = self.phase.transaction().is_some_and(|mail| matches!(mail.standing, Standing::There));
        if there && matches!(self.link, Link::Open { .. }) {
            return self.forward(now, Verb::Rset, cleared, out);
        }
        self.abandon(out);
        self.answered(&replies::RESET, out)
    }

    fn quit(&mut self, now: Moment, out: &mut Output) -> Turn {
        self.answer(&replies::BYE, out);
        self.end(now, Ending::Quit, out);
        Turn::Taken(Fate::Answered)
    }

    fn bdat(&mut self, now: Moment, size: u64, last: bool, out: &mut Output) -> Turn {
        if let Phase::Introduced(_, stage) = &mut self.phase
            && let Stage::Mail(_) = stage
        {
            let (ends, limits) =
                (self.setting.policy.line_ends(self.setting.client.ip()), self.setting.policy.limits());
            let budget = Budget::new(limits.data_wait, limits.data_rate, now);
            if let Stage::Mail(transaction) = std::mem::replace(stage, Stage::Idle) {
                let binary = transaction.declared.body == Body::BinaryMime;
                *stage = Stage::Chunks(transaction, Box::new(Content::chunks(ends, binary, budget)));
            }
        }
        if let Some(content) = self.phase.content_mut() {
            content.budget = Budget::new(
                self.setting.policy.limits().data_wait,
                self.setting.policy.limits().data_rate,
                now,
            );
            content.begin_chunk(size, last);
        }
        if size == 0 {
            // No octet will come to end it.
            self.chunk(now, &[], 0, out);
        }
        Turn::Taken(Fate::Forwarded)
    }

    fn chunk(&mut self, now: Moment, input: &[u8], at: usize, out: &mut Output) -> usize {
        if !self.exchange.is_empty() && !(self.pipelines() && self.exchange.takes_chunk()) {
            return 0;
        }
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
