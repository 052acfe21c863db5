//! Sentences of incidents of downstreams, of values that are words already.

use crate::core::notice::{Alarm, Evidence, Missing};
use crate::core::time::Wall;

/// The title of an open incident without the alert's name. `limit`: the longest allowed delay.
pub(super) fn headline(alarm: Alarm, name: &str, since: &str, limit: &str) -> String {
    match alarm {
        Alarm::Stalled => format!("{name} receives no logs since {since}"),
        Alarm::Losing => format!("{name} loses logs since {since}"),
        Alarm::Lagging => format!("{name} receives logs more than {limit} late since {since}"),
        Alarm::Unseen => format!("{name} cannot be queried since {since}"),
        _ => format!("{name} is flapping"),
    }
}

/// The end of an incident, after the downstream's name.
pub(super) fn ending(alarm: Alarm, at: &str, length: &str) -> String {
    let what = match alarm {
        Alarm::Losing => "receives all logs again",
        Alarm::Lagging => "receives logs in time again",
        Alarm::Unseen => "can be queried again",
        Alarm::Flapping => return format!("steady again at {at}"),
        _ => "receives logs again",
    };
    format!("{what} at {at}, after {length}")
}

/// The measured problem of an open incident, for its description.
pub(super) fn gap(alarm: Alarm, gap: &str) -> String {
    match alarm {
        Alarm::Lagging => format!("{gap} late"),
        Alarm::Stalled => format!("no logs for {gap}"),
        _ => format!("for {gap}"),
    }
}

/// The range that the sink lacks, with the number of canaries that show it; `sink`: its name in the rules, empty where it is not known;
/// `shown` gives a time as text.
pub(super) fn missing(missing: &Missing, sink: &str, shown: fn(Wall) -> String) -> String {
    let sink = if sink.is_empty() { "NAME" } else { sink };
    let (from, until) = missing.range();
    let (from, until) = (shown(from), shown(until));
    let canaries = match missing.marks {
        0 => String::new(),
        1 => "1 canary is missing: ".to_owned(),
        count => format!("{count} canaries are missing: "),
    };
    let refill = format!("refill it: lastbeat refill --from {from} --until {until} --sink {sink}");
    match missing.evidence {
        Evidence::Canaries => {
            format!("{canaries}the sink lacks entries between {from} and {until}; {refill}")
        }
        Evidence::Restart => format!(
            "the sink may lack entries between {from} and {until}: lastbeat was restarted meanwhile, and does not know \
             what arrived; {refill}"
        ),
        Evidence::Deleted => format!(
            "the archive has no entries between {from} and {until} any more, and the sink does not get them; keep \
             more: raise max_size or lower min_free in [archive]"
        ),
    }
}
