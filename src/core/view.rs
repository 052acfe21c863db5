//! The core's state copied out for readers.

use super::alert::{State, Watched};
use super::engine::{Engine, STREAM_RULE};
use super::listening::Blind;
use super::notice::Scope;
use super::snapshot::{AlertRow, AppRow, BeatRow, InstanceRow, Snapshot, Verdict, VerdictRow};
use super::time::{Listened, Now, Stamp, Wall};
use super::tracker::{App, Beat, Instance, InstanceId};
use std::sync::Arc;

/// Blind intervals and open incidents that readers see one by one.
const SHOWN: usize = 100;

/// Verdicts of an app-region's instances, counted.
type Tally = [u64; Verdict::ALL.len()];

impl Engine {
    /// A copy for readers, with at most `max_series` rows of instances and beats together.
    pub fn snapshot(&self, now: Now, max_series: usize) -> Snapshot {
        let (instances, beats) = self.rows(now, max_series);
        let all = self.tracker.len() + self.tracker.beat_count();
        Snapshot {
            now,
            stream_seen: self.listening.last_arrival().map(|at| now.wall_of(at)),
            stalled: self.stalled.is_some(),
            blind_now: self.listening.blind_now(),
            lag: self.least_lag,
            listened: self.listening.listened().since(Listened::ZERO),
            blind: Blind::ALL
                .into_iter()
                .map(|why| (why, self.listening.blind(why, now.mono)))
                .collect(),
            blind_intervals: self.blind_rows(now),
            open: self
                .incidents
                .iter()
                .rev()
                .take(SHOWN)
                .map(|(_, open)| open.notice.clone())
                .collect(),
            rejected: self
                .rejected()
                .map(|(why, count)| (why.label(), count))
                .collect(),
            apps: self.app_rows(),
            regions: self.region_rows(now),
            verdicts: self.verdict_rows(),
            alerts: self.alert_rows(),
            incidents: self.incident_rows(),
            suppressed: (all - instances.len() - beats.len()) as u64,
            instances,
            beats,
            rules: self.rules.rules.len() as u64,
        }
    }

    fn rows(&self, now: Now, most: usize) -> (Vec<InstanceRow>, Vec<BeatRow>) {
        let (mut instances, mut beats) = (Vec::new(), Vec::new());
        for (id, instance) in self.tracker.iter() {
            let Some(subject) = &instance.subject else {
                continue;
            };
            if instances.len() + beats.len() >= most {
                break;
            }
            let place = &self.tracker.places[instance.place as usize];
            let app = self.tracker.app_names.get(place.app);
            let region = self.tracker.region_names.get(place.region);
            let seen = now.wall_of(instance.seen.at);
            let (reason, since) = self.reason_of(id, now);
            instances.push(InstanceRow {
                app: app.clone(),
                region: region.clone(),
                subject: subject.clone(),
                seen,
                verdict: self.instance_verdict(id, instance),
                reason,
                since,
            });
            let room = most - instances.len() - beats.len();
            beats.extend(self.tracker.beats_of(id).take(room).map(|beat| {
                let beat = &self.tracker.beats[beat.0 as usize];
                let target = self.targets.row(beat.target);
                BeatRow {
                    app: app.clone(),
                    region: region.clone(),
                    subject: subject.clone(),
                    beat: self.tracker.beat_names.get(beat.name).clone(),
                    seen: now.wall_of(beat.seen.at),
                    due: self
                        .due(beat)
                        .map(|due| now.wall_of(self.listening.date_of(due))),
                    max_gap: target.map(|_| self.max_gap(beat.target)),
                    rule: target.map(|target| self.rule_names[target.rule as usize].clone()),
                    every: beat.every(),
                    usual: target.and_then(|target| target.usual.longest()),
                    text: beat.text.as_str().into(),
                    verdict: self.beat_verdict(beat),
                }
            }));
        }
        (instances, beats)
    }

    /// Why an instance is thought of as it is, with the source, and since when.
    fn reason_of(&self, id: InstanceId, now: Now) -> (Option<String>, Option<Wall>) {
        let instance = &self.tracker.instances[id.0 as usize];
        let life = &instance.life;
        if let Some((why, since)) = life.stop {
            return (Some(why.label().to_owned()), Some(now.wall_of(since)));
        }
        if life.said_bye {
            let seen = Some(now.wall_of(instance.seen.at));
            return (Some("said bye".to_owned()), seen);
        }
        let known = self.known_of(Watched::Logs(id));
        if !known.is_empty() {
            return (Some(known), None);
        }
        let unknown = self.instance_verdict(id, instance) == Verdict::Unknown;
        let reason =
            unknown.then(|| "lastbeat was blind when it should have been heard".to_owned());
        (reason, None)
    }

    /// When a beat's alert fires, on the listened clock.
    fn due(&self, beat: &Beat) -> Option<Listened> {
        let target = self.targets.row(beat.target)?;
        let fires = target.state != State::Firing && !beat.stopped;
        let hold = self.rules.rules[target.rule as usize].hold;
        fires.then(|| self.late_at(beat.target) + hold)
    }

    fn beat_verdict(&self, beat: &Beat) -> Verdict {
        if beat.stopped {
            return Verdict::Stopped;
        }
        self.target_verdict(beat.target).unwrap_or(Verdict::Live)
    }

