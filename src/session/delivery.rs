//! What becomes of content: judged on its way, ended by Gatepost's own word alone, answered by the relay's.

use super::clock::Moment;
use super::content::{Content, Fault};
use super::exchange::Own;
use super::judge::{refusal, violation};
use super::link::Link;
use super::phase::{Phase, Place, Stage};
use super::transaction::Transaction;
use super::{Output, Session};
use crate::event::{Event, Outcome, Transfer};
use crate::policy::Weight;
use crate::policy::condition::Point;
use crate::policy::count::Deed;
use crate::policy::limits::Limit;
use crate::policy::verdict::{Action, Check, Refusal};
use crate::smtp::parameter::Body;
use crate::smtp::reply::{Class, Code, Heard, Reply};
use crate::smtp::verb::Verb;
use crate::smtp::violation::{Response, Violation};

impl Session {
    /// The relay said 354: what comes is mail data.
    pub(super) fn begin_mail_data(&mut self, now: Moment, out: &mut Output) {
        self.trace_data(now, out);
        let (ends, budget, limits) = (self.line_ends(), self.new_budget(now), self.setting.policy.limits());
        let edit = self.edit(true);
        if let Phase::Introduced(_, stage) = &mut self.phase {
            *stage = match std::mem::replace(stage, Stage::Idle) {
                Stage::Mail(transaction) => {
                    Stage::Data(transaction, Box::new(Content::data(ends, limits, edit, budget)))
                }
                other => other,
            };
        }
    }

    /// Judges what was seen of the content so far. From the first fault on nothing more is sent, and a link that is in
    /// the middle of mail data is closed without a terminator: the relay forgets the message.
    pub(super) fn judge_content(&mut self, now: Moment, out: &mut Output) {
        let announced = self.announced();
        let Some(content) = self.phase.content() else { return };
        if let Some(Fault::Relay(_)) = content.fault {
            return;
        }
        // The gravest of all that was found so far, so that it does not matter how the content was cut.
        let mut fault = None;
        if content.found().contains(Violation::NulInContent) {
            fault = Some(violation(Violation::NulInContent, Response::Reject));
        } else if content.found().contains(Violation::BareLineEndInContent) && content.rejects_bare() {
            fault = Some(violation(Violation::BareLineEndInContent, Response::Reject));
        } else if content.seen().octets > announced.size {
            let too_big = limit(Limit::MessageSize, Violation::MessageTooBig);
            let scene = self.bare_scene(now);
            fault = (self.setting.policy.weigh(too_big.check, &scene) == Weight::Enforce).then_some(too_big);
        }
        if let Some(refusal) = fault {
            self.fail_content(Fault::Gate(refusal), out);
        }
    }

    /// Nothing more of this content goes on.
    pub(super) fn fail_content(&mut self, fault: Fault, out: &mut Output) {
        if let Some(content) = self.phase.content_mut() {
            content.fault = match (content.fault.take(), fault) {
                (Some(stands), Fault::Relay(_)) => Some(stands),
                (_, fault) => Some(fault),
            };
        }
        if matches!(self.phase, Phase::Introduced(_, Stage::Data(..))) {
            self.drop_link(out);
        }
    }

    /// CRLF.CRLF was seen.
    pub(super) fn end_of_mail_data(&mut self, now: Moment, out: &mut Output) {
        self.judge_whole(now, out);
        match self.phase.content().and_then(|content| content.fault.clone()) {
            None => self.exchange.say(now, Own::EndOfMailData, out),
            Some(fault) => self.refuse_message(now, fault, out),
        }
    }

    /// A chunk of the client's is complete, and all that was made of it is answered.
    pub(super) fn chunk_end(&mut self, now: Moment, size: u64, last: bool, out: &mut Output) {
        if last {
            self.judge_whole(now, out);
        }
        match self.phase.content().and_then(|content| content.fault.clone()) {
            None if last => self.exchange.say(now, Own::LastChunk, out),
            None => self.answer(&Reply::own(Code::OK, 0, 0, format!("{size} octets received").into()), out),
            Some(fault) => {
                self.refuse_message(now, fault, out);
                if !last {
                    self.phase.turn(Stage::Spoiled);
                }
                // LAST was never said: the relay forgets the message and keeps the link (RFC 3030 2).
                if matches!(self.link, Link::Open { .. }) {
                    self.exchange.say(now, Own::Reset, out);
                }
            }
        }
    }

    /// A chunk did not even begin. What others the message has, or had, make no whole (RFC 3030 2).
    pub(super) fn chunk_refused(&mut self, now: Moment, code: Code, out: &mut Output) {
        if !matches!(self.phase.place(), Some(Place::Recipients | Place::Chunks)) {
            return;
        }
        self.transferred(outcome(code, Outcome::RefusedByGate), Some(code), out);
        self.phase.turn(Stage::Spoiled);
        if matches!(self.link, Link::Open { .. }) {
            self.exchange.say(now, Own::Reset, out);
        }
    }

    /// The limits and rules that only the whole content can break.
    fn judge_whole(&mut self, now: Moment, out: &mut Output) {
        let (found, observed) = self.weigh_whole(now);
        for refusal in &observed {
            self.observe(refusal, None, b"", out);
        }
        if let Some(refusal) = found {
            self.fail_content(Fault::Gate(refusal), out);
        }
    }

