//! Fields, patterns, and the scene they are matched against.
use crate::smtp::parameter::Parameters;
use crate::smtp::path::{ForwardPath, Host, ReversePath};
use crate::smtp::verb::Verb;
use std::net::SocketAddr;

/// When a rule is asked: `on = ...`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Point {
    Connect,
    Command(Verb),
    Message,
}
/// Everything a condition may look at, as far as it is known now. Borrowed; nothing is allocated to ask.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Scene<'a> {
    pub client: SocketAddr,
    pub listener: &'a str,
    pub hello: Option<HelloScene<'a>>,
    pub mail: Option<MailScene<'a>>,
    pub rcpt: Option<ForwardPath<'a>>,
    /// recipients accepted so far in this transaction
    pub rcpt_count: u32,
    /// parameters of the command judged now
    pub parameters: Option<&'a Parameters<'a>>,
    pub command: Option<CommandScene<'a>>,
    /// content octets, at MESSAGE
    pub message_octets: Option<u64>,
    pub errors: u32,
    pub messages: u32,
    pub age: std::time::Duration,
}
/// The hello in force, or the one judged now.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct HelloScene<'a> {
    pub verb: Verb,
    pub name: Host<'a>,
}
/// The reverse-path in force, or the one judged now.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct MailScene<'a> {
    pub path: ReversePath<'a>,
    pub size: Option<u64>,
}
/// The command judged now.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct CommandScene<'a> {
    pub verb: Verb,
    pub length: usize,
    pub argument: &'a [u8],
}
