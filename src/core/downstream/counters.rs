//! The shipper's own counters over time, and the hop that they point to.

use crate::core::time::Mono;
use std::collections::VecDeque;
use std::time::Duration;

/// Readings kept: at one for each query, of the last half hour at the default interval.
const MAX_SAMPLES: usize = 64;

/// A hop between the stream and the sink's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// The shipper does not answer at all.
    Gone,
    /// The shipper receives nothing from the stream.
    Subscription,
    /// The shipper receives entries, and the sink takes none.
    Sink,
    /// The sink takes entries, and its store does not show them.
    Store,
}

impl Hop {
    /// All hops.
    pub const ALL: [Hop; 4] = [Hop::Gone, Hop::Subscription, Hop::Sink, Hop::Store];

    /// The word in labels and in the API.
    pub const fn label(self) -> &'static str {
        match self {
            Hop::Gone => "gone",
            Hop::Subscription => "subscription",
            Hop::Sink => "sink",
            Hop::Store => "store",
        }
    }

    /// The finding in words.
    pub const fn words(self) -> &'static str {
        match self {
            Hop::Gone => "the shipper is gone: its metrics do not answer either",
            Hop::Subscription => {
                "the shipper receives nothing from the stream: its subscription is stuck"
            }
            Hop::Sink => {
                "the shipper receives entries and delivers none: the sink does not take them"
            }
            Hop::Store => {
                "the shipper delivers entries, and the query does not find them: the store drops or delays them"
            }
        }
    }
}

/// Values of the two counters; `None` where the metrics have no such series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters {
    /// Entries received.
    pub received: Option<f64>,
    /// Entries sent.
    pub sent: Option<f64>,
}

/// One reading; `None`: the shipper did not answer.
type Sample = (Mono, Option<Counters>);

/// The last readings.
#[derive(Debug, Default)]
pub(super) struct Readings(VecDeque<Sample>);

impl Readings {
    /// Adds one.
    pub(super) fn add(&mut self, at: Mono, counters: Option<Counters>) {
        if self.0.len() == MAX_SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back((at, counters));
    }

    /// Time from one entry's arrival in the stream, which the sink lacks, to now: the hop by what was counted since.
    /// `None` where too little is known. Entries on their way at the fault still pass for a while, so the later half of
    /// `max_delay` counts where it has two readings.
    pub(super) fn hop(&self, missing_since: Mono, max_delay: Duration) -> Option<Hop> {
        let (_, last) = self.0.back()?;
        let before_last = self.0.iter().rev().nth(1);
        let Some(last) = last else {
            let gone = before_last.is_none_or(|(_, counters)| counters.is_none());
            return gone.then_some(Hop::Gone);
        };
        let later = missing_since + max_delay / 2;
        let first = self
            .first_since(later)
            .or_else(|| self.first_since(missing_since));
        let first = first.or_else(|| before_last.and_then(|(_, counters)| *counters))?;
        let grew = |from: Option<f64>, to: Option<f64>| match (from, to) {
            // A counter that fell began anew: all of it is new.
            (Some(from), Some(to)) if to < from => Some(to > 0.0),
            (Some(from), Some(to)) => Some(to > from),
            (None, Some(to)) => Some(to > 0.0),
            (_, None) => None,
        };
        match (
            grew(first.received, last.received)?,
            grew(first.sent, last.sent),
        ) {
            (false, _) => Some(Hop::Subscription),
            (true, Some(false)) => Some(Hop::Sink),
            (true, Some(true)) => Some(Hop::Store),
            // A sink that was never reached has no series yet.
            (true, None) => Some(Hop::Sink),
        }
    }

    /// The first answered reading at `from` or later that is not the last one.
    fn first_since(&self, from: Mono) -> Option<Counters> {
        let but_last = self.0.iter().take(self.0.len().saturating_sub(1));
        let mut since = but_last.filter(|(at, _)| *at >= from);
        since.find_map(|(_, counters)| *counters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(10);

    fn at(second: u64) -> Mono {
        Mono::from_nanos(second * 1_000_000_000)
    }

    fn hop(samples: &[(u64, Option<(f64, f64)>)]) -> Option<Hop> {
        let mut readings = Readings::default();
        for (second, counters) in samples {
            let counters = counters.map(|(received, sent)| Counters {
                received: Some(received),
                sent: Some(sent),
            });
            readings.add(at(*second), counters);
        }
        readings.hop(at(100), DELAY)
    }

    #[test]
    fn counters_of_the_later_half_name_the_hop() {
        let none: [(u64, Option<(f64, f64)>); 0] = [];
        assert_eq!(hop(&none), None);
        // What was on its way at the fault is still sent at first.
        let sink = [
            (101, Some((5.0, 4.0))),
            (106, Some((7.0, 6.0))),
            (111, Some((9.0, 6.0))),
        ];
        assert_eq!(hop(&sink), Some(Hop::Sink));
        let stuck = [
            (101, Some((5.0, 4.0))),
            (106, Some((6.0, 6.0))),
            (111, Some((6.0, 6.0))),
        ];
        assert_eq!(hop(&stuck), Some(Hop::Subscription));
        let store = [(106, Some((6.0, 6.0))), (111, Some((7.0, 7.0)))];
        assert_eq!(hop(&store), Some(Hop::Store));
        assert_eq!(
            hop(&[(106, Some((6.0, 6.0))), (111, None)]),
            None,
            "one scrape may fail"
        );
        assert_eq!(hop(&[(106, None), (111, None)]), Some(Hop::Gone));
    }

    #[test]
    fn a_counter_that_began_anew_counts_from_zero() {
        let anew = [(106, Some((600.0, 600.0))), (111, Some((7.0, 0.0)))];
        assert_eq!(hop(&anew), Some(Hop::Sink));
        let one = [(90, Some((600.0, 600.0))), (111, Some((607.0, 600.0)))];
        assert_eq!(
            hop(&one),
            Some(Hop::Sink),
            "the reading before is all there is"
        );
    }
}
