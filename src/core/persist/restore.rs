//! Restore of the core's state from the store: known instances keep their gaps, open incidents stay open without a new
//! notification, and the time without lastbeat is blind.

use crate::core::engine::Engine;
use crate::core::entry::{MarkerId, Subject};
use crate::core::incident::flapping::Flapper;
use crate::core::incident::scope::Key;
use crate::core::incident::stream_state::StreamFacts;
use crate::core::incident::{Back, Incident, Member};
use crate::core::listening::pauses::{Longest, Pauses, Silences};
use crate::core::listening::{BlindInterval, Listening};
use crate::core::notice::ledger::{Ledger, Notified};
use crate::core::notice::{Alarm, CloseReason, IncidentId, NoticeKind};
use crate::core::persist::{
    EVERY_NOTIFIER, Saved, SavedBeat, SavedClock, SavedGroup, SavedIncident, SavedInstance,
    SavedKey, SavedLongest, SavedNotified, SavedRhythm, SavedStamp, SavedTarget, SavedWatched,
};
use crate::core::targets::budget::FactorInForce;
use crate::core::targets::table::{State, Watched};
use crate::core::time::{Listened, Mono, Now, Stamp, Wall};
use crate::core::tracker::life::Life;
use crate::core::tracker::loss::LossHour;
use crate::core::tracker::offset::Offset;
use crate::core::tracker::usual::Usual;
use crate::core::tracker::{Admitted, InstanceId, NONE, UNDECIDED};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Number of a marker that no rule uses.
const UNUSED: MarkerId = MarkerId(u16::MAX);

/// Conversion of saved times to those of this process.
struct Clocks {
    now: Now,
    /// Readings of the listened clock at the moment of saving: the saved one, and the one here.
    then: Listened,
    here: Listened,
}

impl Clocks {
    fn mono(&self, at: Wall) -> Mono {
        self.now.mono - self.now.wall.since(at)
    }

    fn listened(&self, at: Listened) -> Listened {
        self.here + at.since(self.then) - self.then.since(at)
    }

    fn stamp(&self, saved: SavedStamp) -> Stamp {
        Stamp {
            at: self.mono(saved.at),
            listened: self.listened(saved.listened),
        }
    }
}

impl Engine {
    /// Restores the state of a previous run. In a core that has heard nothing, the listened clock continues from its
    /// last reading; otherwise the present state prevails, and only the rest is restored. True if every instance has
    /// its stored slot, so that the store need not be rewritten.
    pub fn restore(&mut self, saved: &Saved, now: Now) -> bool {
        self.facts.now = now;
        let fresh = !self.has_heard() && self.facts.tracker.is_empty();
        if fresh {
            self.facts.listening = resumed(&saved.clock, now);
        }
        let clocks = Clocks {
            now,
            then: saved.clock.listened,
            here: self.facts.listening.listened(),
        };
        let factors = saved.factors.iter().map(|one| FactorInForce {
            rule: Arc::clone(&one.rule),
            app: Arc::clone(&one.app),
            every_ms: one.every_ms,
            factor: one.factor,
        });
        self.targets.restore_factors(factors, now.mono);
        for group in &saved.groups {
            self.restore_group(group, &clocks);
        }
        let mut as_saved = fresh;
        for instance in &saved.instances {
            let slot = self.restore_instance(instance, fresh, &clocks);
            as_saved &= slot == Some(instance.slot);
        }
        self.targets.restore_factors(std::iter::empty(), now.mono);
        for one in &saved.losses {
            if let Some(app) = self.facts.tracker.app_names.find(&one.app) {
                let loss = &mut self.facts.tracker.apps[app as usize].loss;
                loss.get_or_insert_default().restore(LossHour {
                    hour: one.hour,
                    counted: one.counted,
                    lost: one.lost,
                    after_lost: one.after_lost,
                    longest: one.longest,
                });
            }
        }
        for incident in &saved.incidents {
            self.restore_incident(incident, &clocks);
        }
        for target in &saved.forgotten {
            let who = &target.who;
            if self.facts.options.inventory && !who.instance.is_empty() {
                let subject = format!("logs.{}.{}.{}", who.app, who.region, who.instance);
                self.facts.inventory.given_up.insert(subject);
            }
        }
        self.unsaved.since = now.mono;
        // The restored instances may have been heard lately.
        self.incidents.cache.forget();
        as_saved
    }

