//! The families of metrics that have labels, and how any is made.

use crate::event::ProxyHeader;
use prometheus::core::Collector;
use prometheus::{Counter, CounterVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Children of a family, one for each row of a closed enum.
#[derive(Clone, Debug)]
pub(super) struct Rows<K>(Vec<(K, IntCounter)>);

impl<K: Copy + PartialEq> Rows<K> {
    pub(super) fn new(rows: &[K], child: impl Fn(K) -> IntCounter) -> Self {
        Self(rows.iter().map(|row| (*row, child(*row))).collect())
    }

    pub(super) fn count(&self, row: K) {
        if let Some((_, counter)) = self.0.iter().find(|(key, _)| *key == row) {
            counter.inc();
        }
    }
}

/// What came of the connections of a listener that do not come from the client itself.
#[derive(Clone, Debug)]
pub struct OfComings {
    headers: Rows<ProxyHeader>,
    astray: IntCounter,
}

impl OfComings {
    /// Counts one that was to begin with a PROXY header.
    pub fn count(&self, header: ProxyHeader) {
        self.headers.count(header);
    }

    /// Counts one that was to be intercepted, and called the gate itself.
    pub fn stray(&self) {
        self.astray.inc();
    }
}

/// The figures of a tarpit.
#[derive(Clone, Debug)]
pub struct OfTarpit {
    active: IntGauge,
    delay: Counter,
    full: IntCounter,
}

impl OfTarpit {
    /// Sessions in it now.
    pub fn active(&self) -> &IntGauge {
        &self.active
    }

    /// Seconds for which refusals were made to wait.
    pub fn delay(&self) -> &Counter {
        &self.delay
    }

    /// Refusals for which there was no room.
    pub fn full(&self) -> &IntCounter {
        &self.full
    }
}

/// Those of a listener.
#[derive(Debug)]
pub(super) struct OfListeners {
    pub(super) accepted: IntCounterVec,
    pub(super) sessions: IntGaugeVec,
    pub(super) stressed: IntGaugeVec,
    pub(super) clients_hidden: IntGaugeVec,
    pub(super) tarpit_active: IntGaugeVec,
    pub(super) tarpit_delay: CounterVec,
    pub(super) tarpit_full: IntCounterVec,
    pub(super) closed: IntCounterVec,
    pub(super) proxy_headers: IntCounterVec,
    pub(super) astray: IntCounterVec,
    pub(super) commands: IntCounterVec,
    pub(super) replies: IntCounterVec,
    pub(super) messages: IntCounterVec,
    pub(super) recipients: IntCounterVec,
    pub(super) names: IntCounterVec,
    pub(super) violations: IntCounterVec,
}

/// Those of a relay.
#[derive(Debug)]
pub(super) struct OfRelays {
    pub(super) links: IntCounterVec,
    pub(super) active: IntGaugeVec,
    pub(super) waiting: IntGaugeVec,
    pub(super) up: IntGaugeVec,
}

/// Makes a metric and registers it.
#[expect(clippy::expect_used, reason = "the names are constants of this room, and a test makes them all")]
pub(super) fn make<M: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<M>) -> M {
    let metric = made.expect("the name is well formed");
    registry.register(Box::new(metric.clone())).expect("the name is unique");
    metric
}

/// Makes counters with these labels.
pub(super) fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    make(registry, IntCounterVec::new(Opts::new(name, help), labels))
}

/// Makes gauges with these labels.
pub(super) fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    make(registry, IntGaugeVec::new(Opts::new(name, help), labels))
}

/// Makes the counter of seconds in the tarpit, which are no whole ones.
fn delays(registry: &Registry) -> CounterVec {
    let told = Opts::new("gatepost_tarpit_delay_seconds_total", "How long refusals were made to wait.");
    make(registry, CounterVec::new(told, &["listener"]))
}

impl OfListeners {
    pub(super) fn comings(&self, listener: &str) -> OfComings {
        let header = |header: ProxyHeader| self.proxy_headers.with_label_values(&[listener, header.name()]);
        OfComings {
            headers: Rows::new(&ProxyHeader::ALL, header),
            astray: self.astray.with_label_values(&[listener]),
        }
    }

    pub(super) fn tarpit(&self, listener: &str) -> OfTarpit {
        OfTarpit {
            active: self.tarpit_active.with_label_values(&[listener]),
            delay: self.tarpit_delay.with_label_values(&[listener]),
            full: self.tarpit_full.with_label_values(&[listener]),
        }
    }

    pub(super) fn new(registry: &Registry) -> Self {
        let counters = |name: &str, help: &str, further: &[&str]| {
            counters(registry, name, help, &[&["listener"], further].concat())
        };
        let gauges = |name: &str, help: &str| gauges(registry, name, help, &["listener"]);
        Self {
            accepted: counters("gatepost_connections_accepted_total", "Connections accepted.", &[]),
            sessions: gauges("gatepost_sessions_active", "Sessions open now."),
            stressed: gauges(
                "gatepost_stressed",
                "Whether a bound is near, so that strangers have less time and fewer errors (1).",
            ),
            clients_hidden: gauges(
                "gatepost_clients_hidden",
                "Whether nearly all sessions come from one private address (1): something in front hides the clients.",
            ),
            tarpit_active: gauges(
                "gatepost_tarpit_sessions_active",
                "Sessions whose refusal is made to wait now.",
            ),
            tarpit_delay: delays(registry),
            tarpit_full: counters(
                "gatepost_tarpit_full_total",
                "Refusals that were to wait and were said at once, for want of room.",
                &[],
            ),
            closed: counters("gatepost_sessions_closed_total", "Sessions that ended, by cause.", &["reason"]),
            proxy_headers: counters(
                "gatepost_proxy_headers_total",
                "Connections that were to begin with a PROXY header, by what came of it.",
                &["result"],
            ),
            astray: counters(
                "gatepost_connections_astray_total",
                "Connections that were to be intercepted, and called the gate itself.",
                &[],
            ),
            commands: counters(
                "gatepost_commands_total",
                "Commands read, by what became of them.",
                &["verb", "fate"],
            ),
            replies: counters(
                "gatepost_replies_total",
                "Replies that reached a client.",
                &["origin", "class"],
            ),
            messages: counters("gatepost_messages_total", "Messages, by outcome.", &["outcome"]),
            recipients: counters("gatepost_recipients_total", "Recipients, by outcome.", &["outcome"]),
            names: counters("gatepost_names_total", "Sessions, by what reverse DNS said.", &["verdict"]),
            violations: counters(
                "gatepost_violations_total",
                "Violations of the protocol that were refused or reported.",
                &["violation"],
            ),
        }
    }
}

impl OfRelays {
    pub(super) fn new(registry: &Registry) -> Self {
        let gauges = |name: &str, help: &str| gauges(registry, name, help, &["relay"]);
        Self {
            links: counters(
                registry,
                "gatepost_links_total",
                "Links to a relay: opened, reused, released, lost, or why not opened.",
                &["relay", "result"],
            ),
            active: gauges("gatepost_links_active", "Links to a relay open now."),
            waiting: gauges("gatepost_links_waiting", "Sessions that wait for their turn to have a link."),
            up: gauges("gatepost_relay_up", "Whether the relay says what it offers (1) or not (0)."),
        }
    }
}
