//! All that a notification says of an incident: its sentence, what is known of the cause, who is affected, where to read on.

use super::downstream;
use super::headline::sentence;
use super::text::{TEXT_CHARS, name, sanitize};
use super::times::{duration, exact_duration, rfc3339_seconds, since};
use crate::core::notice::{Alarm, CloseReason, Notice, NoticeKind, Scope};
use std::fmt::Write;

/// Everything that a person needs at three in the morning: target, start, gap and limit, known cause, members, rule, the
/// last beat's text, runbook.
pub fn description(notice: &Notice) -> String {
    let sentence = format!("{}: {}", notice.alarm.name(notice.scope), sentence(notice));
    if notice.alarm == Alarm::Drill {
        return sentence;
    }
    let is_closed = matches!(notice.kind, NoticeKind::Closed(_));
    let mut text = match lead(notice) {
        lead if lead.is_empty() => sentence,
        lead if is_closed || notice.summary.is_some() => format!("{sentence} ({lead})"),
        lead => format!("{sentence}: {lead}"),
    };
    for clause in clauses(notice) {
        text.push_str("; ");
        text.push_str(&clause);
    }
    text
}

/// The description without its sentence, for a message that has the headline as its title; empty for a drill.
pub fn explanation(notice: &Notice) -> String {
    if notice.alarm == Alarm::Drill {
        return String::new();
    }
    let lead = Some(lead(notice)).filter(|lead| !lead.is_empty());
    let all: Vec<String> = lead.into_iter().chain(clauses(notice)).collect();
    all.join("; ")
}

/// The gap and the limit, or what of them the sentence does not say.
fn lead(notice: &Notice) -> String {
    let is_closed = matches!(notice.kind, NoticeKind::Closed(_));
    let limit = format!("limit {}", exact_duration(notice.max_gap));
    let of_room = matches!(notice.alarm, Alarm::Full | Alarm::Blind | Alarm::Archive);
    match (is_closed, &notice.summary) {
        (true, _) if of_room => format!("since {}", since(notice)),
        (true, _) => format!("since {}, {limit}", since(notice)),
        (false, _) if of_room => String::new(),
        (false, None) => format!("{} ({limit})", gap(notice)),
        // A rule's own sentence says by its own words what is wrong: only lengths are added.
        (false, Some(summary)) => {
            let gap = (!summary.contains("{gap}")).then(|| format!("for {}", length(notice)));
            let limit = (!summary.contains("{max_gap}")).then_some(limit);
            gap.into_iter().chain(limit).collect::<Vec<_>>().join(", ")
        }
    }
}

/// The known facts beside the gap, in order.
fn clauses(notice: &Notice) -> Vec<String> {
    let mut all = Vec::new();
    let is_closed = matches!(notice.kind, NoticeKind::Closed(_));
    let of_stream = matches!(notice.alarm, Alarm::Stalled | Alarm::Refused);
    let detail = sanitize(&notice.detail, TEXT_CHARS);
    match notice.kind {
        _ if detail.is_empty() => {}
        NoticeKind::Closed(_) if matches!(notice.alarm, Alarm::Flapping | Alarm::Rate) => {}
        NoticeKind::Closed(CloseReason::Resolved) => all.push(format!("until then: {detail}")),
        NoticeKind::Closed(_) if of_stream => all.push(format!("until then: {detail}")),
        NoticeKind::Closed(_) => {}
        _ => all.push(detail),
    }
    if let Some(missing) = &notice.between.missing {
        let sink = name(&notice.between.sink);
        all.push(downstream::missing(missing, &sink, rfc3339_seconds));
    }
    if notice.affected_total > 1 {
        all.push(affected(notice));
    }
    let between = &notice.between;
    if between.back > 0 {
        all.push(format!("{} heard again", between.back));
    }
    if between.logging > 0 && !is_closed {
        let logging = between.logging;
        all.push(format!(
            "{logging} of them still log: their heartbeats stopped"
        ));
    }
    if between.rules.is_empty() {
        all.push(format!("rule \"{}\"", name(&notice.rule)));
    } else {
        let rules = between.rules.iter();
        let rules = rules.map(|rule| format!("\"{}\"", name(rule)));
        all.push(format!("rules {}", rules.collect::<Vec<_>>().join(", ")));
    }
    if !notice.last_text.is_empty() {
        let last_text = sanitize(&notice.last_text, TEXT_CHARS);
        all.push(format!("last beat: \"{last_text}\""));
    }
    if notice.kind == NoticeKind::Opened && !between.runbooks.is_empty() {
        let runbooks = between.runbooks.iter();
        let runbooks = runbooks.map(|runbook| sanitize(runbook, TEXT_CHARS));
        let runbooks = runbooks.collect::<Vec<_>>().join(", ");
        all.push(format!("runbooks: {runbooks}"));
    } else if let (Some(runbook), NoticeKind::Opened) = (&notice.runbook, notice.kind) {
        all.push(format!("runbook: {}", sanitize(runbook, TEXT_CHARS)));
    }
    all
}

/// The gap in the words of its alarm: `no heartbeat for 7m, 5m of it listened`.
fn gap(notice: &Notice) -> String {
    let length = length(notice);
    match notice.alarm {
        _ if notice.scope == Scope::Downstream => {
            downstream::gap(notice.alarm, &duration(notice.gap))
        }
        Alarm::Lagging => format!("{} behind", duration(notice.gap)),
        Alarm::Heartbeat => format!("no heartbeat for {length}"),
        Alarm::Logs => format!("no logs for {length}"),
        Alarm::Rate => format!("too few entries for {length}"),
        Alarm::Stalled | Alarm::Refused => format!("no entries for {length}"),
        Alarm::Flapping
        | Alarm::Losing
        | Alarm::Unseen
        | Alarm::Blind
        | Alarm::Archive
        | Alarm::Full
        | Alarm::Drill => {
            format!("silent for {length}")
        }
    }
}

/// The gap, and how much of it was listened time where that is less: `7m, 5m of it listened`.
fn length(notice: &Notice) -> String {
    let gap = duration(notice.gap);
    let listened = duration(notice.listened);
    let mut text = gap.clone();
    if listened != gap && notice.alarm != Alarm::Lagging {
        // Writing to a String cannot fail.
        let _ = write!(text, ", {listened} of it listened");
    }
    text
}

/// The members: `8 instances: web/iad/a, web/iad/b, ... and 6 more`.
pub fn affected(notice: &Notice) -> String {
    let named: Vec<String> = notice.affected.iter().map(|one| name(one)).collect();
    let more = notice.affected_total.saturating_sub(named.len() as u64);
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!(
        "{} instances: {}{rest}",
        notice.affected_total,
        named.join(", ")
    )
}
