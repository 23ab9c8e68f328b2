use super::*;
use crate::event::Secured;
use crate::session::offer::Announced;
use crate::session::proven::{Account, KnownTo};
use crate::smtp::extension::Extensions;
use crate::smtp::mechanism::{Mechanism, Mechanisms};
use crate::smtp::path::Host;

const SHOWN: NamesRules = NamesRules {
    unverified: crate::smtp::violation::Response::Tolerate,
    failed: crate::smtp::violation::Response::Tolerate,
    annotate: Annotate::Both,
    shows_client: true,
};
const HIDES: NamesRules = NamesRules { shows_client: false, ..SHOWN };

fn hello(verb: Verb, name: &[u8]) -> Hello {
    let announced = Announced {
        extensions: Extensions::NONE,
        size: 0,
        recipients: 0,
        transactions: 0,
        mechanisms: Mechanisms::NONE,
    };
    Hello::new(verb, Host::Domain(name), announced, None)
}

fn proven(tls: bool, account: Option<&str>) -> Proven {
    let secured = Secured {
        version: TlsVersion::V1_3,
        cipher: "TLS_AES_256_GCM_SHA384",
        name: None,
        peer: None,
        resumed: false,
    };
    let known_to = KnownTo::Gate;
    let account =
        account.map(|user| Account { mechanism: Mechanism::Plain, user: Some(user.into()), known_to });
    Proven { tls: tls.then(|| Box::new(secured)), account: account.map(Box::new) }
}

/// What is written on a message of this client.
fn fields(rules: NamesRules, hello: &Hello, client: &str, naming: &str, proven: &Proven) -> String {
    let trace = Trace {
        gate: "gate.example",
        id: "7K2M9QXT",
        hello,
        client: client.parse().unwrap(),
        naming: &naming.parse().unwrap(),
        proven,
        smtputf8: false,
        at: Duration::from_secs(1_767_225_601),
    };
    String::from_utf8(trace.encode(rules)).unwrap()
}

#[test]
fn each_verdict_is_written() {
    let (hello, nobody) = (hello(Verb::Ehlo, b"client.example.org"), proven(false, None));
    for (naming, comment, iprev) in [
        (
            "verified mx.example.org",
            "(mx.example.org [192.0.2.1])",
            "iprev=pass policy.iprev=192.0.2.1 (mx.example.org)",
        ),
        ("unverified", "(unverified [192.0.2.1])", "iprev=fail policy.iprev=192.0.2.1"),
        ("failed", "(RDNS failed [192.0.2.1])", "iprev=temperror policy.iprev=192.0.2.1"),
    ] {
        assert_eq!(
            fields(SHOWN, &hello, "192.0.2.1", naming, &nobody),
            format!(
                "Authentication-Results: gate.example;\r\n\t{iprev}\r\n\
                 Received: from client.example.org {comment}\r\n\
                 \tby gate.example with ESMTP\r\n\
                 \tid 7K2M9QXT; Thu, 1 Jan 2026 00:00:01 +0000\r\n"
            )
        );
    }
    let unknown = fields(SHOWN, &hello, "192.0.2.1", "unknown", &nobody);
    assert!(unknown.contains(" from client.example.org ([192.0.2.1])\r\n"), "{unknown}");
    assert!(unknown.starts_with("Authentication-Results: gate.example; none\r\n"), "{unknown}");
}

#[test]
fn an_address_of_version_6_is_a_literal_here_and_a_quoted_string_there() {
    let fields = fields(SHOWN, &hello(Verb::Ehlo, b"a"), "2001:db8::9", "unverified", &proven(false, None));
    assert!(fields.contains(" from a (unverified [IPv6:2001:db8::9])\r\n"), "{fields}");
    assert!(fields.contains("iprev=fail policy.iprev=\"2001:db8::9\"\r\n"), "{fields}");
}

#[test]
fn of_a_hidden_client_neither_name_nor_address_is_written() {
    let hello = hello(Verb::Ehlo, b"laptop.inside.test");
    for (naming, comment) in [
        ("verified home.provider.test", " (verified)"),
        ("unverified", " (unverified)"),
        ("failed", " (RDNS failed)"),
        ("unknown", ""),
    ] {
        let fields = fields(HIDES, &hello, "192.0.2.1", naming, &proven(true, Some("anna@example.com")));
        assert_eq!(
            fields,
            format!(
                "Authentication-Results: gate.example;\r\n\tauth=pass (PLAIN) smtp.auth=\"anna@example.com\"\r\n\
                 Received: from hidden.invalid{comment}\r\n\
                 \tby gate.example with ESMTPSA (version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384)\r\n\
                 \tid 7K2M9QXT; Thu, 1 Jan 2026 00:00:01 +0000\r\n"
            )
        );
    }
}

