//! What a policy decides: one small rule file and one small scene at a time.

use gatepost::policy::compile::{Compiled, compile};
use gatepost::policy::condition::{CommandScene, HelloScene, MailScene, NameScene, Point, Scene};
use gatepost::policy::limits::Limit;
use gatepost::policy::tree::Date;
use gatepost::policy::verdict::{Action, Check, Refusal};
use gatepost::policy::{LineEnds, Mode, Policy, Weight};
use gatepost::smtp::command::{Argument, Command, parse};
use gatepost::smtp::path::ForwardPath;
use gatepost::smtp::verb::Verb;
use gatepost::smtp::violation::{Kind, Response, Violation};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

fn compiled(rules: &str) -> Compiled {
    compile("t.toml", &mut |path| match path {
        "t.toml" => Ok(rules.to_owned()),
        other => Err(format!("there is no {other}")),
    })
}

/// A profile that extends `base` and relays to example.com.
fn policy(rules: &str) -> Policy {
    let compiled =
        compiled(&format!("profile = \"t\"\nextends = \"base\"\n[relay]\nto = [\"example.com\"]\n{rules}"));
    let errors: Vec<String> = compiled.diagnostics.iter().map(ToString::to_string).collect();
    compiled.policy.ok_or_else(|| errors.join("\n")).unwrap()
}

/// A scene with a client and nothing more.
fn scene(client: &str) -> Scene<'static> {
    Scene {
        client: SocketAddr::new(client.parse().unwrap(), 50_000),
        listener: "mx",
        name: NameScene::default(),
        hello: None,
        tls: None,
        auth: None,
        mail: None,
        rcpt: None,
        rcpt_count: 0,
        parameters: None,
        command: None,
        message_octets: None,
        errors: 0,
        messages: 0,
        age: Duration::from_secs(2),
    }
}

/// The scene in which a command is judged.
fn judging<'a>(mut scene: Scene<'a>, line: &'a str, command: &'a Command<'a>) -> Scene<'a> {
    match command.argument.as_ref().unwrap() {
        Argument::Hello(name) => scene.hello = Some(HelloScene { verb: command.verb, name: *name }),
        Argument::Mail { path, parameters } => {
            scene.mail = Some(MailScene { path: *path, size: parameters.gist().declared.size });
            scene.parameters = Some(*parameters);
        }
        Argument::Rcpt { path, parameters } => {
            scene.rcpt = Some(*path);
            scene.parameters = Some(*parameters);
        }
        _ => {}
    }
    let argument = line.split_once(' ').map_or("", |(_, argument)| argument);
    scene.command =
        Some(CommandScene { verb: command.verb, length: line.len() + 2, argument: argument.as_bytes() });
    scene
}

/// Who refuses a command, and who would if he were asked in earnest.
fn decided(policy: &Policy, client: &str, line: &str) -> (Option<String>, Vec<String>) {
    let command = parse(line.as_bytes());
    let scene = judging(scene(client), line, &command);
    let mut observed = Vec::new();
    let mut observe = |refusal: Refusal| observed.push(policy.id(refusal.check));
    let refused = policy.judge(Point::Command(command.verb), &scene, &mut observe);
    (refused.map(|refusal| policy.id(refusal.check)), observed)
}

fn refused_by(policy: &Policy, line: &str) -> Option<String> {
    decided(policy, "203.0.113.9", line).0
}

