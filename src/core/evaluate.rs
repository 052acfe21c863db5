//! Evaluating all deadlines, and what follows.
//!
//! Evaluated late, the answer is the same: a change is dated by its deadline.

use crate::core::engine::Engine;
use crate::core::incident::scope::Key;
use crate::core::lag::Lag;
use crate::core::listening::Blind;
use crate::core::notice::{Alarm, CloseReason};
use crate::core::rule::FORGET_AFTER;
use crate::core::time::{Listened, Mono, Now};
use crate::core::tracker::{InstanceId, NONE, Needed};
use std::sync::Arc;
use std::time::Duration;

/// Interval between two searches for forgotten instances.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Forgotten in one turn, in a millisecond or two: entries wait meanwhile. Of a flood the rest goes in the next turns.
const FORGOTTEN_AT_ONCE: usize = 2_000;
/// Where nothing was turned away for this long, on the listened clock, there is room again: long enough for a flood that
/// comes in waves to be one incident.
const ROOM_AGAIN_AFTER: Duration = Duration::from_secs(600);
/// How far a change of state may lie from the tick that is asked to see it at the latest.
pub const TICK: Duration = Duration::from_secs(1);

impl Engine {
    /// Whether a deadline may have passed already, so that [`Self::evaluate`] has work.
    #[inline]
    pub fn overdue(&self) -> bool {
        self.targets.table.earliest() < self.facts.listening.listened()
    }

    /// Evaluates every deadline that passed. Gives the time at which to evaluate again; earlier and later calls do
    /// no harm.
    pub fn evaluate(&mut self, now: Now) -> Mono {
        self.facts.now = now;
        self.evaluate_stream();
        self.evaluate_lag();
        self.evaluate_capacity();
        self.targets.wait_no_more(&mut self.facts);
        self.targets.evaluate(&mut self.facts);
        self.digest();
        if now.mono >= self.next_sweep {
            self.next_sweep = now.mono + SWEEP_EVERY;
            self.incidents.cache.forget();
            self.sweep();
        }
        if self.facts.tracker.is_moving() {
            self.facts.tracker.move_some();
        }
        let (incidents, view) = self.split();
        incidents.settle(view);
        self.announce();
        self.notify();
        self.next_wake()
    }

    fn next_wake(&self) -> Mono {
        let just_after = |deadline: Mono| deadline + Duration::from_nanos(1);
        let now = self.facts.now.mono;
        let mut wake = (now + TICK)
            .min(self.incidents.next_wake(self.view()))
            .min(self.targets.confirmation.first());
        if !self.is_stalled() {
            wake = wake.min(just_after(self.stream_deadline()));
        }
        // A target's deadline is reached only by the next entry, so that one in the past waits for that.
        let earliest = self.targets.table.earliest();
        let first = just_after(self.facts.listening.date_of(earliest));
        if first > now { wake.min(first) } else { wake }
    }

    fn stream_deadline(&self) -> Mono {
        self.facts.listening.quiet_since() + self.facts.rules.stream.max_gap
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
    }

