//! What `gatepost check` says of a deployment, on copies of the examples that something is wrong with.

use crate::examples::{Example, GATEPOST};
use crate::secure::{Manner, Pair, secure_relay};
use crate::support::Relay;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

fn dmz() -> Example {
    Example::copy("dmz", &[("mx", "mx.example.com")], &[])
}

fn hybrid() -> Example {
    Example::copy("hybrid", &[("mx", "mx.example.com")], &[])
}

fn check(example: &Example, file: &str, flags: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(GATEPOST);
    let done = command.arg("check").args(flags).arg(example.file(file)).output().unwrap();
    (done.status.code(), String::from_utf8(done.stdout).unwrap())
}

/// Its exit code must be this, and it must say all of these.
fn says((code, text): &(Option<i32>, String), exit: i32, words: &[&str]) {
    assert_eq!(*code, Some(exit), "{text}");
    for words in words {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn a_key_that_is_another_s_is_told_where_it_is_named() {
    let example = dmz();
    example.folder.put("tls/other", &Pair::own(&["other.example.com"]));
    fs::copy(example.file("tls/other.key"), example.file("tls/mx.key")).unwrap();
    says(
        &check(&example, "gatepost.toml", &[]),
        1,
        &["is not that of the certificate in", "gatepost.toml:", "chain = \"tls/mx.pem\""],
    );
}

#[test]
fn a_certificate_that_ends_soon_or_has_ended_is_warned_of() {
    for (from, until, how) in
        [(-2, 3, "ends in "), (-20, -3, "has ended"), (5, 90, "is not valid yet, but in ")]
    {
        let example = dmz();
        example.folder.put("tls/mx", &Pair::for_days(&["mx.example.com"], from, until));
        let said = check(&example, "gatepost.toml", &[]);
        says(&said, 0, &[&format!("warning: certificate `mx` {how}"), "gatepost.toml:", "2 warnings"]);
        assert_eq!(check(&example, "gatepost.toml", &["--deny", "warnings"]).0, Some(3));
    }
}

#[test]
fn accounts_are_read_and_not_shown() {
    let example = Example::copy("in-and-out", &[("out", "out.example.com")], &[]);
    says(&check(&example, "gatepost-out.toml", &[]), 1, &["users", "out.toml:8"]);
    fs::write(example.file("users"), "# ours\nmailserver:open sesame\n").unwrap();
    let said = check(&example, "gatepost-out.toml", &[]);
    says(&said, 1, &["users:2:1"]);
    assert!(!said.1.contains("sesame"), "{}", said.1);
}

#[test]
fn nothing_passes_through_a_link_that_has_tls() {
    let warning = "STARTTLS cannot pass through to `exchange-itself`";
    let example = hybrid();
    example.change("gatepost.toml", "tls = \"none\"", "tls = \"opportunistic\"");
    // What is only tried is left to the client.
    let (code, text) = check(&example, "gatepost.toml", &[]);
    assert!(code == Some(0) && !text.contains(warning), "{text}");
    example.change("gatepost.toml", "tls = \"opportunistic\"", "tls = \"required\"");
    let said = check(&example, "gatepost.toml", &[]);
    says(&said, 0, &[warning, "gatepost.toml:"]);
}

/// A relay that offers much of which little is of use.
fn odd_relay() -> Relay {
    Relay::playing(|talk| {
        talk.say("220 relay.test ESMTP");
        while let Some(line) = talk.hear() {
            match line.split(' ').next().unwrap() {
                "EHLO" => talk.say(
                    "250-relay.test\r\n250-SIZE 1000\r\n250-CHUNKING\r\n250-XCLIENT NAME ADDR\r\n250-X-OWN\r\n\
                     250 AUTH GSSAPI CRAM-MD5",
                ),
                _ => return talk.say("221 bye"),
            }
        }
    })
}

fn probe(example: &Example, relay: SocketAddr) -> (Option<i32>, String) {
    example.change("gatepost.toml", "10.0.0.5:25", &relay.to_string());
    check(example, "gatepost.toml", &["--probe"])
}

#[test]
fn a_probe_says_what_is_withheld_and_what_is_not_there() {
    says(
        &probe(&dmz(), odd_relay().address),
        0,
        &[
            "inside: relay.test\n",
            "offers       SIZE 1000, CHUNKING, XCLIENT NAME ADDR, X-OWN, AUTH GSSAPI CRAM-MD5\n",
            "withheld   XCLIENT: only the gate itself may tell the relay who the client is\n",
            "withheld   X-OWN: the gate does not know it\n",
            "withheld   AUTH: [auth] policy is \"refuse\"\n",
            "not there  8BITMIME, DSN, SMTPUTF8\n",
            "warning: relay `inside` offers no STARTTLS: mail to it goes in clear\n",
            "warning: listener `mx`: relay `inside` takes 1000 octets, the rules 52428800; the less counts\n",
        ],
    );
}

#[test]
fn a_probe_says_when_nobody_could_authenticate() {
    let example = Example::copy("submission", &[("mail", "mail.example.com")], &[]);
    example.change("people.toml", "backend = { file = \"users\" }", "backend = \"relay\"");
    says(
        &probe(&example, odd_relay().address),
        1,
        &[
            "withheld   AUTH GSSAPI: it may wrap what follows in a layer of its own",
            "withheld   AUTH CRAM-MD5: [auth] mechanisms does not name it\n",
            "error: listener `submission`: relay `outgoing` offers the gate no AUTH by PLAIN, LOGIN\n",
        ],
    );
}

#[test]
fn a_probe_asks_in_tls_where_the_link_has_it() {
    let secure = secure_relay(Manner::with(&Pair::own(&["exchange.example.com"])));
    let said = probe(&hybrid(), secure.address);
    says(&said, 0, &["exchange: relay.test, in TLS\n", "exchange-itself: relay.test\n"]);
    says(
        &probe(&hybrid(), odd_relay().address),
        1,
        &["error: listener `hybrid`: relay `exchange-itself` has no STARTTLS that could pass through\n"],
    );
}

#[test]
fn a_probe_says_why_there_is_no_answer() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = probe(&dmz(), nobody);
    says(&said, 1, &["error: relay `inside` does not say what it offers: no_connection\n"]);
}

#[test]
fn a_folder_for_bans_that_is_not_there_is_warned_of() {
    let example = dmz();
    let text = fs::read_to_string(example.file("gatepost.toml")).unwrap();
    fs::write(example.file("gatepost.toml"), format!("state = \"kept\"\n{text}")).unwrap();
    let said = check(&example, "gatepost.toml", &[]);
    says(&said, 0, &["warning: there is no folder `", "kept`", "gatepost.toml:1"]);
    fs::create_dir(example.file("kept")).unwrap();
    let (code, text) = check(&example, "gatepost.toml", &[]);
    assert!(code == Some(0) && !text.contains("there is no folder"), "{text}");
}
