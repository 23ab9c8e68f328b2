//! Answers, refusals, the last word.

use super::client::Reading;
use super::clock::Moment;
use super::counsel::Halt;
use super::exchange::{Action as Do, Due, Hold, Linger, Words};
use super::judge::{Judge, refusal};
use super::link::Link;
use super::phase::{Parted, Phase, Stage};
use super::{Connect, Output, Session, replies};
use crate::event::{Decision, Ending, Event, Excerpt, Force, NoService, Origin, Summary};
use crate::policy::Banner;
use crate::policy::allowance::Charge;
use crate::policy::count::Deed;
use crate::policy::limits::Limit;
use crate::policy::verdict::{Action, Check, Refusal};
use crate::smtp::extension::Extension;
use crate::smtp::mechanism::Mechanism;
use crate::smtp::reply::{Class, Code, Reply};
use crate::smtp::verb::Verb;

/// What begins a line that holds a secret.
const AUTH: &[u8] = b"AUTH";

impl Session {
    /// Lets the client in, or not.
    pub(super) fn admit(&mut self, now: Moment, out: &mut Output) {
        if let Err(why) = self.setting.admission {
            return self.disconnect(now, &replies::no_service(why), Ending::NotAdmitted(why), out);
        }
        let found = match self.judge_connection(now, out) {
            Ok(found) => found,
            Err(charges) => return self.ask_allowances(now, charges, out),
        };
        if let Some(refusal) = found {
            return self.refuse(now, refusal, None, b"", out);
        }
        self.counsel = None;
        let wait = self.setting.policy.greeting_wait();
        if wait.is_zero() {
            return self.welcome(now, out);
        }
        self.phase = Phase::Connecting(Some(now + wait));
    }

    /// The pause is over: greets, or asks the relay to.
    pub(super) fn welcome(&mut self, now: Moment, out: &mut Output) {
        if self.connect() != Connect::Accept {
            return self.greet(now, None, out);
        }
        self.phase = Phase::Connecting(None);
        self.open_link(now, None, out);
    }

    /// The first that refuses a connection, if any does. Err: this has to be asked first.
    fn judge_connection(&mut self, now: Moment, out: &mut Output) -> Result<Option<Refusal>, Vec<Charge>> {
        let mut judge = Judge::new(self, now, None);
        let found = match judge.connection() {
            Ok(found) => found.map(Box::new),
            Err(Halt::Refused(found)) => Some(found),
            Err(Halt::Asks(charges)) => return Err(charges),
        };
        let observed = judge.observed;
        for refusal in &observed {
            self.observe(refusal, None, b"", out);
        }
        let Some(mut found) = found else { return Ok(None) };
        if self.setting.policy.delay() && !found.at_once && found.action == Action::Reject {
            self.held = Some(found);
            return Ok(None);
        }
        // In place of a greeting there is nothing to go on with (RFC 5321 3.1).
        found.action = Action::Disconnect;
        Ok(Some(*found))
    }

    /// Says the greeting; `relay` is the text of the relay's, where it was heard.
    pub(super) fn greet(&mut self, now: Moment, relay: Option<&[u8]>, out: &mut Output) {
        let policy = &self.setting.policy;
        let name = &self.setting.station.name;
        out.say_to_client(|octets| {
            octets.extend_from_slice(b"220 ");
            match (policy.banner(), relay) {
                (Banner::Relay, Some(text)) => {
                    octets.extend(
                        text.iter().map(|octet| if matches!(octet, 0x20..=0x7e) { *octet } else { b'?' }),
                    );
                }
                (Banner::Text(text), _) => octets.extend_from_slice(text.as_bytes()),
                (Banner::Name | Banner::Relay, _) => {
                    octets.extend_from_slice(name.as_bytes());
                    octets.extend_from_slice(b" ESMTP");
                }
            }
            octets.extend_from_slice(b"\r\n");
        });
        out.tell(Event::Reply { code: Code::READY, origin: Origin::Gate });
        self.turn = now;
        self.phase = Phase::Greeted;
    }

    /// No link before the greeting: the relay's own refusal, or 421.
    pub(super) fn no_relay(&mut self, now: Moment, out: &mut Output) {
        if let Link::Failed(crate::event::LinkFailure::Refused, words) =
            std::mem::replace(&mut self.link, Link::Closed)
        {
            self.say(&words, out);
            return self.end(now, Ending::NotAdmitted(NoService::RelayDown), out);
        }
        let why = NoService::RelayDown;
        self.disconnect(now, &replies::no_service(why), Ending::NotAdmitted(why), out);
    }

    /// Answers in our own words.
    pub(super) fn answer(&mut self, reply: &Reply, out: &mut Output) {
        let (enhanced, reference) = (self.speaks_enhanced(), self.reference(reply.code));
        self.exchange.reply(None, |octets| reply.encode(enhanced, &[&reference], octets), out);
        out.tell(Event::Reply { code: reply.code, origin: Origin::Gate });
    }

