//! Figures of questions to DNS.

use super::Metrics;
use super::families::{Rows, counters, gauges, make};
use crate::event::{ListAnswer, Lookup};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Registry};

/// Upper bounds of the histogram, in seconds: a cache answers in one, the world in some tens of milliseconds, nobody in the
/// last.
const SECONDS: &[f64] = &[0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0];

/// The families, and what is the whole process's.
#[derive(Debug)]
pub(super) struct Lookups {
    shared: OfLookups,
    answers: IntCounterVec,
    usable: IntGaugeVec,
}

/// The figures of lookups.
#[derive(Clone, Debug)]
pub struct OfLookups {
    names: Rows<Lookup>,
    lists: Rows<Lookup>,
    active: IntGauge,
    names_took: Histogram,
    lists_took: Histogram,
}

/// The figures of a list.
#[derive(Clone, Debug)]
pub struct OfList {
    answers: Rows<ListAnswer>,
    usable: IntGauge,
}

impl Lookups {
    pub(super) fn new(registry: &Registry) -> Self {
        let outcomes = counters(
            registry,
            "gatepost_lookups_total",
            "Questions to DNS, by what came of them.",
            &["kind", "outcome"],
        );
        let rows = |kind: &str, rows: &[Lookup]| {
            Rows::new(rows, |outcome| outcomes.with_label_values(&[kind, outcome.name()]))
        };
        let options =
            HistogramOpts::new("gatepost_lookup_seconds", "How long DNS took to answer, or was waited for.");
        let took = HistogramVec::new(options.buckets(SECONDS.to_vec()), &["kind"]);
        let took = make(registry, took);
        let shared = OfLookups {
            names: rows("name", &Lookup::OF_NAMES),
            lists: rows("list", &Lookup::OF_LISTS),
            active: make(registry, IntGauge::new("gatepost_lookups_active", "Questions to DNS open now.")),
            names_took: took.with_label_values(&["name"]),
            lists_took: took.with_label_values(&["list"]),
        };
        Self {
            shared,
            answers: counters(
                registry,
                "gatepost_dnslist_answers_total",
                "What DNS lists said of clients.",
                &["list", "outcome"],
            ),
            usable: gauges(
                registry,
                "gatepost_dnslist_usable",
                "Whether a DNS list passed its last test (1), or is put aside (0).",
                &["list"],
            ),
        }
    }
}

impl Metrics {
    /// The figures of questions to DNS.
    pub fn lookups(&self) -> OfLookups {
        self.lookups.shared.clone()
    }

    /// The figures of a DNS list.
    pub fn list(&self, id: &str) -> OfList {
        let of = &self.lookups;
        let answers = |answer: ListAnswer| of.answers.with_label_values(&[id, answer.name()]);
        OfList { answers: Rows::new(&ListAnswer::ALL, answers), usable: of.usable.with_label_values(&[id]) }
    }

    /// A list that no rules name any longer.
    pub fn forget_list(&self, id: &str) {
        let of = &self.lookups;
        // What was never there is no loss.
        let _ = of.usable.remove_label_values(&[id]);
        for answer in ListAnswer::ALL {
            let _ = of.answers.remove_label_values(&[id, answer.name()]);
        }
    }
}

impl OfLookups {
    /// Counts what came of a question about a client's name.
    pub fn count_name(&self, outcome: Lookup) {
        self.names.count(outcome);
    }

    /// And of a question to a list.
    pub fn count_list(&self, outcome: Lookup) {
        self.lists.count(outcome);
    }

    /// Those that are open.
    pub fn active(&self) -> &IntGauge {
        &self.active
    }

    /// How many seconds the answer about a name took.
    pub fn names_took(&self) -> &Histogram {
        &self.names_took
    }

    /// And that of a list.
    pub fn lists_took(&self) -> &Histogram {
        &self.lists_took
    }
}

impl OfList {
    /// Counts an answer.
    pub fn count(&self, answer: ListAnswer) {
        self.answers.count(answer);
    }

    /// Whether it is asked.
    pub fn usable(&self) -> &IntGauge {
        &self.usable
    }
}
