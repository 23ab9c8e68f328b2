//! `[limits]`: numbers with their names, units, floors and sections.
use std::time::Duration;
/// Each key that refuses with an id of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Limit {
    Recipients,
    Transactions,
    MessageSize,
    CommandErrors,
    RefusedRecipients,
    TrivialCommands,
    HeaderTotal,
    HeaderLine,
    BodyLine,
    Received,
    CommandWait,
    LineTime,
    DataWait,
    SessionTime,
}
/// A length with its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct LineLimit {
    pub max: u64,
    pub then: crate::smtp::violation::Response,
}
/// `message_size`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageSize {
    /// what the relay announces; 64 MiB if it announces nothing
    Relay,
    /// this, or less if the relay announces less
    Octets(u64),
}
/// The table, complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Limits {
    pub recipients: u32,
    pub transactions: u32,
    pub message_size: MessageSize,
    pub command_errors: u32,
    pub refused_recipients: u32,
    pub trivial_commands: u32,
    pub header_total: u64,
    pub header_line: LineLimit,
    pub body_line: LineLimit,
    pub received: u32,
    pub command_wait: Duration,
    pub line_time: Duration,
    pub data_wait: Duration,
    /// octets that earn a second
    pub data_rate: u64,
    pub session_time: Duration,
}
