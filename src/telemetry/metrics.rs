//! Counters and gauges. A label is a name of the deployment file or a row of a closed enum; no octet from the wire
//! reaches one. Children are looked up once, when a listener is set up, and from then on counting is an addition.
//! All series begin at 0: otherwise a rate would miss the first event.

use super::allowances::OfAllowances;
use super::bans::OfBans;
use super::families::{OfComings, OfListeners, OfRelays, OfTarpit, Rows, counters, gauges, make};
use super::hits::Hits;
use super::labels::{
    ACTIONS, CLASSES, FATES, FORCES, ORIGINS, Sort, of_action, of_class, of_fate, of_force, of_origin,
};
use super::lookups::Lookups;
use super::security::{OfSecurities, OfSecurity};
use super::store::{OfStore, OfStores};
use super::upkeep::Upkeep;
use crate::event::{
    BanChange, Decision, Ending, Event, Fate, Force, LinkChange, LinkFailure, Origin, Outcome,
};
use crate::policy::names::NameVerdict;
use crate::policy::verdict::{Action, Check};
use crate::smtp::reply::Class;
use crate::smtp::verb::Verb;
use crate::smtp::violation::Violation;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Encoder, IntCounter, IntGauge, Registry, TextEncoder};

/// All figures of a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    listeners: OfListeners,
    relays: OfRelays,
    securities: OfSecurities,
    pub(super) allowances: OfAllowances,
    upkeep: Upkeep,
    pub(super) lookups: Lookups,
    bans: OfBans,
    stores: OfStores,
    buffer_used: IntGauge,
    buffer_limit: IntGauge,
    draining: IntGauge,
    lines_dropped: IntCounter,
    verdicts: Rows<(Action, Force, Sort)>,
    rules: Hits,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All of them at 0.
    pub fn new() -> Self {
        let registry = Registry::new();
        let (listeners, relays) = (OfListeners::new(&registry), OfRelays::new(&registry));
        let gauge = |name: &str, help: &str| make(&registry, IntGauge::new(name, help));
        let build = gauges(
            &registry,
            "gatepost_build_info",
            "Which build this is; the value is always 1.",
            &["version"],
        );
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let verdicts = counters(
            &registry,
            "gatepost_verdicts_total",
            "Refusals, carried out or only observed.",
            &["action", "force", "kind"],
        );
        // There is one of these in a process; without it the figures of the process are missing, and nothing else.
        let _ = registry.register(Box::new(ProcessCollector::for_self()));
        let buffer_used = gauge("gatepost_buffer_used_bytes", "Memory used for what waits in connections.");
        let buffer_limit = gauge("gatepost_buffer_limit_bytes", "The most of it that may be used.");
        let draining = gauge("gatepost_draining", "Whether this process takes no new sessions (1).");
        let lines_dropped = make(
            &registry,
            IntCounter::new("gatepost_log_events_dropped_total", "Log lines for which there was no room."),
        );
        let kinds: Vec<_> = ACTIONS
            .iter()
            .flat_map(|action| FORCES.iter().map(move |force| (*action, *force)))
            .flat_map(|(action, force)| Sort::ALL.iter().map(move |sort| (action, force, *sort)))
            .collect();
        let verdicts = Rows::new(&kinds, |(action, force, sort)| {
            verdicts.with_label_values(&[of_action(action), of_force(force), sort.name()])
        });
        Self {
            listeners,
            relays,
            securities: OfSecurities::new(&registry),
            allowances: OfAllowances::new(&registry),
            upkeep: Upkeep::new(&registry),
            lookups: Lookups::new(&registry),
            bans: OfBans::new(&registry),
            stores: OfStores::new(&registry),
            rules: Hits::new(&registry),
            registry,
            buffer_used,
            buffer_limit,
            draining,
            lines_dropped,
            verdicts,
        }
    }

    /// Memory in use for what waits in connections. It is also the count by which the driver keeps to its bound.
    pub fn buffer_used(&self) -> &IntGauge {
        &self.buffer_used
    }

    /// Says how much of it may be used.
    pub fn set_buffer_limit(&self, octets: i64) {
        self.buffer_limit.set(octets);
    }

    /// When a certificate ends, in seconds since 1970.
    pub fn set_not_after(&self, certificate: &str, seconds: i64) {
        self.upkeep.set_not_after(certificate, seconds);
    }

    /// Files were read anew, and taken or not.
    pub fn reloaded(&self, taken: bool) {
        self.upkeep.reloaded(taken);
    }

    /// The figures of bans.
    pub fn bans(&self) -> &OfBans {
        &self.bans
    }

    /// The figures of the shared store, from now on.
    pub fn store(&self) -> OfStore {
        self.stores.store()
    }

    /// Whether no new sessions are taken.
    pub fn draining(&self) -> &IntGauge {
        &self.draining
    }

    /// Whether a listener is under stress.
    pub fn stressed(&self, listener: &str) -> IntGauge {
        self.listeners.stressed.with_label_values(&[listener])
    }

    /// Whether the clients of a listener are hidden.
    pub fn clients_hidden(&self, listener: &str) -> IntGauge {
        self.listeners.clients_hidden.with_label_values(&[listener])
    }

    /// The figures of a listener's tarpit.
    pub fn tarpit(&self, listener: &str) -> OfTarpit {
        self.listeners.tarpit(listener)
    }

    /// The figures of connections that do not come from the client itself.
    pub fn comings(&self, listener: &str) -> OfComings {
        self.listeners.comings(listener)
    }

    /// Whether any relay is up.
    pub(super) fn any_relay_is_up(&self) -> bool {
        let families = self.relays.up.collect();
        let mut relays = families.iter().flat_map(prometheus::proto::MetricFamily::get_metric);
        relays.any(|relay| relay.get_gauge().get_value() > 0.0)
    }

    pub(super) fn lines_dropped(&self) -> IntCounter {
        self.lines_dropped.clone()
    }

    /// The figures of a listener.
    pub fn listener(&self, name: &str) -> OfListener {
        let of = &self.listeners;
        OfListener {
            accepted: of.accepted.with_label_values(&[name]),
            sessions: of.sessions.with_label_values(&[name]),
            closed: Rows::new(&Ending::ALL, |ending| of.closed.with_label_values(&[name, ending.name()])),
            commands: Verb::ALL
                .iter()
                .map(|verb| {
                    Rows::new(&FATES, |fate| {
                        of.commands.with_label_values(&[name, verb.facts().name, of_fate(fate)])
                    })
                })
                .collect(),
            replies: ORIGINS.map(|origin| {
                Rows::new(&CLASSES, |class| {
                    of.replies.with_label_values(&[name, of_origin(origin), of_class(class)])
                })
            }),
            messages: Rows::new(&Outcome::ALL, |outcome| {
                of.messages.with_label_values(&[name, outcome.name()])
            }),
            recipients: Rows::new(&Outcome::ALL, |outcome| {
                of.recipients.with_label_values(&[name, outcome.name()])
            }),
            names: Rows::new(&NameVerdict::ALL, |verdict| {
                of.names.with_label_values(&[name, verdict.name()])
            }),
            violations: Violation::ALL
                .iter()
                .map(|violation| of.violations.with_label_values(&[name, violation.facts().name]))
                .collect(),
            banned: self.bans.met(name),
            security: self.securities.listener(name),
        }
    }

    /// The figures of a relay.
    pub fn relay(&self, name: &str) -> OfRelay {
        let of = &self.relays;
        let result = |result: &str| of.links.with_label_values(&[name, result]);
        OfRelay {
            name: name.to_owned(),
            opened: result("opened"),
            reused: result("reused"),
            lost: result("lost"),
            released: result("released"),
            failed: Rows::new(&LinkFailure::ALL, |why| result(why.name())),
            active: of.active.with_label_values(&[name]),
            waiting: of.waiting.with_label_values(&[name]),
            up: of.up.with_label_values(&[name]),
        }
    }

    pub(super) fn count(&self, listener: &OfListener, relay: &OfRelay, event: &Event) {
        match event {
            Event::Command { verb, fate, .. } => {
                if let Some(fates) = listener.commands.get(verb.index()) {
                    fates.count(*fate);
                }
            }
            Event::Verdict(decision) => self.count_verdict(listener, decision),
            Event::Reply { code, origin } => {
                let [gate, from_relay] = &listener.replies;
                let classes = match origin {
                    Origin::Gate => gate,
                    Origin::Relay => from_relay,
                };
                classes.count(code.class());
            }
            Event::Recipient(outcome) => listener.recipients.count(*outcome),
            Event::Message(transfer) => listener.messages.count(transfer.outcome),
            Event::Link(LinkChange::Opened) => relay.opened.inc(),
            Event::Link(LinkChange::Reused) => relay.reused.inc(),
            Event::Link(LinkChange::Lost) => relay.lost.inc(),
            Event::Link(LinkChange::Released) => relay.released.inc(),
            Event::Link(LinkChange::Failed(why)) => relay.failed.count(*why),
            Event::Tls(side, change) => listener.security.count_tls(*side, change),
            Event::Auth(attempt) => listener.security.count_attempt(attempt),
            Event::Ban(BanChange::Placed, _) => self.bans.placed().inc(),
            Event::Ban(BanChange::Met, _) => listener.banned.inc(),
            Event::Ended(summary) => {
                listener.closed.count(summary.ending);
                if let Some(naming) = &summary.naming {
                    listener.names.count(naming.verdict);
                }
            }
        }
    }

    fn count_verdict(&self, listener: &OfListener, decision: &Decision) {
        self.verdicts.count((decision.action, decision.force, Sort::of(decision.check)));
        match decision.check {
            Check::Violation(violation) => {
                if let Some(violations) = listener.violations.get(violation.index()) {
                    violations.inc();
                }
            }
            Check::Allowance(_) | Check::Signature(_) | Check::Rule(_) => self.rules.count(decision),
            Check::Verb(_)
            | Check::Limit(_)
            | Check::Clients
            | Check::Relay
            | Check::Tls(_)
            | Check::Auth(_)
            | Check::Names(_)
            | Check::DnsLists
            | Check::DnsList(_)
            | Check::SessionsPerClient => {}
        }
    }

    /// The text that Prometheus reads.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing to a Vec cannot fail, and every family has a child.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }
}

