//! AUTH (RFC 4954): carried to the relay and back, or answered here with the help of a file.

use super::act::Turn;
use super::clock::Moment;
use super::dialogue::{Dialogue, Next, Whose};
use super::exchange::{Action as Do, Asked, Cleared};
use super::judge::{refusal, violation};
use super::link::Link;
use super::opening::Need;
use super::phase::Stage;
use super::proven::{Account, KnownTo};
use super::question::Secret;
use super::{Answer, Answered, Asking, Output, Question, Session, replies};
use crate::event::{Attempt, AuthOutcome, Event, Fate, Side};
use crate::policy::auth::Backend;
use crate::policy::count::Deed;
use crate::policy::verdict::{Action, AuthCheck, Check};
use crate::smtp::base64::{self, LONGEST_LINE};
use crate::smtp::command::{Argument, Command};
use crate::smtp::line::{self, Cut};
use crate::smtp::mechanism::Mechanism;
use crate::smtp::reply::{Class, Heard};
use crate::smtp::verb::Verb;
use crate::smtp::violation::{Response, Violation};

impl Session {
    /// AUTH, and nothing refused it.
    pub(super) fn auth(
        &mut self,
        now: Moment,
        (mechanism, initial): (Mechanism, Option<&[u8]>),
        cleared: &Cleared<&Command<'_>>,
        out: &mut Output,
    ) -> Turn {
        // An empty answer has a spelling of its own here (RFC 4954 4).
        let initial = initial.map(|answer| if answer == b"=" { b"" } else { answer });
        match self.setting.policy.auth().backend {
            Backend::Relay => self.auth_there(now, mechanism, initial, cleared, out),
            Backend::File(_) => {
                let dialogue = Dialogue::new(mechanism, Whose::Client);
                let first = dialogue.first();
                self.phase.turn(Stage::Auth(Box::new(dialogue)));
                match initial {
                    None => self.go_on(now, first, out),
                    Some(answer) => self.answer_here(now, answer, out),
                }
                Turn::Taken(Fate::Answered)
            }
        }
    }

    fn auth_there(
        &mut self,
        now: Moment,
        mechanism: Mechanism,
        initial: Option<&[u8]>,
        cleared: &Cleared<&Command<'_>>,
        out: &mut Output,
    ) -> Turn {
        match self.need_link(now, None, out) {
            Need::Waits => return Turn::Waits,
            Need::Failed(..) => {
                self.attempted(mechanism, AuthOutcome::Deferred, out);
                self.answer(&replies::AUTH_NOT_NOW, out);
                return Turn::Taken(Fate::Refused);
            }
            Need::Ready => {}
        }
        if !self.offer().mechanisms.contains(mechanism) {
            self.attempted(mechanism, AuthOutcome::Deferred, out);
            return self.offer_changed(Verb::Auth, out);
        }
        let mut dialogue = Dialogue::new(mechanism, Whose::Relay);
        if let Some(answer) = initial {
            // It was judged; what it shows of the account is all that is wanted of it here.
            let _ = dialogue.note(answer);
        }
        self.exchange.forward(now, cleared, |_| true, Asked::Auth, out);
        self.phase.turn(Stage::Auth(Box::new(dialogue)));
        Turn::Taken(Fate::Forwarded)
    }

    /// A line of an AUTH exchange.
    pub(super) fn auth_line(&mut self, now: Moment, rest: &[u8], out: &mut Output) -> usize {
        if self.room(Side::Client) == 0 {
            return 0;
        }
        match line::cut(rest, self.is_lenient()) {
            Cut::Incomplete => 0,
            Cut::Broken(fault) => {
                let found = violation(fault, Response::Disconnect);
                self.refuse(now, found, Some(Verb::Auth), b"AUTH", out);
                rest.len()
            }
            Cut::Line { body, taken } => {
                match body {
                    b"*" => self.break_off(now, Violation::AuthCancelled, out),
                    _ if taken > LONGEST_LINE => self.break_off(now, Violation::AuthLineTooLong, out),
                    answer => self.auth_answer(now, answer, out),
                }
                taken
            }
        }
    }

