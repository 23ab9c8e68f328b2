//! What is nobody's session: the endpoint, the looks at bounds, relays, certificates and bans, the way out.

use super::bans::{self, Bans};
use super::config::Admin;
use super::dns::Dns;
use super::ledger::Ledger;
use super::listener::{Door, Drain, Phase};
use super::lock;
use super::papers::Expiries;
use crate::telemetry::Telemetry;
use crate::telemetry::endpoint::Endpoint;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often a drain looks whether everybody has gone.
const LOOK: Duration = Duration::from_millis(20);
/// How often it is looked whether a bound is near, and whether a relay is to be asked.
const BEAT: Duration = Duration::from_millis(250);
/// How long last words may take when the time for draining is over.
const LAST: Duration = Duration::from_secs(3);
/// How often it is looked whether a certificate ends soon.
const ALMANAC: Duration = Duration::from_hours(24);

/// The process has come to this, and everybody hears of it.
pub(super) fn enter(drain: &Drain, doors: &[Arc<Door>], phase: Phase) {
    drain.enter(phase);
    for door in doors {
        door.roll().call();
    }
}

/// Looks now and then whether a listener is under stress, what its relay offers, and who has all of a limit again.
async fn look(doors: Arc<[Arc<Door>]>, ledger: Arc<Ledger>) {
    let mut beat = tokio::time::interval(BEAT);
    loop {
        beat.tick().await;
        for door in doors.iter() {
            door.weigh();
            door.inquire();
        }
        ledger.sweep();
    }
}

/// Looks once a day whether a certificate ends soon.
async fn watch(expiries: Arc<Mutex<Expiries>>) {
    let mut beat = tokio::time::interval(ALMANAC);
    loop {
        beat.tick().await;
        lock(&expiries).warn();
    }
}

/// Strikes out bans whose time is over, and keeps the others.
async fn keep(bans: Arc<Bans>) {
    let mut beat = tokio::time::interval(bans::SAVE);
    loop {
        beat.tick().await;
        let bans = Arc::clone(&bans);
        // A disk may be slow. What went wrong was told.
        let _ = tokio::task::spawn_blocking(move || {
            bans.lapse();
            bans.keep();
        })
        .await;
    }
}

/// What is nobody's session: the endpoint, the looks at bounds and relays, the way out.
pub(super) struct Control {
    pub(super) doors: Arc<[Arc<Door>]>,
    pub(super) expiries: Arc<Mutex<Expiries>>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) dns: Arc<Dns>,
    pub(super) bans: Arc<Bans>,
    pub(super) drain: Arc<Drain>,
    pub(super) telemetry: Arc<Telemetry>,
}

impl Control {
    /// Until all is over; a drain waits for `within`.
    pub(super) async fn run(self, admin: Option<(Admin, TcpListener)>, within: Duration) {
        if let Some((admin, socket)) = admin {
            match (socket.local_addr(), tokio::net::TcpListener::from_std(socket)) {
                (Ok(address), Ok(listener)) => {
                    let (bans, doors) = (Arc::clone(&self.bans), Arc::clone(&self.doors));
                    // A firewall knows no listeners: whom any of them excepts it lets pass.
                    let spared = move |network| doors.iter().any(|door| door.spares(network));
                    let page = Box::new(move || bans.page(&spared));
                    let endpoint = Endpoint::new(Arc::clone(&self.telemetry), address, admin.hosts, page);
                    tokio::spawn(endpoint.serve(listener));
                }
                (Err(error), _) | (_, Err(error)) => tracing::error!(%error, "no metrics are served"),
            }
        }
        let looking = tokio::spawn(look(Arc::clone(&self.doors), Arc::clone(&self.ledger)));
        let asking = tokio::spawn(Arc::clone(&self.dns).watch(Arc::clone(&self.doors)));
        let watching = tokio::spawn(watch(Arc::clone(&self.expiries)));
        let keeping = tokio::spawn(keep(Arc::clone(&self.bans)));
        self.drain.reach(Phase::Draining).await;
        looking.abort();
        watching.abort();
        asking.abort();
        tokio::select! {
            () = self.all_gone() => {}
            () = self.drain.reach(Phase::Over) => {}
            () = tokio::time::sleep(within) => {}
        }
        enter(&self.drain, &self.doors, Phase::Over);
        // Last words are heard, or not.
        let _ = tokio::time::timeout(LAST, self.all_gone()).await;
        keeping.abort();
        self.bans.keep();
        enter(&self.drain, &self.doors, Phase::Closed);
        tracing::info!("all sessions have ended");
    }

    async fn all_gone(&self) {
        while !self.doors.iter().all(|door| door.roll().is_empty()) {
            tokio::time::sleep(LOOK).await;
        }
    }
}
