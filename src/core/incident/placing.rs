//! Placement of firing targets into incidents.

use crate::core::incident::flapping::Flapper;
use crate::core::incident::key::Key;
use crate::core::incident::kind::{Alarm, CloseReason, IncidentId};
use crate::core::incident::scope::{GROUP_WINDOW, Probe, Reach};
use crate::core::incident::scope_cache::{ScopeCache, Sign};
use crate::core::incident::view::View;
use crate::core::incident::{Gathered, Incident, IncidentEvent, Incidents, Member};
use crate::core::time::{Listened, Mono};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Incidents with more members than this are checked for a wider scope at most every [`WIDEN_EVERY`].
const LARGE: usize = 200;
const WIDEN_EVERY: Duration = Duration::from_secs(1);

/// A firing target to be placed.
#[derive(Clone, Copy, Debug)]
struct Fire {
    target: u32,
    due: Mono,
    deadline: Listened,
}

/// The members of an incident that fire, each as if its deadline lay at these points.
fn fires_of(open: &Incident, due: Mono, deadline: Listened) -> Vec<Fire> {
    let fire = |target| Fire {
        target,
        due,
        deadline,
    };
    open.firing().map(fire).collect()
}

impl Incidents {
    /// Lets a firing target with this deadline wait for others.
    pub(super) fn gather(&mut self, view: View<'_>, target: u32, due: Mono, deadline: Listened) {
        let wait = view.targets.rule_of(view.facts, target).group_wait;
        self.gathered.push(Gathered {
            target,
            due,
            deadline,
            waits_until: view.facts.now.mono + wait,
        });
    }

    /// Arrival clock: the next time at which a wait ends or an incident may close.
    pub fn next_wake(&self, view: View<'_>) -> Mono {
        let wait = self.gathered.iter().map(|gathered| gathered.waits_until);
        let wait = wait.min().unwrap_or(Mono::NEVER);
        wait.min(self.next_return(view))
    }

    /// Places the targets whose wait is over, and closes the incidents that are over.
    pub fn evaluate(&mut self, view: View<'_>) {
        let now = view.facts.now.mono;
        if self.gathered.iter().any(|one| one.waits_until <= now) {
            let gathered = std::mem::take(&mut self.gathered);
            let (ready, waiting): (Vec<_>, Vec<_>) =
                gathered.into_iter().partition(|one| one.waits_until <= now);
            self.gathered = waiting;
            let fires = ready.iter().filter(|one| view.targets.fires(one.target));
            let fires: Vec<Fire> = fires
                .map(|one| Fire {
                    target: one.target,
                    due: one.due,
                    deadline: one.deadline,
                })
                .collect();
            self.place(view, &fires, true);
        }
        self.steady_down(view);
        self.close_returned(view);
        self.flaps.sweep(view.facts.listening.listened());
    }

    /// Places firing targets into the incidents of their scopes; with `may_flap`, flapping ones into the incidents that
    /// report the flapping.
    fn place(&mut self, view: View<'_>, fires: &[Fire], may_flap: bool) {
        if fires.is_empty() {
            return;
        }
        let mut cache = std::mem::take(&mut self.cache);
        cache.end();
        let mut joined = BTreeSet::new();
        let mut rest: BTreeMap<Sign, Vec<Fire>> = BTreeMap::new();
        for &fire in fires {
            if let Some(id) = self.open_for(view, fire.target) {
                self.join(view, id, fire);
                joined.insert(id);
            } else {
                let sign = view.probe_of(fire.target).sign;
                rest.entry(sign).or_default().push(fire);
            }
        }
        for (sign, fires) in rest {
            let after = fires.iter().map(|fire| view.probe_of(fire.target).after);
            let after = after.max().unwrap_or_default();
            let probe = Probe { after, sign };
            let mut by_key: BTreeMap<Key, (Reach, Vec<Fire>)> = BTreeMap::new();
            for fire in fires {
                let reach = view.reach_of(fire.target, probe, &mut cache);
                let entry = by_key.entry(reach.key);
                entry.or_insert_with(|| (reach, Vec::new())).1.push(fire);
            }
            for (reach, fires) in by_key.into_values() {
                joined.extend(self.place_together(view, &reach, &fires, may_flap));
            }
        }
        for id in joined {
            self.widen(view, id, &mut cache);
        }
        cache.end();
        self.cache = cache;
    }

