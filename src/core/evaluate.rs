//! Evaluation of all deadlines, of the lag, of limits and of blindness.
//!
//! A change is dated by its deadline, so a late evaluation gives the same result.

use crate::core::engine::Engine;
use crate::core::incident::key::Key;
use crate::core::incident::stream::BLIND_WINDOW;
use crate::core::lag::Lag;
use crate::core::listening::Blind;
use crate::core::notice::{Alarm, CloseReason};
use crate::core::rule::FORGET_AFTER;
use crate::core::targets::question::{Opinion, Question};
use crate::core::time::{Listened, Mono, Now};
use crate::core::tracker::{NONE, Needed};
use std::sync::Arc;
use std::time::Duration;

/// Time without rejections, on the listened clock, after which a limit counts as no longer reached: long enough for a
/// flood in waves to be one incident.
const FREE_AGAIN_AFTER: Duration = Duration::from_secs(600);
/// A region lags on its own if it was late for this long while the stream was not: a lag of the stream shows in some
/// regions first.
const REGION_LAGS_AFTER: Duration = Duration::from_secs(30);
/// Longest time between a change of state and the tick that finds it.
pub const TICK: Duration = Duration::from_secs(1);
/// Interval between two searches for forgotten instances.
pub(in crate::core) const SWEEP_EVERY: Duration = Duration::from_secs(60);

impl Engine {
    /// Sets the cause of blindness that somebody else has to end, for the incident that reports blindness.
    pub fn blind_cause(&mut self, words: &str) {
        words.clone_into(&mut self.facts.blind_cause);
    }

    /// True if a deadline may have passed, so that [`Self::evaluate`] has work.
    #[inline]
    pub fn overdue(&self) -> bool {
        self.targets.table.earliest() < self.facts.listening.listened()
    }

    /// Evaluates every deadline that passed. Gives the arrival time of the next evaluation; earlier and later calls do
    /// no harm.
    pub fn evaluate(&mut self, now: Now) -> Mono {
        self.facts.now = now;
        self.evaluate_stream();
        self.evaluate_lag();
        self.evaluate_capacity();
        self.evaluate_blindness();
        self.evaluate_downstreams();
        self.targets.keep_budget(&self.facts);
        self.targets.end_waits(&self.facts);
        self.targets.end_opinions(&self.facts);
        self.targets.evaluate(&mut self.facts);
        self.digest();
        if now.mono >= self.next_sweep {
            self.next_sweep = now.mono + SWEEP_EVERY;
            self.incidents.cache.forget();
            self.targets.refresh_groups(&self.facts);
            self.sweep();
        }
        if self.facts.tracker.is_moving() {
            self.facts.tracker.move_some();
        }
        let (incidents, view) = self.split();
        incidents.evaluate(view);
        self.announce();
        self.notify();
        self.next_wake()
    }

    fn next_wake(&self) -> Mono {
        let just_after = |deadline: Mono| deadline + Duration::from_nanos(1);
        let now = self.facts.now.mono;
        let mut wake = (now + TICK)
            .min(self.incidents.next_wake(self.view()))
            .min(self.targets.confirmation.first())
            .min(self.targets.opinions.first());
        if !self.is_stalled() {
            wake = wake.min(just_after(self.stream_deadline()));
        }
        // A deadline is reached only when an entry arrives, so one in the past waits for the next entry.
        let earliest = self.targets.table.earliest();
        let first = just_after(self.facts.listening.date_of(earliest));
        if first > now { wake.min(first) } else { wake }
    }

    fn stream_deadline(&self) -> Mono {
        self.facts.listening.quiet_since() + self.facts.stream_max_gap()
    }

    fn evaluate_stream(&mut self) {
        let deadline = self.stream_deadline();
        let now = self.facts.now.mono;
        let since = self.facts.listening.quiet_since();
        if self.is_stalled() || now <= deadline {
            let (incidents, view) = self.split();
            return incidents.stream_steadies(view, since);
        }
        let (incidents, view) = self.split();
        incidents.stream_stalls(view, since, deadline);
        self.facts.listening.blinded(Blind::Stalled);
        self.facts.listening.reported();
    }

