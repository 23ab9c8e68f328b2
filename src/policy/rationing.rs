//! `[[limit]]`: from what is written to what is meant.

use super::Mode;
use super::agreement::{named_verb, permittable};
use super::allowance::Allowance;
use super::ban::BanWords;
use super::compile::Compiler;
use super::condition::{When, name_of};
use super::count::{Answer, CLASSES, Count, WORDS};
use super::document::{Section, expected, not_yet, unknown_word};
use super::field::{Field, Named};
use super::opinion::{Opinion, keys};
use super::quantity::{self, Rate};
use super::ration::Ration;
use super::source::{Located, Place};
use super::tree::{Date, Node, Value};
use super::verdict::Action;
use crate::smtp::reply::{Class, Code, Reply};
use crate::smtp::verb::Verb;
use std::time::Duration;

/// What `networks` may be: less than that is half the Internet, or whole continents of it.
const PREFIXES: [std::ops::RangeInclusive<u32>; 2] = [8..=32, 16..=128];

/// What `burst` must look like where octets are counted.
const BURST_OF_OCTETS: &str = "a number of octets, or a size like \"25MiB\"";

/// `[[limit]]` as it is written.
#[derive(Debug)]
pub(super) struct LimitEntry<'d> {
    pub(super) place: &'d Place,
    pub(super) id: Option<Located<String>>,
    key: Option<Located<Vec<Located<String>>>>,
    networks: Option<Located<Vec<u32>>>,
    pub(super) count: Option<Located<String>>,
    rate: Option<&'d Node>,
    burst: Option<&'d Node>,
    when: Option<&'d Node>,
    then: Option<Action>,
    reply: Option<Located<String>>,
    tarpit: Option<Located<Duration>>,
    ban: BanWords,
    shared: bool,
    mode: Option<Mode>,
    until: Option<Located<Date>>,
}

impl<'d> LimitEntry<'d> {
    /// Reads one.
    pub(super) fn read(section: &Section<'d>) -> Self {
        // Words for people; the profile is printed with them, nothing else is made of them.
        let _: Option<Located<String>> = section.take("because");
        let rate = section.node("rate");
        if rate.is_none() {
            section.findings().add(section.place().error("`rate` is missing in [[limit]]"));
        }
        Self {
            place: section.place(),
            id: section.require("id"),
            key: section.require("key"),
            networks: section.take("networks"),
            count: section.require("count"),
            rate,
            burst: section.node("burst"),
            when: section.node("when"),
            then: section.take("then").map(|then| then.value),
            reply: section.take("reply"),
            tarpit: section.take("tarpit"),
            ban: BanWords { span: section.take("ban"), private: section.take("private") },
            shared: section.take("shared").is_some_and(|shared| shared.value),
            mode: section.take("mode").map(|mode| mode.value),
            until: section.take("until"),
        }
    }
}

impl Opinion for LimitEntry<'_> {
    type Meaning = (Allowance, Ration);
    fn id(&self) -> Option<&Located<String>> {
        self.id.as_ref()
    }
    fn compile(&self, compiler: &Compiler<'_>) -> Option<(Allowance, Ration)> {
        compiler.limit(self)
    }
}

