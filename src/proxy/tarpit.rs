//! Where refusals wait that are made to wait. There is room for so many; whoever finds none hears his at once.

use super::listener::Door;
use crate::session::Moment;
use crate::telemetry::OfTarpit;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The tarpit of a listener.
#[derive(Debug)]
pub(super) struct Tarpit {
    most: usize,
    held: AtomicUsize,
    figures: OfTarpit,
}

/// A session's room in it, while it has one. (Few have.)
#[derive(Debug, Default)]
pub(super) struct Stay(Option<Box<Seat>>);

#[derive(Debug)]
struct Seat {
    door: Arc<Door>,
    since: Moment,
}

impl Tarpit {
    pub(super) fn new(most: usize, figures: OfTarpit) -> Self {
        Self { most, held: AtomicUsize::new(0), figures }
    }

    /// Takes one in, if there is room.
    fn take(&self) -> bool {
        let one_more = |held: usize| (held < self.most).then_some(held.saturating_add(1));
        let taken = self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok();
        if taken {
            self.figures.active().inc();
        } else {
            self.figures.full().inc();
        }
        taken
    }
}

impl Stay {
    /// Begins or ends with what the session holds back. False: there is no room. Under stress there is none for anybody:
    /// who is held takes up a session that others wait for.
    pub(super) fn follow(&mut self, held: bool, door: &Arc<Door>, now: Moment) -> bool {
        match (held, &self.0) {
            (true, None) if door.stress.is_on() || !door.tarpit.take() => return false,
            (true, None) => self.0 = Some(Box::new(Seat { door: Arc::clone(door), since: now })),
            (false, Some(_)) => self.0 = None,
            (true, Some(_)) | (false, None) => {}
        }
        true
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let tarpit = &self.door.tarpit;
        tarpit.held.fetch_sub(1, Ordering::AcqRel);
        tarpit.figures.active().dec();
        tarpit.figures.delay().inc_by(self.door.means.now().since(self.since).as_secs_f64());
    }
}
