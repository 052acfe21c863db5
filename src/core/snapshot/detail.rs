//! Detail: everything known about one instance.

use crate::core::engine::Engine;
use crate::core::snapshot::{BeatRow, InstanceRow};
use crate::core::time::{Mono, Now, Wall};
use crate::core::tracker::BeatId;

/// Everything known about one instance.
#[derive(Clone, Debug)]
pub struct Detail {
    /// Both clocks when it was read.
    pub now: Now,
    /// The instance.
    pub instance: InstanceRow,
    /// Its beats, each with the wall-clock times of its latest arrivals, the oldest first.
    pub beats: Vec<(BeatRow, Vec<Wall>)>,
    /// Wall clock: the arrivals of its beats are known from this time on.
    pub known_since: Wall,
}

impl Engine {
    /// Detail of the instance of a subject; `None` if it is not tracked.
    pub fn detail(&self, subject: &str, now: Now) -> Option<Detail> {
        let id = self.find(subject)?;
        let instance = self.instance_row(id, now)?;
        let beats: Vec<BeatId> = self.facts.tracker.beats_of(id).collect();
        let (times, since) = self.history.of(&beats);
        let wall = |times: Vec<Mono>| times.into_iter().map(|at| now.wall_of(at)).collect();
        let row = |beat: BeatId| self.beat_row(&instance, beat, now);
        let beats = beats.into_iter().map(row).zip(times.into_iter().map(wall));
        Some(Detail {
            now,
            beats: beats.collect(),
            known_since: now.wall_of(since),
            instance,
        })
    }
}
