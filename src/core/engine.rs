//! The core: entries, beats and blindness in; changes, notifications and restarts out.
//!
//! It composes the layers, each of which knows only those below it: facts, targets, incidents, notifications. What a
//! layer decides goes up as an event.
//!
//! Order of a turn: [`Engine::arrive`] once for a batch, then [`Engine::heard`] (and [`Engine::beat`]) for
//! each of its entries, then [`Engine::evaluate`] where [`Engine::overdue`] says so or a second is over.

use crate::core::entry::{BeatLine, Lifecycle, Provider, Reject, Subject};
use crate::core::facts::Facts;
use crate::core::incident::Incidents;
use crate::core::incident::view::View;
use crate::core::inventory::{Candidate, Poll};
use crate::core::listening::Blind;
use crate::core::listening::messages::Messages;
use crate::core::notice::ledger::Notices;
use crate::core::notice::routing::Hours;
use crate::core::notice::view::NoticeView;
use crate::core::notice::{IncidentId, Notice, NoticeKind};
pub use crate::core::options::Options;
pub use crate::core::output::{Output, STREAM_RULE};
use crate::core::persist::changes::Unsaved;
use crate::core::rule::RuleSet;
use crate::core::silence::Silence;
pub use crate::core::targets::Doubt;
use crate::core::targets::budget::FactorChange;
use crate::core::targets::reload::Reload;
use crate::core::targets::{AlertEvent, Targets};
use crate::core::time::{Mono, Now};
use crate::core::tracker::beat_history::BeatHistory;
use crate::core::tracker::{Admitted, InstanceId, Tracker};
use std::sync::Arc;
use std::time::Duration;

/// Events of the connection that carries the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// The connection was lost.
    Lost,
    /// The server rejects lastbeat's user or token; waiting does not help.
    Refused,
    /// Messages were lost on the way to lastbeat since the last check.
    Dropped,
    /// A check found that nothing was lost since the last one.
    Intact,
    /// The process was suspended until now.
    Suspended,
}

/// The core.
#[derive(Debug)]
pub struct Engine {
    pub(in crate::core) facts: Facts,
    pub(in crate::core) targets: Targets,
    pub(in crate::core) incidents: Incidents,
    pub(in crate::core) notices: Notices,
    outputs: Vec<Output>,
    /// When the last beats of each instance came, for people.
    pub(in crate::core) history: BeatHistory,
    /// Changes of instances that the store has not received.
    pub(in crate::core) unsaved: Unsaved,
    /// Arrival clock: next search for forgotten instances and for names that are not in use.
    pub(in crate::core) next_sweep: Mono,
    pub(in crate::core) next_reclaim: Mono,
    /// Slot at which the next search for idle beats continues.
    pub(in crate::core) next_beat: usize,
    /// Arrival clock: no stopped instances are evicted before.
    pub(in crate::core) next_eviction: Mono,
    /// Apps whose names are free, until [`Engine::take_forgotten_apps`] takes them.
    pub(in crate::core) forgotten_apps: Vec<(u32, Arc<str>)>,
}

impl Engine {
    /// A core that has heard nothing.
    pub fn new(rules: RuleSet, options: Options, now: Now) -> Self {
        let incidents = Incidents::new(options.first_incident);
        let mut facts = Facts::new(rules, options, now);
        let mut targets = Targets::default();
        targets.expect_groups(&mut facts);
        targets.plan_app_regions(&mut facts);
        Engine {
            facts,
            targets,
            incidents,
            notices: Notices::default(),
            outputs: Vec::new(),
            history: BeatHistory::new(now.mono),
            unsaved: Unsaved::default(),
            next_sweep: now.mono,
            next_reclaim: Mono::ZERO,
            next_beat: 0,
            next_eviction: Mono::ZERO,
            forgotten_apps: Vec::new(),
        }
    }

    /// The rules in force.
    pub fn rules(&self) -> &RuleSet {
        &self.facts.rules
    }

