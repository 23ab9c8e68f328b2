//! Who the client says it is, and what it was offered.

use super::offer::Announced;
use crate::policy::condition::HelloScene;
use crate::policy::verdict::Refusal;
use crate::smtp::command::{self, Argument};
use crate::smtp::path::Host;
use crate::smtp::verb::Verb;

/// An accepted EHLO or HELO.
#[derive(Debug)]
pub(crate) struct Hello {
    /// Its canonical line, understood again when asked.
    line: Box<[u8]>,
    /// What it was offered; nothing after HELO.
    pub(crate) announced: Announced,
    /// An opinion that waits for the first recipient.
    pub(crate) held: Option<Refusal>,
}

impl Hello {
    /// Keeps a hello with this name.
    pub(crate) fn new(verb: Verb, name: Host<'_>, announced: Announced, held: Option<Refusal>) -> Self {
        let line = [verb.facts().name.as_bytes(), b" ", name.octets()].concat().into();
        let announced = if verb == Verb::Helo { announced.bare() } else { announced };
        Self { line, announced, held }
    }

    /// The same hello with what it is offered now that the relay has answered.
    pub(crate) fn offered(self, announced: Announced) -> Self {
        let announced = if self.verb() == Verb::Helo { announced.bare() } else { announced };
        Self { announced, ..self }
    }

    /// EHLO or HELO.
    pub(crate) fn verb(&self) -> Verb {
        if self.line.starts_with(b"HELO") { Verb::Helo } else { Verb::Ehlo }
    }

    /// The name, as written.
    pub(crate) fn name(&self) -> &[u8] {
        self.line.get(5..).unwrap_or_default()
    }

    /// For rules.
    pub(crate) fn scene(&self) -> Option<HelloScene<'_>> {
        let command = command::parse(&self.line);
        match command.argument {
            Ok(Argument::Hello(name)) => Some(HelloScene { verb: command.verb, name }),
            _ => None,
        }
    }
}
