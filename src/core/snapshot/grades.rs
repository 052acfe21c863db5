//! The grade of each rule, by the incidents that are remembered, in the words of Chen, Toueg and Aguilera: the time in which
//! a death was detected, how often that was a mistake, for how long, and for which share of the time the answer was right.

use crate::core::time::Wall;
use std::collections::BTreeMap;
use std::time::Duration;

/// One incident of a rule, as it is graded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graded {
    /// The rule's name.
    pub rule: String,
    /// Wall clock: the last sign of life before it.
    pub last_beat: Wall,
    /// Wall clock: the deadline.
    pub deadline: Wall,
    /// Wall clock: when it was notified.
    pub notified: Wall,
    /// Wall clock: when it was over; `None` while it is open.
    pub closed: Option<Wall>,
    /// True if it is known that the target lived.
    pub is_mistake: bool,
}

/// The grade of one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Grade {
    /// The rule's name.
    pub rule: String,
    /// Incidents that opened in the time.
    pub incidents: u64,
    /// Those that are known to be mistakes.
    pub mistakes: u64,
    /// From the last beat to the notification, of incidents that are no known mistakes; `None` without any.
    pub from_last_beat: Option<Spread>,
    /// From the deadline to the notification, of all of them.
    pub from_deadline: Option<Spread>,
    /// Mistakes in a day.
    pub mistakes_a_day: f64,
    /// Average length of a mistake; `None` without any that is over.
    pub mistake_duration: Option<Duration>,
    /// The share of the time in which no mistake was open, from 0 to 1.
    pub query_accuracy: f64,
}

/// The middle, the 99th percentile and the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Half are at most this.
    pub p50: Duration,
    /// 99 of a hundred are at most this.
    pub p99: Duration,
    /// All are at most this.
    pub worst: Duration,
}

impl Spread {
    fn of(mut all: Vec<Duration>) -> Option<Spread> {
        all.sort_unstable();
        let worst = *all.last()?;
        let percentile = |percent: usize| all[(all.len() * percent).div_ceil(100).max(1) - 1];
        Some(Spread {
            p50: percentile(50),
            p99: percentile(99),
            worst,
        })
    }
}

/// The grade of each rule that has an incident, by name; `from` and `until` limit the time.
pub fn grades(incidents: &[Graded], from: Wall, until: Wall) -> Vec<Grade> {
    let mut rules: BTreeMap<&str, Vec<&Graded>> = BTreeMap::new();
    for one in incidents {
        rules.entry(&one.rule).or_default().push(one);
    }
    let whole = until.since(from).as_secs_f64().max(1.0);
    let grade = |(rule, all): (&str, Vec<&Graded>)| {
        let mistakes: Vec<&&Graded> = all.iter().filter(|one| one.is_mistake).collect();
        let deaths = all.iter().filter(|one| !one.is_mistake);
        let from_last_beat = deaths.map(|one| one.notified.since(one.last_beat));
        let from_deadline = all.iter().map(|one| one.notified.since(one.deadline));
        let length = |one: &&&Graded| Some(one.closed?.since(one.notified));
        let lengths: Vec<Duration> = mistakes.iter().filter_map(length).collect();
        let wrong: Duration = lengths.iter().sum();
        let count = u32::try_from(lengths.len()).unwrap_or(u32::MAX);
        Grade {
            rule: rule.to_owned(),
            incidents: all.len() as u64,
            mistakes: mistakes.len() as u64,
            from_last_beat: Spread::of(from_last_beat.collect()),
            from_deadline: Spread::of(from_deadline.collect()),
            mistakes_a_day: mistakes.len() as f64 * 86_400.0 / whole,
            mistake_duration: (count > 0).then(|| wrong / count),
            query_accuracy: (1.0 - wrong.as_secs_f64() / whole).clamp(0.0, 1.0),
        }
    };
    rules.into_iter().map(grade).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Wall {
        Wall::from_nanos(second * 1_000_000_000)
    }

    fn graded(rule: &str, last_beat: u64, notified: u64, closed: u64, is_mistake: bool) -> Graded {
        Graded {
            rule: rule.to_owned(),
            last_beat: at(last_beat),
            deadline: at(notified - 1),
            notified: at(notified),
            closed: (closed > 0).then(|| at(closed)),
            is_mistake,
        }
    }

    #[test]
    fn each_rule_is_graded_by_its_own_incidents() {
        let seconds = Duration::from_secs;
        let day = 86_400;
        let incidents = [
            graded("web", 100, 191, 900, false),
            graded("web", 1_000, 1_121, 1_500, false),
            graded("web", 2_000, 2_091, 2_191, true),
            graded("web", 3_000, 3_091, 3_391, true),
            graded("job", 4_000, 4_500, 0, false),
        ];
        let all = grades(&incidents, at(0), at(4 * day));
        let [job, web] = &all[..] else {
            panic!("{all:?}");
        };
        assert_eq!((job.incidents, job.mistakes), (1, 0));
        assert_eq!(job.query_accuracy, 1.0);
        assert_eq!(job.mistake_duration, None);
        assert_eq!((web.incidents, web.mistakes), (4, 2));
        let spread = Spread {
            p50: seconds(91),
            p99: seconds(121),
            worst: seconds(121),
        };
        assert_eq!(web.from_last_beat, Some(spread));
        assert_eq!(web.from_deadline.expect("some").worst, seconds(1));
        assert_eq!(web.mistakes_a_day, 0.5);
        assert_eq!(web.mistake_duration, Some(seconds(200)));
        assert!((web.query_accuracy - (1.0 - 400.0 / (4.0 * 86_400.0))).abs() < 1e-12);
        assert_eq!(grades(&[], at(0), at(1)), []);
    }

    #[test]
    fn percentiles_are_of_what_was_seen() {
        let all: Vec<Duration> = (1..=200).map(Duration::from_secs).collect();
        let spread = Spread::of(all).expect("some");
        let seconds = [spread.p50, spread.p99, spread.worst].map(|one| one.as_secs());
        assert_eq!(seconds, [100, 198, 200]);
    }
}
