//! The notifications of two rule sets, or of a rule set and a state file, side by side.
//! The notifications of two rule sets, side by side.

use super::player::Played;
use crate::commands::test::wording;
use crate::core::notice::{Alarm, CloseReason, Notice, NoticeKind};
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
    /// The rules send it, and it was sent before.
    Same,
    /// The rules send it, and it was not sent before.
    New,
    /// It was sent before, and the rules do not send it.
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
    /// The time by which it was earlier before, in seconds; negative: later.
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

/// A notification that was really sent.
#[derive(Debug)]
pub(super) struct Sent {
    /// Wall clock: its decision.
    pub at: Wall,
    /// Its incident's last notice, in the kind of this one.
    pub notice: Notice,
}

/// The notifications that those of the rules are compared with.
pub(super) enum Other<'p> {
    /// Those of other rules.
    Rules(&'p Played),
    /// Those of a state file.
    Incidents(&'p [Sent]),
}

/// Openings and closings; updates and reminders follow from them.
fn of_interest(notice: &Notice) -> bool {
    matches!(notice.kind, NoticeKind::Opened | NoticeKind::Closed(_))
}

/// A notification that waits for its twin.
struct Candidate<'p> {
    at: Wall,
    notice: &'p Notice,
    is_taken: bool,
}

/// The notifications of `new`, compared with others, in the order of their times.
pub(super) fn rows<'p>(new: &'p Played, other: Option<&Other<'p>>) -> Vec<Row<'p>> {
    let mut before: BTreeMap<String, Vec<Candidate<'p>>> = BTreeMap::new();
    let mut add = |at: Wall, notice: &'p Notice| {
        before
            .entry(key(notice, notice.kind))
            .or_default()
            .push(Candidate {
                at,
                notice,
                is_taken: false,
            });
    };
    match other {
        None => {}
        Some(Other::Rules(old)) => {
            let all = old.notices.iter();
            all.filter(|(_, notice)| of_interest(notice))
                .for_each(|(at, notice)| add(old.start + *at, notice));
        }
        Some(Other::Incidents(sent)) => sent.iter().for_each(|one| add(one.at, &one.notice)),
    }
    // A state file has of each incident how far it reached in the end.
    let is_final = matches!(other, Some(Other::Incidents(_)));
    let last: BTreeMap<u64, &Notice> = new
        .notices
        .iter()
        .map(|(_, notice)| (notice.incident.0, notice))
        .collect();
    let mut rows = Vec::new();
    for (at, notice) in new.notices.iter().filter(|(_, notice)| of_interest(notice)) {
        let (at, named) = match last.get(&notice.incident.0) {
            Some(last) if is_final => (notice.decided, *last),
            _ => (new.start + *at, notice),
        };
        let apart = |then: Wall| at.since(then).max(then.since(at));
        let twins = before
            .get_mut(&key(named, notice.kind))
            .into_iter()
            .flatten();
        let twin = twins
            .filter(|twin| !twin.is_taken && apart(twin.at) <= APART)
            .min_by_key(|twin| apart(twin.at));
        let (change, later) = match (other, twin) {
            (None, _) => (Change::Alone, 0.0),
            (Some(_), None) => (Change::New, 0.0),
            (Some(_), Some(twin)) => {
                twin.is_taken = true;
                (Change::Same, at.seconds() - twin.at.seconds())
            }
        };
        rows.push(Row {
            change,
            at,
            notice,
            later,
        });
    }
    let left = before.into_values().flatten().filter(|one| !one.is_taken);
    rows.extend(left.map(|one| Row {
        change: Change::Gone,
        at: one.at,
        notice: one.notice,
        later: 0.0,
    }));
    rows.sort_by_key(|row| row.at);
    rows
}

/// The same for notifications of one thing, whatever rule sends them.
fn key(notice: &Notice, kind: NoticeKind) -> String {
    let target = wording::target(&notice.who, Some(notice.scope));
    format!(
        "{} {target} {}",
        notice.alarm.name(notice.scope),
        kind.label()
    )
}

/// The numbers of one rule.
#[derive(Debug, Default, PartialEq)]
pub(super) struct RuleSummary {
    pub rule: String,
    pub incidents: u64,
    /// Incidents that ended because the target was heard again.
    pub resolved: u64,
    /// Incidents of heartbeats that were sent and lost, by their `seq=`.
    pub false_alarms: u64,
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
            NoticeKind::Closed(CloseReason::Resolved) => {
                summary.resolved += 1;
                let end = played.start + *at;
                summary.false_alarms += u64::from(played.proofs.is_false_alarm(notice, end));
            }
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
