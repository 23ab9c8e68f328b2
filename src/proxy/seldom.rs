//! Saying something once in a while: strangers must not fill a disk.

use super::lock;
use crate::session::Moment;
use std::sync::Mutex;
use std::time::Duration;

/// How often at most.
const SELDOM: Duration = Duration::from_secs(1);

/// Something that is said once in a while, and when it was said last.
#[derive(Debug, Default)]
pub(super) struct Seldom(Mutex<Option<Moment>>);

impl Seldom {
    /// Whether it is time; whoever hears so says it.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        let mut last = lock(&self.0);
        let due = last.is_none_or(|at| now.since(at) >= SELDOM);
        if due {
            *last = Some(now);
        }
        due
    }
}