    /// Opens the stream's incident at once because the server rejects lastbeat; it replaces one without a cause.
    pub(in crate::core) fn stream_refused(&mut self) {
        self.facts.listening.blinded(Blind::Disconnected);
        if std::mem::replace(&mut self.incidents.stream.refused, true) {
            return;
        }
        let since = self.facts.listening.quiet_since();
        let now = self.facts.now.mono;
        let (incidents, view) = self.split();
        if let Some(incident) = incidents.stream.stalled.take() {
            incidents.close(incident, CloseReason::Superseded);
        }
        let gap = now.since(since);
        let open = incidents.open_stream(view, Alarm::Refused, since, gap, now, None);
        incidents.stream.stalled = Some(open);
        incidents.stream.is_stalled = true;
        self.facts.listening.reported();
        self.announce();
    }

    /// Evaluates the lag of the stream and of each region, and the loss of messages.
    fn evaluate_lag(&mut self) {
        let now = self.facts.now.mono;
        let max_lag = self.facts.rules.stream.max_lag;
        let lags = &mut self.facts.lags;
        let typical = lags.of_stream(now);
        lags.typical = typical.unwrap_or_default();
        let slow = typical.filter(|lag| *lag > max_lag);
        // A stream that is late, or about to be, causes the lag of its regions.
        let stream_is_late = self.incidents.stream.lagging.is_some() || lags.typical > max_lag / 2;
        let (incidents, view) = self.split();
        incidents.lag_is(view, None, typical.is_some(), slow);
        for region in 0..self.facts.lags.regions.len() {
            let lag = &mut self.facts.lags.regions[region];
            let typical = lag.typical(now);
            let slow = typical.filter(|lag| *lag > max_lag && !stream_is_late);
            lag.slow_since = slow.and(lag.slow_since.or(Some(now)));
            let slow_for = lag.slow_since.map(|since| now.since(since));
            let slow = slow.filter(|_| slow_for.is_some_and(|time| time >= REGION_LAGS_AFTER));
            let (incidents, view) = self.split();
            incidents.lag_is(view, Some(region as u32), typical.is_some(), slow);
        }
        let (incidents, view) = self.split();
        incidents.losses_are(view);
        let loses = self.facts.listening.losing_since().is_some();
        if loses && self.incidents.stream.losing.is_some() {
            self.facts.listening.reported();
        }
    }

    /// Evaluates rejections by full tables.
    fn evaluate_capacity(&mut self) {
        let now = self.facts.now.mono;
        let listened = self.facts.listening.listened();
        let capacity = &self.facts.capacity;
        match (self.incidents.stream.full, &capacity.first) {
            (None, Some((first, ..))) => {
                let (since, gap) = (first.at, now.since(first.at));
                let (incidents, view) = self.split();
                let open = incidents.open_stream(view, Alarm::Full, since, gap, since, None);
                incidents.stream.full = Some(open);
            }
            (Some(incident), _) if listened.since(capacity.last) > FREE_AGAIN_AFTER => {
                let count = capacity.turned_away;
                self.facts.capacity.first = None;
                self.facts.capacity.turned_away = 0;
                let incidents = &mut self.incidents;
                incidents.now_known(incident, &format!("{count} entries were dropped"));
                incidents.close(incident, CloseReason::Resolved);
            }
            _ => {}
        }
    }

    /// Evaluates the share of blind time.
    fn evaluate_blindness(&mut self) {
        let now = self.facts.now.mono;
        let (incidents, view) = self.split();
        let open = incidents.stream.blind;
        match (open, view.is_blind_too_often(open.is_some())) {
            (None, true) => {
                let time = view.unreported_blindness().time;
                let since = now - BLIND_WINDOW;
                let open = incidents.open_stream(view, Alarm::Blind, since, time, now, None);
                incidents.stream.blind = Some(open);
            }
            (Some(incident), false) => {
                incidents.close(incident, CloseReason::Resolved);
            }
            _ => {}
        }
    }

