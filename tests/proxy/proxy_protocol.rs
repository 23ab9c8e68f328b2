//! PROXY headers, over real sockets.

use crate::secure::{Folder, Pair};
use crate::support::{Client, Relay, Running, gate_with, wait_until};
use gatepost::policy::network::NetworkSet;
use gatepost::proxy::config::{Accept, Arrival, Deployment};
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
