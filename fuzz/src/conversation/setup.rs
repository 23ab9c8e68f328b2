//! The first record of a conversation.

use crate::rules;
use crate::witness::Demands;
use gatepost::policy::Policy;
use gatepost::policy::auth::{AuthPolicy, Backend};
use gatepost::replay::{Certificate, HandingOn, Scene};
use gatepost::session::{Connect, RelayTls, WhenDown};
use std::sync::Arc;

/// What the first record says.
pub(super) struct Setup {
    pub(super) policy: Arc<Policy>,
    pub(super) scene: Scene,
    pub(super) offer: Vec<&'static str>,
    pub(super) polite: bool,
    pub(super) cut: u8,
}

impl Setup {
    pub(super) fn read(letters: &[u8]) -> Self {
        let policy = letters.iter().rev().find_map(|letter| rules::policy(*letter));
        let has = |letter: u8| letters.contains(&letter);
        let connect = match letters.iter().find(|letter| b"ahn".contains(letter)) {
            Some(b'a') => Connect::Accept,
            Some(b'h') => Connect::Hello,
            Some(_) => Connect::Transaction,
            None => Connect::Recipient,
        };
        let mut offer =
            vec!["SIZE 100000", "8BITMIME", "SMTPUTF8", "DSN", "ETRN", "STARTTLS", "AUTH PLAIN LOGIN"];
        let relay_tls = match letters.iter().find(|letter| b"OQ".contains(letter)) {
            Some(b'O') => RelayTls::Opportunistic,
            Some(_) => RelayTls::Required,
            None => RelayTls::None,
        };
        offer.extend((!has(b'P')).then_some("PIPELINING"));
        offer.extend((!has(b'K')).then_some("CHUNKING"));
        offer.extend(has(b'B').then_some("BINARYMIME"));
        let scene = Scene {
            connect,
            when_down: if has(b'g') { WhenDown::Greet } else { WhenDown::Refuse },
            learned: !has(b'u'),
            tls: has(b'i'),
            relay_tls,
            handing_on: if has(b'j') { HandingOn::Empty } else { HandingOn::Never },
            relay_certificate: if has(b'V') { Certificate::Unverified } else { Certificate::Verified },
            offer: offer.iter().map(ToString::to_string).chain(["ENHANCEDSTATUSCODES".to_owned()]).collect(),
            ..Scene::default()
        };
        let cut = letters.iter().find(|letter| b"12".contains(letter)).map_or(0, |letter| letter & 3);
        let policy = policy.or_else(|| rules::policy(b'd')).expect("the usual policy");
        Self { policy, scene, offer, polite: !has(b'x'), cut }
    }

    /// What it wants of a session.
    pub(super) fn demands(&self) -> Demands {
        let auth = self.policy.auth();
        Demands {
            tls: self.scene.relay_tls == RelayTls::Required,
            account: auth.policy == AuthPolicy::Required,
            here: matches!(auth.backend, Backend::File(_)),
        }
    }
}
