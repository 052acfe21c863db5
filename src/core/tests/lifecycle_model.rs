//! Byes, platform lines, the inventory, crashes, starts and forgetting against a naive model, over whole histories.
//!
//! Time goes in ticks of ten seconds, and a witness proves that lastbeat listens all the time. At each tick things happen
//! first, then everything is evaluated; an answer of the inventory comes three seconds later, and six seconds later what
//! the core thinks of each beat is compared with the model.

mod model;

use crate::core::entry::{Lifecycle, Provider};
use crate::core::inventory::{Listed, Poll};
use crate::core::rule::Rule;
use crate::core::targets::table::State;
use crate::core::tests::bench::{Bench, at, rule};
use crate::core::tests::inventory::machine;
use crate::core::tracker::NONE;
use model::{Model, Thought};
use proptest::prelude::*;
use std::time::Duration;

const TICK: u64 = 10;
const MAX_GAP: u64 = 60;
const FORGET_AFTER: u64 = 1_200;
/// Limit of the time in which a target that is over is forgotten.
const SWEPT_WITHIN: u64 = 130;
const WITNESS: &str = "witness.fra.x";
const SUBJECTS: [&str; 2] = ["web.iad.a", "web.iad.b"];
const NAMES: [&str; 2] = ["", "name=w"];

/// An event of one instance.
#[derive(Clone, Copy, Debug)]
enum Event {
    Beat(usize),
    Bye(usize),
    Log,
    Line(Lifecycle),
    /// From now on its beat comes every 20 s, or does not.
    Beats(usize, bool),
    /// From now on the inventory lists it so, or not at all.
    Becomes(Option<Listed>),
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Happens(usize, Event),
    Passes(u64),
}

/// The core's state of a beat.
fn thought(bench: &Bench, who: &str, name: usize) -> Thought {
    let facts = &bench.engine.facts;
    let Some(id) = bench.engine.find(&format!("logs.{who}")) else {
        return Thought::Nothing;
    };
    let beats = facts.tracker.beats_of(id).find(|beat| {
        let row = facts.tracker.beat_row(*beat);
        row.is_heard() && (row.name() == 0) == NAMES[name].is_empty()
    });
    let target = beats.map_or(NONE, |beat| facts.tracker.beat_row(beat).target);
    let Some(row) = bench.engine.targets.table.row(target) else {
        return Thought::Nothing;
    };
    match row.state {
        State::Firing => Thought::Fires,
        _ if bench.engine.targets.is_target_stopped(facts, target) => Thought::Nothing,
        _ => Thought::Waited,
    }
}

struct Play {
    bench: Bench,
    models: [Model; SUBJECTS.len()],
    machines: [Option<Listed>; SUBJECTS.len()],
    beating: [[bool; NAMES.len()]; SUBJECTS.len()],
    now: u64,
    /// When the inventory was asked last, where there is one.
    asked: Option<u64>,
    /// True once the core knew of the instance.
    was_known: [bool; SUBJECTS.len()],
    /// Until when the core may still know something that the model forgot.
    forgets_until: [u64; SUBJECTS.len()],
}

impl Play {
    fn new(inventory: bool) -> Self {
        let watched = Rule {
            forget_after: Duration::from_secs(FORGET_AFTER),
            ..rule("r", "web", MAX_GAP as f64)
        };
        let mut bench = Bench::new(vec![watched]);
        bench.engine.facts.options.inventory = inventory;
        Play {
            bench,
            models: Default::default(),
            machines: [Some(Listed::Started); SUBJECTS.len()],
            beating: Default::default(),
            now: 0,
            asked: inventory.then_some(0),
            was_known: [false; SUBJECTS.len()],
            forgets_until: [0; SUBJECTS.len()],
        }
    }

    fn happens(&mut self, who: usize, event: Event) {
        let is_quiet =
            self.models[who].is_being_forgotten(self.now) || self.now <= self.forgets_until[who];
        match event {
            Event::Beats(name, on) => self.beating[who][name] = on,
            Event::Becomes(listed) => self.machines[who] = listed,
            _ if is_quiet => {}
            Event::Beat(name) => {
                self.say(who, NAMES[name], false);
                self.models[who].beat(name, self.now);
            }
            Event::Bye(name) => {
                self.say(who, NAMES[name], true);
                self.models[who].bye(name, self.now);
            }
            Event::Log => {
                self.bench.entry(SUBJECTS[who], self.now as f64);
                self.models[who].log(self.now);
            }
            Event::Line(what) => {
                let subject = format!("logs.{}", SUBJECTS[who]);
                if let Some(id) = self.bench.engine.find(&subject) {
                    self.bench.engine.heard(id, Provider::Runner, 100);
                    self.bench.engine.lifecycle(id, what);
                    self.bench.keep();
                    self.models[who].line(what, self.now);
                }
            }
        }
    }

