//! TLS with clients, over real sockets.

use crate::secure::{Abilities, Authority, Folder, Pair, able, handshake, starttls, usual};
use crate::support::{Client, Relay, Running, gate, gate_with, policy, wait_until};
use gatepost::proxy::config::{Arrival, Deployment};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::thread;
use std::time::Duration;

/// A gate whose listener shows these certificates, in this order.
fn with(relay: &Relay, folder: &Folder, pairs: &[(&str, &Pair)], rules: &str) -> Running {
    gate_with(&[relay.address], rules, |deployment| {
        certified(deployment, folder, pairs);
    })
}

fn certified(deployment: &mut Deployment, folder: &Folder, pairs: &[(&str, &Pair)]) {
    deployment.certificates = pairs.iter().map(|(name, pair)| folder.put(name, pair)).collect();
    deployment.listeners[0].certificates = pairs.iter().map(|(name, _)| (*name).to_owned()).collect();
}

fn message(client: &mut Client) {
    client.envelope();
    client.say("Subject: x\r\n\r\nthe body\r\n.\r\n");
    assert!(client.reply().starts_with("250"));
}

#[test]
fn a_session_begins_anew_in_tls_and_its_message_arrives() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    let config = usual();
    let mut client = gate.client().greeted();
    let hello = client.ask("EHLO client.test");
    assert!(hello.contains("STARTTLS"), "{hello}");
    client.expect("STARTTLS", "220");
    let mut client = handshake(client, &config, "gate.test").unwrap().client;
    // What was known before is forgotten.
    client.expect("MAIL FROM:<a@client.test>", "503");
    assert!(!client.ask("EHLO client.test").contains("STARTTLS"));
    client.expect("STARTTLS", "503");
    message(&mut client);
    client.expect("QUIT", "221");
    assert!(relay.heard().contains(&"the body".to_owned()));
    // A client that comes again need not begin from the beginning.
    starttls(gate.client(), &config, "gate.test").unwrap().client.expect("EHLO client.test", "250");
    for series in [
        "gatepost_tls_handshakes_total{listener=\"test\",result=\"full\",side=\"client\",version=\"1.3\"} 1",
        "gatepost_tls_handshakes_total{listener=\"test\",result=\"resumed\",side=\"client\",version=\"1.3\"} 1",
    ] {
        wait_until(series, || gate.text().contains(series));
    }
}

#[test]
fn large_messages_pass_both_ways_of_reading() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    let mut client = starttls(gate.client(), &usual(), "gate.test").unwrap().client;
    client.expect("EHLO client.test", "250");
    client.envelope();
    client.say("Subject: x\r\n\r\n");
    client.say("0123456789012345678901234567890123456789012345678901234567890123456789\r\n".repeat(30_000));
    client.say(".\r\n");
    assert!(client.reply().starts_with("250"));
    assert!(gate.buffer_used() < 128 * 1024, "{}", gate.buffer_used());
    client.expect("QUIT", "221");
    assert!(relay.heard().len() > 30_000);
    wait_until("everything is given back", || gate.buffer_used() == 0);
}

#[test]
fn where_tls_is_implicit_the_greeting_is_inside() {
    let relay = Relay::polite();
    let gate = gate_with(&[relay.address], "", |deployment| {
        deployment.listeners[0].arrival = Arrival::Implicit;
        deployment.listeners[0].sessions_per_client = 2;
    });
    let mut client = handshake(gate.client(), &usual(), "gate.test").unwrap().client.greeted();
    assert!(!client.ask("EHLO client.test").contains("STARTTLS"));
    message(&mut client);
    // Somebody who does not know hears no word in clear.
    let mut clear = gate.client();
    clear.say("EHLO client.test\r\n");
    assert!(clear.rest().iter().all(|line| !line.starts_with("220")));
    let failed =
        "gatepost_tls_handshake_failures_total{listener=\"test\",reason=\"garbled\",side=\"client\"} 1";
    wait_until("it is counted", || gate.text().contains(failed));
    // Nor does somebody who is not let in.
    drop(clear);
    wait_until("it is gone", || gate.figure("gatepost_sessions_active{listener=\"test\"}") == 1);
    let _second = handshake(gate.client(), &usual(), "gate.test").unwrap();
    assert!(handshake(gate.client(), &usual(), "gate.test").is_err());
}

