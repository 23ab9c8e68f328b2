//! The README says what the program does: its tables are compared with the ones in the code.
//!
//! `BLESS=1 cargo test --test core readme` writes the table of violations anew.

use gatepost::event::{AuthOutcome, Ending, LinkFailure, TlsFailure};
use gatepost::policy::limits::Limit;
use gatepost::smtp::violation::{Kind, Response, Violation};
use std::fmt::Write as _;
use std::fs;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const BASE: &str = include_str!("../../rules/base.toml");

fn violations() -> String {
    let mut table = "| name | kind | reply | default | meaning |\n|---|---|---|---|---|\n".to_owned();
    for violation in Violation::ALL {
        let facts = violation.facts();
        let kind = match facts.kind {
            Kind::Framing => "framing",
            Kind::Grammar => "grammar",
            Kind::Conduct => "conduct",
            Kind::Relay => "relay",
        };
        let response = match facts.response {
            Response::Tolerate => "tolerate",
            Response::Report => "report",
            Response::Reject => "reject",
            Response::Disconnect => "disconnect",
        };
        let (name, code, enhanced, meaning) = (facts.name, facts.code, facts.enhanced, facts.meaning);
        writeln!(table, "| `{name}` | {kind} | {code} {enhanced} | {response} | {meaning} |").unwrap();
    }
    table
}

/// What base.toml says of a key in this table.
fn says(table: &str, key: &str) -> Option<&'static str> {
    let (_, behind) = BASE.split_once(&format!("\n[{table}]\n"))?;
    let mut lines = behind.lines().take_while(|line| !line.starts_with('['));
    let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
    Some(value.split('#').next()?.trim())
}

/// What stands between two marks.
fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let (_, rest) = text.split_once(from).expect("the first mark is there");
    rest.split_once(to).expect("the second mark is there").0
}

#[test]
fn the_table_of_violations_is_the_one_in_the_code() {
    let (from, to) = ("<!-- violations -->\n", "<!-- /violations -->");
    let text = fs::read_to_string(README).unwrap();
    let written = between(&text, from, to);
    if std::env::var_os("BLESS").is_some() && written != violations() {
        fs::write(README, text.replacen(&format!("{from}{written}"), &format!("{from}{}", violations()), 1))
            .unwrap();
        return;
    }
    assert_eq!(written, violations());
}

#[test]
fn the_table_of_limits_has_every_limit_with_its_default() {
    let text = fs::read_to_string(README).unwrap();
    let table = between(&text, "<!-- limits -->\n", "<!-- /limits -->");
    for limit in Limit::ALL {
        let name = limit.name();
        let default = says("limits", name).unwrap_or("nothing");
        let stressed =
            says("stress", name).map_or_else(|| "| |".to_owned(), |value| format!("| `{value}` |"));
        let fits = |line: &&str| {
            line.starts_with(&format!("| `{name}` | `{default}` |")) && line.ends_with(&stressed)
        };
        assert!(table.lines().any(|line| fits(&line)), "the README has no row for {name} = {default}");
    }
}

#[test]
fn every_metric_is_named() {
    let text = fs::read_to_string(README).unwrap();
    let mut found = 0;
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/telemetry")).unwrap() {
        let source = fs::read_to_string(entry.unwrap().path()).unwrap();
        for word in source.split('"').filter(|word| word.starts_with("gatepost_")) {
            // Labels may stand behind it.
            let name = word.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap();
            assert!(text.contains(&format!("`{name}`")), "the README does not name {name}");
            found += 1;
        }
    }
    assert!(found > 30, "{found}");
}

#[test]
fn every_word_of_the_log_is_named() {
    let text = fs::read_to_string(README).unwrap();
    let section = between(&text, "\n## Log and metrics\n", "\n## ");
    let words = Ending::ALL.map(Ending::name).into_iter().chain(TlsFailure::ALL.map(TlsFailure::name));
    let words = words.chain(LinkFailure::ALL.map(LinkFailure::name));
    let words = words.chain(AuthOutcome::ALL.map(AuthOutcome::name));
    let first = ["verdict", "observed", "session", "auth", "tls", "link"];
    for word in words.chain(first) {
        assert!(section.contains(&format!("`{word}`")), "the README does not name {word}");
    }
}
