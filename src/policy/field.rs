//! What a condition may look at: one row a field, with its type, when it is known, and how it is found in a [`Scene`].

use super::condition::{HelloScene, Point, Scene};
use super::tls::TlsVersion;
use crate::smtp::mechanism::Mechanism;
use crate::smtp::parameter::Keyword;
use crate::smtp::path::{ForwardPath, Host, Mailbox, ReversePath};
use crate::smtp::verb::{Grammar, Verb};
use std::borrow::Cow;
use std::net::IpAddr;

/// A field of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Field {
    ClientIp,
    ClientNet,
    ClientPort,
    Listener,
    HelloVerb,
    HelloName,
    HelloForm,
    TlsActive,
    TlsVersion,
    TlsCipher,
    TlsName,
    TlsClientName,
    AuthUser,
    AuthDomain,
    AuthMechanism,
    MailAddress,
    MailLocal,
    MailDomain,
    MailNull,
    MailSize,
    RcptAddress,
    RcptLocal,
    RcptDomain,
    RcptCount,
    Parameter(Keyword),
    CommandVerb,
    CommandLength,
    CommandArgument,
    MessageOctets,
    SessionErrors,
    SessionMessages,
    SessionAge,
}

/// What a number counts, which says how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Unit {
    Count,
    Octets,
    Seconds,
}

/// The type of a field, which says what patterns fit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Address,
    Domain,
    Mailbox,
    Text,
    Number(Unit),
    Truth,
    /// One of a closed set.
    Word,
}

/// A field's value in a scene.
#[derive(Clone, Debug)]
pub(super) enum Seen<'a> {
    Address(IpAddr),
    Domain(&'a [u8]),
    /// `<postmaster>` has no domain.
    Mailbox(Cow<'a, [u8]>, Option<&'a [u8]>),
    Text(Cow<'a, [u8]>),
    Number(u64),
    Truth(bool),
}

/// Fields that have one name; `parameter.NAME` is apart.
const NAMED: &[(&str, Field)] = &[
    ("client.ip", Field::ClientIp),
    ("client.net", Field::ClientNet),
    ("client.port", Field::ClientPort),
    ("listener", Field::Listener),
    ("hello.verb", Field::HelloVerb),
    ("hello.name", Field::HelloName),
    ("hello.form", Field::HelloForm),
    ("tls.active", Field::TlsActive),
    ("tls.version", Field::TlsVersion),
    ("tls.cipher", Field::TlsCipher),
    ("tls.name", Field::TlsName),
    ("tls.client_name", Field::TlsClientName),
    ("auth.user", Field::AuthUser),
    ("auth.domain", Field::AuthDomain),
    ("auth.mechanism", Field::AuthMechanism),
    ("mail.address", Field::MailAddress),
    ("mail.local", Field::MailLocal),
    ("mail.domain", Field::MailDomain),
    ("mail.null", Field::MailNull),
    ("mail.size", Field::MailSize),
    ("rcpt.address", Field::RcptAddress),
    ("rcpt.local", Field::RcptLocal),
    ("rcpt.domain", Field::RcptDomain),
    ("rcpt.count", Field::RcptCount),
    ("command.verb", Field::CommandVerb),
    ("command.length", Field::CommandLength),
    ("command.argument", Field::CommandArgument),
    ("message.octets", Field::MessageOctets),
    ("session.errors", Field::SessionErrors),
    ("session.messages", Field::SessionMessages),
    ("session.age", Field::SessionAge),
];

/// Fields that the language has and this version does not.
const LATER: &[&str] = &["client.name", "client.verdict", "reply.code"];

/// What a name of a field stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Known(Field),
    Later,
    Unknown,
}

const HELLO_FORMS: &[&str] =
    &["domain", "ipv4-literal", "ipv6-literal", "bare-address", "single-label", "invalid"];

impl Field {
    /// By its name in a rule file.
    pub(super) fn named(name: &str) -> Named {
        if let Some(keyword) = name.strip_prefix("parameter.") {
            return match Keyword::from_wire(keyword.as_bytes()) {
                Some(keyword) => Named::Known(Field::Parameter(keyword)),
                None => Named::Unknown,
            };
        }
        if LATER.contains(&name) || name.starts_with("header.") {
            return Named::Later;
        }
        match NAMED.iter().find(|(known, _)| *known == name) {
            Some((_, field)) => Named::Known(*field),
            None => Named::Unknown,
        }
    }

