//! Credentials go to the relay, or to whoever is asked about them, and nowhere else: whatever becomes of an attempt,
//! neither a secret nor its base64 stands in any event, in any answer, or in the session's own picture of itself.

use crate::transcripts::policy;
use gatepost::event::{AuthOutcome, Event};
use gatepost::replay::{Backend, Cuts, Player, RelayScene, Scene};
use gatepost::session::Answered;
use std::sync::Arc;

const SECRET: &str = "hunter2hunter2hunter2";
/// `NUL anna@example.com NUL`, then the secret.
const PLAIN: &str = "AGFubmFAZXhhbXBsZS5jb20AaHVudGVyMmh1bnRlcjJodW50ZXIy";
/// What the polite relay wants to hear.
const RIGHT: &str = "AGFubmFAZXhhbXBsZS5jb20Ac2VjcmV0";
const USER: &str = "YW5uYUBleGFtcGxlLmNvbQ==";
const PASSWORD: &str = "aHVudGVyMmh1bnRlcjJodW50ZXIy";
/// `user=anna@example.com 01 auth=Bearer`, the secret, 01 01.
const TOKEN: &str = "dXNlcj1hbm5hQGV4YW1wbGUuY29tAWF1dGg9QmVhcmVyIGh1bnRlcjJodW50ZXIyaHVudGVyMgEB";

const OFFERED: &str = "[verbs]\nAUTH = {}\nSTARTTLS = {}\n\
    MAIL = { parameters = [\"SIZE\", \"BODY\", \"SMTPUTF8\", \"RET\", \"ENVID\", \"AUTH\"] }\n\
    [extensions]\noffer_add = [\"AUTH\", \"STARTTLS\"]\n";

/// Every sort of policy.
fn policies() -> Vec<String> {
    let auth =
        |words: &str| format!("{OFFERED}[auth]\nmechanisms = [\"PLAIN\", \"LOGIN\", \"XOAUTH2\"]\n{words}\n");
    let file = "backend = { file = \"users\" }\nmechanisms = [\"PLAIN\", \"LOGIN\"]";
    let rule = "[[rule]]\nid = \"no\"\non = \"AUTH\"\nthen = \"reject\"\n";
    vec![
        String::new(),
        "mode = \"monitor\"".to_owned(),
        "[violations]\nearly_talker = \"report\"\n[greeting]\nwait = \"5s\"".to_owned(),
        auth("policy = \"optional\""),
        auth("policy = \"required\"\nattempts = 3"),
        format!("{OFFERED}[auth]\npolicy = \"required\"\n{file}"),
        format!("mode = \"monitor\"\n{OFFERED}[auth]\npolicy = \"required\"\n{file}"),
        format!("{}{rule}", auth("policy = \"optional\"")),
        format!("{}[tls]\nrequire_for = [\"AUTH\"]", auth("policy = \"optional\"")),
        format!(
            "{}[violations]\ntrailing_space = \"reject\"\nextra_space = \"report\"",
            auth("policy = \"optional\"")
        ),
    ]
}

/// Every form in which a secret is said, well or badly.
fn sayings() -> Vec<String> {
    let long = PLAIN.repeat(300);
    [
        "AUTH PLAIN {P}\r\n",
        "auth plain {P}\r\nAUTH PLAIN {P}\r\n",
        "AUTH PLAIN {R}\r\nAUTH PLAIN {P}\r\nMAIL FROM:<a@example.org>\r\n",
        "AUTH PLAIN\r\n{P}\r\n",
        "AUTH PLAIN\r\n{P}=\r\nNOOP\r\n",
        "AUTH PLAIN\r\n*\r\n{P}\r\n",
        "AUTH PLAIN\r\n{P}\n{P}\r\n",
        "AUTH PLAIN\r\n{P}\0\r\n",
        "AUTH PLAIN {L}\r\n",
        "AUTH PLAIN\r\n{L}\r\n",
        "AUTH PLAIN {P} \r\n",
        "AUTH  PLAIN  {P}\r\n",
        "AUTH PLAIN {P} {P}\r\n",
        "AUTH PLAIN {P}=\r\n",
        "AUTH PLAIN {S}\r\n",
        "AUTH {P}\r\n",
        "AUTH\t{P}\r\n",
        "AUTH\r\n{P}\r\n",
        " AUTH PLAIN {P}\r\n",
        "AUTH PLAIN {P}\n",
        "AUTH PLAIN {P}\0\r\n",
        "NOOP\nAUTH PLAIN {P}\r\n",
        "NOOP\rAUTH PLAIN {P}\r\n",
        "AUTH LOGIN\r\n{U}\r\n{W}\r\n",
        "AUTH LOGIN {U}\r\n{W}\r\n",
        "AUTH LOGIN\r\n{U}\r\n{W}=\r\n{W}\r\n",
        "AUTH LOGIN\r\n{W}\r\n*\r\n",
        "AUTH XOAUTH2 {T}\r\n",
        "AUTH XOAUTH2\r\n{T}\r\n",
        "AUTH CRAM-MD5 {P}\r\n{P}\r\n",
        "AUTH GSSAPI\r\n{P}\r\n",
        "AUTH FOO {S}\r\n{W}\r\n",
        "MAIL FROM:<a@example.org>\r\nAUTH PLAIN {P}\r\n{W}\r\n",
        "HELO client.example.org\r\nAUTH LOGIN\r\n{U}\r\n{W}\r\n",
        "STARTTLS\r\nAUTH PLAIN {P}\r\n",
        "AUTH PLAIN {P}",
        "AUTH PLAIN\r\n{P}",
    ]
    .iter()
    .map(|saying| {
        let forms = [
            ("{P}", PLAIN),
            ("{R}", RIGHT),
            ("{L}", &long),
            ("{S}", SECRET),
            ("{U}", USER),
            ("{W}", PASSWORD),
            ("{T}", TOKEN),
        ];
        forms.iter().fold((*saying).to_owned(), |said, (form, text)| said.replace(form, text))
    })
    .collect()
}

