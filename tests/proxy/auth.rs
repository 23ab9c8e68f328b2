//! Passwords that the gate compares itself.

use crate::secure::{starttls, usual};
use crate::support::{Client, LONG, Relay, Running, gate_with, policy_of};
use argon2::password_hash::phc::Output;
use argon2::{Algorithm, Argon2, Params, Version};
use base64ct::{Base64, Encoding};
use std::thread;
use std::time::{Duration, Instant};

const RULES: &str = "
profile = 'test'
extends = 'base'
[verbs]
STARTTLS = {}
AUTH = {}
MAIL = { parameters = ['SIZE', 'BODY', 'SMTPUTF8', 'RET', 'ENVID', 'AUTH'] }
[extensions]
offer_add = ['STARTTLS', 'AUTH']
[relay]
to = 'any'
[limits]
trivial_commands = 1000000
[auth]
policy = 'required'
backend = { file = 'users' }
";

/// The line of an account whose password costs so many KiB.
fn account(user: &str, password: &str, memory: u32, times: u32) -> String {
    let argon2 =
        Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(memory, times, 1, None).unwrap());
    let mut hash = [0; 32];
    argon2.hash_password_into(password.as_bytes(), b"saltsaltsaltsalt", &mut hash).unwrap();
    let hash = Output::new(&hash).unwrap();
    format!("{user}:$argon2id$v=19$m={memory},t={times},p=1$c2FsdHNhbHRzYWx0c2FsdA${hash}\n")
}

fn gate(relay: &Relay, users: &str) -> Running {
    gate_with(&[relay.address], "", |deployment| {
        let listener = &mut deployment.listeners[0];
        listener.policy = policy_of(RULES, &[("users", users)]);
        listener.sessions_per_client = 1000;
    })
}

fn plain(user: &str, password: &str) -> String {
    format!("AUTH PLAIN {}", Base64::encode_string(format!("\0{user}\0{password}").as_bytes()))
}

fn ready(gate: &Running) -> Client {
    let mut client = starttls(gate.client(), &usual(), "gate.test").unwrap().client;
    client.expect("EHLO client.test", "250");
    client
}

#[test]
fn a_password_lets_in_and_another_does_not() {
    let relay = Relay::polite();
    let gate = gate(&relay, &account("anna", "open sesame", 1024, 1));
    let mut client = ready(&gate);
    client.expect("MAIL FROM:<a@client.test>", "530");
    client.expect(&plain("anna", "open"), "535");
    client.expect(&plain("nobody", "open sesame"), "535");
    client.expect(&plain("anna", "open sesame"), "235");
    client.envelope();
    client.say("x\r\n.\r\n");
    assert!(client.reply().starts_with("250"));
    // What was said of it stays here.
    let heard = relay.heard();
    assert!(!heard.iter().any(|line| line.contains("AUTH") || line.contains("sesame")), "{heard:?}");
    for (outcome, number) in [("failed", 2), ("succeeded", 1)] {
        let series = format!(
            "gatepost_auth_attempts_total{{listener=\"test\",mechanism=\"PLAIN\",outcome=\"{outcome}\"}}"
        );
        assert_eq!(gate.figure(&series), number, "{outcome}");
    }
}

#[test]
fn two_hundred_who_try_passwords_do_not_make_others_wait() {
    let relay = Relay::polite();
    // As dear as they are in earnest.
    let gate = gate(&relay, &account("anna", "open sesame", 19 * 1024, 2));
    let mut trying: Vec<_> = (0..200).map(|_| ready(&gate)).collect();
    let mut other = ready(&gate);
    for (number, client) in trying.iter_mut().enumerate() {
        let user = if number % 2 == 0 { "anna" } else { "nobody" };
        client.say(plain(user, "guess") + "\r\n");
    }
    let start = Instant::now();
    let mut times: Vec<_> = (0..200)
        .map(|_| {
            let begin = Instant::now();
            other.expect("NOOP", "250");
            thread::sleep(Duration::from_millis(2));
            begin.elapsed().saturating_sub(Duration::from_millis(2))
        })
        .collect();
    times.sort();
    for client in &mut trying {
        client.stream.set_read_timeout(Some(LONG * 3)).unwrap();
        let reply = client.reply();
        assert!(reply.starts_with("535") || reply.starts_with("454"), "{reply}");
    }
    let all = start.elapsed();
    println!("NOOP: median {:?}, worst {:?}; all answered after {all:?}", times[100], times[199]);
    // Whoever compared passwords where mail is served would let each wait for all that are before it. Measured against
    // their own time, it holds on a machine that is busy, too.
    assert!(times[100] * 100 < all, "{:?} of {all:?}", times[100]);
}

#[test]
fn a_client_that_goes_away_is_not_waited_for() {
    let relay = Relay::polite();
    let gate = gate(&relay, &account("anna", "open sesame", 19 * 1024, 2));
    for _ in 0..20 {
        let mut client = ready(&gate);
        client.say(plain("anna", "guess") + "\r\n");
    }
    ready(&gate).expect(&plain("anna", "open sesame"), "235");
}
