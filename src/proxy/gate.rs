//! The whole of it, running: threads, listeners, the way out.

use super::bans::Bans;
use super::config::{Accept, Admin, Deployment, Listener};
use super::control::{Control, enter};
use super::dns::Dns;
use super::guise::may_be_transparent;
use super::ledger::Ledger;
use super::listener::{Common, Door, Drain, Phase, bind};
use super::lock;
use super::means::Means;
use super::papers::{Expiries, Papers};
use super::porch::Porch;
use super::post;
use super::relay::Relay;
use super::round;
use super::store::Store;
use crate::session::Identity;
use crate::telemetry::{Metrics, Telemetry};
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// A gate that runs. Dropping it does not stop it.
#[derive(Debug)]
pub struct Gate {
    doors: Arc<[Arc<Door>]>,
    relays: Vec<Arc<Relay>>,
    expiries: Arc<Mutex<Expiries>>,
    ledger: Arc<Ledger>,
    bans: Arc<Bans>,
    /// As it was at the start.
    deployment: Deployment,
    drain: Arc<Drain>,
    telemetry: Arc<Telemetry>,
    threads: Vec<JoinHandle<()>>,
    addresses: Vec<(String, SocketAddr)>,
    admin: Option<SocketAddr>,
}

impl Gate {
    /// Where sessions come in: listeners by name, with the port that was really bound.
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }

    /// Where metrics and health are served.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Its figures.
    pub fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// Rules and certificates as the deployment says now, for whoever comes from now on; whoever is in keeps his. All of
    /// it, or nothing, if any of it is wrong.
    pub fn reload(&self, deployment: &Deployment) -> Result<(), String> {
        let metrics = self.telemetry.metrics();
        let papers = Papers::read(deployment).and_then(|papers| {
            papers.fit((&self.deployment, deployment), &self.doors)?;
            Ok(papers)
        });
        metrics.reloaded(papers.is_ok());
        let expiries = papers?.with_books(&self.ledger, metrics).post(&self.doors, &self.relays);
        expiries.show(metrics);
        expiries.warn();
        *lock(&self.expiries) = expiries;
        self.bans.lift(|network| self.doors.iter().all(|door| door.spares(network)));
        tracing::info!("reloaded: rules and certificates are new for whoever comes now");
        Ok(())
    }

    /// Takes no more sessions, and lets those that are there end what they are at.
    pub fn drain(&self) {
        tracing::info!("draining: no new sessions");
        self.telemetry.metrics().draining().set(1);
        self.enter(Phase::Draining);
    }

    /// Ends all sessions now.
    pub fn stop(&self) {
        self.drain();
        self.enter(Phase::Over);
    }

    fn enter(&self, phase: Phase) {
        enter(&self.drain, &self.doors, phase);
    }

    /// Waits until it has been drained or stopped, and every line of its log is written.
    pub fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread ended with a panic");
            }
        }
        self.telemetry.finish();
    }
}

/// Runs until a signal says to go (SIGTERM or SIGINT: drain; a second one: at once), then drains.
/// `started` is told once all addresses are bound. On SIGHUP `again` reads the deployment anew; none: it is wrong, and
/// everything stays as it is.
pub fn serve(
    deployment: Deployment,
    telemetry: Arc<Telemetry>,
    threads: usize,
    started: impl FnOnce(&Gate),
    mut again: impl FnMut() -> Option<Deployment>,
) -> io::Result<()> {
    let waiting = runtime()?;
    let gate = {
        let _within = waiting.enter();
        start(deployment, telemetry, threads)?
    };
    started(&gate);
    waiting.block_on(async {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let mut hangup = signal(SignalKind::hangup())?;
        let mut ways_out = [Gate::drain, Gate::stop].into_iter().peekable();
        while ways_out.peek().is_some() {
            let leaves = tokio::select! {
                _ = terminate.recv() => true,
                _ = interrupt.recv() => true,
                _ = hangup.recv() => false,
                () = gate.drain.reach(Phase::Closed) => break,
            };
            match ways_out.next_if(|_| leaves) {
                Some(leave) => leave(&gate),
                None => read_again(&gate, &mut again),
            }
        }
        io::Result::Ok(())
    })?;
    gate.join();
    Ok(())
}

fn read_again(gate: &Gate, again: &mut impl FnMut() -> Option<Deployment>) {
    let done = if let Some(deployment) = again() {
        gate.reload(&deployment)
    } else {
        gate.telemetry.metrics().reloaded(false);
        Err("the deployment file, or a file that it names, has errors".to_owned())
    };
    if let Err(reason) = done {
        tracing::error!(reason, "not reloaded: everything stays as it was");
    }
}