    fn auth_answer(&mut self, now: Moment, answer: &[u8], out: &mut Output) {
        let Some(dialogue) = self.phase.dialogue_mut() else { return };
        if dialogue.turn != Whose::Relay {
            return self.answer_here(now, answer, out);
        }
        let mechanism = dialogue.mechanism;
        let (Ok(cleared), Some(_)) = (Cleared::base64(answer), dialogue.note(answer)) else {
            return self.break_off(now, Violation::AuthLine, out);
        };
        if matches!(self.link, Link::Open { .. }) {
            return self.exchange.respond(now, &cleared, out);
        }
        self.phase.turn(Stage::Idle);
        self.attempted(mechanism, AuthOutcome::Deferred, out);
        self.answer(&replies::AUTH_NOT_NOW, out);
    }

    /// The exchange comes to nothing by what the client said. A relay that takes part in it hears so, and what it says to
    /// that is no news.
    fn break_off(&mut self, now: Moment, fault: Violation, out: &mut Output) {
        let Some(dialogue) = self.phase.dialogue() else { return };
        if dialogue.turn == Whose::Relay && matches!(self.link, Link::Open { .. }) {
            return self.exchange.cancel(now, fault, out);
        }
        self.broken_off(now, fault, out);
    }

    /// Nobody takes part in it any longer.
    pub(super) fn broken_off(&mut self, now: Moment, fault: Violation, out: &mut Output) {
        if let Some(Stage::Auth(dialogue)) = self.phase.turn(Stage::Idle) {
            self.attempted(dialogue.mechanism, AuthOutcome::Broken, out);
            let shown = [b"AUTH ", dialogue.mechanism.facts().name.as_bytes()].concat();
            self.refuse(now, violation(fault, Response::Reject), Some(Verb::Auth), &shown, out);
        }
    }

    /// The relay answered a step of the exchange.
    pub(super) fn auth_answered(&mut self, heard: &Heard<'_>, out: &mut Output) {
        let class = heard.code.class();
        if class == Class::Intermediate {
            return Self::pass(heard, out);
        }
        self.count(Deed::Answered(Verb::Auth, heard.code), out);
        if let Some(Stage::Auth(dialogue)) = self.phase.turn(Stage::Idle) {
            match class {
                Class::Positive => self.authenticated(*dialogue, KnownTo::Relay, out),
                Class::Transient | Class::Intermediate => {
                    self.attempted(dialogue.mechanism, AuthOutcome::Deferred, out);
                }
                Class::Permanent => self.attempted(dialogue.mechanism, AuthOutcome::Failed, out),
            }
        }
        Self::pass(heard, out);
    }

    /// The relay is gone, and owes an answer in the exchange.
    pub(super) fn auth_lost(&mut self, out: &mut Output) {
        if let Some(Stage::Auth(dialogue)) = self.phase.turn(Stage::Idle) {
            self.attempted(dialogue.mechanism, AuthOutcome::Deferred, out);
            self.answer(&replies::AUTH_NOT_NOW, out);
        }
    }

    /// An answer to a challenge of the gate's own.
    fn answer_here(&mut self, now: Moment, answer: &[u8], out: &mut Output) {
        let Some(dialogue) = self.phase.dialogue_mut() else { return };
        match dialogue.note(answer) {
            Some(decoded) => {
                let next = dialogue.answered(&decoded);
                self.go_on(now, next, out);
            }
            None => self.broken_off(now, Violation::AuthLine, out),
        }
    }

    fn go_on(&mut self, now: Moment, next: Next, out: &mut Output) {
        match next {
            Next::Challenge(words) => {
                let challenge = |octets: &mut Vec<u8>| {
                    octets.extend_from_slice(b"334 ");
                    base64::encode(words, octets);
                    octets.extend_from_slice(b"\r\n");
                };
                self.challenge(challenge, out);
            }
            Next::Ask(user, password) => self.ask(user, password, out),
            Next::Wrong => self.judged(now, &Answered::No, out),
        }
    }

    fn ask(&mut self, user: Box<str>, password: Secret, out: &mut Output) {
        self.tally.questions = self.tally.questions.wrapping_add(1);
        let number = self.tally.questions;
        if let Some(dialogue) = self.phase.dialogue_mut() {
            dialogue.turn = Whose::Driver(number);
            out.act(Do::Ask(Question { number, what: Asking::Credentials { user, password } }));
        }
    }

