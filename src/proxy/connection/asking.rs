//! Questions of a session that take longer than a turn.

use super::Connection;
use crate::policy::allowance::{Balance, Charge};
use crate::policy::auth::Backend;
use crate::proxy::store::{Measure, Taken};
use crate::proxy::turn::Turn;
use crate::session::{Answer, Answered, Asking, Happening, Question};
use arrayvec::ArrayVec;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::oneshot;

/// Questions that are open at once: one for which a command waits, and those that were asked early. The answer to an
/// earlier one of the former is late, and ignored.
pub(super) type Questions = ArrayVec<Open, 4>;

/// A question that is being answered.
#[derive(Debug)]
pub(super) struct Open {
    number: u32,
    answer: Coming,
}

/// An answer on its way.
#[derive(Debug)]
enum Coming {
    /// It is there.
    Here(Answered),
    /// It comes. Whoever was to answer and is gone cannot say.
    Later(oneshot::Receiver<Answered>),
}

impl Open {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Answered> {
        match &mut self.answer {
            Coming::Here(answered) => Poll::Ready(std::mem::replace(answered, Answered::Unknown)),
            Coming::Later(receiver) => {
                Pin::new(receiver).poll(cx).map(|answer| answer.unwrap_or(Answered::Unknown))
            }
        }
    }
}

impl Connection {
    /// Passes a question on to who can answer it.
    pub(super) fn ask(&mut self, Question { number, what }: Question) {
        let answer = match what {
            Asking::Credentials { user, password } => match &self.session.policy().auth().backend {
                Backend::File(accounts) => Coming::Later(self.door.clerks.verify(accounts, user, password)),
                // Such a session asks its relay.
                Backend::Relay => Coming::Here(Answered::Unknown),
            },
            Asking::Name => Coming::Later(self.door.dns.name(self.session.who().0.ip())),
            Asking::Lists => {
                Coming::Later(self.door.dns.lists(self.session.policy(), self.session.who().0.ip()))
            }
            Asking::Allowances(charges) => self.take(charges),
        };
        let questions = self.questions.get_or_insert_default();
        if questions.is_full() {
            questions.remove(0);
        }
        questions.push(Open { number, answer });
    }

    /// Takes charges from the store, where they are shared, and from what this gate knows by itself.
    fn take(&self, charges: Box<[Charge]>) -> Coming {
        let taken = match &self.door.store {
            Some(store) => {
                let books = self.books.clone();
                let local = move |charge: &Charge| books.ask(charge);
                store.take(self.session.policy(), charges, Measure::AllOrNothing, local)
            }
            None => Taken::Now(charges.iter().map(|charge| self.books.ask(charge)).collect()),
        };
        match taken {
            Taken::Now(balances) => Coming::Here(Answered::Allowances(balances)),
            Taken::Later(answer) => Coming::Later(answer),
        }
    }

    /// Takes from an allowance what there is, for something that has happened. Nobody waits for it.
    pub(super) fn charge(&self, charge: Charge) {
        let Some(store) = &self.door.store else { return self.books.spend(&charge) };
        let books = self.books.clone();
        let spend = move |charge: &Charge| {
            books.spend(charge);
            Balance { within: true, left: 0 }
        };
        // What is to come comes also if nobody listens.
        drop(store.take(self.session.policy(), Box::new([charge]), Measure::WhatThereIs, spend));
    }

    /// Tells the session an answer, once there is one.
    pub(super) fn poll_answer(&mut self, turn: &mut Turn<'_, '_>) -> bool {
        let Some(questions) = &mut self.questions else { return false };
        let answers = questions.iter_mut().map(|open| (open.number, open.poll(turn.cx)));
        let come = answers.enumerate().find_map(|(place, (number, answer))| match answer {
            Poll::Ready(what) => Some((place, Answer { number, what })),
            Poll::Pending => None,
        });
        let Some((place, answer)) = come else { return false };
        questions.remove(place);
        if questions.is_empty() {
            self.questions = None;
        }
        self.tell(turn, Happening::Answered(answer));
        true
    }
}
