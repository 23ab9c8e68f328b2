//! What somebody may do in a time (`[[limit]]`): it is asked before a command is carried out, and told of what was done.
//! Nobody is refused for a count that nobody knows.

use super::clock::Moment;
use super::exchange::Action as Do;
use super::judge::Judge;
use super::phase::Place;
use super::{Answer, Answered, Asking, Output, Question, Session};
use crate::policy::allowance::{Balance, Charge};
use crate::policy::condition::{Point, Scene};
use crate::policy::count::Deed;
use crate::policy::verdict::{Check, Refusal};
use std::time::Duration;

/// How long a count is waited for. A store that needs longer is out of order.
const WAIT: Duration = Duration::from_secs(2);

/// What was asked about the next command, or about the connection. It is used up by that one.
#[derive(Debug)]
pub(super) struct Counsel {
    number: u32,
    /// Since when it is waited for.
    since: Moment,
    charges: Vec<Charge>,
    /// In the order of the charges; none of them: nobody can say. Not there: it is waited for.
    balances: Option<Box<[Balance]>>,
}

impl Counsel {
    /// What is not to be had, in file order.
    pub(super) fn exhausted(&self) -> impl Iterator<Item = &Charge> {
        self.stand().filter(|(_, balance)| !balance.within).map(|(charge, _)| charge)
    }

    /// How everything stands.
    fn stand(&self) -> impl Iterator<Item = (&Charge, Balance)> {
        self.charges.iter().zip(self.balances.iter().flatten().copied())
    }
}

impl Session {
    /// Asks whether all of this may be taken. What it is for waits, and is judged again when the answer is there.
    pub(super) fn ask_allowances(&mut self, now: Moment, charges: Vec<Charge>, out: &mut Output) {
        let number = self.next_question();
        let what = Asking::Allowances(charges.clone().into());
        self.counsel = Some(Box::new(Counsel { number, since: now, charges, balances: None }));
        out.act(Do::Ask(Question { number, what }));
    }

    /// Whether it is waited for.
    pub(super) fn asks_allowances(&self) -> bool {
        self.counsel.as_ref().is_some_and(|counsel| counsel.balances.is_none())
    }

    /// Until when, if it is.
    pub(super) fn counsel_deadline(&self) -> Option<Moment> {
        let counsel = self.counsel.as_ref().filter(|counsel| counsel.balances.is_none())?;
        Some(counsel.since + WAIT)
    }

    /// A question was answered. False: it is not this one that is waited for.
    pub(super) fn hear_counsel(&mut self, now: Moment, answer: &Answer, out: &mut Output) -> bool {
        let Some(counsel) = &mut self.counsel else { return false };
        if counsel.number != answer.number || counsel.balances.is_some() {
            return false;
        }
        counsel.balances = Some(match &answer.what {
            Answered::Allowances(balances) if balances.len() == counsel.charges.len() => balances.clone(),
            // Nobody can say, or says something else.
            _ => Box::default(),
        });
        self.counselled(now, out);
        true
    }

    /// Nobody has answered in time.
    pub(super) fn without_counsel(&mut self, now: Moment, out: &mut Output) {
        if let Some(counsel) = &mut self.counsel {
            counsel.balances = Some(Box::default());
        }
        self.counselled(now, out);
    }

    /// A command is shown again; a connection is not.
    fn counselled(&mut self, now: Moment, out: &mut Output) {
        self.turn = now;
        if self.greets() {
            self.admit(now, out);
        }
    }

    /// The account of a limit that was asked, and how full it is.
    pub(super) fn account(&self, check: Check) -> Option<String> {
        let Check::Allowance(limit) = check else { return None };
        let (charge, balance) = self.counsel.as_ref()?.stand().find(|(charge, _)| charge.limit == limit)?;
        Some(self.setting.policy.account(charge, balance))
    }

    /// Something was done that limits may count.
    pub(super) fn count(&self, deed: Deed, out: &mut Output) {
        self.count_many(deed, 1, out);
    }

    /// Likewise so many times. (The time of it is that of the client's last word.)
    pub(super) fn count_many(&self, deed: Deed, amount: u32, out: &mut Output) {
        if self.setting.policy.counts_anything() {
            self.count_in(deed, amount, &self.bare_scene(self.turn), out);
        }
    }

    /// Likewise in this scene.
    pub(super) fn count_in(&self, deed: Deed, amount: u32, scene: &Scene<'_>, out: &mut Output) {
        for charge in self.setting.policy.charges_for(deed, amount, scene) {
            out.act(Do::Charge(charge));
        }
    }
}

/// Why a judgement has come to an end.
#[derive(Debug)]
pub(super) enum Halt {
    /// Something refuses.
    Refused(Box<Refusal>),
    /// This has to be asked first.
    Asks(Vec<Charge>),
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl Judge<'_> {
    /// `[[limit]]`: what has to be asked is asked first; then the first of them refuses for which nothing is left.
    pub(super) fn allowances(&mut self, point: Point, place: Place) -> Result<(), Halt> {
        let session = self.session;
        let policy = &session.setting.policy;
        let Some(counsel) = &session.counsel else {
            if !policy.counts_anything() {
                return Ok(());
            }
            let mut charges = policy.charges(point, self.view.scene());
            if place == Place::Chunks {
                // Whether a message may come is looked at before its first chunk, not in the middle of it.
                charges.retain(|charge| charge.amount > 0);
            }
            return if charges.is_empty() { Ok(()) } else { Err(Halt::Asks(charges)) };
        };
        for charge in counsel.exhausted() {
            if let Some(refusal) = policy.exhausted(charge, session.setting.client) {
                self.find(refusal)?;
            }
        }
        Ok(())
    }
}
