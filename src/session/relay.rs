//! What follows from the relay's octets. It is not trusted either: its replies are bounded, and judged by class.

use super::clock::Moment;
use super::content::Fault;
use super::exchange::{Asked, Words};
use super::link::{self, Link, Manners};
use super::phase::{Phase, Stage};
use super::transaction::Standing;
use super::{Offer, Output, Session, replies};
use crate::event::{Ending, Event, LinkChange, LinkFailure, Origin, Outcome};
use crate::policy::count::Deed;
use crate::smtp::base64::is_base64;
use crate::smtp::reply::{self, Class, Code, Heard, Read};
use crate::smtp::verb::Verb;
use std::sync::Arc;

/// The reply that opens mail data (RFC 5321 4.3.2).
const GO_AHEAD: u16 = 354;

impl Session {
    pub(super) fn hear_relay(&mut self, now: Moment, input: &[u8], out: &mut Output) -> usize {
        let mut taken: usize = 0;
        loop {
            if self.is_over() || matches!(self.link, Link::Closed | Link::Failed(..)) {
                // The link is closed: what is still on its way is of no interest.
                return input.len();
            }
            let rest = input.get(taken..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            match reply::read(rest) {
                Read::Incomplete if !self.link.is_securing() => break,
                // RFC 3207 4.2: what stands behind 220 was not protected by the TLS in which it would be believed.
                Read::Reply { reply, taken: octets }
                    if !self.link.is_securing() && (octets == rest.len() || !self.begins_tls(&reply)) =>
                {
                    taken = taken.saturating_add(octets);
                    self.hear_reply(now, &reply, out);
                    self.flush(now, out);
                }
                Read::Incomplete | Read::Broken(_) | Read::Reply { .. } => {
                    self.impossible(now, out);
                    return input.len();
                }
            }
        }
        if taken > 0 && !self.is_waiting() {
            self.turn = now;
        }
        taken
    }

    fn hear_reply(&mut self, now: Moment, heard: &Heard<'_>, out: &mut Output) {
        if matches!(self.link, Link::Opening { .. }) {
            return self.opening_answered(now, heard, out);
        }
        if self.exchange.asked().is_none() {
            return self.unasked(now, heard, out);
        }
        if !self.possible(heard) {
            return self.impossible(now, out);
        }
        let Some(asked) = self.exchange.answered(now) else { return self.impossible(now, out) };
        if let (Link::Open { manners, .. }, Class::Transient | Class::Permanent) =
            (&mut self.link, heard.code.class())
        {
            *manners = Manners::Blotted;
        }
        let goes = heard.code == Code::CLOSING;
        match asked {
            // The client has asked nothing that these words answer: it hears ours.
            Asked::LateMail | Asked::Chunk | Asked::AuthCancelled(_) if goes => {
                self.drop_link(out);
                return self.disconnect(now, &replies::RELAY_LOST, Ending::RelayLost, out);
            }
            Asked::Command(verb) => self.command_answered(now, verb, heard, out),
            Asked::Hello(hello) => self.hello_answered(*hello, heard, out),
            Asked::LateMail => {
                self.count(Deed::Answered(Verb::Mail, heard.code), out);
                if heard.code.class() != Class::Positive
                    && let Some(mail) = self.phase.transaction_mut()
                {
                    mail.standing = Standing::Refused(Words::of(heard));
                }
            }
            Asked::Chunk => {
                if heard.code.class() != Class::Positive {
                    self.fail_content(Fault::Relay(Words::of(heard)), out);
                }
            }
            Asked::Message => self.message_answered(heard, out),
            Asked::Auth => self.auth_answered(heard, out),
            Asked::AuthCancelled(fault) => self.broken_off(now, fault, out),
            // A relay that cannot forget is not to be reused; one that goes away forgets.
            Asked::Reset if heard.code.class() != Class::Positive => return self.drop_link(out),
            Asked::Reset => {}
        }
        if goes && !self.is_over() {
            // It has closed its ears, too.
            self.drop_link(out);
            self.flush(now, out);
            self.end(now, Ending::RelayLost, out);
        }
    }

    /// Whether a handshake begins behind this reply.
    fn begins_tls(&self, heard: &Heard<'_>) -> bool {
        heard.code == Code::READY && (self.link.asks_tls() || self.exchange.asks_tls())
    }

    /// By class alone: a receiver of replies acts on the first digit of a code it does not know (RFC 5321 4.2).
    fn possible(&self, heard: &Heard<'_>) -> bool {
        match (self.exchange.asked(), heard.code.class()) {
            (Some(Asked::Command(Verb::Data)), Class::Intermediate) => heard.code.get() == GO_AHEAD,
            (Some(Asked::Auth), Class::Intermediate) => is_challenge(heard),
            (Some(Asked::Auth), Class::Positive) => heard.code == Code::AUTHENTICATED,
            (Some(Asked::Command(Verb::Data) | Asked::AuthCancelled(_)), Class::Positive)
            | (_, Class::Intermediate) => false,
            (Some(Asked::Command(Verb::StartTls)), Class::Positive) => heard.code == Code::READY,
            _ => true,
        }
    }

    fn command_answered(&mut self, now: Moment, verb: Verb, heard: &Heard<'_>, out: &mut Output) {
        let positive = heard.code.class() == Class::Positive;
        // Of a recipient whose sender it refused the relay has said nothing.
        let refused =
            matches!(self.phase.transaction(), Some(mail) if matches!(mail.standing, Standing::Refused(_)));
        if heard.code.class() != Class::Intermediate && !(verb == Verb::Rcpt && refused) {
            self.count(Deed::Answered(verb, heard.code), out);
        }
        match verb {
            Verb::Mail if !positive => self.abandon(out),
            Verb::Rcpt => match self.phase.transaction().map(|mail| &mail.standing) {
                // The client was told 250 to its MAIL: what the relay said of it is the answer it is owed.
                Some(Standing::Refused(words)) => {
                    let words = words.clone();
                    self.recipient_answered(words.code().unwrap_or(heard.code), out);
                    return Self::pass_on(&words, out);
                }
                // A recipient of a mail transaction that was refused cannot be accepted.
                None if positive => return self.impossible(now, out),
                _ => self.recipient_answered(heard.code, out),
            },
            Verb::Data if heard.code.class() == Class::Intermediate => self.begin_mail_data(now, out),
            Verb::Rset if positive => self.abandon(out),
            Verb::StartTls => {
                Self::pass(heard, out);
                return self.starttls_answered(heard, out);
            }
            _ => {}
        }
        Self::pass(heard, out);
    }

    /// The relay's reply goes straight to the client: it is the turn of the command that it answers.
    pub(super) fn pass(heard: &Heard<'_>, out: &mut Output) {
        out.say_to_client(|to| heard.encode(to));
        out.tell(Event::Reply { code: heard.code, origin: Origin::Relay });
    }

    fn recipient_answered(&mut self, code: Code, out: &mut Output) {
        let outcome = match code.class() {
            Class::Positive => Outcome::Accepted,
            Class::Permanent => Outcome::RefusedByRelay,
            Class::Transient | Class::Intermediate => Outcome::Deferred,
        };
        out.tell(Event::Recipient(outcome));
        if outcome == Outcome::Accepted {
            self.tally.recipients = self.tally.recipients.saturating_add(1);
            if let Some(mail) = self.phase.transaction_mut() {
                mail.accepted = mail.accepted.saturating_add(1);
            }
        } else {
            self.tally.refused_recipients = self.tally.refused_recipients.saturating_add(1);
        }
    }

    /// Likewise words of the relay that were kept.
    fn pass_on(words: &Words, out: &mut Output) {
        if let Words::Relay(octets) = words {
            out.say_to_client(|to| to.extend_from_slice(octets));
            if let Some(code) = words.code() {
                out.tell(Event::Reply { code, origin: Origin::Relay });
            }
        }
    }

    fn hello_answered(&mut self, hello: super::hello::Hello, heard: &Heard<'_>, out: &mut Output) {
        self.count(Deed::Answered(hello.verb, heard.code), out);
        if heard.code.class() != Class::Positive {
            return Self::pass(heard, out);
        }
        let Link::Open { leg, manners, .. } = self.link else { return };
        let offer = Arc::new(match hello.verb {
            Verb::Helo => Offer::default(),
            _ => Offer::of_ehlo(heard).over(leg),
        });
        let spoken = link::spoken(hello.verb, hello.name());
        let offer = self.learn(offer, &spoken, out);
        self.link = Link::Open { offer, hello: spoken, leg, manners };
        self.abandon(out);
        self.introduce(hello.offered(self.announces()), out);
    }

    /// A reply that nobody asked for: the relay goes away, or refuses content before its end; anything else is impossible.
    fn unasked(&mut self, now: Moment, heard: &Heard<'_>, out: &mut Output) {
        let in_data = matches!(self.phase, Phase::Introduced(_, Stage::Data(..)));
        match heard.code.class() {
            Class::Transient if heard.code == Code::CLOSING => {
                out.act(super::Action::CloseLink);
                self.relay_lost(now, out);
            }
            Class::Transient | Class::Permanent if in_data => {
                self.fail_content(Fault::Relay(Words::of(heard)), out);
            }
            _ => self.impossible(now, out),
        }
    }

    /// From here on two parsers may read two conversations: the session ends in our own words.
    fn impossible(&mut self, now: Moment, out: &mut Output) {
        if matches!(self.link, Link::Opening { .. }) {
            out.act(super::Action::CloseLink);
            let why = LinkFailure::Garbled;
            return self.link_failed(now, why, link::words(why), out);
        }
        self.disconnect(now, &replies::RELAY_IMPOSSIBLE, Ending::RelayBroken, out);
    }

    /// The link is gone, or its time is up.
    pub(super) fn relay_lost(&mut self, now: Moment, out: &mut Output) {
        match &self.link {
            Link::Closed | Link::Failed(..) => return,
            Link::Opening { .. } => return self.link_broke_off(now, LinkFailure::Silent, out),
            Link::Greeted(_) | Link::Open { .. } => {}
        }
        out.tell(Event::Link(LinkChange::Lost));
        out.act(super::Action::CloseLink);
        self.link = Link::Closed;
        let there = self.phase.relay_has_mail();
        match self.exchange.asked() {
            Some(Asked::Message) => {
                // RFC 5321 3.8: a lost connection is 451 for the client; a duplicate is better than a loss.
                self.exchange.clear();
                self.transferred(Outcome::Deferred, None, out);
                self.phase.turn(Stage::Idle);
                self.answer(&replies::RELAY_LOST_AFTER_END, out);
                self.turn = now;
            }
            // It has forgotten, as it was told.
            Some(Asked::Command(Verb::Rset)) => {
                self.exchange.answered(now);
                self.abandon(out);
                self.answer(&replies::RESET, out);
            }
            Some(Asked::Reset) => {
                self.exchange.answered(now);
                self.flush(now, out);
            }
            Some(Asked::Command(verb)) if !there && verb.is_question() => {
                let words =
                    if *verb == Verb::Noop { replies::NOTHING_DONE } else { replies::RELAY_NOT_REACHED };
                self.exchange.answered(now);
                self.answer(&words, out);
                self.turn = now;
            }
            Some(Asked::Auth) => {
                self.exchange.answered(now);
                self.auth_lost(out);
                self.turn = now;
            }
            Some(Asked::AuthCancelled(fault)) => {
                let fault = *fault;
                self.exchange.answered(now);
                self.broken_off(now, fault, out);
                self.turn = now;
            }
            Some(_) => self.disconnect(now, &replies::RELAY_LOST, Ending::RelayLost, out),
            None if there => self.disconnect(now, &replies::RELAY_LOST, Ending::RelayLost, out),
            // Between transactions nothing is lost: the next command that needs it opens another.
            None => {}
        }
    }
}

/// A challenge is one line of base64 (RFC 4954 4).
fn is_challenge(heard: &Heard<'_>) -> bool {
    let mut lines = heard.lines();
    let sound = lines.next().is_some_and(|text| is_base64(text.trim_ascii_end()));
    heard.code == Code::CHALLENGE && sound && lines.next().is_none()
}
