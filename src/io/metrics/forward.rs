//! Metrics of `[[forward]]`.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// The metrics of all forwards.
pub struct ForwardMetrics {
    entries: IntCounterVec,
    overtaken: IntCounterVec,
}

/// The counters of one forward.
pub struct ForwardCounters {
    taken: IntCounter,
    rejected: IntCounter,
    lost: IntCounter,
    overtaken: IntCounter,
}

impl ForwardMetrics {
    /// Registers them.
    pub(super) fn new(registry: &Registry) -> Self {
        let entries = IntCounterVec::new(
            opts(
                "forward_entries_total",
                "Entries that lastbeat forwards itself, by downstream and outcome; lost: the archive lacks them.",
            ),
            &["downstream", "outcome"],
        );
        let overtaken = IntCounterVec::new(
            opts(
                "forward_overtaken_total",
                "Times that the archive deleted entries that were not forwarded yet.",
            ),
            &["downstream"],
        );
        let metrics = ForwardMetrics {
            entries: entries.expect("the names and labels of this file are valid"),
            overtaken: overtaken.expect("the names and labels of this file are valid"),
        };
        let all: [Box<dyn Collector>; 2] = [
            Box::new(metrics.entries.clone()),
            Box::new(metrics.overtaken.clone()),
        ];
        for one in all {
            registry
                .register(one)
                .expect("the names of this file are distinct");
        }
        metrics
    }

    /// The counters of a forward, which appear with zero.
    pub fn of(&self, downstream: &str) -> ForwardCounters {
        let entries = |outcome: &str| self.entries.with_label_values(&[downstream, outcome]);
        ForwardCounters {
            taken: entries("taken"),
            rejected: entries("rejected"),
            lost: entries("lost"),
            overtaken: self.overtaken.with_label_values(&[downstream]),
        }
    }
}

impl ForwardCounters {
    /// Counts entries by what became of them.
    pub fn shipped(&self, taken: u64, rejected: u64) {
        self.taken.inc_by(taken);
        self.rejected.inc_by(rejected);
    }

    /// Counts entries that the archive lacks.
    pub fn lost(&self, count: u64) {
        self.lost.inc_by(count);
    }

    /// Counts a deletion of entries that were not forwarded.
    pub fn overtaken(&self) {
        self.overtaken.inc();
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("lastbeat")
}
