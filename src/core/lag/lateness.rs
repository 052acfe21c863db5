//! Lateness of beats: arrival later than their own time says.
//!
//! A beat counts from its arrival. In the catch-up after a pause of reception, a beat that is later than its instance's
//! usual lag counts from its own time, so that a backlog does not revive the dead. So does one that comes after
//! a pause of its own and is later than others are: a machine that restarts while the lag of all grows is no backlog.

use crate::core::facts::Facts;
use crate::core::lag::{Lag, millis};
use crate::core::rule::AUTO_FACTOR;
use crate::core::time::{Mono, Stamp, Wall};
use crate::core::tracker::offset::Offset;
use crate::core::tracker::{Beaten, InstanceId};
use std::time::Duration;

/// A catch-up lasts as long as the pause before it, and at least this long.
const SHORTEST: Duration = Duration::from_secs(60);
/// Number of beats in a row without lateness that end a catch-up.
const FRESH: u32 = 8;
/// Two beats of one instance that arrive closer together than this belong to one burst.
const BURST: Duration = Duration::from_secs(1);
/// Two beats whose lateness differs by less than this are equally late.
const ALIKE_MS: i64 = 2_000;
/// Interval assumed where none is known.
const USUAL: Duration = Duration::from_secs(60);
/// Number of late beats remembered; the lowest numbers are dropped.
const MAX_LATE: usize = 100_000;

impl Facts {
    /// Records that an entry of an instance arrived with this lag.
    pub(in crate::core) fn sample_lag(&mut self, id: InstanceId, lag: Duration) {
        let now = self.now.mono;
        self.lags.stream.sample(id.0, lag, now);
        let app_region = self.tracker.instance(id).app_region;
        let region = self.tracker.app_regions[app_region as usize].region as usize;
        self.region_lag(region).sample(id.0, lag, now);
    }

    fn region_lag(&mut self, region: usize) -> &mut Lag {
        let regions = &mut self.lags.regions;
        while regions.len() <= region {
            regions.push(Lag::default());
        }
        &mut regions[region]
    }

    /// Applies a beat's own time: a beat that is old news counts from that time, but never from before its predecessor.
    pub(in crate::core) fn apply_entry_time(
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
        let catches_up = self.is_catching_up(arrival);
        if beaten.new || !(paused || catches_up) {
            return self.tracker.beat_mut(beaten.beat).offset.learn(offset_ms);
        }
        let of_others = if catches_up {
            0
        } else {
            self.lag_of_others(id)
        };
        match self.old_news(id, beaten, offset, offset_ms, of_others) {
            Some(at) => {
                let listened = self.listening.listened_at(at);
                let listened = listened.max(beaten.before.listened);
                self.tracker.beat_mut(beaten.beat).seen = Stamp { at, listened };
            }
            None => self.tracker.beat_mut(beaten.beat).offset.learn(offset_ms),
        }
    }

    /// The lag of others in milliseconds: of the stream, or of the instance's region. As of the last look, before this beat and what
    /// came with it.
    fn lag_of_others(&self, id: InstanceId) -> i64 {
        let app_region = self.tracker.instance(id).app_region;
        let region = self.tracker.app_regions[app_region as usize].region as usize;
        let of_region = self.lags.regions.get(region).map(Lag::at_last_look);
        millis(self.lags.typical.max(of_region.unwrap_or_default()))
    }

    /// Time at which a beat in a catch-up was sent; `None` if it counts from its arrival.
    fn old_news(
        &mut self,
        id: InstanceId,
        beaten: Beaten,
        offset: Offset,
        offset_ms: i64,
        of_others: i64,
    ) -> Option<Mono> {
        let arrival = self.tracker.beat_row(beaten.beat).seen.at;
        let stop = self.tracker.life(id).stop;
        // After a stop there is another life: only what was said before the stop is old.
        let is_of_this_life =
            |said: &Mono| !beaten.was_stopped || stop.is_some_and(|(_, since)| *said < since);
        let catch_up = &mut self.lags.catch_up;
        let before = catch_up.late.remove(&beaten.beat.0);
        let said = offset.said_at(offset_ms, of_others, arrival, beaten.before.at);
        let Some(said) = said.filter(is_of_this_life) else {
            catch_up.fresh += 1;
            return None;
        };
        let late = millis(arrival.since(said));
        // As late as its predecessor, and not in one burst with it: that is the path's present delay.
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

    /// True if reception paused lately and the lag is not back to usual.
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