fn with_path<T>(line: &str, ask: impl Fn(&ForwardPath<'_>) -> T) -> T {
    let command = parse(line.as_bytes());
    let Ok(Argument::Rcpt { path, .. }) = &command.argument else { panic!("{line} is no RCPT") };
    ask(path)
}

#[test]
fn only_our_own_domains_are_relayed_to() {
    let compiled = compiled(
        "profile = \"t\"\nextends = \"base\"\n[relay]\nto = \"@ours\"\n[lists]\nours = [\"example.com\", \".example.net\", \"bücher.example\"]\n",
    );
    let policy = compiled.policy.unwrap();
    let ours = |recipient: &str| with_path(&format!("RCPT TO:{recipient}"), |path| policy.relays_to(path));
    for recipient in [
        "<a@example.com>",
        "<a@EXAMPLE.com>",
        "<Postmaster>",
        "<a@sub.example.net>",
        "<a@x.y.example.net>",
        "<a@xn--bcher-kva.example>",
        "<a@BÜCHER.example>",
        "<@elsewhere.test:a@example.com>",
        "<\"a b\"@example.com>",
    ] {
        assert!(ours(recipient), "{recipient}");
    }
    for recipient in [
        "<a@elsewhere.test>",
        "<a@sub.example.com>",
        "<a@example.net>",
        "<a@badexample.com>",
        "<a%elsewhere.test@example.com>",
        "<elsewhere.test!a@example.com>",
        "<\"a@elsewhere.test\"@example.com>",
        "<\"a\\@elsewhere.test\"@example.com>",
        "<@example.com:a@elsewhere.test>",
        "<a@[192.0.2.1]>",
        "<a@example.com.elsewhere.test>",
    ] {
        assert!(!ours(recipient), "{recipient}");
    }
}

#[test]
fn postmaster_and_abuse_of_ours_pass_opinions() {
    let policy = policy("[[rule]]\nid = \"nobody\"\non = \"RCPT\"\nthen = \"reject\"\n");
    for spared in ["<Postmaster>", "<POSTMASTER@example.com>", "<abuse@Example.Com>"] {
        assert_eq!(refused_by(&policy, &format!("RCPT TO:{spared}")), None, "{spared}");
    }
    for heard in ["<a@example.com>", "<postmaster@elsewhere.test>"] {
        assert_eq!(refused_by(&policy, &format!("RCPT TO:{heard}")).as_deref(), Some("nobody"), "{heard}");
    }
}

#[test]
fn a_signature_is_no_opinion_and_spares_nobody() {
    let policy = policy(
        "[[signature]]\nid = \"s\"\ntitle = \"t\"\non = \"RCPT\"\nfield = \"rcpt.local\"\npattern = \"/(?i)postm/\"\nmatches = [\"postmaster\"]\nclean = [\"a\"]\n",
    );
    assert_eq!(refused_by(&policy, "RCPT TO:<postmaster@example.com>").as_deref(), Some("s"));
    assert_eq!(refused_by(&policy, "RCPT TO:<Postmaster>").as_deref(), Some("s"));
    assert_eq!(refused_by(&policy, "RCPT TO:<a@example.com>"), None);
}

#[test]
fn only_mail_null_speaks_of_the_null_reverse_path() {
    let rules =
        |when: &str| format!("[[rule]]\nid = \"r\"\non = \"MAIL\"\nwhen = {{ {when} }}\nthen = \"reject\"\n");
    for (when, fits_null, fits_mailbox) in [
        ("\"mail.null\" = true", true, false),
        ("\"mail.null\" = false", false, true),
        ("\"mail.domain\" = \"!example.com\"", false, true),
        ("\"mail.address\" = \"!a@example.com\"", false, true),
        ("\"mail.local\" = \"*\"", false, true),
        ("\"mail.size\" = \"!5\"", false, true),
        ("\"hello.name\" = \"!x.example\"", true, true),
        ("\"hello.name\" = \"*\"", false, false),
    ] {
        let policy = policy(&rules(when));
        assert_eq!(refused_by(&policy, "MAIL FROM:<>").is_some(), fits_null, "{when} and <>");
        assert_eq!(refused_by(&policy, "MAIL FROM:<b@example.org>").is_some(), fits_mailbox, "{when}");
    }
}

#[test]
fn patterns_fit_what_they_say() {
    for (on, when, line, fits) in [
        ("MAIL", "\"client.ip\" = \"203.0.113.0/24\"", "MAIL FROM:<a@b.example>", true),
        ("MAIL", "\"client.ip\" = [\"192.0.2.0/24\", \"198.51.100.1\"]", "MAIL FROM:<a@b.example>", false),
        ("MAIL", "\"client.ip\" = \"!192.0.2.0/24\"", "MAIL FROM:<a@b.example>", true),
        ("MAIL", "\"client.port\" = \">= 1024\"", "MAIL FROM:<a@b.example>", true),
        ("MAIL", "\"listener\" = \"MX\"", "MAIL FROM:<a@b.example>", true),
        ("MAIL", "\"mail.domain\" = \"B.Example.\"", "MAIL FROM:<a@b.EXAMPLE>", true),
        ("MAIL", "\"mail.domain\" = \"*.example\"", "MAIL FROM:<a@B.EXAMPLE>", true),
        ("MAIL", "\"mail.domain\" = '/^b\\.example$/'", "MAIL FROM:<a@B.EXAMPLE>", true),
        ("MAIL", "\"mail.address\" = \"*@b.example\"", "MAIL FROM:<a@b.example>", true),
        ("MAIL", "\"mail.address\" = '/^A@b/'", "MAIL FROM:<a@b.example>", false),
        ("MAIL", "\"mail.address\" = \"A@b.example\"", "MAIL FROM:<a@b.example>", true),
        ("MAIL", "\"mail.address\" = \"@b.example\"", "MAIL FROM:<a@b.example>", true),
        ("MAIL", "\"mail.local\" = \"a b\"", "MAIL FROM:<\"a\\ b\"@b.example>", true),
        ("MAIL", "\"mail.size\" = \"> 1KiB\"", "MAIL FROM:<a@b.example> SIZE=1025", true),
        ("MAIL", "\"mail.size\" = \"> 1KiB\"", "MAIL FROM:<a@b.example> SIZE=1024", false),
        ("MAIL", "\"mail.size\" = \"> 1KiB\"", "MAIL FROM:<a@b.example>", false),
        ("MAIL", "\"parameter.BODY\" = \"8bitmime\"", "MAIL FROM:<a@b.example> BODY=8BITMIME", true),
        ("MAIL", "\"parameter.BODY\" = \"*\"", "MAIL FROM:<a@b.example>", false),
        ("MAIL", "\"parameter.BODY\" = \"!7BIT\"", "MAIL FROM:<a@b.example>", true),
        ("MAIL", "\"session.age\" = \"1s..5s\"", "MAIL FROM:<a@b.example>", true),
        ("MAIL", "\"command.length\" = 25", "MAIL FROM:<a@b.example>", true),
        ("RCPT", "\"rcpt.count\" = \">= 1\"", "RCPT TO:<a@example.com>", false),
        ("RCPT", "\"rcpt.address\" = \"postmaster@\"", "RCPT TO:<postmaster@elsewhere.test>", true),
        ("EHLO", "\"hello.form\" = \"ipv4-literal\"", "EHLO [192.0.2.1]", true),
        ("EHLO", "\"hello.form\" = \"ipv6-literal\"", "EHLO [IPv6:2001:db8::1]", true),
        ("EHLO", "\"hello.form\" = \"bare-address\"", "EHLO 192.0.2.1", true),
        ("EHLO", "\"hello.form\" = \"single-label\"", "EHLO desktop", true),
        ("EHLO", "\"hello.form\" = \"invalid\"", "EHLO my_desktop.example", true),
        ("EHLO", "\"hello.form\" = \"domain\"", "EHLO mail.example", true),
        ("EHLO", "\"hello.verb\" = \"helo\"", "EHLO mail.example", false),
        ("EHLO", "\"hello.name\" = \".example\"", "EHLO mail.example", true),
    ] {
        let rules = format!("[[rule]]\nid = \"r\"\non = \"{on}\"\nwhen = {{ {when} }}\nthen = \"reject\"\n");
        assert_eq!(refused_by(&policy(&rules), line).is_some(), fits, "{when} and {line}");
    }
}

#[test]
fn the_first_enforced_rule_decides_and_those_before_it_are_told() {
    let policy = policy(
        "[[rule]]\nid = \"watched\"\non = \"MAIL\"\nthen = \"reject\"\nmode = \"monitor\"\n\
         [[rule]]\nid = \"elsewhere\"\non = \"RCPT\"\nthen = \"reject\"\n\
         [[rule]]\nid = \"first\"\non = \"MAIL\"\nwhen = { \"client.ip\" = \"203.0.113.9\" }\nthen = \"disconnect\"\ntarpit = \"5s\"\n\
         [[rule]]\nid = \"second\"\non = \"MAIL\"\nthen = \"reject\"\nmode = \"monitor\"\n",
    );
    let line = "MAIL FROM:<a@b.example>";
    assert_eq!(decided(&policy, "203.0.113.9", line), (Some("first".into()), vec!["watched".into()]));
    assert_eq!(decided(&policy, "203.0.113.8", line), (None, vec!["watched".into(), "second".into()]));
    let command = parse(line.as_bytes());
    let scene = judging(scene("203.0.113.9"), line, &command);
    let refusal = policy.judge(Point::Command(Verb::Mail), &scene, &mut |_| ()).unwrap();
    assert_eq!(refusal.action, Action::Disconnect);
    assert_eq!(refusal.tarpit, Some(Duration::from_secs(5)));
    assert_eq!(refusal.reply.code.get(), 550);
    assert!(!refusal.at_once);
    assert_eq!(policy.origin(refusal.check), "t.toml:14");
}

#[test]
fn an_exemption_opens_what_it_names_and_nothing_else() {
    let policy = policy(
        "[lists]\npartners = [\"198.51.100.0/24\"]\n\
         [[rule]]\nid = \"a\"\non = \"MAIL\"\nthen = \"reject\"\n\
         [[rule]]\nid = \"b\"\non = \"RCPT\"\nthen = \"reject\"\n\
         [[exempt]]\nfrom = [\"a\", \"limits.recipients\"]\nwhen = { \"client.ip\" = \"@partners\" }\n",
    );
    let partner = "::ffff:198.51.100.7";
    assert_eq!(decided(&policy, partner, "MAIL FROM:<x@y.example>"), (None, vec![]));
    assert_eq!(decided(&policy, "203.0.113.9", "MAIL FROM:<x@y.example>").0.as_deref(), Some("a"));
    assert_eq!(decided(&policy, partner, "RCPT TO:<x@example.com>").0.as_deref(), Some("b"));
    let weigh = |limit, client| policy.weigh(Check::Limit(limit), &scene(client));
    assert_eq!(weigh(Limit::Recipients, partner), Weight::Nothing);
    assert_eq!(weigh(Limit::Recipients, "203.0.113.9"), Weight::Enforce);
    assert_eq!(weigh(Limit::Transactions, partner), Weight::Enforce);
}

#[test]
fn monitor_mode_observes_opinions_and_enforces_what_is_none() {
    let policy = policy(
        "[[rule]]\nid = \"a\"\non = \"MAIL\"\nthen = \"reject\"\n[violations]\nearly_talker = \"tolerate\"\n[limits]\nheader_line = { max = 998, then = \"reject\" }\n",
    );
    let monitored = compiled(
        "profile = \"t\"\nextends = \"base\"\nmode = \"monitor\"\n[relay]\nto = [\"example.com\"]\n[[rule]]\nid = \"a\"\non = \"MAIL\"\nthen = \"reject\"\n",
    );
    let monitored = monitored.policy.unwrap();
    assert_eq!(monitored.mode(), Mode::Monitor);
    assert_eq!(decided(&monitored, "203.0.113.9", "MAIL FROM:<x@y.example>"), (None, vec!["a".into()]));
    let scene = scene("203.0.113.9");
    for (check, enforced, observed) in [
        (Check::Relay, Weight::Enforce, Weight::Observe),
        (Check::Clients, Weight::Enforce, Weight::Observe),
        (Check::Verb(Verb::Noop), Weight::Enforce, Weight::Observe),
        (Check::Limit(Limit::Recipients), Weight::Enforce, Weight::Observe),
        (Check::Limit(Limit::HeaderLine), Weight::Enforce, Weight::Observe),
        (Check::Limit(Limit::BodyLine), Weight::Observe, Weight::Observe),
        (Check::Violation(Violation::BodyLineTooLong), Weight::Observe, Weight::Observe),
        (Check::Violation(Violation::EarlyTalker), Weight::Nothing, Weight::Observe),
        (Check::Violation(Violation::TrailingSpace), Weight::Nothing, Weight::Nothing),
        (Check::Violation(Violation::BareLf), Weight::Enforce, Weight::Enforce),
        (Check::Violation(Violation::BadArgument), Weight::Enforce, Weight::Enforce),
        (Check::Violation(Violation::ReplyMalformed), Weight::Enforce, Weight::Enforce),
    ] {
        let id = policy.id(check);
        assert_eq!(policy.weigh(check, &scene), enforced, "{id}");
        if check != Check::Limit(Limit::HeaderLine) {
            assert_eq!(monitored.weigh(check, &scene), observed, "{id} monitored");
        }
    }
    assert_eq!(policy.response(Violation::BareLf), Response::Disconnect);
    assert_eq!(policy.response(Violation::EarlyTalker), Response::Tolerate);
    assert_eq!(policy.response(Violation::HeaderLineTooLong), Response::Reject);
}

#[test]
fn clients_and_line_ends_go_by_network() {
    let policy = policy(
        "[clients]\nallow = [\"10.0.0.0/8\", \"@guests\"]\ndeny = \"10.6.6.6\"\n\
         [line_ends]\nlenient = [\"10.9.0.0/16\"]\n[lists]\nguests = [\"2001:db8::/32\"]\n",
    );
    let admits = |client: &str| policy.admits_client(client.parse().unwrap());
    assert!(admits("10.1.2.3") && admits("2001:db8::1") && admits("::ffff:10.1.2.3"));
    assert!(!admits("10.6.6.6") && !admits("192.0.2.1"));
    assert!(policy.names_client("10.6.6.6".parse().unwrap()));
    assert_eq!(policy.line_ends("10.9.1.1".parse().unwrap()), LineEnds::Lenient);
    assert_eq!(policy.line_ends("10.8.1.1".parse().unwrap()), LineEnds::Normalise);
}

#[test]
fn every_check_has_one_id_and_exemptions_know_it() {
    let policy = policy("");
    let mut ids = HashSet::new();
    for check in Check::built_in() {
        let id = policy.id(check);
        assert!(ids.insert(id.clone()), "{id} twice");
        let rules = format!(
            "profile = \"t\"\nextends = \"base\"\n[relay]\nto = [\"example.com\"]\n[[exempt]]\nfrom = \"{id}\"\n"
        );
        assert_eq!(compiled(&rules).policy.is_some(), check.never_exempt().is_none(), "{id}");
    }
    for id in [
        "limits.recipients",
        "verbs.NOOP",
        "violations.early_talker",
        "framing.bare_lf",
        "grammar.bad_argument",
        "relay",
        "clients",
    ] {
        assert!(ids.contains(id), "{id}");
    }
    // One name for each: what a limit is about is known by the limit.
    assert_eq!(policy.id(Check::Violation(Violation::MailLoop)), "limits.received");
    assert!(Violation::ALL.iter().any(|violation| violation.facts().kind == Kind::Relay));
}

#[test]
fn a_monitored_rule_expires_behind_its_last_day() {
    let policy = policy(
        "[[rule]]\nid = \"a\"\non = \"MAIL\"\nthen = \"reject\"\nmode = \"monitor\"\nuntil = 2027-03-01\n",
    );
    let day = |day| Date { year: 2027, month: 3, day };
    assert!(policy.warn_expired(day(1)).is_empty());
    let expired = policy.warn_expired(day(2));
    assert_eq!(expired.len(), 1);
    assert_eq!(expired[0].line, 10);
}

#[test]
fn without_delay_opinions_speak_at_once() {
    let line = "MAIL FROM:<a@b.example>";
    let at_once = |rules: &str| {
        let policy = policy(rules);
        let command = parse(line.as_bytes());
        let scene = judging(scene("203.0.113.9"), line, &command);
        policy.judge(Point::Command(Verb::Mail), &scene, &mut |_| ()).unwrap().at_once
    };
    let rule = "[[rule]]\nid = \"a\"\non = \"MAIL\"\nthen = \"reject\"\n";
    assert!(!at_once(rule));
    assert!(at_once(&format!("{rule}at = \"once\"\n")));
    assert!(at_once(&format!("{rule}[replies]\ndelay = false\n")));
}

#[test]
fn a_wrong_line_of_a_long_list_is_named() {
    let lines =
        |line: usize| if line == 77_777 { "  not a domain".to_owned() } else { format!("d{line}.example") };
    let list = (1..=100_000).map(lines).collect::<Vec<_>>().join("\n");
    let rules = "profile = \"t\"\nextends = \"base\"\n[relay]\nto = \"@ours\"\n[lists]\nours = { file = \"ours.txt\" }\n";
    let compiled = compile("t.toml", &mut |path| match path {
        "t.toml" => Ok(rules.to_owned()),
        "ours.txt" => Ok(list.clone()),
        other => Err(format!("there is no {other}")),
    });
    let [wrong] = compiled.diagnostics.as_slice() else { panic!("{:?}", compiled.diagnostics) };
    assert_eq!((wrong.path.as_str(), wrong.line, wrong.column), ("ours.txt", 77_777, 3), "{wrong}");
}
