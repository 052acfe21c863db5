//! Silences as the API tells them.

use super::api::{SilenceRow, Source};
use crate::core::rule::Globs;
use crate::core::time::Wall;
use crate::format;
use serde_json::{Value, json};

/// One of them; its windows from now on.
pub(super) fn row(row: &SilenceRow) -> Value {
    let SilenceRow {
        silence,
        holds,
        source,
    } = row;
    let globs = |globs: &Globs| globs.0.clone();
    let time = |at: Wall| format::rfc3339_seconds(at);
    let windows = silence.windows.iter();
    let windows =
        windows.map(|(from, until)| json!({ "from": time(*from), "until": time(*until) }));
    let matchers = &silence.matchers;
    let (from_rules, schedule, timezone) = match source {
        Source::Api => (false, None, None),
        Source::Rules { schedule, timezone } => (true, Some(schedule), Some(timezone)),
    };
    json!({
        "id": silence.id,
        "app": globs(&matchers.app),
        "region": globs(&matchers.region),
        "instance": globs(&matchers.instance),
        "host": globs(&matchers.host),
        "rule": globs(&matchers.rule),
        "holds": holds,
        "windows": windows.collect::<Vec<_>>(),
        "reason": silence.reason,
        "author": silence.author,
        "from_rules": from_rules,
        "schedule": schedule,
        "timezone": timezone,
    })
}
