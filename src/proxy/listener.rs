//! The door of a listener: who is let in, and what all that are in share.

use super::bans::{self, Bans};
use super::caller::Caller;
use super::clerks::Clerks;
use super::config::{Accept, Arrival};
use super::connection::Connection;
use super::dns::Dns;
use super::guise::be_transparent;
use super::ledger::Books;
use super::means::Means;
use super::relay::Relay;
use super::reserve::Rank;
use super::roll::{Guest, Roll};
use super::seldom::Seldom;
use super::store::Store;
use super::stress::Stress;
use super::tarpit::Tarpit;
use super::tls::{Failed, Terms};
use super::veil::{Change, Veil};
use super::wire::Wire;
use super::{config, probe};
use crate::event::{Ban, BanChange, Event, NoService};
use crate::policy::Policy;
use crate::policy::condition::Scene;
use crate::policy::verdict::Check;
use crate::session::{RelayTls, SessionId, Setting, Station};
use crate::telemetry::{Desk, Telemetry, Who};
use ipnet::IpNet;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// Connections that wait to be accepted; the system may have a lower bound of its own.
const BACKLOG: i32 = 4096;
/// How long a listener rests when the system has no descriptor for it.
pub(super) const REST: Duration = Duration::from_millis(100);

/// How far the process is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It takes sessions.
    Open,
    /// It takes none; those that are there may end what they are at.
    Draining,
    /// They have had their time.
    Over,
    /// The threads may end.
    Closed,
}

impl Phase {
    const ALL: [Self; 4] = [Self::Open, Self::Draining, Self::Over, Self::Closed];
}

/// The phase of the process; it only goes on.
#[derive(Debug, Default)]
pub(super) struct Drain {
    phase: AtomicU8,
    bell: Notify,
}

impl Drain {
    pub(super) fn phase(&self) -> Phase {
        let number = usize::from(self.phase.load(Ordering::Acquire));
        Phase::ALL.get(number).copied().unwrap_or(Phase::Closed)
    }

    pub(super) fn enter(&self, phase: Phase) {
        let number = Phase::ALL.iter().position(|each| *each == phase).unwrap_or_default();
        self.phase.fetch_max(u8::try_from(number).unwrap_or(u8::MAX), Ordering::AcqRel);
        self.bell.notify_waiters();
    }

    /// Waits until it has come that far.
    pub(super) async fn reach(&self, phase: Phase) {
        loop {
            let rung = self.bell.notified();
            if self.phase() >= phase {
                return;
            }
            rung.await;
        }
    }
}

/// A listener's side of a connection: what all its sessions share.
#[derive(Debug)]
pub(super) struct Door {
    station: Arc<Station>,
    arrival: Arrival,
    standing: RwLock<Standing>,
    /// Failed handshakes are spoken of.
    noted: Seldom,
    roll: Arc<Roll>,
    pub(super) relay: Arc<Relay>,
    pub(super) desk: Desk,
    pub(super) means: Arc<Means>,
    pub(super) drain: Arc<Drain>,
    veil: Veil,
    pub(super) stress: Stress,
    pub(super) tarpit: Tarpit,
    pub(super) clerks: Arc<Clerks>,
    pub(super) dns: Arc<Dns>,
    bans: Arc<Bans>,
    pub(super) store: Option<Arc<Store>>,
}

/// What all doors of the process share.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) means: Arc<Means>,
    pub(super) drain: Arc<Drain>,
    pub(super) clerks: Arc<Clerks>,
    pub(super) dns: Arc<Dns>,
    pub(super) bans: Arc<Bans>,
    pub(super) store: Option<Arc<Store>>,
}

/// What a reload changes, for whoever comes after it.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) policy: Arc<Policy>,
    /// What is left of the policy's limits.
    pub(super) books: Books,
    pub(super) reserve: Option<config::Reserve>,
    pub(super) terms: Option<Terms>,
}

impl Standing {
    pub(super) fn new(listener: &config::Listener, terms: Option<Terms>) -> Self {
        Self {
            policy: Arc::clone(&listener.policy),
            books: Books::default(),
            reserve: listener.reserve.clone(),
            terms,
        }
    }
}

