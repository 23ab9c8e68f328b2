//! What a transcript says of the world before its first line.

use super::player::Cuts;
use crate::event::NoService;
use crate::policy::Policy;
use crate::policy::names::Naming;
use crate::session::{
    Answered, Connect, Identity, Leg, RelayTls, SessionId, Setting, Station, Waits, WhenDown,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The world of one session.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The client's address; its port is 50000.
    pub client: IpAddr,
    /// `connect`.
    pub connect: Connect,
    /// `when_down`.
    pub when_down: WhenDown,
    /// Whether the relay's offer is known from an earlier link.
    pub learned: bool,
    /// Whether the client is let in.
    pub admission: Result<(), NoService>,
    /// What the relay offers.
    pub offer: Vec<String>,
    /// How the relay behaves.
    pub relay: RelayScene,
    /// Whether the client came in TLS.
    pub tls: bool,
    /// The account as which it has authenticated.
    pub auth: Option<String>,
    /// What is said to a question.
    pub backend: Backend,
    /// What DNS lists say of the client.
    pub lists: Lists,
    /// What reverse DNS says of the client.
    pub dns: Dns,
    /// How allowances stand.
    pub allowances: Allowances,
    /// Whether the link is secured by STARTTLS.
    pub relay_tls: RelayTls,
    /// How the relay learns who the client is.
    pub identity: Identity,
    /// How links are shared between sessions.
    pub handing_on: HandingOn,
    /// Whether the link is in TLS from its first octet on.
    pub relay_in_tls: bool,
    /// What certificate the relay shows.
    pub relay_certificate: Certificate,
    /// How handshakes end.
    pub handshakes: Handshakes,
    /// How octets are cut, if elsewhere it would be another conversation.
    pub cuts: Option<Cuts>,
}

/// What is said to the questions that a session asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// This, at once.
    Says(Answered),
    /// What the transcript says.
    Awaited,
}

/// What DNS lists say of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lists {
    /// This, at once: the ids of lists, each with an address that it gives.
    Say(Vec<(String, Ipv4Addr)>),
    /// What the transcript says.
    Awaited,
}

impl Lists {
    /// Reads `zen 127.0.0.2, other 127.0.0.4`, or `nothing`.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let one = |text: &str| {
            let (id, answer) = text.trim().split_once(' ')?;
            Some((id.to_owned(), answer.trim().parse().ok()?))
        };
        match text {
            "awaited" => Ok(Self::Awaited),
            "nothing" => Ok(Self::Say(Vec::new())),
            _ => {
                let said: Option<_> = text.split(',').map(one).collect();
                said.map(Self::Say).ok_or_else(|| format!("`{text}` is nothing that lists say"))
            }
        }
    }
}

/// How allowances stand (`[[limit]]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowances {
    /// Full at the beginning, but for these, by the id of their limit; from then on they are counted.
    Left(Vec<(String, u32)>),
    /// Nobody can say.
    Unknown,
    /// As the transcript says.
    Awaited,
}

/// What certificate a relay shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// One that is its own, by somebody who is trusted.
    Verified,
    /// Another.
    Unverified,
}

/// How handshakes of TLS end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshakes {
    /// Well, and at once.
    Hold,
    /// As the transcript says; what is said in clear before that breaks them.
    Awaited,
}

/// How links are shared between sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandingOn {
    /// Each session has its own.
    Never,
    /// Whoever needs one no longer hands it on; none was yet.
    Empty,
    /// Likewise, and one that was handed on waits.
    Waiting(Leg),
}

/// How the relay behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayScene {
    /// It greets, takes hello, and answers everything politely.
    Polite,
    /// It greets and takes hello; from then on it says what the transcript says.
    Scripted,
    /// All it says stands in the transcript, greeting and reply to hello included.
    Silent,
    /// Nobody takes the connection.
    Absent,
}

/// When every session begins, but for the second that the world takes: 2026-01-01T00:00:00Z.
const STARTED: Duration = Duration::from_hours(24 * 20_454);

/// What reverse DNS says of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dns {
    /// This, at once.
    Says(Naming),
    /// What the transcript says.
    Awaited,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            client: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)),
            connect: Connect::default(),
            when_down: WhenDown::default(),
            learned: true,
            admission: Ok(()),
            offer: [
                "PIPELINING",
                "SIZE 26214400",
                "8BITMIME",
                "CHUNKING",
                "SMTPUTF8",
                "DSN",
                "ENHANCEDSTATUSCODES",
            ]
            .map(String::from)
            .into(),
            relay: RelayScene::Polite,
            tls: false,
            auth: None,
            backend: Backend::Says(Answered::Yes),
            lists: Lists::Say(Vec::new()),
            dns: Dns::Says(Naming::default()),
            allowances: Allowances::Left(Vec::new()),
            relay_tls: RelayTls::None,
            identity: Identity::None,
            handing_on: HandingOn::Never,
            relay_in_tls: false,
            relay_certificate: Certificate::Verified,
            handshakes: Handshakes::Hold,
            cuts: None,
        }
    }
}

