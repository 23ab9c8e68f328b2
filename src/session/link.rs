//! The link to the relay: opened when it is needed, not when somebody connects.

use super::RelayTls;
use super::clock::Moment;
use super::exchange::Words;
use super::offer::Offer;
use super::replies;
use crate::event::{LinkFailure, Secured};
use crate::smtp::extension::Extension;
use crate::smtp::reply::{Class, Code, Heard};
use crate::smtp::verb::Verb;
use std::sync::Arc;

/// Where the link stands.
#[derive(Debug)]
pub(super) enum Link {
    /// None yet, or none any more.
    Closed,
    /// On its way: connecting, then greeting, hello, and TLS where it is wanted.
    Opening {
        step: Step,
        footing: Footing,
        /// When its time is up.
        by: Moment,
    },
    /// The relay has greeted; nobody has said hello yet (`connect = "accept"`).
    Greeted(Footing),
    /// Greeting and hello are done.
    Open {
        offer: Arc<Offer>,
        /// The hello that was said on it, verb and name; nothing: it is to be said anew.
        hello: Box<[u8]>,
        leg: Leg,
        manners: Manners,
    },
    /// It could not be opened; the command that asked for it hears this, and the next one asks anew.
    Failed(LinkFailure, Box<Words>),
}

/// How far a link has come that is being opened, beside the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footing {
    pub(super) leg: Leg,
    pub(super) introduction: Introduction,
    pub(super) age: Age,
}

/// Whether others had a link before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    New,
    /// A session has handed it on: it may be gone, and is no reason to send a client away.
    HandedOn,
}

/// How the relay has answered on a link, whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manners {
    /// It has refused nothing.
    Faultless,
    /// It has refused something. Relays count that and lose patience, and the next session is not to pay for this one.
    Blotted,
}

/// Whether the relay knows who the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Introduction {
    /// As far as it is to know.
    Made,
    /// A header in front of everything says so: a relay that takes it for a command has answered that with 50z.
    InHeader,
    /// XCLIENT is still to be said.
    Due,
}

/// How octets travel on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// In clear, and this is wanted of STARTTLS.
    Clear(RelayTls),
    /// In TLS with whoever it was.
    Secured,
    /// In TLS with the relay that was meant.
    Verified,
}

/// A step of the opening; what it will need is said when it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The driver is at work. The hello is said once the relay has greeted; none: greeting only.
    Connecting(Option<Box<[u8]>>),
    /// The relay's greeting is awaited.
    Greeting(Option<Box<[u8]>>),
    /// Its reply to EHLO: this hello, or one that only asks for STARTTLS before it.
    Ehlo(Box<[u8]>),
    /// Its reply to STARTTLS.
    StartTls(Box<[u8]>),
    /// The handshake. What was heard before it is forgotten (RFC 3207 4.2).
    Securing(Box<[u8]>),
    /// Its reply to XCLIENT.
    Xclient(Box<Telling>),
    /// Its reply to HELO: the client said so, or the relay takes no EHLO.
    Helo(Box<[u8]>),
}

/// What a link hears last that was handed on and that nobody took.
pub const FAREWELL: &[u8] = b"QUIT\r\n";

/// XCLIENT on its way. (Apart: most relays are never told.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Telling {
    /// The last was said, the others are still to be said.
    pub(super) lines: Vec<Box<[u8]>>,
    /// After them, anew: the relay begins anew (Postfix, `XCLIENT_README`).
    pub(super) hello: Box<[u8]>,
}

/// What comes of a reply heard while opening.
#[derive(Debug)]
pub(super) enum Progress {
    /// Say what this step asks, on this footing.
    Say(Step, Footing),
    /// The relay is to be told who the client is: it takes these attributes of XCLIENT. Then this hello is said anew.
    Introduce(Box<str>, Box<[u8]>),
    /// The handshake begins; then this hello is said anew.
    Secure(Box<[u8]>),
    /// The relay greeted, and that is all that was wanted.
    Greeted,
    /// Done.
    Open(Arc<Offer>, Box<[u8]>),
    /// Not to be had.
    Failed(LinkFailure, Words),
}

impl Link {
    /// Whether a handshake is on, and everything that comes is its own.
    pub(super) fn is_securing(&self) -> bool {
        matches!(self, Self::Opening { step: Step::Securing(_), .. })
    }

    /// Whether the relay's next reply may be the last octets before a handshake.
    pub(super) fn asks_tls(&self) -> bool {
        matches!(self, Self::Opening { step: Step::StartTls(_), .. })
    }
}

impl Leg {
    /// What a handshake made of it.
    pub(super) fn of(secured: &Secured) -> Self {
        if secured.peer.is_some() { Self::Verified } else { Self::Secured }
    }

    /// Whether STARTTLS is said where it is offered.
    fn wants_tls(self) -> bool {
        matches!(self, Self::Clear(RelayTls::Opportunistic | RelayTls::Required))
    }
}

impl Footing {
    /// Whether there is something to be had that EHLO alone offers.
    fn wants_more(self) -> bool {
        self.leg.wants_tls() || self.introduction == Introduction::Due
    }

    /// The same without TLS.
    fn in_clear(self) -> Self {
        Self { leg: Leg::Clear(RelayTls::None), ..self }
    }

