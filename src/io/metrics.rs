//! Every metric, in this one file and its `snapshot` part: names, labels, help and buckets are a contract.
//!
//! Two kinds: **live** ones, which are set as things happen, and **snapshot** ones
//! (`metrics/snapshot.rs`), which are built anew for each scrape from the core's published copy, so that a scrape
//! never delays an entry and a forgotten target's series leave by themselves.
//!
//! Labels are `target_app`, `target_region`, `target_instance`, because Fly's scraper overwrites `app`, `region`,
//! `instance` and `host`.

pub mod archive;
mod buckets;
pub mod forward;
mod snapshot;

use crate::core::snapshot::Snapshot;
use crate::decode::beat::Unrecognised;
use crate::io::notifier::Outcome;
use arc_swap::ArcSwapOption;
use archive::ArchiveMetrics;
use buckets::{CHECKPOINT, DELAY, DETECTION, EVALUATION, INTERVAL, LAG, LATENESS, PAUSE};
use forward::ForwardMetrics;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

/// The kind of a watchdog. Each is a value of the label `way`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchdogKind {
    /// A ping address.
    Ping,
    /// Sentry's Crons.
    CheckIn,
}

impl WatchdogKind {
    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            WatchdogKind::Ping => "ping",
            WatchdogKind::CheckIn => "check_in",
        }
    }
}

/// One watchdog's own metrics.
#[derive(Clone)]
pub struct WatchdogMetrics {
    /// Pings that succeeded.
    pub delivered: IntCounter,
    /// Pings that failed.
    pub failed: IntCounter,
}

/// All metrics: the handles of the live ones, and the text of all.
pub struct Metrics {
    registry: Registry,
    /// Seconds from an entry's own time to its arrival.
    pub stream_lag: Histogram,
    /// Time spent evaluating all deadlines, in seconds.
    pub evaluation: Histogram,
    /// Delay between a deadline and the start of its evaluation, in seconds.
    pub evaluation_lateness: Histogram,
    /// Time that entries waited while the core did other work, in seconds.
    pub core_pause: Histogram,
    /// 1 while connected to NATS and subscribed, else 0.
    pub nats_connected: IntGauge,
    /// Messages that the client received and dropped before the core processed them.
    pub nats_dropped: IntCounter,
    /// Seconds of the last round trip to the NATS server.
    pub nats_rtt: Gauge,
    /// Time from sending a canary to its arrival, in seconds.
    pub canary_round_trip: Histogram,
    /// Canaries that did not arrive while connected.
    pub canaries_lost: IntCounter,
    /// Tasks alive on the core's thread: the loop's and the connection's.
    pub core_tasks: IntGauge,
    /// 1 if the last reload succeeded, else 0.
    pub rules_reload_successful: IntGauge,
    /// Wall clock, Unix seconds: the last change of the rules in force.
    pub rules_reload_at: Gauge,
    /// Invalid items of the inventory's answers.
    pub inventory_unreadable: IntCounter,
    /// Wall clock, Unix seconds: the last successful poll of the inventory; 0 before the first.
    pub inventory_read_at: Gauge,
    scrapes_incomplete: IntCounter,
    inventory_polls: IntCounterVec,
    inventory_machines: IntGaugeVec,
    /// Answers of the platform's own logs, by outcome: a label of an enum, never free text.
    pub second_opinions: IntCounterVec,
    interval: HistogramVec,
    reconnects: IntCounterVec,
    state: IntGaugeVec,
    heals: IntCounterVec,
    notices: IntCounterVec,
    pending: IntGaugeVec,
    oldest: GaugeVec,
    delay: HistogramVec,
    watchdog: IntCounterVec,
    /// 1 if state can be stored, else 0.
    pub store_writable: IntGauge,
    /// Time spent writing a checkpoint, in seconds.
    pub store_checkpoint: Histogram,
    /// Bytes of the state file and its log.
    pub store_bytes: IntGauge,
    store_errors: IntCounterVec,
    unrecognised: IntCounterVec,
    /// The subject of the last entry of each form.
    unrecognised_last: [ArcSwapOption<String>; Unrecognised::ALL.len()],
    detection: HistogramVec,
    downstream_queries: IntCounterVec,
    /// Those of `[[forward]]`.
    pub forward: ForwardMetrics,
    /// The archive's.
    pub archive: ArchiveMetrics,
}

/// One notifier's own metrics.
#[derive(Clone)]
pub struct NotifierMetrics {
    outcomes: [IntCounter; Outcome::ALL.len()],
    /// Pending notifications, the one being sent included.
    pub pending: IntGauge,
    /// Age of the oldest of them, in seconds; 0 if there is none.
    pub oldest: Gauge,
    /// Time from a notification's deadline to its delivery, in seconds.
    pub delay: Histogram,
}

