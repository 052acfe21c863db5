//! Targets of rules, each with its alert: the layer above the facts. It knows no incidents.
//!
//! Its decisions leave as [`AlertEvent`]s, which the layer above takes.

pub mod alive;
pub mod budget;
pub mod confirmation;
pub mod evaluate;
mod factors;
pub mod forgetting;
pub mod group_interval;
pub mod groups;
pub mod inventory;
pub mod lifecycle;
pub mod membership;
mod moved;
pub mod never_seen;
pub mod new_rhythms;
mod opinion;
pub mod plan;
mod proof_of_life;
pub mod question;
pub mod rate;
pub mod reload;
pub mod signs;
pub mod table;
pub mod threshold;

use crate::core::entry::{Reject, Subject};
use crate::core::facts::Facts;
use crate::core::notice::TargetName;
use crate::core::rule::{MaxGap, Watch};
use crate::core::targets::alive::FalseAlarmCounts;
use crate::core::targets::budget::Budget;
use crate::core::targets::confirmation::Confirmation;
use crate::core::targets::groups::{GroupLink, Groups};
use crate::core::targets::new_rhythms::NewRhythms;
use crate::core::targets::question::Opinions;
use crate::core::targets::rate::Rates;
use crate::core::targets::table::{Change, Reason, State, Table, Watched};
use crate::core::time::{Listened, Mono, Stamp, Wall};
use crate::core::tracker::{Admitted, InstanceId, NONE, Tracker, UNDECIDED};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A rule that is probably wrong: it allows less than two of the intervals that a beat declares, so that one lost entry
/// raises an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Doubt {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The target.
    pub who: TargetName,
    /// Limit that the rule sets.
    pub max_gap: Duration,
    /// Interval that the beat declares.
    pub every: Duration,
}

/// Events for the layer above.
#[derive(Debug)]
pub enum AlertEvent {
    /// An alert changed state.
    Changed {
        /// The target.
        target: u32,
        /// The change, by name.
        change: Change,
    },
    /// An alert fires.
    Fired {
        /// The target.
        target: u32,
        /// Arrival clock: its deadline.
        due: Mono,
        /// Listened clock: its deadline.
        deadline: Listened,
    },
    /// A target was removed.
    Removed(u32),
    /// A reason for a target's silence became known.
    Known {
        /// The target.
        target: u32,
        /// The reason, in words.
        words: String,
    },
}

/// The rules that match each app-region, by its number.
#[derive(Debug, Default)]
pub struct Plan {
    /// The rules by instance, in order.
    pub rules: Vec<Box<[u32]>>,
    /// The rules by something wider, in order.
    pub links: Vec<Vec<GroupLink>>,
}

impl Plan {
    /// Forgets an app-region.
    pub fn forget(&mut self, app_region: u32) {
        self.rules[app_region as usize] = Box::default();
        self.links[app_region as usize] = Vec::new();
    }
}

/// All targets, the rules that apply to them, and their alerts.
#[derive(Debug, Default)]
pub struct Targets {
    /// The targets, by number.
    pub table: Table,
    /// Targets that consist of several instances.
    pub groups: Groups,
    /// The rules that match each app-region.
    pub plan: Plan,
    /// The looks at the factors of "auto".
    budget: Budget,
    /// False alarms that are known.
    pub false_alarms: FalseAlarmCounts,
    /// The entries of those whose rule asks for a rate.
    pub rates: Rates,
    /// Alerts that wait for the inventory's confirmation.
    pub confirmation: Confirmation,
    /// Alerts that wait for a second opinion.
    pub opinions: Opinions,
    /// Long intervals that may turn out to be a new rhythm.
    pub(in crate::core) new_rhythms: NewRhythms,
    events: Vec<AlertEvent>,
    /// Rules that were doubted already, by number; and the doubts that were not taken yet.
    doubted: BTreeSet<u32>,
    doubts: Vec<Doubt>,
    /// Listened clock: start of the firing of each target that fires.
    silent: BTreeMap<u32, Listened>,
    /// Listened clock: lower bound of those times.
    first_silent: Listened,
    /// Instances that may have moved to another region, by slot: the instance there, and the arrival time of its first
    /// entry.
    moves: BTreeMap<u32, (InstanceId, Mono)>,
    /// Entry time of the last sign of life of each target that fires.
    counted: BTreeMap<u32, Wall>,
}

impl Targets {
    /// True if there are events for the layer above.
    #[inline]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Takes the events since the last call, in order.
    pub fn take_events(&mut self) -> Vec<AlertEvent> {
        std::mem::take(&mut self.events)
    }

    /// The targets of one instance, without groups.
    pub fn targets_of(&self, facts: &Facts, id: InstanceId) -> Vec<u32> {
        let beats = facts.tracker.beats_of(id);
        let beats = beats.map(|beat| facts.tracker.beat_row(beat).target);
        let logs = facts.tracker.instance(id).logs;
        let all = beats.chain(std::iter::once(logs));
        all.filter(|&target| target < UNDECIDED).collect()
    }

    /// The instance of a target; `None` for groups.
    pub fn instance_of(&self, facts: &Facts, target: u32) -> Option<InstanceId> {
        self.table.get(target).watched().instance(&facts.tracker)
    }

