//! Against a server that says what a test tells it.

use super::*;
use crate::policy::compile::compile;
use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, PTR};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What a server says to a question.
enum Says {
    /// `name TYPE data`, one record a line.
    Records(String),
    Code(ResponseCode),
    Nothing,
}

/// Records of one name.
fn records(lines: &str) -> Says {
    Says::Records(lines.to_owned())
}

fn record(line: &str) -> Record {
    let words: Vec<&str> = line.split_whitespace().collect();
    // As octets: what is no name of a host cannot be written otherwise.
    let name = |text: &str| {
        let labels = text.trim_end_matches('.').split('.').map(str::as_bytes);
        let mut name = Name::from_labels(labels).unwrap();
        name.set_fqdn(true);
        name
    };
    let data = match words[1] {
        "A" => RData::A(A(words[2].parse().unwrap())),
        "AAAA" => RData::AAAA(AAAA(words[2].parse().unwrap())),
        "CNAME" => RData::CNAME(CNAME(name(words[2]))),
        _ => RData::PTR(PTR(name(words[2]))),
    };
    Record::from_rdata(name(words[0]), 60, data)
}

/// A server; it counts the questions.
struct Server {
    address: std::net::SocketAddr,
    asked: Arc<AtomicUsize>,
}

fn server(says: impl Fn(&str, RecordType) -> Says + Send + 'static) -> Server {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (socket.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let question = Message::from_vec(&buffer[..length]).unwrap();
            let query = question.queries[0].clone();
            count.fetch_add(1, Ordering::SeqCst);
            let mut answer = Message::response(question.metadata.id, OpCode::Query);
            match says(&query.name().to_string(), query.query_type()) {
                Says::Records(lines) => {
                    answer.add_answers(lines.lines().map(record));
                }
                Says::Code(code) => answer.metadata.response_code = code,
                Says::Nothing => continue,
            }
            answer.add_query(query);
            socket.send_to(&answer.to_vec().unwrap(), from).unwrap();
        }
    });
    Server { address, asked }
}

fn dns(server: &Server) -> Arc<Dns> {
    let telemetry = Telemetry::new(Box::new(std::io::sink())).unwrap();
    let means = Means::new(telemetry.metrics(), 1000, 0);
    let timeout = Duration::from_millis(400);
    let config = config::Resolver { servers: vec![server.address], timeout, cache: 100 };
    Dns::new(config, Handle::current(), means, &telemetry)
}

async fn name_of(dns: &Arc<Dns>, client: &str) -> (NameVerdict, Option<String>) {
    match dns.name(client.parse().unwrap()).await.unwrap() {
        Answered::Name(naming) => (naming.verdict, naming.name.map(String::from)),
        other => panic!("{other:?}"),
    }
}

const REVERSE: &str = "9.2.0.192.in-addr.arpa.";

/// The verdict about 192.0.2.9, where its address has these names, and other questions are answered so.
async fn verdict(
    names: &'static str,
    says: impl Fn(&str) -> Says + Send + 'static,
) -> (NameVerdict, Option<String>) {
    let server = server(move |name, kind| match kind {
        RecordType::PTR if name == REVERSE => {
            records(&names.lines().fold(String::new(), |all, name| format!("{all}{REVERSE} PTR {name}\n")))
        }
        _ => says(name),
    });
    name_of(&dns(&server), "192.0.2.9").await
}

const UNVERIFIED: (NameVerdict, Option<String>) = (NameVerdict::Unverified, None);
const FAILED: (NameVerdict, Option<String>) = (NameVerdict::Failed, None);

fn verified(name: &str) -> (NameVerdict, Option<String>) {
    (NameVerdict::Verified, Some(name.to_owned()))
}

#[tokio::test]
async fn a_name_that_has_the_address_is_verified_and_another_is_not() {
    let here = |name: &str| records(&format!("{name} A 192.0.2.9\n{name} A 192.0.2.10"));
    assert_eq!(verdict("Mail.Example.org.", here).await, verified("Mail.Example.org"));
    let elsewhere = |name: &str| records(&format!("{name} A 192.0.2.10"));
    assert_eq!(verdict("mail.example.org.", elsewhere).await, UNVERIFIED);
    assert_eq!(verdict("mail.example.org.", |_| Says::Code(ResponseCode::NXDomain)).await, UNVERIFIED);
    assert_eq!(verdict("mail.example.org.", |_| records("")).await, UNVERIFIED);
}

