//! Strangers who take what they can get, and partners who get through all the same.

use crate::support::{Client, Relay, Running, gate_with, wait_until};
use gatepost::proxy::config::{Deployment, Reserve};
use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

/// From where partners come; strangers come from anywhere else in 127.0.0.0/8.
const PARTNER: &str = "127.0.0.7";

/// A gate with a reserve of so many sessions for the partner.
fn guarded(relay: &Relay, sessions: usize, change: impl FnOnce(&mut Deployment)) -> Running {
    guarded_with(relay, "", sessions, change)
}

fn guarded_with(
    relay: &Relay,
    rules: &str,
    sessions: usize,
    change: impl FnOnce(&mut Deployment),
) -> Running {
    gate_with(&[relay.address], rules, |deployment| {
        let listener = &mut deployment.listeners[0];
        let partner: ipnet::IpNet = "127.0.0.7/32".parse().unwrap();
        listener.reserve = Some(Reserve { partners: [partner].into_iter().collect(), sessions });
        change(deployment);
    })
}

fn from(gate: &Running, address: &str) -> Client {
    let local = SocketAddr::new(address.parse::<IpAddr>().unwrap(), 0);
    Client::connect_from(local, gate.address())
}

fn stranger(gate: &Running, number: usize) -> Client {
    from(gate, &format!("127.1.{}.{}", number / 250, number % 250 + 1))
}

/// A whole message.
fn deliver(client: &mut Client) {
    client.envelope();
    client.say("Subject: x\r\n\r\nx\r\n.\r\n");
    assert!(client.reply().starts_with("250"));
}