    fn restore_instance(
        &mut self,
        saved: &SavedInstance,
        fresh: bool,
        clocks: &Clocks,
    ) -> Option<u32> {
        let mut tokens = saved.subject.splitn(4, '.');
        let (Some(_), Some(app), Some(region), Some(instance)) =
            (tokens.next(), tokens.next(), tokens.next(), tokens.next())
        else {
            return None;
        };
        if self.facts.tracker.find(&saved.subject).is_some() {
            return None;
        }
        if fresh {
            self.facts.tracker.next_slot(saved.slot);
        }
        let subject = Subject {
            raw: &saved.subject,
            app,
            region,
            instance,
        };
        let seen = clocks.stamp(saved.seen);
        let id = self.readmit(&subject, seen)?;
        self.facts.tracker.restored(id, saved.host.as_deref(), seen);
        let row = self.facts.tracker.instance_mut(id);
        row.spoke = saved
            .spoke
            .map_or(Listened::NEVER, |spoke| clocks.listened(spoke));
        let life = Life {
            stop: saved.stop.map(|(why, since)| (why, clocks.mono(since))),
            crash: saved
                .crash
                .map(|crash| (crash, clocks.listened(saved.seen.listened))),
            said_bye: saved.said_bye,
            ..Life::default()
        };
        self.facts.tracker.set_life(id, life);
        for beat in saved.beats.iter().rev() {
            self.restore_beat(id, beat, clocks);
        }
        if saved.logs {
            self.restore_logs(id, saved.logs_rhythm);
        }
        Some(id.0)
    }

    /// Admits an instance; `None` if its app is ignored by now, or a limit is reached.
    fn readmit(&mut self, subject: &Subject<'_>, seen: Stamp) -> Option<InstanceId> {
        let is_new = self.facts.tracker.app_names.find(subject.app).is_none();
        let ignore = &self.facts.options.ignore;
        let ignored = |app: &str| !ignore.0.is_empty() && ignore.matches(app);
        let Ok(Admitted::New(id)) = self.facts.tracker.admit(subject, ignored, seen) else {
            self.facts.record_rejection(|_| subject.raw.to_owned());
            return None;
        };
        self.targets.plan_app_regions(&mut self.facts);
        if is_new {
            let app = self.facts.app_of(id);
            self.targets.expect_of_app(&mut self.facts, app);
            self.targets.plan_app_regions(&mut self.facts);
        }
        Some(id)
    }

    fn restore_beat(&mut self, id: InstanceId, saved: &SavedBeat, clocks: &Clocks) {
        let markers = &self.facts.rules.markers;
        let marker = markers.iter().position(|text| **text == *saved.marker);
        let marker = marker.map_or(UNUSED, |at| MarkerId(at as u16));
        let seen = clocks.stamp(saved.seen);
        let Some(beat) = self
            .facts
            .tracker
            .restored_beat(id, marker, &saved.name, seen)
        else {
            return;
        };
        let phrase = self.facts.tracker.phrases.say(0, &saved.text, saved.seq);
        let row = self.facts.tracker.beat_mut(beat);
        row.set_stopped(saved.stopped);
        row.every_ms = saved.every_ms;
        row.seq = saved.seq.unwrap_or(u64::MAX);
        row.offset = Offset::restored(saved.offset_ms);
        row.phrase = phrase;
        row.usual = usual_of(saved.rhythm);
        let (name, every_ms) = (row.name(), row.every_ms);
        let watched = Watched::Beat(beat);
        self.targets
            .new_rhythms
            .restored(watched, saved.rhythm.long_ms);
        self.targets.watch_beat(&mut self.facts, beat);
        let target = self.facts.tracker.beat_row(beat).target;
        if target != NONE {
            self.evaluate_next_turn(target, saved.stopped);
        }
        let app_region = self.facts.tracker.instance(id).app_region;
        self.targets
            .beat_of_groups(&mut self.facts, app_region, marker, name, every_ms);
    }

