//! The clock beside a list of seconds: what it answers by ranges is found here by looking at each second.

use super::at;
use crate::core::listening::blind::Blind;
use crate::core::listening::{Blindness, Listening, Rhythm, Stamp};
use crate::core::time::Listened;
use proptest::prelude::*;
use std::time::Duration;

/// A step of the clock's life. Lengths are in seconds; a clean interval is too short to be a pause.
#[derive(Clone, Copy, Debug)]
enum Step {
    Heard(u64),
    Blind(Blind, u64),
    Intact,
    Dropped,
    Reported,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let reason = prop_oneof![
        Just(Blind::Disconnected),
        Just(Blind::Stalled),
        Just(Blind::Suspended),
        Just(Blind::Down)
    ];
    let step = prop_oneof![
        6 => (1..=3_u64).prop_map(Step::Heard),
        3 => (reason, 1..=40_u64).prop_map(|(reason, length)| Step::Blind(reason, length)),
        1 => Just(Step::Intact),
        1 => Just(Step::Dropped),
        1 => Just(Step::Reported)
    ];
    proptest::collection::vec(step, 1..40)
}

/// One interval between arrivals, in seconds.
#[derive(Clone, Copy, Debug)]
struct Interval {
    from: u64,
    to: u64,
    blind: Option<Blind>,
    reported: bool,
}

/// All intervals since the first arrival, at second 2.
#[derive(Debug, Default)]
struct Model {
    intervals: Vec<Interval>,
    last: u64,
    intact: u64,
    taint: Option<Blind>,
    reported: bool,
}

impl Model {
    fn blind(&self) -> impl Iterator<Item = Interval> {
        self.intervals
            .iter()
            .copied()
            .filter(|one| one.blind.is_some())
    }

    fn add(&mut self, length: u64) {
        let blind = self.taint.take();
        let reported = blind.is_some() && std::mem::take(&mut self.reported);
        let (from, to) = (self.last, self.last + length);
        self.intervals.push(Interval {
            from,
            to,
            blind,
            reported,
        });
        self.last = to;
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Heard(length) => self.add(length),
            Step::Blind(reason, length) => {
                self.taint.get_or_insert(reason);
                self.add(length);
            }
            Step::Intact => self.intact = self.last,
            Step::Reported => self.reported = true,
            Step::Dropped => {
                let since = self
                    .intervals
                    .iter()
                    .position(|one| one.from >= self.intact);
                let since = since.unwrap_or(self.intervals.len());
                if self.intervals[since..]
                    .iter()
                    .any(|one| one.blind.is_none())
                {
                    self.intervals.truncate(since);
                    self.intervals.push(Interval {
                        from: self.intact,
                        to: self.last,
                        blind: Some(Blind::Dropped),
                        reported: std::mem::take(&mut self.reported),
                    });
                }
                self.taint.get_or_insert(Blind::Dropped);
                self.intact = self.last;
            }
        }
    }

    fn is_blind(&self, second: u64) -> bool {
        self.blind().any(|one| (one.from..one.to).contains(&second))
    }

    /// Seconds listened from the first arrival to `until`; after the last arrival all are.
    fn listened(&self, until: u64) -> u64 {
        (2..until).filter(|second| !self.is_blind(*second)).count() as u64
    }

    /// Start and end of each blind stretch.
    fn stretches(&self) -> Vec<(u64, u64)> {
        let mut all: Vec<(u64, u64)> = Vec::new();
        for one in self.blind() {
            match all.last_mut() {
                Some(last) if last.1 == one.from => last.1 = one.to,
                _ => all.push((one.from, one.to)),
            }
        }
        all
    }

    /// The blind stretches that may have hidden a sign of life of one who was heard at `seen`.
    fn hiding(&self, seen: u64, rhythm: Rhythm) -> Vec<(u64, u64)> {
        let hides = |&(from, to): &(u64, u64)| {
            // Twentieths of a second, so that halves and tenths are whole.
            let interval = rhythm.interval.as_secs() * 20;
            let (from, to) = ((from.max(seen) - seen) * 20, (to - seen) * 20);
            let half = (to - from) / 2;
            let about = interval / 10;
            let about = if rhythm.is_known {
                half.min(about)
            } else {
                about
            };
            let due = |times: u64| (from..=to + 2 * about).contains(&(times * interval + about));
            to - from > interval / 2 || (1..=to / interval + 1).any(due)
        };
        let after = self.stretches().into_iter().filter(|(_, to)| *to > seen);
        after.filter(hides).collect()
    }

    /// Seconds of evidence that one heard at `seen` is silent, once the clock shows `now`.
    fn evidence(&self, seen: u64, rhythm: Rhythm, now: u64) -> u64 {
        let mut windows = vec![(self.listened(seen), 0)];
        let hiding = self.hiding(seen, rhythm).into_iter();
        windows.extend(hiding.map(|(_, to)| (self.listened(to), rhythm.interval.as_secs())));
        let ends = windows[1..].iter().map(|(from, _)| *from).chain([now]);
        let of = |((from, allowed), end): (&(u64, u64), u64)| {
            end.min(now).saturating_sub(from + allowed)
        };
        windows.iter().zip(ends).map(of).sum()
    }

    fn blindness(&self, now: u64, window: u64, unreported: bool) -> Blindness {
        let running = self.taint.map(|reason| Interval {
            from: self.last,
            to: now,
            blind: Some(reason),
            reported: self.reported,
        });
        let all: Vec<Interval> = self.blind().chain(running).collect();
        let mut found = Blindness::default();
        let mut before = None;
        for second in now.saturating_sub(window)..now {
            let one = all.iter().find(|one| (one.from..one.to).contains(&second));
            let one = one.filter(|one| !(unreported && one.reported));
            let reason = one
                .and_then(|one| one.blind)
                .filter(|reason| *reason != Blind::Down);
            if let Some(reason) = reason {
                found.time += Duration::from_secs(1);
                found.by_reason[reason as usize] += Duration::from_secs(1);
                found.stretches += u32::from(before != Some(second));
                before = Some(second + 1);
            }
        }
        found
    }
}

