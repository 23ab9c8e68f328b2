//! `[[rule]]`, `[[signature]]` and `[[exempt]]`: from what is written to what is meant.

use super::Mode;
use super::agreement::{named_verb, permittable};
use super::allowance::Allowance;
use super::compile::Compiler;
use super::condition::{Point, When};
use super::document::{not_yet, unknown_word};
use super::field::{Field, Kind, Named, Seen};
use super::file::{At, ExemptEntry, RuleEntry, SignatureEntry};
use super::pattern::Clause;
use super::ration::Ration;
use super::rule::{Exemptions, Rule, RuleIndex, Signature};
use super::source::{Diagnostic, Findings, Located, Place};
use super::tree::{Node, Value};
use super::verdict::{Check, LONGEST_TARPIT};
use crate::smtp::reply::Reply;
use crate::smtp::verb::{Grammar, Verb};
use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

/// Points of later versions.
const LATER_POINTS: &[&str] = &["TLS", "HEADER", "REPLY"];

/// Everything an operator thinks of traffic, and the ids of all checks.
#[derive(Debug)]
pub(super) struct Opinions {
    pub(super) index: RuleIndex,
    pub(super) exemptions: Exemptions,
    pub(super) allowances: Vec<Allowance>,
    pub(super) rations: Vec<Ration>,
    pub(super) ids: HashMap<String, Check>,
}

impl Opinions {
    pub(super) fn compile(compiler: &Compiler<'_>) -> Opinions {
        let mut ids: HashMap<String, Check> =
            Check::built_in().filter_map(|check| Some((check.built_in_id()?, check))).collect();
        let signatures = compile_all(compiler, &compiler.file.signatures, &mut ids, Check::Signature);
        let rules = compile_all(compiler, &compiler.file.rules, &mut ids, Check::Rule);
        let limits = compile_all(compiler, &compiler.file.rationed, &mut ids, Check::Allowance);
        let (allowances, rations): (Vec<_>, Vec<_>) = limits.into_iter().unzip();
        let index = RuleIndex::new(signatures, rules);
        let mut exemptions = Exemptions::default();
        for entry in &compiler.file.exempts {
            compiler.exempt(entry, &ids, (&index, &rations), &mut exemptions);
        }
        Opinions { index, exemptions, allowances, rations, ids }
    }
}

/// An entry that has an id and becomes something.
pub(super) trait Opinion {
    type Meaning;
    fn id(&self) -> Option<&Located<String>>;
    fn compile(&self, compiler: &Compiler<'_>) -> Option<Self::Meaning>;
}

impl Opinion for RuleEntry<'_> {
    type Meaning = Rule;
    fn id(&self) -> Option<&Located<String>> {
        self.id.as_ref()
    }
    fn compile(&self, compiler: &Compiler<'_>) -> Option<Rule> {
        compiler.rule(self)
    }
}

impl Opinion for SignatureEntry<'_> {
    type Meaning = Signature;
    fn id(&self) -> Option<&Located<String>> {
        self.id.as_ref()
    }
    fn compile(&self, compiler: &Compiler<'_>) -> Option<Signature> {
        compiler.signature(self)
    }
}

/// Compiles entries in order, gives each its place, and enters its id.
fn compile_all<O: Opinion>(
    compiler: &Compiler<'_>,
    entries: &[O],
    ids: &mut HashMap<String, Check>,
    check: impl Fn(u32) -> Check,
) -> Vec<O::Meaning> {
    let mut meanings = Vec::new();
    for entry in entries {
        // More rules than that do not fit into memory.
        let place = u32::try_from(meanings.len()).unwrap_or(u32::MAX);
        if let Some(id) = entry.id() {
            enter(id, check(place), ids, compiler.findings);
        }
        meanings.extend(entry.compile(compiler));
    }
    meanings
}

fn enter(id: &Located<String>, check: Check, ids: &mut HashMap<String, Check>, findings: &Findings) {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.value.is_empty() || id.value.len() > 64 || !id.value.chars().all(sound) {
        let finding = id.place.error(format!("`{}` is no id", id.value.escape_debug()));
        findings.add(finding.with_help("letters, digits, `-`, `_` and `.`, at most 64"));
    } else if ids.insert(id.value.clone(), check).is_some() {
        findings.add(id.place.error(format!("another check has the id `{}`", id.value)));
    }
}