#[tokio::test]
async fn no_name_is_unverified_and_no_answer_is_a_failure() {
    for (code, wanted) in [
        (ResponseCode::NXDomain, UNVERIFIED),
        (ResponseCode::NoError, UNVERIFIED),
        (ResponseCode::ServFail, FAILED),
        (ResponseCode::Refused, FAILED),
    ] {
        let server = server(move |_, _| Says::Code(code));
        assert_eq!(name_of(&dns(&server), "192.0.2.9").await, wanted, "{code}");
    }
    assert_eq!(verdict("mail.example.org.", |_| Says::Code(ResponseCode::ServFail)).await, FAILED);
}

#[tokio::test]
async fn of_two_names_the_one_that_works_is_enough() {
    let says = |name: &str| match name {
        "broken.example.org." => Says::Code(ResponseCode::ServFail),
        name => records(&format!("{name} A 192.0.2.9")),
    };
    assert_eq!(verdict("broken.example.org.\nmail.example.org.", says).await, verified("mail.example.org"));
}

#[tokio::test]
async fn of_twenty_names_ten_are_looked_at() {
    let names = "n0.test.\nn1.test.\nn2.test.\nn3.test.\nn4.test.\nn5.test.\nn6.test.\nn7.test.\nn8.test.\nn9.test.\n\
                 n10.test.\nn11.test.\nn12.test.\nn13.test.\nn14.test.\nn15.test.\nn16.test.\nn17.test.\nn18.test.\nn19.test.";
    let (seen, says) = (Arc::new(AtomicUsize::new(0)), |_: &str| Says::Code(ResponseCode::NXDomain));
    let counted = Arc::clone(&seen);
    let counting = move |name: &str| {
        counted.fetch_add(1, Ordering::SeqCst);
        says(name)
    };
    assert_eq!(verdict(names, counting).await, UNVERIFIED);
    assert_eq!(seen.load(Ordering::SeqCst), 10);
    let ninth = |name: &str| match name {
        "n8.test." => records("n8.test. A 192.0.2.9"),
        _ => Says::Code(ResponseCode::NXDomain),
    };
    assert_eq!(verdict(names, ninth).await, verified("n8.test"));
}

#[tokio::test]
async fn a_name_with_control_octets_is_none_though_it_has_the_address() {
    let here = |name: &str| records(&format!("{name} A 192.0.2.9"));
    assert_eq!(verdict("a\u{1}Received:.example.org.", here).await, UNVERIFIED);
    assert_eq!(verdict("a\0b.example.org.\nmail.example.org.", here).await, verified("mail.example.org"));
}

#[tokio::test]
async fn a_chain_of_aliases_is_followed_and_a_circle_is_not() {
    // RFC 2317: the reverse zone of a part of a network is elsewhere.
    let says = |name: &str, kind| match (name, kind) {
        (REVERSE, _) => records(&format!("{REVERSE} CNAME 9.0-25.2.0.192.in-addr.arpa.")),
        ("9.0-25.2.0.192.in-addr.arpa.", RecordType::PTR) => {
            records("9.0-25.2.0.192.in-addr.arpa. PTR mail.example.org.")
        }
        ("mail.example.org.", _) => records("mail.example.org. CNAME host.example.org."),
        ("host.example.org.", _) => records("host.example.org. A 192.0.2.9"),
        _ => Says::Code(ResponseCode::NXDomain),
    };
    assert_eq!(name_of(&dns(&server(says)), "192.0.2.9").await, verified("mail.example.org"));
    let circle = server(|name, _| match name {
        REVERSE => records(&format!("{REVERSE} CNAME round.test.")),
        _ => records(&format!("{name} CNAME {REVERSE}")),
    });
    assert_eq!(name_of(&dns(&circle), "192.0.2.9").await, UNVERIFIED);
    assert!(circle.asked.load(Ordering::SeqCst) < 20);
}

