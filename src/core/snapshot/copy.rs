//! The copy for readers, made in slices between batches of entries, so that a complete copy delays no entry. It is
//! dated by its end; a row may be as old as its start.

use crate::core::engine::{Engine, STREAM_RULE};
use crate::core::listening::Blind;
use crate::core::snapshot::downstream_rows;
use crate::core::snapshot::rows::SHOWN;
use crate::core::snapshot::thresholds::Thresholds;
use crate::core::snapshot::{AlertRow, BeatRow, InstanceRow, Snapshot, Verdict, VerdictRow};
use crate::core::targets::table::State;
use crate::core::time::{Listened, Now};
use crate::core::tracker::{InstanceId, NONE};
use std::sync::Arc;

/// Numbers of instances of an app-region, by verdict.
type Tally = [u64; Verdict::ALL.len()];

/// Numbers of alerts of a rule, by state.
type States = [u64; State::ALL.len()];

/// A copy in progress.
#[derive(Debug)]
pub struct Copying {
    /// Limit on rows of instances and beats together.
    most: usize,
    instances: Vec<InstanceRow>,
    beats: Vec<BeatRow>,
    /// By the number of the app-region.
    tallies: Vec<Tally>,
    /// By the number of the rule.
    alerts: Vec<States>,
    thresholds: Thresholds,
    /// The next slot of instances.
    instance: usize,
    /// The next slot of targets.
    target: usize,
}

impl Engine {
    /// A copy in one go, with at most `max_series` rows of instances and beats together.
    pub fn snapshot(&self, now: Now, max_series: usize) -> Snapshot {
        let mut copying = self.begin_copy(max_series);
        loop {
            match self.copy_on(copying, usize::MAX, now) {
                Ok(snapshot) => return snapshot,
                Err(unfinished) => copying = unfinished,
            }
        }
    }

    /// Begins a copy with at most `max_series` rows of instances and beats together. If the rules change before its
    /// end, it has to be started again.
    pub fn begin_copy(&self, max_series: usize) -> Box<Copying> {
        Box::new(Copying {
            most: max_series,
            instances: Vec::new(),
            beats: Vec::new(),
            tallies: Vec::new(),
            alerts: vec![States::default(); self.facts.rules.rules.len()],
            thresholds: Thresholds::default(),
            instance: 0,
            target: 0,
        })
    }

    /// Continues a copy by at most `slots` slots of instances and as many of targets; gives it once it is complete.
    ///
    /// # Errors
    /// The copy so far, if it is not complete.
    pub fn copy_on(
        &self,
        mut copying: Box<Copying>,
        slots: usize,
        now: Now,
    ) -> Result<Snapshot, Box<Copying>> {
        self.copy_instances(&mut copying, slots, now);
        self.count_alerts(&mut copying, slots);
        let all_instances = copying.instance >= self.facts.tracker.instances.len();
        if all_instances && copying.target >= self.targets.table.len() {
            Ok(self.whole(*copying, now))
        } else {
            Err(copying)
        }
    }

    fn copy_instances(&self, copying: &mut Copying, slots: usize, now: Now) {
        let end = copying.instance.saturating_add(slots);
        let end = end.min(self.facts.tracker.instances.len());
        let app_regions = self.facts.tracker.app_regions.len();
        copying.tallies.resize(app_regions, Tally::default());
        for slot in copying.instance..end {
            let (id, instance) = (InstanceId(slot as u32), &self.facts.tracker.instances[slot]);
            if !instance.is_tracked() {
                continue;
            }
            let verdict = self.instance_verdict(id, instance);
            copying.tallies[instance.app_region as usize][verdict as usize] += 1;
            self.copy_rows(copying, id, now);
        }
        copying.instance = end;
    }

    fn copy_rows(&self, copying: &mut Copying, id: InstanceId, now: Now) {
        let room = copying.most - copying.instances.len() - copying.beats.len();
        if room == 0 {
            return;
        }
        let Some(instance) = self.instance_row(id, now) else {
            return;
        };
        let own = self.facts.tracker.beats_of(id).take(room - 1);
        let rows = own.map(|beat| self.beat_row(&instance, beat, now));
        copying.beats.extend(rows);
        copying.instances.push(instance);
    }