impl NotifierMetrics {
    /// Counts one outcome.
    pub fn count(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].inc();
    }
}

impl Metrics {
    /// Declares all of them. `version` and `revision` are the program's own, for `build_info`.
    pub fn new(version: &str, revision: &str) -> Self {
        let declare = Declare(Registry::new());
        let build = declare.add(IntGaugeVec::new(
            opts("build_info", "Version and revision of lastbeat; always 1."),
            &["version", "revision"],
        ));
        build.with_label_values(&[version, revision]).set(1);
        let metrics = Metrics {
            stream_lag: declare.histogram(
                "stream_lag_seconds",
                "Time from an entry's own timestamp to its arrival, in seconds; 0 if its clock runs ahead.",
                LAG,
            ),
            evaluation: declare.histogram(
                "evaluation_seconds",
                "Time spent evaluating all deadlines, in seconds.",
                EVALUATION,
            ),
            evaluation_lateness: declare.histogram(
                "evaluation_lateness_seconds",
                "Delay between a deadline and the start of its evaluation, in seconds.",
                LATENESS,
            ),
            core_pause: declare.histogram(
                "core_pause_seconds",
                "Time that entries waited while the core did other work, in seconds: evaluation, snapshots, checkpoints, reloads.",
                PAUSE,
            ),
            nats_connected: declare.add(IntGauge::with_opts(opts(
                "nats_connected",
                "1 while connected to NATS and subscribed, else 0.",
            ))),
            nats_dropped: declare.add(IntCounter::with_opts(opts(
                "nats_dropped_messages_total",
                "Messages that the NATS client received and dropped before the core processed them.",
            ))),
            nats_rtt: declare.gauge("nats_rtt_seconds", "Duration of the last round trip to the NATS server, in seconds."),
            canary_round_trip: declare.histogram(
                "canary_round_trip_seconds",
                "Time from sending a canary to its arrival through the stream, in seconds.",
                LAG,
            ),
            canaries_lost: declare.add(IntCounter::with_opts(opts(
                "canaries_lost_total",
                "Canaries that did not arrive within three intervals while connected.",
            ))),
            core_tasks: declare.add(IntGauge::with_opts(opts(
                "core_tasks",
                "Live tasks on the core's thread; a growing number is a leak.",
            ))),
            rules_reload_successful: declare.add(IntGauge::with_opts(opts(
                "rules_last_reload_successful",
                "1 if the last reload of the rules succeeded, 0 if they were invalid and the previous ones stay in force.",
            ))),
            rules_reload_at: declare.gauge(
                "rules_last_reload_timestamp_seconds",
                "Unix time of the last change of the rules in force.",
            ),
            inventory_unreadable: declare.add(IntCounter::with_opts(opts(
                "inventory_unreadable_items_total",
                "Invalid items of the inventory's answers, which were skipped.",
            ))),
            inventory_read_at: declare.gauge(
                "inventory_last_success_timestamp_seconds",
                "Unix time of the last successful poll of the inventory; 0 before the first.",
            ),
            inventory_polls: declare.add(IntCounterVec::new(
                opts("inventory_polls_total", "Polls of the inventory, by source and outcome."),
                &["source", "outcome"],
            )),
            inventory_machines: declare.add(IntGaugeVec::new(
                opts("inventory_machines", "Machines in the last successful poll, by listed state."),
                &["listed"],
            )),
            second_opinions: declare.add(IntCounterVec::new(
                opts("second_opinions_total", "Answers of the platform's own logs, by outcome."),
                &["outcome"],
            )),
            scrapes_incomplete: declare.add(IntCounter::with_opts(opts(
                "scrapes_incomplete_total",
                "Scrapes without the core's metrics, because the core did not answer in time.",
            ))),
            interval: declare.histograms(
                "heartbeat_interval_seconds",
                "Time between two heartbeats of an instance, in seconds, by app.",
                INTERVAL,
                "target_app",
            ),
            reconnects: declare.add(IntCounterVec::new(
                opts("nats_reconnects_total", "Reconnects to NATS, by the reason why the previous connection ended."),
                &["reason"],
            )),
            state: declare.add(IntGaugeVec::new(
                opts("nats_state", "State of the connection to NATS: 1 for the current state, 0 for the others."),
                &["state"],
            )),
            heals: declare.add(IntCounterVec::new(
                opts(
                    "nats_heal_attempts_total",
                    "New subscriptions made because the stream stalled while connected, by outcome.",
                ),
                &["outcome"],
            )),
            notices: declare.add(IntCounterVec::new(
                opts("notices_total", "Attempts to deliver a notification, by notifier and outcome."),
                &["notifier", "outcome"],
            )),
            pending: declare.add(IntGaugeVec::new(
                opts("notices_pending", "Notifications pending delivery, by notifier."),
                &["notifier"],
            )),
            oldest: declare.add(GaugeVec::new(
                opts(
                    "notice_oldest_pending_seconds",
                    "Age of the oldest pending notification, in seconds, by notifier; 0 if there is none.",
                ),
                &["notifier"],
            )),
            delay: declare.histograms(
                "notice_delay_seconds",
                "Time from a notification's deadline to its delivery, in seconds.",
                DELAY,
                "notifier",
            ),
            watchdog: declare.add(IntCounterVec::new(
                opts(
                    "watchdog_pings_total",
                    "Pings to watchdogs, by way and outcome.",
                ),
                &["way", "outcome"],
            )),
            store_writable: declare.add(IntGauge::with_opts(opts(
                "store_writable",
                "1 if state can be stored, 0 while lastbeat runs from memory because it cannot.",
            ))),
            store_checkpoint: declare.histogram(
                "store_checkpoint_seconds",
                "Time spent writing a checkpoint, in seconds.",
                CHECKPOINT,
            ),
            store_bytes: declare.add(IntGauge::with_opts(opts(
                "store_bytes",
                "Size of the state file and its log, in bytes.",
            ))),
            store_errors: declare.add(IntCounterVec::new(
                opts("store_errors_total", "Errors of the state file, by reason."),
                &["reason"],
            )),
            unrecognised: declare.add(IntCounterVec::new(
                opts(
                    "beats_unrecognised_total",
                    "Entries that carry the marker in a form that is no heartbeat, by form.",
                ),
                &["form"],
            )),
            unrecognised_last: Default::default(),
            detection: declare.add(HistogramVec::new(
                HistogramOpts::from(opts(
                    "detection_seconds",
                    "Time to the notification of a silence, in seconds, by rule, from the last heartbeat and from the deadline.",
                ))
                .buckets(DETECTION.to_vec()),
                &["rule", "since"],
            )),
            downstream_queries: declare.add(IntCounterVec::new(
                opts("downstream_queries_total", "Queries of sinks, by downstream and outcome."),
                &["downstream", "outcome"],
            )),
            forward: ForwardMetrics::new(&declare.0),
            archive: ArchiveMetrics::new(&declare.0),
            registry: declare.0,
        };
        for form in Unrecognised::ALL {
            metrics.unrecognised.with_label_values(&[form.label()]);
        }
        let process = Box::new(ProcessCollector::for_self());
        metrics
            .registry
            .register(process)
            .expect("the process collector's names are not ours");
        metrics
    }