impl Compiler<'_> {
    fn limit(&self, entry: &LimitEntry<'_>) -> Option<(Allowance, Ration)> {
        let count = entry.count.as_ref().and_then(|count| self.count(count));
        let key = self.key(entry, count);
        let prefixes = self.prefixes(entry, key.as_deref());
        let rate = entry.rate.and_then(|node| self.rate(node, count?));
        let burst = self.burst(entry, count, rate);
        let when = match entry.when {
            None => Some(When::default()),
            Some(node) => {
                self.known(node, count);
                When::compile(node, None, self.lists, self.findings)
            }
        };
        let reply = entry.reply.as_ref().and_then(|text| self.temporary(text));
        let ban = self.ban(&entry.ban);
        self.private(entry, key.as_deref());
        let mode = entry.mode.unwrap_or(Mode::Enforce);
        self.until(entry.until.as_ref(), mode, "limit");
        let (action, default) = count?.refusal();
        let allowance = Allowance {
            id: entry.id.as_ref()?.value.clone(),
            rate: rate?,
            burst: burst?,
            shared: entry.shared,
        };
        let ration = Ration {
            place: entry.place.clone(),
            count: count?,
            key: key?,
            prefixes: prefixes?,
            private: entry.ban.private(),
            when: when?,
            // In place of a greeting there is nothing to go on with (RFC 5321 3.1).
            action: entry.then.filter(|_| count != Some(Count::Connections)).unwrap_or(action),
            reply: if entry.reply.is_some() { reply? } else { default },
            tarpit: self.tarpit(entry.tarpit.as_ref()),
            ban,
            mode,
            until: entry.until.as_ref().map(|until| (until.value, until.place.clone())),
        };
        Some((allowance, ration))
    }

    /// What `count` names.
    fn count(&self, written: &Located<String>) -> Option<Count> {
        if let Some((_, count)) = WORDS.iter().find(|(word, _)| *word == written.value) {
            return Some(*count);
        }
        let mut parts = written.value.split(':');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("command"), Some(verb), None, None) => {
                self.counted_verb(written, verb).map(|verb| Count::Commands(Some(verb)))
            }
            (Some("reply"), Some(verb), Some(answer), None) => {
                let verb = self.counted_verb(written, verb)?;
                if verb == Verb::Bdat {
                    let finding =
                        written.place.error("the reply to a message is that to DATA, however it came");
                    self.findings.add(finding.with_help("write \"reply:DATA:...\", which covers both"));
                    return None;
                }
                Some(Count::Replies(verb, self.answer(written, answer)?))
            }
            _ => {
                let forms = ["command:MAIL", "reply:RCPT:5xx"];
                let known = WORDS.iter().map(|(word, _)| *word).chain(forms);
                self.findings.add(unknown_word(&written.place, "count", &written.value, known));
                None
            }
        }
    }

    fn counted_verb(&self, written: &Located<String>, name: &str) -> Option<Verb> {
        let verb = named_verb(&Located { value: name.to_owned(), place: written.place.clone() });
        let verb = self.findings.check(verb)?;
        if verb == Verb::Quit || !permittable().any(|known| known == verb) {
            let why =
                if verb == Verb::Quit { "nobody is kept from leaving" } else { "it is never forwarded" };
            self.findings.add(written.place.error(format!("`{name}` cannot be counted: {why}")));
            return None;
        }
        Some(verb)
    }

    fn answer(&self, written: &Located<String>, text: &str) -> Option<Answer> {
        if let Some((_, class)) = CLASSES.iter().find(|(name, _)| *name == text) {
            return Some(Answer::Class(*class));
        }
        let code = text.parse().ok().filter(|_| text.len() == 3).and_then(Code::new);
        let code = code.filter(|code| code.class() != Class::Intermediate);
        if code.is_none() {
            let finding = written.place.error(format!("`{}` is no reply", text.escape_debug()));
            self.findings.add(finding.with_help("a code like 535, or a class: 2xx, 4xx, 5xx"));
        }
        code.map(Answer::Code)
    }

    /// The fields that make the key.
    fn key(&self, entry: &LimitEntry<'_>, count: Option<Count>) -> Option<Vec<Field>> {
        let written = entry.key.as_ref()?;
        if written.value.is_empty() {
            self.findings.add(written.place.error("`key` names nobody: whose is it?"));
        }
        let mut fields = Vec::new();
        for name in &written.value {
            let field = match Field::named(&name.value) {
                Named::Known(field) => field,
                Named::Later => {
                    self.findings.add(not_yet(&name.place, &format!("the field `{}`", name.value)));
                    continue;
                }
                Named::Unknown => {
                    let known = Field::names().filter(|name| names_somebody(name));
                    self.findings.add(unknown_word(&name.place, "field", &name.value, known));
                    continue;
                }
            };
            if !field.names_somebody() {
                let known: Vec<_> = Field::names().filter(|name| names_somebody(name)).collect();
                let finding = name.place.error(format!("`{}` names nobody", name.value));
                self.findings.add(finding.with_help(format!("a key is made of {}", known.join(", "))));
                continue;
            }
            let address = |field: &Field| matches!(field, Field::ClientIp | Field::ClientNet);
            if fields.contains(&field) || (address(&field) && fields.iter().any(address)) {
                let finding = name.place.error(format!("`{}` adds nothing to this key", name.value));
                let what = if address(&field) { "the client's address" } else { "this field" };
                self.findings.add(finding.with_help(format!("{what} is in it already")));
            }
            self.known_where_counted(&name.value, field, &name.place, count);
            fields.push(field);
        }
        (fields.len() == written.value.len() && !fields.is_empty()).then_some(fields)
    }

    /// The fields of a `when`.
    fn known(&self, node: &Node, count: Option<Count>) {
        for (key, place) in keys(node) {
            if let Named::Known(field) = Field::named(key) {
                self.known_where_counted(key, field, place, count);
            }
        }
    }

    /// A field that is not known where something is counted would count nothing.
    fn known_where_counted(&self, name: &str, field: Field, place: &Place, count: Option<Count>) {
        let Some(count) = count else { return };
        if count.is_before_auth()
            && matches!(field, Field::AuthUser | Field::AuthDomain | Field::AuthMechanism)
        {
            let finding = place.error(format!("`{name}` is not known where `{count}` is counted"));
            self.findings.add(finding.with_help("nobody authenticates twice (RFC 4954 4)"));
            return;
        }
        let missing = count.points().into_iter().find(|point| !field.known_at(*point));
        let Some(point) = missing else { return };
        let finding = place.error(format!("`{name}` is not known where `{count}` is counted"));
        let where_asked = count.points().map(name_of);
        self.findings.add(match where_asked {
            [first, second] if first != second && name_of(point) == second => {
                finding.with_help("what is counted afterwards has no command at hand any more")
            }
            _ => finding,
        });
    }

    /// `networks = [24, 48]`
    fn prefixes(&self, entry: &LimitEntry<'_>, key: Option<&[Field]>) -> Option<(u8, u8)> {
        let whole = key.is_some_and(|key| key.contains(&Field::ClientIp));
        let Some(written) = &entry.networks else {
            return Some(if whole { (32, 128) } else { (32, 64) });
        };
        if key.is_some_and(|key| !key.contains(&Field::ClientNet)) {
            let finding = written.place.error("`networks` is about the key `client.net`");
            self.findings.add(finding.with_help("a client.ip is always that one address"));
        }
        let inside = |(prefix, range): (&u32, &std::ops::RangeInclusive<u32>)| range.contains(prefix);
        match written.value.as_slice() {
            [four, six] if written.value.iter().zip(&PREFIXES).all(inside) => {
                u8::try_from(*four).ok().zip(u8::try_from(*six).ok())
            }
            _ => {
                let finding = written
                    .place
                    .error("`networks` is two prefixes: of IPv4, 8 to 32, and of IPv6, 16 to 128");
                self.findings.add(finding.with_help("[24, 48] is usual for networks, [32, 64] for hosts"));
                None
            }
        }
    }

    fn rate(&self, node: &Node, count: Count) -> Option<Rate> {
        let octets = count == Count::Octets;
        let read = match &node.value {
            Value::Text(text) if octets => quantity::rate_of_octets(text),
            Value::Text(text) => quantity::rate(text),
            _ => None,
        };
        if read.is_none() {
            self.findings.add(expected(node, if octets { quantity::RATE_OF_OCTETS } else { quantity::RATE }));
        }
        read
    }

    /// `burst`, or what the rate lets pass at once.
    fn burst(&self, entry: &LimitEntry<'_>, count: Option<Count>, rate: Option<Rate>) -> Option<u32> {
        let Some(node) = entry.burst else {
            let burst = u32::try_from(rate?.count).ok();
            if let (None, Some(node)) = (burst, entry.rate) {
                let message = format!("a rate above {} needs a `burst`", u32::MAX);
                self.findings.add(node.place.error(message));
            }
            return burst;
        };
        let read = match &node.value {
            Value::Integer(number) => u32::try_from(*number).ok(),
            Value::Text(text) if count == Some(Count::Octets) => {
                quantity::size(text).and_then(|size| u32::try_from(size.0).ok())
            }
            _ => None,
        };
        match read {
            Some(0) => {
                self.findings.add(node.place.error("a `burst` of zero lets nothing pass, ever"));
                None
            }
            None => {
                let whole = format!("a whole number from 1 to {}", u32::MAX);
                let what = if count == Some(Count::Octets) { BURST_OF_OCTETS } else { &whole };
                self.findings.add(expected(node, what));
                None
            }
            some => some,
        }
    }

    /// A reply that refuses for now.
    fn temporary(&self, text: &Located<String>) -> Option<Reply> {
        let reply = self.refusing(text)?;
        if reply.code.class() == Class::Permanent {
            let finding = text.place.warning(format!("{} is for ever, and a rate is not", reply.code));
            self.findings
                .add(finding.with_help("with 4yz an honest sender comes back, with 5yz its mail is lost"));
        }
        Some(reply)
    }

    /// `private` is about addresses.
    fn private(&self, entry: &LimitEntry<'_>, key: Option<&[Field]>) {
        let address = |key: &[Field]| key.iter().any(|it| matches!(it, Field::ClientIp | Field::ClientNet));
        if let Some(written) = entry.ban.private.as_ref().filter(|_| entry.ban.span.is_none())
            && key.is_some_and(|key| !address(key))
        {
            let finding = written
                .place
                .error("`private` means nothing here: no address is in the key, and none is banned");
            self.findings.add(finding);
        }
    }

    /// `until` says when a trial ends.
    pub(super) fn until(&self, until: Option<&Located<Date>>, mode: Mode, what: &str) {
        if let Some(until) = until.filter(|_| mode != Mode::Monitor) {
            let finding = until.place.warning(format!("`until` means nothing for a {what} that is enforced"));
            self.findings.add(
                finding.with_help(format!("it says how long a {what} with mode = \"monitor\" is watched")),
            );
        }
    }
}

fn names_somebody(name: &str) -> bool {
    matches!(Field::named(name), Named::Known(field) if field.names_somebody())
}
