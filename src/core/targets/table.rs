//! Targets of rules and the state of each alert.

pub mod factor;

use crate::core::notice::TargetName;
use crate::core::targets::groups::GroupId;
use crate::core::targets::table::factor::Factor;
use crate::core::time::{Listened, Stamp, Wall};
use crate::core::tracker::usual::Usual;
use crate::core::tracker::{BeatId, InstanceId, NONE, Tracker, store};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// The thing a target watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    /// One beat of one instance.
    Beat(BeatId),
    /// Any entry of provider `app` of one instance.
    Logs(InstanceId),
    /// Everything in one group.
    Group(GroupId),
}

/// The state of one alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Heard in time.
    Ok,
    /// Silent for longer than `max_gap`, but not yet for `for` more.
    Pending,
    /// Silent for longer than both: an incident is open.
    Firing,
}

impl State {
    /// All states.
    pub const ALL: [State; 3] = [State::Ok, State::Pending, State::Firing];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Pending => "pending",
            State::Firing => "firing",
        }
    }
}

/// Reasons for a change of an alert's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Silent for longer than `max_gap`.
    GapExceeded,
    /// Still silent after `for`.
    Held,
    /// The platform reported a crash, and the rule has `on_crash`.
    Crashed,
    /// Its rule allows more since a reload.
    Relaxed,
    /// Heard again, as often as `recover` requires.
    Heard,
    /// lastbeat was blind for so long that the silence before proves nothing.
    Blind,
    /// It sent a `bye`.
    Bye,
    /// Unheard for so long that it is not expected any more.
    Forgotten,
    /// Its rule was removed.
    RuleRemoved,
}

impl Reason {
    /// In words.
    pub const fn label(self) -> &'static str {
        match self {
            Reason::GapExceeded => "silent for longer than max_gap",
            Reason::Held => "still silent after for",
            Reason::Crashed => "crashed",
            Reason::Relaxed => "its rule allows more now",
            Reason::Heard => "heard again",
            Reason::Blind => "lastbeat was blind meanwhile",
            Reason::Bye => "said bye",
            Reason::Forgotten => "forgotten",
            Reason::RuleRemoved => "rule removed",
        }
    }
}

/// A change of an alert's state.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The target.
    pub who: TargetName,
    /// State before.
    pub from: State,
    /// State after.
    pub to: State,
    /// Reason.
    pub reason: Reason,
    /// Wall clock: time of the change, by the deadline or the beat and not by the evaluation that found it.
    pub at: Wall,
}

/// One target of one rule.
#[derive(Clone, Debug)]
pub struct Target {
    /// The number of what is watched.
    number: u32,
    /// Index of its last sign of life in [`Table::seen`]; [`NONE`] for a beat, which stores its own.
    seen: u32,
    /// The rule's index in the set; [`NO_RULE`] in a free slot.
    rule: u16,
    /// Signs of life in a row since it began to fire.
    pub good: u16,
    /// Kind of its number.
    kind: Kind,
    /// Number of beats that must be lost under "auto".
    pub factor: Factor,
    /// The alert.
    pub state: State,
}

/// The rule of a free slot; a set has at most ten thousand rules.
const NO_RULE: u16 = u16::MAX;

/// [`Watched`] without the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Beat,
    Logs,
    Group,
}

impl Watched {
    /// The instance that it belongs to; `None` for groups.
    pub fn instance(self, tracker: &Tracker) -> Option<InstanceId> {
        match self {
            Watched::Beat(beat) => Some(InstanceId(tracker.beat_row(beat).instance)),
            Watched::Logs(instance) => Some(instance),
            Watched::Group(_) => None,
        }
    }

    const fn split(self) -> (Kind, u32) {
        match self {
            Watched::Beat(id) => (Kind::Beat, id.0),
            Watched::Logs(id) => (Kind::Logs, id.0),
            Watched::Group(id) => (Kind::Group, id.0),
        }
    }
}

impl Target {
    /// The thing it watches.
    #[inline]
    pub const fn watched(&self) -> Watched {
        match self.kind {
            Kind::Beat => Watched::Beat(BeatId(self.number)),
            Kind::Logs => Watched::Logs(InstanceId(self.number)),
            Kind::Group => Watched::Group(GroupId(self.number)),
        }
    }

    /// The rule's index in the set; [`NONE`] in a free slot.
    #[inline]
    pub const fn rule(&self) -> u32 {
        if self.rule == NO_RULE {
            NONE
        } else {
            self.rule as u32
        }
    }
}

