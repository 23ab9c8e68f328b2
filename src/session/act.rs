//! What follows from a command that nothing refused.

use super::clock::Moment;
use super::content::Content;
use super::exchange::{Asked, Cleared, Own, Words};
use super::hello::Hello;
use super::link::{self, Link};
use super::opening::Need;
use super::phase::{Phase, Stage};
use super::transaction::{Standing, Transaction};
use super::{Connect, Offer, Output, Session, WhenDown, replies};
use crate::event::{Ending, Event, Fate, LinkFailure, Origin, Outcome};
use crate::policy::verdict::{Refusal, Verdict};
use crate::smtp::command::{Argument, Command};
use crate::smtp::extension::{Extension, Extensions};
use crate::smtp::mechanism::Mechanism;
use crate::smtp::parameter::{Body, Parameter};
use crate::smtp::path::Host;
use crate::smtp::reply::{Code, Reply};
use crate::smtp::verb::Verb;

/// Whether a command was dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Yes: its line is taken.
    Taken(Fate),
    /// Not yet: it is shown again when what it waits for has come.
    Waits,
}

/// Whether a command uses what the relay does not offer (any more). SIZE and AUTH are understood here, and need not go
/// on.
fn uses_more(command: &Command<'_>, offered: Extensions) -> bool {
    let there = offered.with(Extension::Size).with(Extension::Auth);
    let locked = command.verb.facts().unlocked_by.is_some_and(|extension| !offered.contains(extension));
    match &command.argument {
        Ok(Argument::Mail { parameters, .. } | Argument::Rcpt { parameters, .. }) => {
            !parameters.gist().needs.is_some_and(|needs| needs.are_among(there))
        }
        Ok(_) => locked,
        Err(_) => false,
    }
}

/// A parameter that the relay did not offer is consumed here.
fn goes_on(offered: Extensions) -> impl Fn(&Parameter<'_>) -> bool {
    move |parameter| parameter.needs().is_some_and(|needed| offered.contains(needed))
}

impl Session {
    /// Carries out a command that nothing refused.
    pub(super) fn act(
        &mut self,
        now: Moment,
        command: &Command<'_>,
        cleared: &Cleared<&Command<'_>>,
        held: Option<Box<Refusal>>,
        out: &mut Output,
    ) -> Turn {
        if let Some(reply) = self.setting.policy.verb(command.verb).and_then(|rule| rule.reply.clone()) {
            self.answer(&reply, out);
            return Turn::Taken(Fate::Answered);
        }
        match (&command.argument, command.verb) {
            (Ok(Argument::Hello(name)), verb) => self.hello(now, verb, *name, cleared, held, out),
            (Ok(Argument::Mail { .. }), _) => self.mail(now, command, cleared, held, out),
            (Ok(Argument::Rcpt { .. }), _) => self.rcpt(now, command, cleared, out),
            (Ok(Argument::Chunk { .. }), _) if uses_more(command, self.offered()) => {
                // Its octets are on their way, and nobody wants them.
                self.disconnect(now, &replies::COME_BACK, Ending::RelayLost, out);
                Turn::Taken(Fate::Refused)
            }
            (Ok(Argument::Chunk { size, last }), _) => self.bdat(now, *size, *last, out),
            (_, Verb::Quit) => self.quit(now, out),
            (_, Verb::Rset) => self.rset(now, command, cleared, out),
            (Ok(Argument::Auth { mechanism, initial }), _) => match Mechanism::from_wire(mechanism) {
                Some(mechanism) => self.auth(now, (mechanism, *initial), cleared, out),
                None => self.answered(&replies::NO_MECHANISM, out),
            },
            (_, Verb::StartTls) => self.start_tls(now, command, cleared, out),
            (_, Verb::Noop) if !matches!(self.link, Link::Open { .. }) => {
                self.answered(&replies::NOTHING_DONE, out)
            }
            (_, Verb::Help) if !matches!(self.link, Link::Open { .. }) => self.answered(&replies::HELP, out),
            (_, Verb::Vrfy) if self.phase.hello().is_none() => self.answered(&replies::CANNOT_VERIFY, out),
            _ => self.forward(now, command, cleared, out),
        }
    }

    fn answered(&mut self, reply: &Reply, out: &mut Output) -> Turn {
        self.answer(reply, out);
        Turn::Taken(Fate::Answered)
    }

