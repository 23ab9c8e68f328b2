//! PROXY headers, over real sockets.

use crate::secure::{Folder, Pair};
use crate::support::{Client, Relay, Running, gate_with, wait_until};
use gatepost::policy::network::NetworkSet;
use gatepost::proxy::config::{Accept, Arrival, Deployment};
use gatepost::session::{Identity, WhenDown};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const LINE: &str = "PROXY TCP4 192.0.2.9 198.51.100.1 50000 25\r\n";

/// A gate that believes the headers of this network.
fn trusting(relay: &Relay, network: &str, rules: &str) -> Running {
    let trusted: NetworkSet = [network.parse().unwrap()].into_iter().collect();
    gate_with(&[relay.address], rules, |deployment: &mut Deployment| {
        deployment.listeners[0].accept = Accept::ProxyProtocol(trusted);
    })
}

fn headers(gate: &Running, result: &str) -> u64 {
    gate.figure(&format!("gatepost_proxy_headers_total{{listener=\"test\",result=\"{result}\"}}"))
}

/// A header of version 2 for this client.
fn binary(client: [u8; 4], more: &[u8]) -> Vec<u8> {
    let length = u16::try_from(12 + more.len()).unwrap().to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11"[..], &length, &client, &[198, 51, 100, 1, 0xc3, 0x50, 0, 25], more]
        .concat()
}

/// The client that rules see is the one in the header.
#[test]
fn the_client_is_the_one_in_the_header() {
    let relay = Relay::polite();
    let gate = trusting(&relay, "127.0.0.0/8", "[clients]\ndeny = ['192.0.2.66']\n");
    for header in [LINE.as_bytes().to_vec(), binary([192, 0, 2, 9], &[]), binary([192, 0, 2, 9], &[4, 1, 0])]
    {
        let mut client = gate.client();
        client.say(&header);
        let mut client = client.greeted();
        client.envelope();
    }
    for header in [LINE.replace("192.0.2.9", "192.0.2.66").into_bytes(), binary([192, 0, 2, 66], &[])] {
        let mut client = gate.client();
        client.say(&header);
        assert!(client.reply().starts_with("554 5.7.1"));
    }
    assert_eq!(headers(&gate, "client"), 5);
}

