//! The table of violations: every way to break the rules, its reply and what usually follows.
//!
//! A violation is input, never an error of ours: the grammar finds it, the policy says what it weighs, the
//! session answers it. The names are those of rule files, logs and metric labels.

#[cfg(test)]
mod tests;

use super::reply::{Code, Enhanced};
use super::table::table;

/// How sure we are that two parsers still read one conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From here on two parsers may read two conversations: no opinion, in no mode. The connection ends.
    Framing,
    /// Syntax or sequence that no sound command can be made of: answered here in every mode.
    Grammar,
    /// The operator's to decide: `[violations]` may name it.
    Conduct,
    /// Of the relay: a reply that cannot be.
    Relay,
}

/// What may be done about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// Nothing, silently.
    Tolerate,
    /// It is logged and counted, and nothing else.
    Report,
    /// A reply; the session goes on.
    Reject,
    /// A reply, then the connection is closed.
    Disconnect,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// In `snake_case`, for rule files, logs and labels.
    pub name: &'static str,
    /// The RFC and its section.
    pub section: &'static str,
    /// How sure we are that both sides still read one conversation.
    pub kind: Kind,
    /// The code of its reply.
    pub code: Code,
    /// The enhanced code of its reply.
    pub enhanced: Enhanced,
    /// The words of its reply, for people.
    pub text: &'static str,
    /// What is done about it unless a rule file says otherwise.
    pub response: Response,
    /// One sentence for manuals and reports: what was found.
    pub meaning: &'static str,
    /// Whether it counts towards `[limits] command_errors`.
    pub error: bool,
}

impl Facts {
    /// Two parsers may from here on read two conversations.
    const fn framing(self) -> Facts {
        Facts { kind: Kind::Framing, response: Response::Disconnect, error: true, ..self }
    }

    /// No canonical line can be made of it.
    const fn grammar(self) -> Facts {
        Facts { kind: Kind::Grammar, response: Response::Reject, error: true, ..self }
    }

    /// The operator's to decide, and passed over until then.
    const fn tolerated(self) -> Facts {
        Facts { response: Response::Tolerate, ..self }
    }

    /// The operator's to decide, and told until then.
    const fn reported(self) -> Facts {
        Facts { response: Response::Report, ..self }
    }

    /// The operator's to decide, and refused until then.
    const fn rejected(self) -> Facts {
        Facts { response: Response::Reject, ..self }
    }

    /// The operator's to decide, and the end until then.
    const fn disconnected(self) -> Facts {
        Facts { response: Response::Disconnect, error: true, ..self }
    }

    /// Counts towards `[limits] command_errors`.
    const fn an_error(self) -> Facts {
        Facts { error: true, ..self }
    }
}

type Text = &'static str;

/// A row of conduct that is told; what else it is, the word behind it says.
const fn row(name: Text, section: Text, code: u16, enhanced: Enhanced, text: Text, meaning: Text) -> Facts {
    let (kind, response) = (Kind::Conduct, Response::Report);
    Facts { name, section, kind, code: Code(code), enhanced, text, response, meaning, error: false }
}

/// A row of what a relay does wrong; the client hears the same of all of them.
const fn relay(name: Text, section: Text, meaning: Text) -> Facts {
    let text = "The mail system behind this host answered wrongly, please try again later";
    let facts = row(name, section, 421, Enhanced(4, 3, 0), text, meaning);
    Facts { kind: Kind::Relay, response: Response::Disconnect, ..facts }
}

