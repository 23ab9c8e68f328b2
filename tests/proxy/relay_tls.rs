//! TLS with relays, over real sockets.

use crate::secure::{Authority, Folder, Manner, Pair, secure_relay, usual};
use crate::support::{Relay, Running, gate_with, wait_until};
use gatepost::proxy::config::{Deployment, RelayTerms};
use gatepost::session::{RelayTls, WhenDown};

/// A gate whose relay is called like this.
fn calling(relay: &Relay, tls: RelayTls, terms: RelayTerms) -> Running {
    gate_with(&[relay.address], "", |deployment: &mut Deployment| {
        deployment.relays[0].tls = tls;
        deployment.relays[0].terms = terms;
        deployment.relays[0].when_down = WhenDown::Greet;
    })
}

/// The reply to the first recipient, and to the message if it came so far.
fn deliver(gate: &Running) -> String {
    let mut client = gate.client().greeted();
    client.expect("MAIL FROM:<a@client.test>", "250");
    let reply = client.ask("RCPT TO:<b@example.com>");
    if !reply.starts_with("250") {
        return reply;
    }
    client.expect("DATA", "354");
    client.say("Subject: x\r\n\r\nthe body\r\n.\r\n");
    client.reply()
}

fn in_tls(relay: &Relay) -> bool {
    relay.heard().contains(&"tls: the body".to_owned())
}

/// Nothing of a message was said outside.
fn never_in_clear(relay: &Relay) -> bool {
    !relay.heard().iter().any(|line| line.starts_with("MAIL"))
}

#[test]
fn opportunistic_tls_believes_anyone_and_offers_what_is_offered_inside() {
    let relay = secure_relay(Manner::with(&Pair::own(&["somebody.else"])));
    let gate = calling(&relay, RelayTls::Opportunistic, RelayTerms::default());
    // The probe has asked inside: there the relay takes more than outside.
    let mut client = gate.client();
    client.reply();
    assert!(client.ask("EHLO client.test").contains("SIZE 77000000"));
    assert!(deliver(&gate).starts_with("250"));
    assert!(in_tls(&relay) && never_in_clear(&relay), "{:?}", relay.heard());
    let held = "gatepost_tls_handshakes_total{listener=\"test\",result=\"resumed\",side=\"relay\",version=\"1.3\"} 1";
    wait_until("it is counted", || gate.text().contains(held));
}

#[test]
fn opportunistic_tls_that_fails_is_done_without() {
    let relay = secure_relay(Manner::with(&Pair::own(&["relay.test"])).broken());
    let gate = calling(&relay, RelayTls::Opportunistic, RelayTerms::default());
    assert!(deliver(&gate).starts_with("250"), "{:?}", relay.heard());
    assert!(!in_tls(&relay));
}

#[test]
fn required_tls_is_verified_by_name_and_by_authority() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let file = folder.authority(&authority);
    let by = |name: &str| RelayTerms {
        ca: vec![file.clone()],
        name: Some(name.to_owned()),
        ..RelayTerms::default()
    };
    let relay = secure_relay(Manner::with(&authority.issue(&["relay.test"])));
    assert!(deliver(&calling(&relay, RelayTls::Required, by("relay.test"))).starts_with("250"));
    assert!(in_tls(&relay) && never_in_clear(&relay));
    // Another name, an authority that nobody knows: the mail stays where it is.
    for (relay, name) in
        [(&relay, "other.test"), (&secure_relay(Manner::with(&Pair::own(&["relay.test"]))), "relay.test")]
    {
        let gate = calling(relay, RelayTls::Required, by(name));
        let reply = deliver(&gate);
        assert!(reply.starts_with("451 4.7"), "{reply}");
        assert!(never_in_clear(relay));
        let failed =
            "gatepost_tls_handshake_failures_total{listener=\"test\",reason=\"certificate\",side=\"relay\"}";
        assert!(gate.figure(failed) > 0);
    }
}

#[test]
fn required_tls_and_a_relay_without_any_do_not_go_together() {
    let relay = Relay::polite();
    let pinned = RelayTerms { pins: vec![[7; 32]], ..RelayTerms::default() };
    let reply = deliver(&calling(&relay, RelayTls::Required, pinned));
    assert!(reply.starts_with("451 4.7"), "{reply}");
    assert!(never_in_clear(&relay));
}

#[test]
fn a_pinned_key_is_believed_whoever_vouches_for_it() {
    let (folder, pair) = (Folder::new(), Pair::own(&["whoever.test"]));
    let file = folder.put("relay", &pair);
    let pin = gatepost::proxy::Description::read(&file.chain).unwrap().pin;
    let relay = secure_relay(Manner::with(&pair));
    let terms = |pin| RelayTerms { pins: vec![[0; 32], pin], ..RelayTerms::default() };
    assert!(deliver(&calling(&relay, RelayTls::Required, terms(pin))).starts_with("250"));
    let reply = deliver(&calling(&relay, RelayTls::Required, terms([1; 32])));
    assert!(reply.starts_with("451 4.7"), "{reply}");
    assert!(in_tls(&relay) && never_in_clear(&relay));
}

#[test]
fn implicit_tls_comes_before_the_relays_greeting() {
    let relay = secure_relay(Manner::with(&Pair::own(&["relay.test"])).implicit());
    let terms = RelayTerms { implicit: true, ..RelayTerms::default() };
    let gate = calling(&relay, RelayTls::Opportunistic, terms);
    assert!(deliver(&gate).starts_with("250"));
    assert!(in_tls(&relay));
    // One that does not know what to make of it is no relay.
    let clear = Relay::polite();
    let terms = RelayTerms { implicit: true, ..RelayTerms::default() };
    let reply = deliver(&calling(&clear, RelayTls::Opportunistic, terms));
    assert!(reply.starts_with("451"), "{reply}");
}

#[test]
fn what_passes_through_is_between_those_two_and_counted() {
    let pair = Pair::own(&["relay.test"]);
    let relay = secure_relay(Manner::with(&pair));
    let gate = gate_with(&[relay.address], "[tls]\nstarttls = 'passthrough'\n", |_| ());
    let seen = crate::secure::starttls(gate.client(), &usual(), "relay.test").unwrap();
    assert!(seen.certificate == pair.certificate);
    let mut client = seen.client;
    client.expect("EHLO client.test", "250");
    client.envelope();
    client.say("0123456789\r\n".repeat(100_000));
    client.say(".\r\n");
    assert!(client.reply().starts_with("250"));
    client.expect("QUIT", "221");
    assert_eq!(client.line(), None);
    drop(client);
    assert!(relay.heard().contains(&"tls: MAIL FROM:<a@client.test>".to_owned()));
    let uninspected =
        "gatepost_sessions_uninspected_total{listener=\"test\",reason=\"starttls_passthrough\"} 1";
    wait_until("it is counted", || gate.text().contains(uninspected));
    wait_until("it has ended", || {
        gate.text().contains("gatepost_sessions_closed_total{listener=\"test\",reason=\"passed\"} 1")
    });
    assert!(gate.figure("gatepost_uninspected_bytes_total{listener=\"test\"}") > 1_200_000);
    wait_until("nothing is kept", || gate.buffer_used() == 0);
}