impl Door {
    pub(super) fn new(
        gate: &str,
        listener: &config::Listener,
        relay: Arc<Relay>,
        Common { means, drain, clerks, dns, bans, store }: Common,
        telemetry: &Arc<Telemetry>,
    ) -> Arc<Self> {
        let config = relay.config();
        let station = Station {
            name: gate.to_owned(),
            listener: listener.name.clone(),
            connect: config.connect,
            when_down: config.when_down,
            waits: config.waits,
            // The session's business is STARTTLS alone.
            relay_tls: if config.terms.implicit { RelayTls::None } else { config.tls },
            identity: config.identity,
            hands_on: config.sessions_per_link > 1,
            started: means.started(),
        };
        Arc::new(Self {
            station: Arc::new(station),
            arrival: listener.arrival,
            standing: RwLock::new(Standing::new(listener, None)),
            noted: Seldom::default(),
            roll: Roll::new(listener),
            desk: telemetry.desk(&listener.name, listener.policy.profile(), relay.figures()),
            veil: Veil::new(telemetry.metrics().clients_hidden(&listener.name)),
            stress: Stress::new(telemetry.metrics().stressed(&listener.name)),
            tarpit: Tarpit::new(listener.tarpit_sessions, telemetry.metrics().tarpit(&listener.name)),
            relay,
            means,
            drain,
            clerks,
            dns,
            bans,
            store,
        })
    }

    /// The name of the listener.
    pub(super) fn listener(&self) -> &str {
        &self.station.listener
    }