/// The figures of a listener.
#[derive(Clone, Debug)]
pub struct OfListener {
    accepted: IntCounter,
    sessions: IntGauge,
    closed: Rows<Ending>,
    /// In the order of the verb table.
    commands: Vec<Rows<Fate>>,
    replies: [Rows<Class>; 2],
    messages: Rows<Outcome>,
    recipients: Rows<Outcome>,
    names: Rows<NameVerdict>,
    /// In the order of the table of violations.
    violations: Vec<IntCounter>,
    banned: IntCounter,
    security: OfSecurity,
}

impl OfListener {
    pub(super) fn pass(&self, octets: usize) {
        self.security.pass(octets);
    }

    pub(super) fn enter(&self) {
        self.accepted.inc();
        self.sessions.inc();
    }

    pub(super) fn leave(&self) {
        self.sessions.dec();
    }
}

/// The figures of a relay.
#[derive(Clone, Debug)]
pub struct OfRelay {
    name: String,
    opened: IntCounter,
    lost: IntCounter,
    reused: IntCounter,
    released: IntCounter,
    failed: Rows<LinkFailure>,
    active: IntGauge,
    waiting: IntGauge,
    up: IntGauge,
}

impl OfRelay {
    /// Its name in the deployment file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Links open now.
    pub fn active(&self) -> &IntGauge {
        &self.active
    }

