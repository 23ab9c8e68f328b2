//! Where Gatepost stands: listeners, relays, bounds. What `gatepost.toml` says, compiled.

mod address;

pub use address::{Address, Host};

use crate::policy::Policy;
use crate::policy::network::NetworkSet;
use crate::session::{Connect, Identity, RelayTls, Waits, WhenDown};
use ipnet::IpNet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A deployment, complete: every relay that a listener names is there.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The gate's name, as greeting and EHLO reply give it.
    pub name: String,
    /// The most memory for what waits in connections.
    pub buffer_memory: u64,
    /// The most keys of a `[[limit]]` that are known at a time.
    pub allowance_keys: usize,
    /// Where metrics and health are served.
    pub admin: Option<Admin>,
    /// Where sessions come in.
    pub listeners: Vec<Listener>,
    /// Where they go.
    pub relays: Vec<Relay>,
    /// What is shown to clients, and to relays that ask.
    pub certificates: Vec<Certificate>,
    /// Who is asked for names and by DNS lists.
    pub resolver: Resolver,
    /// How long a drain waits for sessions to end.
    pub drain: Duration,
    /// The folder in which bans are kept over a restart.
    pub state: Option<String>,
    /// What it shares with others.
    pub store: Option<Store>,
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The file with its URL, which has a password in it.
    pub url_file: String,
    /// What stands in front of all its keys.
    pub prefix: String,
    /// How long its answer is waited for.
    pub timeout: Duration,
    /// How many units of a limit's hot key are taken at once; 0: none are.
    pub lease: u32,
}

impl Store {
    /// `prefix`
    pub const PREFIX: &'static str = "gp:";
    /// `timeout`
    pub const TIMEOUT: Duration = Duration::from_millis(50);
    /// The most that `lease` may be.
    pub const MOST_LEASED: u32 = 1000;
}

/// `[admin]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// The address.
    pub listen: SocketAddr,
    /// Further host names to answer to.
    pub hosts: Vec<String>,
}

/// `[certificate.NAME]`: the files of a certificate. They are read anew with each reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its name in listeners, relays and metrics.
    pub name: String,
    /// The file with the certificate and those that lead to its CA.
    pub chain: String,
    /// The file with its key.
    pub key: String,
}

/// `[resolver]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolver {
    /// Its servers; none: those of the system.
    pub servers: Vec<SocketAddr>,
    /// How long all that is asked about one client may take.
    pub timeout: Duration,
    /// The most answers that are remembered.
    pub cache: u64,
}

impl Default for Resolver {
    fn default() -> Self {
        Self { servers: Vec::new(), timeout: Duration::from_secs(2), cache: 4096 }
    }
}

/// `[[listener]]`
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its name in rules, logs and metrics.
    pub name: String,
    /// Its addresses.
    pub listen: Vec<SocketAddr>,
    /// Its rules.
    pub policy: Arc<Policy>,
    /// The name of its relay.
    pub relay: String,
    /// The most sessions at a time.
    pub sessions: usize,
    /// The most of them from one client (an IPv4 address or an IPv6 /64).
    pub sessions_per_client: usize,
    /// The most sessions whose refusal is made to wait at a time; further ones hear it at once.
    pub tarpit_sessions: usize,
    /// Room that is kept for partners, if there are any.
    pub reserve: Option<Reserve>,
    /// How connections come in. On an address it is that of the listener that is for everybody.
    pub accept: Accept,
    /// How TLS comes about.
    pub arrival: Arrival,
    /// The names of its certificates, in the order in which they count.
    pub certificates: Vec<String>,
    /// Files with the CAs that say who a client is.
    pub client_ca: Vec<String>,
    /// The networks it is for, where another listener has the same address: the narrowest one counts.
    pub from: Option<Vec<IpNet>>,
}

/// `accept`: how connections come in, and so who the client is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Accept {
    /// From the client itself.
    #[default]
    Direct,
    /// From one of these proxies, whose PROXY header says who the client is; from nobody else, and never without.
    ProxyProtocol(NetworkSet),
    /// From the client on its way to somebody else, its address and theirs untouched (TPROXY).
    Tproxy,
    /// Likewise, but turned to the gate by NAT, which remembers whom it called (REDIRECT).
    Redirect,
}

impl Accept {
    /// Whether the client called somebody else.
    pub fn intercepts(&self) -> bool {
        matches!(self, Self::Tproxy | Self::Redirect)
    }
}

/// `address` of a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// These, in this order.
    Known(Vec<Address>),
    /// The one that the client called.
    Original,
}

impl Addresses {
    /// Those that are known.
    pub fn known(&self) -> &[Address] {
        match self {
            Self::Known(known) => known,
            Self::Original => &[],
        }
    }
}

/// `tls` of a listener: how TLS comes about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrival {
    /// By STARTTLS, as the rules say.
    #[default]
    StartTls,
    /// Before anything is said (RFC 8314 3.3).
    Implicit,
}

