//! Conditions, and the scene they are matched against.

use super::document::{expected, not_yet, unknown_word};
use super::field::{Field, Named};
use super::lists::Lists;
use super::names::{NameVerdict, Naming};
use super::pattern::Clause;
use super::source::Findings;
use super::tls::TlsVersion;
use super::tree::{Node, Table, Value};
use crate::smtp::mechanism::Mechanism;
use crate::smtp::parameter::Parameters;
use crate::smtp::path::{ForwardPath, Host, ReversePath};
use crate::smtp::verb::Verb;
use std::net::SocketAddr;
use std::time::Duration;

/// When a rule is asked: `on = ...`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// A client has connected and has not been greeted.
    Connect,
    /// A command with this verb is judged.
    Command(Verb),
    /// Mail data has ended.
    Message,
}

impl Point {
    /// All of them.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        [Self::Connect, Self::Message].into_iter().chain(Verb::ALL.iter().copied().map(Self::Command))
    }

    /// 0-based place in [`Self::all`].
    pub(super) const fn index(self) -> usize {
        match self {
            Self::Connect => 0,
            Self::Message => 1,
            Self::Command(verb) => 2 + verb.index(),
        }
    }
}

/// Everything a condition may look at, as far as it is known now. Borrowed; nothing is allocated to ask.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Address and port of the client.
    pub client: SocketAddr,
    /// The name of the listener it came to.
    pub listener: &'a str,
    /// What reverse DNS says of the client.
    pub name: NameScene<'a>,
    /// The hello in force, or the one judged now.
    pub hello: Option<HelloScene<'a>>,
    /// The TLS in which the client speaks.
    pub tls: Option<TlsScene<'a>>,
    /// As whom the client has authenticated.
    pub auth: Option<AuthScene<'a>>,
    /// The reverse-path in force, or the one judged now.
    pub mail: Option<MailScene<'a>>,
    /// The recipient judged now.
    pub rcpt: Option<ForwardPath<'a>>,
    /// Recipients accepted so far in this transaction.
    pub rcpt_count: u32,
    /// Parameters of the command judged now.
    pub parameters: Option<Parameters<'a>>,
    /// The command judged now.
    pub command: Option<CommandScene<'a>>,
    /// Content octets, at MESSAGE.
    pub message_octets: Option<u64>,
    /// Errors since the last accepted message.
    pub errors: u32,
    /// Messages accepted in this session.
    pub messages: u32,
    /// How old the session is.
    pub age: Duration,
}

impl<'a> Scene<'a> {
    /// The scene of a client that has said nothing.
    pub fn arriving(client: SocketAddr, listener: &'a str) -> Self {
        Self {
            client,
            listener,
            name: NameScene::default(),
            hello: None,
            tls: None,
            auth: None,
            mail: None,
            rcpt: None,
            rcpt_count: 0,
            parameters: None,
            command: None,
            message_octets: None,
            errors: 0,
            messages: 0,
            age: Duration::ZERO,
        }
    }
}

/// What reverse DNS says of a client, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct NameScene<'a> {
    /// The verdict.
    pub verdict: NameVerdict,
    /// The name, if it is verified.
    pub name: Option<&'a str>,
}

impl<'a> NameScene<'a> {
    /// Of what was answered.
    pub fn of(naming: &'a Naming) -> Self {
        Self { verdict: naming.verdict, name: naming.name.as_deref() }
    }
}

/// The hello in force, or the one judged now.
#[derive(Clone, Copy, Debug)]
pub struct HelloScene<'a> {
    /// EHLO, HELO or LHLO.
    pub verb: Verb,
    /// What the client called itself.
    pub name: Host<'a>,
}

/// TLS as it was established.
#[derive(Clone, Copy, Debug)]
pub struct TlsScene<'a> {
    /// The version.
    pub version: TlsVersion,
    /// The cipher suite by its IANA name.
    pub cipher: &'a str,
    /// The server name that the client asked for (SNI).
    pub name: Option<&'a str>,
    /// The name in the certificate that the client showed and that was verified.
    pub client_name: Option<&'a str>,
}

/// An authentication that succeeded.
#[derive(Clone, Copy, Debug)]
pub struct AuthScene<'a> {
    /// The account, as the client wrote it; none: the mechanism does not show it.
    pub user: Option<&'a str>,
    /// How.
    pub mechanism: Mechanism,
}

/// The reverse-path in force, or the one judged now.
#[derive(Clone, Copy, Debug)]
pub struct MailScene<'a> {
    /// The path.
    pub path: ReversePath<'a>,
    /// The declared size.
    pub size: Option<u64>,
}

/// The command judged now.
#[derive(Clone, Copy, Debug)]
pub struct CommandScene<'a> {
    /// Its verb.
    pub verb: Verb,
    /// The whole line, CRLF included.
    pub length: usize,
    /// What stands behind the verb.
    pub argument: &'a [u8],
}

/// A `when`: all clauses of any of the tables.
#[derive(Clone, Debug, Default)]
pub(super) struct When {
    any: Vec<Vec<Clause>>,
}

