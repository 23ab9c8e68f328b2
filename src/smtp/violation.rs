//! The table of violations: every way to break the rules, its reply and what usually follows.
use super::reply::{Code, Enhanced};

/// How sure we are that two parsers still read one conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Two parsers may from here on read two conversations: no opinion, in no mode.
    Framing,
    /// Syntax that no canonical line can be made of: answered here in every mode (in monitor mode counted as unforwardable).
    Grammar,
    /// The operator's to decide: `[violations]` names it.
    Conduct,
    /// Of the relay: impossible replies.
    Relay,
}
/// What may be done about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// silent
    Tolerate,
    /// logged and counted
    Report,
    /// a reply; the session goes on
    Reject,
    /// a reply, then close
    Disconnect,
}

/// One row each. Names in rule files and labels are the snake_case of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Violation {
    // framing
    BareCr,
    BareLf,
    NulInCommand,
    LineWithoutEnd,
    StartTlsInjection,
    BdatSize,
    ForeignProtocol,
    TlsInPlaintext,
    // grammar
    UnknownVerb,
    VerbNotPermitted,
    VerbNeverPermitted,
    BadArgument,
    ArgumentForbidden,
    ArgumentMissing,
    ReversePath,
    ForwardPath,
    LocalPartTooLong,
    DomainTooLong,
    PathTooLong,
    ParameterSyntax,
    ParameterDuplicate,
    ParameterUnknown,
    TooManyParameters,
    EightBitCommand,
    EightBitReversePath,
    EightBitForwardPath,
    AuthLine,
    // sequence
    BadSequence,
    NoRecipient,
    NestedMail,
    // conduct: tolerances that real clients need; default tolerate/report; canonical on the way out
    SpaceAfterColon,
    MissingBrackets,
    TrailingSpace,
    ExtraSpace,
    SourceRoute,
    BareAddress, /* EHLO 192.0.2.1 */
    HelloSyntax, /* underscore and the like */
    LineTooLong,
    EarlyTalker,
    EightBitContentUndeclared,
    ParameterEquals,
    // content
    BareLineEndInContent,
    NulInContent,
    MessageTooBig,
    HeaderLineTooLong,
    BodyLineTooLong,
    HeaderTooBig,
    MailLoop,
    // the relay's
    ReplyMalformed,
    ReplyTooLong,
    ReplyImpossible,
    ReplyUnasked,
}
/// One row.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Facts {
    /// snake_case, for rule files, logs and labels
    pub name: &'static str,
    pub section: &'static str,
    pub kind: Kind,
    pub code: Code,
    pub enhanced: Enhanced,
    pub text: &'static str,
    pub response: Response,
    /// One sentence for README, `gatepost reasons` and the man page.
    pub meaning: &'static str,
    /// Counts towards `[limits] command_errors`.
    pub error: bool,
}
impl Violation {
    /// All rows.
    pub const ALL: &'static [Violation] = &[];
    /// Its row.
    pub const fn facts(self) -> &'static Facts {
        todo!()
    }
    /// By the name in a rule file.
    pub fn from_name(_n: &str) -> Option<Violation> {
        todo!()
    }
}
/// A set of violations (a bit each).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Violations(u128);
impl Violations {
    /// None.
    pub const NONE: Violations = Violations(0);
    /// Whether empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Adds one.
    pub fn insert(&mut self, _v: Violation) {
        todo!()
    }
    /// Whether it is in.
    pub const fn contains(self, _v: Violation) -> bool {
        todo!()
    }
    /// In table order.
    pub fn iter(self) -> impl Iterator<Item = Violation> {
        Violation::ALL.iter().copied().filter(move |v| self.contains(*v))
    }
}
