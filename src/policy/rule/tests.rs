//! The index against asking one after another: rules of every kind, commands of every kind, the same answer.

use super::*;
use crate::policy::Policy;
use crate::policy::compile::compile;
use crate::policy::condition::{CommandScene, HelloScene, MailScene, NameScene};
use crate::smtp::command::{Argument, Command, parse};
use crate::smtp::verb::Verb;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use std::fmt::Write;
use std::net::SocketAddr;

const LISTS: &str = r#"
[lists]
networks = ["192.0.2.0/24", "192.0.2.128/25", "2001:db8::/32", "203.0.113.9"]
domains  = ["example.com", ".example.com", ".b.example.com", "x.test", "[192.0.2.1]"]
boxes    = ["a@example.com", "@x.test", "@.example.com", "b@"]
texts    = ["a", "bb", "mx"]
"#;

/// What may stand behind a field; `!` is put in front of some.
const PATTERNS: &[(&[&str], &[&str])] = &[
    (
        &["client.ip", "client.net"],
        &[
            "@networks",
            "192.0.2.0/24",
            "192.0.2.0/25",
            "192.0.2.7",
            "0.0.0.0/0",
            "2001:db8::1",
            "::/0",
            "203.0.113.0/24",
        ],
    ),
    (
        &["hello.name", "mail.domain", "rcpt.domain"],
        &[
            "@domains",
            "example.com",
            ".example.com",
            "x.test",
            "*.com",
            "*",
            "b*.example.*",
            "/^b\\./",
            "/^[a-z.]+$/",
            "/x|example/",
        ],
    ),
    (
        &["mail.address", "rcpt.address"],
        &[
            "@boxes",
            "a@example.com",
            "@example.com",
            "b@",
            "@.example.com",
            "a*@*",
            "*@x.test",
            "bb*@example.com",
            "ab*@example.com",
            "/^ab?@/",
            "/(?i)^B/",
            "/^[ab]+@[a-z.]+$/",
            "/[0-9]{2}/",
        ],
    ),
    (
        &["mail.local", "rcpt.local", "listener", "parameter.NOTIFY"],
        &["@texts", "a", "b", "mx", "never", "*b*", "a*", "/^a+$/", "/NEVER/", "/[$;]/", "/bb|mx/"],
    ),
    (&["command.argument"], &["*ab*", "*to:*a*", "/<a/", "/[;$]/", "/^.{5,}$/", "*"]),
    (&["hello.verb"], &["EHLO", "HELO"]),
    (&["hello.form"], &["domain", "single-label", "ipv4-literal"]),
    (&["mail.size"], &[">= 100", "10..20", "< 10"]),
    (&["client.port", "rcpt.count", "command.length"], &[">= 3", "1..30", "2", "< 40"]),
];

/// One to three patterns, any of which will do.
fn patterns(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    let pattern = (prop::bool::weighted(0.25), select(of)).prop_map(|(negated, text)| {
        let bang = if negated { "!" } else { "" };
        format!("'{bang}{text}'")
    });
    prop_oneof![
        3 => pattern.clone(),
        1 => vec(pattern, 1..4).prop_map(|all| format!("[{}]", all.join(", "))),
    ]
}

fn clause() -> impl Strategy<Value = (String, String)> {
    let typed =
        select(PATTERNS).prop_flat_map(|(fields, of)| (select(fields).prop_map(str::to_owned), patterns(of)));
    prop_oneof![
        12 => typed,
        1 => any::<bool>().prop_map(|null| ("mail.null".to_owned(), null.to_string())),
    ]
}

fn table() -> impl Strategy<Value = String> {
    prop::collection::btree_map(0..3_u8, clause(), 1..4).prop_map(|clauses| {
        let clauses: std::collections::BTreeMap<_, _> = clauses.into_values().collect();
        let pairs: Vec<_> = clauses.iter().map(|(field, of)| format!("\"{field}\" = {of}")).collect();
        format!("{{ {} }}", pairs.join(", "))
    })
}

fn when() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => Just(String::new()),
        12 => table().prop_map(|table| format!("when = {table}\n")),
        3 => vec(table(), 1..4).prop_map(|tables| format!("when = [{}]\n", tables.join(", "))),
    ]
}

fn signature() -> impl Strategy<Value = String> {
    let pattern = select(&["'/a;/'", "['/ab/', '*b*']", "['!a*', '/a;/']"][..]);
    (select(&["rcpt.local", "mail.local"][..]), pattern).prop_map(|(field, pattern)| {
        let samples = "matches = ['a;ab']\nclean = ['ax']";
        let samples = if pattern.contains('!') { "matches = ['b']\nclean = ['a']" } else { samples };
        format!("title = 't'\nfield = '{field}'\npattern = {pattern}\n{samples}\n")
    })
}

fn policy(signatures: &[String], whens: &[String]) -> Policy {
    let mut text = format!("profile = 't'\nextends = 'base'\n{LISTS}[relay]\nto = 'example.com'\n");
    for (number, body) in signatures.iter().enumerate() {
        writeln!(text, "[[signature]]\nid = 's{number}'\non = 'RCPT'\n{body}").unwrap();
    }
    for (number, when) in whens.iter().enumerate() {
        writeln!(text, "[[rule]]\nid = 'r{number}'\non = 'RCPT'\nthen = 'reject'\n{when}").unwrap();
    }
    let compiled = compile("t.toml", &mut |path| match path {
        "t.toml" => Ok(text.clone()),
        other => Err(format!("there is no {other}")),
    });
    let errors: Vec<_> = compiled.diagnostics.iter().map(ToString::to_string).collect();
    compiled.policy.unwrap_or_else(|| panic!("{}\n{text}", errors.join("\n")))
}

