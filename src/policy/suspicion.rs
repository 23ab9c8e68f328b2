//! Warnings: what is no error and yet hardly meant.

use super::allowance::Allowance;
use super::auth::AuthPolicy;
use super::compile::Compiler;
use super::condition::Point;
use super::count::Count;
use super::effective::Inline;
use super::file::RuleEntry;
use super::ration::Ration;
use super::rule::{Rule, RuleIndex};
use super::tls::StartTls;
use super::{Expectation, Mode};
use crate::smtp::extension::{Extension, Extensions};
use crate::smtp::verb::Verb;
use std::collections::{HashMap, HashSet};

/// Looks at what passes in clear, or unseen.
pub(super) fn of_secrecy(compiler: &Compiler<'_>, offer: Extensions) {
    starttls(compiler);
    no_way_to_tls(compiler, offer);
    auth_in_clear(compiler, offer);
    public_mx(compiler);
}

fn starttls(compiler: &Compiler<'_>) {
    let Some(written) = &compiler.file.tls.starttls else { return };
    let (message, help) = match written.value {
        StartTls::Inspect => return,
        StartTls::Passthrough => (
            "what follows STARTTLS is not inspected",
            "no rule sees it and no limit holds in it; it is counted and shown as uninspected",
        ),
        StartTls::Withhold => (
            "STARTTLS is withheld, whatever `offer` says: mail comes in clear",
            "set starttls = \"inspect\"; without a certificate the gate makes one of its own",
        ),
    };
    compiler.findings.add(written.place.warning(message).with_help(help));
}

/// What waits for TLS waits for ever, unless TLS is there from the first octet on.
fn no_way_to_tls(compiler: &Compiler<'_>, offer: Extensions) {
    let Some(written) = &compiler.file.tls.require_for else { return };
    if !compiler.tls.require_for.is_empty() && !offer.contains(Extension::StartTls) {
        let finding = written.place.warning("TLS is required, but STARTTLS is not offered");
        let help =
            "add \"STARTTLS\" to offer; without it only a listener with tls = \"implicit\" gets any mail";
        compiler.findings.add(finding.with_help(help));
    }
}

/// A mechanism that shows no password is offered before TLS, too, unless AUTH waits for it.
fn auth_in_clear(compiler: &Compiler<'_>, offer: Extensions) {
    let waits = compiler.tls.require_for.contains(&Verb::Auth);
    let open = compiler.auth.mechanisms.iter().find(|mechanism| !mechanism.facts().clear);
    if let (false, Some(mechanism), Some(written)) = (waits, open, &compiler.file.auth.mechanisms)
        && compiler.auth.policy != AuthPolicy::Refuse
        && offer.contains(Extension::Auth)
    {
        let message = format!("`{}` is offered before TLS, too", mechanism.facts().name);
        let help = "who listens can guess passwords from it; add \"AUTH\" to `require_for` in [tls]";
        compiler.findings.add(written.place.warning(message).with_help(help));
    }
}

/// RFC 3207 4: a server that the whole Internet sends to must not require TLS.
fn public_mx(compiler: &Compiler<'_>) {
    let file = compiler.file;
    let public = !compiler.relays_for_all()
        && file.clients.allow.is_none()
        && compiler.auth.policy != AuthPolicy::Required;
    let passes = compiler.tls.starttls == StartTls::Passthrough;
    if let Some(written) = file.tls.require_for.as_ref().filter(|_| public && !passes)
        && compiler.tls.require_for.contains(&Verb::Mail)
    {
        let finding =
            written.place.warning("senders without TLS cannot send here, and everybody may connect");
        let help = "a public MX must not require it (RFC 3207 4); name partners in [clients] allow";
        compiler.findings.add(finding.with_help(help));
    }
}