impl Compiler<'_> {
    fn rule(&self, entry: &RuleEntry<'_>) -> Option<Rule> {
        let on = entry.on.as_ref().and_then(|on| self.findings.check(point(on)));
        let when = match entry.when {
            None => Some(When::default()),
            Some(node) => When::compile(node, on, self.lists, self.findings),
        };
        let reply = match &entry.reply {
            Some(text) => self.refusing(text),
            None => self.default_reply(on?, entry.place),
        };
        let mode = entry.mode.unwrap_or(Mode::Enforce);
        self.until(entry.until.as_ref(), mode, "rule");
        Some(Rule {
            id: entry.id.as_ref()?.value.clone(),
            place: entry.place.clone(),
            on: on?,
            when: when?,
            action: entry.then?,
            reply: reply?,
            tarpit: self.tarpit(entry.tarpit.as_ref()),
            ban: self.ban_alone(&entry.ban),
            at_once: entry.at == Some(At::Once),
            mode,
            until: entry.until.as_ref().map(|until| (until.value, until.place.clone())),
        })
    }

    /// A refusal that comes late, but before the client has given up.
    pub(super) fn tarpit(&self, tarpit: Option<&Located<Duration>>) -> Option<Duration> {
        let tarpit = tarpit?;
        if tarpit.value.is_zero() || tarpit.value > LONGEST_TARPIT {
            let finding = tarpit.place.error("`tarpit` lies above zero, and not above one minute");
            self.findings.add(finding.with_help(
                "a client that gives up before it hears the refusal comes back (RFC 5321 4.5.3.2)",
            ));
        }
        Some(tarpit.value)
    }

    /// A reply that refuses: 4yz or 5yz.
    pub(super) fn refusing(&self, text: &Located<String>) -> Option<Reply> {
        let reply = self.reply(text)?;
        if reply.code.get() < 400 {
            let finding = text.place.error(format!("{} refuses nothing", reply.code.get()));
            self.findings.add(finding.with_help("a refusal is 4yz (come back later) or 5yz (never)"));
            return None;
        }
        Some(reply)
    }

    /// What a refused client hears if the rule does not say. A greeting that refuses is 554 (RFC 5321 3.1).
    fn default_reply(&self, on: Point, place: &Place) -> Option<Reply> {
        let text = match on {
            Point::Connect => "554 5.7.1 Not accepted from here",
            Point::Command(_) | Point::Message => "550 5.7.1 Refused by policy",
        };
        self.findings.check(Reply::from_text(text).map_err(|reason| place.error(reason)))
    }

    fn signature(&self, entry: &SignatureEntry<'_>) -> Option<Signature> {
        let on = entry.on.as_ref().and_then(|on| self.findings.check(point(on)));
        let name = entry.field.as_ref()?;
        let field = match Field::named(&name.value) {
            Named::Known(field) => field,
            Named::Later => {
                self.findings.add(not_yet(&name.place, &format!("the field `{}`", name.value)));
                return None;
            }
            Named::Unknown => {
                self.findings.add(unknown_word(&name.place, "field", &name.value, Field::names()));
                return None;
            }
        };
        if !matches!(field.kind(), Kind::Text | Kind::Domain | Kind::Mailbox) {
            self.findings
                .add(name.place.error(format!("a signature looks at text, and `{}` is none", name.value)));
            return None;
        }
        if on.is_some_and(|on| !field.known_at(on)) {
            self.findings.add(name.place.error(format!("`{}` is not known there", name.value)));
        }
        let clause = Clause::compile(field, entry.pattern?, self.lists, self.findings)?;
        self.try_samples(entry, &clause);
        Some(Signature {
            id: entry.id.as_ref()?.value.clone(),
            place: entry.place.clone(),
            on: on?,
            clause,
            reply: self.default_reply(on?, entry.place)?,
            tarpit: self.tarpit(entry.tarpit.as_ref()),
            ban: self.ban_alone(&entry.ban),
            locked: entry.locked,
        })
    }

    /// A signature proves itself at every load, or it is not loaded.
    fn try_samples(&self, entry: &SignatureEntry<'_>, clause: &Clause) {
        let fits = |sample: &Located<String>| clause.fits(Some(&sample_of(clause.field(), &sample.value)));
        for sample in entry.matches.iter().filter(|sample| !fits(sample)) {
            self.findings.add(sample.place.error("the pattern does not match this sample of `matches`"));
        }
        for sample in entry.clean.iter().filter(|sample| fits(sample)) {
            self.findings.add(sample.place.error("the pattern matches this sample of `clean`"));
        }
        if entry.matches.is_empty() || entry.clean.is_empty() {
            let message = "a signature shows what it matches and what it must not: `matches` and `clean`";
            self.findings.add(entry.place.error(message));
        }
    }

    fn exempt(
        &self,
        entry: &ExemptEntry<'_>,
        ids: &HashMap<String, Check>,
        (index, rations): (&RuleIndex, &[Ration]),
        exemptions: &mut Exemptions,
    ) {
        let when = match entry.when {
            None => Some(When::default()),
            Some(node) => When::compile(node, None, self.lists, self.findings),
        };
        for id in &entry.from {
            let Some(check) = ids.get(&id.value) else {
                let known: Vec<&str> = ids.keys().map(String::as_str).collect();
                let near = super::nearest::nearest(&id.value, known);
                let finding = id.place.error(format!("there is no check `{}`", id.value.escape_debug()));
                self.findings.add(finding.with_nearest(near));
                continue;
            };
            if let Some(reason) = never_exempt(*check, index) {
                self.findings.add(id.place.error(format!("`{}` cannot be exempted: {reason}", id.value)));
                continue;
            }
            if *check == Check::Clients && self.relays_for_all() {
                let message =
                    "`clients` cannot be exempted where `to` is \"any\": it would make an open relay";
                self.findings.add(id.place.error(message).with_help("add the network to [clients] allow"));
                continue;
            }
            self.unknown_there(entry, id, (*check, rations), index);
            if let Some(when) = &when {
                exemptions.add(*check, when.clone());
            }
        }
    }

    /// A field that its rule cannot know never fits, or always: neither was meant.
    fn unknown_there(
        &self,
        entry: &ExemptEntry<'_>,
        id: &Located<String>,
        (check, rations): (Check, &[Ration]),
        index: &RuleIndex,
    ) {
        let on = match check {
            Check::Clients | Check::SessionsPerClient => vec![Point::Connect],
            Check::Allowance(place) => {
                let ration = usize::try_from(place).ok().and_then(|place| rations.get(place));
                ration.map(|ration| ration.count.points().to_vec()).unwrap_or_default()
            }
            _ => {
                let on = index.rule(check).map(|rule| rule.on);
                on.or_else(|| index.signature(check).map(|signature| signature.on)).into_iter().collect()
            }
        };
        let Some(node) = entry.when else { return };
        for (key, place) in keys(node) {
            if let Named::Known(field) = Field::named(key)
                && on.iter().any(|on| !field.known_at(*on))
            {
                self.findings
                    .add(place.error(format!("`{key}` is not known yet when `{}` is asked", id.value)));
            }
        }
    }
}

