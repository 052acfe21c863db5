//! The notifications of two rule sets, side by side.

use super::player::Played;
use crate::commands::test::wording;
use crate::core::notice::{Alarm, Notice, NoticeKind};
use crate::core::time::Wall;
use crate::format;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Two notifications of one thing that are further apart are two.
const APART: Duration = Duration::from_secs(900);

/// A notification, compared with those of the other rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// There is nothing to compare it with.
    Alone,
    /// Both rule sets send it.
    Same,
    /// Only the new rules send it.
    New,
    /// Only the old rules send it.
    Gone,
}

impl Change {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Change::Alone => "told",
            Change::Same => "same",
            Change::New => "new",
            Change::Gone => "gone",
        }
    }
}

/// One notification.
pub(super) struct Row<'p> {
    pub change: Change,
    /// Wall clock.
    pub at: Wall,
    pub notice: &'p Notice,
    /// The time by which the old rules are earlier, in seconds; negative: later.
    pub later: f64,
}

impl Row<'_> {
    /// The notification in one line.
    pub fn line(&self) -> String {
        let shift = match self.later {
            later if later.abs() < 1.0 => String::new(),
            later => format!(" ({later:+.0} s)"),
        };
        format!(
            "{:<5} {} {}{shift}",
            self.change.label(),
            format::rfc3339(self.at),
            wording::line(self.notice)
        )
    }

    pub fn json(&self) -> Value {
        json!({
            "change": self.change.label(),
            "at": format::rfc3339(self.at),
            "kind": self.notice.kind.label(),
            "alarm": self.notice.alarm.name(self.notice.scope),
            "target": wording::target(&self.notice.who, Some(self.notice.scope)),
            "rule": self.notice.rule,
            "severity": self.notice.severity.label(),
            "title": format::title(self.notice),
            "later_seconds": self.later,
        })
    }
}

/// Openings and closings; updates and reminders follow from them.
fn of_interest(notice: &Notice) -> bool {
    matches!(notice.kind, NoticeKind::Opened | NoticeKind::Closed(_))
}

/// The notifications of `new`, compared with those of `old`, in the order of their times.
pub(super) fn rows<'p>(new: &'p Played, old: Option<&'p Played>) -> Vec<Row<'p>> {
    let mut before: BTreeMap<String, Vec<(Wall, &Notice, bool)>> = BTreeMap::new();
    for (at, notice) in old.iter().flat_map(|old| &old.notices) {
        if of_interest(notice) {
            let start = old.map_or(new.start, |old| old.start);
            before
                .entry(key(notice))
                .or_default()
                .push((start + *at, notice, false));
        }
    }
    let mut rows = Vec::new();
    for (at, notice) in new.notices.iter().filter(|(_, notice)| of_interest(notice)) {
        let at = new.start + *at;
        let twins = before.get_mut(&key(notice)).into_iter().flatten();
        let apart = |then: Wall| at.since(then).max(then.since(at));
        let twin = twins
            .filter(|(then, _, taken)| !taken && apart(*then) <= APART)
            .min_by_key(|(then, ..)| apart(*then));
        let (change, later) = match (old, twin) {
            (None, _) => (Change::Alone, 0.0),
            (Some(_), None) => (Change::New, 0.0),
            (Some(_), Some(twin)) => {
                twin.2 = true;
                (Change::Same, at.seconds() - twin.0.seconds())
            }
        };
        rows.push(Row {
            change,
            at,
            notice,
            later,
        });
    }
    let left = before.into_values().flatten().filter(|(.., taken)| !taken);
    rows.extend(left.map(|(at, notice, _)| Row {
        change: Change::Gone,
        at,
        notice,
        later: 0.0,
    }));
    rows.sort_by_key(|row| row.at);
    rows
}

/// The same for notifications of one thing, whatever rule sends them.
fn key(notice: &Notice) -> String {
    let target = wording::target(&notice.who, Some(notice.scope));
    format!(
        "{} {target} {}",
        notice.alarm.name(notice.scope),
        notice.kind.label()
    )
}

/// The numbers of one rule.
#[derive(Debug, Default, PartialEq)]
pub(super) struct RuleSummary {
    pub rule: String,
    pub incidents: u64,
    /// Incidents that ended because the target was heard again.
    pub resolved: u64,
    /// Time from the last sign of life to the notification: half of them took less.
    pub detection: Option<Duration>,
}

/// The numbers of each rule, by name.
pub(super) fn summaries(played: &Played) -> Vec<RuleSummary> {
    let mut rules: BTreeMap<&str, (RuleSummary, Vec<Duration>)> = BTreeMap::new();
    for (at, notice) in &played.notices {
        let (summary, times) = rules.entry(&notice.rule).or_default();
        match notice.kind {
            NoticeKind::Opened => {
                summary.incidents += 1;
                if matches!(notice.alarm, Alarm::Heartbeat | Alarm::Logs) {
                    times.push((played.start + *at).since(notice.since));
                }
            }
            NoticeKind::Closed(reason) if reason.label() == "resolved" => summary.resolved += 1,
            _ => {}
        }
    }
    let summary = |(rule, (mut summary, mut times)): (&str, (RuleSummary, Vec<Duration>))| {
        times.sort_unstable();
        rule.clone_into(&mut summary.rule);
        summary.detection = times.get(times.len() / 2).copied();
        summary
    };
    rules.into_iter().map(summary).collect()
}
