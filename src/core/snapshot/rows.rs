//! Rows of the snapshot.

use crate::core::engine::Engine;
use crate::core::listening::Blind;
use crate::core::notice::Scope;
use crate::core::snapshot::{AppRow, BeatRow, FalseAlarmRow, InstanceRow, Verdict};
use crate::core::targets::table::State;
use crate::core::time::{Listened, Now, Wall};
use crate::core::tracker::{App, Beat, BeatId, Instance, InstanceId};
use std::sync::Arc;

/// Limit on the blind intervals and open incidents in a snapshot.
pub(in crate::core) const SHOWN: usize = 100;

impl Engine {
    /// The row of an instance; `None` if the slot is free.
    pub(in crate::core) fn instance_row(&self, id: InstanceId, now: Now) -> Option<InstanceRow> {
        let instance = self.facts.tracker.instance(id);
        let subject = self.facts.tracker.subject(id)?;
        let app_region = &self.facts.tracker.app_regions[instance.app_region as usize];
        let (reason, since) = self.reason_of(id, now);
        Some(InstanceRow {
            app: self.facts.tracker.app_names.get(app_region.app).clone(),
            region: self
                .facts
                .tracker
                .region_names
                .get(app_region.region)
                .clone(),
            subject,
            seen: now.wall_of(instance.seen.at),
            verdict: self.instance_verdict(id, instance),
            reason,
            since,
        })
    }

    /// The row of a beat.
    pub(in crate::core) fn beat_row(&self, of: &InstanceRow, beat: BeatId, now: Now) -> BeatRow {
        let beat = self.facts.tracker.beat_row(beat);
        let target = self.targets.table.row(beat.target);
        let due = self.due(beat);
        BeatRow {
            app: of.app.clone(),
            region: of.region.clone(),
            subject: of.subject.clone(),
            beat: self.facts.tracker.beat_names.get(beat.name()).clone(),
            seen: now.wall_of(beat.seen.at),
            due: due.map(|due| now.wall_of(self.facts.listening.date_of(due))),
            max_gap: target.map(|_| self.targets.max_gap(&self.facts, beat.target)),
            rule: target.map(|target| self.facts.rule_names[target.rule() as usize].clone()),
            every: beat.every(),
            usual: beat.usual.longest(),
            text: self.facts.tracker.text(beat).into(),
            verdict: self.beat_verdict(beat),
        }
    }

    /// The reason for an instance's verdict, with its source, and the time since which it holds.
    fn reason_of(&self, id: InstanceId, now: Now) -> (Option<String>, Option<Wall>) {
        let instance = self.facts.tracker.instance(id);
        let life = self.facts.tracker.life(id);
        if let Some((why, since)) = life.stop {
            return (Some(why.label().to_owned()), Some(now.wall_of(since)));
        }
        if life.said_bye {
            let seen = Some(now.wall_of(instance.seen.at));
            return (Some("said bye".to_owned()), seen);
        }
        let known = self.facts.known_of(id);
        if !known.is_empty() {
            return (Some(known), None);
        }
        let unknown = self.instance_verdict(id, instance) == Verdict::Unknown;
        let reason =
            unknown.then(|| "lastbeat was blind when it should have been heard".to_owned());
        (reason, None)
    }

    /// Listened clock: time at which a beat's alert fires; `None` if it does not.
    fn due(&self, beat: &Beat) -> Option<Listened> {
        let target = self.targets.table.row(beat.target)?;
        let fires = target.state != State::Firing && !beat.stopped();
        let hold = self.facts.rules.rules[target.rule() as usize].hold;
        fires.then(|| self.targets.late_at(&self.facts, beat.target) + hold)
    }

    fn beat_verdict(&self, beat: &Beat) -> Verdict {
        if beat.stopped() {
            return Verdict::Stopped;
        }
        self.target_verdict(beat.target).unwrap_or(Verdict::Live)
    }

