//! `[auth]` as it is written, and what it means.

use super::{AccountSenders, Accounts, AuthPolicy, AuthRules, Backend, Senders};
use crate::policy::document::{Section, Word, expected, unknown_word};
use crate::policy::source::{Diagnostic, Findings, Located, Reader, Source};
use crate::policy::tree::Value;
use crate::smtp::mechanism::{Account, Mechanism};
use std::sync::Arc;

/// Fewer failures than that, and a client may not even mistype (RFC 4954 9).
const FEWEST_ATTEMPTS: u32 = 3;

/// The mechanisms that a file of hashes can answer: they bring the password itself.
const BY_HASH: &[Mechanism] = &[Mechanism::Plain, Mechanism::Login];

impl Word for AuthPolicy {
    const WORDS: &'static [(&'static str, AuthPolicy)] = &[
        ("refuse", AuthPolicy::Refuse),
        ("optional", AuthPolicy::Optional),
        ("required", AuthPolicy::Required),
    ];
}

/// A word, or a file.
#[derive(Debug)]
enum OrFile<W> {
    Word(W),
    File(Located<String>),
}

#[derive(Clone, Copy, Debug)]
struct FromRelay;

impl Word for FromRelay {
    const WORDS: &'static [(&'static str, FromRelay)] = &[("relay", FromRelay)];
}

#[derive(Clone, Copy, Debug)]
enum Whose {
    Any,
    Domain,
}

impl Word for Whose {
    const WORDS: &'static [(&'static str, Whose)] = &[("any", Whose::Any), ("domain", Whose::Domain)];
}

fn or_file<W: Word>(section: &Section<'_>, key: &str) -> Option<Located<OrFile<W>>> {
    let node = section.node(key)?;
    let findings = section.findings();
    let word = |text: &str| W::WORDS.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
    let value = match &node.value {
        Value::Table(table) => {
            let inner = Section::new(format!("auth.{key}"), table, &node.place, findings);
            OrFile::File(inner.require::<Located<String>>("file")?.value)
        }
        Value::Text(text) if word(text).is_some() => OrFile::Word(word(text)?),
        _ => {
            let words: Vec<_> = W::WORDS.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            findings.add(expected(node, &format!("{} or {{ file = \"...\" }}", words.join(", "))));
            return None;
        }
    };
    Some(Located { value, place: node.place.clone() })
}

/// `[auth]` as it is written.
#[derive(Debug, Default)]
pub(in crate::policy) struct AuthTable {
    pub(in crate::policy) policy: Option<Located<AuthPolicy>>,
    pub(in crate::policy) mechanisms: Option<Located<Vec<Located<String>>>>,
    backend: Option<Located<OrFile<FromRelay>>>,
    attempts: Option<Located<u32>>,
    senders: Option<Located<OrFile<Whose>>>,
}

impl AuthTable {
    pub(in crate::policy) fn read(section: &Section<'_>) -> AuthTable {
        AuthTable {
            policy: section.take("policy"),
            mechanisms: section.take("mechanisms"),
            backend: or_file(section, "backend"),
            attempts: section.take("attempts"),
            senders: or_file(section, "senders"),
        }
    }

    /// What it means, the files that it names read. What is wrong is reported, and left out.
    pub(in crate::policy) fn compile(&self, read: &mut Reader<'_>, findings: &Findings) -> AuthRules {
        let rules = AuthRules {
            policy: self.policy.as_ref().map(|policy| policy.value).unwrap_or_default(),
            mechanisms: self.compile_mechanisms(findings),
            backend: self.compile_backend(read, findings),
            attempts: self.compile_attempts(findings),
            senders: self.compile_senders(read, findings),
        };
        self.agree(&rules, findings);
        rules
    }

    fn compile_mechanisms(&self, findings: &Findings) -> Vec<Mechanism> {
        let mut mechanisms = Vec::new();
        for written in self.mechanisms.iter().flat_map(|written| &written.value) {
            match findings.check(mechanism(written)) {
                Some(known) if mechanisms.contains(&known) => {
                    findings.add(written.place.error(format!("`{}` is listed twice", written.value)));
                }
                known => mechanisms.extend(known),
            }
        }
        mechanisms
    }

