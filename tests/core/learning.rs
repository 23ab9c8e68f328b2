//! What sessions to come are told of a relay.

use crate::transcripts::policy;
use gatepost::replay::{Cuts, Player, RelayScene, Scene};
use gatepost::smtp::mechanism::Mechanism;

const RULES: &str = "[verbs]\nAUTH = {}\n\
    MAIL = { parameters = [\"SIZE\", \"BODY\", \"SMTPUTF8\", \"RET\", \"ENVID\", \"AUTH\"] }\n\
    [extensions]\noffer_add = [\"AUTH\"]\n[auth]\npolicy = \"optional\"\n";

/// Exim and Dovecot offer AUTH to nobody who is in already (RFC 4954 4 has no use for it).
#[test]
fn what_a_relay_offers_to_one_that_is_in_is_told_to_nobody() {
    let offer = ["AUTH PLAIN", "SIZE 1000"].map(String::from).into();
    let scene = Scene { tls: true, offer, relay: RelayScene::Scripted, ..Scene::default() };
    let mut player = Player::new(policy(RULES).unwrap(), &scene, Cuts::Whole);
    player.client_says(b"EHLO client.example.org\r\nAUTH PLAIN AGFubmFAZXhhbXBsZS5jb20Ac2VjcmV0\r\n");
    player.relay_says(b"235 2.7.0 welcome\r\n");
    player.client_says(b"EHLO other.example.org\r\n");
    player.relay_says(b"250-relay.example\r\n250 SIZE 1000\r\n");
    assert!(player.client_heard.ends_with(b"\r\n"), "{:?}", String::from_utf8_lossy(&player.client_heard));
    assert_eq!(player.relay_heard.windows(5).filter(|word| word == b"EHLO ").count(), 1);
    let learned = player.learned.expect("the offer that was made when the link was opened");
    assert!(learned.mechanisms.contains(Mechanism::Plain));
}