    /// The open incident that a firing target belongs to, whatever else is silent: the one it is a member of, or a
    /// wider one that contains it.
    fn open_for(&self, view: View<'_>, target: u32) -> Option<IncidentId> {
        if let Some(own) = self.of_target(target) {
            return Some(own);
        }
        let (app, region) = view.app_region_of(target);
        let instance = view.targets.instance_of(view.facts, target);
        let instance = instance.map(|id| view.facts.tracker.instance(id));
        let keys = [
            Some(Key::Regions),
            Some(Key::Region(region)),
            Some(Key::App(app)),
            view.facts
                .tracker
                .find_app_region(app, region)
                .map(Key::AppRegion),
            instance.map(|instance| Key::Host(instance.host)),
        ];
        let now = view.facts.now.mono;
        let holds = |id: &IncidentId| {
            self.open.get(id).is_some_and(|open| {
                now.since(open.joined_at) <= GROUP_WINDOW
                    && open.alarm != Alarm::Flapping
                    && open.stream.is_none()
                    && view.is_within(target, open.key, &open.regions)
            })
        };
        let of_group = view.group_of(target).is_some();
        let keys = keys.into_iter().flatten();
        // A group is a scope of its own: a narrower incident within it does not contain it.
        let keys = keys.filter(|key| !of_group || matches!(key, Key::Regions | Key::Region(_)));
        keys.flat_map(|key| self.all_of(key).rev()).find(holds)
    }

    /// Places targets of one scope into its incident, open or new; gives the incidents that gained members.
    fn place_together(
        &mut self,
        view: View<'_>,
        reach: &Reach,
        fires: &[Fire],
        may_flap: bool,
    ) -> Option<IncidentId> {
        let Key::Part(app) = reach.key else {
            let same = self.of(reach.key);
            let same = same.or_else(|| self.of_app_beyond(view, reach.key));
            if let Some(id) = same {
                fires.iter().for_each(|fire| self.join(view, id, *fire));
                if let Some(open) = self.open.get_mut(&id) {
                    open.regions.extend(&reach.regions);
                }
                return same;
            }
            let first = fires.iter().min_by_key(|fire| fire.due)?;
            let max_gap = view.targets.max_gap(view.facts, first.target);
            let who = Flapper::Scope(reach.key);
            let flaps = self.flaps.fired(who, first.deadline, max_gap) && may_flap;
            self.open_with(view, reach, fires, flaps);
            return None;
        };
        // Targets that flap on their own are kept apart from those that just fell silent.
        let mut flapping = Vec::new();
        let mut single = Vec::new();
        for &fire in fires {
            let max_gap = view.targets.max_gap(view.facts, fire.target);
            let who = Flapper::Target(fire.target);
            let flaps = self.flaps.fired(who, fire.deadline, max_gap) && may_flap;
            let group = if flaps { &mut flapping } else { &mut single };
            group.push(fire);
        }
        for (fires, flaps) in [(single, false), (flapping, true)] {
            if fires.is_empty() {
                continue;
            }
            match self.of_app(view, app, flaps) {
                Some(id) => fires.iter().for_each(|fire| self.join(view, id, *fire)),
                None => drop(self.open_with(view, reach, &fires, flaps)),
            }
        }
        None
    }

    /// The incident of an app that a newly firing target of it joins; `None` if there is none.
    fn of_app(&self, view: View<'_>, app: u32, flaps: bool) -> Option<IncidentId> {
        let now = view.facts.now.mono;
        let takes = |id: &IncidentId| {
            self.open.get(id).is_some_and(|open| {
                let flapping = open.alarm == Alarm::Flapping;
                flapping == flaps && (flaps || now.since(open.joined_at) <= GROUP_WINDOW)
            })
        };
        let app_regions = view
            .facts
            .tracker
            .app_regions_of(app, u32::MAX)
            .map(Key::AppRegion);
        let keys = [Key::Part(app), Key::App(app)]
            .into_iter()
            .chain(app_regions);
        keys.flat_map(|key| self.all_of(key).rev()).find(takes)
    }

    /// The incident of an app that a whole app-region of it joins, because it has members elsewhere; `None` if there is
    /// none.
    fn of_app_beyond(&self, view: View<'_>, key: Key) -> Option<IncidentId> {
        let Key::AppRegion(app_region) = key else {
            return None;
        };
        let app = view.facts.tracker.app_regions.get(app_region as usize)?.app;
        let id = self.of_app(view, app, false)?;
        let mut firing = self.open.get(&id)?.firing();
        firing
            .any(|target| !view.is_within(target, key, &BTreeSet::new()))
            .then_some(id)
    }

