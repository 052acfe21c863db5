//! The metrics of downstreams.

use super::text::{Text, unix};
use crate::core::downstream::watch::DownstreamState;
use crate::core::snapshot::Snapshot;

/// Writes all of them.
pub(super) fn write(from: &Snapshot, text: &mut Text<'_>) {
    for family in [state, delay, max_delay, found_at, found, lost] {
        family(from, text);
    }
}

fn state(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.gauge(
        "downstream_state",
        "State of a downstream: 1 for the current state, 0 for the others.",
    );
    for row in &from.downstreams {
        for state in DownstreamState::ALL {
            let labels = [("downstream", &*row.name), ("state", state.label())];
            family.put(labels, f64::from(u8::from(row.state == state)));
        }
    }
}

fn delay(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.gauge(
        "downstream_delay_seconds",
        "Time from an entry's arrival here to its arrival in the sink, in seconds, at most an interval of the queries too long.",
    );
    for row in &from.downstreams {
        if let Some(delay) = row.delay {
            family.put([("downstream", &*row.name)], delay.as_secs_f64());
        }
    }
}

fn max_delay(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.gauge(
        "downstream_max_delay_seconds",
        "Longest delay allowed for a downstream, in seconds.",
    );
    for row in &from.downstreams {
        family.put([("downstream", &*row.name)], row.max_delay.as_secs_f64());
    }
}

fn found_at(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.gauge(
        "downstream_found_timestamp_seconds",
        "Unix time of the newest entry that was found in the sink.",
    );
    for row in &from.downstreams {
        if let Some(found) = row.found {
            family.put([("downstream", &*row.name)], unix(found));
        }
    }
}

fn found(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.counter(
        "downstream_found_total",
        "Canaries of lastbeat that were found in the sink.",
    );
    for row in &from.downstreams {
        family.put([("downstream", &*row.name)], row.found_total as f64);
    }
}

fn lost(from: &Snapshot, text: &mut Text<'_>) {
    let mut family = text.counter(
        "downstream_lost_total",
        "Canaries of lastbeat that the sink lacks though later ones arrived.",
    );
    for row in &from.downstreams {
        family.put([("downstream", &*row.name)], row.lost_total as f64);
    }
}