#[test]
fn the_certificate_is_chosen_by_name_and_by_what_the_client_can_do() {
    let (relay, folder) = (Relay::polite(), Folder::new());
    let ecdsa = Pair::own(&["mx.example.com"]);
    let rsa = Pair::rsa(&["mx.example.com"]);
    let other = Pair::own(&["*.example.net", "example.net"]);
    let gate = with(&relay, &folder, &[("ecdsa", &ecdsa), ("rsa", &rsa), ("other", &other)], "");
    let shown = |abilities: &Abilities, name: &str| {
        starttls(gate.client(), &able(abilities, None), name).unwrap().certificate
    };
    let all = Abilities::default();
    let old = Abilities { only_tls12: true, only_rsa: true };
    let rsa_alone = Abilities { only_rsa: true, ..Abilities::default() };
    for (abilities, name, certificate) in [
        (&all, "mx.example.com", &ecdsa),
        (&rsa_alone, "mx.example.com", &rsa),
        (&old, "mx.example.com", &rsa),
        (&all, "mail.example.net", &other),
        (&all, "unknown.test", &ecdsa),
        (&rsa_alone, "unknown.test", &rsa),
        // An address is no name: none is asked for.
        (&all, "192.0.2.1", &ecdsa),
    ] {
        assert!(shown(abilities, name) == certificate.certificate, "{name}");
    }
}

#[test]
fn old_clients_are_served_unless_the_rules_say_no() {
    let relay = Relay::polite();
    let old = able(&Abilities { only_tls12: true, ..Abilities::default() }, None);
    let lenient = gate(&[relay.address]);
    let mut client = starttls(lenient.client(), &old, "gate.test").unwrap().client;
    client.expect("EHLO client.test", "250");
    message(&mut client);
    let strict = gate_with(&[relay.address], "[tls]\nmin_version = '1.3'\n", |_| ());
    assert!(starttls(strict.client(), &old, "gate.test").is_err());
    let failed = "gatepost_tls_handshake_failures_total{listener=\"test\",reason=\"no_common_version\",side=\"client\"} 1";
    wait_until("it is counted", || strict.text().contains(failed));
    starttls(strict.client(), &usual(), "gate.test").unwrap().client.expect("EHLO client.test", "250");
}

#[test]
fn clients_are_asked_who_they_are_and_believed_if_somebody_vouches_for_them() {
    let (relay, folder, authority) = (Relay::polite(), Folder::new(), Authority::new());
    let (partner, stranger) = (authority.issue(&["out.partner.test"]), Pair::own(&["out.partner.test"]));
    let server = Pair::own(&["gate.test"]);
    // A rule that sees the name says whether it is believed.
    let rule = "[[rule]]\nid = 'partner'\non = 'RCPT'\nwhen = { 'tls.client_name' = '!out.partner.test' }\n\
                then = 'reject'\nreply = '550 5.7.1 who are you?'\n[tls]\nclient_certificate = ";
    let gate = |asks: &str| {
        gate_with(&[relay.address], &format!("{rule}'{asks}'\n"), |deployment| {
            certified(deployment, &folder, &[("server", &server)]);
            deployment.listeners[0].client_ca = vec![folder.authority(&authority)];
        })
    };
    let speak = |gate: &Running, own: Option<&Pair>| {
        let config = able(&Abilities::default(), own);
        let mut client = starttls(gate.client(), &config, "gate.test").ok()?.client;
        let hello = client.ask("EHLO client.test");
        if hello.is_empty() {
            return None;
        }
        client.expect("MAIL FROM:<a@client.test>", "250");
        Some(client.ask("RCPT TO:<b@example.com>").get(..3)?.to_owned())
    };
    let asking = gate("ask");
    assert_eq!(speak(&asking, Some(&partner)).as_deref(), Some("250"));
    assert_eq!(speak(&asking, Some(&stranger)).as_deref(), Some("550"));
    assert_eq!(speak(&asking, None).as_deref(), Some("550"));
    let requiring = gate("require");
    assert_eq!(speak(&requiring, Some(&partner)).as_deref(), Some("250"));
    assert_eq!(speak(&requiring, Some(&stranger)), None);
    assert_eq!(speak(&requiring, None), None);
    let off = gate("off");
    assert_eq!(speak(&off, Some(&partner)).as_deref(), Some("550"));
}