#[test]
fn how_it_came_is_one_of_the_registered_words() {
    for (verb, tls, account, smtputf8, word) in [
        (Verb::Helo, false, false, false, "SMTP"),
        (Verb::Helo, true, true, false, "SMTP"),
        (Verb::Ehlo, false, false, false, "ESMTP"),
        (Verb::Ehlo, true, false, false, "ESMTPS"),
        (Verb::Ehlo, false, true, false, "ESMTPA"),
        (Verb::Ehlo, true, true, false, "ESMTPSA"),
        (Verb::Ehlo, false, false, true, "UTF8SMTP"),
        (Verb::Ehlo, true, true, true, "UTF8SMTPSA"),
    ] {
        let trace = Trace {
            gate: "gate.example",
            id: "7K2M9QXT",
            hello: &hello(verb, b"a"),
            client: "192.0.2.1".parse().unwrap(),
            naming: &Naming::default(),
            proven: &proven(tls, account.then_some("anna")),
            smtputf8,
            at: Duration::ZERO,
        };
        assert_eq!(trace.protocol(), word);
    }
}

#[test]
fn no_octet_of_a_hello_can_be_anything_else() {
    for (name, written) in [
        (b"a(b)c\\d".as_slice(), "a?b?c?d"),
        (b"a;b,c\"d<e>@f", "a?b?c?d?e??f"),
        (b"b\xc3\xbccher.example", "b??cher.example"),
        (b"[192.0.2.9]", "[192.0.2.9]"),
        (b"[IPv6:2001:db8::9]", "[IPv6:2001:db8::9]"),
        (b"[tag:(x)]", "[tag:?x?]"),
        (b"[]", "?"),
        (b"under_score-1.example.", "under_score-1.example."),
    ] {
        let fields = fields(SHOWN, &hello(Verb::Ehlo, name), "192.0.2.1", "unknown", &proven(false, None));
        assert!(fields.contains(&format!("Received: from {written} ([192.0.2.1])\r\n")), "{fields}");
    }
}

#[test]
fn an_account_that_cannot_be_said_is_left_out() {
    for (user, said) in [
        ("anna", " smtp.auth=\"anna\""),
        ("a\"b\\c", " smtp.auth=\"a\\\"b\\\\c\""),
        ("b\u{fc}cher", ""),
        ("a b", ""),
        ("a\r\nb", ""),
        (&"x".repeat(65), ""),
    ] {
        let fields =
            fields(HIDES, &hello(Verb::Ehlo, b"a"), "192.0.2.1", "unknown", &proven(false, Some(user)));
        let wanted = format!("Authentication-Results: gate.example;\r\n\tauth=pass (PLAIN){said}\r\n");
        assert!(fields.starts_with(&wanted), "{fields}");
    }
}

#[test]
fn whatever_is_written_fits_its_lines_and_what_is_announced() {
    let name = format!("{}.example", "x".repeat(55).as_str().repeat(4));
    for (rules, length) in [(SHOWN, 500), (HIDES, 500), (SHOWN, 1)] {
        let hello = hello(Verb::Ehlo, "h".repeat(length).as_bytes());
        let trace = Trace {
            gate: "gate.of.a.house.with.a.rather.long.name.example.org",
            id: "7K2M9QXT",
            hello: &hello,
            client: "2001:db8:1111:2222:3333:4444:5555:6666".parse().unwrap(),
            naming: &format!("verified {name}").parse().unwrap(),
            proven: &proven(true, Some(&"u".repeat(64))),
            smtputf8: true,
            at: Duration::from_secs(1_767_225_601),
        };
        let fields = String::from_utf8(trace.encode(rules)).unwrap();
        assert!(u64::try_from(fields.len()).unwrap() <= GROWTH, "{}", fields.len());
        assert!(fields.ends_with("\r\n") && fields.is_ascii());
        for line in fields.split_terminator("\r\n") {
            // A word alone may be longer.
            assert!(line.len() <= LINE || line.trim_ascii().split(' ').count() <= 2, "{line}");
            assert!(line.len() < 400 && !line.trim_ascii().is_empty(), "{line}");
        }
    }
}
