//! A relay: its addresses, its links, what it offers, and whether it can be reached.

mod targets;

use super::config::{self, Addresses, Host};
use super::guise::Guise;
use super::link::{Link, NotOpened, Opened};
use super::links::Links;
use super::lock;
use super::means::{Descriptor, Means};
use super::reserve::Rank;
use super::spares::Spares;
use super::stress::Load;
use super::tls::{Calling, Failed};
use super::wire::Wire;
use crate::event::{LinkFailure, NoService, Side};
use crate::session::{Choice, Happening, Moment, Offer, WhenDown};
use crate::telemetry::OfRelay;
use arrayvec::ArrayVec;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::Poll;
use std::time::Duration;
use targets::{Target, Targets};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an offer counts as known.
const FRESH: Duration = Duration::from_mins(5);
/// When an offer that nobody has heard for so long is asked for, so that it does not go out of date.
const STALE: Duration = Duration::from_mins(4);
/// How often a relay that does not answer is asked again, and one that answers something else than what it offers.
const RETRY: Duration = Duration::from_secs(1);
const REPEAT: Duration = Duration::from_secs(10);

/// A relay, shared by all threads.
#[derive(Debug)]
pub(super) struct Relay {
    config: config::Relay,
    means: Arc<Means>,
    figures: OfRelay,
    links: Arc<Links>,
    spares: Arc<Spares>,
    targets: Targets,
    /// On which terms TLS is spoken with it.
    calling: RwLock<Option<Arc<Calling>>>,
    /// What it offers, and when that was heard.
    learned: RwLock<Option<(Moment, Arc<Offer>)>>,
    /// Whether it does not answer.
    down: AtomicBool,
    inquiry: Mutex<Inquiry>,
}

/// How far asking it has come.
#[derive(Clone, Copy, Debug, Default)]
enum Inquiry {
    /// It was never asked.
    #[default]
    None,
    /// It is being asked.
    On,
    /// It was asked; that was over then.
    Over(Moment),
}

/// What came of asking a relay what it offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It said so.
    Offer,
    /// It said something else.
    Other,
    /// Nobody took the connection, or somebody did and said nothing.
    Nothing,
    /// It cannot be told who a client is.
    NotTold,
    /// It was not asked: all links are in use.
    NotAsked,
}

impl Relay {
    /// Where it has `partners`, a fifth of its links is kept for them.
    pub(super) fn new(
        config: config::Relay,
        partners: bool,
        means: Arc<Means>,
        figures: OfRelay,
    ) -> Arc<Self> {
        let kept = if partners { config.links / 5 } else { 0 };
        let links = Links::new(config.links, kept, figures.waiting().clone());
        if config.addresses == Addresses::Original {
            // There is nobody of whom that could be known.
            figures.up().set(1);
        }
        Arc::new(Self {
            spares: Spares::new(Arc::clone(&means), config.waits.idle),
            config,
            means,
            figures,
            links,
            targets: Targets::default(),
            calling: RwLock::default(),
            learned: RwLock::default(),
            down: AtomicBool::new(false),
            inquiry: Mutex::default(),
        })
    }

    pub(super) fn config(&self) -> &config::Relay {
        &self.config
    }

    pub(super) fn figures(&self) -> &OfRelay {
        &self.figures
    }

    /// Links that were handed on.
    pub(super) fn spares(&self) -> &Arc<Spares> {
        &self.spares
    }

    /// What it offers, if that was heard lately.
    pub(super) fn learned(&self, now: Moment) -> Option<Arc<Offer>> {
        self.learned_at(now).map(|(_, offer)| offer)
    }

    fn learned_at(&self, now: Moment) -> Option<(Moment, Arc<Offer>)> {
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        learned.as_ref().filter(|(at, _)| now.since(*at) < FRESH).cloned()
    }

    /// What it offers now: it answers.
    pub(super) fn learn(&self, offer: Arc<Offer>) {
        if self.config.addresses == Addresses::Original {
            // What one says another does not.
            return;
        }
        self.figures.up().set(1);
        *self.learned.write().unwrap_or_else(PoisonError::into_inner) = Some((self.means.now(), offer));
        self.is_back();
    }

    /// Whether it is time to ask what it offers; whoever hears so asks, and says what came of it ([`asked`](Self::asked)).
    pub(super) fn is_due(&self, now: Moment) -> bool {
        if self.config.addresses == Addresses::Original {
            // There is nobody to ask but whom a client calls.
            return false;
        }
        let wait = match (self.down.load(Ordering::Acquire), self.learned(now)) {
            (true, _) => RETRY,
            (false, Some(_)) => STALE,
            (false, None) => REPEAT,
        };
        let mut inquiry = lock(&self.inquiry);
        let due = match *inquiry {
            Inquiry::None => true,
            Inquiry::On => false,
            Inquiry::Over(at) => {
                // What any session heard since is as good.
                let heard = self.learned_at(now).map_or(at, |(heard, _)| heard.max(at));
                now.since(heard) >= wait
            }
        };
        if due {
            *inquiry = Inquiry::On;
        }
        due
    }

    /// Says what came of asking it.
    pub(super) fn asked(&self, answer: Answer) {
        *lock(&self.inquiry) = Inquiry::Over(self.means.now());
        match answer {
            Answer::Offer | Answer::NotAsked => {}
            Answer::Other => {
                self.is_back();
                self.figures.up().set(0);
            }
            Answer::Nothing => self.is_gone("the relay does not answer"),
            // Nothing goes to it in the gate's own name.
            Answer::NotTold => self.is_gone("the relay does not take what `identity` asks for"),
        }
    }