    /// What is thought of a target; `None` for the numbers that mean none.
    fn target_verdict(&self, id: u32) -> Option<Verdict> {
        let target = self.targets.row(id)?;
        Some(match target.state {
            State::Pending => Verdict::Late,
            State::Firing if self.is_never_heard(target.watched) => Verdict::NeverSeen,
            State::Firing => Verdict::Silent,
            State::Ok if self.is_unknown(id) || self.is_never_heard(target.watched) => {
                Verdict::Unknown
            }
            State::Ok => Verdict::Live,
        })
    }

    /// Whether lastbeat was blind for more than half of the time in which a target should have been heard.
    fn is_unknown(&self, id: u32) -> bool {
        let (seen, half) = (self.targets.get(id).seen, self.max_gap(id) / 2);
        let blind_for = self.now.mono.since(self.listening.stamp().at);
        let blind_now = self.listening.blind_now().is_some() && blind_for > half;
        blind_now || self.listening.last_blind(seen.at, half).is_some()
    }

    /// An instance is as bad as the worst that is watched of it, and stopped where all of it is.
    pub(super) fn instance_verdict(&self, id: InstanceId, instance: &Instance) -> Verdict {
        if self.is_stopped(id) {
            return Verdict::Stopped;
        }
        let beats = self
            .tracker
            .beats_of(id)
            .map(|beat| self.beat_verdict(&self.tracker.beats[beat.0 as usize]));
        let rank = |verdict: &Verdict| match verdict {
            Verdict::Stopped => 0,
            Verdict::Live => 1,
            Verdict::Unknown => 2,
            Verdict::Late => 3,
            Verdict::Silent => 4,
            Verdict::NeverSeen => 5,
        };
        beats
            .chain(self.target_verdict(instance.logs))
            .max_by_key(rank)
            .unwrap_or(Verdict::Live)
    }

    fn verdict_rows(&self) -> Vec<VerdictRow> {
        let mut tallies = vec![Tally::default(); self.tracker.places.len()];
        for (id, instance) in self.tracker.iter() {
            tallies[instance.place as usize][self.instance_verdict(id, instance) as usize] += 1;
        }
        let mut rows = Vec::new();
        for (place, tally) in self.tracker.places.iter().zip(tallies) {
            if tally.iter().all(|&count| count == 0) {
                continue;
            }
            rows.extend(
                Verdict::ALL
                    .into_iter()
                    .zip(tally)
                    .map(|(verdict, count)| VerdictRow {
                        app: self.tracker.app_names.get(place.app).clone(),
                        region: self.tracker.region_names.get(place.region).clone(),
                        verdict,
                        count,
                    }),
            );
        }
        rows
    }

    fn blind_rows(&self, now: Now) -> Vec<(Wall, Wall, Blind)> {
        let ledger = self.listening.ledger().rev().take(SHOWN);
        ledger
            .map(|blind| (now.wall_of(blind.from), now.wall_of(blind.to), blind.reason))
            .collect()
    }

    fn app_rows(&self) -> Vec<AppRow> {
        let names = (0..).map(|id| self.tracker.app_names.get(id).clone());
        let row = |(app, name): (&App, Arc<str>)| AppRow {
            name,
            entries: app.entries,
            bytes: app.bytes,
            beats: app.beats,
            lost: app.lost,
        };
        self.tracker.apps.iter().zip(names).map(row).collect()
    }

    fn region_rows(&self, now: Now) -> Vec<(Arc<str>, Wall)> {
        let row = |(id, seen): (usize, &Stamp)| {
            (
                self.tracker.region_names.get(id as u32).clone(),
                now.wall_of(seen.at),
            )
        };
        self.tracker.regions.iter().enumerate().map(row).collect()
    }

    fn alert_rows(&self) -> Vec<AlertRow> {
        let mut counts = vec![[0_u64; State::ALL.len()]; self.rules.rules.len()];
        for target in self.targets.live() {
            counts[target.rule as usize][target.state as usize] += 1;
        }
        let own = [self.stalled, self.lagging, self.losing];
        let stream = own.iter().flatten().count() as u64;
        let of_stream = (
            Arc::from(STREAM_RULE),
            self.rules.stream.severity,
            [own.len() as u64 - stream, 0, stream],
        );
        let of_rules = self.rules.rules.iter().zip(&self.rule_names).zip(counts);
        let of_rules = of_rules.map(|((rule, name), counts)| (name.clone(), rule.severity, counts));
        let mut rows = Vec::new();
        for (rule, severity, counts) in std::iter::once(of_stream).chain(of_rules) {
            let states = State::ALL.into_iter().zip(counts);
            rows.extend(states.map(|(state, count)| AlertRow {
                rule: rule.clone(),
                severity,
                state: state.label(),
                count,
            }));
        }
        rows
    }

    fn incident_rows(&self) -> Vec<(Scope, u64)> {
        let count = |scope| {
            self.open_incidents()
                .filter(|notice| notice.scope == scope)
                .count() as u64
        };
        Scope::ALL
            .into_iter()
            .map(|scope| (scope, count(scope)))
            .collect()
    }
}