/// `reserve`: room for partners when everybody else has filled the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// Their networks.
    pub partners: NetworkSet,
    /// How many of the listener's sessions are theirs alone. (So is a fifth of the links.)
    pub sessions: usize,
}

/// `[relay.NAME]`
#[derive(Clone, Debug)]
pub struct Relay {
    /// Its name in logs and metrics.
    pub name: String,
    /// Where it is.
    pub addresses: Addresses,
    /// Which of them is tried first.
    pub balance: Balance,
    /// When the link is opened.
    pub connect: Connect,
    /// The most links at a time.
    pub links: usize,
    /// How many sessions a link may serve, one after another.
    pub sessions_per_link: u32,
    /// How long one address may take to connect.
    pub connect_wait: Duration,
    /// How long its words are waited for.
    pub waits: Waits,
    /// What a client hears while it cannot be reached.
    pub when_down: WhenDown,
    /// Whether its link is secured.
    pub tls: RelayTls,
    /// On which terms.
    pub terms: RelayTerms,
    /// How it learns who the client is.
    pub identity: Identity,
}

/// On which terms a relay's link is secured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelayTerms {
    /// Whether TLS comes before anything is said; otherwise by STARTTLS.
    pub implicit: bool,
    /// Files with the CAs that are believed; none: those of the system.
    pub ca: Vec<String>,
    /// The name that its certificate is for, where it is not that of the address.
    pub name: Option<String>,
    /// SHA-256 of the keys (SPKI) that are believed in place of any CA.
    pub pins: Vec<[u8; 32]>,
    /// The name of the certificate that is shown to it.
    pub certificate: Option<String>,
}

/// `balance`: which address of a relay is tried first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// The first; the others stand by.
    #[default]
    First,
    /// Each in its turn.
    Spread,
}

impl Deployment {
    /// `buffer_memory`, if the file says nothing.
    pub const BUFFER_MEMORY: u64 = 512 * 1024 * 1024;
    /// `[allowances] keys`
    pub const ALLOWANCE_KEYS: usize = 200_000;
    /// `[drain] within`
    pub const DRAIN: Duration = Duration::from_mins(5);

    /// One listener in front of one relay.
    pub fn single(name: String, listener: Listener, relay: Relay) -> Self {
        Self {
            name,
            buffer_memory: Self::BUFFER_MEMORY,
            allowance_keys: Self::ALLOWANCE_KEYS,
            admin: None,
            listeners: vec![listener],
            relays: vec![relay],
            certificates: Vec::new(),
            resolver: Resolver::default(),
            drain: Self::DRAIN,
            state: None,
            store: None,
        }
    }
}

impl Listener {
    /// `sessions`
    pub const SESSIONS: usize = 2000;
    /// `sessions_per_client`
    pub const SESSIONS_PER_CLIENT: usize = 50;

    /// `tarpit_sessions`, if nothing is said: a quarter of all, for a tarpit must not fill the house.
    pub const fn tarpit_sessions(sessions: usize) -> usize {
        sessions / 4
    }

    /// One with what is usual.
    pub fn new(name: impl Into<String>, listen: Vec<SocketAddr>, policy: Arc<Policy>, relay: &Relay) -> Self {
        Self {
            name: name.into(),
            listen,
            reserve: Reserve::usual(&policy, Self::SESSIONS),
            policy,
            relay: relay.name.clone(),
            sessions: Self::SESSIONS,
            sessions_per_client: Self::SESSIONS_PER_CLIENT,
            tarpit_sessions: Self::tarpit_sessions(Self::SESSIONS),
            accept: Accept::default(),
            arrival: Arrival::default(),
            certificates: Vec::new(),
            client_ca: Vec::new(),
            from: None,
        }
    }
}

impl Reserve {
    /// The list of the rules that holds the partners, unless the file names another.
    pub const LIST: &'static str = "partners";

    /// What holds if nothing is said: a tenth of the sessions for the list `partners`, where the rules have one.
    pub fn usual(policy: &Policy, sessions: usize) -> Option<Self> {
        let partners = policy.networks(Self::LIST).filter(|networks| !networks.is_empty())?;
        Some(Self { partners: partners.clone(), sessions: sessions / 10 })
    }
}

impl Relay {
    /// `links`: fewer than the 100 processes that a relay such as Postfix has by default.
    pub const LINKS: usize = 80;
    /// `connect_wait`
    pub const CONNECT_WAIT: Duration = Duration::from_secs(10);

    /// One with what is usual.
    pub fn new(name: impl Into<String>, addresses: Vec<Address>) -> Self {
        Self {
            name: name.into(),
            addresses: Addresses::Known(addresses),
            balance: Balance::default(),
            connect: Connect::default(),
            links: Self::LINKS,
            connect_wait: Self::CONNECT_WAIT,
            waits: Waits::default(),
            when_down: WhenDown::default(),
            tls: RelayTls::default(),
            terms: RelayTerms::default(),
            identity: Identity::default(),
            sessions_per_link: 1,
        }
    }
}
