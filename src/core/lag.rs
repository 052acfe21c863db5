//! Lag: the delay of entries between their own time and their arrival.
//!
//! A wrong clock must make the stream look neither slow nor fast: the lag of the stream or of a region is the median of
//! its instances, each of which counts once, however much it logs.

pub mod catch_up;
pub mod lateness;

use crate::core::lag::catch_up::CatchUp;
use crate::core::time::{Mono, nanos};
use std::time::Duration;

/// A sample counts for this long: two beats of instances that beat every 30 s, so that instances which beat in turn all
/// count.
const WINDOW: Duration = Duration::from_secs(60);
/// A lag is known once samples arrived for this long.
const KNOWN_AFTER: Duration = Duration::from_secs(10);
/// Number of instances that are sampled, of those that were heard: enough for a median.
const VOICES: usize = 32;
/// Interval between two evaluations of the samples.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The lag of the stream and of each region.
#[derive(Debug, Default)]
pub struct Lags {
    /// The stream's.
    pub stream: Lag,
    /// Each region's, by its number.
    pub regions: Vec<Lag>,
    /// The median lag of the stream at the last turn; zero if unknown.
    pub typical: Duration,
    /// Late beats after a pause of reception.
    pub catch_up: CatchUp,
    /// Memory of [`Self::of_stream`], so that it allocates once.
    of_regions: Vec<Duration>,
}

impl Lags {
    /// The stream's lag at `now`: the middle one among instances, but not more than the middle one among regions, so that a
    /// region with many instances is not the stream. `None` where it is not known.
    pub fn of_stream(&mut self, now: Mono) -> Option<Duration> {
        let of_instances = self.stream.typical(now)?;
        self.of_regions.clear();
        let known = self.regions.iter_mut().filter_map(|lag| lag.typical(now));
        self.of_regions.extend(known);
        self.of_regions.sort_unstable();
        let middle = self.of_regions.len().saturating_sub(1) / 2;
        let of_regions = self.of_regions.get(middle);
        Some(of_regions.map_or(of_instances, |lag| of_instances.min(*lag)))
    }
}

/// The last sample of one instance.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Mono,
    lag: Duration,
}

/// The lag of several instances.
#[derive(Clone, Debug, Default)]
pub struct Lag {
    /// One per remainder of an instance's number.
    samples: Vec<Option<Sample>>,
    /// Arrival clock: start of the samples without a pause longer than the window.
    since: Mono,
    last: Option<Mono>,
    typical: Option<Duration>,
    looked_at: Option<Mono>,
    /// Arrival clock: time at which it became too large, as the caller found; `None` while it is not.
    pub slow_since: Option<Mono>,
}

impl Lag {
    /// Records that an entry of an instance arrived at `at` with this lag; one from the future has a lag of zero.
    #[inline]
    pub fn sample(&mut self, instance: u32, lag: Duration, at: Mono) {
        if self.samples.is_empty() {
            self.samples = vec![None; VOICES];
        }
        if self.last.is_none_or(|last| at.since(last) > WINDOW) {
            self.since = at;
        }
        self.last = Some(at);
        let sample = Sample { at, lag };
        self.samples[instance as usize % VOICES] = Some(sample);
    }

    /// The median lag at `now`; `None` until samples of several instances arrived for a while.
    pub fn typical(&mut self, now: Mono) -> Option<Duration> {
        let due = self.looked_at.is_none_or(|at| now.since(at) >= LOOK_EVERY);
        if due {
            self.looked_at = Some(now);
            self.typical = self.look(now);
        }
        self.typical
    }

    /// The middle lag at the last look; zero where it was not known.
    pub fn at_last_look(&self) -> Duration {
        self.typical.unwrap_or_default()
    }

    fn look(&self, now: Mono) -> Option<Duration> {
        let fresh = self.samples.iter().flatten();
        let fresh = fresh.filter(|sample| now.since(sample.at) <= WINDOW);
        // On the stack: an evaluation allocates nothing.
        let (mut lags, mut count) = ([Duration::ZERO; VOICES], 0);
        for (lag, sample) in lags.iter_mut().zip(fresh) {
            *lag = sample.lag;
            count += 1;
        }
        let lags = &mut lags[..count];
        lags.sort_unstable();
        let several = count >= 2;
        let known = several && now.since(self.since) >= KNOWN_AFTER;
        // The smaller of two: one wrong clock is likelier than a slow path.
        known.then(|| lags[(count - 1) / 2])
    }
}

/// A duration in milliseconds, signed.
pub(in crate::core) fn millis(span: Duration) -> i64 {
    (nanos(span) / 1_000_000) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::from_nanos(seconds * 1_000_000_000)
    }

    const LATE: Duration = Duration::from_secs(300);

    #[test]
    fn the_middle_one_counts_however_wrong_one_clock_is_and_however_much_it_says() {
        for wrong in [Duration::ZERO, Duration::from_secs(3600)] {
            let mut lag = Lag::default();
            for second in 0..30 {
                (0..4).for_each(|instance| lag.sample(instance, LATE, at(second)));
                (0..50).for_each(|_| lag.sample(7, wrong, at(second)));
                let known = lag.typical(at(second));
                assert_eq!(known, (second >= 10).then_some(LATE), "at {second}");
            }
        }
    }

    #[test]
    fn one_instance_alone_says_nothing() {
        let mut lag = Lag::default();
        for second in 0..40 {
            lag.sample(7, LATE, at(second));
            assert_eq!(lag.typical(at(second)), None, "its clock may be wrong");
        }
    }

    #[test]
    fn what_is_old_counts_no_more() {
        let mut lag = Lag::default();
        for second in 0..=20 {
            (0..3).for_each(|instance| lag.sample(instance, LATE, at(second)));
        }
        assert_eq!(lag.typical(at(80)), Some(LATE));
        assert_eq!(lag.typical(at(81)), None);
    }

    #[test]
    fn a_region_with_most_of_the_instances_is_not_the_stream() {
        let mut lags = Lags {
            regions: vec![Lag::default(); 3],
            ..Lags::default()
        };
        for second in 0..60 {
            for instance in 0..24 {
                let (region, lag) = match instance {
                    0..20 => (0, LATE),
                    20..22 => (1, Duration::ZERO),
                    _ => (2, Duration::from_secs(1)),
                };
                lags.stream.sample(instance, lag, at(second));
                lags.regions[region].sample(instance, lag, at(second));
            }
        }
        assert_eq!(lags.stream.typical(at(60)), Some(LATE));
        assert_eq!(lags.regions[0].typical(at(60)), Some(LATE));
        assert_eq!(lags.of_stream(at(60)), Some(Duration::from_secs(1)));
    }
}