    /// The server refuses lastbeat: that is the stream's incident, at once, and in place of one without a cause.
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
        self.announce();
    }

    /// The stream, or a region, is late; or messages are lost without a pause.
    fn evaluate_lag(&mut self) {
        let now = self.facts.now.mono;
        let max_lag = self.facts.rules.stream.max_lag;
        let least = self.facts.lags.stream.least(now);
        self.facts.lags.least = least.unwrap_or_default();
        let slow = least.filter(|least| *least > max_lag);
        let (incidents, view) = self.split();
        incidents.lag_is(view, None, least.is_some(), slow);
        for region in 0..self.facts.lags.regions.len() {
            let least = self.facts.lags.regions[region].least(now);
            let slow = least.filter(|least| *least > max_lag);
            let (incidents, view) = self.split();
            incidents.lag_is(view, Some(region as u32), least.is_some(), slow);
        }
        let (incidents, view) = self.split();
        incidents.losses_are(view);
    }

    /// There is no room for new instances, or there is again.
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
            (Some(incident), _) if listened.since(capacity.last) > ROOM_AGAIN_AFTER => {
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

    fn sweep(&mut self) {
        let listened = self.facts.listening.listened();
        let rules = self.facts.rules.rules.iter();
        let shortest = rules.map(|rule| rule.forget_after);
        let shortest = shortest.fold(FORGET_AFTER, Duration::min);
        if listened.since(Listened::ZERO) < shortest {
            return;
        }
        let unheard = self.facts.tracker.unheard_since(listened - shortest);
        let forgotten = unheard.into_iter();
        let forgotten =
            forgotten.filter(|id| self.targets.is_forgotten(&self.facts, *id, listened));
        let forgotten: Vec<InstanceId> = forgotten.take(FORGOTTEN_AT_ONCE).collect();
        forgotten.iter().for_each(|id| self.forget(*id));
        self.facts.tracker.members_left();
        let now = self.facts.now.mono;
        if forgotten.len() == FORGOTTEN_AT_ONCE {
            self.next_sweep = now + TICK;
        }
        if now >= self.next_reclaim {
            self.next_reclaim = now + SWEEP_EVERY;
            self.targets.forget_empty_groups(&mut self.facts);
            self.digest();
            self.reclaim(listened);
        }
    }

    fn forget(&mut self, id: InstanceId) {
        self.targets.forget(&mut self.facts, id);
        self.digest();
        self.facts.touched.remove(&id.0);
        self.unsaved.forgotten.push(id.0);
        self.facts.inventory.entries.remove(&id.0);
        for beat in self.facts.tracker.beats_of(id) {
            self.history.forget(beat);
        }
        self.facts.tracker.forget(id);
    }

    /// Frees the names that no instance bears, no rule expects, and no open incident is about.
    pub(in crate::core) fn reclaim(&mut self, listened: Listened) {
        let needed = self.needed();
        let before = if listened.since(Listened::ZERO) > FORGET_AFTER {
            listened - FORGET_AFTER
        } else {
            Listened::ZERO
        };
        let freed = self.facts.tracker.reclaim(&needed, before);
        for place in freed.places {
            self.targets.plan.forget(place);
        }
        for region in freed.regions {
            if let Some(lag) = self.facts.lags.regions.get_mut(region as usize) {
                *lag = Lag::new(self.facts.now.mono);
            }
            self.incidents.stream.lagging_regions.remove(&region);
        }
        self.forgotten_apps.extend(freed.apps);
    }

    /// Takes the apps that were forgotten since the last call, by number and name: the next new app may get the number.
    pub fn take_forgotten_apps(&mut self) -> Vec<(u32, Arc<str>)> {
        std::mem::take(&mut self.forgotten_apps)
    }

    fn needed(&self) -> Needed {
        let mut needed = Needed::default();
        for (_, group) in self.targets.groups.iter() {
            needed.apps.insert(group.app);
            needed.regions.insert(group.region);
            let place = self.facts.tracker.find_place(group.app, group.region);
            needed.places.extend(place);
        }
        for (_, incident) in self.incidents.iter() {
            match incident.key {
                Key::Stream => {}
                Key::Region(id) => drop(needed.regions.insert(id)),
                Key::Regions => needed.regions.extend(&incident.regions),
                Key::App(id) | Key::Part(id) => drop(needed.apps.insert(id)),
                Key::Place(id) => drop(needed.places.insert(id)),
                Key::Host(id) => drop(needed.hosts.insert(id)),
            }
        }
        let lagging = self.incidents.stream.lagging_regions.keys();
        needed.regions.extend(lagging.copied());
        // An app-region that stays keeps its names, which stand in it.
        needed.apps.remove(&NONE);
        needed
    }
}
