//! What time it is, asked once for all who have their turn in one round: to look at the clock costs more than many a turn.
//!
//! A round begins when a thread has heard what is new, and is over before it listens again; so the time that its
//! connections have is late by what was done since then, never by what was waited for.

use super::means::Means;
use super::post;
use crate::session::Moment;
use std::cell::Cell;

/// How many turns go by one look at the clock: as many as the runtime gives before it listens again unasked.
const TURNS: u8 = 61;

thread_local! {
    static ROUND: Cell<Round> = const { Cell::new(Round::Unannounced) };
}

/// How it is with the time of a thread.
#[derive(Clone, Copy, Debug)]
enum Round {
    /// Nobody says when a round begins: the clock is asked each time.
    Unannounced,
    /// It has begun, and nobody has asked.
    Begun,
    /// It is this time, for so many turns more.
    At(Moment, u8),
}

/// A round begins on this thread.
pub(super) fn begin() {
    ROUND.set(Round::Begun);
}

/// Much was done since this one began, or much time has gone by: what is posted goes out, and the clock is asked again.
pub(super) fn renew() {
    post::deliver();
    if let Round::At(..) = ROUND.get() {
        begin();
    }
}

/// What time it is for a turn. A thread works for one gate, so there is one way of counting.
pub(super) fn now(means: &Means) -> Moment {
    if let Round::At(_, 0) = ROUND.get() {
        // Who never rests has a post all the same.
        renew();
    }
    let (now, left) = match ROUND.get() {
        Round::At(now, left) => (now, left.saturating_sub(1)),
        Round::Begun => (means.now(), TURNS),
        Round::Unannounced => return means.now(),
    };
    ROUND.set(Round::At(now, left));
    now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    fn means() -> Arc<Means> {
        Means::new(&Metrics::new(), 1000, 0)
    }

    fn later(means: &Means) -> Moment {
        thread::sleep(Duration::from_millis(1));
        now(means)
    }

    #[test]
    fn a_round_has_one_time_and_the_next_another() {
        let means = means();
        begin();
        let first = now(&means);
        assert_eq!(later(&means), first);
        begin();
        assert!(now(&means) > first);
    }

    #[test]
    fn a_round_without_end_sees_the_clock_again() {
        let means = means();
        begin();
        let first = now(&means);
        thread::sleep(Duration::from_millis(1));
        assert!((0..=TURNS).any(|_| now(&means) > first));
    }

    #[test]
    fn a_round_that_is_renewed_sees_the_clock_again() {
        let means = means();
        begin();
        let first = now(&means);
        renew();
        assert!(later(&means) > first);
    }

    #[test]
    fn who_is_not_told_of_rounds_asks_the_clock() {
        let means = means();
        let first = now(&means);
        renew();
        let second = later(&means);
        assert!(second > first && later(&means) > second);
    }
}
