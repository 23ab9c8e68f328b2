//! What a policy decides.

use super::limits::Limit;
use crate::smtp::reply::Reply;
use crate::smtp::verb::Verb;
use crate::smtp::violation::{Kind, Violation};
use std::time::Duration;

/// Who decided: every check has an id (`limits.recipients`, `verbs.NOOP`, `violations.early_talker`, `relay`, a rule's
/// own).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Check {
    /// `framing.NAME`, `grammar.NAME`, `violations.NAME` or `reply.NAME`, by kind.
    Violation(Violation),
    /// `verbs.NAME`
    Verb(Verb),
    /// `limits.NAME`
    Limit(Limit),
    /// `clients`
    Clients,
    /// `relay`
    Relay,
    /// `tls.NAME`
    Tls(TlsCheck),
    /// `auth`, or `auth.NAME`
    Auth(AuthCheck),
    /// `listener.sessions_per_client`, which the deployment file bounds and an `[[exempt]]` may lift.
    SessionsPerClient,
    /// `names.NAME`
    Names(NamesCheck),
    /// `dnslists`: the weights of the lists that list the client come to too much.
    DnsLists,
    /// Place in the policy's list of `[[dnslist]]`. It decides nothing by itself, and may be exempted.
    DnsList(u32),
    /// Place in the policy's list of limits.
    Allowance(u32),
    /// Place in the policy's list of signatures.
    Signature(u32),
    /// Place in the policy's list of rules.
    Rule(u32),
}

/// What `[tls]` refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsCheck {
    /// A command before TLS that `require_for` names.
    RequireFor,
    /// A handshake without the certificate that `client_certificate` requires.
    ClientCertificate,
}

/// What `[auth]` refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthCheck {
    /// Credentials that the backend refused, and mechanisms that are not offered here.
    Credentials,
    /// MAIL of a client that has not authenticated, where `policy` is `required`.
    Policy,
    /// More failures than `attempts`.
    Attempts,
    /// A sender that is none of the account's (`senders`).
    Senders,
}

/// What `[names]` refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NamesCheck {
    /// A client without a name that has its address.
    Unverified,
    /// A client of which DNS did not say.
    Failed,
}

impl NamesCheck {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Unverified, Self::Failed];

    const fn id(self) -> &'static str {
        match self {
            Self::Unverified => "names.unverified",
            Self::Failed => "names.failed",
        }
    }
}

impl TlsCheck {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::RequireFor, Self::ClientCertificate];

    const fn id(self) -> &'static str {
        match self {
            Self::RequireFor => "tls.require_for",
            Self::ClientCertificate => "tls.client_certificate",
        }
    }
}

impl AuthCheck {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Credentials, Self::Policy, Self::Attempts, Self::Senders];

    const fn id(self) -> &'static str {
        match self {
            Self::Credentials => "auth",
            Self::Policy => "auth.policy",
            Self::Attempts => "auth.attempts",
            Self::Senders => "auth.senders",
        }
    }
}

impl Check {
    /// The check under which a violation is known: one that a limit is about goes by the limit's name.
    #[must_use]
    pub fn canonical(self) -> Check {
        match self {
            Check::Violation(violation) => Limit::of(violation).map_or(self, Check::Limit),
            other => other,
        }
    }

    /// Every check that is not written by the operator.
    pub fn built_in() -> impl Iterator<Item = Check> {
        let limits = Limit::ALL.iter().copied().map(Check::Limit);
        let verbs = Verb::ALL.iter().copied().map(Check::Verb);
        let violations = Violation::ALL.iter().copied().map(Check::Violation);
        let violations = violations.filter(|check| check.canonical() == *check);
        [Check::Relay, Check::Clients, Check::SessionsPerClient]
            .into_iter()
            .chain(TlsCheck::ALL.map(Check::Tls))
            .chain(AuthCheck::ALL.map(Check::Auth))
            .chain(NamesCheck::ALL.map(Check::Names))
            .chain([Check::DnsLists])
            .chain(limits)
            .chain(verbs)
            .chain(violations)
    }

    /// The id of a check that is not written by the operator.
    pub fn built_in_id(self) -> Option<String> {
        Some(match self.canonical() {
            Check::Violation(violation) => {
                let facts = violation.facts();
                let table = match facts.kind {
                    Kind::Framing => "framing",
                    Kind::Grammar => "grammar",
                    Kind::Conduct => "violations",
                    Kind::Relay => "reply",
                };
                format!("{table}.{}", facts.name)
            }
            Check::Verb(verb) => format!("verbs.{}", verb.facts().name),
            Check::Limit(limit) => format!("limits.{}", limit.name()),
            Check::Clients => "clients".to_owned(),
            Check::Relay => "relay".to_owned(),
            Check::Tls(check) => check.id().to_owned(),
            Check::Auth(check) => check.id().to_owned(),
            Check::SessionsPerClient => "listener.sessions_per_client".to_owned(),
            Check::Names(check) => check.id().to_owned(),
            Check::DnsLists => "dnslists".to_owned(),
            Check::DnsList(_) | Check::Allowance(_) | Check::Signature(_) | Check::Rule(_) => return None,
        })
    }

    /// Why an exemption may not name it, if so.
    pub fn never_exempt(self) -> Option<&'static str> {
        match self {
            Check::Relay => Some("an exemption from `relay` would make an open relay"),
            Check::Auth(AuthCheck::Credentials) => {
                Some("whoever is refused by the backend is not who he says")
            }
            Check::Auth(AuthCheck::Policy) => Some(
                "an exemption from `auth` would make an open relay; set `policy` to \"optional\" instead",
            ),
            Check::Tls(TlsCheck::ClientCertificate) => {
                Some("the handshake has failed before any rule is asked; set `client_certificate` to \"ask\"")
            }
            Check::Violation(violation) => match violation.facts().kind {
                Kind::Framing => Some("framing is no opinion: two parsers would read two conversations"),
                Kind::Grammar => {
                    Some("what cannot be parsed cannot be forwarded, so there is nothing to exempt")
                }
                Kind::Relay => Some("a reply that cannot be understood cannot be handed on"),
                Kind::Conduct => None,
            },
            _ => None,
        }
    }
}

/// The longest tarpit. A client waits five minutes for a reply (RFC 5321 4.5.3.2), some less; the refusal is to reach it.
pub const LONGEST_TARPIT: Duration = Duration::from_mins(1);

/// What to do about it, beyond the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The session goes on.
    Reject,
    /// The session ends.
    Disconnect,
}

/// A refusal: who, what, and with which words.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Who decided.
    pub check: Check,
    /// Whether the session goes on.
    pub action: Action,
    /// What the client hears.
    pub reply: Reply,
    /// How long it waits for it.
    pub tarpit: Option<Duration>,
    /// How long the client is not let in after that.
    pub ban: Option<Duration>,
    /// An opinion formed at EHLO or MAIL waits for the first RCPT unless this is set (`at = "once"`), or `[replies]
    /// delay = false`. It is set for signatures, which are no opinions.
    pub at_once: bool,
}

/// The judgement of one command.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It goes to the relay.
    Forward,
    /// It does not. (Apart, because most commands are not refused, and each has its verdict carried about.)
    Refuse(Box<Refusal>),
}

/// How weighty a finding is after mode, exemption and the file's own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Exempt or tolerated: as if nothing had been found.
    Nothing,
    /// Logged and counted, nothing else (report, or monitor mode).
    Observe,
    /// Acted on.
    Enforce,
}
