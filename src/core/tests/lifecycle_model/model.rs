//! The naive model of one instance.

use super::{FORGET_AFTER, MAX_GAP, NAMES, SWEPT_WITHIN};
use crate::core::entry::Lifecycle;
use crate::core::inventory::Listed;

/// Why an instance is stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stop {
    /// A line of the platform's announced it.
    Line,
    /// The inventory lists it as not started.
    Listed,
    /// The inventory lists it no more.
    Gone,
}

/// The state of one beat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Thought {
    /// It is not waited for.
    Nothing,
    Waited,
    Fires,
}

#[derive(Clone, Copy, Debug)]
struct Beat {
    /// Heard, or expected again.
    seen: u64,
    /// The first start since.
    started: Option<u64>,
    stopped: bool,
    /// Its deadline, while it fires.
    fires: Option<u64>,
    /// Since when its alert waits for the inventory.
    waits_since: Option<u64>,
}

impl Beat {
    fn heard(now: u64, stopped: bool) -> Self {
        Beat {
            seen: now,
            started: None,
            stopped,
            fires: None,
            waits_since: None,
        }
    }
}

/// One instance as the model has it. Each rule of the design is one line or two.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    beats: [Option<Beat>; NAMES.len()],
    seen: u64,
    spoke: Option<u64>,
    stop: Option<(Stop, u64)>,
    said_bye: bool,
    crash: Option<u64>,
    /// Its listing in the inventory, and the start of it.
    pub(super) listed: Option<(Listed, u64)>,
}

impl Model {
    fn has_left(&self) -> bool {
        self.said_bye || self.stop.is_some()
    }

    fn known(&mut self) -> impl Iterator<Item = &mut Beat> {
        self.beats.iter_mut().flatten()
    }

    fn last_word(&self) -> u64 {
        let seen = self.beats.iter().flatten().map(|beat| beat.seen);
        seen.chain(self.spoke).max().unwrap_or_default()
    }

    /// Whatever was live within one `max_gap` of the last word is expected again; what did not stop has `max_gap` from the
    /// first start.
    fn start(&mut self, now: u64, but: Option<usize>) {
        let last_word = self.last_word();
        (self.stop, self.said_bye) = (None, false);
        for (name, beat) in self.beats.iter_mut().enumerate() {
            let Some(beat) = beat.as_mut().filter(|_| Some(name) != but) else {
                continue;
            };
            if !beat.stopped {
                beat.started = beat.started.or(Some(now));
            } else if beat.seen + MAX_GAP >= last_word {
                (beat.stopped, beat.seen, beat.started) = (false, now, None);
            }
        }
    }

    fn stop(&mut self, why: Stop, now: u64) {
        self.stop = Some((why, now));
        self.known()
            .for_each(|beat| (beat.stopped, beat.fires) = (true, None));
    }

    /// It was taken for stopped, and crashed: it is silent since it was last heard.
    fn died(&mut self) {
        let last_word = self.last_word();
        self.stop = None;
        let was_live = |beat: &&mut Beat| beat.seen + MAX_GAP >= last_word;
        self.known()
            .filter(was_live)
            .for_each(|beat| beat.stopped = false);
    }

    pub(super) fn beat(&mut self, name: usize, now: u64) {
        self.seen = now;
        let announced = matches!(self.stop, Some((Stop::Line, at)) if now - at < 120);
        if announced {
            // One of its last words.
            self.beats[name] = Some(Beat::heard(now, true));
            return;
        }
        if self.has_left() {
            self.start(now, Some(name));
        }
        self.crash = None;
        self.spoke = Some(now);
        self.beats[name] = Some(Beat::heard(now, false));
    }

    pub(super) fn bye(&mut self, name: usize, now: u64) {
        self.log(now);
        let all = NAMES[name].is_empty();
        self.said_bye |= all;
        if let Some(beat) = &mut self.beats[name] {
            beat.seen = now;
        }
        for (of, beat) in self.beats.iter_mut().enumerate() {
            if let Some(beat) = beat.as_mut().filter(|_| all || of == name) {
                (beat.stopped, beat.fires) = (true, None);
            }
        }
    }

    pub(super) fn log(&mut self, now: u64) {
        self.seen = now;
        if !self.has_left() {
            self.spoke = Some(now);
        }
    }

    pub(super) fn line(&mut self, what: Lifecycle, now: u64) {
        self.seen = now;
        let is_listed = matches!(self.stop, Some((Stop::Listed, _)));
        match what {
            Lifecycle::Started => self.start(now, None),
            Lifecycle::NotRestarted if self.is_crashed() => {}
            Lifecycle::Autostop
            | Lifecycle::Autosuspend
            | Lifecycle::Done
            | Lifecycle::NotRestarted => {
                self.crash = None;
                self.stop(Stop::Line, now);
            }
            Lifecycle::Failed if self.said_bye || matches!(self.stop, Some((Stop::Line, _))) => {}
            Lifecycle::OutOfMemory | Lifecycle::Failed | Lifecycle::GaveUp => {
                if what == Lifecycle::GaveUp && self.has_left() && !is_listed {
                    self.start(now, None);
                }
                self.crash = Some(now);
                if is_listed {
                    self.died();
                }
            }
        }
    }

