//! What a relay offers (its EHLO reply), and what a client is offered of it.

use super::link::{Leg, Link};
use super::named::growth;
use super::proven::Proven;
use super::setting::Setting;
use crate::policy::Policy;
use crate::policy::auth::{AuthPolicy, Backend};
use crate::policy::limits::MessageSize;
use crate::policy::tls::StartTls;
use crate::smtp::decimal;
use crate::smtp::extension::{Extension, Extensions, Giver};
use crate::smtp::mechanism::{Mechanism, Mechanisms};
use crate::smtp::reply::Heard;
use crate::smtp::verb::Verb;

/// Content octets when neither relay nor rule file names a size.
const SIZE_UNSAID: u64 = 64 * 1024 * 1024;

/// A relay's EHLO reply, understood. One that took HELO only has offered nothing, and so does the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// What it offers and Gatepost knows.
    pub extensions: Extensions,
    /// SIZE, if it named a maximum (RFC 1870 3: 0 is none).
    pub size: Option<u64>,
    /// LIMITS RCPTMAX (RFC 9422).
    pub recipients: Option<u32>,
    /// LIMITS MAILMAX.
    pub transactions: Option<u32>,
    /// AUTH, those that Gatepost knows.
    pub mechanisms: Mechanisms,
    /// Arguments of keywords that are handed on as they are (DELIVERBY, MT-PRIORITY, ...).
    arguments: Vec<(Extension, Box<str>)>,
}

impl Offer {
    /// What of it counts over this leg. REQUIRETLS is a promise that only a relay in TLS, and the one that was meant, can
    /// keep (RFC 8689 2).
    pub(super) fn over(mut self, leg: Leg) -> Self {
        if leg != Leg::Verified {
            self.extensions = self.extensions.without(Extension::RequireTls);
        }
        self
    }

    /// Nothing.
    pub(super) const NONE: &Self = &Self {
        extensions: Extensions::NONE,
        size: None,
        recipients: None,
        transactions: None,
        mechanisms: Mechanisms::NONE,
        arguments: Vec::new(),
    };

    /// What is known of it: what was said on this link, or what was learned of others.
    pub(super) fn known<'s>(link: &'s Link, setting: &'s Setting) -> &'s Self {
        match link {
            Link::Open { offer, .. } => offer,
            _ => setting.learned.as_deref().unwrap_or(Self::NONE),
        }
    }

    /// Reads the reply to EHLO. The first line is the relay's name; keywords that no row of the table knows are passed over.
    pub fn of_ehlo(reply: &Heard<'_>) -> Self {
        let mut offer = Self::default();
        reply.lines().skip(1).for_each(|line| offer.read(line));
        offer
    }

    fn read(&mut self, line: &[u8]) {
        let mut words =
            line.split(|octet| matches!(octet, b' ' | b'\t' | b'=')).filter(|word| !word.is_empty());
        let Some(extension) = words.next().and_then(Extension::from_keyword) else { return };
        self.extensions = self.extensions.with(extension);
        match extension {
            Extension::Size => self.size = words.next().and_then(number).filter(|size| *size > 0),
            // Old servers write an equals sign behind the keyword.
            Extension::Auth => self.mechanisms = words.filter_map(Mechanism::from_wire).collect(),
            Extension::Limits => line.split(|octet| *octet == b' ').for_each(|word| self.read_limit(word)),
            _ => {
                let rest = line.get(extension.facts().keyword.len()..).unwrap_or_default();
                if let Ok(text) = std::str::from_utf8(rest.trim_ascii())
                    && !text.is_empty()
                    && text.bytes().all(|octet| octet.is_ascii_graphic() || octet == b' ')
                {
                    self.arguments.push((extension, text.into()));
                }
            }
        }
    }

    fn read_limit(&mut self, word: &[u8]) {
        let mut halves = word.splitn(2, |octet| *octet == b'=');
        let (Some(name), Some(value)) = (halves.next(), halves.next().and_then(number)) else { return };
        let value = u32::try_from(value).ok();
        if name.eq_ignore_ascii_case(b"RCPTMAX") {
            self.recipients = value;
        } else if name.eq_ignore_ascii_case(b"MAILMAX") {
            self.transactions = value;
        }
    }

    /// What stands behind a keyword that is handed on as it is, or that is not handed on.
    pub(super) fn argument(&self, extension: Extension) -> Option<&str> {
        self.arguments.iter().find(|(of, _)| *of == extension).map(|(_, text)| &**text)
    }
}

fn number(octets: &[u8]) -> Option<u64> {
    std::str::from_utf8(octets).ok()?.parse().ok()
}

/// What this client was offered, and the limits that go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) extensions: Extensions,
    /// Content octets.
    pub(crate) size: u64,
    /// Recipients in a mail transaction: the policy's, or fewer if the relay says so.
    pub(crate) recipients: u32,
    /// Mail transactions in a session, likewise.
    pub(crate) transactions: u32,
    /// By which it may authenticate.
    pub(crate) mechanisms: Mechanisms,
}

impl Announced {
    /// The offer of the relay, cut to what the policy permits and Gatepost understands, and what the gate itself gives,
    /// to a client of whom this is proven.
    pub(crate) fn of(policy: &Policy, relay: &Offer, client: &Proven) -> Self {
        let extensions = Self::extensions(policy, relay, client);
        Self {
            extensions,
            mechanisms: mechanisms(policy, relay, client),
            ..Self::before_hello(policy, relay)
        }
    }

