//! What operators see. Reads [`Event`]s; nothing else writes a log line of a session or a metric.
//!
//! Every event is matched twice: once in [`metrics`], once in [`log`]. Both see the same thing, so they cannot disagree.
//!
//! | file | noun |
//! |---|---|
//! | `metrics`, `families`, `hits` | counters and gauges; labels from closed enums and from the deployment file, never from the wire |
//! | `allowances`, `bans`, `store` | those of `[[limit]]`; of bans; of what gates share |
//! | `security`, `upkeep` | those of TLS and AUTH; of certificates and reloads |
//! | `lookups` | those of DNS |
//! | `labels` | the words of closed enums, as labels |
//! | `log`, `line` | one line for each session and each refusal; how a line is put together |
//! | `queue` | the way from a session to a file, which never makes a session wait |
//! | `endpoint` | `/metrics`, `/bans.txt`, `/live`, `/ready` |

mod allowances;
mod bans;
pub mod endpoint;
mod families;
mod hits;
mod labels;
mod line;
mod log;
mod lookups;
mod metrics;
mod queue;
mod security;
mod store;
mod upkeep;

pub use allowances::OfAllowance;
pub use bans::OfBans;
pub use families::{OfComings, OfTarpit};
pub use lookups::{OfList, OfLookups};
pub use metrics::{Metrics, OfListener, OfRelay};
pub use store::OfStore;

use crate::event::Event;
use queue::Queue;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Metrics and log of one process.
#[derive(Debug)]
pub struct Telemetry {
    metrics: Metrics,
    queue: Queue,
}

impl Telemetry {
    /// Lines go to `sink`, written by a thread of their own.
    pub fn new(sink: Box<dyn Write + Send>) -> io::Result<Arc<Self>> {
        let metrics = Metrics::new();
        let queue = Queue::start(sink, metrics.lines_dropped())?;
        Ok(Arc::new(Self { metrics, queue }))
    }

    /// Sessions and verdicts as text on standard output.
    pub fn to_stdout() -> io::Result<Arc<Self>> {
        Self::new(Box::new(io::stdout()))
    }

    /// The figures.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Where the sessions of a listener tell their events.
    pub fn desk(self: &Arc<Self>, listener: &str, profile: &str, relay: &OfRelay) -> Desk {
        Desk {
            metrics: self.metrics.listener(listener),
            relay: relay.clone(),
            place: log::Place::new(listener, profile, relay.name()),
            telemetry: Arc::clone(self),
        }
    }

    /// Waits until every line told so far is written.
    pub fn finish(&self) {
        self.queue.finish();
    }
}

/// The operator's own messages (start, drain, relay down) on standard error.
pub fn report_to_stderr() {
    let lines = fmt::layer().with_writer(io::stderr).with_target(false);
    // What the resolver says of an answer, whoever gave that answer can have it say at will.
    let told = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("hickory", LevelFilter::OFF)
        .with_target("hickory_resolver::system_conf", LevelFilter::WARN);
    // A second call, as tests make it, changes nothing.
    let _ = tracing_subscriber::registry().with(lines).with(told).try_init();
}

/// Whose event it is.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// The client's address.
    pub client: SocketAddr,
    /// The name of the session.
    pub session: &'a str,
}

/// Where the sessions of one listener tell what happened.
#[derive(Debug)]
pub struct Desk {
    telemetry: Arc<Telemetry>,
    metrics: OfListener,
    relay: OfRelay,
    place: log::Place,
}

impl Desk {
    /// A connection was accepted.
    pub fn enter(&self) {
        self.metrics.enter();
    }

    /// It is closed.
    pub fn leave(&self) {
        self.metrics.leave();
    }

    /// So many octets passed uninspected.
    pub fn pass(&self, octets: usize) {
        self.metrics.pass(octets);
    }

    /// Something happened in a session; who it is with is asked where a line is written, and most events have none.
    pub fn tell<'w>(&self, who: impl FnOnce() -> Who<'w>, event: &Event) {
        self.telemetry.metrics.count(&self.metrics, &self.relay, event);
        if log::is_worth_a_line(event) {
            let who = who();
            self.telemetry.queue.push(|lines| log::write(lines, &self.place, who, event));
        }
    }
}
