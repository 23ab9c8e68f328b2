//! Who may authenticate, and who may send as whom.

use gatepost::policy::auth::{AuthPolicy, AuthRules, Backend};
use gatepost::policy::compile::compile;
use gatepost::policy::condition::{AuthScene, Point, Scene, TlsScene};
use gatepost::policy::tls::{ClientCertificate, StartTls, TlsVersion};
use gatepost::policy::verdict::{AuthCheck, Check, TlsCheck};
use gatepost::policy::{Policy, Weight};
use gatepost::smtp::command::{Argument, parse};
use gatepost::smtp::extension::{Extension, Extensions};
use gatepost::smtp::mechanism::Mechanism;
use gatepost::smtp::verb::Verb;

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzYWx0$Wm9sZXJ0IGlzIG5vIHBhc3N3b3JkIGF0IGFsbCE";

/// A profile for submission with these rules on top.
fn policy(rules: &str) -> Policy {
    let own = format!("profile = \"t\"\nextends = \"submission\"\n{rules}");
    let users = format!("anna@example.com:{HASH}\n");
    let compiled = compile("t.toml", &mut |path| match path {
        "t.toml" => Ok(own.clone()),
        "users" => Ok(users.clone()),
        "senders" => {
            Ok("anna anna@example.com @lists.example.com\nBert@example.com postmaster@example.net\n"
                .to_owned())
        }
        other => Err(format!("there is no {other}")),
    });
    compiled.policy.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
}

fn scene<'a>() -> Scene<'a> {
    Scene::arriving("203.0.113.9:50000".parse().unwrap(), "submission")
}

