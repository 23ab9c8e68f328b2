//! `[names]`: what reverse DNS says of a client, and what is made of it.

use super::Policy;
use super::condition::Point;
use super::document::{Section, Word};
use super::source::{Findings, Located};
use super::verdict::{Action, Check, NamesCheck, Refusal};
use crate::smtp::reply::{Code, Reply};
use crate::smtp::verb::Verb;
use crate::smtp::violation::Response;
use std::collections::HashSet;
use std::str::FromStr;

/// The longest name that DNS has (RFC 1035 2.3.4), as text.
const LONGEST: usize = 253;

/// What reverse DNS says of a client's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NameVerdict {
    /// It has a name (PTR), and the name has the address (A, AAAA).
    Verified,
    /// It has none, or none that has the address.
    Unverified,
    /// DNS did not say: broken, or silent for too long.
    Failed,
    /// Nobody has asked, or the answer is not there yet.
    #[default]
    Unknown,
}

impl NameVerdict {
    /// All of them, in the order of the metrics page.
    pub const ALL: [Self; 4] = [Self::Verified, Self::Unverified, Self::Failed, Self::Unknown];

    /// The word in rules, logs and labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unverified => "unverified",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// A verdict with the name that it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// The verdict.
    pub verdict: NameVerdict,
    /// The name, without a final dot; only one that is verified. Letters, digits, hyphens, underscores and dots, at most
    /// 253 of them: whoever answers for the address wrote it.
    pub name: Option<Box<str>>,
}

impl Naming {
    /// A name that is verified, or a verdict of which no name is known: what DNS says is not believed to be a name
    /// before it was looked at.
    #[must_use]
    pub fn sound(self) -> Self {
        match self {
            Self { verdict: NameVerdict::Verified, name: Some(name) } if is_name(&name) => {
                Self { verdict: NameVerdict::Verified, name: Some(name) }
            }
            Self { verdict: NameVerdict::Verified, .. } => Self::of(NameVerdict::Unverified),
            Self { verdict, .. } => Self::of(verdict),
        }
    }

    /// A verdict without a name.
    pub const fn of(verdict: NameVerdict) -> Self {
        Self { verdict, name: None }
    }
}

/// As `[[expect]]` and transcripts spell it: `verified mx.example.org`, `unverified`, `failed`, `unknown`.
impl FromStr for Naming {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, name) = text.split_once(' ').map_or((text, None), |(word, name)| (word, Some(name)));
        let verdict = NameVerdict::ALL.into_iter().find(|verdict| verdict.name() == word);
        match (verdict, name) {
            (Some(NameVerdict::Verified), Some(name)) if is_name(name) => {
                Ok(Self { verdict: NameVerdict::Verified, name: Some(name.into()) })
            }
            (Some(verdict), None) if verdict != NameVerdict::Verified => Ok(Self::of(verdict)),
            _ => Err(format!("`{}` is none of `verified NAME`, `unverified`, `failed`", text.escape_debug())),
        }
    }
}

/// Whether whoever answers for an address may be believed to have called it so.
fn is_name(name: &str) -> bool {
    let sound = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(sound)
}

/// What is written on a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Annotate {
    /// Nothing.
    #[default]
    Off,
    /// A Received field (RFC 5321 4.4).
    Received,
    /// And an Authentication-Results field (RFC 8601).
    Both,
}

/// `[names]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamesRules {
    /// What an unverified name is worth.
    pub unverified: Response,
    /// What a lookup that failed is worth.
    pub failed: Response,
    /// What is written on a message.
    pub annotate: Annotate,
    /// Whether it tells the client's address (`client = "shown"`).
    pub shows_client: bool,
}

impl Default for NamesRules {
    fn default() -> Self {
        Self {
            unverified: Response::Tolerate,
            failed: Response::Tolerate,
            annotate: Annotate::Off,
            shows_client: false,
        }
    }
}