    fn say(&mut self, who: usize, words: &str, bye: bool) {
        self.bench
            .say_of(SUBJECTS[who], words, bye, self.now as f64);
    }

    fn tick(&mut self) -> Result<(), TestCaseError> {
        let now = self.now;
        for who in 0..SUBJECTS.len() {
            for name in 0..NAMES.len() {
                if self.beating[who][name] && (now / TICK).is_multiple_of(2) {
                    self.happens(who, Event::Beat(name));
                }
            }
        }
        self.bench.tick(now as f64);
        for (who, model) in self.models.iter_mut().enumerate() {
            model.evaluate(now, self.asked);
            if model.has_over(now) {
                self.forgets_until[who] = now + SWEPT_WITHIN;
            }
            model.forget(now);
        }
        if self.bench.engine.facts.options.inventory && (now / TICK).is_multiple_of(3) {
            self.poll();
        }
        self.bench.say(WITNESS, "", now as f64 + 6.0);
        self.bench.tick(now as f64 + 6.0);
        for model in &mut self.models {
            model.evaluate(now + 6, self.asked);
        }
        for (who, subject) in SUBJECTS.iter().enumerate() {
            if now <= self.forgets_until[who] {
                continue;
            }
            for (name, words) in NAMES.iter().enumerate() {
                let expected = self.models[who].thought(name);
                let found = thought(&self.bench, subject, name);
                prop_assert_eq!(
                    found,
                    expected,
                    "{} {:?} at {}: {:#?}\n{:#?}",
                    subject,
                    words,
                    now,
                    self.models[who],
                    self.bench.said
                );
            }
        }
        self.now += TICK;
        self.bench.say(WITNESS, "", self.now as f64);
        Ok(())
    }

    fn poll(&mut self) {
        let at_second = self.now + 3;
        self.asked = Some(at_second);
        let listed = SUBJECTS.iter().zip(self.machines);
        let listed = listed.filter_map(|(who, listed)| Some(machine(who, listed?)));
        let poll = Poll {
            asked_at: at(at_second as f64).mono,
            machines: listed
                .chain([machine("web.iad.other", Listed::Stopped)])
                .collect(),
            whole: true,
            unread_regions: Vec::new(),
        };
        self.bench.engine.inventory(&poll, at(at_second as f64));
        self.bench.keep();
        for (who, model) in self.models.iter_mut().enumerate() {
            let is_known = self
                .bench
                .engine
                .find(&format!("logs.{}", SUBJECTS[who]))
                .is_some();
            if is_known {
                model.polled(self.machines[who], at_second, self.now);
                self.was_known[who] = true;
            } else if self.was_known[who] {
                // It was forgotten, and its listing with it.
                model.listed = None;
            } else {
                model.is_listed(self.machines[who], at_second);
            }
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    let name = 0..NAMES.len();
    let line = proptest::sample::select(
        &[
            Lifecycle::Autostop,
            Lifecycle::Autosuspend,
            Lifecycle::Done,
            Lifecycle::NotRestarted,
            Lifecycle::Started,
            Lifecycle::OutOfMemory,
            Lifecycle::Failed,
            Lifecycle::GaveUp,
        ][..],
    );
    let listed = proptest::sample::select(
        &[
            Some(Listed::Started),
            Some(Listed::Started),
            Some(Listed::Starting),
            Some(Listed::Stopped),
            Some(Listed::Failed),
            None,
        ][..],
    );
    prop_oneof![
        2 => name.clone().prop_map(Event::Beat),
        2 => name.clone().prop_map(Event::Bye),
        1 => Just(Event::Log),
        4 => line.prop_map(Event::Line),
        4 => (name, any::<bool>()).prop_map(|(name, on)| Event::Beats(name, on)),
        3 => listed.prop_map(Event::Becomes),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let passes = prop_oneof![4 => 1..10_u64, 2 => 10..40_u64, 1 => 40..150_u64];
    let step = prop_oneof![
        3 => (0..SUBJECTS.len(), event()).prop_map(|(who, event)| Step::Happens(who, event)),
        2 => passes.prop_map(Step::Passes),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #[test]
    fn the_core_does_what_a_naive_model_of_lifecycles_does(steps in steps(), inventory: bool) {
        let mut play = Play::new(inventory);
        play.bench.say(WITNESS, "", 0.0);
        for step in steps {
            match step {
                Step::Happens(who, event) => play.happens(who, event),
                Step::Passes(ticks) => {
                    for _ in 0..ticks {
                        play.tick()?;
                    }
                }
            }
        }
    }
}