    /// Opens an incident with its first members; it supersedes narrower ones within.
    fn open_with(
        &mut self,
        view: View<'_>,
        reach: &Reach,
        fires: &[Fire],
        flaps: bool,
    ) -> Option<IncidentId> {
        let first = fires.iter().min_by_key(|fire| fire.due)?;
        let alarm = if flaps {
            Alarm::Flapping
        } else if view
            .targets
            .rule_of(view.facts, first.target)
            .min_rate
            .is_some()
        {
            Alarm::Rate
        } else if view.targets.is_of_logs(view.facts, first.target) {
            Alarm::Logs
        } else {
            Alarm::Heartbeat
        };
        let now = view.facts.now;
        let severity = view.targets.rule_of(view.facts, first.target).severity;
        let instance = view.targets.instance_of(view.facts, first.target);
        let known = instance.map(|id| view.facts.known_at(id, first.due));
        let id = self.open(
            view,
            Incident {
                key: reach.key,
                regions: reach.regions.clone(),
                alarm,
                members: BTreeMap::new(),
                firing: 0,
                severity,
                since: now.wall,
                since_mono: now.mono,
                since_listened: view.facts.listening.listened(),
                due: first.due,
                due_at: now.wall_of(first.due),
                opened_at: now.wall,
                joined_at: now.mono,
                looked_at: Mono::ZERO,
                detail: known.unwrap_or_default(),
                causes: 0,
                restart_considered: false,
                stream: None,
            },
        );
        fires.iter().for_each(|fire| self.join(view, id, *fire));
        self.supersede_within(view, id);
        Some(id)
    }

    /// Makes a firing target a member of an incident.
    fn join(&mut self, view: View<'_>, id: IncidentId, fire: Fire) {
        let now = view.facts.now;
        let target = fire.target;
        let seen = view.targets.seen(view.facts, target);
        let max_gap = view.targets.max_gap(view.facts, target);
        let severity = view.targets.rule_of(view.facts, target).severity;
        self.returning.remove(&id);
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        let since = now.wall_of(seen.at);
        if open.stream.is_none() && (open.members.is_empty() || seen.at < open.since_mono) {
            (open.since, open.since_listened) = (since, seen.listened);
            open.since_mono = seen.at;
        }
        let member = Member {
            since,
            max_gap,
            back: None,
        };
        let before = open.members.insert(target, member);
        open.firing += usize::from(before.is_none_or(|member| member.back.is_some()));
        open.severity = open.severity.min(severity);
        open.joined_at = now.mono;
        self.flaps.changed(target, view.facts.listening.listened());
        self.events.push(IncidentEvent::Changed(id));
        let from = self.of_target.insert(target, id);
        if let Some(from) = from.filter(|from| *from != id) {
            self.taken_from(from, target, fire.due, id);
        }
    }

    /// Moves a member to a wider incident; its previous one closes if it was the last.
    fn taken_from(&mut self, from: IncidentId, target: u32, due: Mono, by: IncidentId) {
        let Some(open) = self.open.get_mut(&from) else {
            return;
        };
        if let Some(member) = open.members.remove(&target) {
            open.firing -= usize::from(member.back.is_none());
        }
        let emptied = open.firing == 0;
        if let Some(wide) = self.open.get_mut(&by) {
            wide.due = wide.due.min(due);
        }
        if emptied {
            self.close(from, CloseReason::Superseded);
        }
    }

    /// Checks a grown incident for a wider scope, whose incident then supersedes it.
    fn widen(&mut self, view: View<'_>, id: IncidentId, cache: &mut ScopeCache) {
        let Some(open) = self.open.get(&id) else {
            return;
        };
        let Some(target) = open.firing().next() else {
            return;
        };
        if matches!(open.key, Key::Regions | Key::Stream | Key::Downstream(_))
            || open.alarm == Alarm::Flapping
        {
            return;
        }
        let now = view.facts.now;
        if now.mono.since(open.looked_at) < WIDEN_EVERY && open.members.len() > LARGE {
            return;
        }
        let firing = open.firing().take(LARGE);
        let after = firing.map(|target| view.probe_of(target).after).max();
        let probe = Probe {
            after: after.unwrap_or_default(),
            ..view.probe_of(target)
        };
        let reach = view.reach_of(target, probe, cache);
        let wider = reach.key.scope() < open.key.scope();
        let all_in = || {
            let mut firing = open.firing();
            firing.all(|target| view.is_within(target, reach.key, &reach.regions))
        };
        if !wider || !all_in() {
            if let Some(open) = self.open.get_mut(&id) {
                open.looked_at = now.mono;
            }
            return;
        }
        let fires = fires_of(open, open.due, view.facts.listening.listened());
        if let Some(same) = self.of(reach.key) {
            return fires.iter().for_each(|fire| self.join(view, same, *fire));
        }
        let first = Fire {
            due: now.mono,
            ..fires[0]
        };
        self.open_with(view, &reach, &[first], false);
    }

