//! The profiles that are part of the program, and the signatures that they include.

use gatepost::event::{Event, Force};
use gatepost::policy::Policy;
use gatepost::policy::compile::{Compiled, built_in, compile, inherited};
use gatepost::policy::source::Severity;
use gatepost::replay::{Allowances, Cuts, Outcome, Player, Scene};
use std::collections::HashSet;
use std::sync::Arc;

const SIGNATURES: &str = include_str!("../../rules/signatures.toml");

/// All of atext but letters and digits (RFC 5322 3.2.3).
const ATEXT: &str = "!#$%&'*+-/=?^_`{|}~";

/// Compiles what is built in, without a disk.
fn compiled(name: &str) -> Compiled {
    compile(name, &mut |path| Err(format!("there is no {path}")))
}

fn policy(name: &str) -> Arc<Policy> {
    compiled(name).policy.map(Arc::new).expect(name)
}

#[test]
fn every_profile_keeps_its_promises() {
    let names: Vec<_> = built_in().collect();
    assert_eq!(names, ["inbound", "outbound", "submission", "hybrid", "legacy"]);
    for name in names {
        for outcome in gatepost::replay::expectations(&policy(name)) {
            assert!(outcome.failure.is_none(), "{name}: {outcome:?}");
        }
    }
}

#[test]
fn what_warns_was_asked_for() {
    for name in built_in() {
        let warnings: Vec<_> =
            compiled(name).diagnostics.into_iter().map(|it| (it.severity, it.message)).collect();
        let wanted = match name {
            "hybrid" => vec![(Severity::Warning, "what follows STARTTLS is not inspected".to_owned())],
            _ => Vec::new(),
        };
        assert_eq!(warnings, wanted, "{name}");
    }
}

#[test]
fn an_effective_profile_is_a_profile_again() {
    let values = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.rsplit_once("  # ").map_or(line, |(value, _)| value).trim_end().to_owned())
            .filter(|line| !(line.is_empty() || line.starts_with("# ")))
            .collect()
    };
    for name in built_in() {
        let first = compiled(name);
        let again = compile("t.toml", &mut |path| match path {
            "t.toml" => Ok(first.effective.clone()),
            other => Err(format!("there is no {other}")),
        });
        assert!(again.policy.is_some(), "{name}: {:?}", again.diagnostics);
        assert!(values(&first.effective) == values(&again.effective), "{name}");
    }
}

#[test]
fn a_signature_names_its_attack_and_takes_no_mailbox() {
    let fragment: toml::Table = SIGNATURES.parse().unwrap();
    let mut attacks = HashSet::new();
    for signature in fragment["signature"].as_array().unwrap() {
        let id = signature["id"].as_str().unwrap();
        let mut parts = id.split('-');
        assert_eq!(parts.next(), Some("CVE"), "{id}");
        attacks.insert((parts.next().unwrap(), parts.next().unwrap()));
        let clean = signature["clean"].as_array().unwrap();
        let clean: String = clean.iter().map(|sample| sample.as_str().unwrap()).collect();
        // In xtext an equals sign is never bare.
        let xtext = signature["field"].as_str().unwrap().starts_with("parameter.");
        let missing: String = ATEXT.chars().filter(|c| !(clean.contains(*c) || xtext && *c == '=')).collect();
        assert_eq!(missing, "", "{id}");
        assert!(
            clean.contains(|c: char| c.is_ascii_alphabetic()) && clean.contains(|c: char| c.is_ascii_digit())
        );
    }
    assert!(attacks.len() >= 15, "{attacks:?}");
}

#[test]
fn a_file_beside_goes_before_the_fragment_that_is_built_in() {
    let own = "[[rule]]\nid = \"mine\"\non = \"MAIL\"\nthen = \"reject\"\nmode = \"monitor\"\n";
    let compiled = compile("rules/t.toml", &mut |path| match path {
        "rules/t.toml" => Ok("profile = \"t\"\nextends = \"base\"\ninclude = [\"signatures.toml\"]\n\
             [relay]\nto = \"example.com\"\n"
            .to_owned()),
        "rules/signatures.toml" => Ok(own.to_owned()),
        other => Err(format!("there is no {other}")),
    });
    assert_eq!(compiled.policy.map(|policy| policy.rules()), Some(1), "{:?}", compiled.diagnostics);
}