impl When {
    /// Whether it holds. Without a condition it always does.
    pub(super) fn holds(&self, scene: &Scene<'_>) -> bool {
        self.any.is_empty() || self.any.iter().any(|all| all.iter().all(|clause| holds(clause, scene)))
    }

    /// Its tables: it holds if all of any does. None at all: always.
    pub(super) fn tables(&self) -> &[Vec<Clause>] {
        &self.any
    }

    /// Whether it holds always.
    pub(super) fn is_always(&self) -> bool {
        self.any.is_empty()
    }

    /// Why no scene can ever fit, if so.
    pub(super) fn never(&self) -> Option<&'static str> {
        let reason = |all: &Vec<Clause>| {
            if all.iter().any(Clause::never_fits) {
                return Some("its list is empty");
            }
            let others =
                all.iter().any(|clause| clause.field().is_of_mail() && clause.field() != Field::MailNull);
            (others && all.iter().any(Clause::wants_null))
                .then_some("no other `mail.*` pattern ever fits the null reverse-path")
        };
        let mut reasons = self.any.iter().map(reason);
        let first = reasons.next().flatten();
        reasons.all(|reason| reason.is_some()).then_some(first).flatten()
    }

    /// Whether any of these fields is looked at.
    pub(super) fn reads(&self, wanted: impl Fn(Field) -> bool) -> bool {
        self.any.iter().flatten().any(|clause| wanted(clause.field()))
    }

    /// Whether bounces are asked for and nothing else.
    pub(super) fn is_null_alone(&self) -> bool {
        let alone = |all: &Vec<Clause>| all.iter().all(Clause::wants_null) && !all.is_empty();
        self.any.iter().any(alone)
    }

    /// Reads a `when`: a table, or an array of tables.
    pub(super) fn compile(
        node: &Node,
        point: Option<Point>,
        lists: &Lists<'_>,
        findings: &Findings,
    ) -> Option<When> {
        let nodes = match &node.value {
            Value::List(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut any = Vec::new();
        for node in nodes {
            if let Value::Table(table) = &node.value {
                any.push(clauses(table, point, lists, findings));
            } else {
                findings.add(expected(node, "a table like { \"client.ip\" = \"192.0.2.0/24\" }"));
                any.push(None);
            }
        }
        if let Some(Some([])) = any.first().map(|all| all.as_deref()) {
            findings.add(node.place.error("an empty `when` says nothing; leave it off to mean always"));
            return None;
        }
        any.into_iter().collect::<Option<Vec<_>>>().map(|any| When { any })
    }
}

/// The null reverse-path is the exception: only `mail.null` speaks of it, no other `mail.*` pattern, negated or not.
pub(super) fn holds(clause: &Clause, scene: &Scene<'_>) -> bool {
    let field = clause.field();
    let null = scene.mail.is_some_and(|mail| mail.path == ReversePath::Null);
    if null && field.is_of_mail() && field != Field::MailNull {
        return false;
    }
    clause.fits(field.seen(scene).as_ref())
}

fn clauses(
    table: &Table,
    point: Option<Point>,
    lists: &Lists<'_>,
    findings: &Findings,
) -> Option<Vec<Clause>> {
    let mut clauses = Vec::new();
    let mut sound = true;
    for entry in table.entries() {
        let field = match Field::named(&entry.key) {
            Named::Known(field) => field,
            Named::Later => {
                findings.add(not_yet(&entry.place, &format!("the field `{}`", entry.key)));
                sound = false;
                continue;
            }
            Named::Unknown => {
                findings.add(unknown_word(&entry.place, "field", &entry.key, Field::names()));
                sound = false;
                continue;
            }
        };
        if let Some(point) = point
            && !field.known_at(point)
        {
            let message = format!("`{}` is not known at {}", entry.key, name_of(point));
            findings.add(entry.place.error(message).with_help(earliest(field)));
            sound = false;
        }
        match Clause::compile(field, &entry.node, lists, findings) {
            Some(clause) => {
                if clause.always_fits() {
                    findings.add(
                        entry
                            .node
                            .place
                            .warning("an array is any of its patterns: of two negations one always fits"),
                    );
                }
                clauses.push(clause);
            }
            None => sound = false,
        }
    }
    sound.then_some(clauses)
}

/// A point as `on` spells it.
pub(super) fn name_of(point: Point) -> &'static str {
    match point {
        Point::Connect => "CONNECT",
        Point::Command(verb) => verb.facts().name,
        Point::Message => "MESSAGE",
    }
}

/// Where a field can be asked for.
fn earliest(field: Field) -> String {
    let verbs = Verb::ALL.iter().map(|verb| Point::Command(*verb));
    let points = std::iter::once(Point::Connect).chain(verbs).chain([Point::Message]);
    let known: Vec<_> = points.filter(|point| field.known_at(*point)).map(name_of).collect();
    match known.as_slice() {
        [one] => format!("it is known at {one}"),
        few if few.len() <= 6 => format!("it is known at {}", few.join(", ")),
        _ => "it is known once a command has come".to_owned(),
    }
}