/// Binds every address and starts the threads.
pub fn start(deployment: Deployment, telemetry: Arc<Telemetry>, threads: usize) -> io::Result<Gate> {
    let papers = Papers::read(&deployment).map_err(io::Error::other)?;
    let steering = runtime()?;
    let common = common(&deployment, &steering, &telemetry)?;
    let relays = relays(&deployment, &common.means, &telemetry);
    let doors = doors(&deployment, &relays, &common, &telemetry)?;
    may_do(&deployment)?;
    let (sockets, addresses) = open(&deployment.listeners, &doors, telemetry.metrics())?;
    let (doors, relays): (Arc<[_]>, Vec<_>) = (doors.into(), relays.into_values().collect());
    let ledger = Arc::new(Ledger::new(deployment.allowance_keys));
    let expiries = papers.with_books(&ledger, telemetry.metrics()).post(&doors, &relays);
    expiries.show(telemetry.metrics());
    let expiries = Arc::new(Mutex::new(expiries));
    let admin = deployment.admin.clone().map(at_admin).transpose()?;
    let admin_address = admin.as_ref().map(|(_, socket)| socket.local_addr()).transpose()?;
    let mut started = threads_of(threads, &sockets, &common.drain, &relays)?;
    drop(sockets);
    let within = deployment.drain;
    let Common { drain, dns, bans, store, .. } = common;
    let control = Control {
        doors: Arc::clone(&doors),
        drain: Arc::clone(&drain),
        telemetry: Arc::clone(&telemetry),
        expiries: Arc::clone(&expiries),
        dns,
        ledger: Arc::clone(&ledger),
        bans: Arc::clone(&bans),
    };
    started.extend(store.map(|store| attend(store, &bans, &drain)).transpose()?);
    started.push(spawn("control".to_owned(), move || steering.block_on(control.run(admin, within)))?);
    for (listener, address) in &addresses {
        tracing::info!(listener, %address, "listening");
    }
    Ok(Gate {
        doors,
        relays,
        deployment,
        expiries,
        ledger,
        bans,
        drain,
        telemetry,
        threads: started,
        addresses,
        admin: admin_address,
    })
}

/// What all doors share; lookups run where `steering` does.
fn common(deployment: &Deployment, steering: &Runtime, telemetry: &Arc<Telemetry>) -> io::Result<Common> {
    let kept = deployment.listeners.iter().filter_map(|listener| Some(listener.reserve.as_ref()?.sessions));
    let means = Means::new(telemetry.metrics(), deployment.buffer_memory, kept.sum());
    let state = deployment.state.as_deref();
    let store = |config| Store::open(config, Arc::clone(&means), telemetry.metrics().store());
    let resolver = deployment.resolver.clone();
    Ok(Common {
        bans: Bans::open(state, Arc::clone(&means), telemetry.metrics().bans().clone())?,
        store: deployment.store.as_ref().map(store).transpose()?,
        dns: Dns::new(resolver, steering.handle().clone(), Arc::clone(&means), telemetry),
        drain: Arc::default(),
        clerks: Arc::default(),
        means,
    })
}

/// Starts those who serve.
fn threads_of(
    number: usize,
    sockets: &[(Arc<Porch>, TcpListener)],
    drain: &Arc<Drain>,
    relays: &[Arc<Relay>],
) -> io::Result<Vec<JoinHandle<()>>> {
    let serving = |number| {
        let each = sockets.iter().map(|(porch, socket)| Ok((Arc::clone(porch), socket.try_clone()?)));
        let sockets = each.collect::<io::Result<Vec<_>>>()?;
        let (runtime, drain, relays) = (runtime_of_rounds()?, Arc::clone(drain), relays.to_vec());
        spawn(format!("gate-{number}"), move || work(&runtime, sockets, &drain, &relays))
    };
    (0..number.max(1)).map(serving).collect()
}

/// One for each listener.
fn doors(
    deployment: &Deployment,
    relays: &HashMap<String, Arc<Relay>>,
    common: &Common,
    telemetry: &Arc<Telemetry>,
) -> io::Result<Vec<Arc<Door>>> {
    let door = |listener: &Listener| {
        let relay = relays.get(&listener.relay).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("there is no relay `{}`", listener.relay))
        })?;
        Ok(Door::new(&deployment.name, listener, Arc::clone(relay), common.clone(), telemetry))
    };
    deployment.listeners.iter().map(door).collect()
}

fn relays(deployment: &Deployment, means: &Arc<Means>, telemetry: &Telemetry) -> HashMap<String, Arc<Relay>> {
    let made = deployment.relays.iter().map(|relay| {
        let figures = telemetry.metrics().relay(&relay.name);
        let mut listeners = deployment.listeners.iter();
        let partners = listeners.any(|listener| listener.relay == relay.name && listener.reserve.is_some());
        (relay.name.clone(), Relay::new(relay.clone(), partners, Arc::clone(means), figures))
    });
    made.collect()
}