impl Scene {
    /// The setting of a session in this scene. The id is `00000000`, the gate's name `gate.example`.
    pub fn setting(&self, policy: Arc<Policy>) -> Setting {
        let station = Station {
            name: "gate.example".into(),
            listener: "mx".into(),
            connect: self.connect,
            when_down: self.when_down,
            waits: Waits::default(),
            relay_tls: self.relay_tls,
            identity: self.identity,
            hands_on: self.handing_on != HandingOn::Never,
            started: STARTED,
        };
        Setting {
            station: Arc::new(station),
            policy,
            client: self.client,
            port: 50_000,
            local: Some(Box::new(self.local())),
            id: SessionId::from_bits(0),
            learned: self.learned.then(|| Arc::new(super::polite::offer(&self.offer))),
            admission: self.admission,
        }
    }

    /// The address that the client called.
    fn local(&self) -> SocketAddr {
        match self.client {
            IpAddr::V4(_) => (Ipv4Addr::new(198, 51, 100, 1), 25).into(),
            IpAddr::V6(_) => (Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 1), 25).into(),
        }
    }

    /// Reads one line of the head of a transcript: a key and its value.
    pub(super) fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match (key, value) {
            ("client", _) => self.client = value.parse().map_err(|_| format!("`{value}` is no address"))?,
            ("connect", "accept") => self.connect = Connect::Accept,
            ("connect", "hello") => self.connect = Connect::Hello,
            ("connect", "transaction") => self.connect = Connect::Transaction,
            ("connect", "recipient") => self.connect = Connect::Recipient,
            ("when-down", "greet") => self.when_down = WhenDown::Greet,
            ("when-down", "refuse") => self.when_down = WhenDown::Refuse,
            ("learned", "no") => self.learned = false,
            ("learned", "yes") => self.learned = true,
            ("relay", "polite") => self.relay = RelayScene::Polite,
            ("relay", "scripted") => self.relay = RelayScene::Scripted,
            ("relay", "silent") => self.relay = RelayScene::Silent,
            ("relay", "absent") => self.relay = RelayScene::Absent,
            ("tls", "yes") => self.tls = true,
            ("auth", _) => self.auth = Some(value.to_owned()),
            ("backend", "yes") => self.backend = Backend::Says(Answered::Yes),
            ("backend", "no") => self.backend = Backend::Says(Answered::No),
            ("backend", "unknown") => self.backend = Backend::Says(Answered::Unknown),
            ("backend", "awaited") => self.backend = Backend::Awaited,
            ("lists", _) => self.lists = Lists::read(value)?,
            ("rdns", "awaited") => self.dns = Dns::Awaited,
            ("rdns", _) => self.dns = Dns::Says(value.parse()?),
            ("allowances", "unknown") => self.allowances = Allowances::Unknown,
            ("allowances", "awaited") => self.allowances = Allowances::Awaited,
            ("allowances", _) => self.allowances = left(self.allowances.clone(), value)?,
            ("relay-tls", "opportunistic") => self.relay_tls = RelayTls::Opportunistic,
            ("relay-tls", "required") => self.relay_tls = RelayTls::Required,
            ("relay-tls", "implicit") => self.relay_in_tls = true,
            ("relay-certificate", "unverified") => self.relay_certificate = Certificate::Unverified,
            ("identity", "proxy") => self.identity = Identity::ProxyV1,
            ("identity", "xclient") => self.identity = Identity::Xclient,
            ("links", "are handed on") => self.handing_on = HandingOn::Empty,
            ("links", "wait for a session") => {
                self.handing_on = HandingOn::Waiting(Leg::Clear(RelayTls::None));
            }
            ("links", "wait in TLS") => self.handing_on = HandingOn::Waiting(Leg::Verified),
            ("handshakes", "awaited") => self.handshakes = Handshakes::Awaited,
            ("cuts", "none") => self.cuts = Some(Cuts::Whole),
            ("offer", _) => self.offer = value.split(',').map(|word| word.trim().to_owned()).collect(),
            ("turned-away", _) => self.admission = Err(no_service(value)?),
            _ => return Err(format!("`{key} {value}` says nothing that a scene knows")),
        }
        Ok(())
    }
}

/// One more limit of which so much is left: `harvesting 0`.
fn left(allowances: Allowances, value: &str) -> Result<Allowances, String> {
    let one = value.split_once(' ').and_then(|(id, left)| Some((id.to_owned(), left.trim().parse().ok()?)));
    let mut all = match allowances {
        Allowances::Left(all) => all,
        Allowances::Unknown | Allowances::Awaited => Vec::new(),
    };
    all.push(one.ok_or_else(|| format!("`{value}` is no limit with what is left of it"))?);
    Ok(Allowances::Left(all))
}

fn no_service(value: &str) -> Result<NoService, String> {
    Ok(match value {
        "draining" => NoService::Draining,
        "sessions" => NoService::Sessions,
        "sessions-of-peer" => NoService::SessionsOfPeer,
        "memory" => NoService::Memory,
        "descriptors" => NoService::Descriptors,
        "relay-down" => NoService::RelayDown,
        _ => return Err(format!("`{value}` is no reason to turn a client away")),
    })
}
