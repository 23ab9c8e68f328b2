//! What was asked in vain, for a while: the resolver's own cache keeps no answer without a SOA, and no failure. A client that
//! comes back in a moment does not cost another try.

use crate::session::Moment;
use quick_cache::sync::Cache;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long it is remembered that there was nothing (RFC 2308 5 leaves it to us where no SOA says so).
const NOTHING: Duration = Duration::from_mins(1);
/// How long that nobody answered.
const FAILURE: Duration = Duration::from_secs(5);

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// The name of an address.
    Name(IpAddr),
    /// Whether the list with this zone lists it.
    Listing(Arc<str>, IpAddr),
}

/// What is remembered.
#[derive(Clone, Copy, Debug)]
struct InVain {
    failed: bool,
    until: Moment,
}

/// Bounded; what was not asked for longest goes first.
#[derive(Debug)]
pub(super) struct Memory(Cache<Subject, InVain>);

impl Memory {
    pub(super) fn new(entries: u64) -> Self {
        Self(Cache::new(usize::try_from(entries).unwrap_or(usize::MAX)))
    }

    /// Whether it was asked in vain a moment ago; and if so, whether because nobody answered.
    pub(super) fn recall(&self, subject: &Subject, now: Moment) -> Option<bool> {
        self.0.get(subject).filter(|known| now < known.until).map(|known| known.failed)
    }

    pub(super) fn keep(&self, subject: Subject, failed: bool, now: Moment) {
        let until = now + if failed { FAILURE } else { NOTHING };
        self.0.insert(subject, InVain { failed, until });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_in_vain_is_remembered_for_a_while_and_within_bounds() {
        let memory = Memory::new(100);
        let at = |seconds| Moment::after_start(Duration::from_secs(seconds));
        let of = |last: u8| Subject::Name(IpAddr::from([192, 0, 2, last]));
        memory.keep(of(1), false, at(0));
        memory.keep(of(2), true, at(0));
        assert_eq!((memory.recall(&of(1), at(59)), memory.recall(&of(1), at(60))), (Some(false), None));
        assert_eq!((memory.recall(&of(2), at(4)), memory.recall(&of(2), at(5))), (Some(true), None));
        assert_eq!(memory.recall(&of(3), at(0)), None);
        assert_eq!(memory.recall(&Subject::Listing("zen".into(), IpAddr::from([192, 0, 2, 1])), at(0)), None);
        for last in 0..1000_u16 {
            memory.keep(
                Subject::Name(IpAddr::from([10, 0, last.to_be_bytes()[0], last.to_be_bytes()[1]])),
                true,
                at(0),
            );
        }
        assert!(memory.0.len() <= 100);
    }
}