/// A deadline as stored in the array that each tick reads: on the listened clock in 64ths of a second, rounded down, so
/// that a target that is evaluated too early gets its deadline again. Four bytes are enough for two years of listening
/// in one run; later deadlines are evaluated too early at every tick, which costs time and raises no false alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due(u32);

impl Due {
    const NEVER: Due = Due(u32::MAX);
    const UNIT_NANOS: u64 = 1_000_000_000 / 64;

    /// The last representable deadline not after `at`, on a clock that started at `start`.
    #[inline]
    fn at(at: Listened, start: Listened) -> Due {
        if at == Listened::NEVER {
            return Due::NEVER;
        }
        let units = at.nanos().saturating_sub(start.nanos()) / Due::UNIT_NANOS;
        Due(units.min(u64::from(Due::NEVER.0 - 1)) as u32)
    }

    fn listened(self, start: Listened) -> Listened {
        match self {
            Due::NEVER => Listened::NEVER,
            Due(units) => Listened::from_nanos(start.nanos() + u64::from(units) * Due::UNIT_NANOS),
        }
    }
}

/// The rows of all targets, with their deadlines in an array of their own: a tick is one pass over it.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Target>,
    /// Last sign of life and usual intervals of targets that are not beats.
    seen: Vec<(Stamp, Usual)>,
    free_seen: Vec<u32>,
    /// A target is evaluated once the listened clock passes this.
    due: Vec<Due>,
    free: Vec<u32>,
    /// The exact deadlines of pending alerts, which end at them and not before.
    pending: BTreeMap<u32, Listened>,
    /// Listened clock: its reading when the first target was added, the zero of the deadlines.
    start: Option<Listened>,
    /// Lower bound of all deadlines.
    earliest: Listened,
    /// Deadlines that passed: an allocation that is reused from tick to tick.
    passed: Vec<u32>,
}

impl Default for Table {
    fn default() -> Self {
        Table {
            rows: Vec::new(),
            seen: Vec::new(),
            free_seen: Vec::new(),
            due: Vec::new(),
            pending: BTreeMap::new(),
            start: None,
            free: Vec::new(),
            earliest: Listened::NEVER,
            passed: Vec::new(),
        }
    }
}

