//! The incident of a downstream follows its state: the worst is told, in words, until it is well.

use crate::core::downstream::counters::Hop;
use crate::core::downstream::missing::{Evidence, Missing};
use crate::core::downstream::watch::{DownstreamState, Watch};
use crate::core::incident::{Incident, IncidentEvent};
use crate::core::rule::RuleSet;
use crate::core::tests::bench::{Bench, at, seconds};
use crate::core::tests::downstream::rules;
use std::collections::BTreeMap;

/// States that are incidents, the worst last, with the names of their alerts.
const BAD: [(DownstreamState, &str); 4] = [
    (DownstreamState::Unseen, "DownstreamUnseen"),
    (DownstreamState::Lagging, "ShipperLags"),
    (DownstreamState::Losing, "ShipperLoses"),
    (DownstreamState::Stalled, "ShipperStalled"),
];

/// A core with so many downstreams, each with a `max_delay` of 20 s.
fn watched(count: usize) -> Bench {
    let mut set = rules(None);
    let one = set.downstreams.remove(0);
    for number in 0..count {
        let mut rule = one.clone();
        rule.name = format!("sink{number}");
        set.downstreams.push(rule);
    }
    let mut bench = Bench::new(Vec::new());
    bench.engine.reload(set, at(0.0));
    bench
}

/// Applies what was found of a downstream at this second; gives what its incidents did.
fn find(
    bench: &mut Bench,
    number: u32,
    second: f64,
    found: impl FnOnce(&mut Watch),
) -> Vec<String> {
    let engine = &mut bench.engine;
    engine.arrive(at(second));
    let watch = engine.facts.downstreams.get_mut(number);
    let watch = watch.expect("it is watched");
    let before = watch.state;
    found(watch);
    if watch.state != before {
        watch.state_since = at(second).mono;
    }
    let (incidents, view) = engine.split();
    incidents.downstreams_are(view);
    let events = incidents.take_events().into_iter();
    let name = |incident: &Incident| incident.alarm.name(incident.key.scope());
    let lines = events.filter_map(|event| match event {
        IncidentEvent::Opened(id) => {
            let opened = incidents.get(id).expect("it is open");
            Some(format!("{} opened", name(opened)))
        }
        IncidentEvent::Changed(_) => None,
        IncidentEvent::Closed(_, closed, why) => {
            Some(format!("{} closed {}", name(&closed), why.label()))
        }
    });
    lines.collect()
}

fn is(bench: &mut Bench, second: f64, state: DownstreamState) -> Vec<String> {
    find(bench, 0, second, |watch| watch.state = state)
}

/// The only open incident.
fn open(bench: &Bench) -> Incident {
    let all: Vec<_> = bench.engine.incidents.iter().collect();
    let [(_, incident)] = &all[..] else {
        panic!("{all:?}");
    };
    (*incident).clone()
}

#[test]
fn the_worst_that_was_found_is_the_incident_until_all_is_well() {
    for run in 0..6_usize.pow(3) {
        let mut bench = watched(1);
        let mut open: Option<usize> = None;
        for step in 0..3 {
            let state = DownstreamState::ALL[run / 6_usize.pow(step) % 6];
            let bad = BAD.iter().position(|(one, _)| *one == state);
            let mut told = Vec::new();
            match (bad, open) {
                (Some(bad), Some(before)) if bad > before => {
                    told.push(format!("{} closed superseded", BAD[before].1));
                    told.push(format!("{} opened", BAD[bad].1));
                    open = Some(bad);
                }
                (Some(bad), None) => {
                    told.push(format!("{} opened", BAD[bad].1));
                    open = Some(bad);
                }
                (None, Some(before)) if state == DownstreamState::Ok => {
                    told.push(format!("{} closed resolved", BAD[before].1));
                    open = None;
                }
                _ => {}
            }
            let second = 10.0 * f64::from(step);
            assert_eq!(
                is(&mut bench, second, state),
                told,
                "{run}: {step} {state:?}"
            );
            assert_eq!(bench.engine.incidents.iter().count(), open.iter().count());
        }
    }
}

#[test]
fn each_downstream_has_an_incident_of_its_own() {
    let mut bench = watched(2);
    let stalls = |watch: &mut Watch| watch.state = DownstreamState::Stalled;
    let is_well = |watch: &mut Watch| watch.state = DownstreamState::Ok;
    for number in [0, 1] {
        let told = find(&mut bench, number, 10.0, stalls);
        assert_eq!(told, ["ShipperStalled opened"]);
    }
    for number in [0, 1] {
        let told = find(&mut bench, number, 20.0, is_well);
        assert_eq!(told, ["ShipperStalled closed resolved"]);
    }
    assert_eq!(
        find(&mut bench, 0, 30.0, stalls),
        ["ShipperStalled opened"],
        "again"
    );
}

type Found = fn(&mut Watch);