    /// All names, for suggestions.
    pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
        NAMED.iter().map(|(name, _)| *name)
    }

    /// Its name in a rule file.
    pub(super) fn name(self) -> String {
        match (self, NAMED.iter().find(|(_, field)| *field == self)) {
            (Field::Parameter(keyword), _) => format!("parameter.{}", keyword.name()),
            (_, Some((name, _))) => (*name).to_owned(),
            (_, None) => String::new(),
        }
    }

    /// Its type.
    pub(super) fn kind(self) -> Kind {
        match self {
            Field::ClientIp | Field::ClientNet => Kind::Address,
            Field::HelloVerb
            | Field::HelloForm
            | Field::CommandVerb
            | Field::TlsVersion
            | Field::AuthMechanism => Kind::Word,
            Field::HelloName
            | Field::MailDomain
            | Field::RcptDomain
            | Field::TlsName
            | Field::TlsClientName
            | Field::AuthDomain => Kind::Domain,
            Field::MailAddress | Field::RcptAddress => Kind::Mailbox,
            Field::MailNull | Field::TlsActive => Kind::Truth,
            Field::MailSize | Field::MessageOctets => Kind::Number(Unit::Octets),
            Field::SessionAge => Kind::Number(Unit::Seconds),
            Field::ClientPort
            | Field::RcptCount
            | Field::CommandLength
            | Field::SessionErrors
            | Field::SessionMessages => Kind::Number(Unit::Count),
            Field::Listener
            | Field::TlsCipher
            | Field::AuthUser
            | Field::MailLocal
            | Field::RcptLocal
            | Field::Parameter(_)
            | Field::CommandArgument => Kind::Text,
        }
    }

    /// The words it may be, for a field of [`Kind::Word`].
    pub(super) fn words(self) -> Vec<&'static str> {
        match self {
            Field::HelloForm => HELLO_FORMS.to_vec(),
            Field::HelloVerb => verbs(|verb| verb.facts().grammar == Grammar::Hello),
            Field::CommandVerb => verbs(|_| true),
            Field::TlsVersion => vec![TlsVersion::V1_2.name(), TlsVersion::V1_3.name()],
            Field::AuthMechanism => Mechanism::passing().map(|mechanism| mechanism.facts().name).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether its value says who somebody is, so that it can be counted whose something is.
    pub(super) fn names_somebody(self) -> bool {
        match self.kind() {
            Kind::Address | Kind::Domain | Kind::Mailbox => true,
            Kind::Text => matches!(self, Field::Listener | Field::AuthUser),
            Kind::Number(_) | Kind::Truth | Kind::Word => false,
        }
    }

    /// Whether it speaks of the reverse-path.
    pub(super) fn is_of_mail(self) -> bool {
        matches!(
            self,
            Field::MailAddress | Field::MailLocal | Field::MailDomain | Field::MailNull | Field::MailSize
        )
    }

    /// Whether it can be known when a rule at this point is asked.
    pub(super) fn known_at(self, point: Point) -> bool {
        let verb = match point {
            Point::Command(verb) => Some(verb),
            Point::Connect | Point::Message => None,
        };
        let in_transaction = point == Point::Message
            || matches!(verb, Some(Verb::Mail | Verb::Rcpt | Verb::Data | Verb::Bdat | Verb::Burl));
        match self {
            Field::HelloVerb
            | Field::HelloName
            | Field::HelloForm
            | Field::TlsActive
            | Field::TlsVersion
            | Field::TlsCipher
            | Field::TlsName
            | Field::TlsClientName
            | Field::AuthUser
            | Field::AuthDomain
            | Field::AuthMechanism => point != Point::Connect,
            Field::RcptAddress | Field::RcptLocal | Field::RcptDomain => verb == Some(Verb::Rcpt),
            Field::RcptCount => in_transaction && verb != Some(Verb::Mail),
            Field::Parameter(keyword) => verb == Some(keyword.verb()),
            Field::CommandVerb | Field::CommandLength | Field::CommandArgument => verb.is_some(),
            Field::MessageOctets => point == Point::Message,
            field if field.is_of_mail() => in_transaction,
            _ => true,
        }
    }

    /// Its value, if it has one now.
    pub(super) fn seen<'a>(self, scene: &Scene<'a>) -> Option<Seen<'a>> {
        let text = |octets: &'a [u8]| Seen::Text(Cow::Borrowed(octets));
        match self {
            Field::ClientIp | Field::ClientNet => Some(Seen::Address(scene.client.ip())),
            Field::ClientPort => Some(Seen::Number(scene.client.port().into())),
            Field::Listener => Some(text(scene.listener.as_bytes())),
            Field::HelloVerb => scene.hello.map(|hello| text(hello.verb.facts().name.as_bytes())),
            Field::HelloName => scene.hello.map(|hello| Seen::Domain(hello.name.octets())),
            Field::HelloForm => scene.hello.map(|hello| text(form(&hello).as_bytes())),
            Field::TlsActive
            | Field::TlsVersion
            | Field::TlsCipher
            | Field::TlsName
            | Field::TlsClientName => self.seen_of_tls(scene),
            Field::AuthUser | Field::AuthDomain | Field::AuthMechanism => self.seen_of_auth(scene),
            Field::MailAddress | Field::MailLocal | Field::MailDomain | Field::MailNull | Field::MailSize => {
                self.seen_of_mail(scene)
            }
            Field::RcptAddress | Field::RcptLocal | Field::RcptDomain => match scene.rcpt? {
                ForwardPath::Mailbox(mailbox) => Some(part(self, &mailbox)),
                ForwardPath::Postmaster if self == Field::RcptDomain => None,
                ForwardPath::Postmaster if self == Field::RcptLocal => Some(text(b"postmaster")),
                ForwardPath::Postmaster => Some(Seen::Mailbox(Cow::Borrowed(b"postmaster"), None)),
            },
            Field::RcptCount => Some(Seen::Number(scene.rcpt_count.into())),
            Field::Parameter(keyword) => {
                let found = scene.parameters?.iter().find(|known| known.keyword == Some(keyword))?;
                Some(text(found.value.unwrap_or_default()))
            }
            Field::CommandVerb => scene.command.map(|command| text(command.verb.facts().name.as_bytes())),
            Field::CommandLength => {
                scene.command.map(|command| Seen::Number(u64::try_from(command.length).unwrap_or(u64::MAX)))
            }
            Field::CommandArgument => scene.command.map(|command| text(command.argument)),
            Field::MessageOctets => scene.message_octets.map(Seen::Number),
            Field::SessionErrors => Some(Seen::Number(scene.errors.into())),
            Field::SessionMessages => Some(Seen::Number(scene.messages.into())),
            Field::SessionAge => Some(Seen::Number(scene.age.as_secs())),
        }
    }

    fn seen_of_tls<'a>(self, scene: &Scene<'a>) -> Option<Seen<'a>> {
        if self == Field::TlsActive {
            return Some(Seen::Truth(scene.tls.is_some()));
        }
        let tls = scene.tls?;
        let text = |text: &'a str| Seen::Text(Cow::Borrowed(text.as_bytes()));
        match self {
            Field::TlsVersion => Some(text(tls.version.name())),
            Field::TlsCipher => Some(text(tls.cipher)),
            Field::TlsName => tls.name.map(|name| Seen::Domain(name.as_bytes())),
            Field::TlsClientName => tls.client_name.map(|name| Seen::Domain(name.as_bytes())),
            _ => None,
        }
    }

    fn seen_of_auth<'a>(self, scene: &Scene<'a>) -> Option<Seen<'a>> {
        let auth = scene.auth?;
        let text = |text: &'a str| Seen::Text(Cow::Borrowed(text.as_bytes()));
        match self {
            Field::AuthUser => auth.user.map(text),
            Field::AuthDomain => Some(Seen::Domain(auth.user?.rsplit_once('@')?.1.as_bytes())),
            Field::AuthMechanism => Some(text(auth.mechanism.facts().name)),
            _ => None,
        }
    }

    fn seen_of_mail<'a>(self, scene: &Scene<'a>) -> Option<Seen<'a>> {
        let mail = scene.mail?;
        match (self, mail.path) {
            (Field::MailNull, path) => Some(Seen::Truth(path == ReversePath::Null)),
            (Field::MailSize, _) => mail.size.map(Seen::Number),
            (_, ReversePath::Null) => None,
            (_, ReversePath::Mailbox(mailbox)) => Some(part(self, &mailbox)),
        }
    }
}

