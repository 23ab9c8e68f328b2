use super::*;
use gatepost::policy::compile::compile;
use gatepost::proxy::config::{Accept, Addresses, Arrival, Resolver};
use gatepost::session::{Connect, Identity, RelayTls};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Reads a text as a deployment file; gives what came of it and what was found.
fn read_text(text: &str) -> (Option<Deployment>, Vec<String>) {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("gatepost-{}-{number}.toml", std::process::id()));
    std::fs::write(&path, text).unwrap();
    let findings = Findings::new();
    let read = read(path.to_str().unwrap(), &mut built_in, &findings);
    std::fs::remove_file(&path).unwrap();
    (read, findings.into_sorted().into_iter().map(|finding| finding.message).collect())
}

fn built_in(_: &str) -> Option<Arc<Policy>> {
    compile("inbound", &mut |_| Err(String::new())).policy.map(Arc::new)
}

#[test]
fn the_simplest_example_is_a_deployment() {
    let findings = Findings::new();
    let read = read("deploy/examples/sidecar/gatepost.toml", &mut built_in, &findings).unwrap();
    assert_eq!(read.listeners.len(), 1);
    assert_eq!(read.relays.len(), 1);
    assert_eq!(read.listeners[0].relay, read.relays[0].name);
    assert!(findings.into_sorted().is_empty());
}

#[test]
fn how_the_relay_learns_who_the_client_is_must_be_said() {
    let (read, findings) = read_text(&with("", "").replace("identity = 'none'", ""));
    assert!(read.is_none());
    assert_eq!(findings, ["`identity` is missing in [relay.postfix]"]);
    for (identity, meaning) in [
        ("none", Identity::None),
        ("proxy-v1", Identity::ProxyV1),
        ("proxy-v2", Identity::ProxyV2),
        ("xclient", Identity::Xclient),
        ("transparent", Identity::Transparent),
    ] {
        let (read, findings) = read_text(&with("", "").replace("'none'", &format!("'{identity}'")));
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(read.unwrap().relays[0].identity, meaning);
    }
}

#[test]
fn a_relay_may_be_an_address_and_what_is_said_holds() {
    let (read, findings) = read_text(
        "name = 'mx.example.com'\nbuffer_memory = '1MiB'\nallowances = { keys = 9 }\n[[listener]]\nname = 'a'\nlisten = '127.0.0.1:0'\n\
         rules = 'x.toml'\nrelay = '127.0.0.1:10025'\nsessions = 7\n",
    );
    let read = read.unwrap();
    assert_eq!((read.buffer_memory, read.listeners[0].sessions), (1024 * 1024, 7));
    assert_eq!(read.allowance_keys, 9);
    assert_eq!(read.relays[0].addresses.known()[0].to_string(), "127.0.0.1:10025");
    assert!(findings.is_empty());
}

/// A deployment with these lines in its listener and its relay.
fn with(listener: &str, relay: &str) -> String {
    format!(
        "name = 'mx.example.com'\n[[listener]]\nname = 'a'\nlisten = '127.0.0.1:0'\nrules = 'x.toml'\n\
         relay = 'postfix'\n{listener}\n[relay.postfix]\naddress = '127.0.0.1:10025'\n\
         identity = 'none'\n{relay}\n"
    )
}

#[test]
fn room_is_kept_for_the_list_that_is_named_or_else_for_partners() {
    let said = "reserve = { for = '@partners', sessions = 7 }";
    for (listener, sessions) in [("", 200), ("sessions = 50", 5), (said, 7)] {
        let (read, findings) = read_text(&with(listener, "links = 10"));
        assert!(findings.is_empty(), "{findings:?}");
        let read = read.unwrap();
        let reserve = read.listeners[0].reserve.as_ref().unwrap();
        assert_eq!((reserve.sessions, read.relays[0].links), (sessions, 10));
        assert!(reserve.partners.contains("192.0.2.1".parse().unwrap()));
    }
}