#[test]
fn a_certificate_changes_under_a_hundred_transfers_and_none_of_them_notices() {
    let (relay, folder) = (Relay::polite(), Folder::new());
    let (old, new) = (Pair::own(&["gate.test"]), Pair::own(&["gate.test"]));
    let mut kept = None;
    let gate = gate_with(&[relay.address], "", |deployment| {
        certified(deployment, &folder, &[("mx", &old)]);
        deployment.listeners[0].sessions_per_client = 200;
        deployment.relays[0].links = 200;
        kept = Some(deployment.clone());
    });
    let deployment = kept.unwrap();
    let mut transfers: Vec<_> = (0..100)
        .map(|_| {
            let seen = starttls(gate.client(), &usual(), "gate.test").unwrap();
            assert!(seen.certificate == old.certificate);
            let mut client = seen.client;
            client.expect("EHLO client.test", "250");
            client.envelope();
            client.say("Subject: half\r\n");
            client
        })
        .collect();
    // One whose key is another's is refused as a whole.
    let mut wrong = deployment.clone();
    folder.put("other", &new);
    wrong.certificates[0].key = wrong.certificates[0].key.replace("mx.key", "other.key");
    let reason = gate.reload(&wrong).unwrap_err();
    assert!(reason.contains("`mx`") && reason.contains("other.key"), "{reason}");
    assert!(starttls(gate.client(), &usual(), "gate.test").unwrap().certificate == old.certificate);
    assert!(gate.text().contains("gatepost_config_last_reload_successful 0"));

    folder.put("mx", &new);
    gate.reload(&deployment).unwrap();
    assert!(starttls(gate.client(), &usual(), "gate.test").unwrap().certificate == new.certificate);
    for client in &mut transfers {
        client.say("\r\nthe other half\r\n.\r\n");
        assert!(client.reply().starts_with("250"));
        client.expect("QUIT", "221");
    }
    let heard = relay.heard();
    assert_eq!(heard.iter().filter(|line| *line == "the other half").count(), 100);
    assert!(gate.text().contains("gatepost_config_reloads_total{result=\"accepted\"} 1"));
    assert!(gate.text().contains("gatepost_tls_certificate_not_after_timestamp_seconds{certificate=\"mx\"}"));
}

#[test]
fn a_certificate_that_cannot_be_used_stops_the_start() {
    let (relay, folder) = (Relay::polite(), Folder::new());
    let (one, other) =
        (folder.put("one", &Pair::own(&["a.test"])), folder.put("other", &Pair::own(&["a.test"])));
    let start = |change: &dyn Fn(&mut Deployment)| {
        let address = gatepost::proxy::config::Address::read(&relay.address.to_string()).unwrap();
        let relay = gatepost::proxy::config::Relay::new("relay", vec![address]);
        let listener = gatepost::proxy::config::Listener::new(
            "test",
            vec!["127.0.0.1:0".parse().unwrap()],
            policy(""),
            &relay,
        );
        let mut deployment = Deployment::single("gate.test".into(), listener, relay);
        deployment.certificates = vec![one.clone()];
        deployment.listeners[0].certificates = vec!["one".into()];
        change(&mut deployment);
        let telemetry = gatepost::telemetry::Telemetry::new(Box::new(std::io::sink())).unwrap();
        gatepost::proxy::start(deployment, telemetry, 1).err().map(|error| error.to_string())
    };
    let reason = start(&|deployment| deployment.certificates[0].key.clone_from(&other.key)).unwrap();
    assert!(reason.contains("`one`") && reason.contains("other.key"), "{reason}");
    let reason = start(&|deployment| deployment.certificates[0].chain = "/nowhere/a.pem".into()).unwrap();
    assert!(reason.contains("/nowhere/a.pem"), "{reason}");
    let reason = start(&|deployment| deployment.certificates[0].key.clone_from(&one.chain)).unwrap();
    assert!(reason.contains("no private key"), "{reason}");
    let reason = start(&|deployment| deployment.listeners[0].certificates = vec!["two".into()]).unwrap();
    assert!(reason.contains("`two`"), "{reason}");
}

#[test]
fn octets_behind_starttls_are_an_attack_in_the_same_segment_and_an_octet_later() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    let mut client = gate.client().greeted();
    client.say("STARTTLS\r\nMAIL FROM:<evil@client.test>\r\n");
    let said = client.rest();
    assert!(said.iter().all(|line| !line.starts_with("220")), "{said:?}");

    for pause in [0, 20] {
        let mut client = gate.client().greeted();
        client.say("STARTTLS\r\n");
        thread::sleep(Duration::from_millis(pause));
        client.say("RSET\r\nMAIL FROM:<evil@client.test>\r\n");
        let mut said = client.reply();
        if said.starts_with("220") {
            // It is read as the beginning of a handshake, which it is not.
            assert!(handshake(client, &usual(), "gate.test").is_err());
            said.clear();
        }
        assert!(!said.starts_with('2'), "{said}");
    }
    let heard = relay.heard();
    assert!(!heard.iter().any(|line| line.contains("evil")), "{heard:?}");
}

