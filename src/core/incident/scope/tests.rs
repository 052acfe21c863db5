//! Scopes asked again and again, with and without what was remembered.

use crate::core::entry::Lifecycle;
use crate::core::incident::key::Key;
use crate::core::incident::scope::Probe;
use crate::core::incident::scope_cache::Sign;
use crate::core::incident::view::View;
use crate::core::rule::{By, MaxGap, Rule, Watch};
use crate::core::tests::bench::{Bench, rule, seconds};
use proptest::prelude::*;

/// More than are searched anew each time: 70 of web in iad on two hosts, a few of api in two regions.
fn fleet() -> Vec<(String, &'static str)> {
    let web = (0..70).map(|n| (format!("web.iad.w{n}"), if n < 66 { "h1" } else { "h2" }));
    let api = (0..6).map(|n| {
        (
            format!("api.{}.a{n}", if n < 4 { "iad" } else { "fra" }),
            "h3",
        )
    });
    web.chain(api).collect()
}

/// One step of time.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// All of these beat.
    Beats(&'static str),
    /// Only this one does.
    One(usize),
    /// This one logs.
    Line(usize),
    Bye(usize),
    Report(usize, Lifecycle),
    Nothing,
}

fn step() -> impl Strategy<Value = Step> {
    let one = 0..fleet().len();
    let what = prop_oneof![
        Just(Lifecycle::Done),
        Just(Lifecycle::Failed),
        Just(Lifecycle::Autostop),
        Just(Lifecycle::Started)
    ];
    prop_oneof![
        3 => prop_oneof![Just("web"), Just("api"), Just("api.fra"), Just("")].prop_map(Step::Beats),
        2 => one.clone().prop_map(Step::One),
        1 => one.clone().prop_map(Step::Line),
        1 => one.clone().prop_map(Step::Bye),
        2 => (one, what).prop_map(|(one, what)| Step::Report(one, what)),
        2 => Just(Step::Nothing)
    ]
}

fn play(bench: &mut Bench, step: Step, second: f64) {
    let fleet = fleet();
    match step {
        Step::Beats(whose) => {
            for (who, host) in fleet.iter().filter(|(who, _)| who.starts_with(whose)) {
                bench.say_from(who, host, second);
            }
        }
        Step::One(n) => bench.say_from(&fleet[n].0, fleet[n].1, second),
        Step::Line(n) => drop(bench.entry(&fleet[n].0, second)),
        Step::Bye(n) => drop(bench.say(&fleet[n].0, "bye", second)),
        Step::Report(n, what) => bench.report(&fleet[n].0, what, second),
        Step::Nothing => drop(bench.entry("other.syd.o", second)),
    }
}

proptest! {
    /// Time goes by in steps of more than half a second, after which a search that is not at rest is made anew.
    #[test]
    fn what_is_remembered_of_a_scope_is_what_a_search_finds(
        steps in proptest::collection::vec((step(), 6..200_u32), 1..25),
    ) {
        let logs = Rule { watch: Watch::Logs, ..rule("logs", "api", 60.0) };
        let slow = Rule { by: By::Instance, ..rule("slow", "api", 300.0) };
        let auto = Rule { max_gap: MaxGap::Fixed(seconds(30.0)), ..rule("web", "web", 0.0) };
        let mut bench = Bench::new(vec![auto, slow, logs]);
        play(&mut bench, Step::Beats(""), 0.0);
        play(&mut bench, Step::Beats(""), 10.0);
        let mut now = 10.0;
        for (step, tenths) in steps {
            now += f64::from(tenths) / 10.0;
            play(&mut bench, step, now);
            let mut cache = std::mem::take(&mut bench.engine.incidents.cache);
            let engine = &bench.engine;
            let view = View { facts: &engine.facts, targets: &engine.targets };
            cache.end();
            let keys = [
                Key::Region(0), Key::Region(1), Key::App(0), Key::App(1), Key::AppRegion(0),
                Key::AppRegion(1), Key::AppRegion(2), Key::Host(0), Key::Host(1),
            ];
            for key in keys {
                for sign in [Sign::Beat, Sign::Entry] {
                    let after = engine.facts.listening.listened() - seconds(15.0);
                    let probe = Probe { after, sign };
                    let known = view.silent_in(key, probe, &mut cache);
                    prop_assert_eq!(known, view.count(key, probe).0, "{:?} {:?} at {}", key, sign, now);
                }
            }
            bench.engine.incidents.cache = cache;
        }
    }
}
