//! Entries and beats that arrive later than they were said.

use crate::core::facts::Facts;
use crate::core::lag::Lag;
use crate::core::time::{Stamp, Wall};
use crate::core::tracker::{Beaten, InstanceId};
use std::time::Duration;

impl Facts {
    pub(in crate::core) fn sample_lag(&mut self, id: InstanceId, lag: Duration) {
        self.lags.stream.sample(id.0, lag);
        let place = self.tracker.instances[id.0 as usize].place;
        let region = self.tracker.places[place as usize].region as usize;
        self.region_lag(region).sample(id.0, lag);
    }

    pub(in crate::core) fn region_lag(&mut self, region: usize) -> &mut Lag {
        let regions = &mut self.lags.regions;
        while regions.len() <= region {
            regions.push(Lag::new(self.now.mono));
        }
        &mut regions[region]
    }

    /// A beat told when it was said: where it is old news, it counts from when it was said, but never as older than
    /// the beat before it.
    pub(in crate::core) fn told_its_time(
        &mut self,
        id: InstanceId,
        beaten: Beaten,
        entry_time: Wall,
    ) {
        self.sample_lag(id, self.now.wall.since(entry_time));
        let record = &mut self.tracker.beats[beaten.beat.0 as usize];
        let millis = |wall: Wall| (wall.nanos() / 1_000_000) as i64;
        let interval = record.seen.at.since(beaten.before.at);
        let late = record
            .offset
            .late(millis(self.now.wall) - millis(entry_time), interval);
        // Where everyone is late, the road is: that is the lag's own alert, and makes nobody look dead.
        let late = late.saturating_sub(self.lags.least);
        if late.is_zero() || beaten.new {
            return;
        }
        let at = (record.seen.at - late).max(beaten.before.at);
        let listened = self.listening.listened_at(at).max(beaten.before.listened);
        self.tracker.beats[beaten.beat.0 as usize].seen = Stamp { at, listened };
    }
}
