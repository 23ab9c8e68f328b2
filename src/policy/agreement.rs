//! `[verbs]` and `[extensions]`, and whether they agree with each other, with `[tls]` and with `[auth]`: what is offered
//! must be usable, or clients that believe the offer lose mail.

use super::auth::AuthPolicy;
use super::compile::Compiler;
use super::document::{not_yet, unknown_word};
use super::file::VerbEntry;
use super::source::{Diagnostic, Findings, Located};
use super::tls::StartTls;
use super::{Mode, Policy, VerbRule};
use crate::smtp::extension::{Extension, Extensions, Giver};
use crate::smtp::parameter::{Keyword, Keywords, Parameter};
use crate::smtp::verb::{Grammar, Verb};

/// Verbs of later versions.
const LATER_VERBS: &[Verb] = &[Verb::Atrn];
/// Extensions of later versions: no client is offered them, in no mode. FUTURERELEASE is for submission alone (RFC 4865
/// 4.2), MT-PRIORITY for peers that are trusted (RFC 6710 4.1).
pub const LATER_EXTENSIONS: &[Extension] =
    &[Extension::Atrn, Extension::FutureRelease, Extension::MtPriority];

/// The verb that an entry of `[verbs]` names, if it may be named.
pub(super) fn verb(entry: &VerbEntry, findings: &Findings) -> Option<Verb> {
    findings.check(named_verb(&entry.name)).filter(|verb| may_be_listed(*verb, entry, findings))
}

/// A verb by its name, as operators write it.
pub(super) fn named_verb(name: &Located<String>) -> Result<Verb, Diagnostic> {
    match Verb::from_wire(name.value.as_bytes()) {
        Verb::Unknown => {
            Err(unknown_word(&name.place, "verb", &name.value, permittable().map(|verb| verb.facts().name)))
        }
        verb if verb.facts().name != name.value => {
            let finding = name.place.error(format!("verbs are written in capitals: `{}`", verb.facts().name));
            Err(finding)
        }
        verb => Ok(verb),
    }
}

/// The verbs that a rule file can permit.
pub(super) fn permittable() -> impl Iterator<Item = Verb> + Clone {
    let possible = |verb: &Verb| verb.facts().never.is_none() && verb.facts().grammar != Grammar::Opaque;
    Verb::ALL.iter().copied().filter(possible)
}

fn may_be_listed(verb: Verb, entry: &VerbEntry, findings: &Findings) -> bool {
    let (facts, place) = (verb.facts(), &entry.name.place);
    if LATER_VERBS.contains(&verb) {
        findings.add(not_yet(place, &format!("the verb `{}`", facts.name)));
    } else if let Some(reason) = facts.never {
        findings.add(place.error(format!("`{}` can never be permitted: {reason}", facts.name)));
    } else if facts.grammar == Grammar::Opaque {
        let message = format!("`{}` can never be permitted: its grammar is not known here", facts.name);
        findings.add(place.error(message).with_help("what cannot be parsed cannot be judged"));
    } else {
        return true;
    }
    false
}

/// The parameter that a keyword alone stands for.
fn parameter(keyword: Keyword) -> Parameter<'static> {
    Parameter { keyword: Some(keyword), name: keyword.name().as_bytes(), value: None }
}

impl Compiler<'_> {
    /// `[extensions] offer`
    pub(super) fn offer(&self) -> Extensions {
        let read = |written: &Located<String>| self.findings.check(extension(written));
        let offer: Extensions = self.file.offer.iter().filter_map(read).collect();
        // A word against it goes before all that a parent offers; the warning says so.
        let withheld = self.tls.starttls == StartTls::Withhold;
        if withheld { offer.without(Extension::StartTls) } else { offer }
    }

    /// The parameters that `[verbs]` lists, of whichever verb.
    pub(super) fn parameters(&self) -> Keywords {
        let of_entry = |entry: &VerbEntry| {
            let verb = Verb::from_wire(entry.name.value.as_bytes());
            let read = |written: &Located<String>| self.findings.check(keyword(written, verb));
            entry.parameters.iter().filter_map(read).collect::<Vec<_>>()
        };
        self.file.verbs.iter().flat_map(of_entry).collect()
    }

    fn place_of_offer(&self, extension: Extension) -> Option<&Located<String>> {
        let keyword = extension.facts().keyword;
        self.file.offer.iter().find(|written| written.value == keyword)
    }
}