/// The part of a mailbox of which a field speaks.
fn part<'a>(field: Field, mailbox: &Mailbox<'a>) -> Seen<'a> {
    match field {
        Field::MailDomain | Field::RcptDomain => Seen::Domain(mailbox.host.octets()),
        Field::MailLocal | Field::RcptLocal => Seen::Text(mailbox.unquoted()),
        _ => Seen::Mailbox(mailbox.unquoted(), Some(mailbox.host.octets())),
    }
}

fn verbs(wanted: impl Fn(Verb) -> bool) -> Vec<&'static str> {
    Verb::ALL.iter().filter(|verb| wanted(**verb)).map(|verb| verb.facts().name).collect()
}

/// What kind of name a hello gave.
fn form(hello: &HelloScene<'_>) -> &'static str {
    let name = match hello.name {
        Host::Address(IpAddr::V4(_), _) => return "ipv4-literal",
        Host::Address(IpAddr::V6(_), _) => return "ipv6-literal",
        Host::General(_) => return "invalid",
        Host::Domain(name) => name,
    };
    let name = name.strip_suffix(b".").unwrap_or(name);
    let is_address = std::str::from_utf8(name).is_ok_and(|name| name.parse::<IpAddr>().is_ok());
    let sound = |label: &[u8]| {
        !label.is_empty()
            && label.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-')
            && !label.starts_with(b"-")
            && !label.ends_with(b"-")
    };
    match name {
        _ if is_address => "bare-address",
        _ if !name.split(|octet| *octet == b'.').all(sound) => "invalid",
        _ if name.contains(&b'.') => "domain",
        _ => "single-label",
    }
}
