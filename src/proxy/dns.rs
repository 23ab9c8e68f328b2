//! DNS, as sessions ask it: the name of a client, and whether lists list it.
//!
//! There is one of it in a process. All lookups are driven by the control thread's runtime, because a resolver's sockets
//! belong to the runtime that opened them; the threads that serve are told by a channel. A question is answered within
//! `[resolver] timeout`, whatever DNS does, and where too many are open, at once. It goes on when nobody waits any longer,
//! and what came of it is there for the client's next try.

mod memory;
mod name;
mod resolver;
#[cfg(test)]
mod tests;
mod trouble;
mod watch;

use super::config;
use super::means::{Descriptor, Means};
use crate::event::{ListAnswer, Lookup};
use crate::policy::Policy;
use crate::policy::dnslist::{DnsList, Listing, Sense};
use crate::policy::names::{NameVerdict, Naming};
use crate::session::{Answered, Moment};
use crate::telemetry::{Metrics, OfLookups, Telemetry};
use memory::{Memory, Subject};
use prometheus::IntGauge;
use resolver::{Resolver, Said};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use trouble::Trouble;
use watch::{Watch, Watched};

/// The most questions that are open at once. Each has a socket, and with a resolver that answers nobody they last as long as
/// the time for an answer.
const OPEN: usize = 512;

/// DNS.
#[derive(Debug)]
pub(super) struct Dns {
    config: config::Resolver,
    runtime: Handle,
    /// There from the first question on; none: there is no resolver to ask.
    resolver: OnceLock<Option<Resolver>>,
    memory: Memory,
    room: Arc<Semaphore>,
    means: Arc<Means>,
    figures: OfLookups,
    trouble: Trouble,
    watch: Watch,
    telemetry: Arc<Telemetry>,
}

/// A question that is open.
struct Open {
    active: IntGauge,
    since: Moment,
    _descriptor: Descriptor,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.active.dec();
    }
}

impl Dns {
    /// `runtime` drives all lookups.
    pub(super) fn new(
        config: config::Resolver,
        runtime: Handle,
        means: Arc<Means>,
        telemetry: &Arc<Telemetry>,
    ) -> Arc<Self> {
        Arc::new(Self {
            memory: Memory::new(config.cache),
            config,
            runtime,
            resolver: OnceLock::new(),
            room: Arc::new(Semaphore::new(OPEN)),
            means,
            figures: telemetry.metrics().lookups(),
            trouble: Trouble::default(),
            watch: Watch::default(),
            telemetry: Arc::clone(telemetry),
        })
    }

    fn metrics(&self) -> &Metrics {
        self.telemetry.metrics()
    }

    /// Asks for the name of a client.
    pub(super) fn name(self: &Arc<Self>, client: IpAddr) -> oneshot::Receiver<Answered> {
        let (answer, receiver) = oneshot::channel();
        let client = client.to_canonical();
        let say = |verdict| Answered::Name(Box::new(Naming { verdict, name: None }));
        // Nobody may want to hear any of this any longer.
        if let Some(failed) = self.memory.recall(&Subject::Name(client), self.means.now()) {
            self.figures.count_name(Lookup::Remembered);
            let verdict = if failed { NameVerdict::Failed } else { NameVerdict::Unverified };
            let _ = answer.send(say(verdict));
        } else if let Some(open) = self.open() {
            let dns = Arc::clone(self);
            self.runtime.spawn(async move {
                let naming = dns.look_up_name(client, open).await;
                let _ = answer.send(Answered::Name(Box::new(naming)));
            });
        } else {
            self.figures.count_name(Lookup::Busy);
            let _ = answer.send(say(NameVerdict::Failed));
        }
        receiver
    }

    async fn look_up_name(&self, client: IpAddr, open: Open) -> Naming {
        let asking = pin!(async { name::verify(self.resolver()?, client).await });
        let naming = self.within(asking).await.unwrap_or_else(name::failed);
        let outcome = match naming.verdict {
            NameVerdict::Verified => Lookup::Verified,
            NameVerdict::Unverified => Lookup::Unverified,
            NameVerdict::Failed | NameVerdict::Unknown => Lookup::Failed,
        };
        self.figures.count_name(outcome);
        self.figures.names_took().observe(self.took(&open));
        let now = self.means.now();
        self.trouble.note(outcome == Lookup::Failed, now);
        if outcome != Lookup::Verified {
            self.memory.keep(Subject::Name(client), outcome == Lookup::Failed, now);
        }
        naming
    }

