//! The whole core: entries, beats and blindness in; changes, notifications and restarts out.
//!
//! It composes the layers, each of which knows only those below it: facts, targets, incidents. What a layer decides goes
//! up as an event.
//!
//! Order of a turn: [`Engine::arrive`] once for a batch, then [`Engine::heard`] (and [`Engine::beat`]) for
//! each of its entries, then [`Engine::evaluate`] where [`Engine::overdue`] says so or a second is over.

use crate::core::entry::{BeatLine, Lifecycle, Provider, Reject, Subject};
use crate::core::facts::Facts;
use crate::core::incident::Incidents;
use crate::core::incident::view::View;
use crate::core::inventory::{Poll, Suspect};
use crate::core::listening::Blind;
use crate::core::notice::{IncidentId, Notice};
pub use crate::core::options::Options;
pub use crate::core::output::{Output, STREAM_RULE};
use crate::core::persist::changes::Unsaved;
use crate::core::rule::RuleSet;
use crate::core::silence::Silence;
pub use crate::core::targets::Doubt;
use crate::core::targets::Targets;
use crate::core::targets::reload::Reload;
use crate::core::time::{Mono, Now};
use crate::core::tracker::beat_history::BeatHistory;
use crate::core::tracker::{Admitted, InstanceId, Tracker};
use std::sync::Arc;
use std::time::Duration;

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
    pub(in crate::core) facts: Facts,
    pub(in crate::core) targets: Targets,
    pub(in crate::core) incidents: Incidents,
    /// When the last beats of each instance came, for people.
    pub(in crate::core) history: BeatHistory,
    /// What a store was not handed yet.
    pub(in crate::core) unsaved: Unsaved,
    /// Arrival clock: when forgotten instances, and names without a bearer, are looked for next.
    pub(in crate::core) next_sweep: Mono,
    pub(in crate::core) next_reclaim: Mono,
    /// The slot of the beat that the search for idle ones looks at next.
    pub(in crate::core) next_beat: usize,
    /// Arrival clock: stopped instances are not asked to make room before.
    pub(in crate::core) next_giving_way: Mono,
    /// Apps whose names are free, not taken by [`Engine::take_forgotten_apps`] yet.
    pub(in crate::core) forgotten_apps: Vec<(u32, Arc<str>)>,
}

impl Engine {
    /// A core that has heard nothing yet.
    pub fn new(rules: RuleSet, options: Options, now: Now) -> Self {
        let incidents = Incidents::new(options.first_incident);
        let mut facts = Facts::new(rules, options, now);
        let mut targets = Targets::default();
        targets.expect_groups(&mut facts);
        targets.plan_places(&mut facts);
        Engine {
            facts,
            targets,
            incidents,
            history: BeatHistory::new(now.mono),
            unsaved: Unsaved::default(),
            next_sweep: now.mono,
            next_reclaim: Mono::ZERO,
            next_beat: 0,
            next_giving_way: Mono::ZERO,
            forgotten_apps: Vec::new(),
        }
    }

    /// The rules in force.
    pub fn rules(&self) -> &RuleSet {
        &self.facts.rules
    }

    /// A batch of entries arrived at `now`, rejected ones included: the stream flows.
    #[inline]
    pub fn arrive(&mut self, now: Now) {
        self.facts.now = now;
        let pause = self.facts.listening.unexplained_pause(now.mono);
        let missed = pause.is_some_and(|from| self.targets.were_due(&self.facts, from, now.mono));
        self.facts.listening.arrival(now.mono, missed);
        if self.is_stalled() {
            let view = View {
                facts: &self.facts,
                targets: &self.targets,
            };
            self.incidents.stream_resumed(view);
        }
    }

    /// The instance of a subject, where it is known.
    #[inline]
    pub fn find(&self, subject: &str) -> Option<InstanceId> {
        self.facts.tracker.find(subject)
    }