fn never_exempt(check: Check, index: &RuleIndex) -> Option<&'static str> {
    let locked = index.signature(check).is_some_and(|signature| signature.locked);
    check.never_exempt().or_else(|| locked.then_some("this signature is locked"))
}

/// The fields of a `when`.
pub(super) fn keys(node: &Node) -> Vec<(&str, &Place)> {
    match &node.value {
        Value::Table(table) => {
            table.entries().iter().map(|entry| (entry.key.as_str(), &entry.place)).collect()
        }
        Value::List(nodes) => nodes.iter().flat_map(keys).collect(),
        _ => Vec::new(),
    }
}

/// A sample as the field would show it.
fn sample_of(field: Field, sample: &str) -> Seen<'_> {
    match (field.kind(), sample.rsplit_once('@')) {
        (Kind::Domain, _) => Seen::Domain(sample.as_bytes()),
        (Kind::Mailbox, Some((local, domain))) => {
            Seen::Mailbox(Cow::Borrowed(local.as_bytes()), Some(domain.as_bytes()))
        }
        (Kind::Mailbox, None) => Seen::Mailbox(Cow::Borrowed(sample.as_bytes()), None),
        _ => Seen::Text(Cow::Borrowed(sample.as_bytes())),
    }
}

/// What `on` names.
fn point(on: &Located<String>) -> Result<Point, Diagnostic> {
    match on.value.as_str() {
        "CONNECT" => return Ok(Point::Connect),
        "MESSAGE" => return Ok(Point::Message),
        later if LATER_POINTS.contains(&later) => {
            return Err(not_yet(&on.place, &format!("`on = \"{later}\"`")));
        }
        _ => {}
    }
    if Verb::from_wire(on.value.as_bytes()) == Verb::Unknown {
        let verbs = permittable().map(|verb| verb.facts().name);
        let known = ["CONNECT", "MESSAGE"].into_iter().chain(verbs);
        return Err(unknown_word(&on.place, "point", &on.value, known));
    }
    let verb = named_verb(on)?;
    if verb.facts().grammar == Grammar::Opaque || verb.facts().never.is_some() {
        return Err(on.place.error(format!("`{}` can never be forwarded, so no rule is asked", on.value)));
    }
    Ok(Point::Command(verb))
}
