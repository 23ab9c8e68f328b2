//! `[limits]`: numbers with their names, units, floors and sections.

use super::document::{FromNode, Section, Word, expected};
use super::quantity::{self, Octets, Rate};
use super::source::Findings;
use super::tree::{Node, Value};
use crate::smtp::violation::{Response, Violation};
use std::time::Duration;

/// Each key that refuses with an id of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Recipients in a mail transaction.
    Recipients,
    /// MAIL commands in a session.
    Transactions,
    /// Octets of content.
    MessageSize,
    /// Commands malformed, unknown or out of sequence since the last accepted message.
    CommandErrors,
    /// Recipients refused since then, by relay or gate.
    RefusedRecipients,
    /// NOOP, RSET, HELO, EHLO, VRFY and HELP since then.
    TrivialCommands,
    /// Octets of a header.
    HeaderTotal,
    /// Octets of a line in it, without CRLF.
    HeaderLine,
    /// Octets of a line in the body, without CRLF.
    BodyLine,
    /// Received fields, by which a loop is known (RFC 5321 6.3).
    Received,
    /// Time for the first octet of a command (RFC 5321 4.5.3.2.7).
    CommandWait,
    /// Time from there to its CRLF.
    LineTime,
    /// Time for mail data, which octets earn back.
    DataWait,
    /// Time for a session, looked at between transactions.
    SessionTime,
}

impl Limit {
    /// All of them, in the order of the table.
    pub const ALL: &'static [Limit] = &[
        Limit::Recipients,
        Limit::Transactions,
        Limit::MessageSize,
        Limit::CommandErrors,
        Limit::RefusedRecipients,
        Limit::TrivialCommands,
        Limit::HeaderTotal,
        Limit::HeaderLine,
        Limit::BodyLine,
        Limit::Received,
        Limit::CommandWait,
        Limit::LineTime,
        Limit::DataWait,
        Limit::SessionTime,
    ];

    /// The key in `[limits]`.
    pub const fn name(self) -> &'static str {
        match self {
            Limit::Recipients => "recipients",
            Limit::Transactions => "transactions",
            Limit::MessageSize => "message_size",
            Limit::CommandErrors => "command_errors",
            Limit::RefusedRecipients => "refused_recipients",
            Limit::TrivialCommands => "trivial_commands",
            Limit::HeaderTotal => "header_total",
            Limit::HeaderLine => "header_line",
            Limit::BodyLine => "body_line",
            Limit::Received => "received",
            Limit::CommandWait => "command_wait",
            Limit::LineTime => "line_time",
            Limit::DataWait => "data_wait",
            Limit::SessionTime => "session_time",
        }
    }

    /// The limit that a violation is about: then `[limits]` decides, not `[violations]`.
    pub const fn of(violation: Violation) -> Option<Limit> {
        match violation {
            Violation::MessageTooBig => Some(Limit::MessageSize),
            Violation::HeaderTooBig => Some(Limit::HeaderTotal),
            Violation::HeaderLineTooLong => Some(Limit::HeaderLine),
            Violation::BodyLineTooLong => Some(Limit::BodyLine),
            Violation::MailLoop => Some(Limit::Received),
            _ => None,
        }
    }

    /// The least that the RFCs ask for in octets, seconds or pieces, as it is written, and where they do.
    const fn floor(self) -> Option<(u64, &'static str, &'static str)> {
        match self {
            Limit::Recipients => Some((100, "100", "RFC 5321 4.5.3.1.8")),
            Limit::MessageSize => Some((64 * 1024, "64KiB", "RFC 5321 4.5.3.1.7")),
            Limit::HeaderLine | Limit::BodyLine => Some((998, "998", "RFC 5321 4.5.3.1.6")),
            Limit::Received => Some((100, "100", "RFC 5321 6.3")),
            Limit::CommandWait => Some((300, "5m", "RFC 5321 4.5.3.2.7")),
            Limit::DataWait => Some((180, "3m", "RFC 5321 4.5.3.2.5")),
            Limit::Transactions
            | Limit::CommandErrors
            | Limit::RefusedRecipients
            | Limit::TrivialCommands
            | Limit::HeaderTotal
            | Limit::LineTime
            | Limit::SessionTime => None,
        }
    }
}

/// Whether the gate is under stress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pressure {
    /// `[limits]` holds.
    #[default]
    Calm,
    /// A bound is near, and the client is no partner: `[stress]` holds, where it says less.
    Stressed,
}

