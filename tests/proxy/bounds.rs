//! Peers that take more than their share.

use crate::support::{Relay, gate, gate_with, wait_until};
use std::io::Write;
use std::thread;
use std::time::Duration;

/// One connection holds no more than this, whatever its peers do.
const OF_ONE: i64 = 256 * 1024;

#[test]
fn ten_thousand_commands_at_once_are_answered_one_by_one() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    let client = gate.client().greeted();
    let mut speaker = client.stream.try_clone().unwrap();
    let speaking = thread::spawn(move || speaker.write_all("NOOP\r\n".repeat(10_000).as_bytes()));
    let mut client = client;
    for _ in 0..10_000 {
        assert!(client.reply().starts_with("250"));
    }
    speaking.join().unwrap().unwrap();
    client.expect("QUIT", "221");
}

#[test]
fn a_client_that_never_reads_is_not_read_either() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    let client = gate.client().greeted();
    let mut speaker = client.stream.try_clone().unwrap();
    speaker.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    // It comes to a stop when the buffers of the system are full.
    let stuck = "NOOP\r\n".repeat(10_000_000);
    assert!(speaker.write_all(stuck.as_bytes()).is_err());
    assert!(gate.buffer_used() > 0);
    assert!(gate.buffer_used() < OF_ONE, "{}", gate.buffer_used());
    // Others do not feel it.
    gate.client().greeted().expect("NOOP", "250");
}

#[test]
fn a_relay_that_never_reads_stops_the_client_and_costs_no_memory() {
    let relay = Relay::playing(|talk| {
        talk.say("220 relay.test");
        while let Some(line) = talk.hear() {
            if line == "DATA" {
                talk.say("354 go on");
                thread::sleep(crate::support::LONG);
                return;
            }
            talk.say("250 fine");
        }
    });
    let gate = gate(&[relay.address]);
    let mut client = gate.client().greeted();
    client.envelope();
    client.stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let body = "0123456789012345678901234567890123456789\r\n".repeat(1_000_000);
    assert!(client.stream.write_all(body.as_bytes()).is_err());
    assert!(gate.buffer_used() < OF_ONE, "{}", gate.buffer_used());
}

#[test]
fn memory_that_is_used_up_closes_the_door_and_then_the_session() {
    let relay = Relay::polite();
    let gate = gate_with(&[relay.address], "", |deployment| deployment.buffer_memory = 8 * 1024);
    let mut client = gate.client().greeted();
    client.say("x".repeat(7 * 1024));
    wait_until("the line is kept", || gate.buffer_used() > 7000);
    let refused = gate.client().reply();
    assert!(refused.starts_with("421"), "{refused}");
    client.say("x".repeat(4 * 1024));
    assert!(client.reply().starts_with("421"));
    wait_until("the memory is given back", || gate.buffer_used() == 0);
    gate.client().greeted().expect("NOOP", "250");
}

#[test]
fn a_line_without_an_end_is_cut_off() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    let mut client = gate.client().greeted();
    client.say("x".repeat(100_000));
    let last = client.rest();
    assert!(last.last().is_some_and(|line| line.starts_with('5')), "{last:?}");
}

#[test]
fn a_listener_has_so_many_sessions_and_a_client_so_many_of_them() {
    let relay = Relay::polite();
    let gate = gate_with(&[relay.address], "", |deployment| deployment.listeners[0].sessions = 2);
    let _first = gate.client().greeted();
    let second = gate.client().greeted();
    let mut third = gate.client();
    assert!(third.reply().starts_with("421 4.3.2"));
    assert_eq!(third.line(), None);
    drop((second, third));
    wait_until("there is room again", || gate.client().reply().starts_with("220"));

    let other = gate_with(&[relay.address], "", |deployment| deployment.listeners[0].sessions_per_client = 1);
    let _first = other.client().greeted();
    assert!(other.client().reply().starts_with("421 4.7.0"));
    assert!(other.text().contains("reason=\"not_admitted_sessions_of_peer\"} 1"));
}

#[test]
fn a_client_that_is_silent_is_shown_out() {
    let relay = Relay::polite();
    let gate = gate_with(&[relay.address], "line_time = '1s'\n", |_| ());
    let mut client = gate.client().greeted();
    client.say("NOO");
    assert!(client.reply().starts_with("421"));
}