#[tokio::test]
async fn an_address_of_six_words_is_asked_by_nibbles_and_one_that_is_mapped_by_octets() {
    let server = server(|name, kind| match kind {
        RecordType::PTR if name.ends_with(".8.b.d.0.1.0.0.2.ip6.arpa.") => {
            records(&format!("{name} PTR six.example.org."))
        }
        RecordType::PTR if name == REVERSE => records(&format!("{name} PTR four.example.org.")),
        RecordType::AAAA => records(&format!("{name} AAAA 2001:db8::9")),
        RecordType::A if name == "four.example.org." => records(&format!("{name} A 192.0.2.9")),
        _ => Says::Code(ResponseCode::NXDomain),
    });
    let dns = dns(&server);
    assert_eq!(name_of(&dns, "2001:db8::9").await, verified("six.example.org"));
    assert_eq!(name_of(&dns, "2001:db8::a").await, UNVERIFIED);
    assert_eq!(name_of(&dns, "::ffff:192.0.2.9").await, verified("four.example.org"));
}

#[tokio::test]
async fn silence_is_a_failure_in_time_and_remembered_for_a_moment() {
    let server = server(|_, _| Says::Nothing);
    let dns = dns(&server);
    let start = dns.means.now();
    assert_eq!(name_of(&dns, "192.0.2.9").await, FAILED);
    let took = dns.means.now().since(start);
    assert!(took >= Duration::from_millis(350) && took < Duration::from_millis(900), "{took:?}");
    let (asked, start) = (server.asked.load(Ordering::SeqCst), dns.means.now());
    assert_eq!(name_of(&dns, "192.0.2.9").await, FAILED);
    assert!(dns.means.now().since(start) < Duration::from_millis(100));
    assert_eq!(server.asked.load(Ordering::SeqCst), asked);
}

#[tokio::test]
async fn what_has_no_soa_is_remembered_all_the_same() {
    let server = server(|_, _| Says::Code(ResponseCode::NXDomain));
    let dns = dns(&server);
    assert_eq!(name_of(&dns, "192.0.2.9").await, UNVERIFIED);
    assert_eq!(name_of(&dns, "192.0.2.9").await, UNVERIFIED);
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
    let text = String::from_utf8(dns.metrics().encode()).unwrap();
    assert!(text.contains("gatepost_lookups_total{kind=\"name\",outcome=\"remembered\"} 1"), "{text}");
    assert!(text.contains("gatepost_lookups_active 0"));
}

#[tokio::test]
async fn where_too_many_are_open_the_answer_is_at_once() {
    let server = server(|_, _| Says::Nothing);
    let dns = dns(&server);
    let address = |number: u32| IpAddr::V4(Ipv4Addr::from_bits(0xc000_0200 + number));
    let waiting: Vec<_> = (0..512).map(|number| dns.name(address(number))).collect();
    let start = dns.means.now();
    assert_eq!(name_of(&dns, "198.51.100.1").await, FAILED);
    assert!(dns.means.now().since(start) < Duration::from_millis(100));
    for one in waiting {
        let failed = Naming { verdict: NameVerdict::Failed, name: None };
        assert_eq!(one.await, Ok(Answered::Name(Box::new(failed))));
    }
    assert_eq!(dns.room.available_permits(), OPEN);
}

fn policy() -> Arc<Policy> {
    let rules = "profile = 't'\nextends = 'base'\n[relay]\nto = 'example.com'\n\
                 [[dnslist]]\nid = 'good'\nzone = 'good.test'\nlisted = '127.0.0.2..127.0.0.9'\nweight = 3\n\
                 [[dnslist]]\nid = 'all'\nzone = 'all.test'\nlisted = '127.0.0.2'\nweight = 3\n\
                 [[dnslist]]\nid = 'closed'\nzone = 'closed.test'\nlisted = '127.0.0.2'\nweight = 3\n\
                 [[dnslist]]\nid = 'silent'\nzone = 'silent.test'\nlisted = '127.0.0.2'\nweight = 3\n\
                 [[dnslist]]\nid = 'later'\nzone = 'later.test'\nlisted = '127.0.0.2'\nweight = 3\n";
    let compiled = compile("t.toml", &mut |path| {
        if path == "t.toml" { Ok(rules.to_owned()) } else { Err("none".to_owned()) }
    });
    Arc::new(compiled.policy.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics)))
}

