//! The whole core: entries, beats and blindness in; changes and notices out.
//!
//! Order of a turn: [`Engine::arrive`] once for a batch, then [`Engine::heard`] (and [`Engine::beat`]) for
//! each of its entries, then [`Engine::evaluate`] where [`Engine::overdue`] says so or a second is over.

use super::alert::{Change, OnSign, Reason, State, Targets, Watched};
use super::entry::{BeatLine, Provider, Reject, Subject};
use super::lag::Lag;
use super::listening::{Blind, Listening};
use super::notice::{CloseReason, IncidentId, Notice};
use super::rule::{Globs, RuleSet, Watch};
use super::silence::Silence;
use super::time::{Mono, Now};
use super::tracker::{Admitted, BeatId, InstanceId, NONE, Tracker, UNDECIDED};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How the stream's own rule is called in notices and labels.
pub const STREAM_RULE: &str = "stream";

/// What the caller decides once.
#[derive(Clone, Debug)]
pub struct Options {
    /// Apps whose entries prove only that the stream flows.
    pub ignore: Globs,
    /// The number of the first incident; the caller takes it from the wall clock, so that numbers never return.
    pub first_incident: u64,
}

/// What comes out of the core, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// An alert changed its state.
    Changed(Change),
    /// Something is to be told.
    Tell(Box<Notice>),
}

/// What happens to the feed of entries itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// The connection is gone.
    Lost,
    /// Messages were lost on their way to us since the last check.
    Dropped,
    /// Checked: nothing was lost since the last check.
    Intact,
    /// The process stood still until now.
    Suspended,
}

/// Everything the core knows.
#[derive(Debug)]
pub struct Engine {
    pub(super) rules: RuleSet,
    pub(super) rule_names: Vec<Arc<str>>,
    pub(super) options: Options,
    pub(super) tracker: Tracker,
    pub(super) targets: Targets,
    pub(super) listening: Listening,
    pub(super) lag: Lag,
    pub(super) stalled: Option<IncidentId>,
    pub(super) lagging: Option<IncidentId>,
    pub(super) open: BTreeMap<IncidentId, Notice>,
    pub(super) now: Now,
    pub(super) outputs: Vec<Output>,
    /// For each app-region the rules that match it, in order.
    pub(super) plans: Vec<Box<[u32]>>,
    pub(super) next_incident: u64,
    pub(super) next_sweep: Mono,
    pub(super) silences: Vec<Silence>,
    rejected: [u64; Reject::ALL.len()],
}

impl Engine {
    /// A core that has heard nothing yet.
    pub fn new(rules: RuleSet, options: Options, now: Now) -> Self {
        Engine {
            rule_names: rules
                .rules
                .iter()
                .map(|rule| Arc::from(rule.name.as_str()))
                .collect(),
            rules,
            tracker: Tracker::default(),
            targets: Targets::default(),
            listening: Listening::new(now.mono),
            lag: Lag::new(now.mono),
            stalled: None,
            lagging: None,
            open: BTreeMap::new(),
            now,
            outputs: Vec::new(),
            plans: Vec::new(),
            next_incident: options.first_incident,
            next_sweep: now.mono,
            silences: Vec::new(),
            options,
            rejected: [0; Reject::ALL.len()],
        }
    }

    /// The rules in force.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// A batch of entries arrived at `now`, rejected ones included: the stream flows.
    #[inline]
    pub fn arrive(&mut self, now: Now) {
        self.now = now;
        self.listening.arrival(now.mono);
        if self.stalled.is_some() {
            self.stream_resumed();
        }
    }

    /// The instance that speaks under this subject, where it is known.
    #[inline]
    pub fn find(&self, subject: &str) -> Option<InstanceId> {
        self.tracker.find(subject)
    }

    /// Takes in a subject that [`Self::find`] does not know. `None`: its app is ignored, and the entry is
    /// counted already.
    ///
    /// # Errors
    /// [`Reject::Limit`] where there is no room for one more; the caller counts it.
    pub fn admit(
        &mut self,
        subject: &Subject<'_>,
        bytes: usize,
    ) -> Result<Option<InstanceId>, Reject> {
        let stamp = self.listening.stamp();
        let ignore = &self.options.ignore;
        let ignored = |app: &str| !ignore.0.is_empty() && ignore.matches(app);
        match self.tracker.admit(subject, ignored, stamp)? {
            Admitted::Ignored(app) => {
                self.tracker.heard_ignored(app, bytes, stamp);
                Ok(None)
            }
            Admitted::New(id) => {
                self.plan_places();
                Ok(Some(id))
            }
        }
    }