    /// Sessions that wait for one.
    pub fn waiting(&self) -> &IntGauge {
        &self.waiting
    }

    /// Whether it answers.
    pub fn up(&self) -> &IntGauge {
        &self.up
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::core::Metric;

    #[test]
    fn a_violation_is_counted_at_its_place() {
        let listener = Metrics::new().listener("mx");
        for violation in Violation::ALL {
            let metric = listener.violations[violation.index()].metric();
            assert!(metric.get_label().iter().any(|label| label.value() == violation.facts().name));
        }
    }

    #[test]
    fn series_exist_before_anything_happened() {
        let metrics = Metrics::new();
        let (_listener, _relay) = (metrics.listener("mx"), metrics.relay("exchange"));
        let text = String::from_utf8(metrics.encode()).unwrap();
        for series in [
            "gatepost_commands_total{fate=\"forwarded\",listener=\"mx\",verb=\"RCPT\"} 0",
            "gatepost_replies_total{class=\"4xx\",listener=\"mx\",origin=\"relay\"} 0",
            "gatepost_messages_total{listener=\"mx\",outcome=\"accepted\"} 0",
            "gatepost_names_total{listener=\"mx\",verdict=\"failed\"} 0",
            "gatepost_sessions_closed_total{listener=\"mx\",reason=\"quit\"} 0",
            "gatepost_links_total{relay=\"exchange\",result=\"no_connection\"} 0",
            "gatepost_verdicts_total{action=\"reject\",force=\"enforced\",kind=\"relay\"} 0",
            "gatepost_draining 0",
            "process_open_fds ",
        ] {
            assert!(text.contains(series), "{series} is missing in\n{text}");
        }
    }
}
