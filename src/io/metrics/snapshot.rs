//! The metrics that are read from the core's published copy, built anew for each scrape.

use crate::core::notice::Scope;
use crate::core::snapshot::{AppRow, BeatRow, Snapshot};
use crate::core::time::Wall;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// Hands each family to `put`, one after another. Families without a series are left out: the text format
/// has no way to say them.
pub(super) fn each_family(snapshot: &Snapshot, mut put: impl FnMut(MetricFamily)) {
    let families: [fn(&Snapshot) -> Family; 18] = [
        stream_seen,
        region_seen,
        log_seen,
        heartbeat_seen,
        heartbeat_due,
        heartbeat_max_gap,
        instances,
        alerts,
        incidents,
        entries,
        entry_bytes,
        heartbeats,
        heartbeats_lost,
        rejected,
        listened,
        blind,
        rules,
        suppressed,
    ];
    for build in families {
        let family = build(snapshot);
        if !family.series.is_empty() {
            put(family.finish());
        }
    }
}

/// A family in the making.
struct Family {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    series: Vec<Metric>,
}

impl Family {
    fn gauge(name: &'static str, help: &'static str) -> Self {
        Family {
            name,
            help,
            kind: MetricType::GAUGE,
            series: Vec::new(),
        }
    }

    fn counter(name: &'static str, help: &'static str) -> Self {
        Family {
            name,
            help,
            kind: MetricType::COUNTER,
            series: Vec::new(),
        }
    }

    /// Adds a series.
    fn put<const N: usize>(&mut self, labels: [(&str, &str); N], value: f64) {
        let mut metric = Metric::default();
        metric.set_label(labels.map(|(name, value)| pair(name, value)).into());
        match self.kind {
            MetricType::COUNTER => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            _ => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
        }
        self.series.push(metric);
    }

    fn only(mut self, value: f64) -> Self {
        self.put([], value);
        self
    }

    fn finish(self) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(format!("lastbeat_{}", self.name));
        family.set_help(self.help.to_owned());
        family.set_field_type(self.kind);
        family.set_metric(self.series);
        family
    }
}

fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

/// Unix seconds, cut to the millisecond: what is left of a float's digits beyond it is noise.
fn unix(at: Wall) -> f64 {
    (at.nanos() / 1_000_000) as f64 / 1e3
}

fn stream_seen(from: &Snapshot) -> Family {
    let mut family = Family::gauge(
        "stream_last_seen_timestamp_seconds",
        "Unix time at which the last entry of anyone arrived.",
    );
    if let Some(seen) = from.stream_seen {
        family.put([], unix(seen));
    }
    family
}

fn region_seen(from: &Snapshot) -> Family {
    let mut family = Family::gauge(
        "region_last_seen_timestamp_seconds",
        "Unix time at which the last entry from anyone in the region arrived.",
    );
    for (region, seen) in &from.regions {
        family.put([("target_region", region)], unix(*seen));
    }
    family
}

fn log_seen(from: &Snapshot) -> Family {
    let mut family = Family::gauge(
        "log_last_seen_timestamp_seconds",
        "Unix time at which the last entry from the instance arrived, heartbeat or not.",
    );
    for row in &from.instances {
        let labels = [
            ("target_app", &*row.app),
            ("target_region", &*row.region),
            ("target_instance", row.instance()),
        ];
        family.put(labels, unix(row.seen));
    }
    family
}

fn heartbeat_seen(from: &Snapshot) -> Family {
    let mut family = Family::gauge(
        "heartbeat_last_seen_timestamp_seconds",
        "Unix time at which the last heartbeat of the instance arrived.",
    );
    for row in &from.beats {
        family.put(beat_labels(row), unix(row.seen));
    }
    family
}

fn heartbeat_due(from: &Snapshot) -> Family {
    let mut family = Family::gauge(
        "heartbeat_due_timestamp_seconds",
        "Unix time at which the instance's alert fires if no heartbeat comes before; absent where nothing is due.",
    );
    for row in &from.beats {
        if let Some(due) = row.due {
            family.put(beat_labels(row), unix(due));
        }
    }
    family
}

