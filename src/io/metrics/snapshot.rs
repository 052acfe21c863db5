//! The metrics that are read from the core's published copy, built anew for each scrape.

mod downstream;

use crate::core::notice::Scope;
use crate::core::rule::MaxGap;
use crate::core::snapshot::{AliveReason, AppRow, BeatRow, Snapshot};
use crate::core::time::Wall;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Text is handed on in portions of about this many bytes.
const PORTION: usize = 16 * 1024;

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
    let mut text = Text {
        portion: String::with_capacity(2 * PORTION),
        to,
        done: Ok(()),
    };
    for write in families {
        write(snapshot, &mut text);
    }
    text.hand_on();
    text.done
}

/// Text on its way out.
struct Text<'a> {
    portion: String,
    to: &'a mut dyn Write,
    /// Once it fails, nothing more is written.
    done: io::Result<()>,
}

impl<'t> Text<'t> {
    fn hand_on(&mut self) {
        if self.done.is_ok() {
            self.done = self.to.write_all(self.portion.as_bytes());
        }
        self.portion.clear();
    }

    /// Begins a family whose value is of the moment.
    fn gauge(&mut self, name: &'static str, help: &'static str) -> Family<'_, 't> {
        self.family(name, help, "gauge")
    }

    /// Begins a family that only ever grows.
    fn counter(&mut self, name: &'static str, help: &'static str) -> Family<'_, 't> {
        self.family(name, help, "counter")
    }

    fn family(
        &mut self,
        name: &'static str,
        help: &'static str,
        kind: &'static str,
    ) -> Family<'_, 't> {
        Family {
            text: self,
            name,
            help,
            kind,
            begun: false,
        }
    }
}

/// A family in the making.
struct Family<'a, 't> {
    text: &'a mut Text<'t>,
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    /// True once its HELP and TYPE lines are written.
    begun: bool,
}

impl Family<'_, '_> {
    /// Adds a series.
    fn put<const N: usize>(&mut self, labels: [(&str, &str); N], value: f64) {
        let (name, out) = (self.name, &mut self.text.portion);
        if !self.begun {
            self.begun = true;
            // A String takes every write.
            let _ = write!(
                out,
                "# HELP lastbeat_{name} {}\n# TYPE lastbeat_{name} {}\n",
                self.help, self.kind
            );
        }
        out.push_str("lastbeat_");
        out.push_str(name);
        for (at, (label, value)) in labels.into_iter().enumerate() {
            out.push(if at == 0 { '{' } else { ',' });
            out.push_str(label);
            out.push_str("=\"");
            escape(value, out);
            out.push('"');
        }
        out.push_str(if N == 0 { " " } else { "} " });
        number(value, out);
        out.push('\n');
        if out.len() >= PORTION {
            self.text.hand_on();
        }
    }
}

/// Writes a label's value, escaped for the text format.
fn escape(value: &str, out: &mut String) {
    let odd = |byte| matches!(byte, b'\\' | b'"' | b'\n');
    let mut rest = value;
    // Names are too short for a search by vectors to pay.
    while let Some(at) = rest.bytes().position(odd) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'\\' => "\\\\",
            b'"' => "\\\"",
            _ => "\\n",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// A value in as few digits as tell it from every other, never with an exponent.
fn number(value: f64, out: &mut String) {
    if value == 0.0 || (1e-3..1e15).contains(&value) {
        let mut digits = zmij::Buffer::new();
        let text = digits.format_finite(value);
        out.push_str(text.strip_suffix(".0").unwrap_or(text));
    } else {
        // The quicker way writes the smallest and the largest with an exponent. A String takes every write.
        let _ = write!(out, "{value}");
    }
}

/// Unix seconds, cut to the millisecond: what is left of a float's digits beyond it is noise.
fn unix(at: Wall) -> f64 {
    (at.nanos() / 1_000_000) as f64 / 1e3
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    fn written(value: f64) -> String {
        let mut text = String::new();
        number(value, &mut text);
        text
    }

    fn escaped(value: &str) -> String {
        let mut text = String::new();
        escape(value, &mut text);
        text
    }

    /// The digits of a number, without its sign, its point and the zeros at its ends.
    fn digits(number: &str) -> u64 {
        let digits = number.replace(['-', '.'], "");
        digits.trim_matches('0').parse().unwrap_or(0)
    }

    #[test]
    fn numbers_have_the_fewest_digits_and_no_exponent() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (7.0, "7"),
            (-7.5, "-7.5"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (90.5, "90.5"),
            (1_700_000_000.123, "1700000000.123"),
            (1_700_000_000.12, "1700000000.12"),
            (1e-7, "0.0000001"),
            (999_999_999_999_999.9, "999999999999999.9"),
            (1e15, "1000000000000000"),
            (1e16, "10000000000000000"),
            (1e21, "1000000000000000000000"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(written(value), text);
        }
    }

    proptest! {
        #[test]
        fn any_number_is_written_as_short_as_the_standard_library_does_and_reads_back(bits: u64, count: u64, nanos in 0..u64::MAX / 2) {
            for value in [
                f64::from_bits(bits),
                count as f64,
                unix(Wall::from_nanos(nanos)),
                std::time::Duration::from_nanos(nanos).as_secs_f64(),
            ] {
                let (text, plain) = (written(value), value.to_string());
                // Where two of that length are as near, neighbours in their last digit, either is right.
                prop_assert!(text == plain || text.parse() == Ok(value), "{} {}", text, plain);
                prop_assert!(digits(&text).abs_diff(digits(&plain)) <= 1, "{} {}", text, plain);
                prop_assert_eq!(text.len(), plain.len(), "{} {}", text, plain);
            }
        }

        #[test]
        fn any_label_is_escaped_char_by_char(value in r#"([\\"\n]|[a-zA-Z0-9é\t.]|\PC){0,40}"#, odd in any::<String>()) {
            for value in [value, odd] {
                let plainly = value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
                prop_assert_eq!(escaped(&value), plainly);
            }
        }
    }
}
