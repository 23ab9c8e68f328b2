//! What the world has to tell a session: that the process goes away, that the gate is under stress or no longer.

use super::listener::{Door, Phase};
use super::reserve::Rank;
use crate::session::Happening;

/// What a session was told last.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    phase: Phase,
    stressed: bool,
}

impl News {
    /// Nothing yet.
    pub(super) fn none() -> Self {
        Self { phase: Phase::Open, stressed: false }
    }

    /// The next thing that it has not been told. A partner knows no stress.
    pub(super) fn next(&mut self, door: &Door, rank: Rank) -> Option<Happening> {
        let phase = door.drain.phase();
        if phase != self.phase {
            self.phase = phase;
            return match phase {
                Phase::Open => None,
                Phase::Draining => Some(Happening::Draining),
                Phase::Over | Phase::Closed => Some(Happening::DrainOver),
            };
        }
        let stressed = rank == Rank::Stranger && door.stress.is_on();
        let changed = stressed != std::mem::replace(&mut self.stressed, stressed);
        changed.then_some(if stressed { Happening::Stressed } else { Happening::Relieved })
    }
}