    /// The first refusal of the whole content, and what is only to be observed.
    fn weigh_whole(&self, now: Moment) -> (Option<Refusal>, Vec<Refusal>) {
        let (mut observed, mut first) = (Vec::new(), None);
        let Some(content) = self.phase.content().filter(|content| content.fault.is_none()) else {
            return (first, observed);
        };
        let policy = &self.setting.policy;
        let findings = self.content_findings(content);
        if findings.is_empty() && !policy.asks(Point::Message) {
            return (first, observed);
        }
        let mut scene = self.bare_scene(now);
        scene.message_octets = Some(content.seen().octets);
        for (found, response) in findings {
            match (response, policy.weigh(found.check, &scene)) {
                (_, Weight::Nothing) | (Response::Tolerate, _) => {}
                (Response::Report, _) | (_, Weight::Observe) => observed.push(found),
                (_, Weight::Enforce) => first = first.or(Some(found)),
            }
        }
        let judged = first
            .is_none()
            .then(|| policy.judge(Point::Message, &scene, &mut |refusal| observed.push(refusal)));
        (first.or(judged.flatten()), observed)
    }

    fn content_findings(&self, content: &Content) -> Vec<(Refusal, Response)> {
        let (limits, seen) = (self.setting.policy.limits(), content.seen());
        let mut findings = Vec::new();
        let mut find = |broken: bool, key: Limit, fault: Violation, response: Response| {
            if broken {
                findings.push((limit(key, fault), response));
            }
        };
        find(seen.received >= limits.received, Limit::Received, Violation::MailLoop, Response::Reject);
        find(
            seen.header_octets > limits.header_total,
            Limit::HeaderTotal,
            Violation::HeaderTooBig,
            Response::Reject,
        );
        if content.has_lines() {
            let (long, then) = (Violation::HeaderLineTooLong, limits.header_line.then);
            find(seen.long_header_line, Limit::HeaderLine, long, then);
            let (long, then) = (Violation::BodyLineTooLong, limits.body_line.then);
            find(seen.long_body_line, Limit::BodyLine, long, then);
            let repaired = content.found().contains(Violation::BareLineEndInContent);
            if repaired && !content.rejects_bare() {
                let fault = Violation::BareLineEndInContent;
                findings.push((violation(fault, Response::Report), Response::Report));
            }
            let declared = self.phase.transaction().map(Transaction::declared).unwrap_or_default();
            let body = seen.eight_bit_body && declared.body == Body::SevenBit;
            let header = seen.eight_bit_header && !declared.smtputf8;
            let undeclared = [
                body.then_some(Violation::EightBitContentUndeclared),
                header.then_some(Violation::EightBitHeaderUndeclared),
            ];
            findings.extend(undeclared.into_iter().flatten().map(|fault| {
                let response = self.setting.policy.response(fault);
                (violation(fault, response), response)
            }));
        }
        findings
    }

    /// The message does not arrive: the client hears why, at the true end.
    fn refuse_message(&mut self, now: Moment, fault: Fault, out: &mut Output) {
        match fault {
            Fault::Gate(refusal) => {
                let code = refusal.reply.code;
                self.count(Deed::Answered(Verb::Data, code), out);
                self.transferred(outcome(code, Outcome::RefusedByGate), Some(code), out);
                self.phase.turn(Stage::Idle);
                self.refuse(now, refusal, None, b"", out);
            }
            Fault::Relay(words) => {
                let code = words.code();
                if let Some(code) = code {
                    self.count(Deed::Answered(Verb::Data, code), out);
                }
                let outcome = code.map_or(Outcome::Deferred, |code| outcome(code, Outcome::RefusedByRelay));
                self.transferred(outcome, code, out);
                self.phase.turn(Stage::Idle);
                self.say(&words, out);
            }
        }
    }

    /// The relay answered the end of a message.
    pub(super) fn message_answered(&mut self, heard: &Heard<'_>, out: &mut Output) {
        let outcome = match heard.code.class() {
            Class::Positive => Outcome::Accepted,
            _ => outcome(heard.code, Outcome::RefusedByRelay),
        };
        self.transferred(outcome, Some(heard.code), out);
        self.count(Deed::Answered(Verb::Data, heard.code), out);
        self.phase.turn(Stage::Idle);
        Self::pass(heard, out);
        if outcome == Outcome::Accepted {
            self.tally.messages = self.tally.messages.saturating_add(1);
            (self.tally.errors, self.tally.refused_recipients, self.tally.trivial) = (0, 0, 0);
        }
    }

    /// A mail transaction, if there is one, ends without a message.
    pub(super) fn abandon(&mut self, out: &mut Output) {
        if self.phase.transaction().is_some() {
            self.transferred(Outcome::Aborted, None, out);
        }
        self.phase.turn(Stage::Idle);
    }

    /// Tells how the mail transaction ended.
    pub(super) fn transferred(&self, outcome: Outcome, code: Option<Code>, out: &mut Output) {
        let Some(transaction) = self.phase.transaction() else { return };
        let (recipients, content) = (transaction.accepted, self.phase.content());
        let octets = content.map_or(0, |content| content.seen().octets);
        if octets > 0 {
            self.count_many(Deed::Sent, u32::try_from(octets).unwrap_or(u32::MAX), out);
        }
        out.tell(Event::Message(Transfer { outcome, recipients, octets, code }));
    }
}

/// A refusal by a limit, in the words of the violation.
fn limit(key: Limit, fault: Violation) -> Refusal {
    refusal(Check::Limit(key), Action::Reject, Reply::to_violation(fault))
}

fn outcome(code: Code, refused: Outcome) -> Outcome {
    if code.class() == Class::Transient { Outcome::Deferred } else { refused }
}
