//! Whose octets are: the session's, those of a handshake, or nobody's; and what a session asks besides.

use super::{LinkEnd, Player};
use crate::event::{Secured, Side, TlsFailure};
use crate::policy::allowance::{Balance, Charge};
use crate::policy::tls::TlsVersion;
use crate::replay::scene::{Allowances, Certificate};
use crate::session::{Answer, Answered, Asking, Happening, Question};

/// What octets are to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// Its own to read.
    Plain,
    /// Of this side they are those of a handshake.
    Handshake(Side),
    /// Nobody's.
    Passing,
}

impl Player {
    /// Whether octets pass uninspected.
    pub fn is_passing(&self) -> bool {
        self.course == Course::Passing
    }

    /// The handshake on this side ends well.
    pub fn handshake_holds(&mut self, side: Side) -> Result<(), String> {
        self.ends_handshake(side, Ok(()))
    }

    /// It does not.
    pub fn handshake_fails(&mut self, side: Side, why: TlsFailure) -> Result<(), String> {
        self.ends_handshake(side, Err(why))
    }

    fn ends_handshake(&mut self, side: Side, how: Result<(), TlsFailure>) -> Result<(), String> {
        if self.course != Course::Handshake(side) {
            return Err(format!("there is no handshake on the side of the {side:?}"));
        }
        self.handshake_ends(side, how);
        self.turn();
        Ok(())
    }

    pub(super) fn handshake_ends(&mut self, side: Side, how: Result<(), TlsFailure>) {
        self.course = Course::Plain;
        if how.is_err() && side == Side::Relay {
            self.link = LinkEnd::None;
            self.relay.hang_up();
        }
        let what = match how {
            Ok(()) => Happening::Secured(side, Box::new(self.secured(side))),
            Err(why) => Happening::NotSecured(side, why),
        };
        self.session.happened(self.now, what, &mut self.out);
        self.carry_out(&[]);
    }

    /// What a polite world knows is answered at once; the rest is kept for whoever answers it.
    pub(super) fn note_question(&mut self, question: Question) {
        let answered = match &question.what {
            Asking::Credentials { .. } => None,
            Asking::Name => Some(Answered::Name(Box::default())),
            Asking::Lists => Some(Answered::Lists(Box::default())),
            Asking::Allowances(charges) => match self.allowances {
                Allowances::Left(_) => Some(self.balances(charges)),
                Allowances::Unknown => Some(Answered::Unknown),
                Allowances::Awaited => None,
            },
        };
        match answered {
            None => self.question = Some(question),
            Some(what) => {
                let answer = Answer { number: question.number, what };
                self.session.happened(self.now, Happening::Answered(answer), &mut self.out);
            }
        }
    }

    /// How allowances stand.
    fn balances(&mut self, charges: &[Charge]) -> Answered {
        let mut balances = Vec::new();
        for charge in charges {
            let (balance, counted) = self.purse.ask(self.now, charge);
            balances.push(balance);
            self.counted.push(counted);
        }
        Answered::Allowances(balances.into())
    }

    /// Whether the open question is one for a backend.
    pub(super) fn asks_credentials(&self) -> bool {
        matches!(&self.question, Some(Question { what: Asking::Credentials { .. }, .. }))
    }

    /// Nothing is left, for all that the open question asks.
    pub fn nothing_left(&self) -> Answered {
        let asked = match &self.question {
            Some(Question { what: Asking::Allowances(charges), .. }) => charges.len(),
            _ => 0,
        };
        Answered::Allowances(vec![Balance { within: false, left: 0 }; asked].into())
    }

    /// The last question is answered. False: there is none.
    pub fn answers(&mut self, what: Answered) -> bool {
        let asked = self.answer_question(what);
        self.turn();
        asked
    }

    pub(super) fn answer_question(&mut self, what: Answered) -> bool {
        let Some(Question { number, .. }) = self.question.take() else { return false };
        self.answer_number(number, what);
        true
    }

    /// A question that was asked before the last one is answered.
    pub fn answers_late(&mut self, what: Answered) {
        let Some(number) = self.question.as_ref().map(|question| question.number.wrapping_sub(1)) else {
            return;
        };
        self.answer_number(number, what);
        self.turn();
    }

    fn answer_number(&mut self, number: u32, what: Answered) {
        self.session.happened(self.now, Happening::Answered(Answer { number, what }), &mut self.out);
        self.carry_out(&[]);
    }

    pub(super) fn secured(&self, side: Side) -> Secured {
        let verified = side == Side::Relay && self.certificate == Certificate::Verified;
        Secured {
            version: TlsVersion::V1_3,
            cipher: "TLS_AES_128_GCM_SHA256",
            name: None,
            peer: verified.then(|| "relay.example".into()),
            resumed: false,
        }
    }
}