table! {
    /// One row each. Framing first, then grammar, sequence, conduct, content, and what the relay does wrong.
    pub enum Violation: Facts {
        BareCr = row("bare_cr", "RFC 5321 2.3.8", 500, Enhanced(5, 5, 2),
            "A carriage return without a line feed is not allowed here",
            "a CR without LF in a command line").framing();
        BareLf = row("bare_lf", "RFC 5321 2.3.8", 500, Enhanced(5, 5, 2),
            "A line feed without a carriage return is not allowed here",
            "a LF without CR in a command line, or as its end").framing();
        NulInCommand = row("nul_in_command", "RFC 5321 4.1.2", 500, Enhanced(5, 5, 2),
            "A command must not contain a NUL octet",
            "a NUL octet in a command line").framing();
        LineWithoutEnd = row("line_without_end", "RFC 5321 4.5.3.1.9", 500, Enhanced(5, 5, 2),
            "This line is too long to be a command",
            "no line end within the most octets any command line may have").framing();
        StartTlsInjection = row("starttls_injection", "RFC 3207 4.2", 503, Enhanced(5, 5, 1),
            "Nothing may follow STARTTLS before TLS has started",
            "plaintext behind STARTTLS, which would be taken for the first command inside TLS").framing();
        BdatSize = row("bdat_size", "RFC 3030 2", 501, Enhanced(5, 5, 4),
            "The size of this chunk cannot be read, so its end is unknown",
            "a BDAT command whose size cannot be read without doubt").framing();
        ForeignProtocol = row("foreign_protocol", "RFC 5321 7.8", 500, Enhanced(5, 5, 2),
            "This is a mail server, and that was not SMTP",
            "the first octets belong to another protocol, such as an HTTP request").framing();
        TlsInPlaintext = row("tls_in_plaintext", "RFC 3207 4", 500, Enhanced(5, 5, 2),
            "TLS starts with STARTTLS here",
            "a TLS handshake where plain SMTP is spoken").framing();
        BareLineEndInContent = row("bare_line_end_in_content", "RFC 5321 4.1.1.4", 550, Enhanced(5, 6, 0),
            "Lines of a message must end with CR LF, and with nothing else",
            "a CR or LF that stands alone in the content of a message").framing();

        UnknownVerb = row("unknown_verb", "RFC 5321 4.2.4", 500, Enhanced(5, 5, 2),
            "This command is not known",
            "a verb that no table names").grammar();
        VerbNeverPermitted = row("verb_never_permitted", "RFC 5321 4.2.4", 502, Enhanced(5, 5, 1),
            "This command is not available here",
            "a verb that no rule file can permit, because it cannot pass a gate safely").grammar();
        BadArgument = row("bad_argument", "RFC 5321 4.1.2", 501, Enhanced(5, 5, 4),
            "The argument of this command is not valid",
            "an argument that does not follow the grammar of its command").grammar();
        ArgumentForbidden = row("argument_forbidden", "RFC 5321 4.3.2", 501, Enhanced(5, 5, 4),
            "This command takes no argument",
            "an argument behind a verb that takes none").grammar();
        ArgumentMissing = row("argument_missing", "RFC 5321 4.3.2", 501, Enhanced(5, 5, 4),
            "This command needs an argument",
            "no argument behind a verb that needs one").grammar();
        ReversePath = row("reverse_path", "RFC 5321 4.1.1.2", 501, Enhanced(5, 1, 7),
            "The sender's address is not valid",
            "a reverse-path that does not follow the grammar").grammar();
        ForwardPath = row("forward_path", "RFC 5321 4.1.1.3", 501, Enhanced(5, 1, 3),
            "The recipient's address is not valid",
            "a forward-path that does not follow the grammar").grammar();
        DomainTooLong = row("domain_too_long", "RFC 5321 4.5.3.1.2", 501, Enhanced(5, 5, 4),
            "The domain is longer than 255 octets",
            "a domain of more than 255 octets").grammar();
        PathTooLong = row("path_too_long", "RFC 5321 4.5.3.1.3", 501, Enhanced(5, 5, 4),
            "The address is longer than 256 octets",
            "a path of more than 256 octets").grammar();
        ParameterSyntax = row("parameter_syntax", "RFC 5321 4.1.2", 501, Enhanced(5, 5, 4),
            "A parameter of this command is not valid",
            "a parameter that does not follow its grammar").grammar();
        ParameterDuplicate = row("parameter_duplicate", "RFC 3461 4.5", 501, Enhanced(5, 5, 4),
            "A parameter may be given only once",
            "a parameter given twice, or one that excludes another").grammar();
        ParameterUnknown = row("parameter_unknown", "RFC 5321 4.1.1.11", 555, Enhanced(5, 5, 4),
            "A parameter of this command was not offered here",
            "a parameter that is unknown, or whose extension was not offered").grammar();
        TooManyParameters = row("too_many_parameters", "RFC 5321 4.1.1.11", 501, Enhanced(5, 5, 4),
            "This command has too many parameters",
            "more parameters than are defined for any command").grammar();
        EightBitCommand = row("eight_bit_command", "RFC 5321 2.4", 500, Enhanced(5, 5, 2),
            "Only ASCII is allowed in this command",
            "octets above 127 in a command, outside an address in valid UTF-8").grammar();
        EightBitReversePath = row("eight_bit_reverse_path", "RFC 6531 3.5", 550, Enhanced(5, 6, 7),
            "The sender's address is not ASCII, and SMTPUTF8 was not asked for",
            "a reverse-path in UTF-8 without the parameter SMTPUTF8").grammar();
        EightBitForwardPath = row("eight_bit_forward_path", "RFC 6531 3.5", 553, Enhanced(5, 6, 7),
            "The recipient's address is not ASCII, and SMTPUTF8 was not asked for",
            "a forward-path in UTF-8 after a MAIL without the parameter SMTPUTF8").grammar();
        AuthLine = row("auth_line", "RFC 4954 4", 501, Enhanced(5, 5, 2),
            "This is not valid base64",
            "an initial response of AUTH, or a line of its exchange, that is not base64").grammar();
        AuthLineTooLong = row("auth_line_too_long", "RFC 4954 4", 500, Enhanced(5, 5, 6),
            "This authentication line is too long",
            "a line of an AUTH exchange beyond 12,288 octets").grammar();
        AuthCancelled = row("auth_cancelled", "RFC 4954 4", 501, Enhanced(5, 7, 0),
            "Authentication cancelled",
            "the client ended an AUTH exchange with an asterisk").grammar();

        BadSequence = row("bad_sequence", "RFC 5321 4.1.4", 503, Enhanced(5, 5, 1),
            "This command is out of sequence",
            "a command that cannot follow those before it").grammar();
        NoRecipient = row("no_recipient", "RFC 5321 3.3", 503, Enhanced(5, 5, 1),
            "No recipient has been accepted",
            "DATA or BDAT without an accepted recipient").grammar();
        NestedMail = row("nested_mail", "RFC 5321 4.1.4", 503, Enhanced(5, 5, 1),
            "A sender has already been given",
            "MAIL inside a mail transaction").grammar();
        VerbNotPermitted = row("verb_not_permitted", "RFC 5321 4.2.4", 502, Enhanced(5, 5, 1),
            "This command is not available here",
            "a known verb that the rule file does not list, or whose extension was not offered").rejected().an_error();

        SpaceAfterColon = row("space_after_colon", "RFC 5321 3.3", 501, Enhanced(5, 5, 4),
            "No space is allowed around the colon of FROM: and TO:",
            "white space around the colon of MAIL FROM: or RCPT TO:").tolerated();
        MissingBrackets = row("missing_brackets", "RFC 5321 4.1.2", 501, Enhanced(5, 5, 4),
            "An address must stand in angle brackets",
            "an address without angle brackets in MAIL or RCPT").reported();
        TrailingSpace = row("trailing_space", "RFC 5321 4.1.1", 501, Enhanced(5, 5, 4),
            "No space is allowed at the end of a command",
            "white space at the end of a command").tolerated();
        ExtraSpace = row("extra_space", "RFC 5321 4.1.1", 501, Enhanced(5, 5, 4),
            "One space is allowed between words",
            "more than one space, or a tab, between words").tolerated();
        SourceRoute = row("source_route", "RFC 5321 4.1.1.3", 501, Enhanced(5, 5, 4),
            "Source routes are not accepted",
            "a source route before the mailbox, which is dropped").reported();
        LocalPartTooLong = row("local_part_too_long", "RFC 5321 4.5.3.1.1", 501, Enhanced(5, 5, 4),
            "The part of the address before the @ is longer than 64 octets",
            "a local-part of more than 64 octets, as long return addresses of mailing systems have").reported();
        LocalPartDots = row("local_part_dots", "RFC 5321 4.1.2", 501, Enhanced(5, 5, 4),
            "The part of the address before the @ has a dot too many",
            "a local-part with a dot at its start, at its end or beside another dot, as old mailboxes have").reported();
        BareAddress = row("bare_address", "RFC 5321 4.1.3", 501, Enhanced(5, 5, 4),
            "An address must stand in square brackets",
            "EHLO or HELO with an IP address that is not in square brackets").reported();
        HelloSyntax = row("hello_syntax", "RFC 5321 4.1.1.1", 501, Enhanced(5, 5, 4),
            "This is not a valid host name",
            "EHLO or HELO with a name that is no domain by the letter").reported();
        ParameterEquals = row("parameter_equals", "RFC 3461 4", 501, Enhanced(5, 5, 4),
            "A value must write + and = in hexadecimal",
            "a parameter's value with octets that xtext would have encoded").tolerated();
        LineTooLong = row("line_too_long", "RFC 5321 4.5.3.1.4", 500, Enhanced(5, 5, 2),
            "This command line is too long",
            "a command line longer than its verb and the offered extensions allow").rejected().an_error();
        EarlyTalker = row("early_talker", "RFC 5321 4.3.1", 554, Enhanced(5, 5, 1),
            "A client must wait for the greeting",
            "a client that spoke before it was greeted").disconnected();

        EightBitContentUndeclared = row(
            "eight_bit_content_undeclared", "RFC 6152 3", 554, Enhanced(5, 6, 3),
            "The message has octets above 127, and BODY=8BITMIME was not declared",
            "octets above 127 in a body without BODY=8BITMIME").reported();
        EightBitHeaderUndeclared = row(
            "eight_bit_header_undeclared", "RFC 6531 3.2", 554, Enhanced(5, 6, 9),
            "The header has octets above 127, and SMTPUTF8 was not asked for",
            "octets above 127 in a header without the parameter SMTPUTF8").reported();
        NulInContent = row("nul_in_content", "RFC 2045 2.8", 554, Enhanced(5, 6, 0),
            "A message must not contain a NUL octet",
            "a NUL octet in content that was not declared BODY=BINARYMIME").grammar();
        MessageTooBig = row("message_too_big", "RFC 1870 6.3", 552, Enhanced(5, 3, 4),
            "The message is larger than this host accepts",
            "a message beyond the size that was announced").rejected();
        HeaderLineTooLong = row("header_line_too_long", "RFC 5321 4.5.3.1.6", 554, Enhanced(5, 6, 0),
            "A line of the header is too long",
            "a header line beyond its limit").rejected();
        BodyLineTooLong = row("body_line_too_long", "RFC 5321 4.5.3.1.6", 554, Enhanced(5, 6, 0),
            "A line of the message is too long",
            "a body line beyond its limit").rejected();
        HeaderTooBig = row("header_too_big", "RFC 5321 7.8", 554, Enhanced(5, 6, 0),
            "The header of the message is too large",
            "a header beyond its limit").rejected();
        MailLoop = row("mail_loop", "RFC 5321 6.3", 554, Enhanced(5, 4, 6),
            "This message seems to go round in circles",
            "more Received fields than any honest path leaves").rejected();

        ReplyMalformed = relay("reply_malformed", "RFC 5321 4.2",
            "a reply of the relay that is none by its form");
        ReplyTooLong = relay("reply_too_long", "RFC 5321 4.5.3.1.5",
            "a reply of the relay beyond the most octets any reply may have");
        ReplyImpossible = relay("reply_impossible", "RFC 5321 4.2.1",
            "a reply of the relay whose class its command cannot have");
        ReplyUnasked = relay("reply_unasked", "RFC 5321 4.2",
            "a reply of the relay to no command");
    }
}