fn scenes() -> Vec<Scene> {
    let offer: Vec<String> =
        ["AUTH PLAIN LOGIN XOAUTH2 GSSAPI", "STARTTLS", "PIPELINING"].map(str::to_owned).into();
    let scene = |tls, relay, backend| Scene { tls, relay, backend, offer: offer.clone(), ..Scene::default() };
    vec![
        scene(true, RelayScene::Polite, Backend::Says(Answered::Yes)),
        scene(true, RelayScene::Polite, Backend::Says(Answered::No)),
        scene(true, RelayScene::Absent, Backend::Says(Answered::Unknown)),
        scene(true, RelayScene::Scripted, Backend::Awaited),
        scene(false, RelayScene::Polite, Backend::Says(Answered::Yes)),
    ]
}

fn hunt(player: &Player, said: &str, draw: bool) {
    let events = format!("{:?} {:?}", player.events, player.question);
    // Its picture has all rules in it, so that it takes long to draw.
    let picture = if draw { format!("{:?}", player.session()) } else { String::new() };
    let heard = String::from_utf8_lossy(&player.client_heard);
    for (place, text) in [("events", &*events), ("the session", &picture), ("what the client heard", &*heard)]
    {
        for secret in [SECRET, PLAIN, RIGHT, PASSWORD, TOKEN] {
            // A part of it is as bad.
            for part in [secret, &secret[..secret.len() / 2], &secret[secret.len() / 2..]] {
                assert!(!text.contains(part), "after {said:?}: {part} in {place}: {text}");
            }
        }
        for octets in [SECRET, PLAIN].map(|secret| format!("{:?}", secret.as_bytes())) {
            assert!(!text.contains(octets.trim_matches(['[', ']'])), "after {said:?}: octets in {place}");
        }
    }
}

#[test]
fn no_secret_stands_where_anybody_reads() {
    let mut outcomes = Vec::new();
    for rules in policies() {
        let policy = policy(&rules).unwrap_or_else(|error| panic!("{rules}\n{error}"));
        for (scene, said) in
            scenes().iter().flat_map(|scene| sayings().into_iter().map(move |said| (scene, said)))
        {
            // Long lines are not cut into many pieces: that takes long, and shows nothing that short ones do not.
            let fine = if said.len() < 200 { Cuts::Octets } else { Cuts::Whole };
            for (cuts, hello) in [(Cuts::Whole, true), (fine, true), (fine, false)] {
                let mut player = Player::new(Arc::clone(&policy), scene, cuts);
                if hello {
                    player.client_says(b"EHLO client.example.org\r\n");
                }
                player.client_says(said.as_bytes());
                hunt(&player, &said, scene.relay != RelayScene::Absent && cuts == Cuts::Whole);
                player.pass(std::time::Duration::from_hours(1));
                hunt(&player, &said, false);
                outcomes.extend(player.events.iter().filter_map(|event| match event {
                    Event::Auth(attempt) => Some(attempt.outcome),
                    _ => None,
                }));
            }
        }
    }
    for outcome in AuthOutcome::ALL {
        assert!(outcomes.contains(&outcome), "nobody tried what ends as {}", outcome.name());
    }
}
