//! Who the client says it is, and what it was offered.

use super::offer::Announced;
use crate::policy::condition::HelloScene;
use crate::policy::verdict::Refusal;
use crate::smtp::path::{Host, HostKind};
use crate::smtp::verb::Verb;

/// An accepted EHLO or HELO.
#[derive(Debug)]
pub(crate) struct Hello {
    /// EHLO or HELO.
    pub(crate) verb: Verb,
    name: Box<[u8]>,
    kind: HostKind,
    /// What it was offered; nothing after HELO.
    pub(crate) announced: Announced,
    /// An opinion that waits for the first recipient.
    pub(crate) held: Option<Box<Refusal>>,
}

impl Hello {
    /// Keeps a hello with this name.
    pub(crate) fn new(verb: Verb, name: Host<'_>, announced: Announced, held: Option<Box<Refusal>>) -> Self {
        let announced = if verb == Verb::Helo { announced.bare() } else { announced };
        let (kind, name) = (HostKind::of(&name), name.octets().into());
        Self { verb, name, kind, announced, held }
    }

    /// The same hello with what it is offered now that the relay has answered.
    pub(crate) fn offered(self, announced: Announced) -> Self {
        let announced = if self.verb == Verb::Helo { announced.bare() } else { announced };
        Self { announced, ..self }
    }

    /// The name, as written.
    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    /// For rules.
    pub(crate) fn scene(&self) -> HelloScene<'_> {
        HelloScene { verb: self.verb, name: self.kind.host(&self.name) }
    }
}