    /// A question was answered; if it is not the one that is waited for, that is of no interest.
    pub(super) fn heed(&mut self, now: Moment, answer: &Answer, out: &mut Output) {
        if self.hear_counsel(now, answer, out) {
            return;
        }
        if self.phase.dialogue().is_some_and(|dialogue| dialogue.turn == Whose::Driver(answer.number)) {
            self.turn = now;
            self.judged(now, &answer.what, out);
        }
    }

    /// Nobody has answered in time.
    pub(super) fn unanswered(&mut self, now: Moment, out: &mut Output) {
        self.turn = now;
        self.judged(now, &Answered::Unknown, out);
    }

    /// Whether the session waits for an answer to a question.
    pub(super) fn asks(&self) -> bool {
        self.asks_allowances()
            || self.phase.dialogue().is_some_and(|dialogue| matches!(dialogue.turn, Whose::Driver(_)))
    }

    /// What the gate's own backend says of an exchange.
    fn judged(&mut self, now: Moment, answer: &Answered, out: &mut Output) {
        let Some(Stage::Auth(dialogue)) = self.phase.turn(Stage::Idle) else { return };
        match answer {
            Answered::Yes => {
                self.authenticated(*dialogue, KnownTo::Gate, out);
                if self.owes_login() {
                    // It is told on another one.
                    self.release_link(now, out);
                }
                self.answer(&replies::AUTHENTICATED, out);
                self.count(Deed::Answered(Verb::Auth, replies::AUTHENTICATED.code), out);
            }
            Answered::No => {
                self.attempted(dialogue.mechanism, AuthOutcome::Failed, out);
                let check = Check::Auth(AuthCheck::Credentials);
                let found = refusal(check, Action::Reject, replies::BAD_CREDENTIALS);
                let shown = [b"AUTH ", dialogue.mechanism.facts().name.as_bytes()].concat();
                self.refuse(now, found, Some(Verb::Auth), &shown, out);
            }
            // Nobody can say, or says something else.
            Answered::Unknown | Answered::Name(_) | Answered::Lists(_) | Answered::Allowances(_) => {
                self.attempted(dialogue.mechanism, AuthOutcome::Deferred, out);
                self.answer(&replies::AUTH_NOT_NOW, out);
            }
        }
    }

    fn authenticated(&mut self, dialogue: Dialogue, known_to: KnownTo, out: &mut Output) {
        let Dialogue { mechanism, user, .. } = dialogue;
        self.proven.account = Some(Box::new(Account { mechanism, user, known_to }));
        out.tell(Event::Auth(Box::new(Attempt {
            mechanism: Some(mechanism),
            account: self.proven.shown(),
            outcome: AuthOutcome::Succeeded,
        })));
    }

    /// An attempt that did not succeed.
    fn attempted(&mut self, mechanism: Mechanism, outcome: AuthOutcome, out: &mut Output) {
        if outcome == AuthOutcome::Failed {
            self.tally.failures = self.tally.failures.saturating_add(1);
        }
        out.tell(Event::Auth(Box::new(Attempt { mechanism: Some(mechanism), account: None, outcome })));
    }

    /// An AUTH command that did not even begin.
    pub(super) fn auth_refused(command: &Command<'_>, check: Check, out: &mut Output) {
        let mechanism = match command.argument {
            Ok(Argument::Auth { mechanism, .. }) => Mechanism::from_wire(mechanism),
            _ => None,
        };
        let outcome = match check {
            Check::Allowance(_) => AuthOutcome::Deferred,
            _ => AuthOutcome::Broken,
        };
        out.tell(Event::Auth(Box::new(Attempt { mechanism, account: None, outcome })));
    }

    /// The client has authenticated elsewhere, or is believed to have: a dialogue that begins behind it.
    pub fn vouch(&mut self, account: &str) {
        let user = Some(account.into());
        let account = Account { mechanism: Mechanism::Plain, user, known_to: KnownTo::Gate };
        self.proven.account = Some(Box::new(account));
    }

    /// Whether the link on which the relay knew the client is gone: no other takes its place.
    pub(super) fn is_orphaned(&self) -> bool {
        self.proven.is_pinned() && !matches!(self.link, Link::Open { .. })
    }
}