    /// An entry of a known instance.
    #[inline]
    pub fn heard(&mut self, id: InstanceId, provider: Provider, bytes: usize) {
        let stamp = self.listening.stamp();
        self.tracker.heard(id, bytes, stamp);
        if !provider.is_app() {
            return;
        }
        match self.tracker.instances[id.0 as usize].logs {
            NONE => {}
            UNDECIDED => self.watch_logs(id),
            target => self.sign(target),
        }
    }

    /// A beat of a known instance, after [`Self::heard`]. Gives the beat's interval in arrival time, where it
    /// is one of life: not the first, not after a stop, and not across a blind time.
    ///
    /// # Errors
    /// [`Reject::Limit`] where its name is one too many; the caller counts it.
    pub fn beat(
        &mut self,
        id: InstanceId,
        line: &BeatLine<'_>,
    ) -> Result<Option<Duration>, Reject> {
        let stamp = self.listening.stamp();
        let beaten = self.tracker.beat(id, line, stamp)?;
        if let Some(entry_time) = line.entry_time {
            self.lag.sample(self.now.wall.since(entry_time));
        }
        if beaten.new {
            self.watch_beat(beaten.beat);
        }
        let target = self.tracker.beats[beaten.beat.0 as usize].target;
        let gap = stamp.listened.since(beaten.before.listened);
        if target != NONE {
            if line.bye {
                self.stop(target);
            } else {
                self.sign(target);
            }
        }
        let logs = self.tracker.instances[id.0 as usize].logs;
        if line.bye && line.name.is_empty() && logs < UNDECIDED {
            self.stop(logs);
        }
        let interval = stamp.at.since(beaten.before.at);
        Ok((!beaten.new && !beaten.was_stopped && gap == interval).then_some(interval))
    }

    /// An entry that is no beat arrived this far behind its own time.
    pub fn lag_sample(&mut self, lag: Duration) {
        self.lag.sample(lag);
    }

    /// Counts something rejected.
    pub fn reject(&mut self, why: Reject) {
        self.rejected[why as usize] += 1;
    }

    /// What was rejected, by reason.
    pub fn rejected(&self) -> impl Iterator<Item = (Reject, u64)> {
        Reject::ALL
            .into_iter()
            .map(|why| (why, self.rejected[why as usize]))
    }

    /// Something happened to the feed.
    pub fn feed(&mut self, feed: Feed, now: Now) {
        self.now = now;
        match feed {
            Feed::Lost => self.listening.blinded(Blind::Disconnected),
            Feed::Dropped => self.listening.dropped(),
            Feed::Intact => self.listening.intact(),
            Feed::Suspended => self.listening.suspended(now.mono),
        }
    }

    /// Puts another rule set in force. State of unchanged rules is kept; alerts of rules that are gone close as
    /// "rule removed".
    pub fn reload(&mut self, rules: RuleSet, now: Now) {
        self.now = now;
        self.rules = rules;
    }

    /// Puts other silences in force.
    pub fn set_silences(&mut self, silences: Vec<Silence>, now: Now) {
        self.now = now;
        self.silences = silences;
    }

    /// The number of an instance's app.
    pub fn app_of(&self, id: InstanceId) -> u32 {
        self.tracker.places[self.tracker.instances[id.0 as usize].place as usize].app
    }

    /// The name of an app's number.
    pub fn app_name(&self, app: u32) -> &str {
        self.tracker.app_names.get(app)
    }

    /// Whether the stream's own alert fires.
    pub fn is_stalled(&self) -> bool {
        self.stalled.is_some()
    }

    /// Whether anything arrived yet.
    pub fn has_heard(&self) -> bool {
        self.listening.last_arrival().is_some()
    }

