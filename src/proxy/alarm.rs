//! When a connection is due for a turn although nothing came.

use super::listener::Door;
use crate::session::Moment;
use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;
use tokio::time::Sleep;

/// How soon a deadline that has come and changed nothing comes again.
const AGAIN: Duration = Duration::from_millis(100);

/// One timer for all that a connection waits for. It is set anew only when something is due earlier; when it rings too
/// early, that is found out then.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    at: Option<Moment>,
}

impl Alarm {
    /// Whether it rings; it is silent then until it is set again.
    pub(super) fn rings(&mut self, now: Moment) -> bool {
        self.at.take_if(|at| *at <= now).is_some()
    }

    /// Sets it for when something is due next, if anything is.
    pub(super) fn set(&mut self, cx: &mut Context<'_>, now: Moment, wanted: Option<Moment>, door: &Door) {
        let Some(wanted) = wanted else { return };
        if self.at.is_some_and(|at| at > now && at <= wanted) {
            return;
        }
        let wanted = wanted.max(now + AGAIN);
        let deadline = door.means.instant(wanted);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        self.at = Some(wanted);
        if sleep.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}
