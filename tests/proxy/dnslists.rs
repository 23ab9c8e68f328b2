//! DNS lists, with a DNS server that says what a test tells it.

use crate::support::{Client, LONG, Relay, Running, gate_with, wait_until};
use gatepost::policy::network::NetworkSet;
use gatepost::proxy::config::{Accept, Deployment};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_millis(600);

const LISTS: &str = "
[[dnslist]]
id = 'zen'
zone = 'zen.test'
listed = '127.0.0.2..127.0.0.11'
weight = 3
";

/// What a server says to a question about an address.
#[derive(Clone, Copy)]
enum Says {
    /// This address.
    Answer([u8; 4]),
    /// There is no such name.
    Nobody,
    Nothing,
}

struct Server {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

/// A DNS server (RFC 1035 4.1) that is told the name, without its final dot.
fn server(says: impl Fn(&str) -> Says + Send + 'static) -> Server {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (socket.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            count.fetch_add(1, Ordering::SeqCst);
            let (mut at, mut labels) = (12, Vec::new());
            while buffer[at] != 0 {
                let end = at + 1 + usize::from(buffer[at]);
                labels.push(String::from_utf8(buffer[at + 1..end].to_vec()).unwrap());
                at = end;
            }
            let question = &buffer[12..(at + 5).min(length)];
            let (code, answer) = match says(&labels.join(".")) {
                Says::Answer(address) => {
                    // The name by a pointer, A, IN, a minute.
                    (0, [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4][..], &address].concat())
                }
                Says::Nobody => (3, Vec::new()),
                Says::Nothing => continue,
            };
            let head =
                [buffer[0], buffer[1], 0x81, 0x80 | code, 0, 1, 0, u8::from(!answer.is_empty()), 0, 0, 0, 0];
            socket.send_to(&[&head, question, &answer].concat(), from).unwrap();
        }
    });
    Server { address, asked }
}

/// A server of a list that is as it should be; of clients it says this.
fn list(says: impl Fn(&str) -> Says + Send + 'static) -> Server {
    server(move |name| match name.strip_suffix(".zen.test").unwrap_or_default() {
        "2.0.0.127" => Says::Answer([127, 0, 0, 2]),
        "1.0.0.127" => Says::Nobody,
        address => says(address),
    })
}

/// A gate that asks this server, and believes what PROXY headers say.
fn asking(relay: &Relay, server: &Server, rules: &str) -> Running {
    let trusted: NetworkSet = ["127.0.0.0/8".parse().unwrap()].into_iter().collect();
    gate_with(&[relay.address], &format!("{LISTS}{rules}"), |deployment: &mut Deployment| {
        deployment.listeners[0].accept = Accept::ProxyProtocol(trusted);
        deployment.resolver.servers = vec![server.address];
        deployment.resolver.timeout = TIMEOUT;
    })
}

fn usable(gate: &Running) {
    wait_until("the list was tried", || gate.text().contains("gatepost_dnslist_usable{list=\"zen\"} 1"));
}

fn come(gate: &Running, address: &str) -> Client {
    let mut client = gate.client();
    client.say(format!("PROXY TCP4 {address} 198.51.100.1 50000 25\r\n"));
    client
}

#[test]
fn who_is_listed_is_refused_and_postmaster_is_heard_all_the_same() {
    let relay = Relay::polite();
    let server = list(|address| match address {
        "9.2.0.192" => Says::Answer([127, 0, 0, 4]),
        "8.2.0.192" => Says::Answer([127, 255, 255, 254]),
        "7.2.0.192" => Says::Answer([192, 0, 2, 1]),
        "6.2.0.192" => Says::Answer([127, 0, 0, 12]),
        _ => Says::Nobody,
    });
    let gate = asking(&relay, &server, "");
    usable(&gate);
    let mut client = come(&gate, "192.0.2.9").greeted();
    client.expect("MAIL FROM:<a@client.test>", "250");
    let refused = client.expect("RCPT TO:<b@example.com>", "550 5.7.1");
    assert!(refused.contains("Your address is listed: zen, see zen.test"), "{refused}");
    client.expect("RCPT TO:<postmaster@example.com>", "250");
    for address in ["192.0.2.8", "192.0.2.7", "192.0.2.6", "192.0.2.5"] {
        come(&gate, address).greeted().envelope();
    }
    for (outcome, count) in [("listed", 1), ("refused", 1), ("error", 1), ("not_listed", 2)] {
        let series = format!("gatepost_dnslist_answers_total{{list=\"zen\",outcome=\"{outcome}\"}}");
        assert_eq!(gate.figure(&series), count, "{outcome}");
    }
}