/// A length with its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineLimit {
    /// Octets, without CRLF.
    pub max: u64,
    /// What follows if a line is longer.
    pub then: Response,
}

/// `message_size`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageSize {
    /// What the relay announces; 64 MiB if it announces nothing.
    Relay,
    /// This, or less if the relay announces less.
    Octets(u64),
}

/// The table, complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Recipients of one message; announced as RCPTMAX.
    pub recipients: u32,
    /// MAIL commands of one session; announced as MAILMAX.
    pub transactions: u32,
    /// Octets of a message; announced as SIZE.
    pub message_size: MessageSize,
    /// Malformed, unknown and out of sequence commands since the last accepted message.
    pub command_errors: u32,
    /// Refused recipients since the last accepted message.
    pub refused_recipients: u32,
    /// NOOP, RSET and the like since the last accepted message.
    pub trivial_commands: u32,
    /// Octets of a header.
    pub header_total: u64,
    /// Octets of a line of the header.
    pub header_line: LineLimit,
    /// Octets of a line of the body.
    pub body_line: LineLimit,
    /// Received fields.
    pub received: u32,
    /// For the first octet of a command.
    pub command_wait: Duration,
    /// From a line's first octet to its CRLF.
    pub line_time: Duration,
    /// The budget for mail data.
    pub data_wait: Duration,
    /// Octets that earn a second of `data_wait` back.
    pub data_rate: u64,
    /// Of a session, looked at between transactions.
    pub session_time: Duration,
}

impl Word for Response {
    const WORDS: &'static [(&'static str, Response)] = &[
        ("tolerate", Response::Tolerate),
        ("report", Response::Report),
        ("reject", Response::Reject),
        ("disconnect", Response::Disconnect),
    ];
}

impl FromNode for LineLimit {
    fn from_node(node: &Node, findings: &Findings) -> Option<LineLimit> {
        let Value::Table(table) = &node.value else {
            findings.add(expected(node, "a table like { max = 998, then = \"report\" }"));
            return None;
        };
        let section = Section::new("limits", table, &node.place, findings);
        let (max, then) = (section.require::<u64>("max"), section.require::<Response>("then"));
        Some(LineLimit { max: max?.value, then: then?.value })
    }
}

impl FromNode for MessageSize {
    fn from_node(node: &Node, findings: &Findings) -> Option<MessageSize> {
        let read = match &node.value {
            Value::Text(text) if text == "relay" => Some(MessageSize::Relay),
            Value::Text(text) => quantity::size(text).map(|size| MessageSize::Octets(size.0)),
            _ => None,
        };
        read.or_else(|| {
            findings.add(expected(node, &format!("\"relay\", or {}", quantity::SIZE)));
            None
        })
    }
}

impl Limits {
    /// Reads `[limits]`. None only where something has been reported.
    pub(super) fn read(section: &Section<'_>) -> Option<Limits> {
        let count = |limit: Limit| section.take::<u32>(limit.name()).map(|read| read.value);
        let time = |limit: Limit| section.take::<Duration>(limit.name()).map(|read| read.value);
        let line = |limit: Limit| section.take::<LineLimit>(limit.name()).map(|read| read.value);
        let recipients = count(Limit::Recipients);
        let transactions = count(Limit::Transactions);
        let message_size = section.take(Limit::MessageSize.name());
        let command_errors = count(Limit::CommandErrors);
        let refused_recipients = count(Limit::RefusedRecipients);
        let trivial_commands = count(Limit::TrivialCommands);
        let header_total = section.take::<Octets>(Limit::HeaderTotal.name());
        let header_line = line(Limit::HeaderLine);
        let body_line = line(Limit::BodyLine);
        let received = count(Limit::Received);
        let command_wait = time(Limit::CommandWait);
        let line_time = time(Limit::LineTime);
        let data_wait = time(Limit::DataWait);
        let data_rate = data_rate(section);
        let session_time = time(Limit::SessionTime);
        let limits = Limits {
            recipients: recipients?,
            transactions: transactions?,
            message_size: message_size?.value,
            command_errors: command_errors?,
            refused_recipients: refused_recipients?,
            trivial_commands: trivial_commands?,
            header_total: header_total?.value.0,
            header_line: header_line?,
            body_line: body_line?,
            received: received?,
            command_wait: command_wait?,
            line_time: line_time?,
            data_wait: data_wait?,
            data_rate: data_rate?,
            session_time: session_time?,
        };
        limits.check(section)?;
        Some(limits)
    }