fn extension(written: &Located<String>) -> Result<Extension, Diagnostic> {
    let known = || Extension::ALL.iter().map(|extension| extension.facts().keyword);
    let extension = Extension::from_keyword(written.value.as_bytes())
        .ok_or_else(|| unknown_word(&written.place, "extension", &written.value, known()))?;
    let keyword = extension.facts().keyword;
    if LATER_EXTENSIONS.contains(&extension) {
        return Err(not_yet(&written.place, &format!("the extension `{keyword}`")));
    }
    if let Giver::Nobody(reason) = extension.facts().giver {
        return Err(written.place.error(format!("`{keyword}` is never offered: {reason}")));
    }
    if keyword != written.value {
        return Err(written.place.error(format!("extensions are written in capitals: `{keyword}`")));
    }
    Ok(extension)
}

fn keyword(written: &Located<String>, verb: Verb) -> Result<Keyword, Diagnostic> {
    let of_verb =
        || Keyword::ALL.iter().filter(move |keyword| keyword.verb() == verb).map(|keyword| keyword.name());
    let what = format!("parameter of {}", verb.facts().name);
    match Keyword::from_wire(written.value.as_bytes()) {
        Some(keyword) if keyword.verb() != verb => {
            let message = format!("`{}` is a parameter of {}", keyword.name(), keyword.verb().facts().name);
            Err(written.place.error(message))
        }
        Some(keyword) => Ok(keyword),
        None => Err(unknown_word(&written.place, &what, &written.value, of_verb())),
    }
}

/// What a client may be offered, as far as the rule file alone decides it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offerable {
    /// If the relay offers it.
    relayed: Extensions,
    /// In any case.
    given: Extensions,
}

impl Offerable {
    /// In monitor mode what the relay offers is not held back.
    pub(super) fn new(mode: Mode, offer: Extensions, verbs: &[Option<VerbRule>]) -> Self {
        let monitors = mode == Mode::Monitor;
        let listed = |verb: &Verb| matches!(verbs.get(verb.index()), Some(Some(_)));
        let spoken = |extension: &Extension| monitors || extension.facts().verbs.iter().all(listed);
        let by = |gives: fn(Giver) -> bool| {
            let ready = Extension::ALL.iter().copied().filter(|it| !LATER_EXTENSIONS.contains(it));
            ready.filter(move |it| gives(it.facts().giver)).filter(spoken)
        };
        Self {
            relayed: by(|giver| giver == Giver::Relay).filter(|it| monitors || offer.contains(*it)).collect(),
            given: by(|giver| matches!(giver, Giver::Gate | Giver::Both))
                .collect::<Extensions>()
                .intersection(offer),
        }
    }
}

impl Policy {
    /// What a client may be offered where the relay offers this. (Some of it not without TLS, some not in TLS: that is
    /// for the session to say.)
    pub fn offerable(&self, relay: Extensions) -> Extensions {
        relay.intersection(self.offerable.relayed).union(self.offerable.given)
    }
}