    fn restore_logs(&mut self, id: InstanceId, rhythm: SavedRhythm) {
        self.targets.watch_logs(&mut self.facts, id);
        let row = self.facts.tracker.instance(id);
        let (logs, spoke, app_region) = (row.logs, row.spoke, row.app_region);
        let stopped = self.facts.tracker.life(id).has_left();
        if logs < UNDECIDED {
            self.restore_rhythm(logs, Watched::Logs(id), rhythm);
            if spoke != Listened::NEVER {
                let at = self.targets.seen(&self.facts, logs).at;
                let listened = spoke;
                self.targets.table.set_seen(logs, Stamp { at, listened });
            }
            self.evaluate_next_turn(logs, stopped);
        }
        let listened = spoke;
        let at = self.facts.tracker.instance(id).seen.at;
        if spoke != Listened::NEVER {
            let seen = Stamp { at, listened };
            self.targets
                .restored_entry_of_groups(&mut self.facts, app_region, seen);
        }
    }

    fn restore_rhythm(&mut self, target: u32, watched: Watched, rhythm: SavedRhythm) {
        if let Some(usual) = self.targets.table.usual_mut(target) {
            *usual = usual_of(rhythm);
        }
        self.targets.new_rhythms.restored(watched, rhythm.long_ms);
    }

    /// Has a target evaluated in the next turn, since its threshold may have changed.
    fn evaluate_next_turn(&mut self, target: u32, stopped: bool) {
        let due = if stopped {
            Listened::NEVER
        } else {
            Listened::ZERO
        };
        self.targets.table.set_due(target, due);
    }

    fn restore_group(&mut self, saved: &SavedGroup, clocks: &Clocks) {
        let Some(rule) = self.facts.rule_named(&saved.rule) else {
            return;
        };
        let app = saved
            .app
            .as_ref()
            .map_or(Some(NONE), |app| self.facts.tracker.intern_app(app));
        let region = saved.region.as_ref().map_or(Some(NONE), |region| {
            self.facts.tracker.intern_region(region)
        });
        let (Some(app), Some(region)) = (app, region) else {
            return;
        };
        let since = clocks.stamp(saved.since);
        if app != NONE && region != NONE {
            if self
                .facts
                .tracker
                .intern_app_region(app, region, since)
                .is_none()
            {
                return;
            }
            self.targets.plan_app_regions(&mut self.facts);
        }
        let id = self
            .targets
            .group(&mut self.facts, rule, app, region, false);
        let counts = self.facts.rules.rules[rule as usize].at_least.is_some();
        let watched_since = (!counts).then_some(since);
        self.targets
            .groups
            .restored(id, watched_since, saved.every_ms);
        let target = self.targets.groups.get(id).target;
        self.targets.table.set_seen(target, since);
        self.restore_rhythm(target, Watched::Group(id), saved.rhythm);
        self.evaluate_next_turn(target, false);
    }