    fn count_alerts(&self, copying: &mut Copying, slots: usize) {
        let end = copying
            .target
            .saturating_add(slots)
            .min(self.targets.table.len());
        for target in self.targets.table.live_in(copying.target..end) {
            copying.alerts[target.rule() as usize][target.state as usize] += 1;
        }
        for target in copying.target..end {
            self.add_threshold(&mut copying.thresholds, target as u32);
        }
        copying.target = end;
    }

    fn whole(&self, copying: Copying, now: Now) -> Snapshot {
        let all = self.facts.tracker.len() + self.facts.tracker.beat_count();
        let rows = copying.instances.len() + copying.beats.len();
        let blind = Blind::ALL.into_iter();
        let open = self.open_incidents().rev().take(SHOWN);
        Snapshot {
            now,
            stream_seen: self
                .facts
                .listening
                .last_arrival()
                .map(|at| now.wall_of(at)),
            stalled: self.is_stalled(),
            blind_now: self.facts.listening.blind_now(),
            lag: self.facts.lags.typical,
            canary: None,
            listened: self.facts.listening.listened().since(Listened::ZERO),
            blind: blind
                .map(|why| (why, self.facts.listening.blind(why, now.mono)))
                .collect(),
            blind_intervals: self.blind_rows(now),
            open: open.collect(),
            rejected: self
                .rejected()
                .map(|(why, count)| (why.label(), count))
                .collect(),
            apps: self.app_rows(now),
            regions: self.region_rows(now),
            verdicts: self.verdict_rows(&copying.tallies),
            alerts: self.alert_rows(&copying.alerts),
            thresholds: self.threshold_rows(&copying.thresholds),
            false_alarms: self.false_alarm_rows(),
            downstreams: downstream_rows::rows(&self.facts.downstreams, now),
            incidents: self.incident_rows(),
            suppressed: all.saturating_sub(rows) as u64,
            instances: copying.instances,
            beats: copying.beats,
            rules: self.facts.rules.rules.len() as u64,
        }
    }

    fn verdict_rows(&self, tallies: &[Tally]) -> Vec<VerdictRow> {
        let app_regions = self.facts.tracker.app_regions.iter().zip(tallies);
        // Names that were forgotten during the copy are gone.
        let heard = app_regions.filter(|(app_region, tally)| {
            app_region.app != NONE && tally.iter().any(|&count| count > 0)
        });
        let rows = heard.flat_map(|(app_region, tally)| {
            let row = |(verdict, &count)| VerdictRow {
                app: self.facts.tracker.app_names.get(app_region.app).clone(),
                region: self
                    .facts
                    .tracker
                    .region_names
                    .get(app_region.region)
                    .clone(),
                verdict,
                count,
            };
            Verdict::ALL.into_iter().zip(tally).map(row)
        });
        rows.collect()
    }

    fn alert_rows(&self, of_rules: &[States]) -> Vec<AlertRow> {
        let stream = &self.incidents.stream;
        let own = [
            stream.is_stalled,
            stream.lagging.is_some(),
            stream.losing.is_some(),
        ];
        let firing = own.iter().filter(|fires| **fires).count() as u64;
        let of_stream = (
            Arc::from(STREAM_RULE),
            self.facts.rules.stream.severity,
            [own.len() as u64 - firing, 0, firing],
        );
        let rules = self
            .facts
            .rules
            .rules
            .iter()
            .zip(&self.facts.rule_names)
            .zip(of_rules);
        let rules = rules.map(|((rule, name), &counts)| (name.clone(), rule.severity, counts));
        let rows = std::iter::once(of_stream).chain(rules);
        let rows = rows.flat_map(|(rule, severity, counts)| {
            let states = State::ALL.into_iter().zip(counts);
            states.map(move |(state, count)| AlertRow {
                rule: rule.clone(),
                severity,
                state: state.label(),
                count,
            })
        });
        rows.collect()
    }
}
