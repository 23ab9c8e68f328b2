//! A mail transaction: from MAIL to the reply that ends it.

use super::exchange::Words;
use crate::policy::condition::MailScene;
use crate::policy::verdict::Refusal;
use crate::smtp::command::Command;
use crate::smtp::parameter::{Declared, Gist, Parameters};
use crate::smtp::path::{HostKind, Mailbox, ReversePath};
use crate::smtp::verb::Verb;

/// What stands before a reverse-path in a canonical line.
const BEFORE_PATH: &[u8] = b"MAIL FROM:<";

/// And behind it, but for parameters.
const BEHIND_PATH: &[u8] = b">\r\n";

/// A MAIL that was accepted, here or by the relay, or is in flight.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// Its canonical line; it may be kept for long, in a tarpit or for a recipient that never comes.
    line: Box<[u8]>,
    /// Where its reverse-path stands; none: it is the null one.
    sender: Option<Sender>,
    /// What its parameters come to.
    gist: Gist,
    /// Where it stands at the relay.
    pub(crate) standing: Standing,
    /// RCPT commands that were not refused here.
    pub(crate) asked: u32,
    /// Recipients that the relay accepted.
    pub(crate) accepted: u32,
    /// An opinion that waits for the first recipient.
    pub(crate) held: Option<Box<Refusal>>,
}

/// The mailbox of a reverse-path in its line.
#[derive(Clone, Copy, Debug)]
struct Sender {
    /// Where the `@` stands before its host.
    at: usize,
    /// Where its host ends.
    end: usize,
    host: HostKind,
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
        path: ReversePath<'_>,
        parameters: Parameters<'_>,
        standing: Standing,
        held: Option<Box<Refusal>>,
    ) -> Self {
        let sender = match path {
            ReversePath::Mailbox(mailbox) => {
                let at = BEFORE_PATH.len().saturating_add(mailbox.local.len());
                let end = at.saturating_add(1).saturating_add(mailbox.host.octets().len());
                Some(Sender { at, end, host: HostKind::of(&mailbox.host) })
            }
            ReversePath::Null => None,
        };
        let end = sender.map_or(BEFORE_PATH.len(), |sender| sender.end);
        // Nearly every line is written as it was spoken, and then it fits to the octet.
        let length = end.saturating_add(parameters.octets()).saturating_add(BEHIND_PATH.len());
        let mut line = Vec::with_capacity(length);
        // What is sound can be written.
        let _ = Command::mail(path, parameters).encode(|_| true, &mut line);
        let gist = parameters.gist();
        Self { line: line.into(), sender, gist, standing, asked: 0, accepted: 0, held }
    }

    /// The MAIL command, as it was understood.
    pub(crate) fn command(&self) -> Command<'_> {
        Command::mail(self.path(), self.parameters())
    }

    /// What its parameters declare.
    pub(crate) fn declared(&self) -> Declared {
        self.gist.declared
    }

    /// For rules.
    pub(crate) fn scene(&self) -> MailScene<'_> {
        MailScene { path: self.path(), size: self.gist.declared.size }
    }

    /// Its parameters.
    pub(crate) fn parameters(&self) -> Parameters<'_> {
        let end = self.sender.map_or(BEFORE_PATH.len(), |sender| sender.end);
        let line = self.line.strip_suffix(b"\r\n").unwrap_or_default();
        let text = line.get(end.saturating_add(1)..).unwrap_or_default();
        Parameters::of_sound(Verb::Mail, text, self.gist)
    }

    fn path(&self) -> ReversePath<'_> {
        let Some(Sender { at, end, host }) = self.sender else { return ReversePath::Null };
        let part = |range: std::ops::Range<usize>| self.line.get(range).unwrap_or_default();
        let (local, name) = (part(BEFORE_PATH.len()..at), part(at.saturating_add(1)..end));
        ReversePath::Mailbox(Mailbox { local, host: host.host(name) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::command::{self, Argument};

    #[test]
    fn what_is_kept_is_what_was_understood() {
        for line in [
            "MAIL FROM:<>",
            "MAIL FROM:<> SIZE=10 BODY=8BITMIME",
            "MAIL FROM:<a@example.org>",
            "MAIL from: \"a@b\"@[192.0.2.1]  size=99",
            "MAIL FROM:<@x.org:a@[IPv6:2001:db8::1]> ENVID=a+40b RET=HDRS",
            "MAIL FROM:<a@[x-tag:content]>",
        ] {
            let command = command::parse(line.as_bytes());
            let Ok(Argument::Mail { path, parameters }) = &command.argument else { panic!("{line}") };
            let kept = Transaction::new(*path, *parameters, Standing::Here, None);
            assert_eq!(kept.path(), *path, "{line}");
            assert_eq!(kept.parameters(), *parameters, "{line}");
            assert_eq!(kept.command().argument, command.argument, "{line}");
            let again = command::parse(kept.line.strip_suffix(b"\r\n").unwrap());
            assert_eq!(kept.command().argument, again.argument, "{line}");
        }
    }
}