#[test]
fn what_is_cut_comes_together_and_nothing_behind_it_is_lost() {
    let relay = Relay::polite();
    let gate = trusting(&relay, "127.0.0.1/32", "[violations]\nearly_talker = 'tolerate'\n");
    for header in [LINE.as_bytes().to_vec(), binary([192, 0, 2, 9], &[4, 0, 0])] {
        let mut client = gate.client();
        for octet in &header {
            client.say([*octet]);
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(client.reply().starts_with("220 "));
        let mut client = gate.client();
        client.say([&header[..], b"EHLO client.test\r\n"].concat());
        assert!(client.reply().starts_with("220 "));
        assert!(client.reply().starts_with("250-"));
    }
}

#[test]
fn the_share_of_a_client_is_that_of_the_one_in_the_header() {
    let relay = Relay::polite();
    let trusted: NetworkSet = ["127.0.0.0/8".parse().unwrap()].into_iter().collect();
    let gate = gate_with(&[relay.address], "", |deployment: &mut Deployment| {
        deployment.listeners[0].accept = Accept::ProxyProtocol(trusted);
        deployment.listeners[0].sessions_per_client = 1;
    });
    let connect = |client: u8| {
        let mut connected = gate.client();
        connected.say(binary([192, 0, 2, client], &[]));
        let greeting = connected.reply();
        (connected, greeting)
    };
    let (_one, first) = connect(1);
    let (_other, second) = connect(2);
    let (_again, third) = connect(1);
    assert!(first.starts_with("220 ") && second.starts_with("220 "));
    assert!(third.starts_with("421 "), "{third}");
}

#[test]
fn whoever_is_not_trusted_is_closed_with_a_header_and_without() {
    let relay = Relay::polite();
    let gate = trusting(&relay, "192.0.2.0/24", "");
    for said in [LINE, "EHLO client.test\r\n", ""] {
        let mut client = gate.client();
        client.say(said);
        assert_eq!(client.line(), None);
    }
    assert_eq!(headers(&gate, "untrusted"), 3);
    wait_until("nobody is in", || gate.text().contains("gatepost_sessions_active{listener=\"test\"} 0"));
}

#[test]
fn whoever_is_trusted_and_says_none_is_closed() {
    let relay = Relay::polite();
    let gate = trusting(&relay, "127.0.0.0/8", "");
    for (said, result) in [
        (&b"EHLO client.test\r\n"[..], "absent"),
        (b"PROXY TCP4 192.0.2.9 198.51.100.1 50000\r\n", "malformed"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", "malformed"),
    ] {
        let before = headers(&gate, result);
        let mut client = gate.client();
        client.say(said);
        assert_eq!(client.line(), None);
        assert_eq!(headers(&gate, result), before + 1);
    }
    drop(gate.client());
    wait_until("it is counted", || headers(&gate, "closed") == 1);
    let begun = Instant::now();
    let mut silent = gate.client();
    silent.say("PROXY TCP4");
    assert_eq!(silent.line(), None);
    assert!(begun.elapsed() >= Duration::from_secs(4));
    assert_eq!(headers(&gate, "timed_out"), 1);
}

#[test]
fn a_proxy_that_speaks_for_itself_is_the_client() {
    let relay = Relay::polite();
    let gate = trusting(&relay, "127.0.0.0/8", "[clients]\nallow = ['127.0.0.1']\n");
    for header in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0"] {
        let mut client = gate.client();
        client.say(header);
        assert!(client.reply().starts_with("220 "));
    }
    assert_eq!(headers(&gate, "nobody"), 2);
}

#[test]
fn the_header_comes_before_tls() {
    let relay = Relay::polite();
    let (folder, pair) = (Folder::new(), Pair::own(&["gate.test"]));
    let file = folder.put("gate", &pair);
    let trusted: NetworkSet = ["127.0.0.0/8".parse().unwrap()].into_iter().collect();
    let gate = gate_with(&[relay.address], "", |deployment: &mut Deployment| {
        deployment.listeners[0].accept = Accept::ProxyProtocol(trusted);
        deployment.listeners[0].arrival = Arrival::Implicit;
        deployment.listeners[0].certificates = vec![file.name.clone()];
        deployment.certificates = vec![file.clone()];
    });
    let mut client = Client::connect(gate.address());
    client.say(LINE);
    let seen = crate::secure::handshake(client, &crate::secure::usual(), "gate.test").unwrap();
    seen.client.greeted();
}

/// So many come, each says this first, and is greeted.
fn visits(gate: &Running, times: u8, first: impl Fn(u8) -> Vec<u8>) {
    for number in 0..times {
        let mut client = gate.client();
        client.say(first(number));
        assert!(client.reply().starts_with("220 "));
    }
}

#[test]
fn clients_are_hidden_where_nearly_all_come_from_one_private_address_unless_a_header_says_who_they_are() {
    const HIDDEN: &str = "gatepost_clients_hidden{listener=\"test\"}";
    let relay = Relay::polite();
    let gate = gate_with(&[relay.address], "", |_| ());
    visits(&gate, 199, |_| Vec::new());
    assert_eq!(gate.figure(HIDDEN), 0);
    visits(&gate, 1, |_| Vec::new());
    assert_eq!(gate.figure(HIDDEN), 1);
    // The peer is the same; what counts is for whom it speaks.
    let gate = trusting(&relay, "127.0.0.0/8", "");
    visits(&gate, 200, |number| binary([192, 0, 2, number], &[]));
    assert_eq!(gate.figure(HIDDEN), 0);
    visits(&gate, 200, |_| binary([10, 0, 0, 5], &[]));
    assert_eq!(gate.figure(HIDDEN), 1);
    let gate = gate_with(&[relay.address], "[clients]\nallow = ['127.0.0.1']\n", |_| ());
    visits(&gate, 200, |_| Vec::new());
    assert_eq!(gate.figure(HIDDEN), 0);
}

/// A relay that expects a header, which it notes in hexadecimal if it is not a line.
fn expecting() -> Relay {
    Relay::playing(|talk| {
        talk.note_header();
        talk.politely(None);
    })
}

/// A gate that sends headers.
fn telling(relay: &Relay, identity: Identity, rules: &str) -> Running {
    gate_with(&[relay.address], rules, |deployment: &mut Deployment| {
        deployment.relays[0].identity = identity;
    })
}

fn deliver(gate: &Running) -> SocketAddr {
    let mut client = gate.client().greeted();
    client.envelope();
    client.say("Subject: x\r\n\r\nthe body\r\n.\r\n");
    assert!(client.reply().starts_with("250"));
    client.stream.local_addr().unwrap()
}

#[test]
fn a_link_begins_with_a_line_that_says_who_the_client_is() {
    let relay = expecting();
    let gate = telling(&relay, Identity::ProxyV1, "");
    let client = deliver(&gate);
    let heard = relay.heard();
    // The probe is the gate's own, and says so.
    assert!(heard[1].starts_with("PROXY TCP4 127.0.0.1 127.0.0.1 "), "{heard:?}");
    assert!(heard[1].ends_with(&format!(" {}", relay.address.port())));
    assert_eq!(heard[2], "EHLO gate.test");
    let line = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}", client.port(), gate.address().port());
    assert!(heard.contains(&line), "{heard:?}");
}

