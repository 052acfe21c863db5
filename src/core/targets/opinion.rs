//! Second opinion: before the silence of a single beat becomes an alert, the platform's own copy of the logs is asked
//! whether the instance beat after all. The alert waits 3 s for the answer, and fires without one.
//!
//! Only silences that stand alone are asked about: where another target of the same app or region falls silent
//! meanwhile, the cause is wider than a lost entry, and nobody waits.

use crate::core::facts::Facts;
use crate::core::targets::Targets;
use crate::core::targets::question::{Opinion, Question, Waiting};
use crate::core::targets::table::{Reason, State, Watched};
use crate::core::time::{Listened, Stamp};
use crate::core::tracker::InstanceId;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for an opinion.
const AWAITED_FOR: Duration = Duration::from_secs(3);
/// Limit of alerts that wait at once; further ones fire without an opinion.
const MOST_WAITING: usize = 8;

impl Targets {
    /// True if the alert of a target has to wait for a second opinion; asks for it.
    pub(in crate::core) fn must_ask(&mut self, facts: &Facts, target: u32) -> bool {
        if !facts.options.second_opinion {
            return false;
        }
        let Watched::Beat(beat) = self.table.get(target).watched() else {
            return false;
        };
        let row = facts.tracker.beat_row(beat);
        let instance = InstanceId(row.instance);
        let place = facts.tracker.instance(instance).app_region;
        let place = &facts.tracker.app_regions[place as usize];
        let (app, region) = (place.app, place.region);
        if self.opinions.answered.remove(&target) {
            return false;
        }
        let beside = self.opinions.beside(app, region);
        let is_alone = beside.is_empty();
        for other in beside {
            self.without_opinion(facts, other);
        }
        let Some(subject) = facts.tracker.subject(instance) else {
            return false;
        };
        if !is_alone || self.opinions.waiting.len() >= MOST_WAITING {
            return false;
        }
        let until = facts.now.mono + AWAITED_FOR;
        let waiting = Waiting { until, app, region };
        self.opinions.waiting.insert(target, waiting);
        self.opinions.questions.push(Question {
            target,
            subject,
            marker: facts.marker_text(row.marker.0),
            name: Arc::clone(facts.tracker.beat_names.get(row.name())),
        });
        self.table.set_due(target, Listened::NEVER);
        true
    }

    /// Ends the wait of a target, which fires without another question if it is still silent.
    fn without_opinion(&mut self, facts: &Facts, target: u32) {
        self.opinions.waiting.remove(&target);
        if self.evaluate_soon(facts, target) {
            self.opinions.answered.insert(target);
        }
    }

    /// Ends the waits that lasted too long.
    pub(in crate::core) fn end_opinions(&mut self, facts: &Facts) {
        let now = facts.now.mono;
        if self.opinions.first() > now {
            return;
        }
        let waiting = self.opinions.waiting.iter();
        let over = waiting.filter(|(_, one)| one.until <= now);
        let over: Vec<u32> = over.map(|(&target, _)| target).collect();
        for target in over {
            self.without_opinion(facts, target);
        }
    }

    /// Applies an opinion. True if it proves a beat that the stream did not bring: the target lives, as of that beat.
    pub(in crate::core) fn opinion(
        &mut self,
        facts: &mut Facts,
        question: &Question,
        opinion: Opinion,
    ) -> bool {
        let target = question.target;
        if !self.opinions.waiting.contains_key(&target) {
            return false;
        }
        let beat = match (self.table.row(target).map(|row| row.watched()), opinion) {
            (Some(Watched::Beat(beat)), Opinion::Beat(said)) => Some((beat, said)),
            _ => None,
        };
        let newer = beat.and_then(|(beat, said)| {
            let (seen, now) = (facts.tracker.beat_row(beat).seen.at, facts.now);
            let at = now.mono - now.wall.since(said);
            // The last one that came was said some moments before it came.
            let is_newer = at > seen + self.interval(facts, target).interval / 2;
            is_newer.then_some((beat, at))
        });
        let Some((beat, at)) = newer else {
            self.without_opinion(facts, target);
            return false;
        };
        self.opinions.waiting.remove(&target);
        let listened = facts.listening.listened_at(at);
        facts.tracker.beat_mut(beat).seen = Stamp { at, listened };
        facts.touched.insert(facts.tracker.beat_row(beat).instance);
        let due = listened + self.max_gap(facts, target);
        self.table.set_due(target, due);
        if self.table.get(target).state == State::Pending {
            self.table.get_mut(target).state = State::Ok;
            self.changed(facts, target, State::Pending, Reason::Heard, at);
        }
        true
    }
}