    /// The intervals of an app's heartbeats. Its series appear with the first call and leave with
    /// [`Self::forget_app`]; a handle kept beyond that counts into nothing.
    pub fn interval(&self, app: &str) -> Histogram {
        self.interval.with_label_values(&[app])
    }

    /// Removes the live series of a forgotten app.
    pub fn forget_app(&self, app: &str) {
        // An app that never had two beats has no series: nothing to take away is no fault.
        let _ = self.interval.remove_label_values(&[app]);
    }

    /// A silence was notified, so long after the last heartbeat and after the deadline.
    pub fn detected(&self, rule: &str, last_beat: Duration, deadline: Duration) {
        for (since, after) in [("heartbeat", last_beat), ("deadline", deadline)] {
            let histogram = self.detection.with_label_values(&[rule, since]);
            histogram.observe(after.as_secs_f64());
        }
    }

    /// Counts a query of a sink. `outcome`: a label of an enum, never free text.
    pub fn downstream_queried(&self, downstream: &str, outcome: &'static str) {
        let queries = self
            .downstream_queries
            .with_label_values(&[downstream, outcome]);
        queries.inc();
    }

    /// Counts polls of the inventory; zero shows the outcome before its first. Labels of enums, never free text.
    pub fn inventory_polled(&self, source: &'static str, outcome: &'static str, count: u64) {
        let polls = self.inventory_polls.with_label_values(&[source, outcome]);
        polls.inc_by(count);
    }

    /// Shows how many machines are listed so. A label of an enum, never free text.
    pub fn inventory_machines(&self, listed: &'static str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.inventory_machines
            .with_label_values(&[listed])
            .set(count);
    }