/// Whether verbs, extensions and parameters agree.
pub(super) fn check(compiler: &Compiler<'_>, offer: Extensions, parameters: Keywords) {
    starttls(compiler, offer);
    auth(compiler, offer);
    for extension in offer.iter() {
        let Some(written) = compiler.place_of_offer(extension) else { continue };
        offered(compiler, extension, offer, written);
        let missing = |keyword: &&Keyword| needs(**keyword, extension) && !parameters.contains(**keyword);
        for keyword in Keyword::ALL.iter().filter(missing) {
            let verb = keyword.verb().facts().name;
            let message =
                format!("`{}` is offered, but its parameter {} is refused", written.value, keyword.name());
            let help = format!("add \"{}\" to the parameters of {verb} in [verbs]", keyword.name());
            compiler.findings.add(written.place.error(message).with_help(help));
        }
    }
    for written in compiler.file.verbs.iter().flat_map(|entry| &entry.parameters) {
        let Some(keyword) = Keyword::from_wire(written.value.as_bytes()) else { continue };
        let usable =
            Extension::ALL.iter().any(|extension| needs(keyword, *extension) && offer.contains(*extension));
        if !usable {
            let wanted = parameter(keyword).needs().map_or("", |extension| extension.facts().keyword);
            let message = format!("`{}` is listed, but its extension is not offered", keyword.name());
            let help = format!("add \"{wanted}\" to [extensions] offer, or remove the parameter");
            compiler.findings.add(written.place.warning(message).with_help(help));
        }
    }
}

/// Whether an extension brings a parameter. BODY belongs to two.
fn needs(keyword: Keyword, extension: Extension) -> bool {
    parameter(keyword).needs() == Some(extension)
        || (keyword == Keyword::Body && extension == Extension::BinaryMime)
}

/// Whether STARTTLS is offered where `[tls]` counts on it.
fn starttls(compiler: &Compiler<'_>, offer: Extensions) {
    let Some(written) = &compiler.file.tls.starttls else { return };
    if written.value == StartTls::Passthrough && !offer.contains(Extension::StartTls) {
        let finding = written.place.error("nothing passes through: `STARTTLS` is not in [extensions] offer");
        let help = "add \"STARTTLS\" to offer, and `STARTTLS = {}` to [verbs]";
        compiler.findings.add(finding.with_help(help));
    }
}

/// Whether AUTH is offered where `[auth]` counts on it, and nowhere else.
fn auth(compiler: &Compiler<'_>, offer: Extensions) {
    // A word that is none was reported.
    let Some(policy) = &compiler.file.auth.policy else { return };
    let refused = policy.value == AuthPolicy::Refuse;
    let offered = compiler.place_of_offer(Extension::Auth);
    let listed = compiler.file.verbs.iter().find(|entry| entry.name.value == Verb::Auth.facts().name);
    // What is answered here needs no permission to pass.
    let listed = listed.filter(|entry| entry.reply.is_none()).map(|entry| &entry.name);
    let help = "set `policy` in [auth] to \"optional\" or \"required\", or remove it here";
    for (written, table) in [(offered, "offered"), (listed, "in [verbs]")] {
        if let Some(written) = written.filter(|_| refused) {
            let message = format!("`AUTH` is {table}, but [auth] refuses it");
            compiler.findings.add(written.place.error(message).with_help(help));
        }
    }
    if !refused && !offer.contains(Extension::Auth) {
        let finding = policy.place.error("nobody could authenticate: `AUTH` is not in [extensions] offer");
        let help = "add \"AUTH\" to offer, `AUTH = {}` to [verbs], and \"AUTH\" to the parameters of MAIL";
        compiler.findings.add(finding.with_help(help));
    }
}

fn offered(compiler: &Compiler<'_>, extension: Extension, offer: Extensions, written: &Located<String>) {
    let listed = |verb: Verb| compiler.file.verbs.iter().any(|entry| entry.name.value == verb.facts().name);
    let facts = extension.facts();
    for verb in facts.verbs.iter().filter(|verb| !listed(**verb)) {
        let name = verb.facts().name;
        let finding =
            written.place.error(format!("`{}` is offered, but {name} is not in [verbs]", written.value));
        compiler
            .findings
            .add(finding.with_help(format!("add `{name} = {{}}` to [verbs], or do not offer it")));
    }
    if let Some(other) = facts.needs.filter(|other| !offer.contains(*other)) {
        let keyword = other.facts().keyword;
        let finding = written.place.error(format!("`{}` is offered without `{keyword}`", written.value));
        compiler
            .findings
            .add(finding.with_help(format!("{} demands it; add \"{keyword}\" to offer", facts.section)));
    }
}