#[test]
fn the_relay_is_waited_for_as_long_as_is_said() {
    let waits = |relay| read_text(&with("", relay)).0.unwrap().relays[0].waits;
    assert_eq!(waits("").idle, Duration::from_secs(1));
    let said = waits("open_within = '2s'\nreply_wait = '3s'\nfinal_wait = '4s'\nlink_idle = '5s'");
    let seconds = [said.open, said.reply, said.last, said.idle].map(|wait| wait.as_secs());
    assert_eq!(seconds, [2, 3, 4, 5]);
    let (read, findings) = read_text(&with("", "link_idle = 'soon'"));
    assert!(read.is_none());
    assert_eq!(findings.len(), 1);
    assert!(findings[0].contains("soon"), "{findings:?}");
}

#[test]
fn a_link_is_shared_only_where_the_relay_is_told_of_nobody() {
    let relay = read_text(&with("", "sessions_per_link = 100")).0.unwrap().relays[0].clone();
    assert_eq!(relay.sessions_per_link, 100);
    assert_eq!(read_text(&with("", "")).0.unwrap().relays[0].sessions_per_link, 1);
    let accept = "`sessions_per_link` above 1 does nothing with connect = \"accept\"";
    let written = |number: u32, from: &str, to: &str| {
        read_text(&with("", &format!("sessions_per_link = {number}")).replace(from, to))
    };
    for (number, from, to, finding) in [
        (0, "'none'", "'none'", "`sessions_per_link` of zero lets no mail pass"),
        (2, "'none'", "'xclient'", "`sessions_per_link` above 1 needs identity = \"none\""),
        (2, "'127.0.0.1:10025'", "'original'", "`sessions_per_link` above 1 needs an address"),
        (2, "'none'", "'none'\nconnect = 'accept'", accept),
    ] {
        let (read, findings) = written(number, from, to);
        assert!(read.is_none(), "{finding}");
        assert_eq!(findings, [finding]);
    }
    assert!(written(1, "'none'", "'xclient'").0.is_some());
}

#[test]
fn a_reserve_that_keeps_nothing_or_everything_is_refused() {
    let (read, findings) =
        read_text(&with("sessions = 100\nreserve = { for = '@local_domains', sessions = 100 }", "links = 0"));
    assert!(read.is_none());
    assert_eq!(
        findings,
        [
            "`@local_domains` is no list of networks of these rules",
            "100 of 100 sessions are kept: nobody else could come in",
            "`links` of zero lets no mail pass",
        ]
    );
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let (read, findings) = read_text(
        "name = 'm x'\nstat = 1\n[[listener]]\nname = 'a'\nlisten = '127.0.0.1:0'\nrules = 'x.toml'\n\
         relay = 'postfx'\ntls = 'startls'\n[relay.postfix]\naddress = 'a b:2'\nidentity = 'xclent'\n",
    );
    assert!(read.is_none());
    assert_eq!(
        findings,
        [
            "`m x` is no host name",
            "unknown key `stat`",
            "unknown relay `postfx`",
            "expected one of \"starttls\", \"implicit\", found \"startls\"",
            "`a b:2` is no address",
            "expected one of \"none\", \"proxy-v1\", \"proxy-v2\", \"xclient\", \"transparent\", found \"xclent\"",
        ]
    );
}

#[test]
fn a_relay_is_called_as_is_said_and_what_says_nothing_is_refused() {
    let pin = "6oPWB4xCvIC6pfAIX2PM4UhHeIxVRZ2X3VOZOOfNPTQ=";
    let (read, findings) = read_text(&with(
        "tls = 'implicit'",
        &format!("tls = 'required'\ntls_pin = '{pin}'\ntls_name = 'ex1'"),
    ));
    assert!(findings.is_empty(), "{findings:?}");
    let read = read.unwrap();
    let relay = &read.relays[0];
    assert_eq!((relay.tls, relay.terms.pins.len()), (RelayTls::Required, 1));
    assert_eq!(relay.terms.name.as_deref(), Some("ex1"));
    assert_eq!(read.listeners[0].arrival, Arrival::Implicit);
    let (read, findings) = read_text(&with(
        "certificates = 'mx'",
        "tls = 'opportunistic'\ntls_pin = 'abc'\ntls_certificate = 'mx'",
    ));
    assert!(read.is_none());
    assert_eq!(
        findings,
        [
            "unknown certificate `mx`",
            "`abc` is no pin",
            "`tls_pin` says nothing beside this `tls`",
            "unknown certificate `mx`",
        ]
    );
}