    /// Says the words of whoever they are.
    pub(super) fn say(&mut self, words: &Words, out: &mut Output) {
        match words {
            Words::Own(reply) => self.answer(reply, out),
            Words::Relay(octets) => {
                self.exchange.reply(None, |to| to.extend_from_slice(octets), out);
                if let Some(code) = words.code() {
                    out.tell(Event::Reply { code, origin: Origin::Relay });
                }
            }
        }
    }

    /// RFC 2034 has enhanced codes where the keyword was offered; before hello they are text for people.
    fn speaks_enhanced(&self) -> bool {
        match self.phase.hello() {
            Some(hello) => hello.announced.extensions.contains(Extension::EnhancedStatusCodes),
            None => self.setting.policy.offer().contains(Extension::EnhancedStatusCodes),
        }
    }

    /// Refuses: with the reply, the reference and the footer, after the tarpit; and closes, if the refusal says so or
    /// there were too many errors.
    pub(super) fn refuse(
        &mut self,
        now: Moment,
        refusal: Refusal,
        verb: Option<Verb>,
        detail: &[u8],
        out: &mut Output,
    ) {
        let refusal = self.sentence(refusal);
        if let Some(span) = refusal.ban {
            out.act(Do::Ban(span));
        }
        self.tally.errors = self.tally.errors.saturating_add(u32::from(is_error(&refusal)));
        self.tally.refusals = self.tally.refusals.saturating_add(1);
        self.decide(&refusal, Force::Enforced, verb, detail, out);
        if let Some(verb) = verb.filter(|_| !matches!(refusal.check, Check::Allowance(_))) {
            self.count(Deed::Answered(verb, refusal.reply.code), out);
        }
        out.tell(Event::Reply { code: refusal.reply.code, origin: Origin::Gate });
        let (enhanced, policy) = (self.speaks_enhanced(), std::sync::Arc::clone(&self.setting.policy));
        let reference = self.reference(refusal.reply.code);
        let suffix = [&*reference, policy.footer().unwrap_or_default()];
        let write = |octets: &mut Vec<u8>| refusal.reply.encode(enhanced, &suffix, octets);
        let hold = refusal.tarpit.map(|tarpit| Hold { until: now + tarpit, then: refusal.action });
        if hold.is_none() && refusal.action == Action::Disconnect {
            out.say_to_client(write);
            return self.end(now, Ending::Refused, out);
        }
        self.exchange.reply(hold, write, out);
    }

    /// What a caller reads to a support desk at the end of every refusal; empty where the rules do not want it.
    fn reference(&self, code: Code) -> String {
        let refuses = matches!(code.class(), Class::Transient | Class::Permanent);
        if refuses && self.setting.policy.reference() {
            format!("(ref {})", self.setting.id)
        } else {
            String::new()
        }
    }

    /// What becomes of a refusal: the one error too many is answered with 421 (RFC 5321 7.8 against 3.8).
    pub(super) fn sentence(&self, found: Refusal) -> Refusal {
        let many = self.tally.errors.saturating_add(1) >= self.limits().command_errors;
        if !many || !is_error(&found) || found.action == Action::Disconnect {
            return found;
        }
        let too_many =
            refusal(Check::Limit(Limit::CommandErrors), Action::Disconnect, replies::TOO_MANY_ERRORS);
        let scene = self.bare_scene(Moment::default());
        let enforced = self.setting.policy.weigh(too_many.check, &scene) == crate::policy::Weight::Enforce;
        if enforced { too_many } else { found }
    }

    /// Notes what is only to be observed.
    pub(super) fn observe(&self, refusal: &Refusal, verb: Option<Verb>, detail: &[u8], out: &mut Output) {
        self.decide(refusal, Force::Observed, verb, detail, out);
    }

    pub(super) fn decide(
        &self,
        refusal: &Refusal,
        force: Force,
        verb: Option<Verb>,
        detail: &[u8],
        out: &mut Output,
    ) {
        // A limit's own refusals are no reason for more of them.
        if force == Force::Enforced && !matches!(refusal.check, Check::Allowance(_)) {
            self.count(Deed::Refused, out);
        }
        let account = self.account(refusal.check);
        let listed = self.show_lists(refusal, detail);
        let said = || self.shown(verb, listed.as_deref().unwrap_or(detail));
        let detail = account.map_or_else(said, |it| Excerpt::of(it.as_bytes()));
        out.tell(Event::Verdict(Box::new(Decision {
            check: refusal.check,
            id: self.setting.policy.id(refusal.check),
            origin: self.setting.policy.origin(refusal.check),
            force,
            action: refusal.action,
            verb,
            code: refusal.reply.code,
            tarpit: refusal.tarpit,
            ban: refusal.ban,
            detail,
        })));
    }