    /// The rule of a target.
    pub fn rule_of<'a>(&self, facts: &'a Facts, target: u32) -> &'a crate::core::rule::Rule {
        &facts.rules.rules[self.table.get(target).rule() as usize]
    }

    /// True if a target fires.
    pub fn fires(&self, target: u32) -> bool {
        let row = self.table.row(target);
        row.is_some_and(|row| row.rule() != NONE && row.state == State::Firing)
    }

    /// True if a target's rule watches logs.
    pub fn is_of_logs(&self, facts: &Facts, target: u32) -> bool {
        self.rule_of(facts, target).watch == Watch::Logs
    }

    /// Takes the doubts about rules since the last call. Each rule is doubted once.
    pub fn take_doubts(&mut self) -> Vec<Doubt> {
        std::mem::take(&mut self.doubts)
    }

    /// Doubts the rule of a target whose beat declares `every`, if the rule allows too little.
    pub fn doubt(&mut self, facts: &Facts, target: u32, every: Duration) {
        let row = self.table.get(target);
        let MaxGap::Fixed(max_gap) = facts.rules.rules[row.rule() as usize].max_gap else {
            return;
        };
        if max_gap < every * 2 && self.doubted.insert(row.rule()) {
            self.doubts.push(Doubt {
                rule: Arc::clone(&facts.rule_names[row.rule() as usize]),
                who: self.who(facts, row.watched()),
                max_gap,
                every,
            });
        }
    }

    fn changed(&mut self, facts: &mut Facts, target: u32, from: State, reason: Reason, at: Mono) {
        self.touched(facts, target);
        if self.table.get(target).state != State::Firing {
            self.silent.remove(&target);
            self.counted.remove(&target);
            self.close_as_alive(facts, target, from, reason);
        }
        let row = self.table.get(target);
        let change = Change {
            rule: Arc::clone(&facts.rule_names[row.rule() as usize]),
            who: self.who(facts, row.watched()),
            from,
            to: row.state,
            reason,
            at: facts.now.wall_of(at),
        };
        self.events.push(AlertEvent::Changed { target, change });
    }

    fn fired(&mut self, target: u32, due: Mono, deadline: Listened) {
        self.silent_since(target, deadline);
        self.false_alarms.fired(target, deadline);
        self.events.push(AlertEvent::Fired {
            target,
            due,
            deadline,
        });
    }

    /// Records that a target fires since `since`, in this run or a previous one.
    pub(in crate::core) fn silent_since(&mut self, target: u32, since: Listened) {
        self.silent.insert(target, since);
        self.first_silent = self.first_silent.min(since);
    }

    /// Reports a reason for an instance's silence to the layer above.
    pub(in crate::core) fn became_known(&mut self, facts: &Facts, id: InstanceId, words: &str) {
        for target in self.targets_of(facts, id) {
            let words = words.to_owned();
            self.events.push(AlertEvent::Known { target, words });
        }
    }

    /// Records that a target changed in more than its last sign of life.
    fn touched(&self, facts: &mut Facts, target: u32) {
        let watched = self.table.get(target).watched();
        if let Some(id) = watched.instance(&facts.tracker) {
            facts.touched.insert(id.0);
        } else if let Watched::Group(group) = watched {
            let members = self.members(facts, self.groups.get(group));
            let members: Vec<u32> = members.map(|id| id.0).collect();
            facts.touched.extend(members);
        }
    }

    /// The names of what a target watches.
    pub fn who(&self, facts: &Facts, watched: Watched) -> TargetName {
        let tracker = &facts.tracker;
        // [`NONE`] has the empty name.
        let app = |id: u32| tracker.app_names.get(id).to_string();
        let region = |id: u32| tracker.region_names.get(id).to_string();
        let beat = match watched {
            Watched::Beat(beat) => {
                let name = tracker.beat_row(beat).name();
                tracker.beat_names.get(name).to_string()
            }
            Watched::Logs(_) => String::new(),
            Watched::Group(group) => {
                let group = self.groups.get(group);
                return TargetName {
                    app: app(group.app),
                    region: region(group.region),
                    ..TargetName::default()
                };
            }
        };
        let Some(id) = watched.instance(tracker) else {
            return TargetName::default();
        };
        let instance = tracker.instance(id);
        let app_region = &tracker.app_regions[instance.app_region as usize];
        TargetName {
            app: app(app_region.app),
            region: region(app_region.region),
            instance: tracker.name(id).to_owned(),
            host: tracker.host_names.get(instance.host).to_string(),
            beat,
        }
    }

    /// Admits a subject that the tracker does not know, and finds the rules that match it; `is_new_app`: rules may
    /// expect further regions of its app.
    ///
    /// # Errors
    /// [`Reject::Limit`] if a table is full.
    pub fn admit(
        &mut self,
        facts: &mut Facts,
        subject: &Subject<'_>,
        seen: Stamp,
        is_new_app: impl FnOnce(&Tracker, u32) -> bool,
    ) -> Result<Admitted, Reject> {
        let ignore = &facts.options.ignore;
        let ignored = |app: &str| !ignore.0.is_empty() && ignore.matches(app);
        let admitted = facts.tracker.admit(subject, ignored, seen)?;
        if let Admitted::New(id) = admitted {
            self.note_namesake(facts, id);
            self.plan_app_regions(facts);
            let app = facts.app_of(id);
            if is_new_app(&facts.tracker, app) {
                self.expect_of_app(facts, app);
                self.plan_app_regions(facts);
            }
        }
        Ok(admitted)
    }

    /// Forgets the targets of an instance.
    pub fn forget(&mut self, facts: &mut Facts, id: InstanceId) {
        if !self.moves.is_empty() {
            self.forget_moves(id);
        }
        for target in self.targets_of(facts, id) {
            self.end(facts, target, Reason::Forgotten);
            self.drop_target(facts, target);
        }
    }
}