    /// The number behind a key, in octets, seconds or pieces.
    fn number(&self, limit: Limit) -> u64 {
        match limit {
            Limit::Recipients => self.recipients.into(),
            Limit::Transactions => self.transactions.into(),
            Limit::MessageSize => match self.message_size {
                MessageSize::Relay => u64::MAX,
                MessageSize::Octets(octets) => octets,
            },
            Limit::CommandErrors => self.command_errors.into(),
            Limit::RefusedRecipients => self.refused_recipients.into(),
            Limit::TrivialCommands => self.trivial_commands.into(),
            Limit::HeaderTotal => self.header_total,
            Limit::HeaderLine => self.header_line.max,
            Limit::BodyLine => self.body_line.max,
            Limit::Received => self.received.into(),
            Limit::CommandWait => self.command_wait.as_secs(),
            Limit::LineTime => self.line_time.as_secs(),
            Limit::DataWait => self.data_wait.as_secs(),
            Limit::SessionTime => self.session_time.as_secs(),
        }
    }

    /// Zero lets no mail pass, whatever it stands for; less than the RFCs ask for loses mail of honest senders.
    fn check(&self, section: &Section<'_>) -> Option<()> {
        let mut sound = true;
        for limit in Limit::ALL {
            let (name, number) = (limit.name(), self.number(*limit));
            let Some(place) = section.node(name).map(|node| &node.place) else { continue };
            if number == 0 {
                section.findings().add(place.error(format!("`{name}` of zero lets no mail pass")));
                sound = false;
            } else if let Some((least, written, rfc)) = limit.floor()
                && number < least
            {
                let finding =
                    place.warning(format!("`{name}` is less than the {written} that the RFC asks for"));
                section.findings().add(finding.with_help(format!("see {rfc}")));
            }
        }
        sound.then_some(())
    }

    /// What is done about a limit that was exceeded, for those that have a word of their own.
    pub fn response(&self, limit: Limit) -> Option<Response> {
        match limit {
            Limit::HeaderLine => Some(self.header_line.then),
            Limit::BodyLine => Some(self.body_line.then),
            _ => None,
        }
    }
}

/// `[stress]`: what is written of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stress {
    command_errors: Option<u32>,
    refused_recipients: Option<u32>,
    trivial_commands: Option<u32>,
    command_wait: Option<Duration>,
    line_time: Option<Duration>,
    data_wait: Option<Duration>,
}

impl Stress {
    pub(super) fn read(section: &Section<'_>) -> Stress {
        Stress {
            command_errors: some(section, Limit::CommandErrors),
            refused_recipients: some(section, Limit::RefusedRecipients),
            trivial_commands: some(section, Limit::TrivialCommands),
            command_wait: some(section, Limit::CommandWait),
            line_time: some(section, Limit::LineTime),
            data_wait: some(section, Limit::DataWait),
        }
    }

    /// What holds of these limits under stress, which tightens and never loosens. The others stay as they are.
    pub(super) fn tighten(self, calm: Limits) -> Limits {
        Limits {
            command_errors: least(self.command_errors, calm.command_errors),
            refused_recipients: least(self.refused_recipients, calm.refused_recipients),
            trivial_commands: least(self.trivial_commands, calm.trivial_commands),
            command_wait: least(self.command_wait, calm.command_wait),
            line_time: least(self.line_time, calm.line_time),
            data_wait: least(self.data_wait, calm.data_wait),
            ..calm
        }
    }
}

fn least<T: Ord + Copy>(stressed: Option<T>, calm: T) -> T {
    stressed.map_or(calm, |stressed| stressed.min(calm))
}

/// A key of `[stress]`, if it was written.
fn some<T: FromNode + Default + PartialEq>(section: &Section<'_>, limit: Limit) -> Option<T> {
    let read = section.take::<T>(limit.name())?;
    if read.value == T::default() {
        let finding = read.place.error(format!("`{}` of zero lets no mail pass", limit.name()));
        section.findings().add(finding);
    }
    Some(read.value)
}

/// A rate of octets, as octets a second.
fn data_rate(section: &Section<'_>) -> Option<u64> {
    let rate = section.take::<Rate>("data_rate")?;
    let a_second = rate.value.count / rate.value.per.as_secs().max(1);
    if a_second == 0 {
        section.findings().add(rate.place.error("`data_rate` must be at least one octet a second"));
        return None;
    }
    Some(a_second)
}
