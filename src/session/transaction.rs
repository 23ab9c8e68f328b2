//! A mail transaction: from MAIL to the reply that ends it.

use super::exchange::Words;
use crate::policy::verdict::Refusal;
use crate::smtp::command::{self, Argument, Command, Declared};
use crate::smtp::path::ReversePath;

/// A MAIL that was accepted, here or by the relay, or is in flight.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// Its canonical line without CRLF, understood again when asked.
    line: Box<[u8]>,
    pub(crate) declared: Declared,
    /// Where it stands at the relay.
    pub(crate) standing: Standing,
    /// RCPT commands that were not refused here.
    pub(crate) asked: u32,
    /// Recipients that the relay accepted.
    pub(crate) accepted: u32,
    /// An opinion that waits for the first recipient.
    pub(crate) held: Option<Refusal>,
}

/// Where a mail transaction stands at the relay.
#[derive(Debug)]
pub(crate) enum Standing {
    /// Answered here; no link yet.
    Here,
    /// The relay was told, and has it unless it says otherwise.
    There,
    /// The relay refused it when the first recipient came; these words answer each recipient.
    Refused(Words),
}

impl Transaction {
    /// Keeps a sound MAIL.
    pub(crate) fn new(
        command: &Command<'_>,
        declared: Declared,
        standing: Standing,
        held: Option<Refusal>,
    ) -> Self {
        let mut line = Vec::new();
        // A command with a fault does not come here; its line would be empty and refused as such.
        let _ = command.encode(|_| true, &mut line);
        line.truncate(line.len().saturating_sub(2));
        Self { line: line.into(), declared, standing, asked: 0, accepted: 0, held }
    }

    /// The MAIL command.
    pub(crate) fn command(&self) -> Command<'_> {
        command::parse(&self.line)
    }

    /// The reverse-path for logs.
    pub(crate) fn sender(&self) -> Vec<u8> {
        match self.command().argument {
            Ok(Argument::Mail { path: ReversePath::Mailbox(mailbox), .. }) => {
                [mailbox.local, b"@", mailbox.host.octets()].concat()
            }
            _ => b"<>".to_vec(),
        }
    }
}
