//! `[store]`: a Redis that several gates share. Limits that are shared are taken from there, and each tells the others whom
//! it has banned.
//!
//! There is a line to it, or there is none. Whoever finds it broken or slow hangs up, and until it is back, which is tried
//! every second, nobody waits: what is asked is decided here, by the local ledger. So a session waits once for `timeout` at
//! most.

mod address;
mod leases;
mod scripts;

use super::bans::Bans;
use super::config;
use super::means::Means;
use crate::event::Ban;
use crate::policy::Policy;
use crate::policy::allowance::{Allowance, Balance, Charge};
use crate::session::{Answered, Moment};
use crate::telemetry::OfStore;
pub use address::judge;
use base64ct::{Base64Unpadded, Encoding};
use leases::Leases;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};
pub(super) use scripts::Measure;
use scripts::{Had, Scripts, Wanted};
use std::future::Future;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::oneshot;

/// How often the others' bans are asked for, and a line is tried that is broken.
const BEAT: Duration = Duration::from_secs(1);
/// How long it may take to get a line.
const CONNECT: Duration = Duration::from_secs(1);
/// The most octets of a key that is written as it is; a longer one is hashed.
const KEY: usize = 128;
/// The most pages of bans that are read at one time.
const PAGES: usize = 20;

/// The shared store, as this instance knows it.
#[derive(Debug)]
pub(super) struct Store {
    config: config::Store,
    client: Client,
    line: RwLock<Option<Line>>,
    scripts: Scripts,
    leases: Leases,
    means: Arc<Means>,
    figures: OfStore,
}

/// A line to it, and which one it is.
#[derive(Clone)]
struct Line {
    connection: MultiplexedConnection,
    since: Moment,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("since", &self.since).finish_non_exhaustive()
    }
}

/// What is said to charges: at once, or when the store has answered.
#[derive(Debug)]
pub(super) enum Taken {
    Now(Box<[Balance]>),
    Later(oneshot::Receiver<Answered>),
}

impl Store {
    /// Nothing is asked yet. The error: its URL cannot be read.
    pub(super) fn open(config: &config::Store, means: Arc<Means>, figures: OfStore) -> io::Result<Arc<Self>> {
        let client =
            address::client(&config.url_file).map_err(|error| io::Error::other(format!("store: {error}")))?;
        figures.up().set(0);
        Ok(Arc::new(Self {
            client,
            line: RwLock::default(),
            scripts: Scripts::new(),
            leases: Leases::new(config.lease),
            config: config.clone(),
            means,
            figures,
        }))
    }

    /// Takes charges: those of shared limits here, the others by `local`, which also decides where the store cannot.
    pub(super) fn take<L>(
        self: &Arc<Self>,
        policy: &Policy,
        charges: Box<[Charge]>,
        measure: Measure,
        local: L,
    ) -> Taken
    where
        L: Fn(&Charge) -> Balance + Send + Sync + 'static,
    {
        let (line, now) = (self.line(), self.means.now());
        let mut balances = Vec::with_capacity(charges.len());
        let (mut open, mut wanted) = (Vec::new(), Vec::new());
        for (place, charge) in charges.iter().enumerate() {
            let Some(limit) = shared(policy, charge) else {
                balances.push(Some(local(charge)));
                continue;
            };
            let key = self.key(limit, charge);
            let leased = self.leases.spend(&key, charge.amount, now);
            balances.push(leased);
            if leased.is_some() {
                self.figures.leased().inc();
            } else if line.is_some() {
                open.push(place);
                wanted.push(self.wanted(limit, key, (charge.amount, measure), now));
            }
        }
        let Some(line) = line.filter(|_| !open.is_empty()) else {
            return Taken::Now(self.decide(&charges, balances, &local));
        };
        let (tell, answer) = oneshot::channel();
        let store = Arc::clone(self);
        tokio::spawn(async move {
            for (place, had) in open.iter().zip(store.ask(line, &wanted).await.unwrap_or_default()) {
                if let Some(balance) = balances.get_mut(*place) {
                    *balance = Some(Balance { within: had.within, left: had.left });
                    store.figures.answered().inc();
                }
            }
            // Whoever asked may have gone.
            let _ = tell.send(Answered::Allowances(store.decide(&charges, balances, &local)));
        });
        Taken::Later(answer)
    }

    /// What nobody has decided yet is decided here.
    fn decide(
        &self,
        charges: &[Charge],
        balances: Vec<Option<Balance>>,
        local: &impl Fn(&Charge) -> Balance,
    ) -> Box<[Balance]> {
        let decide = |(charge, balance): (&Charge, Option<Balance>)| {
            balance.unwrap_or_else(|| {
                self.figures.local().inc();
                local(charge)
            })
        };
        charges.iter().zip(balances).map(decide).collect()
    }

    async fn ask(&self, line: Line, wanted: &[Wanted]) -> Option<Vec<Had>> {
        let mut connection = line.connection.clone();
        let had = self.within(&line, self.scripts.take(&mut connection, wanted)).await;
        let now = self.means.now();
        for (number, asked) in wanted.iter().enumerate().filter(|(_, asked)| asked.more > 0) {
            let extra = had.as_ref().and_then(|had| had.get(number)).map_or(0, |had| had.extra);
            self.leases.granted(&asked.key, extra, now);
        }
        had
    }