    /// Supersedes the narrower incidents all of whose firing members lie within a new incident.
    fn supersede_within(&mut self, view: View<'_>, wider: IncidentId) {
        let Some(wide) = self.open.get(&wider) else {
            return;
        };
        if matches!(wide.key, Key::Part(_) | Key::Stream | Key::Downstream(_)) {
            return;
        }
        let (key, regions) = (wide.key, wide.regions.clone());
        let is_silent = |target: u32| {
            let sign = view.probe_of(target).sign;
            let instance = view.targets.instance_of(view.facts, target);
            instance.is_some_and(|id| view.is_silent(id, sign))
        };
        let narrower = |(&id, open): (&IncidentId, &Incident)| {
            // Those of the stream have no members.
            let is_narrower =
                open.key != key && open.key.scope() >= key.scope() && !open.members.is_empty();
            if !is_narrower {
                return None;
            }
            let is_within = |target: u32| view.is_within(target, key, &regions);
            let lies_within = if open.firing > 0 {
                open.firing().all(is_within)
            } else {
                // Its members came back, and are silent again before they were live for long enough.
                let mut members = open.members.keys().copied();
                open.members.keys().copied().all(is_within) && members.any(is_silent)
            };
            lies_within.then_some(id)
        };
        let narrower: Vec<IncidentId> = self.open.iter().filter_map(narrower).collect();
        for id in narrower {
            let Some(open) = self.open.get(&id) else {
                continue;
            };
            if open.firing == 0 {
                self.take_members(id, wider);
                continue;
            }
            let (due, deadline) = (open.due, view.facts.listening.listened());
            let fires = fires_of(open, due, deadline);
            fires.iter().for_each(|fire| self.join(view, wider, *fire));
        }
    }

    /// Ends the flapping of what was steady for long enough, and treats what is silent for too long as dead.
    fn steady_down(&mut self, view: View<'_>) {
        let listened = view.facts.listening.listened();
        let all: Vec<IncidentId> = self.flapping.iter().copied().collect();
        for id in all {
            let Some(open) = self.open.get(&id).filter(|open| open.stream.is_none()) else {
                continue;
            };
            let flapper = |target: u32| match open.key {
                Key::Part(_) => Flapper::Target(target),
                key => Flapper::Scope(key),
            };
            let is_dead = |target: u32| {
                let seen = view.targets.seen(view.facts, target).listened;
                let max_gap = view.targets.max_gap(view.facts, target);
                listened.since(seen) >= self.flaps.dead_after(flapper(target), max_gap)
            };
            let now = view.facts.now.mono;
            if now.since(open.looked_at) < WIDEN_EVERY && open.members.len() > LARGE {
                continue;
            }
            if open.firing().any(is_dead) {
                let fires = fires_of(open, view.facts.now.mono, listened);
                self.leave_flapping(view, id, &fires);
            } else if open.firing == 0 {
                let flappers: BTreeSet<Flapper> =
                    open.members.keys().copied().map(flapper).collect();
                let steady = |who: &Flapper| self.flaps.take_steady(*who, listened);
                if flappers.iter().all(steady) {
                    self.close(id, CloseReason::Resolved);
                }
            }
            if let Some(open) = self.open.get_mut(&id) {
                open.looked_at = now;
            }
        }
    }

    /// Opens a separate incident for the dead members of a flapping incident.
    fn leave_flapping(&mut self, view: View<'_>, id: IncidentId, fires: &[Fire]) {
        if let Some(open) = self.open.get_mut(&id) {
            for fire in fires {
                open.members.remove(&fire.target);
                self.of_target.remove(&fire.target);
            }
            open.firing = 0;
            // Its successor has the same scope.
            self.by_key.remove(&(open.key, id));
        }
        self.place(view, fires, false);
        for fire in fires {
            self.flaps.left(Flapper::Target(fire.target));
        }
        if let Some(open) = self.open.get(&id) {
            self.flaps.left(Flapper::Scope(open.key));
        }
        self.close(id, CloseReason::Superseded);
    }
}
