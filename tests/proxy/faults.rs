//! Relays and clients that fail at every point.

use crate::support::{Client, Relay, gate, gate_with};
use gatepost::session::WhenDown;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

fn nobody() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_relay_that_is_not_there_sends_clients_to_the_next() {
    let gate = gate(&[nobody()]);
    let mut client = gate.client();
    assert!(client.reply().starts_with("421"));
    assert_eq!(client.line(), None);
    assert!(gate.text().contains("gatepost_relay_up{relay=\"relay\"} 0"));
}

#[test]
fn where_the_file_says_so_a_client_is_greeted_all_the_same() {
    let gate = gate_with(&[nobody()], "", |deployment| deployment.relays[0].when_down = WhenDown::Greet);
    let mut client = gate.client().greeted();
    client.expect("MAIL FROM:<a@client.test>", "250");
    client.expect("RCPT TO:<b@example.com>", "451");
    client.expect("QUIT", "221");
}

#[test]
fn a_relay_that_comes_back_is_found() {
    let address = nobody();
    let gate = gate(&[address]);
    assert!(gate.client().reply().starts_with("421"));
    let listener = std::net::TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"220 relay.test ESMTP\r\n");
        }
    });
    crate::support::wait_until("the relay counts as up again", || gate.client().reply().starts_with("220"));
}

#[test]
fn a_relay_that_says_nothing_defers_and_does_not_hang() {
    let relay = Relay::playing(|_| thread::sleep(Duration::from_secs(5)));
    let gate = gate_with(&[relay.address], "", |deployment| {
        deployment.relays[0].waits.open = Duration::from_millis(300);
        deployment.relays[0].when_down = WhenDown::Greet;
    });
    let mut client = gate.client().greeted();
    client.expect("MAIL FROM:<a@client.test>", "250");
    client.expect("RCPT TO:<b@example.com>", "451");
}

/// A message through a relay that hangs up at `point`. Gives the last reply, and whether there was a 250 to the message.
fn message(client: &mut Client) -> (String, bool) {
    let greeting = client.reply();
    if !greeting.starts_with("220") {
        return (greeting, false);
    }
    for (command, go_on) in [
        ("EHLO client.test", "250"),
        ("MAIL FROM:<a@client.test>", "250"),
        ("RCPT TO:<b@example.com>", "250"),
        ("DATA", "354"),
    ] {
        let reply = client.ask(command);
        if !reply.starts_with(go_on) {
            return (reply, false);
        }
    }
    client.say("Subject: x\r\n\r\nbody\r\n.\r\n");
    let reply = client.reply();
    let accepted = reply.starts_with("250");
    (reply, accepted)
}

#[test]
fn wherever_a_relay_hangs_up_the_client_is_told_to_come_again() {
    for point in ["EHLO", "MAIL", "RCPT", "DATA", "Subject", "."] {
        let relay = Relay::playing(move |talk| talk.politely(Some(point)));
        let gate = gate_with(&[relay.address], "", |deployment| {
            deployment.relays[0].when_down = WhenDown::Greet;
        });
        let (reply, accepted) = message(&mut gate.client());
        assert!(!accepted && reply.starts_with('4'), "at {point}: {reply:?}");
    }
}

#[test]
fn a_relay_that_hangs_up_between_messages_is_called_again() {
    let relay = Relay::playing(|talk| talk.politely(Some("RSET")));
    let gate = gate(&[relay.address]);
    let mut client = gate.client();
    assert!(message(&mut client).1);
    client.expect("MAIL FROM:<a@client.test>", "250");
    client.expect("RSET", "250");
    client.envelope();
    client.say("x\r\n.\r\n");
    assert!(client.reply().starts_with("250"));
}

#[test]
fn what_a_relay_says_last_is_heard_before_its_end() {
    let relay = Relay::playing(|talk| {
        talk.say("220 relay.test");
        while let Some(line) = talk.hear() {
            match line.get(..4) {
                Some("RCPT") => return talk.say("550 5.1.1 no such mailbox"),
                Some("QUIT") => return,
                _ => talk.say("250 fine"),
            }
        }
    });
    let gate = gate(&[relay.address]);
    let mut client = gate.client().greeted();
    client.expect("MAIL FROM:<a@client.test>", "250");
    assert_eq!(client.ask("RCPT TO:<b@example.com>"), "550 5.1.1 no such mailbox");
}

#[test]
fn a_client_that_leaves_in_the_middle_leaves_no_message() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    let mut client = gate.client().greeted();
    client.envelope();
    client.say("half a mess");
    drop(client);
    crate::support::wait_until("the session has ended", || {
        gate.text().contains("gatepost_sessions_active{listener=\"test\"} 0")
    });
    thread::sleep(Duration::from_millis(50));
    assert!(!relay.heard().contains(&".".to_owned()));
}

#[test]
fn the_last_reply_is_heard_by_a_client_that_goes_on_talking() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    let mut client = gate.client();
    client.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    client.say("more\r\n".repeat(20_000));
    let lines = client.rest();
    assert!(lines.iter().any(|line| line.starts_with('5')), "{lines:?}");
}

#[test]
fn a_client_that_goes_on_talking_behind_quit_hears_the_reply_to_it() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    for behind in ["", "NOOP\r\n", &"more\r\n".repeat(20_000)] {
        let mut client = gate.client().greeted();
        client.say(format!("QUIT\r\n{behind}"));
        let mut heard = String::new();
        // A reset may eat what was said before it: it must not come.
        client.stream.read_to_string(&mut heard).unwrap();
        assert!(heard.starts_with("221"), "{} octets behind: {heard:?}", behind.len());
    }
}
