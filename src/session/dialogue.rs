//! An AUTH exchange (RFC 4954 4): challenges and answers, of which the session keeps no secret.

use super::question::Secret;
use crate::smtp::base64;
use crate::smtp::mechanism::{self, Mechanism};

/// What comes is its lines, not commands.
#[derive(Debug)]
pub(super) struct Dialogue {
    pub(super) mechanism: Mechanism,
    /// Answers that the client has given; an initial response is one.
    answers: usize,
    /// The account, once the mechanism has shown it.
    pub(super) user: Option<Box<str>>,
    pub(super) turn: Whose,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The relay's, to whom every line goes, or the client's, when it has answered.
    Relay,
    /// The client's: the gate has challenged it.
    Client,
    /// That of whoever answers this question.
    Driver(u32),
}

/// What follows from an answer that the gate itself has asked for.
#[derive(Debug)]
pub(super) enum Next {
    /// It asks for more.
    Challenge(&'static [u8]),
    /// It asks whether these are right.
    Ask(Box<str>, Secret),
    /// They cannot be.
    Wrong,
}

impl Dialogue {
    pub(super) fn new(mechanism: Mechanism, turn: Whose) -> Self {
        Self { mechanism, answers: 0, user: None, turn }
    }

    /// Takes note of the account in an answer, if it stands there. `None`: it is no base64.
    pub(super) fn note(&mut self, answer: &[u8]) -> Option<Secret> {
        let decoded = decode(answer)?;
        if let Some(user) = self.mechanism.account(self.answers, decoded.expose()) {
            self.user = Some(user.into());
        }
        self.answers = self.answers.saturating_add(1);
        Some(decoded)
    }

    /// What the gate asks a client that has said nothing yet: PLAIN for all at once, LOGIN for the account.
    pub(super) fn first(&self) -> Next {
        Next::Challenge(if self.mechanism == Mechanism::Login { b"Username:" } else { b"" })
    }

    /// What the gate makes of an answer to itself.
    pub(super) fn answered(&mut self, decoded: &Secret) -> Next {
        if self.mechanism == Mechanism::Login {
            return match (self.answers, self.user.take()) {
                // An account that cannot be is found out when all is said, like one that is unknown.
                (1, user) => {
                    self.user = user;
                    Next::Challenge(b"Password:")
                }
                (_, Some(user)) => {
                    self.user = Some(user.clone());
                    Next::Ask(user, Secret::new(decoded.expose()))
                }
                (_, None) => Next::Wrong,
            };
        }
        match mechanism::plain(decoded.expose()) {
            // Nobody acts for somebody else here (RFC 4616 2).
            Some(said) if said.authzid.is_empty() || said.authzid == said.authcid => {
                Next::Ask(said.authcid.into(), Secret::new(said.password))
            }
            _ => Next::Wrong,
        }
    }
}

/// The octets of an answer.
fn decode(answer: &[u8]) -> Option<Secret> {
    // What is decoded here is overwritten, too.
    let mut buffer = Secret::new(&vec![0; answer.len()]);
    base64::decode(answer, buffer.expose_mut()).map(Secret::new)
}
