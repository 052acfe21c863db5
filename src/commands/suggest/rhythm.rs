//! Intervals of heartbeats in a recorded stream, by app and beat.

use crate::core::listening::pauses::Pauses;
use crate::core::rule::FalseAlarms;
use crate::core::targets::budget::{MOST_FACTOR, Terms};
use crate::core::time::{Mono, Wall};
use crate::core::tracker::loss::Odds;
use crate::decode::archive_line::Mark;
use crate::decode::beat::{self, Found, Markers};
use crate::decode::subject;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Fewer intervals say too little.
pub(super) const ENOUGH: u64 = 100;
/// Steps of the histogram: two lengths in one step differ by a hundredth.
const STEP: f64 = 1.01;
/// The intervals of one app's beats of one name.
#[derive(Debug, Default)]
pub(super) struct Rhythm {
    /// Instances that beat.
    pub instances: u32,
    /// Intervals that were listened to from end to end.
    pub intervals: u64,
    /// The interval that the last beat declared.
    pub every: Option<Duration>,
    /// The longest interval.
    pub longest: Duration,
    /// Beats that were lost, by holes in `seq=`.
    pub lost: u64,
    /// Beats that were sent, by `seq=`; 0: nobody counts.
    pub counted: u64,
    after_lost: u64,
    longest_hole: u64,
    steps: BTreeMap<i32, u64>,
}

/// The threshold that a rhythm asks for.
#[derive(Debug, PartialEq)]
pub(super) struct Threshold {
    /// The longest silence that is allowed.
    pub max_gap: Duration,
    /// The interval that it is made from.
    pub interval: Duration,
    /// Lost beats in a row that are an alert.
    pub factor: u32,
    /// False alarms of all instances in 30 days, from lost beats alone.
    pub false_alarms: f64,
}

impl Rhythm {
    fn interval(&mut self, length: Duration) {
        self.intervals += 1;
        self.longest = self.longest.max(length);
        let step = length.as_secs_f64().max(0.001).log(STEP).round();
        *self.steps.entry(step as i32).or_default() += 1;
    }

    /// A quantile of the intervals, to a hundredth of its length.
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = (self.intervals as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (step, count) in &self.steps {
            seen += count;
            if seen >= rank {
                let length = Duration::from_secs_f64(STEP.powi(*step).clamp(0.0, 1e9));
                return length.min(self.longest);
            }
        }
        self.longest
    }

    /// The threshold within the budget; `None`: too few intervals are known.
    pub fn threshold(&self, budget: FalseAlarms) -> Option<Threshold> {
        if self.intervals < ENOUGH {
            return None;
        }
        let usual = whole(self.quantile(0.5));
        let late = self.quantile(0.99);
        let interval = self.every.unwrap_or(usual).max(Duration::from_millis(100));
        let terms = Terms {
            targets: self.instances,
            every: interval,
            odds: Odds::of(
                self.counted,
                self.lost,
                self.after_lost,
                u32::try_from(self.longest_hole).unwrap_or(u32::MAX),
            ),
            budget,
        };
        let factor = terms.factor(1.0);
        let second = Duration::from_secs(1);
        let slack = late
            .saturating_sub(interval)
            .max(second)
            .min(interval.max(second * 2) / 2);
        // A rhythm that is no clock's: what is usual once in a hundred times must not alert.
        let max_gap = (interval * factor + slack).max(late.mul_f64(1.5));
        Some(Threshold {
            max_gap: whole(max_gap),
            interval,
            factor,
            false_alarms: terms.expected(factor),
        })
    }
}

/// Rounded up to a whole second from ten on, to a tenth below.
fn whole(length: Duration) -> Duration {
    let unit = if length >= Duration::from_secs(10) {
        1_000
    } else {
        100
    };
    let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(millis.div_ceil(unit) * unit)
}

/// The last beat of one instance.
struct Last {
    at: Wall,
    /// The stretch of listening in which it came.
    stretch: u64,
    seq: Option<u64>,
}

/// Collects rhythms, line by line.
pub(super) struct Rhythms {
    markers: Markers,
    /// Counts up where a beat could have passed unseen.
    stretch: u64,
    /// The usual pauses of the stream: an unusual one is no evidence, as for the core.
    pauses: Pauses,
    /// Wall clock: the last entry of any kind.
    heard: Option<Wall>,
    last: HashMap<(String, String), Last>,
    /// By app and the beat's name.
    pub all: BTreeMap<(String, String), Rhythm>,
}

impl Rhythms {
    /// Of beats with these markers.
    pub fn new(markers: &[String]) -> Self {
        Rhythms {
            markers: Markers::new(markers),
            stretch: 0,
            pauses: Pauses::default(),
            heard: None,
            last: HashMap::new(),
            all: BTreeMap::new(),
        }
    }

