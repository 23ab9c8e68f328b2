//! What a `[[limit]]` counts: at which commands it is asked, what it is told of afterwards, and what a client hears for
//! which nothing is left.

use super::condition::Point;
use super::verdict::Action;
use crate::smtp::reply::{Class, Code, Reply};
use crate::smtp::verb::Verb;
use std::borrow::Cow;
use std::fmt;

/// `count` of a `[[limit]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Connections that were let in.
    Connections,
    /// MAIL commands.
    Messages,
    /// RCPT commands.
    Recipients,
    /// Octets of content, as far as it came.
    Octets,
    /// Commands with this verb; none: with any.
    Commands(Option<Verb>),
    /// Refusals by the gate, but for those of a `[[limit]]`.
    Refusals,
    /// Replies to this verb: the relay's, and refusals by the gate, but for those of a `[[limit]]`. (Of what the gate
    /// accepts by itself 235 alone is one.)
    Replies(Verb, Answer),
}

/// Which replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Those with this code.
    Code(Code),
    /// Those of this class.
    Class(Class),
}

/// What was done, and is counted afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A command was refused before any limit was asked.
    Commanded(Verb),
    /// Something was refused.
    Refused,
    /// The client heard a reply to this verb.
    Answered(Verb, Code),
    /// Content came to its end.
    Sent,
}

/// Words that count by themselves; `command:VERB` and `reply:VERB:CODE` are apart.
pub(super) const WORDS: &[(&str, Count)] = &[
    ("connections", Count::Connections),
    ("messages", Count::Messages),
    ("recipients", Count::Recipients),
    ("octets", Count::Octets),
    ("commands", Count::Commands(None)),
    ("refusals", Count::Refusals),
];

/// Classes by their name. Nothing ends with an intermediate reply.
pub(super) const CLASSES: &[(&str, Class)] =
    &[("2xx", Class::Positive), ("4xx", Class::Transient), ("5xx", Class::Permanent)];

/// What is said of a verb is said of those that stand for it: HELO is the older EHLO (RFC 5321 3.2).
fn stands_for(verb: Verb, written: Verb) -> bool {
    verb == written || (verb == Verb::Helo && written == Verb::Ehlo)
}

/// Likewise of replies: a message is answered the same whether DATA or BDAT brought it (RFC 3030 2).
fn answers_for(verb: Verb, written: Verb) -> bool {
    stands_for(verb, written) || (verb == Verb::Bdat && written == Verb::Data)
}

impl Count {
    /// How much is asked for at this point: 0 looks whether anything is left. None: nothing is asked. Nobody is kept from
    /// leaving.
    pub(super) fn asked_at(self, point: Point) -> Option<u32> {
        match (self, point) {
            (_, Point::Command(Verb::Quit)) => None,
            (Self::Connections, Point::Connect)
            | (Self::Messages, Point::Command(Verb::Mail))
            | (Self::Recipients, Point::Command(Verb::Rcpt))
            | (Self::Commands(None), Point::Command(_)) => Some(1),
            (Self::Commands(Some(written)), Point::Command(verb)) => stands_for(verb, written).then_some(1),
            (Self::Octets, Point::Command(Verb::Mail))
            | (Self::Refusals, Point::Command(Verb::Mail | Verb::Rcpt)) => Some(0),
            (Self::Replies(written, _), Point::Command(verb)) => answers_for(verb, written).then_some(0),
            _ => None,
        }
    }

    /// Whether it counts this.
    pub(super) fn counts(self, deed: Deed) -> bool {
        match (self, deed) {
            (Self::Commands(None), Deed::Commanded(verb)) => verb != Verb::Quit,
            (Self::Commands(Some(written)), Deed::Commanded(verb)) => stands_for(verb, written),
            (Self::Refusals, Deed::Refused) | (Self::Octets, Deed::Sent) => true,
            (Self::Replies(written, answer), Deed::Answered(verb, code)) => {
                answers_for(verb, written)
                    && match answer {
                        Answer::Code(wanted) => code == wanted,
                        Answer::Class(wanted) => code.class() == wanted,
                    }
            }
            _ => false,
        }
    }

    /// Points at all of which a field must be known that it is to look at: where it is asked, and (for what is counted
    /// afterwards) where no command is at hand any more.
    pub(super) fn points(self) -> [Point; 2] {
        let command = Point::Command;
        match self {
            Self::Connections => [Point::Connect; 2],
            Self::Messages => [command(Verb::Mail); 2],
            Self::Recipients => [command(Verb::Rcpt); 2],
            Self::Octets => [command(Verb::Mail), Point::Message],
            // QUIT knows what all of them know.
            Self::Commands(verb) => [command(verb.unwrap_or(Verb::Quit)); 2],
            Self::Replies(Verb::Rcpt | Verb::Data, _) => [command(Verb::Data), Point::Message],
            Self::Refusals | Self::Replies(..) => [command(Verb::Quit), Point::Message],
        }
    }

    /// Whether whoever does it has not authenticated.
    pub(super) fn is_before_auth(self) -> bool {
        matches!(self, Self::Commands(Some(Verb::Auth)) | Self::Replies(Verb::Auth, _))
    }

    /// What is done where nothing is left, if the file does not say. It is always temporary: a rate is. Where a verb has no
    /// such reply of its own, 421 is what every command may hear (RFC 5321 3.8).
    pub(super) fn refusal(self) -> (Action, Reply) {
        let own = |code, subject, detail, text| Reply::own(code, subject, detail, Cow::Borrowed(text));
        let later = |text| (Action::Reject, own(Code::NOT_NOW, 7, 1, text));
        match self {
            Self::Connections => (
                Action::Disconnect,
                own(Code::CLOSING, 7, 0, "Too many connections from you, come back later"),
            ),
            Self::Messages | Self::Commands(Some(Verb::Mail)) => {
                later("Too many messages from you, come back later")
            }
            Self::Octets => later("Too much mail from you, come back later"),
            // RFC 5321 4.5.3.1.10
            Self::Recipients | Self::Commands(Some(Verb::Rcpt)) => {
                (Action::Reject, own(Code::NO_ROOM, 5, 3, "Too many recipients from you, come back later"))
            }
            Self::Refusals => later("Too much was refused to you, come back later"),
            // RFC 4954 6, RFC 3207 4
            Self::Commands(Some(Verb::Auth | Verb::StartTls))
            | Self::Replies(Verb::Auth | Verb::StartTls, _) => {
                (Action::Reject, own(Code::CANNOT_NOW, 7, 0, "Too many attempts by you, come back later"))
            }
            Self::Commands(Some(Verb::Data | Verb::Bdat))
            | Self::Replies(Verb::Mail | Verb::Rcpt | Verb::Data, _) => {
                later("Too many replies of this kind to you, come back later")
            }
            Self::Commands(_) | Self::Replies(..) => {
                (Action::Disconnect, own(Code::CLOSING, 7, 0, "Too many commands from you, come back later"))
            }
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commands(Some(verb)) => write!(f, "command:{}", verb.facts().name),
            Self::Replies(verb, Answer::Code(code)) => write!(f, "reply:{}:{code}", verb.facts().name),
            Self::Replies(verb, Answer::Class(class)) => {
                let name = CLASSES.iter().find(|(_, known)| known == class).map_or("", |(name, _)| name);
                write!(f, "reply:{}:{name}", verb.facts().name)
            }
            plain => f.write_str(WORDS.iter().find(|(_, known)| known == plain).map_or("", |(word, _)| word)),
        }
    }
}
