//! The metrics that are read from the core's published copy, built anew for each scrape.

mod downstream;
mod text;

use crate::core::notice::Scope;
use crate::core::rule::MaxGap;
use crate::core::snapshot::{AliveReason, AppRow, BeatRow, Snapshot};
use std::io::{self, Write};
use text::{Family, Text, unix};

/// Writes each family, one after another. Families without a series are left out: the text format has no way to say
/// them. Written out by hand: by way of the client library's own structures 20,000 series take many times as long.
///
/// # Errors
/// Those of `to`.
pub(super) fn write_families(snapshot: &Snapshot, to: &mut dyn Write) -> io::Result<()> {
    let families: [fn(&Snapshot, &mut Text<'_>); 22] = [
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
        lost_ratio,
        max_gap_factor,
        false_alarms,
        rejected,
        listened,
        blind,
        rules,
        suppressed,
        downstream::write,
    ];
    let mut text = Text::new(to);
    for write in families {
        write(snapshot, &mut text);
    }
    text.finish()
}

fn stream_seen(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.gauge(
        "stream_last_seen_timestamp_seconds",
        "Unix time of the last entry of the stream.",
    );
    if let Some(seen) = from.stream_seen {
        family.put([], unix(seen));
    }
}

fn region_seen(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.gauge(
        "region_last_seen_timestamp_seconds",
        "Unix time of the last entry from the region.",
    );
    for (region, seen) in &from.regions {
        family.put([("target_region", region)], unix(*seen));
    }
}

fn log_seen(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.gauge(
        "log_last_seen_timestamp_seconds",
        "Unix time of the last entry from the instance, heartbeat or not.",
    );
    for row in &from.instances {
        let labels = [
            ("target_app", &*row.app),
            ("target_region", &*row.region),
            ("target_instance", row.instance()),
        ];
        family.put(labels, unix(row.seen));
    }
}

fn heartbeat_seen(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.gauge(
        "heartbeat_last_seen_timestamp_seconds",
        "Unix time of the last heartbeat of the instance.",
    );
    for row in &from.beats {
        family.put(beat_labels(row), unix(row.seen));
    }
}

fn heartbeat_due(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.gauge(
        "heartbeat_due_timestamp_seconds",
        "Unix time at which the instance's alert fires without another heartbeat; absent if none is due.",
    );
    for row in &from.beats {
        if let Some(due) = row.due {
            family.put(beat_labels(row), unix(due));
        }
    }
}

fn heartbeat_max_gap(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.gauge(
        "heartbeat_max_gap_seconds",
        "Longest gap allowed for the instance, in seconds: its rule's max_gap, or the value that \"auto\" computed.",
    );
    for row in &from.beats {
        if let Some(max_gap) = row.max_gap {
            family.put(beat_labels(row), max_gap.as_secs_f64());
        }
    }
}

fn beat_labels(row: &BeatRow) -> [(&str, &str); 4] {
    [
        ("target_app", &row.app),
        ("target_region", &row.region),
        ("target_instance", row.instance()),
        ("beat", &row.beat),
    ]
}

fn instances(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.gauge("instances", "Instances, by app, region and verdict.");
    for row in &from.verdicts {
        let labels = [
            ("target_app", &*row.app),
            ("target_region", &*row.region),
            ("verdict", row.verdict.label()),
        ];
        family.put(labels, row.count as f64);
    }
}

fn alerts(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.gauge("alerts", "Alerts, by rule, severity and state.");
    for row in &from.alerts {
        let labels = [
            ("rule", &*row.rule),
            ("severity", row.severity.label()),
            ("state", row.state),
        ];
        family.put(labels, row.count as f64);
    }
}

fn incidents(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.gauge("incidents", "Open incidents, by scope.");
    for scope in Scope::ALL {
        let open = from
            .incidents
            .iter()
            .filter(|(of, _)| *of == scope)
            .map(|(_, count)| count);
        family.put([("scope", scope.label())], open.sum::<u64>() as f64);
    }
}

fn per_app(from: &Snapshot, mut family: Family<'_, '_>, value: fn(&AppRow) -> u64) {
    for app in &from.apps {
        family.put([("target_app", &app.name)], value(app) as f64);
    }
}

fn entries(from: &Snapshot, text: &mut Text<'_>) {
    let family = text.counter("entries_total", "Entries received, by app.");
    per_app(from, family, |app| app.entries);
}

fn entry_bytes(from: &Snapshot, text: &mut Text<'_>) {
    let family = text.counter(
        "entry_bytes_total",
        "Payload bytes of entries received, by app.",
    );
    per_app(from, family, |app| app.bytes);
}

fn heartbeats(from: &Snapshot, text: &mut Text<'_>) {
    let family = text.counter("heartbeats_total", "Heartbeats received, by app.");
    per_app(from, family, |app| app.beats);
}

fn heartbeats_lost(from: &Snapshot, text: &mut Text<'_>) {
    let family = text.counter(
        "heartbeats_lost_total",
        "Heartbeats lost, from gaps in seq=, by app.",
    );
    per_app(from, family, |app| app.lost);
}

fn lost_ratio(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.gauge(
        "lost_beats_ratio",
        "Share of lost heartbeats of the last day, by app, from gaps in seq=; absent if none counts.",
    );
    for app in from.apps.iter().filter(|app| !app.odds.is_assumed()) {
        family.put([("target_app", &app.name)], app.odds.lost);
    }
}

fn max_gap_factor(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.gauge(
        "max_gap_factor",
        "Heartbeats that must be lost before an alert under max_gap = \"auto\", by rule: the most of its targets.",
    );
    for row in &from.thresholds {
        if row.max_gap == MaxGap::Auto {
            family.put([("rule", &row.rule)], f64::from(row.longest.factor));
        }
    }
}

fn false_alarms(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.counter(
        "false_alarms_total",
        "Alerts of targets that turned out to be alive, by rule and reason.",
    );
    for row in &from.false_alarms {
        for (reason, count) in AliveReason::LABELS.into_iter().zip(row.counts) {
            family.put([("rule", &row.rule), ("reason", reason)], count as f64);
        }
    }
}

fn rejected(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.counter(
        "entries_rejected_total",
        "Entries rejected, whole or in part, by reason.",
    );
    for (reason, count) in &from.rejected {
        family.put([("reason", reason)], *count as f64);
    }
}

fn listened(from: &Snapshot, text: &mut Text<'_>) {
    let help = "Listened time, in seconds: only it counts for a silence.";
    let mut family = text.counter("listened_seconds_total", help);
    family.put([], from.listened.as_secs_f64());
}

fn blind(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.counter(
        "blind_seconds_total",
        "Blind time, in which a heartbeat could have passed unseen, in seconds, by reason.",
    );
    for (reason, time) in &from.blind {
        family.put([("reason", reason.label())], time.as_secs_f64());
    }
}

fn rules(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.gauge("rules", "Rules in force, without the stream's own.");
    family.put([], from.rules as f64);
}

fn suppressed(from: &Snapshot, text: &mut Text<'_>) {
    let help =
        "Series of instances and heartbeats omitted beyond the limit; sums by app stay exact.";
    let mut family = text.gauge("series_suppressed", help);
    family.put([], from.suppressed as f64);
}