impl NamesRules {
    /// What a finding is worth.
    pub const fn response(self, check: NamesCheck) -> Response {
        match check {
            NamesCheck::Unverified => self.unverified,
            NamesCheck::Failed => self.failed,
        }
    }

    /// Whether either is worth this much.
    fn any(self, worth: impl Fn(Response) -> bool) -> bool {
        NamesCheck::ALL.into_iter().any(|check| worth(self.response(check)))
    }

    /// Whether a client may be refused by it.
    pub fn refuses(self) -> bool {
        self.any(|worth| matches!(worth, Response::Reject | Response::Disconnect))
    }

    /// Whether it may be told of one.
    pub fn reports(self) -> bool {
        self.any(|worth| worth == Response::Report)
    }
}

impl Word for Annotate {
    const WORDS: &'static [(&'static str, Annotate)] =
        &[("off", Annotate::Off), ("received", Annotate::Received), ("both", Annotate::Both)];
}

/// `client`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    Shown,
    Hidden,
}

impl Word for Client {
    const WORDS: &'static [(&'static str, Client)] = &[("shown", Client::Shown), ("hidden", Client::Hidden)];
}

/// `[names]` as it is written.
#[derive(Debug, Default)]
pub(super) struct NamesTable {
    pub(super) unverified: Option<Located<Response>>,
    pub(super) failed: Option<Located<Response>>,
    pub(super) annotate: Option<Located<Annotate>>,
    pub(super) client: Option<Located<Client>>,
}

impl NamesTable {
    pub(super) fn read(section: &Section<'_>) -> NamesTable {
        NamesTable {
            unverified: section.take("unverified"),
            failed: section.take("failed"),
            annotate: section.take("annotate"),
            client: section.take("client"),
        }
    }

    /// What it means. Refusing costs mail that nobody meant to lose, so it draws a warning; so does telling the world
    /// where one's own people are (`ours`: they send here).
    pub(super) fn compile(&self, ours: bool, findings: &Findings) -> NamesRules {
        let default = NamesRules::default();
        let refuses = |worth: Response| matches!(worth, Response::Reject | Response::Disconnect);
        if let Some(written) = self.unverified.as_ref().filter(|written| refuses(written.value)) {
            let finding =
                written.place.warning("much honest mail comes from addresses without a confirmed name");
            findings.add(finding.with_help(
                "report it for a week and read the log first; `[[exempt]] from = [\"names.unverified\"]` excepts partners",
            ));
        }
        if let Some(written) = self.failed.as_ref().filter(|written| refuses(written.value)) {
            let finding = written.place.warning("a broken resolver will cost all mail from outside");
            findings.add(
                finding.with_help("`failed` says that DNS gave no answer, which tells nothing of the client"),
            );
        }
        let rules = NamesRules {
            unverified: self.unverified.as_ref().map_or(default.unverified, |word| word.value),
            failed: self.failed.as_ref().map_or(default.failed, |word| word.value),
            annotate: self.annotate.as_ref().map_or(default.annotate, |word| word.value),
            shows_client: self
                .client
                .as_ref()
                .map_or(default.shows_client, |word| word.value == Client::Shown),
        };
        if let Some(written) = self.client.as_ref().filter(|_| ours)
            && rules.shows_client
            && rules.annotate != Annotate::Off
        {
            let finding =
                written.place.warning("the addresses of your own people are written on what they send");
            findings.add(finding.with_help("client = \"hidden\" keeps them to the log"));
        }
        rules
    }
}

/// Where it is asked what reverse DNS says: there a command waits for the answer.
#[derive(Debug, Default)]
pub(super) struct Readers {
    points: HashSet<Point>,
    /// Some check that may be asked anywhere is excepted by it.
    everywhere: bool,
}

impl Readers {
    /// It is asked here.
    pub(super) fn add(&mut self, point: Point) {
        self.points.insert(point);
    }

    /// It is asked wherever some check is.
    pub(super) fn add_everywhere(&mut self) {
        self.everywhere = true;
    }