    /// Admits a subject that [`Self::find`] does not know. `None`: its app is ignored, and the entry is
    /// counted already.
    ///
    /// # Errors
    /// [`Reject::Limit`] where there is no room for one more; the caller counts it.
    pub fn admit(
        &mut self,
        subject: &Subject<'_>,
        bytes: usize,
    ) -> Result<Option<InstanceId>, Reject> {
        let stamp = self.facts.listening.stamp();
        let is_new_app = |tracker: &Tracker, app: u32| tracker.apps[app as usize].entries == 0;
        let admit = |engine: &mut Engine| {
            let Engine { targets, facts, .. } = engine;
            targets.admit(facts, subject, stamp, is_new_app)
        };
        let mut admitted = admit(self);
        if admitted.is_err() && self.facts.tracker.is_crowded() && self.make_room() {
            self.facts.tracker.take_full();
            admitted = admit(self);
        }
        if admitted.is_err() {
            self.facts.found_no_room(|_| subject.raw.to_owned());
        }
        match admitted? {
            Admitted::Ignored(app) => {
                self.facts.tracker.heard_ignored(app, bytes, stamp);
                Ok(None)
            }
            Admitted::New(id) => Ok(Some(id)),
        }
    }

    /// An entry of a known instance.
    #[inline]
    pub fn heard(&mut self, id: InstanceId, provider: Provider, bytes: usize) {
        let stamp = self.facts.listening.stamp();
        self.facts.tracker.heard(id, bytes, stamp);
        if provider.is_app() {
            self.targets.spoke(&mut self.facts, id);
            self.digest();
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
        let facts = &mut self.facts;
        if line.bye {
            if let Some(entry_time) = line.entry_time {
                facts.sample_lag(id, facts.now.wall.since(entry_time));
            }
            let at = facts.listening.stamp().at;
            if let Some(beat) = self.targets.bye(facts, id, line) {
                self.history.push(beat, at);
            }
            self.digest();
            return Ok(None);
        }
        let stamp = facts.listening.stamp();
        let mut beaten = facts.tracker.beat(id, line, stamp);
        if beaten.is_err() && self.make_room_for_beat(id) {
            self.facts.tracker.take_full();
            beaten = self.facts.tracker.beat(id, line, stamp);
        }
        let facts = &mut self.facts;
        let subject = |tracker: &Tracker| tracker.subject(id).unwrap_or_default().to_string();
        let no_room = facts.found_no_room(subject);
        if no_room && beaten.is_ok() {
            // For its host: the beat counts.
            facts.reject(Reject::Limit);
        }
        let beaten = beaten?;
        self.history.push(beaten.beat, stamp.at);
        if let Some(entry_time) = line.entry_time {
            facts.told_its_time(id, beaten, entry_time);
        }
        self.targets.beat(facts, id, line, beaten);
        self.digest();
        let lives = !beaten.new && !beaten.was_stopped;
        let gap = stamp.listened.since(beaten.before.listened);
        let interval = stamp.at.since(beaten.before.at);
        Ok((lives && gap == interval).then_some(interval))
    }

    /// The platform says something of an instance's life.
    pub fn lifecycle(&mut self, id: InstanceId, what: Lifecycle) {
        self.targets.lifecycle(&mut self.facts, id, what);
        self.digest();
    }

    /// An answer of the inventory.
    pub fn inventory(&mut self, poll: &Poll, now: Now) {
        self.facts.now = now;
        if self.facts.inventory.answered_since(poll.asked_at) {
            return;
        }
        self.incidents.cache.forget();
        self.targets.inventory(&mut self.facts, poll);
        self.digest();
    }

    /// The instances that alerts wait for, first of all to be asked of the inventory; `None` where none began to wait
    /// since the last call.
    pub fn take_suspects(&mut self) -> Option<Vec<Suspect>> {
        self.targets.confirmation.take_suspects()
    }

    /// An entry that is no beat arrived this far behind its own time.
    pub fn lag_sample(&mut self, instance: InstanceId, lag: Duration) {
        self.facts.sample_lag(instance, lag);
    }

    /// Counts something rejected.
    pub fn reject(&mut self, why: Reject) {
        self.facts.reject(why);
    }

    /// Numbers of rejected entries and keys, by reason.
    pub fn rejected(&self) -> impl Iterator<Item = (Reject, u64)> {
        self.facts.rejected()
    }

    /// Something happened to the feed.
    pub fn feed(&mut self, feed: Feed, now: Now) {
        self.facts.now = now;
        let listening = &mut self.facts.listening;
        match feed {
            Feed::Lost => listening.blinded(Blind::Disconnected),
            Feed::Refused => self.stream_refused(),
            Feed::Dropped => listening.dropped(),
            Feed::Intact => listening.intact(),
            Feed::Suspended => listening.suspended(now.mono),
        }
    }

    /// The state of the feed in words, for the incidents of the stream; empty where nothing is known. An open
    /// one adds them: its next notices say what was tried meanwhile.
    pub fn feed_words(&mut self, words: &str) {
        if self.facts.feed_words == words {
            return;
        }
        words.clone_into(&mut self.facts.feed_words);
        if let Some(incident) = self.incidents.stream.stalled {
            self.incidents.now_known(incident, words);
        }
    }

    /// Puts other silences in force.
    pub fn set_silences(&mut self, silences: Vec<Silence>, now: Now) {
        self.facts.now = now;
        self.incidents.silences = silences;
        let (incidents, view) = self.split();
        incidents.tell_owed(view);
    }

    /// Puts another rule set in force, in one go. A rule of the same name that watches the same kind of thing keeps its
    /// alerts, with its new thresholds; alerts of rules that are gone close as "rule removed".
    pub fn reload(&mut self, rules: RuleSet, now: Now) {
        let mut reload = self.begin_reload(rules);
        while let Err(more) = self.reload_on(reload, usize::MAX, now) {
            reload = more;
        }
    }

    /// Begins to put another rule set in force. Until [`Self::reload_on`] has done all of it entries may be taken, and
    /// nothing may be evaluated, copied or restored.
    pub fn begin_reload(&self, rules: RuleSet) -> Box<Reload> {
        self.targets.begin_reload(&self.facts, rules)
    }

    /// Does at most `slots` slots of what is left.
    ///
    /// # Errors
    /// What is left then.
    pub fn reload_on(
        &mut self,
        reload: Box<Reload>,
        slots: usize,
        now: Now,
    ) -> Result<(), Box<Reload>> {
        self.facts.now = now;
        self.incidents.cache.forget();
        let left = self.targets.reload_on(&mut self.facts, reload, slots);
        self.digest();
        if left.is_ok() {
            let (incidents, view) = self.split();
            incidents.tell_owed(view);
        }
        left
    }

    /// More became known of an open incident, in words: its next notice says it.
    pub fn note(&mut self, incident: IncidentId, words: &str) {
        self.incidents.add_detail(incident, words);
    }

    /// The number of an instance's app.
    pub fn app_of(&self, id: InstanceId) -> u32 {
        self.facts.app_of(id)
    }

    /// The name of an app's number.
    pub fn app_name(&self, app: u32) -> &str {
        self.facts.tracker.app_names.get(app)
    }

    /// Instances that are tracked.
    pub fn instances(&self) -> usize {
        self.facts.tracker.len()
    }

    /// Whether the stream's own alert fires.
    pub fn is_stalled(&self) -> bool {
        self.incidents.stream.stalled.is_some()
    }

    /// The share of the last five minutes in which lastbeat was blind, for whatever reason, from 0 to 1.
    pub fn blind_share(&self, now: Now) -> f64 {
        const WINDOW: Duration = Duration::from_secs(300);
        let blind = self.facts.listening.blindness(now.mono, WINDOW, false);
        blind.time.as_secs_f64() / WINDOW.as_secs_f64()
    }

    /// Whether anything arrived yet.
    pub fn has_heard(&self) -> bool {
        self.facts.listening.last_arrival().is_some()
    }

    /// Takes the doubts about rules since the last call; each rule is doubted once.
    pub fn take_doubts(&mut self) -> Vec<Doubt> {
        self.targets.take_doubts()
    }

    /// Takes what came out since the last call.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Output> {
        self.incidents.outputs.drain(..)
    }

    /// Incidents that are open, by number, each with its opening notice.
    pub fn open_incidents(&self) -> impl Iterator<Item = &Notice> {
        self.incidents.iter().map(|(_, incident)| &incident.notice)
    }

    /// What the layer of incidents sees of the layers below.
    pub(in crate::core) fn view(&self) -> View<'_> {
        View {
            facts: &self.facts,
            targets: &self.targets,
        }
    }

    /// The layer of incidents, and what it sees of the layers below.
    pub(in crate::core) fn split(&mut self) -> (&mut Incidents, View<'_>) {
        let view = View {
            facts: &self.facts,
            targets: &self.targets,
        };
        (&mut self.incidents, view)
    }

    /// Hands what the targets decided to the incidents.
    #[inline]
    pub(in crate::core) fn digest(&mut self) {
        if self.targets.has_events() {
            self.hand_up();
        }
    }

    #[cold]
    fn hand_up(&mut self) {
        let events = self.targets.take_events();
        let (incidents, view) = self.split();
        for event in events {
            incidents.apply(view, event);
        }
    }
}
