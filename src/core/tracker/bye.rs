//! `bye`: the beat that it stops, and the recognition of repeated ones.

use crate::core::entry::BeatLine;
use crate::core::time::{Mono, Stamp, Wall};
use crate::core::tracker::text::cut;
use crate::core::tracker::{BeatId, InstanceId, MAX_TEXT, Tracker};
use std::collections::BTreeMap;
use std::time::Duration;

/// A duplicate of an entry arrives within this time.
const REPEATED_WITHIN: Duration = Duration::from_secs(3600);
/// Number remembered: a release of as many machines at once. Old ones are dropped.
const MOST: usize = 20_000;

/// The latest `bye` of each beat that said one lately, by instance and `name=`.
#[derive(Debug, Default)]
pub(super) struct Byes(BTreeMap<(u32, Box<str>), Bye>);

/// One `bye`.
#[derive(Clone, Copy, Debug)]
struct Bye {
    /// Arrival clock.
    at: Mono,
    seq: Option<u64>,
    entry_time: Option<Wall>,
}

impl Byes {
    /// Removes those of a forgotten instance.
    pub(super) fn forget(&mut self, id: InstanceId) {
        let key = |id: u32| (id, Box::<str>::default());
        let of_one = self.0.range(key(id.0)..key(id.0.saturating_add(1)));
        let of_one: Vec<_> = of_one.map(|(key, _)| key.clone()).collect();
        for key in of_one {
            self.0.remove(&key);
        }
    }

    fn remember(&mut self, id: InstanceId, name: &str, bye: Bye) {
        if self.0.len() >= MOST {
            self.0
                .retain(|_, old| bye.at.since(old.at) < REPEATED_WITHIN);
            if self.0.len() >= MOST {
                self.0.pop_first();
            }
        }
        self.0.insert((id.0, name.into()), bye);
    }
}

impl Tracker {
    /// True if this `bye` is a duplicate of an earlier one. With a counter, that is one which does not follow the beat
    /// before it; without, one with the same entry time.
    pub(in crate::core) fn is_repeated_bye(
        &self,
        id: InstanceId,
        line: &BeatLine<'_>,
        now: Mono,
    ) -> bool {
        let Some(before) = self.byes.0.get(&(id.0, Box::from(line.name))) else {
            return false;
        };
        if now.since(before.at) > REPEATED_WITHIN || line.seq != before.seq {
            return false;
        }
        match line.seq {
            Some(seq) => {
                let follows = |beat: BeatId| {
                    let last = self.beat_row(beat).count();
                    last.is_some_and(|last| last.checked_add(1) == Some(seq))
                };
                !self.beat_of_line(id, line).is_some_and(follows)
            }
            None => line.entry_time.is_some() && line.entry_time == before.entry_time,
        }
    }

    /// Records a `bye`; gives the stopped beat of its name. `None` if there is none, since a `bye` creates no beat.
    pub(in crate::core) fn bye(
        &mut self,
        id: InstanceId,
        line: &BeatLine<'_>,
        now: Stamp,
    ) -> Option<BeatId> {
        self.host(id, line.host);
        let app = self.places[self.instance(id).place as usize].app;
        self.apps[app as usize].beats += 1;
        let bye = Bye {
            at: now.at,
            seq: line.seq,
            entry_time: line.entry_time,
        };
        self.byes.remember(id, line.name, bye);
        let beat = self.beat_of_line(id, line)?;
        let record = &mut self.beats[beat.0 as usize];
        record.seq = line.seq.unwrap_or(record.seq);
        record.seen = now;
        record.set_stopped(true);
        let text = cut(line.text, MAX_TEXT);
        record.phrase = self.phrases.say(record.phrase, text, line.seq);
        Some(beat)
    }

    fn beat_of_line(&self, id: InstanceId, line: &BeatLine<'_>) -> Option<BeatId> {
        let name = self.beat_names.find(line.name)?;
        self.find_beat(id, line.marker, name).map(BeatId)
    }
}