    /// Waits for an answer, but not longer than is said; if there is none, the line is given up.
    async fn within<T>(&self, line: &Line, answer: impl Future<Output = RedisResult<T>>) -> Option<T> {
        match tokio::time::timeout(self.config.timeout, answer).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                self.lose(line, &error);
                None
            }
            Err(_) => {
                self.lose(line, &"no answer in time");
                None
            }
        }
    }

    fn line(&self) -> Option<Line> {
        self.line.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives a line up, unless somebody has done so.
    fn lose(&self, lost: &Line, error: &dyn std::fmt::Display) {
        let mut line = self.line.write().unwrap_or_else(PoisonError::into_inner);
        if line.take_if(|line| line.since == lost.since).is_some() {
            self.figures.up().set(0);
            tracing::warn!(%error, "the store is away: shared limits are each gate's own until it is back");
        }
    }

    fn wanted(
        &self,
        limit: &Allowance,
        key: String,
        (amount, measure): (u32, Measure),
        now: Moment,
    ) -> Wanted {
        let more = if amount == 0 { 0 } else { self.leases.wanted(&key, now) };
        let each = limit.rate.per.div_f64(f64_of(limit.rate.count.max(1)));
        Wanted { key, each, burst: limit.burst, amount, more, measure }
    }

    fn key(&self, limit: &Allowance, charge: &Charge) -> String {
        let (prefix, key) = (&self.config.prefix, charge.key.to_string());
        let key = if key.len() > KEY {
            let hash = ring::digest::digest(&ring::digest::SHA256, key.as_bytes());
            Base64Unpadded::encode_string(hash.as_ref())
        } else {
            key
        };
        format!("{prefix}limit:{}:{key}", limit.id)
    }

    /// Tells the others of a ban. If they cannot be told now, it stays this gate's own.
    pub(super) fn tell(self: &Arc<Self>, ban: &Ban) {
        let Some(line) = self.line() else { return };
        let (store, ban) = (Arc::clone(self), ban.clone());
        tokio::spawn(async move {
            let Ban { network, left, check, reference } = ban;
            let (feed, key) = (store.feed(), format!("{}{network}", store.bans()));
            let (network, said) = (network.to_string(), format!("{check} {reference}"));
            let mut connection = line.connection.clone();
            let told = store.scripts.ban(&mut connection, (&feed, &key), (&network, left, &said));
            store.within(&line, told).await;
        });
    }

    fn feed(&self) -> String {
        format!("{}bans", self.config.prefix)
    }

    /// What stands in front of a banned network.
    fn bans(&self) -> String {
        format!("{}ban:", self.config.prefix)
    }

    /// Gets a line where there is none, and hears of the others' bans. It does not end.
    pub(super) async fn attend(self: Arc<Self>, bans: Arc<Bans>) {
        let mut beat = tokio::time::interval(BEAT);
        let (mut known, mut of) = (String::new(), None);
        loop {
            beat.tick().await;
            let line = match self.line() {
                Some(line) => Some(line),
                None => self.connect().await,
            };
            let Some(line) = line else { continue };
            // Behind a new line there may be another store.
            if of != Some(line.since) {
                (known, of) = ("0".to_owned(), Some(line.since));
            }
            for _ in 0..PAGES {
                let (mut connection, now) = (line.connection.clone(), self.means.now());
                let (feed, prefix) = (self.feed(), self.bans());
                let news = self.scripts.news(&mut connection, &feed, &mut known, &prefix);
                let Some((news, more)) = self.within(&line, news).await else { break };
                for [network, left, said] in &news {
                    bans.adopt((network, left, said), now);
                }
                if !more {
                    break;
                }
            }
        }
    }

    /// A new line, if there is one to be had.
    async fn connect(&self) -> Option<Line> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(self.config.timeout));
        let opened = self.client.get_multiplexed_async_connection_with_config(&config).await;
        match opened {
            Ok(connection) => self.take_up(connection).await,
            Err(_) => None,
        }
    }

    /// A line counts once something was heard on it.
    async fn take_up(&self, mut connection: MultiplexedConnection) -> Option<Line> {
        let answer = redis::cmd("PING");
        let heard: Result<RedisResult<String>, _> =
            tokio::time::timeout(self.config.timeout, answer.query_async(&mut connection)).await;
        heard.ok()?.ok()?;
        let line = Line { connection, since: self.means.now() };
        *self.line.write().unwrap_or_else(PoisonError::into_inner) = Some(line.clone());
        self.figures.up().set(1);
        tracing::info!("the store is there: shared limits and bans hold for all gates that use it");
        Some(line)
    }
}

/// The limit of a charge, if it is shared.
fn shared<'p>(policy: &'p Policy, charge: &Charge) -> Option<&'p Allowance> {
    let place = usize::try_from(charge.limit).ok()?;
    policy.allowances().get(place).filter(|limit| limit.shared)
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a rate of 2^53 is as good as its neighbour"
)]
fn f64_of(number: u64) -> f64 {
    number as f64
}
