//! XCLIENT, over real sockets.

use crate::support::{Relay, Running, gate_with, wait_until};
use gatepost::proxy::config::Deployment;
use gatepost::session::{Identity, WhenDown};

fn telling(relay: &Relay, when_down: WhenDown) -> Running {
    gate_with(&[relay.address], "", |deployment: &mut Deployment| {
        deployment.relays[0].identity = Identity::Xclient;
        deployment.relays[0].when_down = when_down;
    })
}

#[test]
fn the_relay_is_told_and_the_probe_makes_nobody_up() {
    let relay = Relay::playing(|talk| talk.politely_with("XCLIENT NAME ADDR PORT DESTADDR DESTPORT"));
    let gate = telling(&relay, WhenDown::Refuse);
    let probe =
        ["connection", "EHLO gate.test", "XCLIENT PORT=[UNAVAILABLE] NAME=[TEMPUNAVAIL] ADDR=[UNAVAILABLE]"];
    assert_eq!(relay.heard()[..4], [&probe[..], &["EHLO gate.test"]].concat());
    let mut client = gate.client().greeted();
    client.envelope();
    let (from, to) = (client.stream.local_addr().unwrap().port(), gate.address().port());
    // Nobody waits for the name: it may be there, or not yet (RFC 6761 6.3: 127.0.0.1 is `localhost`, whatever DNS says).
    let told = |name: &str| {
        format!("XCLIENT DESTADDR=127.0.0.1 DESTPORT={to} PORT={from} NAME={name} ADDR=127.0.0.1")
    };
    let either = [told("[TEMPUNAVAIL]"), told("localhost")];
    assert!(relay.heard().iter().any(|line| either.contains(line)), "{:?}", relay.heard());
}

#[test]
fn a_relay_that_cannot_be_told_is_down() {
    let relay = Relay::polite();
    let gate = telling(&relay, WhenDown::Refuse);
    wait_until("it is down", || gate.client().reply().starts_with("421 4.3.2"));
    assert!(gate.text().contains("gatepost_relay_up{relay=\"relay\"} 0"));
    let gate = telling(&relay, WhenDown::Greet);
    let mut client = gate.client().greeted();
    client.expect("MAIL FROM:<a@client.test>", "250");
    client.expect("RCPT TO:<b@example.com>", "451 4.3.5");
    assert!(gate.figure("gatepost_links_total{relay=\"relay\",result=\"identity_absent\"}") > 0);
    assert!(!relay.heard().iter().any(|line| line.starts_with("MAIL")));
}