#[test]
fn who_extends_a_built_in_profile_keeps_its_promises_among_its_lists() {
    let child = "profile = \"mine\"\nextends = \"inbound\"\n[lists]\nlocal_domains = [\"mine.test\"]\n\
                 partners_add = [\"192.0.2.1\"]\nmore = [\"more.test\"]\n";
    let played = |path: &str, text: &str| {
        let mut read = |path: &str| match path {
            "mine.toml" => Ok(format!("{child}{text}")),
            "yours.toml" => Ok("profile = \"yours\"\nextends = \"mine\"\n".to_owned()),
            other => Err(format!("there is no {other}")),
        };
        let (own, inherited) = (compile(path, &mut read), inherited(path, &mut read));
        let play = |compiled: Compiled| {
            assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
            gatepost::replay::expectations(&compiled.policy.map(Arc::new).expect(path))
        };
        (play(own), play(inherited.expect("promises of inbound")))
    };
    let failed = |outcomes: &[Outcome]| outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    let promises = gatepost::replay::expectations(&policy("inbound")).len();
    for path in ["mine.toml", "yours.toml"] {
        let (own, kept) = played(path, "");
        assert_eq!((own.len(), kept.len(), failed(&kept)), (0, promises, 0), "{kept:?}");
    }
    let own = "[[expect]]\nname = \"it greets\"\ndialogue = \"C< 220*\"\n";
    // Those of a parent of one's own are one's own.
    assert_eq!(played("yours.toml", own).0.len(), 1);
    // What a child breaks of them is found out, but for its lists.
    let (_, broken) = played("mine.toml", "[verbs]\nEXPN = {}\n");
    assert_eq!(failed(&broken), 1, "{broken:?}");
    let off = "[[expect]]\nname = \"verbs that are not listed are refused\"\noff = true\n";
    let (_, kept) = played("mine.toml", &format!("[verbs]\nEXPN = {{}}\n{off}"));
    assert!(kept.len() < promises && failed(&kept) == 0, "{kept:?}");
    assert!(inherited("inbound", &mut |_| Err(String::new())).is_none());
}

/// Who decided, and whether it was acted on.
fn verdicts(name: &str, scene: &Scene, said: &[&str]) -> Vec<(String, Force)> {
    let mut player = Player::new(policy(name), scene, Cuts::Whole);
    for line in said {
        player.client_says(format!("{line}\r\n").as_bytes());
    }
    let verdict = |event: &Event| match event {
        Event::Verdict(decision) => Some((decision.id.clone(), decision.force)),
        _ => None,
    };
    player.events.iter().filter_map(verdict).collect()
}

#[test]
fn how_much_mail_comes_is_watched_until_somebody_says_otherwise() {
    let nothing = |ids: &[&str]| Allowances::Left(ids.iter().map(|id| ((*id).to_owned(), 0)).collect());
    let said = ["EHLO a.example", "MAIL FROM:<a@example.com>", "RCPT TO:<b@example.com>"];
    let allowances = nothing(&["connections-per-network", "harvesting"]);
    let observed = |id: &str| (id.to_owned(), Force::Observed);
    let own = || observed("own-domain-from-outside");
    let wanted = [observed("connections-per-network"), own(), observed("harvesting")];
    assert_eq!(verdicts("inbound", &Scene { allowances, ..Scene::default() }, &said), wanted);
    for (name, client, id) in [
        ("submission", "203.0.113.9", "messages-per-account"),
        ("outbound", "192.0.2.10", "messages-per-client"),
    ] {
        let (client, auth) = (client.parse().unwrap(), Some("anna@example.com".to_owned()));
        let scene = Scene { client, auth, tls: true, allowances: nothing(&[id]), ..Scene::default() };
        assert_eq!(verdicts(name, &scene, &said), [observed(id)], "{name}");
    }
}
