//! What a judgement sees of a command, or of the connection.

use super::{Judge, Spoken};
use crate::policy::condition::{Point, Scene};
use crate::policy::verdict::Refusal;
use crate::session::{Moment, Session};

/// The scene of a judgement. It is made where somebody looks: most commands break nothing that could be excepted, and at
/// many no rule is asked.
pub(in crate::session) struct View<'s> {
    session: &'s Session,
    now: Moment,
    /// None: it is about the connection.
    spoken: Option<Spoken<'s>>,
    scene: Option<Scene<'s>>,
}

impl<'s> View<'s> {
    pub(super) fn new(session: &'s Session, now: Moment, spoken: Option<Spoken<'s>>) -> Self {
        Self { session, now, spoken, scene: None }
    }

    pub(in crate::session) fn scene(&mut self) -> &Scene<'s> {
        let Self { session, now, spoken, scene } = self;
        scene.get_or_insert_with(|| match spoken {
            Some(spoken) => session.scene(*now, *spoken),
            None => session.bare_scene(*now),
        })
    }
}

impl Judge<'_> {
    /// The first signature or rule that refuses, if any is asked here.
    pub(super) fn asked(&mut self, point: Point) -> Option<Refusal> {
        let Self { session, view, observed } = self;
        let policy = &session.setting.policy;
        if !policy.asks(point) {
            return None;
        }
        policy.judge(point, view.scene(), &mut |refusal| observed.push(refusal))
    }
}