/// Lists of all kinds, tried once.
async fn lists(policy: &Arc<Policy>) -> (Arc<Dns>, Server) {
    let server = server(|name, _| {
        let zone = name.rsplit('.').nth(2).unwrap_or_default();
        let of = |address: &str| name.starts_with(address);
        match zone {
            "good" | "later" if of("2.0.0.127.") => records(&format!("{name} A 127.0.0.2")),
            "good" if of("9.2.0.192.") => records(&format!("{name} A 127.0.0.4\n{name} A 127.0.0.12")),
            "good" if of("7.2.0.192.") => records(&format!("{name} A 127.255.255.254")),
            "good" if of("6.2.0.192.") => records(&format!("{name} A 192.0.2.1")),
            "all" => records(&format!("{name} A 127.0.0.2")),
            "closed" => records(&format!("{name} A 127.255.255.254")),
            "silent" => Says::Nothing,
            "later" if of("9.2.0.192.") => Says::Nothing,
            _ => Says::Code(ResponseCode::NXDomain),
        }
    });
    let dns = dns(&server);
    for list in dns.watch.look(std::slice::from_ref(policy), dns.means.now(), dns.metrics()) {
        dns.test(&list).await;
    }
    (dns, server)
}

async fn said(dns: &Arc<Dns>, policy: &Policy, client: &str) -> Vec<(u32, String)> {
    match dns.lists(policy, client.parse().unwrap()).await.unwrap() {
        Answered::Lists(listings) => {
            listings.iter().map(|said| (said.list, said.answer.to_string())).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn lists_that_list_everybody_or_refuse_or_say_nothing_are_put_aside() {
    let policy = policy();
    let (dns, server) = lists(&policy).await;
    let text = String::from_utf8(dns.metrics().encode()).unwrap();
    for (list, usable) in [("good", 1), ("all", 0), ("closed", 0), ("silent", 0), ("later", 1)] {
        let series = format!("gatepost_dnslist_usable{{list=\"{list}\"}} {usable}");
        assert!(text.contains(&series), "{series} is not in\n{text}");
    }
    let asked = server.asked.load(Ordering::SeqCst);
    assert_eq!(said(&dns, &policy, "192.0.2.8").await, []);
    // The two that are usable, and no other.
    assert_eq!(server.asked.load(Ordering::SeqCst), asked + 2);
    assert_eq!(said(&dns, &policy, "192.0.2.8").await, []);
    assert_eq!(server.asked.load(Ordering::SeqCst), asked + 2);
}

#[tokio::test]
async fn what_a_list_says_is_heard_though_another_is_silent() {
    let policy = policy();
    let (dns, _server) = lists(&policy).await;
    let start = dns.means.now();
    let mut answers = said(&dns, &policy, "192.0.2.9").await;
    answers.sort();
    assert_eq!(answers, [(0, "127.0.0.12".to_owned()), (0, "127.0.0.4".to_owned())]);
    assert!(dns.means.now().since(start) < Duration::from_millis(900));
    assert_eq!(said(&dns, &policy, "192.0.2.7").await, []);
    assert_eq!(said(&dns, &policy, "192.0.2.6").await, []);
    let text = String::from_utf8(dns.metrics().encode()).unwrap();
    for (list, outcome, count) in
        [("good", "listed", 1), ("good", "refused", 1), ("good", "error", 1), ("later", "error", 1)]
    {
        let series =
            format!("gatepost_dnslist_answers_total{{list=\"{list}\",outcome=\"{outcome}\"}} {count}");
        assert!(text.contains(&series), "{series} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_list_that_no_rules_name_any_longer_is_forgotten() {
    let policy = policy();
    let (dns, _server) = lists(&policy).await;
    assert!(dns.watch.look(&[], dns.means.now(), dns.metrics()).is_empty());
    let text = String::from_utf8(dns.metrics().encode()).unwrap();
    assert!(!text.contains("list=\"good\""), "{text}");
    assert_eq!(said(&dns, &policy, "192.0.2.9").await, []);
}

#[tokio::test]
async fn without_a_resolver_names_fail() {
    let telemetry = Telemetry::new(Box::new(std::io::sink())).unwrap();
    let means = Means::new(telemetry.metrics(), 1000, 0);
    let dns = Dns::new(config::Resolver::default(), Handle::current(), means, &telemetry);
    assert!(dns.resolver.set(None).is_ok());
    assert_eq!(name_of(&dns, "192.0.2.9").await, FAILED);
}