    /// Anything that only the relay can answer.
    fn forward(
        &mut self,
        now: Moment,
        command: &Command<'_>,
        cleared: &Cleared<&Command<'_>>,
        out: &mut Output,
    ) -> Turn {
        // Most commands find it open.
        if !matches!(self.link, Link::Open { .. }) {
            match self.need_link(now, None, out) {
                Need::Waits => return Turn::Waits,
                Need::Failed(why, words) => return self.without_link(now, why, &words, command.verb, out),
                Need::Ready => {}
            }
        }
        let offered = self.taken_there();
        if uses_more(command, offered) {
            return self.offer_changed(command.verb, out);
        }
        let terms = (goes_on(offered), self.growth());
        self.exchange.forward(now, cleared, terms, Asked::Command(command.verb), out);
        Turn::Taken(Fate::Forwarded)
    }

    /// The extensions whose parameters go on to the relay: it cannot tell a client that nobody knows from one that it
    /// believes, so that RFC 4954 5 has AUTH= stay here.
    fn taken_there(&self) -> Extensions {
        let offered = self.offered();
        if self.proven.account.is_some() { offered } else { offered.without(Extension::Auth) }
    }

    /// What was offered from memory is gone: the retry meets the new offer.
    pub(super) fn offer_changed(&mut self, verb: Verb, out: &mut Output) -> Turn {
        if !self.exchange.is_empty() {
            // What is in flight is answered first: the transaction ends here.
            return Turn::Waits;
        }
        if verb == Verb::Rcpt {
            out.tell(Event::Recipient(Outcome::Deferred));
        }
        self.answer(&replies::RELAY_CHANGED, out);
        self.abandon(out);
        self.phase = Phase::Parting;
        Turn::Taken(Fate::Refused)
    }

    /// A command that cannot have the link it needs hears why.
    fn without_link(
        &mut self,
        now: Moment,
        why: LinkFailure,
        words: &Words,
        verb: Verb,
        out: &mut Output,
    ) -> Turn {
        if matches!(verb, Verb::Ehlo | Verb::Helo) {
            match words {
                Words::Relay(_) if why == LinkFailure::Refused => self.say(words, out),
                _ => self.disconnect(now, &replies::NO_RELAY, Ending::RelayLost, out),
            }
            return Turn::Taken(Fate::Refused);
        }
        if verb == Verb::Rcpt {
            let outcome =
                if why == LinkFailure::Refused { Outcome::RefusedByRelay } else { Outcome::Deferred };
            out.tell(Event::Recipient(outcome));
        }
        self.say(words, out);
        Turn::Taken(Fate::Refused)
    }

    fn hello(
        &mut self,
        now: Moment,
        verb: Verb,
        name: Host<'_>,
        cleared: &Cleared<&Command<'_>>,
        held: Option<Box<Refusal>>,
        out: &mut Output,
    ) -> Turn {
        let eager = matches!(self.connect(), Connect::Accept | Connect::Hello);
        let learned = self.setting.learned.is_some() && !eager;
        if let Link::Open { hello, .. } = &self.link
            && !link::says(hello, verb, name.octets())
        {
            let hello = Hello::new(verb, name, self.announces(), held);
            self.exchange.forward(now, cleared, (|_| false, 0), Asked::Hello(Box::new(hello)), out);
            return Turn::Taken(Fate::Forwarded);
        }
        if !learned {
            match self.need_link(now, Some(link::spoken(verb, name.octets())), out) {
                Need::Waits => return Turn::Waits,
                Need::Failed(why, words) => {
                    let greets =
                        self.setting.station.when_down == WhenDown::Greet && why != LinkFailure::Refused;
                    if !greets {
                        return self.without_link(now, why, &words, verb, out);
                    }
                }
                Need::Ready => {}
            }
        }
        self.forget_transaction(now, out);
        self.introduce(Hello::new(verb, name, self.announces(), held), out);
        Turn::Taken(Fate::Answered)
    }

    /// A hello is accepted: everything before it is forgotten (RFC 5321 4.1.4).
    pub(super) fn introduce(&mut self, hello: Hello, out: &mut Output) {
        let Self { link, setting, exchange, .. } = self;
        let (name, offer) = (&setting.station.name, Offer::known(link, setting));
        let write = |octets: &mut Vec<u8>| match hello.verb {
            Verb::Helo => octets.extend_from_slice(format!("250 {name}\r\n").as_bytes()),
            _ => hello.announced.encode(name, offer, octets),
        };
        exchange.reply(None, write, out);
        out.tell(Event::Reply { code: Code::OK, origin: Origin::Gate });
        self.phase = Phase::Introduced(Box::new(hello), Stage::Idle);
    }

    /// The relay is told to forget a mail transaction that it has.
    fn forget_transaction(&mut self, now: Moment, out: &mut Output) {
        if self.phase.relay_has_mail() && matches!(self.link, Link::Open { .. }) {
            self.exchange.say(now, Own::Reset, out);
        }
        self.abandon(out);
    }

