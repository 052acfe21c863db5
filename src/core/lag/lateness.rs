//! What comes late: lag of the stream and of regions, old news in a backlog.

use crate::core::engine::Engine;
use crate::core::lag::Lag;
use crate::core::notice::{Alarm, CloseReason, IncidentId};
use crate::core::time::{Stamp, Wall};
use crate::core::tracker::{Beaten, InstanceId};
use std::time::Duration;

impl Engine {
    pub(in crate::core) fn sample_lag(&mut self, id: InstanceId, lag: Duration) {
        self.lag.sample(id.0, lag);
        let place = self.tracker.instances[id.0 as usize].place;
        let region = self.tracker.places[place as usize].region as usize;
        self.region_lag(region).0.sample(id.0, lag);
    }

    pub(in crate::core) fn region_lag(&mut self, region: usize) -> &mut (Lag, Option<IncidentId>) {
        while self.region_lags.len() <= region {
            self.region_lags.push((Lag::new(self.now.mono), None));
        }
        &mut self.region_lags[region]
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
        let late = late.saturating_sub(self.least_lag);
        if late.is_zero() || beaten.new {
            return;
        }
        let at = (record.seen.at - late).max(beaten.before.at);
        let listened = self.listening.listened_at(at).max(beaten.before.listened);
        self.tracker.beats[beaten.beat.0 as usize].seen = Stamp { at, listened };
    }

    /// The stream, or a region, is late; or messages are lost without a pause.
    pub(in crate::core) fn judge_lag(&mut self) {
        let now = self.now.mono;
        let max_lag = self.rules.stream.max_lag;
        let least = self.lag.least(now);
        self.least_lag = least.unwrap_or_default();
        let slow = least.filter(|least| *least > max_lag);
        self.lagging = self.lag_incident(self.lagging, least.is_some(), slow, None);
        for region in 0..self.region_lags.len() {
            let (mut lag, open) = self.region_lags[region];
            let least = lag.least(now);
            // What everyone suffers is the stream's.
            let slow = least.filter(|least| *least > max_lag && self.lagging.is_none());
            let open = self.lag_incident(open, least.is_some(), slow, Some(region as u32));
            self.region_lags[region] = (lag, open);
        }
        self.judge_losses();
    }

    fn lag_incident(
        &mut self,
        open: Option<IncidentId>,
        measured: bool,
        slow: Option<Duration>,
        region: Option<u32>,
    ) -> Option<IncidentId> {
        match (open, slow) {
            (None, Some(lag)) => {
                Some(self.open_stream(Alarm::Lagging, self.now.mono, lag, self.now.mono, region))
            }
            (Some(incident), None) if measured => {
                self.close(incident, CloseReason::Resolved);
                None
            }
            (open, _) => open,
        }
    }

    fn judge_losses(&mut self) {
        let now = self.now.mono;
        match (self.losing, self.listening.losing_since()) {
            (None, Some(since)) if now.since(since) > self.rules.stream.max_gap => {
                let due = since + self.rules.stream.max_gap;
                self.losing =
                    Some(self.open_stream(Alarm::Losing, since, now.since(since), due, None));
            }
            (Some(incident), None) => {
                self.losing = None;
                self.close(incident, CloseReason::Resolved);
            }
            _ => {}
        }
    }
}
