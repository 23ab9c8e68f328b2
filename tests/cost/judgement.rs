//! What rules and lists cost a RCPT that none of them refuses.

use gatepost::policy::Policy;
use gatepost::policy::compile::compile;
use gatepost::policy::condition::{CommandScene, MailScene, NameScene, Point, Scene};
use gatepost::smtp::command::{Argument, Command, parse};
use gatepost::smtp::verb::Verb;
use gungraun::{library_benchmark, library_benchmark_group};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

const RCPTS: u8 = 100;

/// A policy and commands to judge by it. They live as long as the process.
struct Court {
    policy: Policy,
    scenes: Vec<Scene<'static>>,
}

impl Court {
    fn new(rules: &str, list: &str) -> Court {
        let head = "profile = 't'\nextends = 'base'\n[relay]\nto = 'example.com'\n";
        let text = format!("{head}{rules}");
        let compiled = compile("t.toml", &mut |path| match path {
            "t.toml" => Ok(text.clone()),
            "list.txt" => Ok(list.to_owned()),
            other => Err(format!("there is no {other}")),
        });
        let policy = compiled.policy.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics));
        let court = Court { policy, scenes: (0..RCPTS).map(scene).collect() };
        // Nothing refuses, and what is made at the first use is made.
        assert_eq!(refusals(&court), 0);
        court
    }
}

fn spoken(line: String) -> (&'static str, &'static Command<'static>) {
    let line: &'static str = Box::leak(line.into_boxed_str());
    (line, Box::leak(Box::new(parse(line.as_bytes()))))
}

/// One of many clients sends to one of many mailboxes. No two senders have a parent domain in common: hash tables have
/// keys of their own in each run, and one unlucky place in them must not count a hundred times.
fn scene(number: u8) -> Scene<'static> {
    let (line, rcpt) = spoken(format!("RCPT TO:<somebody.{number}x@example.com>"));
    let (_, mail) = spoken(format!("MAIL FROM:<sender.{number}@mail.sub.elsewhere{number}.test{number}>"));
    let (Ok(Argument::Rcpt { path, parameters }), Ok(Argument::Mail { path: sender, .. })) =
        (&rcpt.argument, &mail.argument)
    else {
        panic!("not understood: {line}")
    };
    let argument = line.strip_prefix("RCPT ").unwrap().as_bytes();
    Scene {
        client: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, number)), 50_000),
        listener: "mx",
        name: NameScene::default(),
        hello: None,
        tls: None,
        auth: None,
        mail: Some(MailScene { path: *sender, size: None }),
        rcpt: Some(*path),
        rcpt_count: 0,
        parameters: Some(*parameters),
        command: Some(CommandScene { verb: Verb::Rcpt, length: line.len() + 2, argument }),
        message_octets: None,
        errors: 0,
        messages: 0,
        age: Duration::from_secs(1),
    }
}

/// So many rules: half ask for a mailbox, a quarter for a network, a quarter for a pattern; one in ten has a negation.
fn rules(count: usize) -> Court {
    let condition = |number: usize| match number % 8 {
        0 | 2 | 4 | 6 => format!("'rcpt.address' = 'user{number}@example.com'"),
        1 | 5 => format!("'client.ip' = '10.{}.{}.0/24'", number / 256, number % 256),
        3 => format!("'rcpt.address' = 'list-{number}-*@example.com'"),
        _ => format!("'rcpt.address' = '/^bounce-{number}-[0-9]+@/'"),
    };
    let rule = |number: usize| {
        let negation = if number % 10 == 9 { ", 'mail.domain' = '!@partners'" } else { "" };
        let when = format!("{{ {}{negation} }}", condition(number));
        format!("[[rule]]\nid = 'r{number}'\non = 'RCPT'\nthen = 'reject'\nwhen = {when}\n")
    };
    let rules: Vec<String> = (0..count).map(rule).collect();
    Court::new(&format!("[lists]\npartners = ['partner.example']\n{}", rules.concat()), "")
}

/// One rule with a list of so many entries.
fn list(field: &str, count: usize, entry: impl Fn(usize) -> String) -> Court {
    let entries: Vec<String> = (0..count).map(entry).collect();
    let rule = format!(
        "[lists]\nl = {{ file = 'list.txt' }}\n[[rule]]\nid = 'r'\non = 'RCPT'\nthen = 'reject'\nwhen = {{ '{field}' = '@l' }}\n"
    );
    Court::new(&rule, &entries.join("\n"))
}

fn domains(count: usize) -> Court {
    list("mail.domain", count, |number| {
        format!("{}d{number}.example", if number % 2 == 0 { "" } else { "." })
    })
}

fn mailboxes(count: usize) -> Court {
    list("mail.address", count, |number| format!("user{number}@d{}.example", number % 1000))
}

fn networks(count: usize) -> Court {
    let address = |number: usize| Ipv4Addr::from_bits(0x0a00_0000 + u32::try_from(number * 7).unwrap());
    list("client.ip", count, |number| address(number).to_string())
}

fn texts(count: usize) -> Court {
    list("mail.local", count, |number| format!("user{number}"))
}

/// One rule with an array of so many patterns.
fn patterns(count: usize) -> Court {
    let patterns: Vec<String> = (0..count).map(|number| format!("'*user{number}-*'")).collect();
    let when = format!("{{ 'mail.address' = [{}] }}", patterns.join(", "));
    Court::new(&format!("[[rule]]\nid = 'r'\non = 'RCPT'\nthen = 'reject'\nwhen = {when}\n"), "")
}

fn refusals(court: &Court) -> usize {
    let judge = |scene| court.policy.judge(Point::Command(Verb::Rcpt), scene, &mut |_| ());
    court.scenes.iter().filter_map(judge).count()
}

#[library_benchmark]
#[bench::rules_10(args = (10), setup = rules)]
#[bench::rules_1000(args = (1_000), setup = rules)]
#[bench::domains_10(args = (10), setup = domains)]
#[bench::domains_100000(args = (100_000), setup = domains)]
#[bench::mailboxes_10(args = (10), setup = mailboxes)]
#[bench::mailboxes_100000(args = (100_000), setup = mailboxes)]
#[bench::networks_10(args = (10), setup = networks)]
#[bench::networks_100000(args = (100_000), setup = networks)]
#[bench::texts_10(args = (10), setup = texts)]
#[bench::texts_100000(args = (100_000), setup = texts)]
#[bench::patterns_10(args = (10), setup = patterns)]
#[bench::patterns_10000(args = (10_000), setup = patterns)]
fn judge(court: Court) -> (usize, Court) {
    (black_box(refusals(black_box(&court))), court)
}

library_benchmark_group!(name = policy, benchmarks = judge);