fn may_send(rules: &AuthRules, account: &str, path: &str) -> bool {
    let line = format!("MAIL FROM:{path}");
    match parse(line.as_bytes()).argument {
        Ok(Argument::Mail { path, .. }) => rules.may_send(account, &path),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn an_account_sends_as_its_own_domain() {
    let policy = policy("");
    for (account, path, may) in [
        ("anna@example.com", "<anna@example.com>", true),
        ("anna@example.com", "<bert@EXAMPLE.com>", true),
        ("anna@Example.com", "<\"x y\"@example.com>", true),
        ("anna@example.com", "<>", true),
        ("anna@example.com", "<anna@sub.example.com>", false),
        ("anna@example.com", "<anna@elsewhere.test>", false),
        ("anna@example.com", "<anna@[192.0.2.1]>", false),
        ("anna@elsewhere.test@example.com", "<anna@elsewhere.test>", false),
        ("anna", "<anna@example.com>", false),
        ("anna@", "<anna@example.com>", false),
        ("anna", "<>", true),
        ("", "<>", true),
    ] {
        assert_eq!(may_send(policy.auth(), account, path), may, "{account} as {path}");
    }
}

#[test]
fn an_account_sends_as_those_that_a_file_gives_it() {
    let policy = policy("[auth]\nsenders = { file = \"senders\" }\n");
    for (account, path, may) in [
        ("anna", "<anna@example.com>", true),
        ("ANNA", "<Anna@Example.com>", true),
        ("anna", "<\"anna\"@example.com>", true),
        ("anna", "<news@lists.example.com>", true),
        ("anna", "<>", true),
        ("anna", "<bert@example.com>", false),
        ("bert@example.com", "<postmaster@example.net>", true),
        ("bert@example.com", "<bert@example.com>", false),
        ("carl", "<anna@example.com>", false),
        ("carl", "<>", true),
    ] {
        assert_eq!(may_send(policy.auth(), account, path), may, "{account} as {path}");
    }
    assert!(may_send(self::policy("[auth]\nsenders = \"any\"\n").auth(), "carl", "<a@elsewhere.test>"));
    assert_eq!(policy.list_sizes(), [("auth.senders".to_owned(), 2)]);
}

#[test]
fn a_password_is_never_asked_for_in_clear() {
    let policy = policy("[auth]\nmechanisms = [\"PLAIN\", \"XOAUTH2\", \"SCRAM-SHA-256\"]\n");
    let permits = |mechanism, secured| policy.auth().permits(mechanism, secured);
    assert!(permits(Mechanism::Plain, true) && !permits(Mechanism::Plain, false));
    assert!(permits(Mechanism::Xoauth2, true) && !permits(Mechanism::Xoauth2, false));
    assert!(permits(Mechanism::ScramSha256, true) && permits(Mechanism::ScramSha256, false));
    assert!(!permits(Mechanism::Login, true) && !permits(Mechanism::External, true));
    assert!(AuthRules::default().mechanisms.is_empty());
}

#[test]
fn what_is_written_of_tls_and_auth_is_what_is_meant() {
    let policy = policy(
        "[tls]\nmin_version = \"1.3\"\nclient_certificate = \"ask\"\n\
         [auth]\nbackend = { file = \"users\" }\nattempts = 7\n",
    );
    let (tls, auth) = (policy.tls(), policy.auth());
    assert_eq!(tls.starttls, StartTls::Inspect);
    assert_eq!(tls.min_version, TlsVersion::V1_3);
    assert_eq!(tls.require_for, [Verb::Mail, Verb::Auth]);
    assert_eq!(tls.client_certificate, ClientCertificate::Ask);
    assert_eq!((auth.policy, auth.attempts), (AuthPolicy::Required, 7));
    let Backend::File(accounts) = &auth.backend else { panic!("{auth:?}") };
    assert_eq!(accounts.hash("Anna@example.com"), Some(HASH));
    assert!(policy.offer().contains(Extension::StartTls) && policy.offer().contains(Extension::Auth));
    assert!(!format!("{policy:?}").contains("c29tZX"));
    let withheld = self::policy("[tls]\nstarttls = \"withhold\"\n");
    assert!(!withheld.offer().contains(Extension::StartTls));
    assert_ne!(withheld.offer(), Extensions::NONE);
}

#[test]
fn what_keeps_a_relay_closed_is_weighed_the_same_in_every_mode() {
    for mode in ["enforce", "monitor"] {
        let policy = policy(&format!("mode = \"{mode}\"\n[clients]\nallow = [\"192.0.2.0/24\"]\n"));
        let monitored = if mode == "monitor" { Weight::Observe } else { Weight::Enforce };
        for (check, weight) in [
            (Check::Auth(AuthCheck::Policy), Weight::Enforce),
            (Check::Auth(AuthCheck::Credentials), Weight::Enforce),
            (Check::Clients, Weight::Enforce),
            (Check::Auth(AuthCheck::Senders), monitored),
            (Check::Auth(AuthCheck::Attempts), monitored),
            (Check::Tls(TlsCheck::RequireFor), monitored),
        ] {
            assert_eq!(policy.weigh(check, &scene()), weight, "{} in {mode}", policy.id(check));
        }
    }
    let exempt =
        policy("[[exempt]]\nfrom = \"tls.require_for\"\nwhen = { \"client.ip\" = \"203.0.113.9\" }\n");
    assert_eq!(exempt.weigh(Check::Tls(TlsCheck::RequireFor), &scene()), Weight::Nothing);
}

#[test]
fn where_mail_goes_anywhere_postmaster_of_anywhere_is_nobody_special() {
    let line = "RCPT TO:<postmaster@elsewhere.test>";
    let command = parse(line.as_bytes());
    let Ok(Argument::Rcpt { path, .. }) = &command.argument else { panic!("{line}") };
    assert!(policy("").relays_to(path) && !policy("").always(path));
}

#[test]
fn rules_see_tls_and_who_has_authenticated() {
    let tls = TlsScene {
        version: TlsVersion::V1_2,
        cipher: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        name: Some("mx.example.com"),
        client_name: Some("relay.partner.example"),
    };
    let anna = AuthScene { user: Some("Anna@example.com"), mechanism: Mechanism::Plain };
    let hidden = AuthScene { user: None, mechanism: Mechanism::Ntlm };
    for (when, tls, auth, fits) in [
        ("\"tls.active\" = true", Some(tls), None, true),
        ("\"tls.active\" = true", None, None, false),
        ("\"tls.active\" = false", None, None, true),
        ("\"tls.version\" = \"1.2\"", Some(tls), None, true),
        ("\"tls.version\" = \"1.2\"", None, None, false),
        ("\"tls.version\" = \"!1.3\"", None, None, true),
        ("\"tls.cipher\" = \"*_RSA_*\"", Some(tls), None, true),
        ("\"tls.name\" = \"MX.example.com\"", Some(tls), None, true),
        ("\"tls.client_name\" = \".partner.example\"", Some(tls), None, true),
        ("\"tls.client_name\" = \"!.partner.example\"", None, None, true),
        ("\"auth.user\" = \"anna@example.com\"", None, Some(anna), true),
        ("\"auth.user\" = \"anna@example.com\"", None, Some(hidden), false),
        ("\"auth.user\" = \"!*\"", None, None, true),
        ("\"auth.user\" = \"!*\"", None, Some(anna), false),
        ("\"auth.domain\" = \"example.com\"", None, Some(anna), true),
        ("\"auth.domain\" = \"example.com\"", None, Some(hidden), false),
        ("\"auth.mechanism\" = \"NTLM\"", None, Some(hidden), true),
        ("\"auth.mechanism\" = [\"PLAIN\", \"LOGIN\"]", None, Some(hidden), false),
    ] {
        let rules = format!("[[rule]]\nid = \"r\"\non = \"NOOP\"\nwhen = {{ {when} }}\nthen = \"reject\"\n");
        let policy = policy(&rules);
        let scene = Scene { tls, auth, ..scene() };
        let refused = policy.judge(Point::Command(Verb::Noop), &scene, &mut |_| ());
        assert_eq!(refused.is_some(), fits, "{when}");
    }
}