    /// Whether the relay has answered the header in place of hello: from there on each reply would be that to the command
    /// before it. (What it thinks of a hello it says with another second digit, RFC 5321 4.2.1.)
    fn takes_header_for_command(self, code: Code) -> bool {
        self.introduction == Introduction::InHeader && (500..510).contains(&code.get())
    }
}

impl Step {
    /// The first thing to say: the hello, but where more is wanted than HELO can bring EHLO in any case.
    pub(super) fn hello(hello: Box<[u8]>, footing: Footing) -> Self {
        if is_helo(&hello) && !footing.wants_more() { Self::Helo(hello) } else { Self::Ehlo(hello) }
    }

    /// The hello that is to be said, or was.
    pub(super) fn into_hello(self) -> Option<Box<[u8]>> {
        match self {
            Self::Connecting(hello) | Self::Greeting(hello) => hello,
            Self::Ehlo(hello) | Self::StartTls(hello) | Self::Securing(hello) | Self::Helo(hello) => {
                Some(hello)
            }
            Self::Xclient(telling) => Some(telling.hello),
        }
    }

    /// What follows from the relay's reply.
    pub(super) fn hear(self, footing: Footing, reply: &Heard<'_>) -> Progress {
        match (self, reply.code.class()) {
            (Self::Greeting(Some(hello)), Class::Positive) => {
                Progress::Say(Self::hello(hello, footing), footing)
            }
            (Self::Greeting(None), Class::Positive) => Progress::Greeted,
            (Self::Ehlo(hello), Class::Positive) => Self::offered(hello, footing, reply),
            (Self::StartTls(hello), Class::Positive) if reply.code == Code::READY => Progress::Secure(hello),
            (Self::Helo(_), Class::Positive) | (Self::StartTls(_), Class::Transient | Class::Permanent)
                if footing.leg == Leg::Clear(RelayTls::Required) =>
            {
                Progress::failed(LinkFailure::TlsAbsent)
            }
            (Self::Helo(_), Class::Positive) if footing.introduction == Introduction::Due => {
                Progress::failed(LinkFailure::IdentityAbsent)
            }
            (Self::Helo(hello), Class::Positive) => Progress::Open(Arc::default(), hello),
            // RFC 3207 4: whoever is refused may go on as it was. The offer that was heard is asked for anew.
            (Self::StartTls(hello), Class::Transient | Class::Permanent) => {
                let footing = footing.in_clear();
                Progress::Say(Self::hello(hello, footing), footing)
            }
            (Self::Xclient(telling), Class::Positive) if reply.code == Code::READY => {
                Self::told(telling, footing)
            }
            (Self::Xclient(_), Class::Positive | Class::Permanent) => {
                Progress::failed(LinkFailure::IdentityRefused)
            }
            (Self::Ehlo(_) | Self::Helo(_), Class::Permanent)
                if footing.takes_header_for_command(reply.code) =>
            {
                Progress::failed(LinkFailure::IdentityRefused)
            }
            // RFC 5321 3.2: a server that does not know EHLO says so, and HELO is tried.
            (Self::Ehlo(hello), Class::Permanent) => Progress::Say(Self::Helo(hello), footing),
            (_, Class::Permanent) => Progress::Failed(LinkFailure::Refused, Words::of(reply)),
            (_, Class::Transient) => Progress::failed(LinkFailure::NotNow),
            (_, Class::Intermediate) | (Self::Connecting(_) | Self::StartTls(_) | Self::Securing(_), _) => {
                Progress::failed(LinkFailure::Garbled)
            }
        }
    }

    /// What follows from an offer.
    fn offered(hello: Box<[u8]>, footing: Footing, reply: &Heard<'_>) -> Progress {
        let offer = Offer::of_ehlo(reply).over(footing.leg);
        match footing.leg {
            leg if leg.wants_tls() && offer.extensions.contains(Extension::StartTls) => {
                Progress::Say(Self::StartTls(hello), footing)
            }
            Leg::Clear(RelayTls::Required) => Progress::failed(LinkFailure::TlsAbsent),
            _ if footing.introduction == Introduction::Due => match offer.argument(Extension::Xclient) {
                Some(taken) => Progress::Introduce(taken.into(), hello),
                None => Progress::failed(LinkFailure::IdentityAbsent),
            },
            _ if is_helo(&hello) => Progress::Say(Self::Helo(hello), footing),
            _ => Progress::Open(offer.into(), hello),
        }
    }

    /// What follows when a line of XCLIENT was taken.
    fn told(mut telling: Box<Telling>, footing: Footing) -> Progress {
        telling.lines.pop();
        if !telling.lines.is_empty() {
            return Progress::Say(Self::Xclient(telling), footing);
        }
        let footing = Footing { introduction: Introduction::Made, ..footing };
        Progress::Say(Self::hello(telling.hello, footing), footing)
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
        LinkFailure::TlsAbsent | LinkFailure::TlsFailed => replies::RELAY_NOT_SECURE,
        LinkFailure::IdentityAbsent | LinkFailure::IdentityRefused => replies::RELAY_NOT_TOLD,
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

/// Whether it says this.
pub(super) fn says(hello: &[u8], verb: Verb, spoken: &[u8]) -> bool {
    is_helo(hello) == (verb == Verb::Helo) && name(hello) == spoken
}

/// Whether it is HELO.
pub(super) fn is_helo(hello: &[u8]) -> bool {
    hello.starts_with(b"HELO")
}