    fn compile_backend(&self, read: &mut Reader<'_>, findings: &Findings) -> Backend {
        let Some(Located { value: OrFile::File(file), .. }) = &self.backend else { return Backend::Relay };
        let Some((path, text)) = open(file, "the accounts", read, findings) else { return Backend::Relay };
        let accounts = Accounts::read(&path, &text, findings);
        if accounts.is_empty() {
            let finding = file.place.error(format!("{path} has no account, so nobody could authenticate"));
            findings.add(finding.with_help("`gatepost passwd` adds one"));
        }
        Backend::File(Arc::new(accounts))
    }

    fn compile_attempts(&self, findings: &Findings) -> u32 {
        let Some(attempts) = &self.attempts else { return FEWEST_ATTEMPTS };
        if attempts.value == 0 {
            findings.add(attempts.place.error("`attempts` of zero lets nobody authenticate"));
        } else if attempts.value < FEWEST_ATTEMPTS {
            let message = format!("`attempts` is less than the {FEWEST_ATTEMPTS} that the RFC asks for");
            findings.add(attempts.place.warning(message).with_help("see RFC 4954 9"));
        }
        attempts.value
    }

    fn compile_senders(&self, read: &mut Reader<'_>, findings: &Findings) -> Senders {
        let file = match self.senders.as_ref().map(|senders| &senders.value) {
            None | Some(OrFile::Word(Whose::Any)) => return Senders::Any,
            Some(OrFile::Word(Whose::Domain)) => return Senders::Domain,
            Some(OrFile::File(file)) => file,
        };
        let Some((path, text)) = open(file, "the senders", read, findings) else { return Senders::Domain };
        let listed = AccountSenders::read(&Source::new(path.clone(), text), findings);
        if listed.is_empty() {
            let message = format!("{path} names no account, so nobody could send");
            findings.add(
                file.place.error(message).with_help("a line an account: anna anna@example.com @example.net"),
            );
        }
        Senders::Listed(listed)
    }

    /// What cannot work together.
    fn agree(&self, rules: &AuthRules, findings: &Findings) {
        if let Some(written) = &self.mechanisms
            && written.value.is_empty()
            && rules.policy != AuthPolicy::Refuse
        {
            findings.add(written.place.error("`mechanisms` names none, so nobody could authenticate"));
        }
        let by_hash = matches!(rules.backend, Backend::File(_));
        let bound = !matches!(rules.senders, Senders::Any);
        for written in self.mechanisms.iter().flat_map(|written| &written.value) {
            let Some(known) = Mechanism::from_wire(written.value.as_bytes()) else { continue };
            if by_hash && known.facts().never.is_none() && !BY_HASH.contains(&known) {
                let message = format!("a file of hashes cannot answer `{}`", written.value);
                findings.add(written.place.error(message).with_help("it knows \"PLAIN\" and \"LOGIN\""));
            } else if bound && known.facts().never.is_none() && known.facts().account == Account::Hidden {
                let message =
                    format!("`{}` does not show the account, so `senders` could not bind it", written.value);
                findings.add(written.place.error(message).with_help("remove it, or set senders = \"any\""));
            }
        }
        if let Some(senders) = self.senders.as_ref().filter(|_| bound && rules.policy == AuthPolicy::Refuse) {
            let finding = senders.place.warning("`senders` means nothing where nobody authenticates");
            findings.add(finding.with_help("`policy` is \"refuse\""));
        }
    }
}

/// A mechanism by its name, as operators write it.
fn mechanism(written: &Located<String>) -> Result<Mechanism, Diagnostic> {
    let known = Mechanism::passing().map(|mechanism| mechanism.facts().name);
    let mechanism = Mechanism::from_wire(written.value.as_bytes())
        .ok_or_else(|| unknown_word(&written.place, "mechanism", &written.value, known))?;
    let facts = mechanism.facts();
    if let Some(reason) = facts.never {
        return Err(written.place.error(format!("`{}` is never offered: {reason}", facts.name)));
    }
    if facts.name != written.value {
        return Err(written.place.error(format!("mechanisms are written in capitals: `{}`", facts.name)));
    }
    Ok(mechanism)
}

/// Reads a file that stands beside the one that names it.
fn open(
    file: &Located<String>,
    what: &str,
    read: &mut Reader<'_>,
    findings: &Findings,
) -> Option<(String, String)> {
    let path = file.place.source().beside(&file.value);
    let text = read(&path).map_err(|reason| file.place.error(format!("cannot read {what} {path}: {reason}")));
    findings.check(text).map(|text| (path, text))
}
