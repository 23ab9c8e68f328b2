//! Mail that is as it should be.

use crate::support::{Relay, gate, gate_with, wait_until};
use std::thread;
use std::time::Duration;

#[test]
fn a_message_reaches_the_relay_as_it_was() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    let mut client = gate.client().greeted();
    client.envelope();
    client.say("Subject: hello\r\n\r\n..one dot\r\nlast\r\n.\r\n");
    assert_eq!(client.reply(), "250 2.0.0 queued");
    assert!(client.ask("QUIT").starts_with("221"));
    assert_eq!(client.line(), None);
    wait_until("QUIT reaches the relay", || relay.heard().last().is_some_and(|line| line == "QUIT"));
    let heard = relay.heard();
    let from = heard.iter().rposition(|line| line == "connection").unwrap();
    assert_eq!(
        heard[from + 1..],
        [
            "EHLO client.test",
            "MAIL FROM:<a@client.test>",
            "RCPT TO:<b@example.com>",
            "DATA",
            "Subject: hello",
            "",
            "..one dot",
            "last",
            ".",
            "QUIT"
        ]
    );
}

#[test]
fn a_client_that_says_everything_at_once_and_half_closes_hears_every_reply() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    let mut client = gate.client();
    client.say(
        "EHLO client.test\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<b@example.com>\r\nRCPT TO:<c@example.com>\r\n\
         DATA\r\nSubject: x\r\n\r\nbody\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.com>\r\nDATA\r\nbody\r\n.\r\n\
         QUIT\r\n",
    );
    client.half_close();
    let codes: Vec<String> = client
        .rest()
        .iter()
        .filter(|line| line.as_bytes().get(3) == Some(&b' '))
        .map(|line| line[..3].to_owned())
        .collect();
    assert_eq!(codes.join(" "), "220 250 250 250 250 354 250 250 250 354 250 221");
}

#[test]
fn several_messages_go_over_one_link() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    let before = relay.connections();
    let mut client = gate.client().greeted();
    for n in 0..20 {
        client.envelope();
        client.say(format!("Subject: {n}\r\n\r\n{}\r\n.\r\n", "x".repeat(n * 50)));
        assert!(client.reply().starts_with("250"));
    }
    client.expect("QUIT", "221");
    assert_eq!(relay.connections() - before, 1);
}

#[test]
fn an_idle_client_leaves_the_relay_its_link_and_does_not_notice() {
    let relay = Relay::polite();
    let gate = gate_with(&[relay.address], "", |deployment| {
        deployment.relays[0].waits.idle = Duration::from_millis(200);
    });
    let mut client = gate.client().greeted();
    for released in 1..=2 {
        client.envelope();
        client.say("Subject: x\r\n\r\nx\r\n.\r\n");
        assert!(client.reply().starts_with("250"));
        let line = format!("gatepost_links_total{{relay=\"relay\",result=\"released\"}} {released}");
        wait_until("the relay has its link back", || gate.text().contains(&line));
        wait_until("and nobody has one", || gate.text().contains("gatepost_links_active{relay=\"relay\"} 0"));
    }
    assert_eq!(relay.heard().iter().filter(|line| *line == "QUIT").count(), 2 + 1, "the probe's, too");
    client.expect("QUIT", "221");
}

#[test]
fn the_relay_is_left_alone_until_there_is_a_recipient() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    let before = relay.connections();
    let mut client = gate.client().greeted();
    client.expect("NOOP", "250");
    client.expect("MAIL FROM:<a@client.test>", "250");
    client.expect("RCPT TO:<b@elsewhere.test>", "550");
    assert_eq!(relay.connections(), before);
    client.expect("RCPT TO:<b@example.com>", "250");
    assert_eq!(relay.connections(), before + 1);
}

#[test]
fn it_makes_no_difference_how_octets_are_cut() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    let mut client = gate.client();
    let dialogue = "EHLO client.test\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n\
                    Subject: x\r\n\r\n..\r\nend\r\n.\r\nQUIT\r\n";
    for octet in dialogue.bytes() {
        client.say([octet]);
        thread::sleep(Duration::from_micros(300));
    }
    let replies = client.rest();
    assert!(replies.last().unwrap().starts_with("221"), "{replies:?}");
    wait_until("the message is there", || relay.heard().iter().any(|line| line == "end"));
}

#[test]
fn a_large_message_arrives_whole() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    let mut client = gate.client().greeted();
    client.envelope();
    let line = format!("{}\r\n", "0123456789".repeat(7));
    client.say("Subject: large\r\n\r\n");
    client.say(line.repeat(100_000));
    client.say("the end\r\n.\r\n");
    assert!(client.reply().starts_with("250"));
    let heard = relay.heard();
    assert_eq!(heard.iter().filter(|heard| **heard == line.trim_end()).count(), 100_000);
    assert_eq!(gate.buffer_used(), 0);
}

#[test]
fn of_two_addresses_the_one_that_lives_is_used() {
    let relay = Relay::polite();
    // A port where nobody listens.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gate = gate(&[nobody, relay.address]);
    let mut client = gate.client().greeted();
    client.envelope();
    client.say("x\r\n.\r\n");
    assert!(client.reply().starts_with("250"));
}

#[test]
fn a_command_waits_for_its_turn_when_all_links_are_in_use() {
    let relay = Relay::polite();
    let gate = gate_with(&[relay.address], "", |deployment| deployment.relays[0].links = 1);
    let (mut first, mut second) = (gate.client().greeted(), gate.client().greeted());
    first.envelope();
    second.expect("MAIL FROM:<a@client.test>", "250");
    second.say("RCPT TO:<b@example.com>\r\n");
    thread::sleep(Duration::from_millis(200));
    first.say("x\r\n.\r\n");
    assert!(first.reply().starts_with("250"));
    first.expect("QUIT", "221");
    assert!(second.reply().starts_with("250"));
}
