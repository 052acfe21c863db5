//! One instance with all that is known of it.

use crate::core::engine::Engine;
use crate::core::snapshot::{BeatRow, InstanceRow};
use crate::core::time::{Mono, Now, Wall};
use crate::core::tracker::BeatId;

/// All that is known of one instance.
#[derive(Clone, Debug)]
pub struct Detail {
    /// When it was read.
    pub now: Now,
    /// Itself.
    pub instance: InstanceRow,
    /// Its beats, and the wall clock of the last times that each came, the oldest first.
    pub beats: Vec<(BeatRow, Vec<Wall>)>,
    /// Wall clock: before this nothing is known of when its beats came.
    pub known_since: Wall,
}

impl Engine {
    /// All that is known of who speaks under a subject; `None` where nobody does.
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
