//! The whole core: entries, beats and blindness in; changes and notices out.
//!
//! Order of a turn: [`Engine::arrive`] once for a batch, then [`Engine::heard`] (and [`Engine::beat`]) for
//! each of its entries, then [`Engine::evaluate`] where [`Engine::overdue`] says so or a second is over.

use crate::core::capacity::Room;
use crate::core::entry::{BeatLine, Provider, Reject, Subject};
use crate::core::incident::Incidents;
use crate::core::incident::flapping::Flaps;
use crate::core::incident::restarts::Restarts;
use crate::core::inventory::Suspect;
use crate::core::inventory::apply::Inventory;
use crate::core::lag::Lag;
use crate::core::listening::{Blind, Listening};
use crate::core::notice::{IncidentId, Notice, Who};
use crate::core::rule::{Globs, MaxGap, RuleSet};
use crate::core::silence::Silence;
use crate::core::targets::groups::{GroupLink, Groups};
use crate::core::targets::table::{Change, Targets};
use crate::core::time::{Mono, Now};
use crate::core::tracker::beat_history::LastBeats;
use crate::core::tracker::{Admitted, InstanceId, Limits, NONE, Tracker};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How the stream's own rule is called in notices and labels.
pub const STREAM_RULE: &str = "stream";

/// What the caller decides once.
#[derive(Clone, Debug)]
pub struct Options {
    /// Apps whose entries prove only that the stream flows.
    pub ignore: Globs,
    /// Whether an inventory is asked for machines, and alerts wait for its answer.
    pub inventory: bool,
    /// How many are tracked at once.
    pub limits: Limits,
    /// The number of the first incident; the caller takes it from the wall clock, so that numbers never return.
    pub first_incident: u64,
}

/// A rule that is likelier wrong than meant: it allows less than two of the intervals that a beat declares, so that
/// one lost entry is an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Doubt {
    /// The rule's name.
    pub rule: Arc<str>,
    /// Whose beat it is.
    pub who: Who,
    /// What the rule allows.
    pub max_gap: Duration,
    /// What the beat declares.
    pub every: Duration,
}

/// What comes out of the core, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// An alert changed its state.
    Changed(Change),
    /// Something is to be told.
    Tell(Box<Notice>),
    /// A machine that is silent is to be restarted, for an incident.
    Restart(IncidentId, Suspect),
}

/// What happens to the feed of entries itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// The connection is gone.
    Lost,
    /// The server takes our user or token no more: waiting does not cure it.
    Refused,
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
    pub(in crate::core) rules: RuleSet,
    pub(in crate::core) rule_names: Vec<Arc<str>>,
    pub(in crate::core) options: Options,
    pub(in crate::core) tracker: Tracker,
    pub(in crate::core) targets: Targets,
    pub(in crate::core) listening: Listening,
    pub(in crate::core) lag: Lag,
    pub(in crate::core) stalled: Option<IncidentId>,
    /// Whether the stream's open incident says that we are refused.
    pub(in crate::core) refused: bool,
    pub(in crate::core) lagging: Option<IncidentId>,
    /// What is known of the feed's state, in words.
    pub(in crate::core) feed_words: String,
    /// As for the stream, for each region.
    pub(in crate::core) region_lags: Vec<(Lag, Option<IncidentId>)>,
    /// The incident of messages that are lost without a pause.
    pub(in crate::core) losing: Option<IncidentId>,
    /// Who found no room.
    pub(in crate::core) room: Room,
    /// The stream's least lag at the last turn.
    pub(in crate::core) least_lag: Duration,
    pub(in crate::core) incidents: Incidents,
    pub(in crate::core) flaps: Flaps,
    pub(in crate::core) groups: Groups,
    pub(in crate::core) now: Now,
    pub(in crate::core) outputs: Vec<Output>,
    /// For each app-region the rules by instance that match it, in order.
    pub(in crate::core) plans: Vec<Box<[u32]>>,
    /// For each app-region the rules by something wider that match it, in order.
    pub(in crate::core) links: Vec<Vec<GroupLink>>,
    pub(in crate::core) next_incident: u64,
    pub(in crate::core) next_sweep: Mono,
    pub(in crate::core) silences: Vec<Silence>,
    pub(in crate::core) inventory: Inventory,
    pub(in crate::core) restarts: Restarts,
    pub(in crate::core) last_beats: LastBeats,
    /// Rules that were doubted already, by number, and the doubts not yet taken.
    pub(in crate::core) doubted: BTreeSet<u32>,
    doubts: Vec<Doubt>,
    rejected: [u64; Reject::ALL.len()],
}