    fn is_gone(&self, how: &str) {
        if !self.down.swap(true, Ordering::AcqRel) {
            tracing::warn!(relay = self.config.name, "{how}");
        }
        self.figures.up().set(0);
    }

    fn is_back(&self) {
        if self.down.swap(false, Ordering::AcqRel) {
            tracing::info!(relay = self.config.name, "the relay answers again");
        }
    }

    /// What the door says of it.
    pub(super) fn admission(&self) -> Result<(), NoService> {
        match self.config.when_down {
            WhenDown::Refuse if self.down.load(Ordering::Acquire) => Err(NoService::RelayDown),
            WhenDown::Refuse | WhenDown::Greet => Ok(()),
        }
    }

    /// How crowded its links are.
    pub(super) fn load(&self) -> Load {
        self.links.load()
    }

    /// From now on TLS is spoken with it on these terms; a link that waits may have been made on others.
    pub(super) fn call_on(&self, terms: Option<Calling>) {
        *self.calling.write().unwrap_or_else(PoisonError::into_inner) = terms.map(Arc::new);
        self.spares.dismiss(Duration::ZERO);
    }

    pub(super) fn calling(&self) -> Option<Arc<Calling>> {
        self.calling.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells operators that TLS came to nothing.
    pub(super) fn note(&self, failed: &Failed) {
        let (relay, reason) = (&self.config.name, failed.failure.name());
        tracing::warn!(relay, reason, why = failed.why, "no TLS with the relay");
    }

    /// Opens a link, when it is this one's turn, for a client that called this address; or takes one that waits.
    pub(super) async fn open(
        self: Arc<Self>,
        choice: Choice,
        rank: Rank,
        guise: Guise,
        called: Option<SocketAddr>,
    ) -> Opened {
        let Some(turn) = self.links.turn(rank).await else {
            return Err(NotOpened::Link(LinkFailure::NoTurn));
        };
        let spare = match choice {
            Choice::Any => poll_fn(|cx| Poll::Ready(self.spares.take(cx))).await,
            Choice::New => {
                self.spares.make_room();
                None
            }
        };
        if let Some(spare) = spare {
            let handed_on = Happening::LinkHandedOn(spare.leg);
            return Ok((Link::again(spare, turn), ArrayVec::from_iter([handed_on])));
        }
        let descriptor = Descriptor::count(&self.means);
        // Apart: who waits for a turn is to need no room for what comes after it.
        let connecting = Box::pin(self.connect(&guise, called));
        let (stream, host) = connecting.await.map_err(NotOpened::Link)?;
        let wire = Wire::new(stream, descriptor);
        let mut link = Link::new(Arc::clone(&self), wire, host, turn);
        let mut news = ArrayVec::new();
        if self.config.terms.implicit {
            news.push(Happening::Secured(Side::Relay, Box::pin(link.secure_now()).await?));
        }
        news.push(Happening::LinkOpened);
        Ok((link, news))
    }

    async fn connect(
        &self,
        guise: &Guise,
        called: Option<SocketAddr>,
    ) -> Result<(TcpStream, Host), LinkFailure> {
        let targets = match (&self.config.addresses, called) {
            (Addresses::Known(_), _) => self.targets.in_turn(&self.config, self.means.now()).await,
            (Addresses::Original, Some(address)) => vec![Target { address, host: Host::Ip(address.ip()) }],
            (Addresses::Original, None) => Vec::new(),
        };
        let mut suits = false;
        for Target { address, host } in targets {
            if !guise.suits(address) {
                continue;
            }
            suits = true;
            if let Ok(Ok(stream)) = timeout(self.config.connect_wait, guise.call(address)).await {
                return Ok((stream, host));
            }
        }
        match guise {
            // A client with IPv6 and a relay without: it cannot come as itself, and as nobody else.
            Guise::Client(..) if !suits => Err(LinkFailure::IdentityAbsent),
            // Whether the way back leads here may depend on the client; the relay is asked by the gate itself.
            Guise::Client(..) => Err(LinkFailure::NoConnection),
            Guise::Own | Guise::OwnLine | Guise::Header(_) => {
                if self.config.addresses != Addresses::Original {
                    self.is_gone("the relay cannot be reached");
                }
                Err(LinkFailure::NoConnection)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    fn relay(config: config::Relay) -> Arc<Relay> {
        let metrics = Metrics::new();
        Relay::new(config, false, Means::new(&metrics, 1000, 0), metrics.relay("test"))
    }

    #[test]
    fn a_relay_is_asked_by_one_at_a_time_and_more_often_while_it_does_not_answer() {
        let relay = relay(config::Relay::new("test", Vec::new()));
        let soon = |span| relay.means.now() + span;
        assert!(relay.is_due(soon(Duration::ZERO)));
        assert!(!relay.is_due(soon(Duration::from_hours(1))));
        relay.asked(Answer::Nothing);
        assert_eq!(relay.admission(), Err(NoService::RelayDown));
        assert!(!relay.is_due(soon(Duration::from_millis(900))));
        assert!(relay.is_due(soon(RETRY)));
        relay.asked(Answer::Other);
        assert_eq!((relay.admission(), relay.figures.up().get()), (Ok(()), 0));
        assert!(!relay.is_due(soon(Duration::from_secs(9))));
        assert!(relay.is_due(soon(REPEAT)));
        relay.learn(Arc::new(Offer::default()));
        relay.asked(Answer::Offer);
        assert_eq!(relay.figures.up().get(), 1);
        assert!(!relay.is_due(soon(Duration::from_mins(3))));
        assert!(relay.is_due(soon(STALE)));
    }
}
