//! When a connection is due for a turn although nothing came.

use super::means::Means;
use super::round;
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
    pub(super) fn set(&mut self, cx: &mut Context<'_>, now: Moment, wanted: Option<Moment>, means: &Means) {
        let Some(wanted) = wanted else { return };
        if self.at.is_some_and(|at| at > now && at <= wanted) {
            if self.sleep.as_ref().is_some_and(|sleep| !sleep.is_elapsed()) {
                return;
            }
            // It has run out before its time, as the turn counts it, and does not come again by itself. The turn counts
            // from too long ago.
            round::renew();
        }
        let wanted = wanted.max(now + AGAIN);
        let deadline = means.instant(wanted);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::wakes::Wakes;
    use crate::telemetry::Metrics;
    use std::sync::Arc;
    use std::task::Waker;

    #[tokio::test]
    async fn what_has_run_out_before_its_time_rings_again() {
        let (means, wakes) = (Means::new(&Metrics::new(), 1000, 0), Arc::new(Wakes::default()));
        let task = Waker::from(Arc::clone(&wakes));
        let (mut cx, mut alarm) = (Context::from_waker(&task), Alarm::default());
        round::begin();
        let then = round::now(&means);
        let wanted = Some(then + AGAIN);
        alarm.set(&mut cx, then, wanted, &means);
        tokio::time::sleep(AGAIN * 2).await;
        assert_eq!(wakes.count(), 1);
        // By the clock of the turn it is not time yet.
        assert!(!alarm.rings(then));
        alarm.set(&mut cx, then, wanted, &means);
        assert!(wakes.count() > 1 && alarm.rings(round::now(&means)));
    }
}