impl Engine {
    /// A core that has heard nothing yet.
    pub fn new(rules: RuleSet, options: Options, now: Now) -> Self {
        let mut engine = Engine {
            rule_names: rules
                .rules
                .iter()
                .map(|rule| Arc::from(rule.name.as_str()))
                .collect(),
            rules,
            tracker: Tracker::new(options.limits),
            targets: Targets::default(),
            listening: Listening::new(now.mono),
            lag: Lag::new(now.mono),
            stalled: None,
            refused: false,
            feed_words: String::new(),
            lagging: None,
            region_lags: Vec::new(),
            losing: None,
            room: Room::default(),
            least_lag: Duration::ZERO,
            incidents: Incidents::default(),
            flaps: Flaps::default(),
            groups: Groups::default(),
            now,
            outputs: Vec::new(),
            plans: Vec::new(),
            links: Vec::new(),
            next_incident: options.first_incident,
            next_sweep: now.mono,
            silences: Vec::new(),
            inventory: Inventory::default(),
            restarts: Restarts::default(),
            last_beats: LastBeats::new(now.mono),
            doubted: BTreeSet::new(),
            doubts: Vec::new(),
            options,
            rejected: [0; Reject::ALL.len()],
        };
        engine.expect_groups();
        engine.plan_places();
        engine
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
        let admitted = self.tracker.admit(subject, ignored, stamp);
        if admitted.is_err() {
            self.found_no_room(|_| subject.raw.to_owned());
        }
        match admitted? {
            Admitted::Ignored(app) => {
                self.tracker.heard_ignored(app, bytes, stamp);
                Ok(None)
            }
            Admitted::New(id) => {
                self.plan_places();
                if self.tracker.apps[self.app_of(id) as usize].entries == 0 {
                    self.expect_of_app(self.app_of(id));
                    self.plan_places();
                }
                Ok(Some(id))
            }
        }
    }

    /// An entry of a known instance.
    #[inline]
    pub fn heard(&mut self, id: InstanceId, provider: Provider, bytes: usize) {
        self.tracker.heard(id, bytes, self.listening.stamp());
        if provider.is_app() {
            self.spoke(id);
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
        let beaten = self.tracker.beat(id, line, stamp);
        let subject = |engine: &Engine| engine.tracker.subject(id).unwrap_or_default().to_string();
        let no_room = self.found_no_room(subject);
        if no_room && beaten.is_ok() {
            // For its host: the beat counts.
            self.reject(Reject::Limit);
        }
        let beaten = beaten?;
        self.last_beats.push(beaten.beat, stamp.at);
        if let Some(entry_time) = line.entry_time {
            self.told_its_time(id, beaten, entry_time);
        }
        let watched = self.tracker.beats[beaten.beat.0 as usize].target != NONE;
        if beaten.new && !watched {
            self.watch_beat(beaten.beat);
        }
        let lives = !beaten.new && !beaten.was_stopped;
        let record = &self.tracker.beats[beaten.beat.0 as usize];
        let (target, marker, name, every_ms) =
            (record.target, record.marker, record.name(), record.every_ms);
        if line.bye {
            self.said_bye(id, line, target);
        } else if self.beat_of_life(id, beaten.restarted) {
            if let (true, Some(every)) = (target != NONE, line.every) {
                self.doubt(target, every);
            }
            if target != NONE {
                self.sign_of_beat(target, beaten, lives);
            }
            let place = self.tracker.instances[id.0 as usize].place;
            self.beat_of_groups(place, marker, name, every_ms);
        }
        let gap = stamp.listened.since(beaten.before.listened);
        let interval = stamp.at.since(beaten.before.at);
        Ok((lives && gap == interval).then_some(interval))
    }

    /// An entry that is no beat arrived this far behind its own time.
    pub fn lag_sample(&mut self, instance: InstanceId, lag: Duration) {
        self.sample_lag(instance, lag);
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
            Feed::Refused => self.stream_refused(),
            Feed::Dropped => self.listening.dropped(),
            Feed::Intact => self.listening.intact(),
            Feed::Suspended => self.listening.suspended(now.mono),
        }
    }

    /// What is known of the feed's state, in words, for the incidents of the stream; empty where nothing is. An open
    /// one adds them: its next notices say what was tried meanwhile.
    pub fn feed_words(&mut self, words: &str) {
        if self.feed_words == words {
            return;
        }
        words.clone_into(&mut self.feed_words);
        if let Some(incident) = self.stalled {
            self.incidents.now_known(incident, words);
        }
    }

    /// Puts other silences in force.
    pub fn set_silences(&mut self, silences: Vec<Silence>, now: Now) {
        self.now = now;
        self.silences = silences;
        self.tell_owed();
    }

    /// The number of an instance's app.
    pub fn app_of(&self, id: InstanceId) -> u32 {
        self.tracker.places[self.tracker.instances[id.0 as usize].place as usize].app
    }

    /// The name of an app's number.
    pub fn app_name(&self, app: u32) -> &str {
        self.tracker.app_names.get(app)
    }

    /// How many instances are tracked.
    pub fn instances(&self) -> usize {
        self.tracker.len()
    }

    /// Whether the stream's own alert fires.
    pub fn is_stalled(&self) -> bool {
        self.stalled.is_some()
    }

    /// Whether anything arrived yet.
    pub fn has_heard(&self) -> bool {
        self.listening.last_arrival().is_some()
    }

    /// Takes the doubts about rules since the last call; each rule is doubted once.
    pub fn take_doubts(&mut self) -> Vec<Doubt> {
        std::mem::take(&mut self.doubts)
    }

    fn doubt(&mut self, target: u32, every: Duration) {
        let row = self.targets.get(target);
        let MaxGap::Fixed(max_gap) = self.rules.rules[row.rule() as usize].max_gap else {
            return;
        };
        if max_gap < every * 2 && self.doubted.insert(row.rule()) {
            let (rule, who) = (
                self.rule_names[row.rule() as usize].clone(),
                self.who(row.watched()),
            );
            self.doubts.push(Doubt {
                rule,
                who,
                max_gap,
                every,
            });
        }
    }

    /// Takes what came out since the last call.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Output> {
        self.outputs.drain(..)
    }

    /// Incidents that are open, by number, each with its opening notice.
    pub fn open_incidents(&self) -> impl Iterator<Item = &Notice> {
        self.incidents.iter().map(|(_, incident)| &incident.notice)
    }
}
