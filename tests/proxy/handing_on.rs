//! Links that serve one session after another.

use crate::support::{Client, Relay, Running, gate_with, wait_until};
use gatepost::session::Connect;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const REUSED: &str = "gatepost_links_total{relay=\"relay\",result=\"reused\"}";
const OPENED: &str = "gatepost_links_total{relay=\"relay\",result=\"opened\"}";
const ACTIVE: &str = "gatepost_links_active{relay=\"relay\"}";

/// A gate whose links serve so many sessions, and wait so long for the next one.
fn sharing(relay: &Relay, sessions: u32, wait: Duration, links: usize) -> Running {
    gate_with(&[relay.address], "", |deployment| {
        let relay = &mut deployment.relays[0];
        (relay.sessions_per_link, relay.waits.idle, relay.links) = (sessions, wait, links);
    })
}

const LONG: Duration = Duration::from_mins(1);

/// A session with a message, from its greeting to its end.
fn message(gate: &Running, words: &str) {
    let mut client = gate.client().greeted();
    client.envelope();
    finish(&mut client, words);
}

fn finish(client: &mut Client, words: &str) {
    client.say(format!("{words}\r\n.\r\n"));
    assert!(client.reply().starts_with("250"));
    client.expect("QUIT", "221");
    assert_eq!(client.line(), None);
}

/// What came on the links of these sessions, behind what the gate itself wanted to know.
fn heard(relay: &Relay) -> Vec<String> {
    let heard = relay.heard();
    let end = heard.iter().position(|line| line == "QUIT").unwrap();
    heard[end + 1..].to_vec()
}

#[test]
fn one_link_serves_one_session_after_another_each_with_its_own_hello() {
    let relay = Relay::polite();
    let gate = sharing(&relay, 100, LONG, 80);
    let before = relay.connections();
    for number in 0..20 {
        let words = format!("message {number}");
        let mut client = gate.client();
        assert!(client.reply().starts_with("220"));
        client.expect(&format!("EHLO client{number}.test"), "250");
        client.envelope();
        finish(&mut client, &words);
        // A session of the other thread may come before this one's has quite ended.
        wait_until("it is handed on", || heard(&relay).contains(&words));
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(relay.connections() - before, 1);
    let hellos = heard(&relay).into_iter().filter(|line| line.starts_with("EHLO"));
    assert_eq!(
        hellos.collect::<Vec<_>>(),
        (0..20).map(|n| format!("EHLO client{n}.test")).collect::<Vec<_>>()
    );
    assert_eq!((gate.figure(OPENED), gate.figure(REUSED), gate.figure(ACTIVE)), (1, 19, 1));
}

#[test]
fn a_link_serves_as_many_sessions_as_it_may() {
    let relay = Relay::polite();
    let gate = sharing(&relay, 2, LONG, 80);
    let before = relay.connections();
    for number in 0..4 {
        message(&gate, &number.to_string());
        wait_until("one is spare, or none is", || gate.figure(ACTIVE) == (number + 1) % 2);
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(relay.connections() - before, 2);
    // Whoever closes it says so.
    wait_until("it is told", || heard(&relay).iter().filter(|line| *line == "QUIT").count() == 2);
}

#[test]
fn a_link_that_nobody_takes_goes_back_to_the_relay() {
    let relay = Relay::polite();
    let gate = sharing(&relay, 100, Duration::from_millis(300), 80);
    message(&gate, "one");
    assert!(!heard(&relay).contains(&"QUIT".to_owned()));
    wait_until("it is told", || heard(&relay).contains(&"QUIT".to_owned()));
    wait_until("it is closed", || gate.figure(ACTIVE) == 0);
    // And it begins anew.
    message(&gate, "two");
    wait_until("it is told", || heard(&relay).iter().filter(|line| *line == "QUIT").count() == 2);
    assert_eq!((gate.figure(OPENED), gate.figure(REUSED)), (2, 0));
}

#[test]
fn a_link_that_the_relay_has_closed_meanwhile_is_no_trouble_of_the_next_client() {
    let relay = Relay::playing(|talk| {
        talk.politely(Some("."));
        talk.say("250 2.0.0 queued");
        thread::sleep(Duration::from_millis(50));
        talk.say("421 4.4.2 you have been here for too long");
    });
    let gate = sharing(&relay, 100, LONG, 80);
    for number in ["one", "two", "three"] {
        message(&gate, number);
        thread::sleep(Duration::from_millis(200));
    }
    assert_eq!((gate.figure(OPENED), gate.figure(REUSED)), (3, 0));
}

#[test]
fn a_link_that_dies_at_its_next_hello_is_replaced() {
    let number = AtomicUsize::new(0);
    let relay = Relay::playing(move |talk| {
        // The first is the gate's own, the second dies of its second hello.
        if number.fetch_add(1, Ordering::SeqCst) != 1 {
            return talk.politely(None);
        }
        talk.say("220 relay.test ESMTP");
        let (mut hellos, mut in_data) = (0, false);
        while let Some(line) = talk.hear() {
            hellos += usize::from(line.starts_with("EHLO"));
            in_data = in_data && line != "." || line == "DATA";
            match line.as_str() {
                _ if hellos == 2 => return,
                "DATA" => talk.say("354 go on"),
                _ if in_data => {}
                _ => talk.say("250 2.0.0 fine"),
            }
        }
    });
    let gate = sharing(&relay, 100, LONG, 80);
    message(&gate, "one");
    wait_until("it is handed on", || gate.figure(ACTIVE) == 1);
    thread::sleep(Duration::from_millis(20));
    message(&gate, "two");
    assert!(relay.heard().contains(&"two".to_owned()));
    assert_eq!((gate.figure(OPENED), gate.figure(REUSED)), (2, 0));
    assert_eq!(gate.figure("gatepost_links_total{relay=\"relay\",result=\"lost\"}"), 0);
}

#[test]
fn spare_links_and_links_in_use_are_never_more_than_the_relay_is_to_have() {
    let (open, most) = (AtomicUsize::new(0), std::sync::Arc::new(AtomicUsize::new(0)));
    let seen = std::sync::Arc::clone(&most);
    let relay = Relay::playing(move |talk| {
        let now = open.fetch_add(1, Ordering::SeqCst) + 1;
        seen.fetch_max(now, Ordering::SeqCst);
        talk.politely(None);
        open.fetch_sub(1, Ordering::SeqCst);
    });
    let gate = sharing(&relay, 5, LONG, 2);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..20).for_each(|number| message(&gate, &number.to_string())));
        }
    });
    // One that is closed may still be seen for a moment when the next comes.
    assert!(most.load(Ordering::SeqCst) <= 4, "{most:?}");
    assert_eq!(gate.figure("gatepost_messages_total{listener=\"test\",outcome=\"accepted\"}"), 160);
    assert!(gate.figure(REUSED) > 80, "{}", gate.figure(REUSED));
}

