//! Warnings: what is no error and yet hardly meant.

use super::compile::Compiler;
use super::condition::Point;
use super::effective::Inline;
use super::file::RuleEntry;
use super::rule::{Rule, RuleIndex};
use super::{Expectation, Mode};
use std::collections::HashSet;

/// Looks at rules one by one and against each other.
pub(super) fn check(compiler: &Compiler<'_>, index: &RuleIndex, expectations: &[Expectation]) {
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
    unproved(compiler, index, expectations);
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
    let written = |id: &str| {
        let has_id = |entry: &&RuleEntry<'_>| entry.id.as_ref().is_some_and(|known| known.value == id);
        compiler
            .file
            .rules
            .iter()
            .find(has_id)
            .and_then(|entry| entry.when)
            .map(|when| Inline(when).to_string())
    };
    let mut deciding: Vec<(&Rule, Option<String>)> = Vec::new();
    let mut conditions = HashSet::new();
    for rule in index.rules() {
        let condition = written(&rule.id);
        let before = deciding.iter().find(|(earlier, known)| {
            earlier.on == rule.on && (earlier.when.is_always() || *known == condition)
        });
        if let Some((earlier, _)) = before {
            warn(compiler, rule, &format!("is hidden by `{}` ({})", earlier.id, earlier.place), None);
        } else if rule.mode == Mode::Enforce && conditions.insert((rule.on, condition.clone())) {
            deciding.push((rule, condition));
        }
    }
}

/// Enforced rules that no expectation names: said once for the file.
fn unproved(compiler: &Compiler<'_>, index: &RuleIndex, expectations: &[Expectation]) {
    let named: HashSet<&str> = expectations.iter().filter_map(|known| known.rule.as_deref()).collect();
    let unproved: Vec<&Rule> = index
        .rules()
        .iter()
        .filter(|rule| rule.mode == Mode::Enforce && !named.contains(rule.id.as_str()))
        .collect();
    let Some(first) = unproved.first() else { return };
    let ids: Vec<_> = unproved.iter().map(|rule| format!("`{}`", rule.id)).collect();
    let message = match ids.as_slice() {
        [one] => format!("rule {one} has no [[expect]] that names it"),
        several => {
            format!("{} rules have no [[expect]] that names them: {}", several.len(), several.join(", "))
        }
    };
    compiler.findings.add(
        first.place.warning(message).with_help("an [[expect]] with `rule = \"...\"` proves what it does"),
    );
}