fn reading(seconds: u64) -> Listened {
    Listened::from_nanos(seconds * 1_000_000_000)
}

fn played(steps: &[Step]) -> (Listening, Model) {
    let mut clock = Listening::new(at(0));
    let mut model = Model {
        last: 2,
        ..Model::default()
    };
    clock.arrival(at(2), false);
    clock.intact();
    model.intact = 2;
    for &step in steps {
        model.apply(step);
        match step {
            Step::Heard(_) => clock.arrival(at(model.last), false),
            Step::Blind(reason, _) => {
                clock.blinded(reason);
                clock.arrival(at(model.last), false);
            }
            Step::Intact => clock.intact(),
            Step::Dropped => clock.dropped(),
            Step::Reported => clock.reported(),
        }
    }
    (clock, model)
}

proptest! {
    #[test]
    fn each_reading_and_each_date_is_that_of_the_seconds(steps in steps()) {
        let (clock, model) = played(&steps);
        for second in 0..model.last + 3 {
            let known = second.min(model.last);
            prop_assert_eq!(clock.listened_at(at(second)), reading(model.listened(known)), "{}", second);
        }
        for point in 1..=model.listened(model.last) + 3 {
            let shown = (2..).find(|second| model.listened(*second) >= point);
            prop_assert_eq!(Some(clock.date_of(reading(point))), shown.map(at), "{}", point);
        }
    }

    #[test]
    fn one_is_late_once_the_seconds_of_evidence_reach_max_gap(
        steps in steps(),
        seen in any::<prop::sample::Index>(),
        interval in 1..=60_u64,
        is_known: bool,
        max_gap in 1..=90_u64,
    ) {
        let (clock, model) = played(&steps);
        let arrivals: Vec<u64> = model.intervals.iter().map(|one| one.to).chain([2]).collect();
        let seen = *seen.get(&arrivals);
        let rhythm = Rhythm { interval: Duration::from_secs(interval), is_known };
        let stamp = Stamp { at: at(seen), listened: clock.listened_at(at(seen)) };
        let late = (0..).find(|now| model.evidence(seen, rhythm, *now) >= max_gap);
        prop_assert_eq!(Some(clock.late_at(stamp, rhythm, Duration::from_secs(max_gap))), late.map(reading));
        let hidden = model.hiding(seen, rhythm).last().map(|(_, to)| at(*to));
        prop_assert_eq!(clock.hidden_until(at(seen), rhythm), hidden);
    }

    #[test]
    fn blindness_is_the_sum_of_the_blind_seconds(
        steps in steps(),
        now in 1..50_u64,
        window in 1..200_u64,
        unreported: bool,
    ) {
        let (clock, model) = played(&steps);
        let now = model.last + now;
        let found = clock.blindness(at(now), Duration::from_secs(window), unreported);
        prop_assert_eq!(found, model.blindness(now, window, unreported));
    }

    #[test]
    fn the_last_stretch_is_all_that_is_blind_without_a_break_before_it(steps in steps()) {
        let (clock, model) = played(&steps);
        let pair = |(from, to): &(u64, u64)| (at(*from), at(*to));
        prop_assert_eq!(clock.last_stretch(), model.stretches().last().map(pair));
        for second in 0..=model.last {
            let clear = model.stretches().iter().all(|(_, to)| *to <= second);
            prop_assert_eq!(clock.is_clear_since(at(second)), clear);
        }
    }
}