#[test]
fn of_two_listeners_on_one_address_one_is_for_everybody() {
    let second = |keys: &str| {
        let listener = "[[listener]]\nname = 'b'\nrules = 'x.toml'\nrelay = 'postfix'\n";
        read_text(&(with("", "") + listener + keys).replace("127.0.0.1:0", "127.0.0.1:2525"))
    };
    let (read, findings) = second("from = ['192.0.2.0/24', '2001:db8::/32']\n");
    assert!(findings.is_empty(), "{findings:?}");
    let read = read.unwrap();
    assert_eq!(read.listeners[0].listen, read.listeners[1].listen);
    assert_eq!(read.listeners[1].from.as_ref().map(Vec::len), Some(2));
    let told = |keys| second(keys).1.concat();
    assert!(told("listen = '127.0.0.1:2525'\n").contains("another listener has 127.0.0.1:2525 already"));
    assert!(told("listen = '127.0.0.1:26'\nfrom = '192.0.2.1'\n").contains("nobody but these networks"));
    assert!(told("from = 'nowhere.txt'\n").contains("nowhere.txt"));
    assert!(told("from = ['192.0.2.1/24']\n").contains("bits set behind its prefix"));
    assert!(told("").contains("`listen` is missing"));
}

#[test]
fn proxy_headers_are_believed_of_some_and_never_of_all() {
    let (read, findings) =
        read_text(&with("accept = 'proxy-protocol'\ntrusted = ['192.0.2.0/24', '::1']", ""));
    assert!(findings.is_empty(), "{findings:?}");
    let Accept::ProxyProtocol(trusted) = &read.unwrap().listeners[0].accept else { panic!() };
    assert!(trusted.contains("192.0.2.7".parse().unwrap()) && trusted.contains("::1".parse().unwrap()));
    assert!(!trusted.contains("192.0.3.7".parse().unwrap()));
    for (listener, finding) in [
        ("accept = 'proxy-protocol'", "`trusted` is missing: whose PROXY headers are believed?"),
        ("trusted = ['192.0.2.1']", "`trusted` says nothing beside this `accept`"),
        ("accept = 'proxy-protocol'\ntrusted = []", "there is no network in it: nobody would come here"),
        (
            "accept = 'proxy-protocol'\ntrusted = ['0.0.0.0/0']",
            "everybody is trusted here: anyone could say to be anyone",
        ),
    ] {
        let (read, findings) = read_text(&with(listener, ""));
        assert!(read.is_none());
        assert_eq!(findings, [finding]);
    }
    let narrow = "[[listener]]\nname = 'b'\nfrom = '192.0.2.0/24'\nrules = 'x.toml'\nrelay = 'postfix'\n\
                  accept = 'proxy-protocol'\ntrusted = ['::1']\n";
    let (_, findings) = read_text(&with(narrow, ""));
    assert_eq!(findings, ["this is said by the listener above it that is for everybody"; 2]);
}

#[test]
fn whom_a_client_called_is_known_where_it_is_intercepted() {
    let original = |listener: &str, relay: &str| {
        read_text(&with(listener, relay).replace("address = '127.0.0.1:10025'", "address = 'original'"))
    };
    for accept in ["tproxy", "redirect"] {
        let (read, findings) = original(&format!("accept = '{accept}'"), "");
        assert!(findings.is_empty(), "{findings:?}");
        let read = read.unwrap();
        assert_eq!(
            (&read.relays[0].addresses, read.relays[0].connect),
            (&Addresses::Original, Connect::Accept)
        );
        assert!(read.listeners[0].accept.intercepts());
    }
    let unknown = "nobody knows whom a client called here, and its relay is whoever that was";
    assert_eq!(original("", "").1, [unknown]);
    assert_eq!(original("accept = 'proxy-protocol'\ntrusted = '192.0.2.1'", "").1, [unknown]);
    let late = "address = \"original\" needs connect = \"accept\"";
    assert_eq!(original("accept = 'tproxy'", "connect = 'hello'").1, [late]);
    let (_, findings) = read_text(&with("accept = 'tproxy'", "").replace("127.0.0.1:0", "0.0.0.0:2525"));
    assert_eq!(findings, ["with accept = \"tproxy\" it must be one address of this host"]);
}