    /// Counts entries that look like a heartbeat and are none; `last`: the subject of the last one.
    pub fn beats_unrecognised(&self, form: Unrecognised, count: u64, last: &str) {
        let forms = self.unrecognised.with_label_values(&[form.label()]);
        forms.inc_by(count);
        let known = &self.unrecognised_last[form as usize];
        if known.load().as_deref().is_none_or(|known| known != last) {
            known.store(Some(Arc::new(last.to_owned())));
        }
    }

    /// Entries since the start that look like a heartbeat and are none: the form, the number, the subject of the last one.
    pub fn unrecognised(&self) -> Vec<(Unrecognised, u64, String)> {
        let forms = Unrecognised::ALL.into_iter().map(|form| {
            let count = self.unrecognised.with_label_values(&[form.label()]).get();
            let last = self.unrecognised_last[form as usize].load();
            (form, count, last.as_deref().cloned().unwrap_or_default())
        });
        forms.filter(|(_, count, _)| *count > 0).collect()
    }

    /// Shows a reason at zero, before its first reconnect.
    pub fn nats_expect(&self, reason: &'static str) {
        self.reconnects.with_label_values(&[reason]);
    }

    /// Counts a reconnect. `reason` is a label of an enum, never free text.
    pub fn nats_reconnected(&self, reason: &'static str) {
        self.reconnects.with_label_values(&[reason]).inc();
    }

    /// Shows in which of all states the connection is. Labels of an enum, never free text.
    pub fn nats_state(&self, all: &[&'static str], now: &'static str) {
        for state in all {
            let here = i64::from(*state == now);
            self.state.with_label_values(&[state]).set(here);
        }
    }

    /// Counts attempts to heal a stall; zero shows the outcome before its first.
    pub fn nats_heal(&self, outcome: &'static str, count: u64) {
        self.heals.with_label_values(&[outcome]).inc_by(count);
    }

    /// The handles of one notifier, its series at zero from the start. `name` comes from the settings.
    pub fn notifier(&self, name: &str) -> NotifierMetrics {
        NotifierMetrics {
            outcomes: Outcome::ALL
                .map(|outcome| self.notices.with_label_values(&[name, outcome.label()])),
            pending: self.pending.with_label_values(&[name]),
            oldest: self.oldest.with_label_values(&[name]),
            delay: self.delay.with_label_values(&[name]),
        }
    }

    /// The handles of one watchdog, its series at zero from the start.
    pub fn watchdog(&self, way: WatchdogKind) -> WatchdogMetrics {
        let count = |outcome| self.watchdog.with_label_values(&[way.label(), outcome]);
        WatchdogMetrics {
            delivered: count("delivered"),
            failed: count("failed"),
        }
    }

    /// Counts faults of the state file; zero shows the reason before its first. `reason` is a label of an enum, never
    /// free text.
    pub fn store_failed(&self, reason: &'static str, count: u64) {
        self.store_errors.with_label_values(&[reason]).inc_by(count);
    }

    /// All metrics in Prometheus' text format. Without `snapshot`, because the core did not answer, the live ones
    /// alone, and the scrape is counted as incomplete. It takes about a microsecond a series: not on a thread that
    /// others wait for.
    pub fn render(&self, snapshot: Option<&Snapshot>) -> Vec<u8> {
        let mut text = Vec::new();
        let done = self.render_to(snapshot, &mut text);
        done.expect("a Vec takes every write");
        text
    }

    /// As [`Self::render`], piece by piece into whatever takes it.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn render_to(&self, snapshot: Option<&Snapshot>, mut to: &mut dyn Write) -> io::Result<()> {
        if snapshot.is_none() {
            self.scrapes_incomplete.inc();
        }
        let own = TextEncoder::new().encode(&self.registry.gather(), &mut to);
        own.map_err(|fault| match fault {
            prometheus::Error::Io(fault) => fault,
            // No family that gets here is empty or without a name.
            other => io::Error::other(other),
        })?;
        snapshot.map_or(Ok(()), |snapshot| snapshot::write_families(snapshot, to))
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("lastbeat")
}

/// Declares metrics in a registry. The names stand in this file, so a fault in one is found by any start at all.
struct Declare(Registry);

impl Declare {
    fn add<M: Collector + Clone + 'static>(&self, metric: prometheus::Result<M>) -> M {
        let metric = metric.expect("the names and labels of this file are valid");
        self.0
            .register(Box::new(metric.clone()))
            .expect("the names of this file are distinct");
        metric
    }

    fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.add(Gauge::with_opts(opts(name, help)))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.add(Histogram::with_opts(
            HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec()),
        ))
    }

    fn histograms(&self, name: &str, help: &str, buckets: &[f64], label: &str) -> HistogramVec {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        self.add(HistogramVec::new(opts, &[label]))
    }
}

#[cfg(test)]
mod tests;
