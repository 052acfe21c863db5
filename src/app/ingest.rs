//! From a message to the core: the path of every entry, live, in the demo, in tests and benchmarks.

use crate::core::engine::Engine;
use crate::core::rule::RuleSet;
use crate::core::snapshot::last_token;
use crate::core::targets::reload::Reload;
use crate::core::time::{Now, Wall};
use crate::core::tracker::InstanceId;
use crate::decode::beat::{Found, Markers, Unrecognised};
use crate::decode::{beat, lifecycle, log_line, subject};
use std::time::Duration;

/// The core, with the decoders in front of it.
#[derive(Debug)]
pub struct Ingest {
    /// The core.
    pub engine: Engine,
    markers: Markers,
    /// Entries that look like a beat and are none, by form, since they were last taken.
    unrecognised: [Near; Unrecognised::ALL.len()],
}

/// Entries of one form that look like a beat and are none.
#[derive(Debug, Default)]
struct Near {
    count: u64,
    /// The subject of the last one.
    last: String,
}

impl Near {
    fn count(&mut self, subject: &str) {
        self.count += 1;
        if self.last != subject {
            self.last.clear();
            self.last.push_str(subject);
        }
    }
}

/// A beat's interval, for the histogram of its app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The app's number.
    pub app: u32,
    /// Time since the previous one, on the arrival clock.
    pub length: Duration,
}

impl Ingest {
    /// Looks for the markers of the core's rules.
    pub fn new(engine: Engine) -> Self {
        let markers = Markers::new(&engine.rules().markers);
        Ingest {
            engine,
            markers,
            unrecognised: Default::default(),
        }
    }

    /// Takes the numbers of entries that looked like a beat and were none since the last call: by form, with the subject of
    /// the last one.
    pub fn take_unrecognised(&mut self, mut taken: impl FnMut(Unrecognised, u64, &str)) {
        for (form, near) in Unrecognised::ALL.into_iter().zip(&mut self.unrecognised) {
            let count = std::mem::take(&mut near.count);
            if count > 0 {
                taken(form, count, &near.last);
            }
        }
    }

    /// Takes a canary of lastbeat's own that came back: its number, and the wall clock of its departure.
    #[inline]
    pub fn canary_back(&mut self, back: Option<(u64, Wall)>) {
        if let Some((number, sent)) = back {
            self.engine.canary_back(number, sent);
        }
    }

    /// Puts another rule set in force in one go, and looks for its markers from now on.
    pub fn reload(&mut self, rules: RuleSet, now: Now) {
        self.engine.reload(rules, now);
        self.markers = Markers::new(&self.engine.rules().markers);
    }

    /// As [`Engine::reload_on`]; looks for the new rules' markers as soon as they are in force.
    ///
    /// # Errors
    /// The rest of the reload.
    pub fn reload_on(
        &mut self,
        reload: Box<Reload>,
        slots: usize,
        now: Now,
    ) -> Result<(), Box<Reload>> {
        let was_in_force = reload.is_in_force();
        let left = self.engine.reload_on(reload, slots, now);
        if !was_in_force && left.as_ref().is_err_and(|left| left.is_in_force()) {
            self.markers = Markers::new(&self.engine.rules().markers);
        }
        left
    }

    /// Takes one message of the batch that [`Engine::arrive`] announced.
    #[inline]
    pub fn message(&mut self, subject: &str, payload: &[u8]) -> Option<Interval> {
        let id = match self.engine.find(subject) {
            Some(id) => id,
            None => self.admit(subject, payload.len())?,
        };
        let provider = log_line::provider(payload);
        self.engine.heard(id, provider, payload.len());
        if self.markers.in_bytes(payload) {
            return self.beat(id, subject, payload);
        }
        if lifecycle::may_be_in(provider, payload) {
            self.lifecycle(id, subject, payload);
        }
        None
    }

