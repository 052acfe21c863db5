//! Beats that arrive later than they were said.
//!
//! A beat counts at its arrival. In the catch-up after a pause of reception one that is later than its instance's own usual
//! lag counts from when it was said, so that a backlog does not revive the dead.

use crate::core::facts::Facts;
use crate::core::lag::{Lag, millis};
use crate::core::rule::AUTO_FACTOR;
use crate::core::time::{Mono, Stamp, Wall};
use crate::core::tracker::offset::Offset;
use crate::core::tracker::{Beaten, InstanceId};
use std::time::Duration;

/// A catch-up takes as long as the pause before it, and at least so long.
const SHORTEST: Duration = Duration::from_secs(60);
/// So many beats in a row that are not late end it.
const FRESH: u32 = 8;
/// Two beats of one instance that arrive closer together came in one burst.
const BURST: Duration = Duration::from_secs(1);
/// Two beats that are late alike differ by less than this.
const ALIKE_MS: i64 = 2_000;
/// The interval that is taken for one that is not known.
const USUAL: Duration = Duration::from_secs(60);
/// Late beats that are remembered; the oldest numbers give way.
const MAX_LATE: usize = 100_000;

impl Facts {
    /// An entry of an instance arrived this far behind its own time.
    pub(in crate::core) fn sample_lag(&mut self, id: InstanceId, lag: Duration) {
        let now = self.now.mono;
        self.lags.stream.sample(id.0, lag, now);
        let place = self.tracker.instance(id).place;
        let region = self.tracker.places[place as usize].region as usize;
        self.region_lag(region).sample(id.0, lag, now);
    }

    fn region_lag(&mut self, region: usize) -> &mut Lag {
        let regions = &mut self.lags.regions;
        while regions.len() <= region {
            regions.push(Lag::default());
        }
        &mut regions[region]
    }

    /// A beat bears its own time: where it is old news, it counts from then, but never as earlier than the one before it.
    pub(in crate::core) fn told_its_time(
        &mut self,
        id: InstanceId,
        beaten: Beaten,
        entry_time: Wall,
    ) {
        self.sample_lag(id, self.now.wall.since(entry_time));
        let wall = |at: Wall| (at.nanos() / 1_000_000) as i64;
        let offset_ms = wall(self.now.wall) - wall(entry_time);
        let row = self.tracker.beat_row(beaten.beat);
        let (arrival, offset) = (row.seen.at, row.offset);
        let interval = row.every().or_else(|| row.usual.longest()).unwrap_or(USUAL);
        let paused = arrival.since(beaten.before.at) > interval * AUTO_FACTOR;
        if beaten.new || !(paused || self.is_catching_up(arrival)) {
            return self.tracker.beat_mut(beaten.beat).offset.learn(offset_ms);
        }
        match self.old_news(beaten, offset, offset_ms, arrival) {
            Some(at) => {
                let listened = self.listening.listened_at(at);
                let listened = listened.max(beaten.before.listened);
                self.tracker.beat_mut(beaten.beat).seen = Stamp { at, listened };
            }
            None => self.tracker.beat_mut(beaten.beat).offset.learn(offset_ms),
        }
    }

    /// When a beat of a catch-up was said; `None` where it counts at its arrival.
    fn old_news(
        &mut self,
        beaten: Beaten,
        offset: Offset,
        offset_ms: i64,
        arrival: Mono,
    ) -> Option<Mono> {
        let catch_up = &mut self.lags.catch_up;
        let before = catch_up.late.remove(&beaten.beat.0);
        let Some(said) = offset.said_at(offset_ms, arrival, beaten.before.at) else {
            catch_up.fresh += 1;
            return None;
        };
        let late = millis(arrival.since(said));
        // As late as the one before it, and not in one burst with it: the road is so long now.
        let is_road = before
            .is_some_and(|(at, before)| arrival.since(at) >= BURST && late > before - ALIKE_MS);
        if is_road {
            return None;
        }
        catch_up.fresh = 0;
        if catch_up.late.len() >= MAX_LATE {
            catch_up.late.pop_first();
        }
        catch_up.late.insert(beaten.beat.0, (arrival, late));
        Some(said)
    }

    /// Whether reception paused lately, and the lag is not usual again.
    fn is_catching_up(&mut self, now: Mono) -> bool {
        let Some((from, to)) = self.listening.last_stretch() else {
            return false;
        };
        let catch_up = &mut self.lags.catch_up;
        if catch_up.of != to {
            catch_up.of = to;
            catch_up.fresh = 0;
        }
        now.since(to) <= to.since(from).max(SHORTEST) && catch_up.fresh < FRESH
    }
}