impl Violation {
    /// By the name in a rule file, as it is written there.
    pub fn from_name(name: &str) -> Option<Violation> {
        Self::named(name.as_bytes()).filter(|violation| violation.facts().name == name)
    }
}

/// A set of violations, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Violations(u128);

const _: () = assert!(Violation::COUNT <= 128, "a set has a bit for each row");

impl Violations {
    /// None of them.
    pub const NONE: Violations = Violations(0);

    const fn bit(violation: Violation) -> u128 {
        1 << violation.index()
    }

    /// Whether it is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// With it.
    #[must_use]
    pub const fn with(self, violation: Violation) -> Violations {
        Violations(self.0 | Self::bit(violation))
    }

    /// Adds one.
    pub fn insert(&mut self, violation: Violation) {
        *self = self.with(violation);
    }

    /// Adds all of others.
    pub fn join(&mut self, others: Violations) {
        self.0 |= others.0;
    }

    /// Whether it is in.
    pub const fn contains(self, violation: Violation) -> bool {
        self.0 & Self::bit(violation) != 0
    }

    /// In table order.
    pub fn iter(self) -> impl Iterator<Item = Violation> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let place = usize::try_from(left.trailing_zeros()).ok()?;
            left &= left.wrapping_sub(1);
            Violation::ALL.get(place).copied()
        })
    }
}

impl FromIterator<Violation> for Violations {
    fn from_iter<I: IntoIterator<Item = Violation>>(violations: I) -> Self {
        violations.into_iter().fold(Self::NONE, Violations::with)
    }
}