    fn restore_incident(&mut self, saved: &SavedIncident, clocks: &Clocks) {
        let id = saved.notice.incident;
        if saved.closed.is_some() || self.incidents.get(id).is_some() {
            return;
        }
        let mut members: BTreeMap<u32, Member> = BTreeMap::new();
        for target in &saved.members {
            if let Some(target) = self.member_named(target) {
                members.insert(target, self.restored_member(target, None));
            }
        }
        let firing = members.len();
        if let (SavedKey::Flapping(target), 0) = (&saved.key, firing)
            && let Some(target) = self.member_named(target)
        {
            // It was ok when this was stored.
            let back = Back {
                listened: self.facts.listening.listened(),
                at: clocks.now.wall,
            };
            members.insert(target, self.restored_member(target, Some(back)));
        }
        for back in &saved.back {
            if let Some(target) = self.member_named(&back.target) {
                let back = Back {
                    listened: clocks.listened(back.at.listened),
                    at: back.at.at,
                };
                members.insert(target, self.restored_member(target, Some(back)));
            }
        }
        let opened = clocks.mono(saved.opened_at);
        let opened = self.facts.listening.listened_at(opened);
        for (&target, member) in &members {
            if member.back.is_none() {
                self.targets.silent_since(target, opened);
                self.targets.table.get_mut(target).state = State::Firing;
                self.targets.table.set_due(target, Listened::NEVER);
            }
        }
        let key = self.key_named(&saved.key, &members);
        let regions = match &saved.key {
            SavedKey::Regions(names) => {
                let names = names.iter();
                names
                    .filter_map(|name| self.facts.tracker.intern_region(name))
                    .collect()
            }
            _ => BTreeSet::new(),
        };
        let notice = &saved.notice;
        let incident = Incident {
            key: key.unwrap_or(Key::Stream),
            regions,
            alarm: notice.alarm,
            firing,
            severity: notice.severity,
            since: notice.since,
            since_listened: self.facts.listening.listened() - notice.listened,
            due: clocks.now.mono,
            due_at: notice.due,
            opened_at: saved.opened_at,
            joined_at: clocks.mono(saved.opened_at),
            looked_at: Mono::ZERO,
            detail: notice.detail.clone(),
            causes: 0,
            changes: 0,
            restart_considered: !saved.notified.is_empty(),
            stream: (saved.key == SavedKey::Stream).then(|| self.stream_facts(saved)),
            members,
        };
        let every = self.notice_view().every_notifier();
        let named = |one: &SavedNotified| match &*one.notifier {
            EVERY_NOTIFIER => every.clone(),
            _ => vec![Arc::clone(&one.notifier)],
        };
        let notified = saved.notified.iter().flat_map(|one| {
            let notified = Notified {
                at: clocks.mono(one.at),
                updated_at: (one.updates > 0).then(|| clocks.mono(one.at)),
                reminders: one.reminders,
                updates: one.updates,
                severity: one.severity,
                silent: one.silent,
                back: saved.back.len() as u64,
                causes: 0,
                notifiers: saved.notified.len(),
                differs_since: None,
            };
            named(one).into_iter().map(move |name| (name, notified))
        });
        let mut text = notice.clone();
        text.kind = NoticeKind::Opened;
        text.due_mono = clocks.now.mono;
        let ledger = Ledger::restored(text, notified.collect());
        self.incidents.resume(id, incident);
        self.notices.resume(id, ledger);
        let held = key.is_some() && self.hold(id, saved);
        if !held {
            // Its subject is not watched any more.
            self.incidents.close(id, CloseReason::RuleRemoved);
        }
        self.announce();
    }

    /// A target that is part of no incident yet.
    fn member_named(&self, saved: &SavedTarget) -> Option<u32> {
        let target = self.target_named(saved)?;
        let free = !self.targets.fires(target) && self.incidents.of_target(target).is_none();
        free.then_some(target)
    }

    fn restored_member(&self, target: u32, back: Option<Back>) -> Member {
        Member {
            since: (self.facts.now).wall_of(self.targets.seen(&self.facts, target).at),
            max_gap: self.targets.max_gap(&self.facts, target),
            back,
        }
    }

    fn stream_facts(&mut self, saved: &SavedIncident) -> StreamFacts {
        let notice = &saved.notice;
        let region = &notice.who.region;
        let region = (!region.is_empty()).then(|| self.facts.tracker.intern_region(region));
        StreamFacts {
            gap: notice.gap,
            listened: notice.listened,
            max_gap: notice.max_gap,
            region: region.flatten(),
        }
    }

    /// Ties an incident to its subject; true if that exists.
    fn hold(&mut self, id: IncidentId, saved: &SavedIncident) -> bool {
        let Some(incident) = self.incidents.get(id) else {
            return false;
        };
        let listened = self.facts.listening.listened();
        if saved.key != SavedKey::Stream {
            let (key, flaps) = (incident.key, incident.alarm == Alarm::Flapping);
            let members: Vec<u32> = incident.members.keys().copied().collect();
            let first = members.first().copied();
            for target in members.iter().filter(|_| flaps) {
                let max_gap = self.targets.max_gap(&self.facts, *target);
                let who = match key {
                    Key::Part(_) => Flapper::Target(*target),
                    key => Flapper::Scope(key),
                };
                self.incidents.flaps.resume(who, listened, max_gap);
            }
            return first.is_some();
        }
        let full = incident.alarm == Alarm::Full;
        if full && !incident.members.is_empty() {
            self.incidents.stream.overflow = Some(id);
            return true;
        }
        let region = incident.stream.and_then(|facts| facts.region);
        let stream = &mut self.incidents.stream;
        let taken = match saved.notice.alarm {
            Alarm::Stalled | Alarm::Refused => {
                stream.refused |= saved.notice.alarm == Alarm::Refused;
                stream.is_stalled = true;
                stream.stalled.replace(id)
            }
            Alarm::Flapping => {
                let max_gap = self.facts.stream_max_gap();
                let who = Flapper::Scope(Key::Stream);
                self.incidents.flaps.resume(who, listened, max_gap);
                self.incidents.stream.flapping.replace(id)
            }
            Alarm::Losing => stream.losing.replace(id),
            Alarm::Blind => stream.blind.replace(id),
            Alarm::Full => {
                self.facts.capacity.last = listened;
                stream.full.replace(id)
            }
            Alarm::Lagging if saved.notice.who.region.is_empty() => stream.lagging.replace(id),
            Alarm::Lagging => match region {
                Some(region) => stream.lagging_regions.insert(region, id),
                None => return false,
            },
            Alarm::Heartbeat | Alarm::Logs | Alarm::Rate | Alarm::Drill => return false,
        };
        if let Some(other) = taken {
            self.incidents.close(other, CloseReason::Superseded);
        }
        true
    }