#[test]
fn a_list_that_says_nothing_makes_a_recipient_wait_and_nothing_else_and_costs_no_mail() {
    let relay = Relay::polite();
    let server = list(|_| Says::Nothing);
    let gate = asking(&relay, &server, "");
    usable(&gate);
    let start = Instant::now();
    let mut client = come(&gate, "192.0.2.9").greeted();
    client.expect("MAIL FROM:<a@client.test>", "250");
    client.expect("RCPT TO:<postmaster>", "250");
    assert!(start.elapsed() < TIMEOUT / 2, "{:?}", start.elapsed());
    client.expect("RCPT TO:<b@example.com>", "250");
    let waited = start.elapsed();
    assert!(waited > TIMEOUT / 2 && waited < TIMEOUT * 2, "{waited:?}");
    client.expect("RCPT TO:<c@example.com>", "250");
    assert!(start.elapsed() < TIMEOUT * 2);
}

#[test]
fn nobody_is_made_to_wait_by_a_resolver_that_never_answered() {
    let relay = Relay::polite();
    let server = server(|_| Says::Nothing);
    let gate = asking(&relay, &server, "");
    let start = Instant::now();
    come(&gate, "192.0.2.9").greeted().envelope();
    assert!(start.elapsed() < TIMEOUT / 2, "{:?}", start.elapsed());
    wait_until("the list was tried", || server.asked.load(Ordering::SeqCst) > 0);
    assert_eq!(gate.figure("gatepost_dnslist_usable{list=\"zen\"}"), 0);
}

#[test]
fn a_list_that_lists_everybody_is_put_aside() {
    let relay = Relay::polite();
    let server = server(|_| Says::Answer([127, 0, 0, 2]));
    let gate = asking(&relay, &server, "");
    wait_until("the list was tried", || server.asked.load(Ordering::SeqCst) >= 2);
    for _ in 0..3 {
        come(&gate, "192.0.2.9").greeted().envelope();
    }
    assert_eq!(gate.figure("gatepost_dnslist_usable{list=\"zen\"}"), 0);
    assert_eq!(server.asked.load(Ordering::SeqCst), 2);
}

#[test]
fn who_is_on_no_list_is_not_asked_about_again_in_a_moment_and_who_is_inside_never() {
    let relay = Relay::polite();
    let server = list(|_| Says::Nobody);
    let gate = asking(&relay, &server, "");
    usable(&gate);
    let tests = server.asked.load(Ordering::SeqCst);
    for address in ["192.0.2.9", "192.0.2.9", "10.0.0.9", "127.0.0.9"] {
        come(&gate, address).greeted().envelope();
    }
    assert_eq!(server.asked.load(Ordering::SeqCst), tests + 1);
    let series = "gatepost_lookups_total{kind=\"list\",outcome=\"remembered\"}";
    assert_eq!(gate.figure(series), 1);
}

#[test]
fn a_client_that_has_said_all_is_answered_when_the_lists_are() {
    let relay = Relay::polite();
    let server = list(|_| Says::Nothing);
    let gate = asking(&relay, &server, "");
    usable(&gate);
    let mut client = come(&gate, "192.0.2.9").greeted();
    client.say("MAIL FROM:<a@client.test>\r\nRCPT TO:<b@example.com>\r\nQUIT\r\n");
    client.half_close();
    let replies = client.rest();
    assert_eq!(replies.iter().map(|reply| &reply[..3]).collect::<Vec<_>>(), ["250", "250", "221"]);
}

#[test]
fn many_clients_on_all_threads_are_asked_about_and_a_stop_waits_for_none_of_it() {
    let relay = Relay::polite();
    let server = list(|address| match address.split_once('.') {
        Some((last, "2.0.192")) if last.parse::<u8>().unwrap().is_multiple_of(2) => {
            Says::Answer([127, 0, 0, 3])
        }
        Some((_, "113.0.203")) => Says::Nothing,
        _ => Says::Nobody,
    });
    let gate = asking(&relay, &server, "");
    usable(&gate);
    let mut clients: Vec<_> =
        (1..=60_u8).map(|last| (last, come(&gate, &format!("192.0.2.{last}")))).collect();
    for (last, client) in &mut clients {
        assert!(client.reply().starts_with("220 "));
        client.expect("HELO client.test", "250");
        client.expect("MAIL FROM:<a@client.test>", "250");
        let code = if last.is_multiple_of(2) { "550" } else { "250" };
        client.expect("RCPT TO:<b@example.com>", code);
    }
    let _waiting = come(&gate, "203.0.113.9").greeted();
    let gate = gate.into_gate();
    let start = Instant::now();
    gate.stop();
    drop(clients);
    gate.join();
    assert!(start.elapsed() < LONG / 2, "{:?}", start.elapsed());
}
