//! A message that the try-out relay is taking.

use super::maildir::{Draft, Maildir};
use std::io;

/// Octets of a message, as SIZE announces them.
pub(super) const MOST_OCTETS: u64 = 64 * 1024 * 1024;
/// Recipients of a message.
const MOST_RECIPIENTS: usize = 1000;

/// A message on its way into the folder.
pub(super) struct Mail<'m> {
    maildir: &'m Maildir,
    sender: Vec<u8>,
    recipients: Vec<Vec<u8>>,
    content: Option<io::Result<Draft>>,
    octets: u64,
    /// Whether the next octet begins a line: there a dot was stuffed.
    fresh: bool,
}

impl<'m> Mail<'m> {
    /// With this reverse-path.
    pub(super) fn new(maildir: &'m Maildir, sender: Vec<u8>) -> Self {
        Self { maildir, sender, recipients: Vec::new(), content: None, octets: 0, fresh: true }
    }

    /// Adds a recipient; gives the reply.
    pub(super) fn add(&mut self, recipient: Vec<u8>) -> &'static str {
        if self.content.is_some() {
            return "503 5.5.1 Out of sequence";
        }
        if self.recipients.len() >= MOST_RECIPIENTS {
            return "452 4.5.3 Too many recipients";
        }
        self.recipients.push(recipient);
        "250 2.1.5 OK"
    }

    /// Whether there is anybody to keep it for.
    pub(super) fn has_recipients(&self) -> bool {
        !self.recipients.is_empty()
    }

    /// Whether content may begin, and has not.
    pub(super) fn is_ready(&self) -> bool {
        self.content.is_none() && self.has_recipients()
    }

    /// Opens the file and writes the envelope on top (RFC 5321 4.4), unless that was done.
    pub(super) fn begin(&mut self) {
        if self.content.is_some() {
            return;
        }
        let mut top = [b"Return-Path: ", self.sender.as_slice(), b"\r\n"].concat();
        for recipient in &self.recipients {
            top.extend([b"Delivered-To: ", recipient.as_slice(), b"\r\n"].concat());
        }
        self.content = Some(self.maildir.begin().and_then(|mut draft| draft.write(&top).map(|()| draft)));
    }

    /// Writes content of DATA without the dots that were put in (RFC 5321 4.5.2).
    pub(super) fn unstuff(&mut self, octets: &[u8]) {
        for line in octets.split_inclusive(|octet| *octet == b'\n') {
            let dotted = if self.fresh { line.strip_prefix(b".") } else { None };
            self.write(dotted.unwrap_or(line));
            self.fresh = line.ends_with(b"\n");
        }
    }

    /// Writes content as it is.
    pub(super) fn write(&mut self, octets: &[u8]) {
        self.octets = self.octets.saturating_add(u64::try_from(octets.len()).unwrap_or(u64::MAX));
        if self.octets > MOST_OCTETS {
            self.content = Some(Err(io::ErrorKind::FileTooLarge.into()));
        }
        if let Some(Ok(draft)) = &mut self.content
            && let Err(lost) = draft.write(octets)
        {
            self.content = Some(Err(lost));
        }
    }

    /// It is complete; gives the reply.
    pub(super) fn keep(self) -> &'static str {
        let kept = self.content.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into())).and_then(Draft::keep);
        match kept {
            Ok(()) => "250 2.0.0 Kept in the folder",
            Err(lost) if lost.kind() == io::ErrorKind::FileTooLarge => "552 5.3.4 Too large",
            Err(_) => "451 4.3.0 The folder cannot be written",
        }
    }
}