#[test]
fn a_resolver_is_what_is_said_of_it_or_the_system_s() {
    let (read, findings) = read_text(&with("", ""));
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(read.unwrap().resolver, Resolver::default());
    let written =
        "[resolver]\nservers = ['127.0.0.1:5353', '::1', '[::1]:54']\ntimeout = '500ms'\ncache = 9\n";
    let (read, findings) = read_text(&format!("{}{written}", with("", "")));
    assert!(findings.is_empty(), "{findings:?}");
    let Resolver { servers, timeout, cache } = read.unwrap().resolver;
    let servers: Vec<_> = servers.iter().map(SocketAddr::to_string).collect();
    assert_eq!(servers, ["127.0.0.1:5353", "[::1]:53", "[::1]:54"]);
    assert_eq!((timeout, cache), (Duration::from_millis(500), 9));
}

#[test]
fn a_resolver_that_is_none_is_an_error() {
    for (written, wanted) in [
        ("servers = []", "`servers` names none, so nobody would be asked"),
        ("servers = ['ns.example.com']", "`ns.example.com` is no address of a resolver"),
        ("timeout = '0s'", "`timeout` lies above zero, and not above 20 seconds"),
        ("timeout = '21s'", "`timeout` lies above zero, and not above 20 seconds"),
        ("cache = 0", "without a `cache` every client is asked about each time it comes"),
        ("server = '127.0.0.1'", "unknown key `server` in [resolver]"),
    ] {
        let (read, findings) = read_text(&format!("{}[resolver]\n{written}\n", with("", "")));
        assert!(read.is_none(), "{written}");
        assert_eq!(findings, [wanted]);
    }
}

#[test]
fn a_store_is_read_and_what_is_wrong_with_it_is_told() {
    let path = std::env::temp_dir().join(format!("gatepost-store-{}", std::process::id()));
    let store = |more: &str| format!("[store]\nurl_file = '{}'\n{more}\n", path.display());
    let text = |more: &str| format!("{}{}", with("", ""), store(more));
    std::fs::write(&path, "redis://:secret@127.0.0.1:6379/0\n").unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (read, findings) = read_text(&text(""));
    assert!(findings.is_empty(), "{findings:?}");
    let usual = read.unwrap().store.unwrap();
    assert_eq!((usual.prefix.as_str(), usual.timeout, usual.lease), ("gp:", Duration::from_millis(50), 0));
    let (read, _) = read_text(&text("prefix = 'mx:'\ntimeout = '20ms'\nlease = 7"));
    let said = read.unwrap().store.unwrap();
    assert_eq!((said.prefix.as_str(), said.timeout, said.lease), ("mx:", Duration::from_millis(20), 7));
    let (read, findings) = read_text(&text("prefix = 'a b'\ntimeout = '20s'\nlease = 7000"));
    assert!(read.is_none());
    assert_eq!(
        findings,
        [
            "`prefix` is at most 64 printable characters without blanks",
            "`timeout` of the store is between \"1ms\" and \"2s\"",
            "`lease` is 1000 at most",
        ]
    );
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let (read, findings) = read_text(&text(""));
    assert!(read.is_some() && findings[0].starts_with("everybody on this host may read "), "{findings:?}");
    std::fs::write(&path, "rediss://:secret@127.0.0.1:6379/0\n").unwrap();
    let (read, findings) = read_text(&text(""));
    assert!(read.is_none() && findings[0].contains("TLS to the store does not work"), "{findings:?}");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn limits_of_no_keys_or_of_too_many_are_told() {
    for keys in ["0", "100000001"] {
        let text = format!("allowances = {{ keys = {keys} }}\n{}", with("", ""));
        let (read, findings) = read_text(&text);
        assert!(read.is_none());
        assert_eq!(findings, ["`keys` is between 1 and 100000000"]);
    }
}