    fn is_crashed(&self) -> bool {
        let heard = self.beats.iter().flatten().next().is_some();
        let talks = |at: u64| self.spoke.is_some_and(|spoke| spoke >= at + 60);
        self.crash.is_some_and(|at| heard || !talks(at))
    }

    /// The inventory lists the machine like this at `now`.
    pub(super) fn is_listed(&mut self, listed: Option<Listed>, now: u64) {
        let before = self.listed;
        self.listed = listed.map(|listed| match before {
            Some((same, since)) if same == listed => (listed, since),
            _ => (listed, now),
        });
    }

    /// An answer of the inventory at `now`; `stamp`: the last arrival before it.
    pub(super) fn polled(&mut self, listed: Option<Listed>, now: u64, stamp: u64) {
        let before = self.listed;
        self.is_listed(listed, now);
        let Some((listed, since)) = self.listed else {
            if self.stop.is_none() {
                self.stop(Stop::Gone, now);
            }
            return;
        };
        match (self.stop, listed) {
            (None, Listed::Stopped) if self.is_crashed() => {}
            (None, Listed::Stopped) => self.stop(Stop::Listed, now),
            (Some((why, at)), Listed::Started | Listed::Failed)
                if why != Stop::Line || now - at > 60 =>
            {
                self.start(stamp, None);
            }
            _ => {}
        }
        if matches!(before, Some((Listed::Starting, _))) && listed == Listed::Started {
            self.start(stamp, None);
        }
        let is_stuck = listed == Listed::Starting && now - since >= 300;
        let is_heard = self.beats.iter().flatten().any(|beat| beat.seen >= since);
        if is_stuck && !is_heard {
            if self.has_left() {
                self.start(stamp, None);
            }
            self.known()
                .filter(|beat| !beat.stopped && deadline(beat) >= stamp)
                .for_each(|beat| beat.fires = beat.fires.or(Some(since + 300)));
        }
    }

    /// An alert waits up to five seconds for an answer that is newer than its deadline; `asked`: when the last one was asked
    /// for, where there is an inventory.
    pub(super) fn evaluate(&mut self, now: u64, asked: Option<u64>) {
        let is_starting =
            matches!(self.listed, Some((Listed::Starting, since)) if now < since + 300);
        for beat in self.known().filter(|beat| beat.fires.is_none()) {
            if beat.stopped || deadline(beat) >= now || is_starting {
                beat.waits_since = None;
                continue;
            }
            let since = *beat.waits_since.get_or_insert(now);
            let is_answered = asked.is_none_or(|asked| asked >= deadline(beat));
            if is_answered || now >= since + 5 {
                beat.fires = Some(deadline(beat));
            }
        }
    }

    /// When a beat is forgotten that fires, or whose machine is gone for good; never what is waited for.
    fn forgotten_at(&self, beat: &Beat) -> Option<u64> {
        let gone = matches!(self.stop, Some((Stop::Gone, _))) && beat.stopped;
        let from = beat.fires.or(gone.then_some(beat.seen));
        from.map(|from| from + FORGET_AFTER)
    }

    pub(super) fn forget(&mut self, now: u64) {
        let over = self.beats.map(|beat| {
            let at = beat.as_ref().and_then(|beat| self.forgotten_at(beat));
            at.is_some_and(|at| at < now)
        });
        let all = (0..NAMES.len()).all(|name| over[name] || self.beats[name].is_none());
        if over.contains(&true) && all && self.seen + FORGET_AFTER < now {
            *self = Model {
                listed: self.listed,
                ..Model::default()
            };
        }
        for name in (0..NAMES.len()).filter(|name| over[*name]) {
            self.beats[name] = None;
        }
    }

    /// True if something of it is about to be forgotten, or was just now: the exact moment is the core's own affair.
    pub(super) fn is_being_forgotten(&self, now: u64) -> bool {
        let mut beats = self.beats.iter().flatten();
        beats.any(|beat| {
            let at = self.forgotten_at(beat);
            at.is_some_and(|at| at < now + SWEPT_WITHIN)
        })
    }

    /// True if something of it is over and not yet forgotten by the model.
    pub(super) fn has_over(&self, now: u64) -> bool {
        let mut beats = self.beats.iter().flatten();
        beats.any(|beat| self.forgotten_at(beat).is_some_and(|at| at < now))
    }

    pub(super) fn thought(&self, name: usize) -> Thought {
        match self.beats[name] {
            Some(Beat { fires: Some(_), .. }) => Thought::Fires,
            Some(Beat { stopped: false, .. }) => Thought::Waited,
            _ => Thought::Nothing,
        }
    }
}

fn deadline(beat: &Beat) -> u64 {
    beat.seen.max(beat.started.unwrap_or_default()) + MAX_GAP
}