#[test]
fn a_partner_gets_through_while_two_hundred_strangers_hold_good_recipients() {
    let relay = Relay::polite();
    let gate = guarded(&relay, 10, |deployment| deployment.relays[0].links = 10);
    let mut strangers: Vec<_> = (0..200).map(|number| stranger(&gate, number)).collect();
    let good = "EHLO client.test\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<b@example.com>\r\n";
    let mut last = strangers.pop().unwrap();
    for stranger in &mut strangers {
        stranger.say(good);
    }
    // Eight have a link, as many as may wait do so, and who comes then is told at once to come back.
    wait_until("the links are full", || gate.text().contains("gatepost_links_active{relay=\"relay\"} 8"));
    wait_until("the queue is full", || gate.text().contains("gatepost_links_waiting{relay=\"relay\"} 80"));
    last.say(good);
    let replies = last.rest_until("451");
    assert!(replies.contains("451 4.3.2"), "{replies}");
    let start = Instant::now();
    for _ in 0..20 {
        let mut partner = from(&gate, PARTNER).greeted();
        deliver(&mut partner);
        partner.expect("QUIT", "221");
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_partner_comes_in_when_strangers_have_filled_the_house() {
    let relay = Relay::polite();
    let gate = guarded(&relay, 2, |deployment| deployment.listeners[0].sessions = 6);
    let strangers: Vec<_> = (0..4).map(|number| stranger(&gate, number).greeted()).collect();
    let mut turned_away: Vec<_> = (4..20).map(|number| stranger(&gate, number)).collect();
    for stranger in &mut turned_away {
        assert!(stranger.reply().starts_with("421 4.3.2"));
    }
    let mut partner = from(&gate, PARTNER).greeted();
    deliver(&mut partner);
    drop((strangers, turned_away));
}

#[test]
fn a_client_that_the_rules_except_has_more_sessions_than_others() {
    let relay = Relay::polite();
    let rules = "[[exempt]]\nfrom = ['listener.sessions_per_client']\nwhen = { 'client.ip' = '127.0.0.7' }\n";
    let gate = gate_with(&[relay.address], rules, |deployment| {
        deployment.listeners[0].sessions_per_client = 1;
    });
    let _partners: Vec<_> = (0..3).map(|_| from(&gate, PARTNER).greeted()).collect();
    let _stranger = stranger(&gate, 0).greeted();
    assert!(stranger(&gate, 0).reply().starts_with("421 4.7.0"));
}

#[test]
fn a_session_without_a_message_on_its_way_leaves_its_link_to_who_waits() {
    let relay = Relay::polite();
    let gate = gate_with(&[relay.address], "", |deployment| deployment.relays[0].links = 1);
    let (mut first, mut second) = (gate.client().greeted(), gate.client().greeted());
    for _ in 0..3 {
        deliver(&mut first);
        deliver(&mut second);
    }
    first.expect("QUIT", "221");
    second.expect("QUIT", "221");
}

#[test]
fn stress_shows_idle_strangers_out_and_leaves_partners_alone() {
    let relay = Relay::polite();
    let rules = "[stress]\ncommand_wait = '2s'\n";
    let gate = guarded_with(&relay, rules, 2, |deployment| deployment.listeners[0].sessions = 12);
    let mut partner = from(&gate, PARTNER).greeted();
    let mut strangers: Vec<_> = (0..9).map(|number| stranger(&gate, number).greeted()).collect();
    wait_until("the gate is under stress", || gate.text().contains("gatepost_stressed{listener=\"test\"} 1"));
    // One error is too many now for a stranger, and none for a partner.
    strangers[0].expect("FROBNICATE", "421 4.7.0");
    partner.expect("FROBNICATE", "500");
    for stranger in &mut strangers[1..] {
        assert!(stranger.reply().starts_with("421 4.4.2"));
    }
    wait_until("the stress is over", || gate.text().contains("gatepost_stressed{listener=\"test\"} 0"));
    thread::sleep(Duration::from_millis(100));
    partner.expect("NOOP", "250");
    stranger(&gate, 1).greeted().expect("FROBNICATE", "500");
}

#[test]
fn a_tarpit_has_room_for_so_many_and_the_next_hears_at_once() {
    let relay = Relay::polite();
    let rules = "[[rule]]\nid = 'trap'\non = 'EHLO'\nwhen = { 'hello.name' = 'trap.test' }\nthen = 'disconnect'\n\
                 tarpit = '2s'\n";
    let gate = gate_with(&[relay.address], rules, |deployment| deployment.listeners[0].tarpit_sessions = 2);
    let mut held: Vec<_> = (0..2).map(|number| stranger(&gate, number)).collect();
    let start = Instant::now();
    for stranger in &mut held {
        stranger.say("EHLO trap.test\r\n");
    }
    wait_until("two are held", || {
        gate.text().contains("gatepost_tarpit_sessions_active{listener=\"test\"} 2")
    });
    let mut third = stranger(&gate, 2);
    third.say("EHLO trap.test\r\n");
    assert!(third.rest().last().unwrap().starts_with("550"));
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(held[0].rest().last().unwrap().starts_with("550"));
    assert!(start.elapsed() >= Duration::from_secs(2));
    wait_until("nobody is held", || {
        gate.text().contains("gatepost_tarpit_sessions_active{listener=\"test\"} 0")
    });
    assert!(gate.text().contains("gatepost_tarpit_full_total{listener=\"test\"} 1"));
}

#[test]
fn who_finds_no_room_in_the_tarpit_is_heard_again() {
    let relay = Relay::polite();
    let rules = "[[rule]]\nid = 'slow'\non = 'MAIL'\nwhen = { 'mail.domain' = 'slow.test' }\nthen = 'reject'\n\
                 at = 'once'\ntarpit = '60s'\n";
    let gate = gate_with(&[relay.address], rules, |deployment| deployment.listeners[0].tarpit_sessions = 0);
    let mut stranger = stranger(&gate, 1).greeted();
    for (command, code) in [("MAIL FROM:<a@slow.test>", "550"), ("RSET", "250"), ("NOOP", "250")] {
        stranger.expect(command, code);
    }
}