    /// What may be shown of what a client said: of AUTH the mechanism alone; and once there was one, nothing that could be
    /// an answer to a challenge that never came.
    fn shown(&self, verb: Option<Verb>, said: &[u8]) -> Excerpt {
        if self.tally.auths > 0 && matches!(verb, None | Some(Verb::Unknown)) {
            return Excerpt::default();
        }
        let behind = memchr::memchr2_iter(b'\r', b'\n', said).map(|end| end.saturating_add(1));
        let auth = std::iter::once(0).chain(behind).find_map(|at| {
            let line = said.get(at..).unwrap_or_default().trim_ascii_start();
            let (word, rest) = line.split_at_checked(AUTH.len())?;
            word.eq_ignore_ascii_case(AUTH).then_some((at, rest))
        });
        let Some((at, rest)) = auth else { return Excerpt::of(said) };
        let name = rest.split(u8::is_ascii_whitespace).find(|word| !word.is_empty()).unwrap_or_default();
        let mechanism = Mechanism::from_wire(name).map_or("", |mechanism| mechanism.facts().name);
        let before = said.get(..at).unwrap_or_default();
        Excerpt::of([before, AUTH, b" ", mechanism.as_bytes()].concat().trim_ascii_end())
    }

    /// Challenges a client that wants to authenticate.
    pub(super) fn challenge(&mut self, write: impl FnOnce(&mut Vec<u8>), out: &mut Output) {
        self.exchange.reply(None, write, out);
        out.tell(Event::Reply { code: Code::CHALLENGE, origin: Origin::Gate });
    }

    /// Says what has come to its turn.
    pub(super) fn flush(&mut self, now: Moment, out: &mut Output) {
        while let Some(due) = self.exchange.flush(now, out) {
            match due {
                Due::ChunkEnd(size, last) => self.chunk_end(now, size, last, out),
                Due::End => self.end(now, Ending::Refused, out),
            }
        }
    }

    /// Ends the session between transactions, politely.
    pub(super) fn part(&mut self, now: Moment, out: &mut Output) {
        let (words, ending) = match self.reason {
            Ending::Drained => (replies::DRAINING, Ending::Drained),
            ending => (replies::TIME_UP, ending),
        };
        self.disconnect(now, &words, ending, out);
    }

    /// Says a last word of our own and ends the session.
    pub(super) fn disconnect(&mut self, now: Moment, reply: &Reply, ending: Ending, out: &mut Output) {
        if self.is_deaf() {
            return self.end(now, ending, out);
        }
        let enhanced = self.speaks_enhanced();
        let reference = self.reference(reply.code);
        out.say_to_client(|octets| reply.encode(enhanced, &[&reference], octets));
        out.tell(Event::Reply { code: reply.code, origin: Origin::Gate });
        self.end(now, ending, out);
    }

    /// The session is over. The link is closed as it stands: a message whose end was not said does not exist.
    pub(super) fn end(&mut self, now: Moment, ending: Ending, out: &mut Output) {
        if self.is_over() {
            return;
        }
        // A relay might take QUIT for content, or for an answer; in TLS that is not ours nobody would understand it.
        let passing = matches!(self.phase, Phase::Passing(_));
        let closed = passing || matches!(self.phase, Phase::Introduced(_, Stage::Data(..) | Stage::Auth(_)));
        if matches!(self.link, Link::Open { .. }) && self.exchange.is_empty() && !closed {
            self.part_with_link(now, out);
        }
        self.drop_link(out);
        let hello = self.phase.hello().map(|hello| Excerpt::of(hello.name())).unwrap_or_default();
        if self.phase.transaction().is_some() {
            self.transferred(crate::event::Outcome::Aborted, None, out);
        }
        self.exchange.clear();
        let parted = Parted { ending, hello, inspected: !passing };
        (self.phase, self.reading) = (Phase::Leaving(parted), Reading::Lines);
        out.act(Do::CloseClient(if ending == Ending::Quit { Linger::Done } else { Linger::Heard }));
    }

    /// Ends the session of a process that goes away, as soon as no message is on its way (a long session hears it at its
    /// next command). Tells of the end, once everything before it was told and counted.
    pub(super) fn conclude(&mut self, now: Moment, out: &mut Output) {
        if self.reason == Ending::Drained && self.is_between() {
            self.part(now, out);
        }
        if matches!(self.phase, Phase::Leaving(_)) {
            self.tell_end(now, out);
        }
    }

    /// Tells of the end. (Apart: every turn asks whether it has come.)
    #[cold]
    fn tell_end(&mut self, now: Moment, out: &mut Output) {
        let Phase::Leaving(parted) = std::mem::replace(&mut self.phase, Phase::Over) else { return };
        let (Parted { ending, hello, inspected }, tally) = (parted, self.tally);
        out.tell(Event::Ended(Box::new(Summary {
            ending,
            age: now.since(tally.began),
            hello,
            commands: tally.commands,
            refusals: tally.refusals,
            messages: tally.messages,
            recipients: tally.recipients,
            octets: tally.octets,
            tls: self.proven.tls.as_ref().map(|secured| secured.version),
            account: self.proven.shown(),
            naming: self.shown_naming(),
            inspected,
        })));
    }
}

/// Whether a refusal counts as an error of the client's.
fn is_error(found: &Refusal) -> bool {
    match found.check {
        Check::Violation(violation) => violation.facts().error,
        Check::Verb(_) => true,
        _ => false,
    }
}