    /// Asks a policy's lists about a client. Lists that are put aside are not asked, and have said nothing.
    pub(super) fn lists(self: &Arc<Self>, policy: &Policy, client: IpAddr) -> oneshot::Receiver<Answered> {
        let (answer, receiver) = oneshot::channel();
        let client = client.to_canonical();
        let mut asking = Vec::new();
        for (place, list) in (0_u32..).zip(policy.dnslists()) {
            let Some(watched) = self.watch.usable(list) else { continue };
            if let Some(failed) = self.memory.recall(&watched.subject(client), self.means.now()) {
                self.figures.count_list(Lookup::Remembered);
                watched.figures.count(if failed { ListAnswer::Error } else { ListAnswer::NotListed });
            } else if let Some(open) = self.open() {
                asking.push((place, list.clone(), watched, open));
            } else {
                self.figures.count_list(Lookup::Busy);
            }
        }
        if asking.is_empty() {
            let _ = answer.send(Answered::Lists(Box::default()));
            return receiver;
        }
        let dns = Arc::clone(self);
        self.runtime.spawn(async move {
            let mut all = JoinSet::new();
            for (place, list, watched, open) in asking {
                let dns = Arc::clone(&dns);
                all.spawn(async move { (place, dns.ask_list(&list, &watched, client, open).await) });
            }
            let said = all.join_all().await.into_iter();
            let listings = said
                .flat_map(|(list, answers)| answers.into_iter().map(move |answer| Listing { list, answer }));
            let _ = answer.send(Answered::Lists(listings.collect()));
        });
        receiver
    }

    /// What a list says of a client that is a listing, whether it counts or not.
    async fn ask_list(&self, list: &DnsList, watched: &Watched, client: IpAddr, open: Open) -> Vec<Ipv4Addr> {
        let asking = pin!(async { Some(self.resolver()?.listings(&list.zone, client).await) });
        let said = self.within(asking).await.unwrap_or(Said::Failed);
        let (now, failed) = (self.means.now(), matches!(said, Said::Failed));
        self.figures.count_list(if failed { Lookup::Failed } else { Lookup::Answered });
        self.figures.lists_took().observe(self.took(&open));
        self.trouble.note(failed, now);
        let (answer, answers) = match said {
            Said::These(answers) => sort(list, answers),
            Said::Nothing => (ListAnswer::NotListed, Vec::new()),
            Said::Failed => (ListAnswer::Error, Vec::new()),
        };
        watched.figures.count(answer);
        if answers.is_empty() {
            self.memory.keep(watched.subject(client), answer != ListAnswer::NotListed, now);
        }
        answers
    }

    fn open(&self) -> Option<Open> {
        let permit = Arc::clone(&self.room).try_acquire_owned().ok()?;
        let active = self.figures.active().clone();
        active.inc();
        let descriptor = Descriptor::count(&self.means);
        Some(Open { active, since: self.means.now(), _descriptor: descriptor, _permit: permit })
    }

    fn took(&self, open: &Open) -> f64 {
        self.means.now().since(open.since).as_secs_f64()
    }

    /// None: it took too long, or it is none. (Pinned where it is asked: what is handed on has its room twice.)
    async fn within<T>(&self, asking: impl Future<Output = Option<T>>) -> Option<T> {
        tokio::time::timeout(self.config.timeout, asking).await.ok().flatten()
    }

    /// Who is asked.
    fn resolver(&self) -> Option<&Resolver> {
        let made = || {
            let made = Resolver::new(&self.config);
            made.inspect_err(|reason| tracing::warn!(reason, "no resolver: names and DNS lists fail")).ok()
        };
        self.resolver.get_or_init(made).as_ref()
    }
}

/// What a list's answers come to, and those that are listings.
fn sort(list: &DnsList, mut answers: Vec<Ipv4Addr>) -> (ListAnswer, Vec<Ipv4Addr>) {
    let refused = answers.iter().any(|answer| Sense::of(*answer) == Sense::Refused);
    let foreign = answers.iter().any(|answer| Sense::of(*answer) == Sense::Foreign);
    let counts = answers.iter().any(|answer| list.counts(*answer));
    answers.retain(|answer| Sense::of(*answer) == Sense::Listing);
    let answer = match (counts, refused, foreign) {
        (true, ..) => ListAnswer::Listed,
        (false, true, _) => ListAnswer::Refused,
        (false, false, true) => ListAnswer::Error,
        (false, false, false) => ListAnswer::NotListed,
    };
    (answer, answers)
}

/// How long there must be for an answer beyond one try.
const TRIES: u32 = 2;

/// How long one try may take.
fn of_try(timeout: Duration) -> Duration {
    timeout / TRIES
}