#[test]
fn a_new_link_takes_the_room_of_one_that_waits() {
    let relay = Relay::polite();
    let gate = gate_with(&[relay.address], "", |deployment| {
        let relay = &mut deployment.relays[0];
        (relay.sessions_per_link, relay.waits.idle, relay.links) = (100, LONG, 2);
        // Each session wants a new one, and hands it on all the same.
        relay.connect = Connect::Accept;
    });
    for number in 0..5 {
        message(&gate, &number.to_string());
        wait_until("it is handed on", || heard(&relay).contains(&number.to_string()));
        thread::sleep(Duration::from_millis(20));
        assert!(gate.figure(ACTIVE) <= 2, "{}", gate.figure(ACTIVE));
    }
    assert_eq!((gate.figure(OPENED), gate.figure(REUSED)), (5, 0));
}

#[test]
fn a_link_made_on_earlier_terms_is_nobodys_after_a_reload() {
    let relay = Relay::polite();
    let gate = sharing(&relay, 100, LONG, 80);
    message(&gate, "one");
    wait_until("it is handed on", || gate.figure(ACTIVE) == 1);
    let mut deployment = None;
    drop(gate_with(&[relay.address], "", |new| deployment = Some(new.clone())));
    let before = gate.figure(OPENED);
    gate.reload(&deployment.unwrap()).unwrap();
    wait_until("it is told", || gate.figure(ACTIVE) == 0);
    message(&gate, "two");
    assert_eq!((gate.figure(OPENED) - before, gate.figure(REUSED)), (1, 0));
}

#[test]
fn a_gate_that_goes_takes_leave_of_the_relay() {
    let relay = Relay::polite();
    let gate = sharing(&relay, 100, LONG, 80);
    message(&gate, "one");
    wait_until("it is handed on", || gate.figure(ACTIVE) == 1);
    gate.drain();
    gate.into_gate().join();
    wait_until("it is told", || heard(&relay).contains(&"QUIT".to_owned()));
}