    fn mail(
        &mut self,
        now: Moment,
        command: &Command<'_>,
        cleared: &Cleared<&Command<'_>>,
        held: Option<Box<Refusal>>,
        out: &mut Output,
    ) -> Turn {
        let Ok(Argument::Mail { path, parameters }) = command.argument else { return Turn::Waits };
        let late = self.connect() == Connect::Recipient && !matches!(self.link, Link::Open { .. });
        if late {
            let transaction = Transaction::new(path, parameters, Standing::Here, held);
            self.phase.turn(Stage::Mail(Box::new(transaction)));
            self.answer(&replies::SENDER_OK, out);
            return Turn::Taken(Fate::Answered);
        }
        let turn = self.forward(now, command, cleared, out);
        if turn == Turn::Taken(Fate::Forwarded) {
            let transaction = Transaction::new(path, parameters, Standing::There, held);
            self.phase.turn(Stage::Mail(Box::new(transaction)));
        }
        turn
    }

    fn rcpt(
        &mut self,
        now: Moment,
        command: &Command<'_>,
        cleared: &Cleared<&Command<'_>>,
        out: &mut Output,
    ) -> Turn {
        if let Some(Transaction { standing: Standing::Refused(words), .. }) = self.phase.transaction() {
            let words = words.clone();
            self.tally.refused_recipients = self.tally.refused_recipients.saturating_add(1);
            out.tell(Event::Recipient(Outcome::RefusedByRelay));
            self.say(&words, out);
            return Turn::Taken(Fate::Refused);
        }
        // A MAIL that was answered here has to be told first.
        if self.phase.transaction().is_some_and(|mail| matches!(mail.standing, Standing::Here)) {
            match self.need_link(now, None, out) {
                Need::Waits => return Turn::Waits,
                Need::Failed(why, words) => return self.without_link(now, why, &words, Verb::Rcpt, out),
                Need::Ready => {}
            }
            if uses_more(command, self.offered()) {
                return self.offer_changed(Verb::Rcpt, out);
            }
            if let Some(turn) = self.late_mail(now, out) {
                return turn;
            }
        }
        let turn = self.forward(now, command, cleared, out);
        if let (Turn::Taken(_), Some(mail)) = (turn, self.phase.transaction_mut()) {
            mail.asked = mail.asked.saturating_add(1);
        }
        turn
    }

    /// Tells the relay of a MAIL that was answered here. Gives a turn if the recipient has to wait or cannot go on.
    fn late_mail(&mut self, now: Moment, out: &mut Output) -> Option<Turn> {
        let (offered, growth) = (self.taken_there(), self.growth());
        let Self { phase, exchange, .. } = self;
        let transaction = phase.transaction_mut().filter(|mail| matches!(mail.standing, Standing::Here))?;
        let mail = transaction.command();
        let changed = uses_more(&mail, offered);
        // It was judged when it came, and nothing but its place has changed since.
        if !changed && let Ok(cleared) = Cleared::judged(&mail, Verdict::Forward) {
            exchange.forward(now, &cleared, (goes_on(offered), growth), Asked::LateMail, out);
        }
        if changed {
            return Some(self.offer_changed(Verb::Rcpt, out));
        }
        transaction.standing = Standing::There;
        (!self.pipelines()).then_some(Turn::Waits)
    }

    fn rset(
        &mut self,
        now: Moment,
        command: &Command<'_>,
        cleared: &Cleared<&Command<'_>>,
        out: &mut Output,
    ) -> Turn {
        if self.phase.relay_has_mail() && matches!(self.link, Link::Open { .. }) {
            return self.forward(now, command, cleared, out);
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
        if self.phase.content().is_none() {
            self.trace_chunk(now, out);
        }
        let edit = self.edit(false);
        let (ends, budget, limits) = (self.line_ends(), self.new_budget(now), self.setting.policy.limits());
        if let Phase::Introduced(_, stage) = &mut self.phase {
            *stage = match std::mem::replace(stage, Stage::Idle) {
                Stage::Mail(transaction) => {
                    let binary = transaction.declared().body == Body::BinaryMime;
                    Stage::Chunks(transaction, Box::new(Content::chunks(ends, binary, limits, edit, budget)))
                }
                other => other,
            };
        }
        if let Some(content) = self.phase.content_mut() {
            content.begin_chunk(size, last, budget);
        }
        if size == 0 {
            // No octet will come to end it, and none of it is to wait for what is on its way.
            self.take_chunk(now, &[], 0, out);
        }
        Turn::Taken(Fate::Forwarded)
    }
}
