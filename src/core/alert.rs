//! Targets of rules and the state of each alert.

use super::groups::GroupId;
use super::notice::{IncidentId, Who};
use super::time::{Listened, Stamp, Wall};
use super::tracker::{BeatId, InstanceId, NONE};
use super::usual::Usual;
use std::sync::Arc;
use std::time::Duration;

/// What a target's silence is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// One beat of one instance.
    Beat(BeatId),
    /// Any entry of provider `app` of one instance.
    Logs(InstanceId),
    /// All that a rule takes for one.
    Group(GroupId),
}

/// The state of one alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Heard within its time.
    Ok,
    /// Silent for longer than `max_gap`, not yet for `for` more.
    Pending,
    /// Silent for longer than both: an incident is open.
    Firing,
}

impl State {
    /// Every one.
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

/// Why an alert changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Silent for longer than `max_gap`.
    GapExceeded,
    /// Still silent when `for` was over.
    Held,
    /// The platform told of a crash, and the rule does not wait for the silence.
    Crashed,
    /// Heard again, as often as `recover` asks.
    Heard,
    /// lastbeat was blind for so long that the silence before blames nobody.
    Blind,
    /// It said that it stops.
    Bye,
    /// Unheard for so long that nobody expects it.
    Forgotten,
    /// Its rule is gone.
    RuleRemoved,
}

impl Reason {
    /// In words.
    pub const fn label(self) -> &'static str {
        match self {
            Reason::GapExceeded => "silent for longer than max_gap",
            Reason::Held => "still silent after for",
            Reason::Crashed => "crashed",
            Reason::Heard => "heard again",
            Reason::Blind => "lastbeat was blind meanwhile",
            Reason::Bye => "said bye",
            Reason::Forgotten => "forgotten",
            Reason::RuleRemoved => "rule removed",
        }
    }
}

/// One alert changed its state.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The rule's name.
    pub rule: Arc<str>,
    /// Whose alert it is.
    pub who: Who,
    /// What it was.
    pub from: State,
    /// What it is.
    pub to: State,
    /// Why.
    pub reason: Reason,
    /// Wall clock: when it became so, by deadline or beat and not by the tick that saw it.
    pub at: Wall,
}

/// One target of one rule.
#[derive(Clone, Debug)]
pub struct Target {
    /// What is watched.
    pub watched: Watched,
    /// The rule's place in the set; [`NONE`] in a free slot.
    pub rule: u32,
    /// When it last gave a sign of life.
    pub seen: Stamp,
    /// The alert.
    pub state: State,
    /// Beats in a row since it fires.
    pub good: u32,
    /// What intervals it usually keeps.
    pub usual: Usual,
    /// The incident it belongs to while it fires.
    pub incident: Option<IncidentId>,
}

/// All targets, with the deadline of each in an array of its own: a tick is one pass over it.
#[derive(Debug)]
pub struct Targets {
    rows: Vec<Target>,
    /// On the listened clock: once it shows more than this, the target is to be judged.
    due: Vec<Listened>,
    free: Vec<u32>,
    /// No deadline lies before this one.
    earliest: Listened,
    /// Deadlines that passed: an allocation kept from tick to tick.
    passed: Vec<u32>,
}

impl Default for Targets {
    fn default() -> Self {
        Targets {
            rows: Vec::new(),
            due: Vec::new(),
            free: Vec::new(),
            earliest: Listened::NEVER,
            passed: Vec::new(),
        }
    }
}

impl Targets {
    /// A new target that was heard at `seen` and is well until `due`.
    pub fn add(&mut self, watched: Watched, rule: u32, seen: Stamp, due: Listened) -> u32 {
        let row = Target {
            watched,
            rule,
            seen,
            state: State::Ok,
            good: 0,
            usual: Usual::default(),
            incident: None,
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.rows[id as usize] = row;
                id
            }
            None => {
                self.rows.push(row);
                self.due.push(Listened::NEVER);
                (self.rows.len() - 1) as u32
            }
        };
        self.set_due(id, due);
        id
    }

    /// Takes a target out.
    pub fn remove(&mut self, id: u32) {
        self.due[id as usize] = Listened::NEVER;
        self.rows[id as usize].rule = NONE;
        self.free.push(id);
    }

    /// A target.
    #[inline]
    pub fn get(&self, id: u32) -> &Target {
        &self.rows[id as usize]
    }

    /// A target, to be changed.
    #[inline]
    pub fn get_mut(&mut self, id: u32) -> &mut Target {
        &mut self.rows[id as usize]
    }

    /// When a target is to be judged next.
    pub fn due(&self, id: u32) -> Listened {
        self.due[id as usize]
    }

    /// Sets when a target is to be judged next.
    #[inline]
    pub fn set_due(&mut self, id: u32, due: Listened) {
        self.due[id as usize] = due;
        self.earliest = self.earliest.min(due);
    }

    /// A point before which no deadline lies; it may be earlier than the first deadline.
    #[inline]
    pub fn earliest(&self) -> Listened {
        self.earliest
    }

    /// The targets whose deadline has passed when the clock shows `now`; hand the list back with
    /// [`Self::reuse`].
    pub fn passed(&mut self, now: Listened) -> Vec<u32> {
        let mut passed = std::mem::take(&mut self.passed);
        passed.clear();
        let mut earliest = Listened::NEVER;
        for (id, &due) in self.due.iter().enumerate() {
            if due < now {
                passed.push(id as u32);
            } else {
                earliest = earliest.min(due);
            }
        }
        self.earliest = earliest;
        passed
    }

    /// Takes back the list that [`Self::passed`] gave.
    pub fn reuse(&mut self, passed: Vec<u32>) {
        self.passed = passed;
    }

    /// A target; `None` for the numbers that mean none.
    pub fn row(&self, id: u32) -> Option<&Target> {
        self.rows.get(id as usize)
    }

    /// How many slots there are, free ones included.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no slot.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rules have other numbers now.
    pub fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        self.rows
            .iter_mut()
            .filter(|row| row.rule != NONE)
            .for_each(|row| row.rule = number(row.rule));
    }

    /// Every target in use.
    pub fn live(&self) -> impl Iterator<Item = &Target> {
        self.rows.iter().filter(|target| target.rule != NONE)
    }
}

/// How an alert's life runs on one sign of life: what it is afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSign {
    /// It was well and is.
    Well,
    /// It was pending and is well.
    Relieved,
    /// It fires, and more beats in a row are wanted.
    Recovering,
    /// It fired and is over.
    Resolved,
}

impl Target {
    /// A sign of life came `gap` after the one before.
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
                    self.good + 1
                };
                if self.good < recover {
                    return OnSign::Recovering;
                }
                self.state = State::Ok;
                self.good = 0;
                OnSign::Resolved
            }
        }
    }
}
