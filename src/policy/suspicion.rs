//! Warnings: what is no error and yet hardly meant.

use super::compile::Compiler;
use super::condition::Point;
use super::effective::Inline;
use super::file::RuleEntry;
use super::rule::{Rule, RuleIndex};
use super::{Expectation, Mode};
use std::collections::{HashMap, HashSet};

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
