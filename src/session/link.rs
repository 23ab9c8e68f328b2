//! The link to the relay: opened when it is needed, not when somebody connects.

use super::clock::Moment;
use super::exchange::Words;
use super::offer::Offer;
use super::replies;
use crate::event::LinkFailure;
use crate::smtp::reply::{Class, Heard};
use crate::smtp::verb::Verb;
use std::sync::Arc;

/// Where the link stands.
#[derive(Debug)]
pub(super) enum Link {
    /// None yet, or none any more.
    Closed,
    /// On its way: connecting, then greeting and hello.
    Opening {
        step: Step,
        /// When its time is up.
        by: Moment,
    },
    /// The relay has greeted; nobody has said hello yet (`connect = "accept"`).
    Greeted,
    /// Greeting and hello are done.
    Open {
        offer: Arc<Offer>,
        /// The hello that was said on it, verb and name.
        hello: Box<[u8]>,
    },
    /// It could not be opened; the command that asked for it hears this, and the next one asks anew.
    Failed(LinkFailure, Words),
}

/// A step of the opening; what it will need is said when it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The driver is at work. The hello is said once the relay has greeted; none: greeting only.
    Connecting(Option<Box<[u8]>>),
    /// The relay's greeting is awaited.
    Greeting(Option<Box<[u8]>>),
    /// Its reply to EHLO.
    Ehlo(Box<[u8]>),
    /// Its reply to HELO: the client said so, or the relay takes no EHLO.
    Helo(Box<[u8]>),
}

/// What comes of a reply heard while opening.
#[derive(Debug)]
pub(super) enum Progress {
    /// Say the hello of this step.
    Say(Step),
    /// The relay greeted, and that is all that was wanted.
    Greeted,
    /// Done.
    Open(Arc<Offer>, Box<[u8]>),
    /// Not to be had.
    Failed(LinkFailure, Words),
}

impl Step {
    /// What follows from the relay's reply.
    pub(super) fn hear(self, reply: &Heard<'_>, now: Moment) -> Progress {
        match (self, reply.code.class()) {
            (Self::Greeting(Some(hello)), Class::Positive) => {
                Progress::Say(if is_helo(&hello) { Self::Helo(hello) } else { Self::Ehlo(hello) })
            }
            (Self::Greeting(None), Class::Positive) => Progress::Greeted,
            (Self::Ehlo(hello), Class::Positive) => Progress::Open(Offer::of_ehlo(reply, now).into(), hello),
            (Self::Helo(hello), Class::Positive) => Progress::Open(Offer::of_helo(now).into(), hello),
            // RFC 5321 3.2: a server that does not know EHLO says so, and HELO is tried.
            (Self::Ehlo(hello), Class::Permanent) => Progress::Say(Self::Helo(hello)),
            (_, Class::Permanent) => Progress::Failed(LinkFailure::Refused, Words::of(reply)),
            (_, Class::Transient) => Progress::failed(LinkFailure::NotNow),
            (_, Class::Intermediate) | (Self::Connecting(_), _) => Progress::failed(LinkFailure::Garbled),
        }
    }
}

impl Progress {
    /// A failure told in our own words.
    pub(super) fn failed(why: LinkFailure) -> Self {
        Self::Failed(why, words(why))
    }
}

/// What the command that asked for the link hears.
pub(super) fn words(why: LinkFailure) -> Words {
    Words::Own(match why {
        LinkFailure::NoConnection | LinkFailure::Silent | LinkFailure::NotNow | LinkFailure::Refused => {
            replies::RELAY_NOT_REACHED
        }
        LinkFailure::NoTurn => replies::RELAY_BUSY,
        LinkFailure::Garbled => replies::RELAY_GARBLED,
    })
}

/// Verb and name of a hello as the link remembers it.
pub(super) fn spoken(verb: Verb, name: &[u8]) -> Box<[u8]> {
    [verb.facts().name.as_bytes(), b" ", name].concat().into()
}

/// The name in it.
pub(super) fn name(hello: &[u8]) -> &[u8] {
    hello.get(5..).unwrap_or_default()
}

/// Whether it is HELO.
pub(super) fn is_helo(hello: &[u8]) -> bool {
    hello.starts_with(b"HELO")
}
