//! Incidents of downstreams in words.

use super::{counted, duration, exact_duration, name, rfc3339_seconds, since, time_of_day};
use crate::core::notice::{Alarm, Missing, Notice};
use crate::core::time::Wall;
use std::time::Duration;

/// Added to both ends of a missing range: archives are cut by the second, and the sink's clock is another.
const MARGIN: Duration = Duration::from_secs(1);

/// The title of an open incident without the alert's name.
pub(super) fn headline(notice: &Notice) -> String {
    let (name, since) = (name(&notice.rule), since(notice));
    match notice.alarm {
        Alarm::Stalled => format!("{name} receives no logs since {since}"),
        Alarm::Losing => format!("{name} loses logs since {since}"),
        Alarm::Lagging => {
            let limit = exact_duration(notice.max_gap);
            format!("{name} receives logs more than {limit} late since {since}")
        }
        Alarm::Unseen => format!("{name} cannot be queried since {since}"),
        _ => format!("{name} is flapping"),
    }
}

/// The end of an incident, after the downstream's name.
pub(super) fn ending(notice: &Notice) -> String {
    let length = duration(notice.gap);
    let at = time_of_day(notice.decided, notice.decided);
    let what = match notice.alarm {
        Alarm::Losing => "receives all logs again",
        Alarm::Lagging => "receives logs in time again",
        Alarm::Unseen => "can be queried again",
        Alarm::Flapping => return format!("steady again at {at}"),
        _ => "receives logs again",
    };
    format!("{what} at {at}, after {length}")
}

/// The measured problem of an open incident, for its description.
pub(super) fn gap(notice: &Notice) -> String {
    let gap = duration(notice.gap);
    match notice.alarm {
        Alarm::Lagging => format!("{gap} late"),
        Alarm::Stalled => format!("no logs for {gap}"),
        _ => format!("for {gap}"),
    }
}

/// The range that the sink lacks.
pub fn missing(missing: &Missing) -> String {
    let canaries = counted(missing.marks, "canary").replace("canarys", "canaries");
    let (from, until) = bounds(missing);
    format!(
        "{canaries} missing: the sink lacks entries between {} and {}",
        rfc3339_seconds(from),
        rfc3339_seconds(until)
    )
}

/// Start and end of the range, with a margin.
fn bounds(missing: &Missing) -> (Wall, Wall) {
    (missing.from - MARGIN, missing.until + MARGIN)
}