    pub(super) fn contains(&self, point: Point) -> bool {
        self.everywhere || self.points.contains(&point)
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.everywhere && self.points.is_empty()
    }
}

/// Whether content follows.
fn is_message(verb: Verb) -> bool {
    matches!(verb, Verb::Data | Verb::Bdat)
}

impl Policy {
    /// Whether it matters at all what reverse DNS says of a client.
    pub fn wants_names(&self) -> bool {
        let rules = &self.names;
        rules.annotate != Annotate::Off || rules.refuses() || rules.reports() || !self.readers.is_empty()
    }

    /// Whether a command waits until that is known: something that decides about it, or is written on its message,
    /// depends on it.
    pub fn awaits_name(&self, verb: Verb) -> bool {
        let message = is_message(verb);
        (verb == self.names_refuse_at() && self.names.refuses())
            || (message && (self.names.annotate != Annotate::Off || self.names.reports()))
            || self.readers.contains(Point::Command(verb))
            || (message && self.readers.contains(Point::Message))
    }

    /// Where a client is refused for its name.
    fn names_refuse_at(&self) -> Verb {
        if self.delay() { Verb::Rcpt } else { Verb::Mail }
    }

    /// `[names]`: what is found of a client at this verb. A report waits for the message: who sends none costs nobody a
    /// moment, and no line in the log.
    pub fn judge_name(&self, verb: Verb, verdict: NameVerdict) -> Option<Refusal> {
        let check = match verdict {
            NameVerdict::Verified | NameVerdict::Unknown => return None,
            NameVerdict::Unverified => NamesCheck::Unverified,
            NameVerdict::Failed => NamesCheck::Failed,
        };
        let action = match self.names.response(check) {
            Response::Report if is_message(verb) => Action::Reject,
            Response::Reject if verb == self.names_refuse_at() => Action::Reject,
            Response::Disconnect if verb == self.names_refuse_at() => Action::Disconnect,
            Response::Tolerate | Response::Report | Response::Reject | Response::Disconnect => return None,
        };
        let reply = match check {
            NamesCheck::Unverified => {
                Reply::own(Code::DENIED, 7, 25, "No confirmed name for your address".into())
            }
            NamesCheck::Failed => {
                Reply::own(Code::NOT_NOW, 4, 3, "The name of your address cannot be looked up now".into())
            }
        };
        let at_once = !self.replies.delay;
        Some(Refusal { check: Check::Names(check), action, reply, tarpit: None, ban: None, at_once })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_believed_if_it_can_be_one() {
        let verified = |name: &str| {
            let naming = Naming { verdict: NameVerdict::Verified, name: Some(name.into()) };
            naming.sound().verdict
        };
        for name in ["mx.example.org", "xn--bcher-kva.example", "_a.b", "localhost", "1.2.0.192.in-addr.arpa"]
        {
            assert_eq!(verified(name), NameVerdict::Verified, "{name}");
        }
        for name in ["", "a b", "a(b)", "a\\b", "a\r\nb", "b\u{fc}cher.example", &"a".repeat(254)] {
            assert_eq!(verified(name), NameVerdict::Unverified, "{name:?}");
        }
        let told = Naming { verdict: NameVerdict::Failed, name: Some("mx.example.org".into()) };
        assert_eq!(told.sound(), Naming::of(NameVerdict::Failed));
        assert_eq!(Naming::of(NameVerdict::Verified).sound(), Naming::of(NameVerdict::Unverified));
    }

    #[test]
    fn a_verdict_is_spelled_with_its_name_or_without() {
        let verified = Naming { verdict: NameVerdict::Verified, name: Some("mx.example.org".into()) };
        assert_eq!("verified mx.example.org".parse(), Ok(verified));
        assert_eq!("unverified".parse(), Ok(Naming::of(NameVerdict::Unverified)));
        for text in ["verified", "verified ", "verified a b", "failed mx.example.org", "", "Failed"] {
            assert!(text.parse::<Naming>().is_err(), "{text}");
        }
    }
}