#[test]
fn a_link_begins_with_octets_that_say_who_the_client_is() {
    let relay = expecting();
    let gate = telling(&relay, Identity::ProxyV2, "");
    let client = deliver(&gate);
    let heard = relay.heard();
    assert_eq!(heard[..3], ["connection", "2000:", "EHLO gate.test"]);
    let (from, to) = (client.port(), gate.address().port());
    let header = heard.iter().find(|line| line.starts_with("2111:")).unwrap();
    assert!(header.starts_with(&format!("2111:7f0000017f000001{from:04x}{to:04x}050008")), "{header}");
}

#[test]
fn what_came_in_one_header_goes_out_in_another() {
    let relay = expecting();
    let trusted: NetworkSet = ["127.0.0.0/8".parse().unwrap()].into_iter().collect();
    let gate = gate_with(&[relay.address], "", |deployment: &mut Deployment| {
        deployment.relays[0].identity = Identity::ProxyV1;
        deployment.listeners[0].accept = Accept::ProxyProtocol(trusted);
    });
    let mut client = gate.client();
    client.say(binary([192, 0, 2, 9], &[]));
    client.greeted().envelope();
    let line = "PROXY TCP4 192.0.2.9 198.51.100.1 50000 25".to_owned();
    assert!(relay.heard().contains(&line), "{:?}", relay.heard());
}

#[test]
fn a_relay_that_knows_no_headers_gets_no_mail() {
    let relay = Relay::playing(|talk| {
        talk.say("220 relay.test ESMTP");
        while talk.hear().is_some() {
            talk.say("500 5.5.2 what?");
        }
    });
    let gate = gate_with(&[relay.address], "", |deployment: &mut Deployment| {
        deployment.relays[0].identity = Identity::ProxyV1;
        deployment.relays[0].when_down = WhenDown::Greet;
    });
    let mut client = gate.client().greeted();
    client.expect("MAIL FROM:<a@client.test>", "250");
    client.expect("RCPT TO:<b@example.com>", "451 4.3.5");
    assert!(!relay.heard().iter().any(|line| line.starts_with("MAIL")));
    assert!(gate.figure("gatepost_links_total{relay=\"relay\",result=\"identity_refused\"}") > 0);
    assert!(gate.text().contains("gatepost_relay_up{relay=\"relay\"} 0"));
}
