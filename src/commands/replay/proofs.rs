//! Proofs that an instance was alive while it seemed silent: heartbeats that were sent and lost, by holes in `seq=`.

use crate::core::notice::{Alarm, Notice, Scope};
use crate::core::time::Wall;
use crate::decode::beat::{self, Found, Markers};
use std::collections::HashMap;
use std::time::Duration;

/// A time in which heartbeats of one name were sent and none arrived.
#[derive(Clone, Copy, Debug)]
struct Hole {
    /// Wall clock: the heartbeats before and after it.
    from: Wall,
    to: Wall,
    /// The part of it in which none was sent.
    silent: Duration,
}

/// A heartbeat.
#[derive(Clone, Copy, Debug)]
struct Last {
    at: Wall,
    seq: u64,
    /// The interval up to it; zero: not known.
    interval: Duration,
}

/// The last heartbeat of one name, and the holes before it.
#[derive(Debug, Default)]
struct Counted {
    last: Option<Last>,
    holes: Vec<Hole>,
}

impl Counted {
    fn beat(&mut self, at: Wall, seq: u64, every: Option<Duration>) {
        let before = self.last;
        let since = before.map_or(Duration::ZERO, |before| at.since(before.at));
        let lost = before.map_or(0, |before| seq.saturating_sub(before.seq).saturating_sub(1));
        let usual = before.map_or(Duration::ZERO, |before| before.interval);
        let interval = every.unwrap_or(if lost == 0 { since } else { usual });
        self.last = Some(Last { at, seq, interval });
        if let Some(before) = before.filter(|_| lost > 0) {
            let lost = u32::try_from(lost).unwrap_or(u32::MAX);
            self.holes.push(Hole {
                from: before.at,
                to: at,
                silent: since.saturating_sub(interval.saturating_mul(lost)),
            });
        }
    }
}

/// Collects them, entry by entry.
#[derive(Debug)]
pub(in crate::commands) struct Proofs {
    markers: Markers,
    /// By subject and by the heartbeat's name.
    all: HashMap<(String, String), Counted>,
}

impl Proofs {
    /// Of heartbeats with these markers.
    pub(super) fn new(markers: &[String]) -> Self {
        Proofs {
            markers: Markers::new(markers),
            all: HashMap::new(),
        }
    }

    /// Takes an entry.
    pub(super) fn entry(&mut self, at: Wall, subject: &str, payload: &[u8]) {
        if !self.markers.in_bytes(payload) {
            return;
        }
        let all = &mut self.all;
        beat::read(payload, subject, &self.markers, |found| {
            let Found::Beat(line) = found else { return };
            let counted = all
                .entry((subject.to_owned(), line.name.to_owned()))
                .or_default();
            match line.seq {
                Some(seq) => counted.beat(at, seq, line.every),
                None => counted.last = None,
            }
        });
    }

    /// True where an incident of one instance that ended at `end` is known to be a false alarm: the heartbeats that were lost
    /// meanwhile leave no silence that was too long.
    pub(super) fn is_false_alarm(&self, notice: &Notice, end: Wall) -> bool {
        if notice.alarm != Alarm::Heartbeat || notice.scope != Scope::Instance {
            return false;
        }
        let who = &notice.who;
        let subject = format!("logs.{}.{}.{}", who.app, who.region, who.instance);
        let Some(counted) = self.all.get(&(subject, who.beat.clone())) else {
            return false;
        };
        let shows = |hole: &Hole| {
            (hole.from..=hole.to).contains(&notice.due)
                && hole.to <= end
                && hole.silent <= notice.max_gap
        };
        counted.holes.iter().any(shows)
    }
}