    /// Records the arrival of a batch of entries at `now`, rejected ones included.
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
            self.announce();
        }
    }

    /// The instance of a subject; `None` if it is not tracked.
    #[inline]
    pub fn find(&self, subject: &str) -> Option<InstanceId> {
        self.facts.tracker.find(subject)
    }

    /// Admits a subject that [`Self::find`] does not know. `None`: its app is ignored, and the entry is counted
    /// already.
    ///
    /// # Errors
    /// [`Reject::Limit`] if a table is full; the caller counts it.
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
        if admitted.is_err() && self.facts.tracker.is_crowded() && self.evict_instances() {
            self.facts.tracker.take_full();
            admitted = admit(self);
        }
        if admitted.is_err() {
            self.facts.record_rejection(|_| subject.raw.to_owned());
        }
        match admitted? {
            Admitted::Ignored(app) => {
                self.facts.tracker.heard_ignored(app, bytes, stamp);
                Ok(None)
            }
            Admitted::New(id) => Ok(Some(id)),
        }
    }

    /// Records an entry of a known instance.
    #[inline]
    pub fn heard(&mut self, id: InstanceId, provider: Provider, bytes: usize) {
        let stamp = self.facts.listening.stamp();
        self.facts.tracker.heard(id, bytes, stamp);
        if provider.is_app() {
            self.targets.spoke(&mut self.facts, id);
            self.digest();
        }
    }

    /// Records a beat of a known instance, after [`Self::heard`]. Gives its interval in arrival time; `None` for the
    /// first beat, after a stop, and across blind time.
    ///
    /// # Errors
    /// [`Reject::Limit`] if its name exceeds a limit; the caller counts it.
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
        if beaten.is_err() && self.evict_beat(id) {
            self.facts.tracker.take_full();
            beaten = self.facts.tracker.beat(id, line, stamp);
        }
        let facts = &mut self.facts;
        let subject = |tracker: &Tracker| tracker.subject(id).unwrap_or_default().to_string();
        let no_room = facts.record_rejection(subject);
        if no_room && beaten.is_ok() {
            // Only its host was rejected: the beat counts.
            facts.reject(Reject::Limit);
        }
        let beaten = beaten?;
        self.history.push(beaten.beat, stamp.at);
        if let Some(entry_time) = line.entry_time {
            facts.apply_entry_time(id, beaten, entry_time);
        }
        self.targets.beat(facts, id, line, beaten);
        self.digest();
        let lives = !beaten.new && !beaten.was_stopped;
        let gap = stamp.listened.since(beaten.before.listened);
        let interval = stamp.at.since(beaten.before.at);
        Ok((lives && gap == interval).then_some(interval))
    }

    /// Records a report of the platform about an instance: one that ended counts as silent no more.
    pub fn lifecycle(&mut self, id: InstanceId, what: Lifecycle) {
        self.incidents.cache.forget();
        self.targets.lifecycle(&mut self.facts, id, what);
        self.digest();
    }

    /// Applies an answer of the inventory.
    pub fn inventory(&mut self, poll: &Poll, now: Now) {
        self.facts.now = now;
        if self.facts.inventory.answered_since(poll.asked_at) {
            return;
        }
        self.incidents.cache.forget();
        self.targets.inventory(&mut self.facts, poll);
        self.digest();
    }

    /// The instances that alerts wait for, to be queried first; `None` if no wait began since the last call.
    pub fn take_candidates(&mut self) -> Option<Vec<Candidate>> {
        self.targets.confirmation.take_candidates()
    }

    /// Records the lag of an entry that is not a beat.
    pub fn lag_sample(&mut self, instance: InstanceId, lag: Duration) {
        self.facts.sample_lag(instance, lag);
    }

    /// Counts a rejected entry or key.
    pub fn reject(&mut self, why: Reject) {
        self.facts.reject(why);
    }

    /// Numbers of rejected entries and keys, by reason.
    pub fn rejected(&self) -> impl Iterator<Item = (Reject, u64)> {
        self.facts.rejected()
    }

    /// Records an event of the connection.
    pub fn feed(&mut self, feed: Feed, now: Now) {
        self.facts.now = now;
        self.downstreams_fed(feed);
        let listening = &mut self.facts.listening;
        match feed {
            Feed::Lost => listening.blinded(Blind::Disconnected),
            Feed::Refused => self.stream_refused(),
            Feed::Dropped => listening.dropped(),
            Feed::Intact => listening.intact(),
            Feed::Suspended => listening.suspended(now.mono),
        }
    }

    /// Counts messages that came since the last call, and those of them that were lost on the way to lastbeat.
    pub fn count_messages(&mut self, more: Messages, now: Now) {
        self.facts.now = now;
        self.facts.messages.count(more, now.mono);
    }

    /// Sets the state of the feed in words, for the incidents of the stream; empty if nothing is known. An open
    /// incident adds it, so that its next notifications say what was tried meanwhile.
    pub fn feed_words(&mut self, words: &str) {
        if self.facts.feed_words == words {
            return;
        }
        words.clone_into(&mut self.facts.feed_words);
        if let Some(incident) = self.incidents.stream.stalled {
            self.incidents.now_known(incident, words);
            self.announce();
        }
    }

    /// Replaces the silences.
    pub fn set_silences(&mut self, silences: Vec<Silence>, now: Now) {
        self.facts.now = now;
        self.notices.set_silences(silences);
        self.notify();
    }

    /// Replaces the hours in which rules notify.
    pub fn set_hours(&mut self, hours: Hours, now: Now) {
        self.facts.now = now;
        self.notices.set_hours(hours);
        self.notify();
    }

    /// Puts another rule set in force, in one go. A rule of the same name that watches the same kind of thing keeps its
    /// alerts, with its new thresholds; alerts of rules that are gone close as "rule removed".
    pub fn reload(&mut self, rules: RuleSet, now: Now) {
        let mut reload = self.begin_reload(rules);
        while let Err(more) = self.reload_on(reload, usize::MAX, now) {
            reload = more;
        }
    }

    /// Begins a reload. Until [`Self::reload_on`] has completed it, entries may be taken, but nothing may be evaluated,
    /// copied or restored.
    pub fn begin_reload(&self, rules: RuleSet) -> Box<Reload> {
        self.targets.begin_reload(&self.facts, rules)
    }

    /// Continues a reload by at most `slots` slots.
    ///
    /// # Errors
    /// The rest of the reload.
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
            incidents.rules_changed(view);
            self.downstreams_changed();
            self.announce();
            self.notices.rules_changed();
            self.notify();
        }
        left
    }

    /// Adds a text to an open incident, for its next notification.
    pub fn note(&mut self, incident: IncidentId, words: &str) {
        self.incidents.add_detail(incident, words);
        self.announce();
    }

    /// The number of an instance's app.
    pub fn app_of(&self, id: InstanceId) -> u32 {
        self.facts.app_of(id)
    }

    /// The name of an app's number.
    pub fn app_name(&self, app: u32) -> &str {
        self.facts.tracker.app_names.get(app)
    }

    /// Number of tracked instances.
    pub fn instances(&self) -> usize {
        self.facts.tracker.len()
    }

    /// True if the stream's own alert fires.
    pub fn is_stalled(&self) -> bool {
        self.incidents.stream.is_stalled
    }

    /// Blind share of the last five minutes, from 0 to 1, for any reason.
    pub fn blind_share(&self, now: Now) -> f64 {
        const WINDOW: Duration = Duration::from_secs(300);
        let blind = self.facts.listening.blindness(now.mono, WINDOW, false);
        blind.time.as_secs_f64() / WINDOW.as_secs_f64()
    }

    /// True if anything has arrived.
    pub fn has_heard(&self) -> bool {
        self.facts.listening.last_arrival().is_some()
    }

    /// Takes the doubts about rules since the last call. Each rule is doubted once.
    pub fn take_doubts(&mut self) -> Vec<Doubt> {
        self.targets.take_doubts()
    }

    /// Looks at the factors of "auto" of some targets, where it is time to; evaluating does so too.
    pub fn keep_budget(&mut self, now: Now) {
        self.facts.now = now;
        self.targets.keep_budget(&self.facts);
    }

    /// Takes the changes of factors of "auto" since the last call.
    pub fn take_factor_changes(&mut self) -> Vec<FactorChange> {
        self.targets.take_factor_changes()
    }

    /// Takes the output since the last call.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Output> {
        self.outputs.drain(..)
    }

    /// Open incidents by number, in their present state, each for the notifiers that were notified of its opening.
    pub fn open_incidents(&self) -> impl DoubleEndedIterator<Item = Notice> {
        self.notices.iter().map(|(_, ledger)| Notice {
            notify: Some(ledger.notifiers()),
            ..ledger.notice.clone()
        })
    }

    /// Open incidents, each for the notifiers that were notified of its opening, at the severity that they know.
    pub fn notified_incidents(&self) -> Vec<Notice> {
        let all = self.notices.iter();
        all.flat_map(|(_, ledger)| ledger.as_told()).collect()
    }

    /// The layers that incidents see.
    pub(in crate::core) fn view(&self) -> View<'_> {
        View {
            facts: &self.facts,
            targets: &self.targets,
        }
    }

    /// The layer of incidents, and the layers that it sees.
    pub(in crate::core) fn split(&mut self) -> (&mut Incidents, View<'_>) {
        let view = View {
            facts: &self.facts,
            targets: &self.targets,
        };
        (&mut self.incidents, view)
    }

    /// Passes the events of the targets to the incidents.
    #[inline]
    pub(in crate::core) fn digest(&mut self) {
        if self.targets.has_events() {
            self.hand_up();
        }
    }

    #[cold]
    fn hand_up(&mut self) {
        let events = self.targets.take_events();
        for event in events {
            let (incidents, view) = self.split();
            incidents.apply(view, &event);
            if let AlertEvent::Changed { change, .. } = event {
                self.outputs.push(Output::Changed(change));
            }
        }
        self.announce();
    }

    /// The layers that notifications see.
    pub(in crate::core) fn notice_view(&self) -> NoticeView<'_> {
        NoticeView {
            facts: &self.facts,
            targets: &self.targets,
            incidents: &self.incidents,
        }
    }

    /// Passes the events of the incidents to the notifications.
    pub(in crate::core) fn announce(&mut self) {
        while self.incidents.has_events() {
            for event in self.incidents.take_events() {
                let view = NoticeView {
                    facts: &self.facts,
                    targets: &self.targets,
                    incidents: &self.incidents,
                };
                self.notices.apply(view, event);
            }
            self.give_out();
        }
    }

    /// Sends the notifications that are due.
    pub(in crate::core) fn notify(&mut self) {
        let view = NoticeView {
            facts: &self.facts,
            targets: &self.targets,
            incidents: &self.incidents,
        };
        self.notices.notify(view);
        self.give_out();
    }

    fn give_out(&mut self) {
        for notice in self.notices.take() {
            let (id, kind) = (notice.incident, notice.kind);
            self.outputs.push(Output::Notify(Box::new(notice)));
            if kind == NoticeKind::Opened {
                let (incidents, view) = self.split();
                let machines = incidents.take_restarts(view, id).into_iter();
                self.outputs
                    .extend(machines.map(|one| Output::Restart(id, one)));
            }
        }
    }
}
