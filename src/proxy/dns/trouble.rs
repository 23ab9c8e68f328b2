//! Whether most lookups fail: operators are told, once in a while.

use crate::proxy::lock;
use crate::session::Moment;
use std::sync::Mutex;
use std::time::Duration;

/// Over which time lookups are counted.
const SPAN: Duration = Duration::from_mins(1);
/// Fewer of them say nothing.
const ENOUGH: u32 = 20;

/// Lookups of the last minute.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Count>);

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    since: Moment,
    all: u32,
    failed: u32,
}

impl Trouble {
    /// Notes what came of a lookup.
    pub(super) fn note(&self, failed: bool, now: Moment) {
        let mut count = lock(&self.0);
        let told = count.note(failed, now);
        drop(count);
        if let Some(Count { all, failed, .. }) = told {
            tracing::warn!(failed, all, "most lookups of the last minute failed: see [resolver]");
        }
    }
}

impl Count {
    /// What is to be told of.
    fn note(&mut self, failed: bool, now: Moment) -> Option<Self> {
        self.all = self.all.saturating_add(1);
        self.failed = self.failed.saturating_add(failed.into());
        if now.since(self.since) < SPAN {
            return None;
        }
        let over = std::mem::replace(self, Self { since: now, ..Self::default() });
        (over.all >= ENOUGH && over.failed > over.all / 2).then_some(over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_a_minute_that_most_lookups_fail() {
        let mut count = Count::default();
        let at = |seconds| Moment::after_start(Duration::from_secs(seconds));
        let told = |count: &mut Count, from: u64, failed: bool| -> Vec<(u32, u32)> {
            let noted = (from..from + 59).filter_map(|second| count.note(failed, at(second)));
            noted.map(|told| (told.failed, told.all)).collect()
        };
        assert_eq!(told(&mut count, 0, true), []);
        assert_eq!(told(&mut count, 60, false), [(59, 60)]);
        assert_eq!(told(&mut count, 120, false), []);
        assert!(count.note(true, at(300)).is_none());
        assert!(count.note(true, at(360)).is_none());
    }
}