#[test]
fn what_is_cut_off_in_tls_is_never_complete() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    for content in ["half a message", "a whole line\r\n", "nearly\r\n.", "nearly\r\n.\r"] {
        let mut client = starttls(gate.client(), &usual(), "gate.test").unwrap().client;
        client.expect("EHLO client.test", "250");
        client.envelope();
        client.say(content);
        // The socket ends, and TLS does not.
        client.stream.shutdown(Shutdown::Write).unwrap();
        assert!(!client.reply().starts_with("250"), "{content:?}");
        // It may be gone already.
        let _ = client.stream.shutdown(Shutdown::Both);
    }
    wait_until("all have gone", || gate.text().contains("gatepost_sessions_active{listener=\"test\"} 0"));
    assert!(!relay.heard().contains(&".".to_owned()));
    assert!(gate.text().contains("gatepost_messages_total{listener=\"test\",outcome=\"accepted\"} 0"));
}

#[test]
fn a_client_that_never_begins_the_handshake_is_shown_out() {
    let relay = Relay::polite();
    let gate = gate_with(&[relay.address], "line_time = '1s'\n", |_| ());
    let mut client = gate.client().greeted();
    client.expect("STARTTLS", "220");
    assert_eq!(client.line(), None);
    let failed =
        "gatepost_tls_handshake_failures_total{listener=\"test\",reason=\"timed_out\",side=\"client\"} 1";
    wait_until("it is counted", || gate.text().contains(failed));
}

#[test]
fn a_client_that_never_reads_in_tls_costs_no_more_than_another() {
    let relay = Relay::polite();
    let gate = gate(&[relay.address]);
    let mut client = starttls(gate.client(), &usual(), "gate.test").unwrap().client;
    client.expect("EHLO client.test", "250");
    client.stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    client.say("NOOP\r\n".repeat(10_000_000));
    assert!(gate.buffer_used() > 0);
    assert!(gate.buffer_used() < 256 * 1024, "{}", gate.buffer_used());
    gate.client().greeted().expect("NOOP", "250");
}

#[test]
fn two_listeners_have_one_address_and_the_narrowest_network_wins() {
    let relay = Relay::polite();
    let gate = gate_with(&[relay.address], "", |deployment| {
        let mut narrow = deployment.listeners[0].clone();
        narrow.name = "narrow".into();
        narrow.policy = policy("[greeting]\nbanner = 'narrow'\n");
        narrow.from = Some(vec!["127.9.0.0/16".parse().unwrap()]);
        let mut narrower = narrow.clone();
        narrower.name = "narrower".into();
        narrower.policy = policy("[greeting]\nbanner = 'narrower'\n");
        narrower.from = Some(vec!["127.9.9.9/32".parse().unwrap(), "127.8.0.0/16".parse().unwrap()]);
        deployment.listeners.extend([narrow, narrower]);
    });
    let greeting = |from: &str| {
        let local = SocketAddr::new(from.parse::<IpAddr>().unwrap(), 0);
        Client::connect_from(local, gate.address()).reply()
    };
    assert!(greeting("127.0.0.5").contains("gate.test"));
    assert_eq!(greeting("127.9.1.1"), "220 narrow");
    assert_eq!(greeting("127.9.9.9"), "220 narrower");
    assert_eq!(greeting("127.8.0.1"), "220 narrower");
    assert_eq!(gate.addresses().len(), 3);
}

#[test]
fn rules_are_read_anew_for_whoever_comes_and_no_one_else() {
    let relay = Relay::polite();
    let mut kept = None;
    let gate = gate_with(&[relay.address], "", |deployment| kept = Some(deployment.clone()));
    let mut before = gate.client().greeted();
    let mut deployment = kept.unwrap();
    deployment.listeners[0].policy = policy("[greeting]\nbanner = 'new rules'\n");
    gate.reload(&deployment).unwrap();
    assert_eq!(gate.client().reply(), "220 new rules");
    message(&mut before);
    // A list that was cut off does not count.
    let list = |entries: &str| policy(&format!("[lists]\npartners = [{entries}]\n"));
    deployment.listeners[0].policy = list("'192.0.2.1', '192.0.2.3', '192.0.2.5'");
    gate.reload(&deployment).unwrap();
    deployment.listeners[0].policy = list("'192.0.2.1'");
    let reason = gate.reload(&deployment).unwrap_err();
    assert!(reason.contains("partners"), "{reason}");
    // Another listener is another house.
    deployment.listeners[0].name = "other".into();
    assert!(gate.reload(&deployment).is_err());
}