    /// The rules for whoever comes now.
    pub(super) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.standing().policy)
    }

    /// The terms on which clients get TLS now.
    pub(super) fn terms(&self) -> Option<Terms> {
        self.standing().terms.clone()
    }

    /// From now on these hold, for whoever comes.
    pub(super) fn post(&self, standing: Standing) {
        *self.standing.write().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    fn standing(&self) -> RwLockReadGuard<'_, Standing> {
        self.standing.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether TLS comes before anything is said.
    pub(super) fn is_implicit(&self) -> bool {
        self.arrival == Arrival::Implicit
    }

    /// Tells operators of a handshake that came to nothing, and what can be done about it.
    pub(super) fn note(&self, client: SocketAddr, failed: &Failed) {
        if !self.noted.is_due(self.means.now()) {
            return;
        }
        let offered = failed.offered.as_ref().map(ToString::to_string).unwrap_or_default();
        let (listener, reason) = (self.listener(), failed.failure.name());
        let remedy = failed.remedy().unwrap_or("-");
        tracing::warn!(listener, %client, reason, why = failed.why, offered, remedy, "no TLS with a client");
    }

    pub(super) fn roll(&self) -> &Roll {
        &self.roll
    }

    /// Takes in whoever has connected, or says why not.
    pub(super) fn receive(self: &Arc<Self>, Caller { stream, descriptor, client, local, port }: Caller) {
        // A policy, and the books of this one.
        let (policy, books) = {
            let standing = self.standing();
            (Arc::clone(&standing.policy), standing.books.clone())
        };
        self.look_behind(client.ip(), &policy);
        let guest = self.guest(client, &policy);
        let sufficient = self.means.suffice(guest.rank);
        // Nobody but the relay wants to know it.
        let is_told = self.station.identity.is_told();
        let local = local.or_else(|| is_told.then(|| stream.local_addr().ok()).flatten());
        let wire = Wire::new(stream, descriptor);
        let (id, ban) = (self.means.name(), self.ban_of(client, &policy));
        // Whoever is banned takes nobody's place.
        let (place, admission) = match &ban {
            Some(_) => (self.roll.note(), Err(NoService::Banned)),
            None => self.roll.enter(client.ip(), guest),
        };
        let setting = Setting {
            station: Arc::clone(&self.station),
            policy,
            client: client.ip(),
            port: client.port(),
            local: local.map(Box::new),
            id,
            learned: self.relay.learned(self.means.now()),
            admission: admission.and(sufficient).and_then(|()| self.admit()),
        };
        self.desk.enter();
        if let Some(ban) = ban {
            self.tell_ban(BanChange::Met, ban, (client, id));
        }
        tokio::spawn(Connection::new(Arc::clone(self), (wire, port), (guest.rank, place), (setting, books)));
    }

    /// Who has come. Those whom the rules name, or except, are bounded by the number of all sessions alone.
    fn guest(&self, client: SocketAddr, policy: &Policy) -> Guest {
        let scene = Scene::arriving(client, &self.station.listener);
        let unbounded =
            policy.names_client(client.ip()) || policy.is_exempt(Check::SessionsPerClient, &scene);
        Guest { rank: Rank::of(client.ip(), self.standing().reserve.as_ref()), unbounded }
    }

    /// Tells operators where nearly all come from one address, which is hardly everybody's own.
    fn look_behind(&self, client: IpAddr, policy: &Policy) {
        let listener = self.listener();
        match self.veil.note(client, policy.names_client(client)) {
            None => {}
            Some(Change::Hidden(client)) => tracing::warn!(
                listener,
                %client,
                "clients are hidden: nearly all sessions come from this one address. A balancer in front must send \
                 PROXY headers (accept = \"proxy-protocol\"), a network must leave addresses as they are"
            ),
            Some(Change::Seen) => tracing::info!(listener, "clients are no longer hidden behind one address"),
        }
    }

    /// The ban that a client meets here.
    fn ban_of(&self, client: SocketAddr, policy: &Policy) -> Option<Ban> {
        self.bans.meet(client.ip()).filter(|_| !bans::spares(policy, client.ip().into()))
    }

    /// Lets a client in no more for so long, unless the rules except it.
    pub(super) fn ban(&self, (client, id): (SocketAddr, SessionId), span: Duration, check: &str) {
        if self.spares(client.ip().into()) {
            return;
        }
        if let Some(ban) = self.bans.place(client.ip(), span, check, id.as_str()) {
            if let Some(store) = &self.store {
                store.tell(&ban);
            }
            self.tell_ban(BanChange::Placed, ban, (client, id));
        }
    }

    fn tell_ban(&self, change: BanChange, ban: Ban, (client, id): (SocketAddr, SessionId)) {
        self.desk.tell(|| Who { client, session: id.as_str() }, &Event::Ban(change, Box::new(ban)));
    }

    /// Whether the rules of this listener except a network from bans.
    pub(super) fn spares(&self, network: IpNet) -> bool {
        bans::spares(&self.standing().policy, network)
    }

    fn admit(&self) -> Result<(), NoService> {
        if self.drain.phase() != Phase::Open {
            return Err(NoService::Draining);
        }
        self.relay.admission()
    }

    /// Asks the relay what it offers, if it is time.
    pub(super) fn inquire(&self) {
        if self.relay.is_due(self.means.now()) {
            let (relay, station) = (Arc::clone(&self.relay), Arc::clone(&self.station));
            tokio::spawn(probe::ask(relay, station, Arc::clone(&self.means)));
        }
    }

    /// Looks whether a bound is near, and lets all sessions know when that changes.
    pub(super) fn weigh(&self) {
        let listener = &self.station.listener;
        match self.stress.weigh(&[self.roll.load(), self.relay.load()]) {
            None => return,
            Some(true) => tracing::warn!(listener, "under stress: strangers have less time and fewer errors"),
            Some(false) => tracing::info!(listener, "the stress is over"),
        }
        self.roll.call();
    }
}

/// Binds a listening socket. There is one for an address, whatever the number of threads: closing one of several
/// would reset what waits in its own queue, and a second process would start without an error.
pub(super) fn bind(address: SocketAddr, accept: &Accept) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // An IPv4 address is listened on only where the file says so.
        socket.set_only_v6(true)?;
    }
    if *accept == Accept::Tproxy {
        be_transparent(&socket, address)?;
    }
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