fn heartbeat_max_gap(from: &Snapshot) -> Family {
    let mut family = Family::gauge(
        "heartbeat_max_gap_seconds",
        "How long the instance may be silent: its rule's max_gap, or what \"auto\" has found.",
    );
    for row in &from.beats {
        if let Some(max_gap) = row.max_gap {
            family.put(beat_labels(row), max_gap.as_secs_f64());
        }
    }
    family
}

fn beat_labels(row: &BeatRow) -> [(&str, &str); 4] {
    [
        ("target_app", &row.app),
        ("target_region", &row.region),
        ("target_instance", row.instance()),
        ("beat", &row.beat),
    ]
}

fn instances(from: &Snapshot) -> Family {
    let mut family = Family::gauge(
        "instances",
        "Instances, by app, region and what is thought of them.",
    );
    for row in &from.verdicts {
        let labels = [
            ("target_app", &*row.app),
            ("target_region", &*row.region),
            ("verdict", row.verdict.label()),
        ];
        family.put(labels, row.count as f64);
    }
    family
}

fn alerts(from: &Snapshot) -> Family {
    let mut family = Family::gauge(
        "alerts",
        "Alerts, by rule, its severity and the alert's state.",
    );
    for row in &from.alerts {
        let labels = [
            ("rule", &*row.rule),
            ("severity", row.severity.label()),
            ("state", row.state),
        ];
        family.put(labels, row.count as f64);
    }
    family
}

fn incidents(from: &Snapshot) -> Family {
    let mut family = Family::gauge("incidents", "Open incidents, by scope.");
    for scope in Scope::ALL {
        let open = from
            .incidents
            .iter()
            .filter(|(of, _)| *of == scope)
            .map(|(_, count)| count);
        family.put([("scope", scope.label())], open.sum::<u64>() as f64);
    }
    family
}

fn per_app(from: &Snapshot, mut family: Family, value: fn(&AppRow) -> u64) -> Family {
    for app in &from.apps {
        family.put([("target_app", &app.name)], value(app) as f64);
    }
    family
}

fn entries(from: &Snapshot) -> Family {
    per_app(
        from,
        Family::counter("entries_total", "Entries that arrived, by app."),
        |app| app.entries,
    )
}

fn entry_bytes(from: &Snapshot) -> Family {
    let family = Family::counter(
        "entry_bytes_total",
        "Bytes of the payloads of entries, by app.",
    );
    per_app(from, family, |app| app.bytes)
}

fn heartbeats(from: &Snapshot) -> Family {
    per_app(
        from,
        Family::counter("heartbeats_total", "Heartbeats that arrived, by app."),
        |app| app.beats,
    )
}

fn heartbeats_lost(from: &Snapshot) -> Family {
    let family = Family::counter(
        "heartbeats_lost_total",
        "Heartbeats that never arrived: holes in seq=, by app.",
    );
    per_app(from, family, |app| app.lost)
}

fn rejected(from: &Snapshot) -> Family {
    let mut family = Family::counter(
        "entries_rejected_total",
        "What arrived and was rejected, whole or in part, by reason.",
    );
    for (reason, count) in &from.rejected {
        family.put([("reason", reason)], *count as f64);
    }
    family
}

fn listened(from: &Snapshot) -> Family {
    let help = "Seconds for which lastbeat has listened: only they count for a silence.";
    Family::counter("listened_seconds_total", help).only(from.listened.as_secs_f64())
}

fn blind(from: &Snapshot) -> Family {
    let mut family = Family::counter(
        "blind_seconds_total",
        "Seconds in which a heartbeat could have passed unseen, by reason.",
    );
    for (reason, time) in &from.blind {
        family.put([("reason", reason.label())], time.as_secs_f64());
    }
    family
}

fn rules(from: &Snapshot) -> Family {
    Family::gauge("rules", "Rules in force, without the stream's own.").only(from.rules as f64)
}

fn suppressed(from: &Snapshot) -> Family {
    let help =
        "Series of instances and heartbeats left out beyond the limit; sums by app stay exact.";
    Family::gauge("series_suppressed", help).only(from.suppressed as f64)
}
