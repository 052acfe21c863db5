//! The archive's metrics.

use prometheus::core::Collector;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// The archive's metrics.
pub struct ArchiveMetrics {
    /// Entries written to the archive.
    pub entries: IntCounter,
    /// Bytes of all segments.
    pub bytes: IntGauge,
    /// Segments.
    pub segments: IntGauge,
    /// Segments that were sealed.
    pub sealed: IntCounter,
    /// Wall clock, Unix seconds: the beginning of the oldest segment; 0 if there is none.
    pub oldest: Gauge,
    /// 1 if entries are archived, else 0.
    pub writable: IntGauge,
    lost: IntCounterVec,
}

impl ArchiveMetrics {
    /// Declares them.
    pub(super) fn new(registry: &Registry) -> Self {
        let metrics = ArchiveMetrics {
            entries: add(
                registry,
                IntCounter::with_opts(opts("entries_total", "Entries written to the archive.")),
            ),
            bytes: add(
                registry,
                IntGauge::with_opts(opts("bytes", "Size of the archive, in bytes.")),
            ),
            segments: add(
                registry,
                IntGauge::with_opts(opts("segments", "Segments of the archive.")),
            ),
            sealed: add(
                registry,
                IntCounter::with_opts(opts(
                    "sealed_segments_total",
                    "Segments of the archive that were compressed.",
                )),
            ),
            oldest: add(
                registry,
                Gauge::with_opts(opts(
                    "oldest_timestamp_seconds",
                    "Unix time at which the oldest segment of the archive begins; 0 if there is none.",
                )),
            ),
            writable: add(
                registry,
                IntGauge::with_opts(opts(
                    "writable",
                    "1 if entries are archived, 0 if there is no archive or it cannot be written.",
                )),
            ),
            lost: add(
                registry,
                IntCounterVec::new(
                    opts(
                        "lost_entries_total",
                        "Entries that lastbeat received and the archive did not, by reason: queue or disk.",
                    ),
                    &["reason"],
                ),
            ),
        };
        metrics.lost_in_queue();
        metrics.lost_on_disk();
        metrics
    }

    /// Entries for which the queue had no room.
    pub fn lost_in_queue(&self) -> IntCounter {
        self.lost.with_label_values(&["queue"])
    }

    /// Entries that the disk did not take.
    pub fn lost_on_disk(&self) -> IntCounter {
        self.lost.with_label_values(&["disk"])
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help)
        .namespace("lastbeat")
        .subsystem("archive")
}

fn add<M: Collector + Clone + 'static>(registry: &Registry, metric: prometheus::Result<M>) -> M {
    let metric = metric.expect("the names and labels of this file are valid");
    let registered = registry.register(Box::new(metric.clone()));
    registered.expect("the names of this file are distinct");
    metric
}
