//! Restore of the core's state from the store: known instances keep their gaps, open incidents stay open without a new
//! notification, and the time without lastbeat is blind.

use crate::core::engine::Engine;
use crate::core::entry::{MarkerId, Subject};
use crate::core::listening::pauses::{Longest, PauseRow, Pauses, Silences};
use crate::core::listening::{BlindInterval, Listening};
use crate::core::persist::saved_clocks::Clocks;
use crate::core::persist::{
    Saved, SavedBeat, SavedClock, SavedGroup, SavedInstance, SavedLongest, SavedRhythm,
};
use crate::core::targets::table::Watched;
use crate::core::time::{Listened, Now, Stamp, Wall};
use crate::core::tracker::life::Life;
use crate::core::tracker::offset::Offset;
use crate::core::tracker::usual::Usual;
use crate::core::tracker::{Admitted, InstanceId, NONE, UNDECIDED};

/// Number of a marker that no rule uses.
const UNUSED: MarkerId = MarkerId(u16::MAX);

impl Engine {
    /// Restores the state of a previous run. In a core that has heard nothing, the listened clock continues from its
    /// last reading; otherwise the present state prevails, and only the rest is restored. True if every instance has
    /// its stored slot, so that the store need not be rewritten.
    pub fn restore(&mut self, saved: &Saved, now: Now) -> bool {
        self.facts.now = now;
        let mut clocks = Clocks::new(&saved.clock, now);
        let fresh = !self.has_heard() && self.facts.tracker.is_empty();
        if fresh {
            self.facts.listening = resumed(&saved.clock, &clocks);
        }
        clocks.here = self.facts.listening.listened();
        let factors = saved.factors.iter().cloned();
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
                loss.get_or_insert_default().restore(one.counts);
            }
        }
        for one in &saved.downstreams {
            let since = one.stalls_since.map(|at| clocks.mono(at));
            self.facts.downstreams.restore(one, since);
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
        // A group that was restored before knows the app's name.
        let tracker = &self.facts.tracker;
        let members = |app| tracker.members_of(tracker.app_regions_of(app, NONE));
        let app = tracker.app_names.find(subject.app);
        let is_new = app.is_none_or(|app| members(app).next().is_none());
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
}

fn resumed(clock: &SavedClock, clocks: &Clocks) -> Listening {
    let mono = |at: Wall| clocks.mono(at);
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
    let row = PauseRow {
        count: clock.pauses_in_a_row,
        end: mono(clock.last_pause),
    };
    Listening::resumed(last, clock.listened, blind, clocks.now.mono)
        .with_usual(Pauses::restored(longest(clock.pauses), row), silences)
}

fn usual_of(saved: SavedRhythm) -> Usual {
    Usual::restored(saved.usual_ms, saved.is_partial)
}
