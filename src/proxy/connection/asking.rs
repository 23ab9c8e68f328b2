//! Questions of a session that take longer than a turn.

use super::Connection;
use crate::policy::auth::Backend;
use crate::proxy::turn::Turn;
use crate::session::{Answer, Answered, Asking, Happening, Question};
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use tokio::sync::oneshot;

/// A question that is being answered.
#[derive(Debug)]
pub(super) struct Open {
    number: u32,
    answer: oneshot::Receiver<Answered>,
}

impl Connection {
    /// Passes a question on to who can answer it. There is one at a time: the answer to an earlier one is late.
    pub(super) fn ask(
        &mut self,
        Question { number, what: Asking::Credentials { user, password } }: Question,
    ) {
        let answer = match &self.session.policy().auth().backend {
            Backend::File(accounts) => self.door.clerks.verify(accounts, user, password),
            // Such a session asks its relay.
            Backend::Relay => oneshot::channel().1,
        };
        self.question = Some(Box::new(Open { number, answer }));
    }

    /// Tells the session the answer, once there is one.
    pub(super) fn poll_answer(&mut self, turn: &mut Turn<'_, '_>) -> bool {
        let Some(open) = &mut self.question else { return false };
        let Poll::Ready(answer) = Pin::new(&mut open.answer).poll(turn.cx) else { return false };
        let number = open.number;
        self.question = None;
        // Whoever was to answer is gone: nobody can say.
        let what = answer.unwrap_or(Answered::Unknown);
        self.tell(turn, Happening::Answered(Answer { number, what }));
        true
    }
}