    /// Takes what came out since the last call.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Output> {
        self.outputs.drain(..)
    }

    /// Incidents that are open, by number, each with its opening notice.
    pub fn open_incidents(&self) -> impl Iterator<Item = &Notice> {
        self.open.values()
    }

    fn plan_places(&mut self) {
        while let Some(place) = self.tracker.places.get(self.plans.len()) {
            let app = self.tracker.app_names.get(place.app);
            let region = self.tracker.region_names.get(place.region);
            let matching = |(_, rule): &(usize, &super::rule::Rule)| {
                rule.app.matches(app) && rule.region.matches(region)
            };
            let plan = self
                .rules
                .rules
                .iter()
                .enumerate()
                .filter(matching)
                .map(|(id, _)| id as u32)
                .collect();
            self.plans.push(plan);
        }
    }

    fn watch_beat(&mut self, id: BeatId) {
        let beat = &self.tracker.beats[id.0 as usize];
        let name: &str = self.tracker.beat_names.get(beat.name);
        let place = self.tracker.instances[beat.instance as usize].place;
        let has = |&&rule: &&u32| match &self.rules.rules[rule as usize].watch {
            Watch::Heartbeat {
                marker,
                beat: wanted,
            } => *marker == beat.marker && wanted.as_deref().is_none_or(|wanted| wanted == name),
            Watch::Logs => false,
        };
        let Some(&rule) = self.plans[place as usize].iter().find(has) else {
            return;
        };
        let seen = beat.seen;
        let due = seen.listened + self.rules.rules[rule as usize].max_gap.span(beat.every());
        self.tracker.beats[id.0 as usize].target =
            self.targets.add(Watched::Beat(id), rule, seen, due);
    }

    fn watch_logs(&mut self, id: InstanceId) {
        let place = self.tracker.instances[id.0 as usize].place;
        let rules = &self.rules.rules;
        let found = self.plans[place as usize]
            .iter()
            .find(|&&rule| rules[rule as usize].watch == Watch::Logs);
        let target = match found {
            None => NONE,
            Some(&rule) => {
                let seen = self.listening.stamp();
                let due = seen.listened + rules[rule as usize].max_gap.span(None);
                self.targets.add(Watched::Logs(id), rule, seen, due)
            }
        };
        self.tracker.instances[id.0 as usize].logs = target;
    }

    /// A target gave a sign of life.
    #[inline]
    fn sign(&mut self, id: u32) {
        let stamp = self.listening.stamp();
        let max_gap = self.max_gap(id);
        self.targets.set_due(id, stamp.listened + max_gap);
        let target = self.targets.get_mut(id);
        let gap = stamp.listened.since(target.seen.listened);
        target.seen = stamp;
        if target.state != State::Ok {
            self.sign_of_the_missed(id, gap, max_gap);
        }
    }

    fn sign_of_the_missed(&mut self, id: u32, gap: Duration, max_gap: Duration) {
        let from = self.targets.get(id).state;
        let recover = self.rules.rules[self.targets.get(id).rule as usize].recover;
        match self.targets.get_mut(id).sign(gap, max_gap, recover) {
            OnSign::Well | OnSign::Recovering => {}
            OnSign::Relieved => self.changed(id, from, Reason::Heard, self.now.mono),
            OnSign::Resolved => {
                self.changed(id, from, Reason::Heard, self.now.mono);
                self.close_of(id, CloseReason::Resolved);
            }
        }
    }

    fn stop(&mut self, target: u32) {
        self.targets.set_due(target, super::time::Listened::NEVER);
        self.end(target, Reason::Bye, CloseReason::Stopped);
    }

    /// Ends an alert for another reason than being heard.
    pub(super) fn end(&mut self, target: u32, reason: Reason, close: CloseReason) {
        let from = std::mem::replace(&mut self.targets.get_mut(target).state, State::Ok);
        self.targets.get_mut(target).good = 0;
        if from != State::Ok {
            self.changed(target, from, reason, self.now.mono);
        }
        if from == State::Firing {
            self.close_of(target, close);
        }
    }

    /// How long a target may be silent.
    #[inline]
    pub(super) fn max_gap(&self, target: u32) -> Duration {
        let target = self.targets.get(target);
        let every = match target.watched {
            Watched::Beat(beat) => self.tracker.beats[beat.0 as usize].every(),
            Watched::Logs(_) => None,
        };
        self.rules.rules[target.rule as usize].max_gap.span(every)
    }
}