/// A socket with those whom it leads to, and each listener's name with an address that was really bound.
type Sockets = (Vec<(Arc<Porch>, TcpListener)>, Vec<(String, SocketAddr)>);

/// Binds each address once. Of the listeners there one is for everybody, the others for their networks.
fn open(listeners: &[Listener], doors: &[Arc<Door>], metrics: &Metrics) -> io::Result<Sockets> {
    let all = || listeners.iter().zip(doors);
    let (mut sockets, mut addresses) = (Vec::new(), Vec::new());
    for (listener, door) in all().filter(|(listener, _)| listener.from.is_none()) {
        for address in &listener.listen {
            let beside = || all().filter(|(other, _)| other.from.is_some() && other.listen.contains(address));
            let others =
                beside().map(|(other, door)| (other.from.clone().unwrap_or_default(), Arc::clone(door)));
            let figures = metrics.comings(&listener.name);
            let porch = Porch::new(Arc::clone(door), others, listener.accept.clone(), figures);
            let socket = bind(*address, &listener.accept).map_err(|error| at(*address, &error))?;
            let bound = socket.local_addr()?;
            addresses.push((listener.name.clone(), bound));
            addresses.extend(beside().map(|(other, _)| (other.name.clone(), bound)));
            sockets.push((Arc::new(porch), socket));
        }
    }
    Ok((sockets, addresses))
}

/// Whether this process may do what is asked of it beyond what everybody may.
fn may_do(deployment: &Deployment) -> io::Result<()> {
    let intercepts = deployment.listeners.iter().any(|listener| listener.accept == Accept::Tproxy);
    let pretends = deployment.relays.iter().any(|relay| relay.identity == Identity::Transparent);
    for (asked, what) in [(intercepts, "accept = \"tproxy\""), (pretends, "identity = \"transparent\"")] {
        if asked {
            may_be_transparent().map_err(|error| privileged(what, &error))?;
        }
    }
    Ok(())
}

fn at_admin(admin: Admin) -> io::Result<(Admin, TcpListener)> {
    bind(admin.listen, &Accept::Direct).map(|socket| (admin, socket))
}

/// What an error means for which root is needed, or a part of what root may do.
fn privileged(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what} needs CAP_NET_RAW: {error}"))
}

fn at(address: SocketAddr, error: &io::Error) -> io::Error {
    let is_low = error.kind() == io::ErrorKind::PermissionDenied && address.port() < 1024;
    let remedy = if is_low { " (a port below 1024 needs CAP_NET_BIND_SERVICE)" } else { "" };
    io::Error::new(error.kind(), format!("cannot listen on {address}: {error}{remedy}"))
}

fn runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

/// One for connections: they have their turns in rounds.
fn runtime_of_rounds() -> io::Result<Runtime> {
    let mut runtime = runtime::Builder::new_current_thread();
    runtime.enable_all().on_thread_unpark(round::begin).on_thread_park(post::attend).build()
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name).spawn(work)
}

/// A thread for the store alone: what waits there must not wait for anything else.
fn attend(store: Arc<Store>, bans: &Arc<Bans>, drain: &Arc<Drain>) -> io::Result<JoinHandle<()>> {
    let (runtime, bans, drain) = (runtime()?, Arc::clone(bans), Arc::clone(drain));
    let work = async move {
        tokio::select! {
            () = store.attend(bans) => {}
            () = drain.reach(Phase::Closed) => {}
        }
    };
    spawn("store".to_owned(), move || runtime.block_on(work))
}

/// What a thread does: takes connections, and serves those that it took.
fn work(runtime: &Runtime, sockets: Vec<(Arc<Porch>, TcpListener)>, drain: &Drain, relays: &[Arc<Relay>]) {
    runtime.block_on(async {
        let mut accepting = tokio::task::JoinSet::new();
        for (porch, socket) in sockets {
            match tokio::net::TcpListener::from_std(socket) {
                Ok(listener) => drop(accepting.spawn(porch.accept(listener))),
                Err(error) => tracing::error!(%error, "cannot listen"),
            }
        }
        let pulse = tokio::spawn(pulse());
        drain.reach(Phase::Draining).await;
        // The sockets are closed with this: who connects now finds nobody, and goes to the next MX.
        accepting.shutdown().await;
        drain.reach(Phase::Closed).await;
        for relay in relays {
            relay.spares().dismiss(Duration::ZERO);
        }
        pulse.abort();
    });
    post::close();
}

/// A timer that comes before every other rouses its thread by a system call, and all of a session's are seconds away.
/// With one that is never further than this, none of them comes first (three calls a session less).
const PULSE: Duration = Duration::from_secs(1);

async fn pulse() {
    let mut beat = tokio::time::interval(PULSE);
    loop {
        beat.tick().await;
    }
}
