//! STARTTLS (RFC 3207): the driver performs the handshake, and everything known before is forgotten.

use super::act::Turn;
use super::clock::Moment;
use super::exchange::{Action as Do, Asked, Cleared};
use super::judge::{refusal, violation};
use super::link::Link;
use super::opening::Need;
use super::phase::Phase;
use super::proven::Proven;
use super::{Output, Session, replies};
use crate::event::{Ending, Event, Fate, Force, Secured, Side, TlsChange, TlsFailure};
use crate::policy::tls::{ClientCertificate, StartTls};
use crate::policy::verdict::{Action, Check, TlsCheck};
use crate::smtp::command::Command;
use crate::smtp::extension::Extension;
use crate::smtp::reply::{Class, Heard};
use crate::smtp::verb::Verb;
use crate::smtp::violation::{Response, Violation};

impl Session {
    /// STARTTLS, and nothing stands behind it.
    pub(super) fn start_tls(
        &mut self,
        now: Moment,
        command: &Command<'_>,
        cleared: &Cleared<&Command<'_>>,
        out: &mut Output,
    ) -> Turn {
        if self.setting.policy.tls().starttls == StartTls::Passthrough {
            return self.pass_starttls(now, command, cleared, out);
        }
        self.answer(&replies::READY_FOR_TLS, out);
        out.act(Do::StartTls(Side::Client));
        self.phase = Phase::Securing(now);
        Turn::Taken(Fate::Answered)
    }

    /// STARTTLS goes on to the relay, if it can.
    fn pass_starttls(
        &mut self,
        now: Moment,
        command: &Command<'_>,
        cleared: &Cleared<&Command<'_>>,
        out: &mut Output,
    ) -> Turn {
        match self.need_link(now, None, out) {
            Need::Waits => Turn::Waits,
            Need::Ready if self.offered().contains(Extension::StartTls) => {
                self.exchange.forward(now, cleared, (|_| true, 0), Asked::Command(command.verb), out);
                Turn::Taken(Fate::Forwarded)
            }
            Need::Ready | Need::Failed(..) => {
                self.answer(&replies::TLS_NOT_NOW, out);
                Turn::Taken(Fate::Refused)
            }
        }
    }

    /// The relay answered the client's STARTTLS: from 220 on it is between those two.
    pub(super) fn starttls_answered(&mut self, heard: &Heard<'_>, out: &mut Output) {
        if heard.code.class() == Class::Positive {
            out.tell(Event::Tls(Side::Client, TlsChange::Passed));
            out.act(Do::PassThrough);
            self.phase = Phase::Passing(self.farewell);
        }
    }

    /// The client spoke while its STARTTLS was on its way to the relay.
    pub(super) fn speaks_before_tls(&mut self, now: Moment, rest: &[u8], out: &mut Output) -> usize {
        let found = violation(Violation::StartTlsInjection, Response::Disconnect);
        self.refuse(now, found, Some(Verb::StartTls), b"STARTTLS", out);
        rest.len()
    }

    /// TLS holds on a side.
    pub(super) fn secured(&mut self, now: Moment, side: Side, secured: Box<Secured>, out: &mut Output) {
        match (side, &self.phase) {
            (Side::Relay, _) => self.relay_secured(now, secured, out),
            // Before the greeting there is nothing to forget.
            (Side::Client, Phase::Connecting(_)) => self.begin_anew(secured, out),
            (Side::Client, Phase::Securing(_)) => {
                self.phase = Phase::Greeted;
                (self.turn, self.line) = (now, None);
                self.forget_client_at_relay(now, out);
                self.begin_anew(secured, out);
            }
            (Side::Client, _) => {}
        }
    }

    fn begin_anew(&mut self, secured: Box<Secured>, out: &mut Output) {
        out.tell(Event::Tls(Side::Client, TlsChange::Started(secured.clone())));
        self.proven = Proven { tls: Some(secured), account: None };
    }

    /// What the relay was told of the client was told in clear: it hears hello anew, on another link if it thinks to know
    /// who it is.
    fn forget_client_at_relay(&mut self, now: Moment, out: &mut Output) {
        if self.proven.is_pinned() {
            return self.release_link(now, out);
        }
        if let Link::Open { hello, .. } = &mut self.link {
            *hello = Box::default();
        }
    }

    /// TLS does not hold, and nobody is there to hear a word.
    pub(super) fn not_secured(&mut self, now: Moment, side: Side, why: TlsFailure, out: &mut Output) {
        match (side, &self.phase) {
            (Side::Relay, _) => self.relay_not_secured(now, why, out),
            (Side::Client, Phase::Securing(_) | Phase::Connecting(_)) => self.tls_failed(now, why, out),
            (Side::Client, _) => {}
        }
    }

    /// The client's handshake came to nothing.
    pub(super) fn tls_failed(&mut self, now: Moment, why: TlsFailure, out: &mut Output) {
        if self.greets() {
            // It may not have begun.
            self.tally.began = self.tally.began.max(now);
        }
        out.tell(Event::Tls(Side::Client, TlsChange::Failed(why)));
        let required = self.setting.policy.tls().client_certificate == ClientCertificate::Require;
        if required && why == TlsFailure::Certificate {
            let check = Check::Tls(TlsCheck::ClientCertificate);
            let found = refusal(check, Action::Disconnect, replies::NO_CERTIFICATE);
            self.decide(&found, Force::Enforced, None, b"", out);
        }
        self.end(now, Ending::TlsFailed, out);
    }

    /// Whether words in plain text mean nothing to the client now: in a handshake, and in TLS that is not ours.
    pub(super) fn is_deaf(&self) -> bool {
        matches!(self.phase, Phase::Securing(_) | Phase::Passing(_))
    }
}