const CLIENTS: &[&str] =
    &["192.0.2.7", "192.0.2.200", "203.0.113.9", "198.51.100.1", "2001:db8::1", "::ffff:192.0.2.7"];
const HELLOS: &[&str] = &["", "EHLO b.example.com", "HELO localhost", "EHLO [192.0.2.1]", "EHLO x.test"];
const MAILS: &[&str] = &[
    "",
    "MAIL FROM:<>",
    "MAIL FROM:<> SIZE=15",
    "MAIL FROM:<a@example.com> SIZE=200",
    "MAIL FROM:<B@b.EXAMPLE.com>",
    "MAIL FROM:<ab12@x.test> SIZE=5",
    "MAIL FROM:<\"a;ab\"@[192.0.2.1]>",
];
const RCPTS: &[&str] = &[
    "RCPT TO:<a@example.com>",
    "RCPT TO:<Bb@x.test> NOTIFY=NEVER",
    "RCPT TO:<ab@b.b.example.com>",
    "RCPT TO:<postmaster>",
    "RCPT TO:<\"a;ab\"@example.com>",
    "RCPT TO:<abba@Example.COM.>",
    "RCPT TO:<nobody@elsewhere.test>",
    "RCPT TO:<a@[192.0.2.1]>",
];

fn scene<'a>(client: &str, commands: &'a [(&'a str, Command<'a>)], count: u32) -> Scene<'a> {
    let mut scene = Scene {
        client: SocketAddr::new(client.parse().unwrap(), 2),
        listener: "mx",
        name: NameScene::default(),
        hello: None,
        tls: None,
        auth: None,
        mail: None,
        rcpt: None,
        rcpt_count: count,
        parameters: None,
        command: None,
        message_octets: None,
        errors: 0,
        messages: 0,
        age: Duration::from_secs(2),
    };
    for (line, command) in commands {
        match &command.argument {
            Ok(Argument::Hello(name)) => {
                scene.hello = Some(HelloScene { verb: command.verb, name: *name });
            }
            Ok(Argument::Mail { path, parameters }) => {
                scene.mail = Some(MailScene { path: *path, size: parameters.gist().declared.size });
            }
            Ok(Argument::Rcpt { path, parameters }) => {
                scene.rcpt = Some(*path);
                scene.parameters = Some(*parameters);
                let argument = line.strip_prefix("RCPT ").unwrap_or_default().as_bytes();
                scene.command = Some(CommandScene { verb: command.verb, length: line.len() + 2, argument });
            }
            _ => {}
        }
    }
    scene
}

fn found_and_asked(index: &RuleIndex, scene: &Scene<'_>) -> (Vec<Check>, Vec<Check>) {
    let point = Point::Command(Verb::Rcpt);
    let all = index.order(point).into_iter().flat_map(|order| &order.checks);
    let asked = all.copied().filter(|check| index.fits(*check, scene)).collect();
    let mut found = Vec::new();
    let decided: Option<()> = index.decide(point, scene, |check| {
        found.push(check);
        None
    });
    assert_eq!(decided, None);
    (found, asked)
}

/// More groups at once than a look-up can keep.
#[test]
fn a_command_that_fits_very_many_rules_finds_them_all() {
    for pattern in ["*a{}*", "!b{}*"] {
        // Each condition twice, so that there is more to come of what was found.
        let when = |number: usize| match number % 75 % 3 {
            2 => "when = { 'rcpt.local' = '/^b/' }\n".to_owned(),
            _ => format!(
                "when = {{ 'rcpt.local' = '{}' }}\n",
                pattern.replace("{}", &(number % 75).to_string())
            ),
        };
        let whens: Vec<_> = (0..150).map(when).collect();
        let local = (1..80).map(|number| format!("a{number}")).collect::<Vec<_>>().concat();
        let line = format!("RCPT TO:<\"{local}\"@example.com>");
        let commands = [(line.as_str(), parse(line.as_bytes()))];
        let (found, asked) = found_and_asked(&policy(&[], &whens).index, &scene("192.0.2.7", &commands, 0));
        assert!(asked.len() > 80 && asked.len() < 120, "{}", asked.len());
        assert_eq!(found, asked);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_index_finds_is_what_asking_each_finds(
        signatures in vec(signature(), 0..3),
        whens in vec(when(), 1..60),
        clients in subsequence(CLIENTS, 2),
        hellos in subsequence(HELLOS, 2),
        mails in subsequence(MAILS, 3),
        count in 0..40_u32,
    ) {
        let index = policy(&signatures, &whens).index;
        let parsed = |line: &'static str| (line, parse(line.as_bytes()));
        let before = hellos.iter().flat_map(|hello| mails.iter().map(move |mail| (*hello, *mail)));
        for (client, (hello, mail)) in clients.iter().flat_map(|client| before.clone().map(move |before| (client, before))) {
            for rcpt in RCPTS {
                let commands = [parsed(hello), parsed(mail), parsed(rcpt)];
                let (found, asked) = found_and_asked(&index, &scene(client, &commands, count));
                prop_assert_eq!(found, asked, "{} {} {} {}", client, hello, mail, rcpt);
            }
        }
    }
}
