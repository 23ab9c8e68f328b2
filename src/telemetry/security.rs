//! Figures of TLS and AUTH, and of what passed uninspected.

use super::families::{Rows, counters};
use crate::event::{Attempt, AuthOutcome, Secured, Side, TlsChange, TlsFailure};
use crate::policy::tls::TlsVersion;
use crate::smtp::mechanism::Mechanism;
use prometheus::{IntCounter, IntCounterVec, Registry};

const SIDES: [Side; 2] = [Side::Client, Side::Relay];
const VERSIONS: [TlsVersion; 2] = [TlsVersion::V1_2, TlsVersion::V1_3];

/// Why something passes uninspected; the rules ask for it.
const PASSTHROUGH: &str = "starttls_passthrough";

/// The families.
#[derive(Debug)]
pub(super) struct OfSecurities {
    handshakes: IntCounterVec,
    failures: IntCounterVec,
    uninspected: IntCounterVec,
    uninspected_octets: IntCounterVec,
    attempts: IntCounterVec,
}

/// Those of a listener.
#[derive(Clone, Debug)]
pub(super) struct OfSecurity {
    /// By side, version, and whether an earlier session was resumed.
    handshakes: Rows<(Side, TlsVersion, bool)>,
    failures: Rows<(Side, TlsFailure)>,
    uninspected: IntCounter,
    uninspected_octets: IntCounter,
    attempts: Rows<(Option<Mechanism>, AuthOutcome)>,
}

impl OfSecurities {
    pub(super) fn new(registry: &Registry) -> Self {
        let counters = |name: &str, help: &str, further: &[&str]| {
            counters(registry, name, help, &[&["listener"], further].concat())
        };
        Self {
            handshakes: counters(
                "gatepost_tls_handshakes_total",
                "TLS that was established, in full or resumed.",
                &["side", "version", "result"],
            ),
            failures: counters(
                "gatepost_tls_handshake_failures_total",
                "Handshakes that came to nothing.",
                &["side", "reason"],
            ),
            uninspected: counters(
                "gatepost_sessions_uninspected_total",
                "Sessions that went on without inspection.",
                &["reason"],
            ),
            uninspected_octets: counters(
                "gatepost_uninspected_bytes_total",
                "Octets that passed without inspection, both ways.",
                &[],
            ),
            attempts: counters(
                "gatepost_auth_attempts_total",
                "Attempts to authenticate.",
                &["mechanism", "outcome"],
            ),
        }
    }

    pub(super) fn listener(&self, name: &str) -> OfSecurity {
        let handshakes: Vec<_> = SIDES
            .iter()
            .flat_map(|side| VERSIONS.iter().map(move |version| (*side, *version)))
            .flat_map(|(side, version)| [false, true].map(|resumed| (side, version, resumed)))
            .collect();
        let failures: Vec<_> =
            SIDES.iter().flat_map(|side| TlsFailure::ALL.map(|failure| (*side, failure))).collect();
        let mechanisms = Mechanism::ALL.iter().copied().map(Some).chain([None]);
        let attempts: Vec<_> =
            mechanisms.flat_map(|mechanism| AuthOutcome::ALL.map(|outcome| (mechanism, outcome))).collect();
        OfSecurity {
            handshakes: Rows::new(&handshakes, |(side, version, resumed)| {
                let result = if resumed { "resumed" } else { "full" };
                self.handshakes.with_label_values(&[name, of_side(side), version.name(), result])
            }),
            failures: Rows::new(&failures, |(side, failure)| {
                self.failures.with_label_values(&[name, of_side(side), failure.name()])
            }),
            uninspected: self.uninspected.with_label_values(&[name, PASSTHROUGH]),
            uninspected_octets: self.uninspected_octets.with_label_values(&[name]),
            attempts: Rows::new(&attempts, |(mechanism, outcome)| {
                let mechanism = mechanism.map_or("other", |mechanism| mechanism.facts().name);
                self.attempts.with_label_values(&[name, mechanism, outcome.name()])
            }),
        }
    }
}

impl OfSecurity {
    pub(super) fn count_tls(&self, side: Side, change: &TlsChange) {
        match change {
            TlsChange::Started(secured) => {
                let Secured { version, resumed, .. } = **secured;
                self.handshakes.count((side, version, resumed));
            }
            TlsChange::Failed(failure) => self.failures.count((side, *failure)),
            TlsChange::Passed => self.uninspected.inc(),
        }
    }

    pub(super) fn count_attempt(&self, attempt: &Attempt) {
        self.attempts.count((attempt.mechanism, attempt.outcome));
    }

    pub(super) fn pass(&self, octets: usize) {
        self.uninspected_octets.inc_by(u64::try_from(octets).unwrap_or_default());
    }
}

/// A side, as labels and lines spell it.
pub(super) const fn of_side(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Relay => "relay",
    }
}