    /// Records that the archive cannot be written, for this reason; `None`: it can.
    pub fn archive_is(&mut self, problem: Option<&str>, now: Now) {
        self.facts.now = now;
        problem
            .unwrap_or_default()
            .clone_into(&mut self.facts.archive_problem);
        match (self.incidents.stream.archive, problem) {
            (None, Some(_)) => {
                let (incidents, view) = self.split();
                let (at, none) = (now.mono, Duration::ZERO);
                let open = incidents.open_stream(view, Alarm::Archive, at, none, at, None);
                incidents.stream.archive = Some(open);
            }
            (Some(incident), None) => self.incidents.close(incident, CloseReason::Resolved),
            _ => {}
        }
        self.announce();
    }

    /// The questions about silent beats since the last call, for the platform's own copy of the logs.
    pub fn take_questions(&mut self) -> Vec<Question> {
        self.targets.opinions.take()
    }

    /// Applies the answer to a question. A beat that the stream did not bring opens an incident of the stream instead of
    /// one of its instance.
    pub fn opinion(&mut self, question: &Question, opinion: Opinion, now: Now) {
        self.facts.now = now;
        if self.targets.opinion(&mut self.facts, question, opinion) {
            let subject = question.subject.trim_start_matches("logs.");
            self.facts.lost_words = format!(
                "a heartbeat of {} is in the platform's own logs, and the stream never brought it",
                subject.replacen('.', "/", 2)
            );
            self.incidents.stream.lost_at = Some(now.mono);
        }
        self.digest();
    }

    /// Frees the names of no tracked instance that no rule expects and no open incident is about.
    pub(in crate::core) fn reclaim(&mut self, listened: Listened) {
        let needed = self.needed();
        let before = if listened.since(Listened::ZERO) > FORGET_AFTER {
            listened - FORGET_AFTER
        } else {
            Listened::ZERO
        };
        let freed = self.facts.tracker.reclaim(&needed, before);
        for app_region in freed.app_regions {
            self.targets.plan.forget(app_region);
        }
        for region in freed.regions {
            if let Some(lag) = self.facts.lags.regions.get_mut(region as usize) {
                *lag = Lag::default();
            }
            self.incidents.stream.lagging_regions.remove(&region);
        }
        self.forgotten_apps.extend(freed.apps);
    }

    /// Takes the apps that were forgotten since the last call, by number and name; a new app may get the number.
    pub fn take_forgotten_apps(&mut self) -> Vec<(u32, Arc<str>)> {
        std::mem::take(&mut self.forgotten_apps)
    }

    fn needed(&self) -> Needed {
        let mut needed = Needed::default();
        for (_, group) in self.targets.groups.iter() {
            needed.apps.insert(group.app);
            needed.regions.insert(group.region);
            let app_region = self.facts.tracker.find_app_region(group.app, group.region);
            needed.app_regions.extend(app_region);
        }
        for (_, incident) in self.incidents.iter() {
            match incident.key {
                Key::Stream | Key::Downstream(_) => {}
                Key::Region(id) => drop(needed.regions.insert(id)),
                Key::Regions => needed.regions.extend(&incident.regions),
                Key::App(id) | Key::Part(id) => drop(needed.apps.insert(id)),
                Key::AppRegion(id) => drop(needed.app_regions.insert(id)),
                Key::Host(id) => drop(needed.hosts.insert(id)),
            }
        }
        let lagging = self.incidents.stream.lagging_regions.keys();
        needed.regions.extend(lagging.copied());
        // An app-region that stays keeps its names.
        needed.apps.remove(&NONE);
        needed
    }
}