    /// The verdict on a target; `None` for a number that means none.
    fn target_verdict(&self, id: u32) -> Option<Verdict> {
        let target = self.targets.table.row(id)?;
        Some(match target.state {
            State::Pending => Verdict::Late,
            State::Firing if self.targets.is_never_seen(&self.facts, target.watched()) => {
                Verdict::NeverSeen
            }
            State::Firing => Verdict::Silent,
            State::Ok
                if self.is_unknown(id)
                    || self.targets.is_never_seen(&self.facts, target.watched()) =>
            {
                Verdict::Unknown
            }
            State::Ok if self.targets.is_learning(&self.facts, id) => Verdict::Learning,
            State::Ok => Verdict::Live,
        })
    }

    /// True if lastbeat was blind for more than half of the time in which a target should have been heard.
    fn is_unknown(&self, id: u32) -> bool {
        let listening = &self.facts.listening;
        let seen = self.targets.seen(&self.facts, id).at;
        if listening.blind_now().is_none() && listening.is_clear_since(seen) {
            return false;
        }
        let interval = self.targets.interval(&self.facts, id);
        let blind_for = self.facts.now.mono.since(listening.stamp().at);
        let blind_now = listening.blind_now().is_some() && blind_for > interval.interval / 2;
        blind_now || listening.hidden_until(seen, interval).is_some()
    }

    /// The verdict on an instance: the worst of its targets; stopped if all of it has.
    pub(in crate::core) fn instance_verdict(&self, id: InstanceId, instance: &Instance) -> Verdict {
        if self.facts.is_stopped(id) {
            return Verdict::Stopped;
        }
        let beats = self
            .facts
            .tracker
            .beats_of(id)
            .map(|beat| self.beat_verdict(self.facts.tracker.beat_row(beat)));
        let rank = |verdict: &Verdict| match verdict {
            Verdict::Stopped => 0,
            Verdict::Live => 1,
            Verdict::Learning => 2,
            Verdict::Unknown => 3,
            Verdict::Late => 4,
            Verdict::Silent => 5,
            Verdict::NeverSeen => 6,
        };
        beats
            .chain(self.target_verdict(instance.logs))
            .max_by_key(rank)
            .unwrap_or(Verdict::Live)
    }

    /// The latest blind intervals, the newest first.
    pub(in crate::core) fn blind_rows(&self, now: Now) -> Vec<(Wall, Wall, Blind)> {
        let ledger = self.facts.listening.ledger().rev().take(SHOWN);
        ledger
            .map(|blind| (now.wall_of(blind.from), now.wall_of(blind.to), blind.reason))
            .collect()
    }

    /// Rows of all apps.
    pub(in crate::core) fn app_rows(&self, now: Now) -> Vec<AppRow> {
        let known = self.facts.tracker.app_names.iter();
        let known = known.map(|(id, name)| (&self.facts.tracker.apps[id as usize], name));
        let hour = self.facts.hour();
        let row = |(app, name): (&App, &Arc<str>)| AppRow {
            odds: app
                .loss
                .as_ref()
                .map(|loss| loss.odds(hour))
                .unwrap_or_default(),
            name: Arc::clone(name),
            seen: now.wall_of(app.seen.at),
            entries: app.entries,
            bytes: app.bytes,
            beats: app.beats,
            lost: app.lost,
        };
        known.map(row).collect()
    }

    /// Rows of all regions.
    pub(in crate::core) fn region_rows(&self, now: Now) -> Vec<(Arc<str>, Wall)> {
        let row = |(id, name): (u32, &Arc<str>)| {
            let seen = self.facts.tracker.regions[id as usize].seen;
            (Arc::clone(name), now.wall_of(seen.at))
        };
        self.facts.tracker.region_names.iter().map(row).collect()
    }

    /// False alarms that are known.
    pub(in crate::core) fn false_alarm_rows(&self) -> Vec<FalseAlarmRow> {
        let rules = self.facts.rule_names.iter();
        let row = |rule: &Arc<str>| FalseAlarmRow {
            rule: Arc::clone(rule),
            counts: self.targets.false_alarms.of_rule(rule),
        };
        rules.map(row).collect()
    }

    /// Open incidents by scope.
    pub(in crate::core) fn incident_rows(&self) -> Vec<(Scope, u64)> {
        let count = |scope| {
            let open = self.notices.iter();
            open.filter(|(_, ledger)| ledger.notice.scope == scope)
                .count() as u64
        };
        Scope::ALL
            .into_iter()
            .map(|scope| (scope, count(scope)))
            .collect()
    }
}
