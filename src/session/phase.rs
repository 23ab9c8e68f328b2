//! Where a session stands, and which verb may come there: the whole sequence logic (RFC 5321 4.1.4).

use super::clock::Moment;
use super::content::Content;
use super::dialogue::Dialogue;
use super::hello::Hello;
use super::transaction::{Standing, Transaction};
use crate::event::{Ending, Excerpt};
use crate::smtp::verb::Verb;
use crate::smtp::violation::Violation;

/// Where a session stands. Each phase carries what is true in it alone.
#[derive(Debug)]
pub(super) enum Phase {
    /// Nothing was said yet: the greeting waits until then, or for the link.
    Connecting(Option<Moment>),
    /// The greeting was said.
    Greeted,
    /// A hello was accepted. (Apart, because a session that has said none needs no room for it.)
    Introduced(Box<Hello>, Stage),
    /// 220 was said to STARTTLS, then: what comes is a handshake, until the driver says what came of it.
    Securing(Moment),
    /// The relay said 220 to STARTTLS: what comes is between it and the client, until then at most.
    Passing(Moment),
    /// The next command hears 421: what was offered no longer holds.
    Parting,
    /// The last word was said; how it came to that, and who was there, is still to be told.
    Leaving(Parted),
    /// All was told.
    Over,
}

/// How it came to the last word.
#[derive(Debug)]
pub(super) struct Parted {
    pub(super) ending: Ending,
    /// The name of the hello in force.
    pub(super) hello: Excerpt,
    /// Whether all was read that passed.
    pub(super) inspected: bool,
}

/// How far a mail transaction has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// None.
    Idle,
    /// MAIL.
    Mail(Box<Transaction>),
    /// 354 was said: what comes is mail data, until its end was answered.
    Data(Box<Transaction>, Box<Content>),
    /// A BDAT came: what comes is chunks and commands, until the last chunk was answered.
    Chunks(Box<Transaction>, Box<Content>),
    /// A chunk was refused: only RSET leads out (RFC 3030 2).
    Spoiled,
    /// AUTH: what comes is lines of its exchange, until it has ended.
    Auth(Box<Dialogue>),
}

/// A phase by name: a column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Greeted,
    Idle,
    Mail,
    Recipients,
    Chunks,
    Spoiled,
}

impl Place {
    #[cfg(test)]
    const ALL: [Self; 6] =
        [Self::Greeted, Self::Idle, Self::Mail, Self::Recipients, Self::Chunks, Self::Spoiled];

    /// Which verb may come here, judged as if the relay accepts what is in flight.
    pub(super) const fn admits(self, verb: Verb) -> Result<(), Violation> {
        use Place::{Chunks, Greeted, Idle, Mail, Recipients, Spoiled};
        match (verb, self) {
            // RFC 5321 4.1.1.5, 4.1.4: these are answered at any time.
            (
                Verb::Ehlo
                | Verb::Helo
                | Verb::Rset
                | Verb::Noop
                | Verb::Quit
                | Verb::Vrfy
                | Verb::Expn
                | Verb::Help,
                _,
            )
            | (Verb::Mail, Idle)
            | (Verb::Rcpt, Mail | Recipients)
            | (Verb::Data, Recipients)
            | (Verb::Bdat, Recipients | Chunks) => Ok(()),
            (Verb::Mail, Mail | Recipients | Chunks) => Err(Violation::NestedMail),
            (Verb::Data | Verb::Bdat, Mail) => Err(Violation::NoRecipient),
            // Everything else belongs between transactions (RFC 4954 4, 1985 5, 2645 5.2.1).
            (Verb::Mail | Verb::Rcpt | Verb::Data | Verb::Bdat, _)
            | (_, Greeted | Mail | Recipients | Chunks | Spoiled) => Err(Violation::BadSequence),
            (_, Idle) => Ok(()),
        }
    }
}

impl Phase {
    /// The column; none where no command may come: before the greeting, in a handshake, in mail data, in an AUTH
    /// exchange, and when all is over.
    pub(super) fn place(&self) -> Option<Place> {
        match self {
            Self::Greeted => Some(Place::Greeted),
            Self::Introduced(_, stage) => match stage {
                Stage::Idle => Some(Place::Idle),
                Stage::Mail(transaction) if transaction.accepted > 0 => Some(Place::Recipients),
                Stage::Mail(_) => Some(Place::Mail),
                Stage::Chunks(..) => Some(Place::Chunks),
                Stage::Spoiled => Some(Place::Spoiled),
                Stage::Data(..) | Stage::Auth(_) => None,
            },
            Self::Connecting(_)
            | Self::Securing(_)
            | Self::Passing(_)
            | Self::Parting
            | Self::Leaving(_)
            | Self::Over => None,
        }
    }

    pub(super) fn hello(&self) -> Option<&Hello> {
        match self {
            Self::Introduced(hello, _) => Some(hello),
            _ => None,
        }
    }

    pub(super) fn transaction(&self) -> Option<&Transaction> {
        match self {
            Self::Introduced(_, Stage::Mail(mail) | Stage::Data(mail, _) | Stage::Chunks(mail, _)) => {
                Some(mail)
            }
            _ => None,
        }
    }

    /// Whether the relay was told of a mail transaction, and has not ended it.
    pub(super) fn relay_has_mail(&self) -> bool {
        self.transaction().is_some_and(|mail| matches!(mail.standing, Standing::There))
    }

    pub(super) fn transaction_mut(&mut self) -> Option<&mut Transaction> {
        match self {
            Self::Introduced(_, Stage::Mail(mail) | Stage::Data(mail, _) | Stage::Chunks(mail, _)) => {
                Some(mail)
            }
            _ => None,
        }
    }

    pub(super) fn content(&self) -> Option<&Content> {
        match self {
            Self::Introduced(_, Stage::Data(_, content) | Stage::Chunks(_, content)) => Some(content),
            _ => None,
        }
    }

    pub(super) fn content_mut(&mut self) -> Option<&mut Content> {
        match self {
            Self::Introduced(_, Stage::Data(_, content) | Stage::Chunks(_, content)) => Some(content),
            _ => None,
        }
    }

    pub(super) fn dialogue(&self) -> Option<&Dialogue> {
        match self {
            Self::Introduced(_, Stage::Auth(dialogue)) => Some(dialogue),
            _ => None,
        }
    }

    pub(super) fn dialogue_mut(&mut self) -> Option<&mut Dialogue> {
        match self {
            Self::Introduced(_, Stage::Auth(dialogue)) => Some(dialogue),
            _ => None,
        }
    }

    /// Moves on to another stage; gives the old one.
    pub(super) fn turn(&mut self, to: Stage) -> Option<Stage> {
        match self {
            Self::Introduced(_, stage) => Some(std::mem::replace(stage, to)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    #[test]
    fn the_phase_table_is_the_one_that_was_reviewed() {
        let mut table = String::from("verb             ");
        for place in Place::ALL {
            let _ = write!(table, " {:<12}", format!("{place:?}"));
        }
        for verb in Verb::ALL.iter().filter(|verb| verb.facts().never.is_none() && **verb != Verb::Unknown) {
            let _ = write!(table, "\n{:<17}", verb.facts().name);
            for place in Place::ALL {
                let cell = match place.admits(*verb) {
                    Ok(()) => "yes",
                    Err(violation) => violation.facts().name,
                };
                let _ = write!(table, " {cell:<12}");
            }
        }
        let table = table.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n";
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/core/phase_table.txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(golden, &table).unwrap();
        }
        assert_eq!(table, include_str!("../../tests/core/phase_table.txt"));
    }
}
