//! `bye`: the beat that it stops.

use crate::core::entry::BeatLine;
use crate::core::time::{Mono, Stamp};
use crate::core::tracker::text::cut;
use crate::core::tracker::{BeatId, InstanceId, MAX_TEXT, Tracker};

impl Tracker {
    /// True if this `bye` is a duplicate of the latest one of its beat.
    pub(in crate::core) fn is_repeated_bye(
        &self,
        id: InstanceId,
        line: &BeatLine<'_>,
        now: Mono,
    ) -> bool {
        let beat = self.beat_of_line(id, line);
        let last = beat.and_then(|beat| self.beat_row(beat).count());
        self.byes.is_repeated(id, line, last, now)
    }

    /// Records a `bye`; gives the stopped beat of its name. `None` if there is none, since a `bye` creates no beat.
    pub(in crate::core) fn bye(
        &mut self,
        id: InstanceId,
        line: &BeatLine<'_>,
        now: Stamp,
    ) -> Option<BeatId> {
        self.host(id, line.host);
        let app = self.app_regions[self.instance(id).app_region as usize].app;
        self.apps[app as usize].beats += 1;
        self.byes.remember(id, line, now.at);
        let beat = self.beat_of_line(id, line)?;
        let record = &mut self.beats[beat.0 as usize];
        record.seq = line.seq.unwrap_or(record.seq);
        record.seen = now;
        record.set_stopped(true);
        // One that was never heard stays so: its first beat makes the target.
        if record.is_heard() {
            let text = cut(line.text, MAX_TEXT);
            record.phrase = self.phrases.say(record.phrase, text, line.seq);
        }
        Some(beat)
    }

    fn beat_of_line(&self, id: InstanceId, line: &BeatLine<'_>) -> Option<BeatId> {
        let name = self.beat_names.find(line.name)?;
        self.find_beat(id, line.marker, name).map(BeatId)
    }
}