/// Looks at rules one by one and against each other.
pub(super) fn check(
    compiler: &Compiler<'_>,
    index: &RuleIndex,
    rations: (&[Allowance], &[Ration]),
    expectations: &[Expectation],
) {
    of_rations(compiler, rations.1);
    for rule in index.rules() {
        if let Some(reason) = rule.when.never() {
            warn(compiler, rule, &format!("can never match: {reason}"), None);
        }
        if rule.when.is_null_alone() && rule.mode == Mode::Enforce {
            let help = "bounces have no sender, and must be accepted (RFC 5321 4.5.5)";
            warn(compiler, rule, "refuses the null reverse-path outright", Some(help));
        }
        if let Point::Command(verb) = rule.on
            && !compiler.file.verbs.iter().any(|entry| entry.name.value == verb.facts().name)
        {
            let help = "what is not in [verbs] is refused before any rule is asked";
            warn(
                compiler,
                rule,
                &format!("is asked at {}, which is not in [verbs]", verb.facts().name),
                Some(help),
            );
        }
    }
    hidden(compiler, index);
    unproved(compiler, index, rations, expectations);
}

/// Looks at limits: those that never count anything.
fn of_rations(compiler: &Compiler<'_>, rations: &[Ration]) {
    let listed = |verb: Verb| compiler.file.verbs.iter().any(|entry| entry.name.value == verb.facts().name);
    for ration in rations {
        if let Some(reason) = ration.when.never() {
            let message = format!("this limit counts nothing: its `when` can never match, {reason}");
            compiler.findings.add(ration.place.warning(message));
        }
        if let Count::Commands(Some(verb)) | Count::Replies(verb, _) = ration.count
            && !listed(verb)
        {
            let message =
                format!("`{}` counts nothing: {} is not in [verbs]", ration.count, verb.facts().name);
            compiler.findings.add(ration.place.warning(message));
        }
    }
}

fn warn(compiler: &Compiler<'_>, rule: &Rule, what: &str, help: Option<&str>) {
    let finding = rule.place.warning(format!("rule `{}` {what}", rule.id));
    compiler.findings.add(match help {
        Some(help) => finding.with_help(help),
        None => finding,
    });
}

/// Rules behind one that always decides before them.
fn hidden(compiler: &Compiler<'_>, index: &RuleIndex) {
    let written = |entry: &RuleEntry<'_>| {
        let id = entry.id.as_ref().map(|id| id.value.clone())?;
        Some((id, Inline(entry.when?).to_string()))
    };
    let conditions: HashMap<String, String> = compiler.file.rules.iter().filter_map(written).collect();
    // By condition; none is one that always holds.
    let mut deciding: HashMap<(Point, Option<&String>), &Rule> = HashMap::new();
    for rule in index.rules() {
        let condition = conditions.get(&rule.id).filter(|_| !rule.when.is_always());
        let before = deciding.get(&(rule.on, condition)).or_else(|| deciding.get(&(rule.on, None)));
        if let Some(earlier) = before {
            warn(compiler, rule, &format!("is hidden by `{}` ({})", earlier.id, earlier.place), None);
        } else if rule.mode == Mode::Enforce {
            deciding.insert((rule.on, condition), rule);
        }
    }
}

/// Enforced rules and limits that no expectation names: said once for the file.
fn unproved(
    compiler: &Compiler<'_>,
    index: &RuleIndex,
    (allowances, rations): (&[Allowance], &[Ration]),
    expectations: &[Expectation],
) {
    let named: HashSet<&str> = expectations.iter().filter_map(|known| known.rule.as_deref()).collect();
    let rules = index.rules().iter().map(|rule| (&rule.id, &rule.place, rule.mode));
    let limits = allowances.iter().zip(rations);
    let limits = limits.map(|(known, ration)| (&known.id, &ration.place, ration.mode));
    for (what, known) in [("rule", rules.collect::<Vec<_>>()), ("limit", limits.collect())] {
        let unproved = known.iter().filter(|(id, place, mode)| {
            *mode == Mode::Enforce && compiler.is_own(place) && !named.contains(id.as_str())
        });
        let unproved: Vec<_> = unproved.map(|(id, place, _)| (format!("`{id}`"), place)).collect();
        let Some((_, first)) = unproved.first() else { continue };
        let ids: Vec<_> = unproved.iter().map(|(id, _)| id.as_str()).collect();
        let message = match ids.as_slice() {
            [one] => format!("{what} {one} has no [[expect]] that names it"),
            several => {
                let (number, ids) = (several.len(), several.join(", "));
                format!("{number} {what}s have no [[expect]] that names them: {ids}")
            }
        };
        let help = "an [[expect]] with `rule = \"...\"` proves what it does";
        compiler.findings.add(first.warning(message).with_help(help));
    }
}