impl Table {
    /// Adds a target that was heard at `seen` and is ok until `due`. For a beat, `seen` is not stored: it has its own.
    pub fn add(&mut self, watched: Watched, rule: u32, seen: Stamp, due: Listened) -> u32 {
        self.start.get_or_insert(seen.listened);
        let (kind, number) = watched.split();
        let row = Target {
            number,
            seen: match kind {
                Kind::Beat => NONE,
                Kind::Logs | Kind::Group => store(
                    &mut self.seen,
                    &mut self.free_seen,
                    (seen, Usual::default()),
                ),
            },
            rule: rule_number(rule),
            good: 0,
            kind,
            factor: Factor::default(),
            state: State::Ok,
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.rows[id as usize] = row;
                id
            }
            None => {
                self.rows.push(row);
                self.due.push(Due::NEVER);
                (self.rows.len() - 1) as u32
            }
        };
        self.set_due(id, due);
        id
    }

    /// Removes a target.
    pub fn remove(&mut self, id: u32) {
        self.due[id as usize] = Due::NEVER;
        let row = &mut self.rows[id as usize];
        row.rule = NO_RULE;
        if row.seen != NONE {
            self.free_seen.push(row.seen);
        }
        self.pending.remove(&id);
        self.free.push(id);
    }

    /// Last sign of life of a target that is not a beat; `None` for a beat, which stores its own.
    #[inline]
    pub fn seen(&self, id: u32) -> Option<Stamp> {
        let row = self.seen.get(self.rows[id as usize].seen as usize);
        row.map(|(seen, _)| *seen)
    }

    /// Records a sign of life of a target that is not a beat.
    #[inline]
    pub fn set_seen(&mut self, id: u32, at: Stamp) {
        if let Some((seen, _)) = self.seen.get_mut(self.rows[id as usize].seen as usize) {
            *seen = at;
        }
    }

    /// Usual intervals of a target that is not a beat; `None` for a beat.
    pub fn usual(&self, id: u32) -> Option<Usual> {
        let row = self.seen.get(self.rows[id as usize].seen as usize);
        row.map(|(_, usual)| *usual)
    }

    /// Mutable usual intervals of a target that is not a beat; `None` for a beat.
    pub fn usual_mut(&mut self, id: u32) -> Option<&mut Usual> {
        let row = self.seen.get_mut(self.rows[id as usize].seen as usize);
        row.map(|(_, usual)| usual)
    }

    /// A target.
    #[inline]
    pub fn get(&self, id: u32) -> &Target {
        &self.rows[id as usize]
    }

    /// A mutable target.
    #[inline]
    pub fn get_mut(&mut self, id: u32) -> &mut Target {
        &mut self.rows[id as usize]
    }

    /// Listened clock: the next evaluation of a target, up to a 64th of a second early.
    pub fn due(&self, id: u32) -> Listened {
        self.due[id as usize].listened(self.start())
    }

    /// Sets the next evaluation of a target.
    #[inline]
    pub fn set_due(&mut self, id: u32, due: Listened) {
        let start = self.start();
        self.due[id as usize] = Due::at(due, start);
        if self.rows[id as usize].state == State::Pending {
            self.pending.insert(id, due);
        } else if !self.pending.is_empty() {
            self.pending.remove(&id);
        }
        self.earliest = self.earliest.min(due);
    }

    /// Lower bound of all deadlines; may be earlier than the first of them.
    #[inline]
    pub fn earliest(&self) -> Listened {
        self.earliest
    }

    /// The targets whose deadline has passed at `now`, and some whose deadline is near; hand the list back with
    /// [`Self::reuse`].
    pub fn passed(&mut self, now: Listened) -> Vec<u32> {
        let mut passed = std::mem::take(&mut self.passed);
        passed.clear();
        let (mut earliest, start) = (Due::NEVER, self.start());
        let near = Due::at(now, start);
        for (id, &due) in self.due.iter().enumerate() {
            if due > near {
                earliest = earliest.min(due);
            } else {
                passed.push(id as u32);
            }
        }
        let mut earliest = earliest.listened(start);
        passed.retain(|id| {
            let later = self.pending.get(id).filter(|due| **due >= now);
            earliest = later.map_or(earliest, |due| earliest.min(*due));
            later.is_none()
        });
        self.earliest = earliest;
        passed
    }

    fn start(&self) -> Listened {
        self.start.unwrap_or_default()
    }

    /// Takes back the list that [`Self::passed`] gave.
    pub fn reuse(&mut self, passed: Vec<u32>) {
        self.passed = passed;
    }

    /// A target; `None` for a number that means none.
    pub fn row(&self, id: u32) -> Option<&Target> {
        self.rows.get(id as usize)
    }

    /// Number of targets.
    pub fn in_use(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    /// Number of slots, free ones included.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if there is no slot.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Renumbers the rules.
    pub fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        self.rows
            .iter_mut()
            .filter(|row| row.rule != NO_RULE)
            .for_each(|row| row.rule = rule_number(number(row.rule())));
    }

    /// The beats that are watched as targets of their own.
    pub fn beats(&self) -> impl Iterator<Item = BeatId> {
        let rows = self
            .rows
            .iter()
            .filter(|row| row.rule != NO_RULE && row.kind == Kind::Beat);
        rows.map(|row| BeatId(row.number))
    }

    /// The targets in these slots.
    pub fn live_in(&self, slots: Range<usize>) -> impl Iterator<Item = &Target> {
        let rows = self.rows[slots].iter();
        rows.filter(|target| target.rule != NO_RULE)
    }
}

fn rule_number(rule: u32) -> u16 {
    u16::try_from(rule).unwrap_or(NO_RULE)
}

/// Effect of one sign of life on an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSign {
    /// It was ok and still is.
    Well,
    /// It was pending and is ok.
    Relieved,
    /// It fires, and more beats in a row are required.
    Recovering,
    /// It fired and is resolved.
    Resolved,
}

impl Target {
    /// Applies a sign of life that follows the previous one after `gap`.
    pub fn sign(&mut self, gap: Duration, max_gap: Duration, recover: u32) -> OnSign {
        match self.state {
            State::Ok => OnSign::Well,
            State::Pending => {
                self.state = State::Ok;
                OnSign::Relieved
            }
            State::Firing => {
                self.good = if self.good > 0 && gap > max_gap {
                    1
                } else {
                    self.good.saturating_add(1)
                };
                // No rule requires more in a row than can be counted.
                if u32::from(self.good) < recover && self.good != u16::MAX {
                    return OnSign::Recovering;
                }
                self.state = State::Ok;
                self.good = 0;
                OnSign::Resolved
            }
        }
    }
}

#[cfg(test)]
mod tests;
