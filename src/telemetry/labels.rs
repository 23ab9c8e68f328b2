//! The words of closed enums, as labels of metrics.

use crate::event::{Fate, Force, Origin};
use crate::policy::verdict::{Action, Check};
use crate::smtp::reply::Class;
use crate::smtp::violation::Kind;

/// What kind of check decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Framing,
    Grammar,
    Conduct,
    RelaySide,
    Verb,
    Limit,
    Clients,
    Relay,
    Tls,
    Auth,
    Names,
    DnsList,
    Allowance,
    Signature,
    Rule,
}

impl Sort {
    pub(super) const ALL: [Self; 15] = [
        Self::Framing,
        Self::Grammar,
        Self::Conduct,
        Self::RelaySide,
        Self::Verb,
        Self::Limit,
        Self::Clients,
        Self::Relay,
        Self::Tls,
        Self::Auth,
        Self::Names,
        Self::DnsList,
        Self::Allowance,
        Self::Signature,
        Self::Rule,
    ];

    pub(super) const fn of(check: Check) -> Self {
        match check {
            Check::Violation(violation) => match violation.facts().kind {
                Kind::Framing => Self::Framing,
                Kind::Grammar => Self::Grammar,
                Kind::Conduct => Self::Conduct,
                Kind::Relay => Self::RelaySide,
            },
            Check::Verb(_) => Self::Verb,
            Check::Limit(_) | Check::SessionsPerClient => Self::Limit,
            Check::Clients => Self::Clients,
            Check::Relay => Self::Relay,
            Check::Tls(_) => Self::Tls,
            Check::Auth(_) => Self::Auth,
            Check::Names(_) => Self::Names,
            Check::DnsLists | Check::DnsList(_) => Self::DnsList,
            Check::Allowance(_) => Self::Allowance,
            Check::Signature(_) => Self::Signature,
            Check::Rule(_) => Self::Rule,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Framing => "framing",
            Self::Grammar => "grammar",
            Self::Conduct => "conduct",
            Self::RelaySide => "relay_reply",
            Self::Verb => "verb",
            Self::Limit => "limit",
            Self::Clients => "clients",
            Self::Relay => "relay",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::Names => "names",
            Self::DnsList => "dnslist",
            Self::Allowance => "allowance",
            Self::Signature => "signature",
            Self::Rule => "rule",
        }
    }
}

pub(super) const ACTIONS: [Action; 2] = [Action::Reject, Action::Disconnect];
pub(super) const FORCES: [Force; 2] = [Force::Enforced, Force::Observed];
pub(super) const FATES: [Fate; 3] = [Fate::Forwarded, Fate::Answered, Fate::Refused];
pub(super) const ORIGINS: [Origin; 2] = [Origin::Gate, Origin::Relay];
pub(super) const CLASSES: [Class; 4] =
    [Class::Positive, Class::Intermediate, Class::Transient, Class::Permanent];

pub(super) const fn of_action(action: Action) -> &'static str {
    match action {
        Action::Reject => "reject",
        Action::Disconnect => "disconnect",
    }
}

pub(super) const fn of_force(force: Force) -> &'static str {
    match force {
        Force::Enforced => "enforced",
        Force::Observed => "observed",
    }
}

pub(super) const fn of_fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Forwarded => "forwarded",
        Fate::Answered => "answered",
        Fate::Refused => "refused",
    }
}

pub(super) const fn of_origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Gate => "gatepost",
        Origin::Relay => "relay",
    }
}

pub(super) const fn of_class(class: Class) -> &'static str {
    match class {
        Class::Positive => "2xx",
        Class::Intermediate => "3xx",
        Class::Transient => "4xx",
        Class::Permanent => "5xx",
    }
}