    #[cold]
    fn lifecycle(&mut self, id: InstanceId, subject: &str, payload: &[u8]) {
        match log_line::read(payload) {
            Ok(line) => {
                if let Some(what) =
                    lifecycle::read(line.provider, &line.message, last_token(subject))
                {
                    self.engine.lifecycle(id, what);
                }
            }
            Err(why) => self.engine.reject(why),
        }
    }

    #[cold]
    fn admit(&mut self, subject: &str, bytes: usize) -> Option<InstanceId> {
        let admitted =
            subject::read(subject).and_then(|subject| self.engine.admit(&subject, bytes));
        admitted.unwrap_or_else(|why| {
            self.engine.reject(why);
            None
        })
    }

    fn beat(&mut self, id: InstanceId, subject: &str, payload: &[u8]) -> Option<Interval> {
        let (engine, unrecognised) = (&mut self.engine, &mut self.unrecognised);
        let mut interval = None;
        beat::read(payload, subject, &self.markers, |found| match found {
            Found::Beat(line) => match engine.beat(id, &line) {
                Ok(length) => interval = length.or(interval),
                Err(why) => engine.reject(why),
            },
            Found::Rejected(why) => engine.reject(why),
            Found::Unrecognised(form) => unrecognised[form as usize].count(subject),
        });
        interval.map(|length| Interval {
            app: self.engine.app_of(id),
            length,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::engine::Options;
    use crate::core::entry::Reject;
    use crate::core::rule::RuleSet;
    use crate::core::snapshot::{BeatRow, Snapshot};
    use crate::core::time::Mono;
    use serde_json::Value;

    fn at(second: u64) -> Now {
        let nanos = second * 1_000_000_000;
        Now {
            mono: Mono::from_nanos(nanos),
            wall: Wall::from_nanos(1_700_000_000_000_000_000 + nanos),
        }
    }

    fn ingest() -> Ingest {
        let options = Options {
            first_incident: 1,
            ..Options::default()
        };
        Ingest::new(Engine::new(RuleSet::default(), options, at(0)))
    }

    /// Feeds a file of entries, one a second, and gives what the core knows then.
    fn fed(fixture: &str) -> (Ingest, Snapshot) {
        let mut ingest = ingest();
        for (second, line) in fixture.lines().enumerate() {
            let entry: Value = serde_json::from_str(line).expect("a fixture's line is JSON");
            let text = |key: &str| {
                entry[key]
                    .as_str()
                    .expect("subject and payload are texts")
                    .to_owned()
            };
            ingest.engine.arrive(at(second as u64));
            ingest.message(&text("subject"), text("payload").as_bytes());
        }
        let snapshot = ingest
            .engine
            .snapshot(at(fixture.lines().count() as u64), 1000);
        (ingest, snapshot)
    }

    fn rejected(ingest: &Ingest) -> Vec<(Reject, u64)> {
        ingest
            .engine
            .rejected()
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    fn beats(snapshot: &Snapshot) -> u64 {
        snapshot.apps.iter().map(|app| app.beats).sum()
    }

    fn names(snapshot: &Snapshot) -> Vec<String> {
        let name = |row: &BeatRow| format!("{}/{}", row.instance(), row.beat);
        snapshot.beats.iter().map(name).collect()
    }

    #[test]
    fn every_form_of_a_beat_counts() {
        let fixture = include_str!("../../tests/fixtures/heartbeats.jsonl");
        let (ingest, snapshot) = fed(fixture);
        assert_eq!(beats(&snapshot), fixture.lines().count() as u64);
        assert_eq!(rejected(&ingest), []);
        assert_eq!(
            names(&snapshot),
            [
                "3287e2f4c04d18/",
                "148e21ea7d3789/",
                "d891203a229e18/worker",
                "d891203a229e18/"
            ]
        );
    }

    #[test]
    fn near_misses_are_no_beats_and_broken_input_is_counted() {
        let (ingest, snapshot) = fed(include_str!("../../tests/fixtures/odd.jsonl"));
        assert_eq!(beats(&snapshot), 2, "'only a message' and 'not a time'");
        assert_eq!(
            rejected(&ingest),
            [(Reject::SubjectShort, 1), (Reject::SubjectLong, 1)]
        );
        assert_eq!(snapshot.apps[0].entries, 6);
    }

    #[test]
    fn published_entries_and_a_machines_life_are_taken_whole() {
        for (fixture, beats_in_it) in [
            (include_str!("../../tests/fixtures/public.jsonl"), 0),
            (include_str!("../../tests/fixtures/lifecycle.jsonl"), 4),
        ] {
            let (ingest, snapshot) = fed(fixture);
            assert_eq!((beats(&snapshot), rejected(&ingest)), (beats_in_it, vec![]));
            let entries: u64 = snapshot.apps.iter().map(|app| app.entries).sum();
            assert_eq!(entries, fixture.lines().count() as u64);
        }
    }

    #[test]
    fn a_broken_key_is_counted_and_the_beat_still_counts() {
        let mut ingest = ingest();
        ingest.engine.arrive(at(0));
        let line = r#"{"message":"HEARTBEAT every=soon seq=-1 name= "}"#;
        ingest.message("logs.web.iad.a", line.as_bytes());
        let (app, snapshot) = ("web", ingest.engine.snapshot(at(1), 10));
        assert_eq!((&*snapshot.apps[0].name, beats(&snapshot)), (app, 1));
        let reasons = [Reject::BeatEvery, Reject::BeatSeq, Reject::BeatName].map(|why| (why, 1));
        assert_eq!(rejected(&ingest), reasons);
    }

    #[test]
    fn broken_json_is_counted_only_where_a_marker_stands_in_it() {
        let mut ingest = ingest();
        ingest.engine.arrive(at(0));
        ingest.message("logs.web.iad.a", br#"{"message":"HEARTBEAT"#);
        ingest.message("logs.web.iad.a", br#"{"message":"nothing"#);
        assert_eq!(rejected(&ingest), [(Reject::PayloadJson, 1)]);
    }

    #[test]
    fn entries_that_look_like_a_beat_are_counted_by_form() {
        let mut ingest = ingest();
        ingest.engine.arrive(at(0));
        for line in ["heartbeat", "GET /HEARTBEAT", "GET /HEARTBEAT", "HEARTBEAT"] {
            ingest.message("logs.web.iad.a", line.as_bytes());
        }
        let mut taken = Vec::new();
        ingest.take_unrecognised(|form, count, _| taken.push((form, count)));
        let expected = [(Unrecognised::OtherCase, 1), (Unrecognised::Value, 2)];
        assert_eq!(taken, expected);
        ingest.take_unrecognised(|form, _, _| panic!("{form:?} was taken before"));
    }

    #[test]
    fn the_platforms_own_words_are_no_beats() {
        let mut ingest = ingest();
        ingest.engine.arrive(at(0));
        for provider in ["proxy", "runner", "health"] {
            let line = format!(
                r#"{{"event":{{"provider":"{provider}"}},"message":"error: GET /HEARTBEAT 502"}}"#
            );
            ingest.message("logs.web.iad.a", line.as_bytes());
        }
        assert_eq!(beats(&ingest.engine.snapshot(at(1), 10)), 0);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_on_any_subject_are_taken_or_counted(
            messages in proptest::collection::vec((".{0,40}|logs(\\.[a-c]{0,2}){2,4}", proptest::collection::vec(proptest::num::u8::ANY, 0..200)), 1..50),
        ) {
            let mut ingest = ingest();
            for (second, (subject, payload)) in messages.iter().enumerate() {
                ingest.engine.arrive(at(second as u64));
                ingest.message(subject, payload);
            }
            let snapshot = ingest.engine.snapshot(at(100), 1000);
            let entries: u64 = snapshot.apps.iter().map(|app| app.entries).sum();
            let refused: u64 = rejected(&ingest).iter().filter(|(why, _)| *why != Reject::PayloadJson).map(|(_, n)| n).sum();
            proptest::prop_assert_eq!(entries + refused, messages.len() as u64);
        }
    }
}