    /// The same limits without any extension: what holds before a hello.
    pub(crate) fn before_hello(policy: &Policy, relay: &Offer) -> Self {
        let limits = policy.limits();
        let own = match limits.message_size {
            MessageSize::Relay if relay.extensions.contains(Extension::Size) => u64::MAX,
            MessageSize::Relay => SIZE_UNSAID,
            MessageSize::Octets(octets) => octets,
        };
        Self {
            extensions: Extensions::NONE,
            // What the relay takes is the message with what is written on it. (0 would be no maximum, RFC 1870 3.)
            size: own.min(relay.size.map_or(u64::MAX, |size| size.saturating_sub(growth(policy)).max(1))),
            recipients: limits.recipients.min(relay.recipients.unwrap_or(u32::MAX)),
            transactions: limits.transactions.min(relay.transactions.unwrap_or(u32::MAX)),
            mechanisms: Mechanisms::NONE,
        }
    }

    /// Likewise after HELO.
    pub(crate) fn bare(self) -> Self {
        Self { extensions: Extensions::NONE, mechanisms: Mechanisms::NONE, ..self }
    }

    fn extensions(policy: &Policy, relay: &Offer, client: &Proven) -> Extensions {
        let given: Extensions = policy
            .offerable(relay.extensions)
            .iter()
            .filter(|extension| suits(*extension, policy, relay, client))
            .collect();
        // One pass is enough: nothing that is needed needs something itself.
        given
            .iter()
            .filter(|extension| extension.facts().needs.is_none_or(|other| given.contains(other)))
            .collect()
    }

    /// Writes the reply to EHLO.
    pub(crate) fn encode(&self, name: &str, relay: &Offer, out: &mut Vec<u8>) {
        let mut last = out.len();
        begin_line(out, name);
        for extension in self.extensions.iter() {
            out.extend_from_slice(b"\r\n");
            last = out.len();
            begin_line(out, extension.facts().keyword);
            self.encode_arguments(extension, relay, out);
        }
        out.extend_from_slice(b"\r\n");
        if let Some(mark) = out.get_mut(last.saturating_add("250".len())) {
            *mark = b' ';
        }
    }

    /// Writes what stands behind a keyword.
    fn encode_arguments(&self, extension: Extension, relay: &Offer, out: &mut Vec<u8>) {
        match extension {
            Extension::Size if self.size < u64::MAX => number_behind(b" ", self.size, out),
            Extension::Auth => {
                self.mechanisms.iter().for_each(|mechanism| word_behind(mechanism.facts().name, out));
            }
            Extension::Limits => {
                number_behind(b" MAILMAX=", self.transactions.into(), out);
                number_behind(b" RCPTMAX=", self.recipients.into(), out);
            }
            _ if extension.facts().giver == Giver::Relay => {
                relay.argument(extension).into_iter().for_each(|argument| word_behind(argument, out));
            }
            _ => {}
        }
    }
}

/// The beginning of a line of the reply to EHLO, as if another came behind it.
fn begin_line(out: &mut Vec<u8>, word: &str) {
    out.extend_from_slice(b"250-");
    out.extend_from_slice(word.as_bytes());
}

fn word_behind(word: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(word.as_bytes());
}

fn number_behind(before: &[u8], number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(before);
    decimal::write(number, out);
}

/// Whether the state of TLS allows an extension.
fn suits(extension: Extension, policy: &Policy, relay: &Offer, client: &Proven) -> bool {
    match extension {
        // RFC 3207 4.2: never in TLS.
        Extension::StartTls => {
            let passes = policy.tls().starttls == StartTls::Passthrough;
            client.tls.is_none()
                && gives_starttls(policy)
                && (!passes || relay.extensions.contains(extension))
        }
        Extension::Auth => gives_auth(policy) && !mechanisms(policy, relay, client).is_empty(),
        // RFC 8689 2: only in TLS.
        Extension::RequireTls => client.tls.is_some(),
        _ => true,
    }
}

/// Whether STARTTLS is permitted here at all.
pub(super) fn gives_starttls(policy: &Policy) -> bool {
    policy.tls().starttls != StartTls::Withhold
        && policy.offer().contains(Extension::StartTls)
        && passes(policy, Verb::StartTls)
}

/// Whether AUTH is.
pub(super) fn gives_auth(policy: &Policy) -> bool {
    policy.auth().policy != AuthPolicy::Refuse
        && policy.offer().contains(Extension::Auth)
        && passes(policy, Verb::Auth)
}

/// Whether a verb is permitted, and not answered by the file alone.
fn passes(policy: &Policy, verb: Verb) -> bool {
    policy.verb(verb).is_some_and(|rule| rule.reply.is_none())
}

/// The mechanisms that the backend has and the policy permits now.
fn mechanisms(policy: &Policy, relay: &Offer, client: &Proven) -> Mechanisms {
    let auth = policy.auth();
    let has = |mechanism: &Mechanism| match auth.backend {
        Backend::Relay => relay.mechanisms.contains(*mechanism),
        Backend::File(_) => matches!(mechanism, Mechanism::Plain | Mechanism::Login),
    };
    let secured = client.tls.is_some();
    let given = auth.mechanisms.iter().copied().filter(has);
    given.filter(|mechanism| auth.permits(*mechanism, secured)).collect()
}
