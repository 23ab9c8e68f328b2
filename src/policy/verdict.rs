//! What a policy decides.
use crate::smtp::reply::Reply;
use crate::smtp::verb::Verb;
use crate::smtp::violation::Violation;
use std::time::Duration;

/// Who decided: every check has an id (`limits.recipients`, `verbs.NOOP`, `violations.early_talker`, `relay`, a rule's own).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Check {
    /// `framing.NAME`, `grammar.NAME`, `violations.NAME` by kind
    Violation(Violation),
    /// `verbs.NAME`
    Verb(Verb),
    /// `limits.NAME`
    Limit(super::limits::Limit),
    /// `clients`
    Clients,
    /// `relay`
    Relay,
    /// place in the policy's list of signatures
    Signature(u32),
    /// place in the policy's list of rules
    Rule(u32),
}
/// What to do about it, beyond the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Action {
    Reject,
    Disconnect,
}
/// A refusal: who, what, and with which words.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Refusal {
    pub check: Check,
    pub action: Action,
    pub reply: Reply,
    pub tarpit: Option<Duration>,
    /// An opinion formed at EHLO or MAIL waits for the first RCPT unless this is set (`at = "once"`), or `[replies] delay = false`.
    pub at_once: bool,
}
/// The judgement of one command.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Verdict {
    Forward,
    Refuse(Refusal),
}
