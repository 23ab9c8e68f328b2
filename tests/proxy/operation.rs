//! What the operator does and sees.

use crate::support::{Relay, gate, gate_with, wait_until};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[test]
fn the_endpoint_tells_figures_and_health() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    let mut client = gate.client().greeted();
    client.envelope();
    client.say("x\r\n.\r\n");
    assert!(client.reply().starts_with("250"));
    client.expect("QUIT", "221");
    wait_until("the session has ended", || {
        gate.text().contains("gatepost_sessions_active{listener=\"test\"} 0")
    });
    let metrics = gate.get("/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200"));
    for series in [
        "gatepost_messages_total{listener=\"test\",outcome=\"accepted\"} 1",
        "gatepost_recipients_total{listener=\"test\",outcome=\"accepted\"} 1",
        "gatepost_commands_total{fate=\"forwarded\",listener=\"test\",verb=\"DATA\"} 1",
        "gatepost_sessions_closed_total{listener=\"test\",reason=\"quit\"} 1",
        "gatepost_connections_accepted_total{listener=\"test\"} 1",
        "gatepost_links_active{relay=\"relay\"} 0",
        "gatepost_relay_up{relay=\"relay\"} 1",
        "gatepost_buffer_used_bytes 0",
    ] {
        assert!(metrics.contains(series), "{series}\n{metrics}");
    }
    assert!(gate.get("/ready").starts_with("HTTP/1.1 200"));
    assert!(gate.get("/live").starts_with("HTTP/1.1 200"));
    assert!(gate.get("/nothing").starts_with("HTTP/1.1 404"));
}

#[test]
fn a_drain_waits_for_the_message_that_is_on_its_way() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    let (mut idle, mut busy) = (gate.client().greeted(), gate.client().greeted());
    busy.envelope();
    gate.drain();
    assert!(idle.reply().starts_with("421"));
    assert_eq!(idle.line(), None);
    assert!(gate.get("/ready").starts_with("HTTP/1.1 503"));
    wait_until("nobody listens any more", || TcpStream::connect(gate.address()).is_err());
    busy.say("the message\r\n.\r\n");
    assert!(busy.reply().starts_with("250"));
    assert!(busy.reply().starts_with("421"));
    drop((idle, busy));
    gate.into_gate().join();
    assert!(relay.heard().contains(&"the message".to_owned()));
}

#[test]
fn a_drain_does_not_wait_for_ever() {
    let relay = Relay::polite();
    let gate = gate_with(&[relay.address], "", |deployment| deployment.drain = Duration::from_millis(200));
    let mut busy = gate.client().greeted();
    busy.envelope();
    busy.say("half a message");
    let start = Instant::now();
    gate.drain();
    assert!(busy.reply().starts_with("421"));
    drop(busy);
    gate.into_gate().join();
    assert!(start.elapsed() < Duration::from_secs(4));
    assert!(!relay.heard().contains(&".".to_owned()));
}

#[test]
fn a_second_gate_cannot_take_the_same_address() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    assert!(std::net::TcpListener::bind(gate.address()).is_err());
}

#[test]
fn a_gate_is_ready_when_a_relay_has_answered_and_a_silent_one_does_not_count() {
    let speaks = Arc::new(AtomicBool::new(false));
    let hears = Arc::clone(&speaks);
    let relay = Relay::playing(move |talk| {
        if hears.load(Ordering::Relaxed) {
            talk.politely(None);
        } else {
            talk.hear();
        }
    });
    let gate = gate_with(&[relay.address], "", |deployment| {
        deployment.relays[0].waits.open = Duration::from_millis(500);
    });
    assert!(gate.get("/ready").starts_with("HTTP/1.1 503"));
    wait_until("the silent relay counts as down", || gate.client().reply().starts_with("421 4.3.2"));
    assert!(gate.text().contains("gatepost_relay_up{relay=\"relay\"} 0"));
    assert!(gate.get("/ready").ends_with("no relay answers\n"));
    speaks.store(true, Ordering::Relaxed);
    wait_until("the relay answers", || gate.get("/ready").starts_with("HTTP/1.1 200"));
    gate.client().greeted();
}