#[test]
fn the_incident_tells_what_was_found_and_since_when() {
    let range = |evidence| Missing {
        from: at(40.0).wall,
        until: at(50.0).wall,
        marks: 3,
        evidence,
    };
    let cases: [(Found, &str, (f64, f64, f64)); 10] = [
        (
            |watch| watch.state = DownstreamState::Stalled,
            "no canary was found in the sink since lastbeat started",
            (100.0, 120.0, 0.0),
        ),
        (
            |watch| {
                watch.state = DownstreamState::Stalled;
                watch.lacks_since = Some(at(70.0).mono);
                watch.found = Some(at(60.0).wall);
            },
            "canaries come back in the stream and do not reach the sink",
            (70.0, 90.0, 30.0),
        ),
        (
            |watch| {
                watch.state = DownstreamState::Stalled;
                watch.hop = Some(Hop::Sink);
            },
            Hop::Sink.words(),
            (100.0, 120.0, 0.0),
        ),
        (
            |watch| {
                watch.state = DownstreamState::Losing;
                watch.hop = Some(Hop::Sink);
            },
            "newer entries reach the sink, and some older ones do not",
            (100.0, 100.0, 0.0),
        ),
        (
            |watch| {
                watch.state = DownstreamState::Losing;
                watch.missing = None;
            },
            "newer entries reach the sink, and some older ones do not",
            (100.0, 100.0, 0.0),
        ),
        (
            |watch| {
                watch.state = DownstreamState::Losing;
                watch.missing = watch.reported;
            },
            "the archive deleted entries before they were forwarded",
            (100.0, 100.0, 0.0),
        ),
        (
            |watch| {
                watch.state = DownstreamState::Lagging;
                watch.delay = Some(seconds(33.0));
            },
            "entries reach the sink later than allowed",
            (100.0, 100.0, 33.0),
        ),
        (
            |watch| watch.state = DownstreamState::Lagging,
            "entries reach the sink later than allowed",
            (100.0, 100.0, 0.0),
        ),
        (
            |watch| watch.state = DownstreamState::Unseen,
            "no canary of lastbeat comes back through the stream (LASTBEAT_CANARY)",
            (100.0, 100.0, 0.0),
        ),
        (
            |watch| {
                watch.state = DownstreamState::Unseen;
                watch.fault = "401".to_owned();
            },
            "the sink cannot be queried: 401",
            (100.0, 100.0, 0.0),
        ),
    ];
    for (number, (found, detail, (since, due, gap))) in cases.into_iter().enumerate() {
        let mut bench = watched(1);
        find(&mut bench, 0, 100.0, |watch| {
            watch.missing = Some(range(Evidence::Canaries));
            watch.reported = Some(range(Evidence::Deleted));
            found(watch);
        });
        let incident = open(&bench);
        let facts = incident.stream.expect("it has no members");
        assert_eq!(incident.detail, detail, "{number}");
        assert_eq!(
            (incident.since_mono, incident.due),
            (at(since).mono, at(due).mono),
            "{number}"
        );
        assert_eq!(
            (facts.gap, facts.max_gap),
            (seconds(gap), seconds(20.0)),
            "{number}"
        );
        let names_range = facts.missing.is_some();
        assert_eq!(names_range, detail.contains("archive"), "{number}");
    }
}

#[test]
fn the_hop_of_a_stall_is_added_once_it_is_known() {
    let mut bench = watched(1);
    is(&mut bench, 10.0, DownstreamState::Stalled);
    let unknown = open(&bench).detail;
    for (second, hop) in [(20.0, Hop::Subscription), (30.0, Hop::Subscription)] {
        find(&mut bench, 0, second, |watch| watch.hop = Some(hop));
        let incident = open(&bench);
        let known = format!("{unknown}; {}", Hop::Subscription.words());
        assert_eq!((incident.detail, incident.causes), (known, 1), "{second}");
    }
    // It may lose and lag after the stall, which has no hop.
    find(&mut bench, 0, 40.0, |watch| {
        watch.state = DownstreamState::Lagging;
        watch.hop = Some(Hop::Store);
    });
    assert_eq!(open(&bench).causes, 1);
}

#[test]
fn a_hop_that_was_known_at_first_is_not_told_again() {
    let mut bench = watched(1);
    find(&mut bench, 0, 10.0, |watch| {
        watch.state = DownstreamState::Stalled;
        watch.hop = Some(Hop::Gone);
    });
    find(&mut bench, 0, 20.0, |watch| watch.hop = Some(Hop::Sink));
    let incident = open(&bench);
    assert_eq!(
        (incident.detail.as_str(), incident.causes),
        (Hop::Gone.words(), 0)
    );
}

/// A downstream that stalls for five seconds every ten: the fourth stall begins at 30 s.
fn flapping() -> Bench {
    let mut bench = watched(1);
    let mut told = BTreeMap::new();
    for second in (0..=30).step_by(5) {
        let state = if second % 10 == 0 {
            DownstreamState::Stalled
        } else {
            DownstreamState::Ok
        };
        for line in is(&mut bench, f64::from(second), state) {
            *told.entry(line).or_insert(0) += 1;
        }
    }
    let count = |line: &str| told.get(line).copied().unwrap_or_default();
    assert_eq!(
        (
            count("ShipperStalled opened"),
            count("ShipperFlapping opened")
        ),
        (3, 1),
        "{told:?}"
    );
    assert_eq!(open(&bench).detail, "it comes and goes");
    bench
}

/// It stays in a state from 35 s on; gives the second at which its incidents changed first, and what they did.
fn stays(bench: &mut Bench, state: DownstreamState) -> (u32, Vec<String>) {
    let mut changes = (35..=400).map(|second| (second, is(bench, f64::from(second), state)));
    let change = changes.find(|(_, told)| !told.is_empty());
    change.expect("it ends")
}

#[test]
fn one_that_flaps_is_told_so_until_it_was_well_for_ten_max_delay_or_bad_for_two() {
    let steady = stays(&mut flapping(), DownstreamState::Ok);
    let closed = "ShipperFlapping closed resolved".to_owned();
    assert_eq!(steady, (230, vec![closed]));
    let dead = stays(&mut flapping(), DownstreamState::Stalled);
    let superseded = "ShipperFlapping closed superseded".to_owned();
    let opened = "ShipperStalled opened".to_owned();
    assert_eq!(dead, (70, vec![superseded, opened]));
}

#[test]
fn one_that_is_not_watched_any_more_has_no_incident() {
    let mut bench = flapping();
    bench.engine.reload(RuleSet::default(), at(31.0));
    assert_eq!(bench.engine.incidents.iter().count(), 0);
}