    fn key_named(&mut self, key: &SavedKey, members: &BTreeMap<u32, Member>) -> Option<Key> {
        let tracker = &mut self.facts.tracker;
        Some(match key {
            SavedKey::Stream => Key::Stream,
            SavedKey::Region(region) => Key::Region(tracker.intern_region(region)?),
            SavedKey::App(app) => Key::App(tracker.intern_app(app)?),
            SavedKey::AppRegion(app, region) => {
                let (app, region) = (tracker.intern_app(app)?, tracker.intern_region(region)?);
                Key::AppRegion(tracker.find_app_region(app, region)?)
            }
            SavedKey::Host(host) => Key::Host(tracker.host_names.find(host)?),
            SavedKey::Regions(_) => Key::Regions,
            SavedKey::Alone(_) | SavedKey::Flapping(_) => {
                let (&first, _) = members.first_key_value()?;
                Key::Part(self.view().app_region_of(first).0)
            }
        })
    }

    fn target_named(&self, saved: &SavedTarget) -> Option<u32> {
        let target = match &saved.watched {
            SavedWatched::Beat {
                subject,
                marker,
                name,
            } => {
                let id = self.facts.tracker.find(subject)?;
                let markers = &self.facts.rules.markers;
                let marker = markers.iter().position(|text| **text == **marker)?;
                let name = self.facts.tracker.beat_names.find(name)?;
                let beat = self.facts.tracker.beats_of(id).find(|beat| {
                    let beat = self.facts.tracker.beat_row(*beat);
                    usize::from(beat.marker.0) == marker && beat.name() == name
                })?;
                self.facts.tracker.beat_row(beat).target
            }
            SavedWatched::Logs { subject } => {
                self.facts.tracker.instances[self.facts.tracker.find(subject)?.0 as usize].logs
            }
            SavedWatched::Group { app, region } => {
                let rule = self.facts.rule_named(&saved.rule)?;
                let number =
                    |name: &Option<std::sync::Arc<str>>,
                     of: &crate::core::tracker::names::Names| match name {
                        None => Some(NONE),
                        Some(name) => of.find(name),
                    };
                let app = number(app, &self.facts.tracker.app_names)?;
                let region = number(region, &self.facts.tracker.region_names)?;
                self.targets
                    .groups
                    .get(self.targets.groups.find(rule, app, region)?)
                    .target
            }
        };
        let row = self.targets.table.row(target)?;
        let same = *self.facts.rule_names[row.rule() as usize] == *saved.rule;
        same.then_some(target)
    }
}

fn resumed(clock: &SavedClock, now: Now) -> Listening {
    let mono = |at: Wall| now.mono - now.wall.since(at);
    let blind = clock.blind.iter().map(|interval| {
        let (from, to) = (mono(interval.from), mono(interval.to));
        BlindInterval::new(from, to, interval.reason, interval.listened)
    });
    let last = clock.last_arrival.map(mono);
    let longest = |saved: SavedLongest| Longest {
        before: saved.before,
        current: saved.current,
        began: mono(saved.began),
    };
    let silences = Silences::restored(longest(clock.silences), clock.long_silence);
    Listening::resumed(last, clock.listened, blind, now.mono)
        .with_usual(Pauses::restored(longest(clock.pauses)), silences)
}

fn usual_of(saved: SavedRhythm) -> Usual {
    Usual::restored(saved.usual_ms, saved.is_partial)
}