    /// Takes an entry.
    pub fn entry(&mut self, at: Wall, subject: &str, payload: &[u8]) {
        let arrived = |at: Wall| Mono::from_nanos(at.nanos());
        let before = self.heard.replace(at);
        if before.is_some_and(|before| {
            self.pauses
                .observe(arrived(before), arrived(at), None, true)
        }) {
            self.stretch += 1;
        }
        if !self.markers.in_bytes(payload) {
            return;
        }
        let Ok(names) = subject::read(subject) else {
            return;
        };
        let (last, all, stretch) = (&mut self.last, &mut self.all, self.stretch);
        beat::read(payload, subject, &self.markers, |found| {
            let Found::Beat(line) = found else { return };
            let key = (subject.to_owned(), line.name.to_owned());
            if line.bye {
                last.remove(&key);
                return;
            }
            let rhythm = all
                .entry((names.app.to_owned(), key.1.clone()))
                .or_default();
            rhythm.every = line.every.or(rhythm.every);
            let now = Last {
                at,
                stretch,
                seq: line.seq,
            };
            let Some(before) = last.insert(key, now) else {
                rhythm.instances += 1;
                return;
            };
            let hole = match (before.seq, line.seq) {
                (Some(before), Some(now)) if now > before => now - before - 1,
                // It started anew: a failure, and no rhythm.
                (Some(_), Some(_)) => return,
                _ => 0,
            };
            if before.stretch != stretch || hole > u64::from(MOST_FACTOR) {
                return;
            }
            if before.seq.is_some() && line.seq.is_some() {
                rhythm.counted += hole + 1;
                rhythm.lost += hole;
                rhythm.after_lost += hole.saturating_sub(1);
                rhythm.longest_hole = rhythm.longest_hole.max(hole);
            }
            // With a hole it is not the sender's interval.
            if hole == 0 {
                rhythm.interval(at.since(before.at));
            }
        });
    }

    /// Takes a line of lastbeat itself.
    pub fn mark(&mut self, mark: &Mark<'_>) {
        if !matches!(
            mark,
            Mark::Stop | Mark::Rules | Mark::Notified(..) | Mark::Machine(..)
        ) {
            self.stretch += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Wall = Wall::from_nanos(1_769_860_800_000_000_000);

    fn rhythms() -> Rhythms {
        Rhythms::new(&["HEARTBEAT".to_owned()])
    }

    fn beat(rhythms: &mut Rhythms, second: u64, text: &str) {
        let at = START + Duration::from_secs(second);
        rhythms.entry(at, "logs.web.iad.a", text.as_bytes());
    }

    #[test]
    fn a_clock_of_a_beat_gives_the_threshold_of_the_core() {
        let mut all = rhythms();
        for number in 0..500 {
            beat(
                &mut all,
                number * 30,
                &format!("HEARTBEAT every=30s seq={number}"),
            );
        }
        let rhythm = &all.all[&("web".to_owned(), String::new())];
        assert_eq!((rhythm.intervals, rhythm.instances), (499, 1));
        assert_eq!((rhythm.counted, rhythm.lost), (499, 0));
        let threshold = rhythm.threshold(FalseAlarms::default()).expect("enough");
        assert_eq!(
            (threshold.factor, threshold.interval),
            (3, Duration::from_secs(30))
        );
        assert_eq!(threshold.max_gap, Duration::from_secs(91));
        assert!(threshold.false_alarms < 1.0);
    }

    #[test]
    fn a_stall_of_the_stream_is_no_loss_of_an_app() {
        let mut rhythms = rhythms();
        let seconds = (0..60).chain(75..120);
        for second in seconds {
            beat(
                &mut rhythms,
                second,
                &format!("HEARTBEAT every=1s seq={second}"),
            );
        }
        let rhythm = &rhythms.all.values().next().expect("an app beats");
        assert_eq!((rhythm.counted, rhythm.lost), (103, 0));
    }

    #[test]
    fn what_nobody_listened_to_and_a_new_start_are_no_intervals() {
        let mut all = rhythms();
        beat(&mut all, 0, "HEARTBEAT");
        beat(&mut all, 10, "HEARTBEAT");
        all.mark(&Mark::Cut);
        all.mark(&Mark::Connected);
        beat(&mut all, 500, "HEARTBEAT");
        beat(&mut all, 510, "HEARTBEAT bye");
        beat(&mut all, 900, "HEARTBEAT");
        beat(&mut all, 910, "HEARTBEAT seq=5");
        beat(&mut all, 2_000, "HEARTBEAT seq=1");
        beat(&mut all, 2_030, "HEARTBEAT seq=4");
        let rhythm = &all.all[&("web".to_owned(), String::new())];
        assert_eq!(
            (rhythm.intervals, rhythm.longest),
            (2, Duration::from_secs(10))
        );
        assert_eq!((rhythm.counted, rhythm.lost), (3, 2));
        assert_eq!(rhythm.threshold(FalseAlarms::default()), None, "too few");
    }

    #[test]
    fn quantiles_are_right_to_a_hundredth() {
        let mut rhythm = Rhythm::default();
        for second in 1..=1000 {
            rhythm.interval(Duration::from_secs(second));
        }
        for (share, expected) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = rhythm.quantile(share).as_secs_f64();
            assert!((found / expected - 1.0).abs() < 0.011, "{share}: {found}");
        }
        let irregular = rhythm.threshold(FalseAlarms::default()).expect("enough");
        assert!(
            irregular.max_gap >= Duration::from_secs(1480),
            "{irregular:?}"
        );
    }
}
