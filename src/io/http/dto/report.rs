//! The grades of rules.

use super::{Seconds, Timestamp};
use crate::core::persist::PastIncident;
use crate::core::snapshot::AliveReason;
use crate::core::snapshot::grades::{Grade, Graded, Spread, grades};
use crate::core::time::Wall;
use serde::Serialize;
use utoipa::ToSchema;

/// The grade of each rule, by the incidents that are remembered.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Report {
    /// The start of the time.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// Incidents that were looked at; the oldest are left out beyond 10,000.
    pub incidents: u64,
    /// The rules with an incident, by name.
    pub rules: Vec<RuleGrade>,
}

/// The grade of one rule.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RuleGrade {
    /// The rule.
    pub rule: String,
    /// Incidents that opened in the time.
    pub incidents: u64,
    /// Those whose targets are known to have been alive.
    pub false_alarms: u64,
    /// From the last sign of life to the notification, of the others; null without any.
    pub detection: Option<DetectionTime>,
    /// From the deadline to the notification, of all; null without any.
    pub delay: Option<DetectionTime>,
    /// Mistake rate: false alarms in a day.
    pub false_alarms_per_day: f64,
    /// Mistake duration: the average length of a false alarm; null without any that is over.
    pub false_alarm_seconds: Option<Seconds>,
    /// Query accuracy: the share of the time in which no false alarm was open.
    #[schema(minimum = 0, maximum = 1)]
    pub query_accuracy: f64,
}

/// The spread of a time.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DetectionTime {
    /// The middle.
    pub p50_seconds: Seconds,
    /// The 99th percentile.
    pub p99_seconds: Seconds,
    /// The longest.
    pub worst_seconds: Seconds,
}

impl Report {
    /// The report of incidents that opened in this time.
    pub fn new(past: &[PastIncident], from: Wall, until: Wall) -> Self {
        let graded: Vec<Graded> = past.iter().filter_map(graded).collect();
        Report {
            from: from.into(),
            until: until.into(),
            incidents: graded.len() as u64,
            rules: grades(&graded, from, until)
                .into_iter()
                .map(RuleGrade::from)
                .collect(),
        }
    }
}

/// `None` where it is about no silence of a target.
fn graded(past: &PastIncident) -> Option<Graded> {
    let incident = &past.incident;
    let notice = &incident.notice;
    notice.alarm.is_silence().then(|| Graded {
        rule: notice.rule.clone(),
        last_beat: notice.since,
        deadline: notice.due,
        notified: incident.opened_at,
        closed: incident.closed.map(|(at, _)| at),
        is_mistake: AliveReason::is_told_in(&notice.detail),
    })
}

impl From<Grade> for RuleGrade {
    fn from(grade: Grade) -> Self {
        RuleGrade {
            rule: grade.rule,
            incidents: grade.incidents,
            false_alarms: grade.mistakes,
            detection: grade.from_last_beat.map(DetectionTime::from),
            delay: grade.from_deadline.map(DetectionTime::from),
            false_alarms_per_day: grade.mistakes_a_day,
            false_alarm_seconds: grade.mistake_duration.map(Seconds::from),
            query_accuracy: grade.query_accuracy,
        }
    }
}

impl From<Spread> for DetectionTime {
    fn from(spread: Spread) -> Self {
        DetectionTime {
            p50_seconds: spread.p50.into(),
            p99_seconds: spread.p99.into(),
            worst_seconds: spread.worst.into(),
        }
    }
}
