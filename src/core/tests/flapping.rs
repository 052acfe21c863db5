//! Flapping silences: told once, until they are steady or dead.

use crate::core::incident::key::Key;
use crate::core::incident::kind::{Alarm, IncidentId};
use crate::core::incident::{Back, Incident, Member};
use crate::core::rule::{Rule, Severity};
use crate::core::tests::bench::{Bench, at, rule, seconds};
use crate::core::time::Listened;
use std::collections::BTreeSet;

/// One that beats to the end, in another region.
const ALIVE: &str = "x.lhr.c";

/// These beat for 20 s and are silent for 40 s, eight times; gives the second at which that ends.
fn flap(bench: &mut Bench, who: &[&str]) -> u64 {
    let both: Vec<&str> = who.iter().chain([&ALIVE]).copied().collect();
    for round in (0..480).step_by(60) {
        bench.beats(&both, [round, round + 10]);
        bench.beats(&[ALIVE], (round + 20..round + 60).step_by(10));
    }
    480
}

#[test]
fn what_flapped_and_stays_silent_for_two_max_gap_is_an_incident_of_its_own() {
    for (who, missed, flapping) in [
        (
            &["web.iad.a"][..],
            "HeartbeatMissed a",
            "HeartbeatFlapping a",
        ),
        (
            &["web.iad.a", "api.iad.b"],
            "RegionSilent ",
            "HeartbeatFlapping ",
        ),
    ] {
        let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
        let end = flap(&mut bench, who);
        assert!(
            bench
                .told()
                .iter()
                .any(|line| line.ends_with(&format!("{flapping} opened"))),
            "{:?}",
            bench.told()
        );
        // Last heard at 430.
        let before = bench.told().len();
        bench.beats(&[ALIVE], [end, end + 9]);
        assert_eq!(bench.told().len(), before, "{:?}", bench.told());
        bench.beats(&[ALIVE], (end + 10..=end + 400).step_by(10));
        let told = bench.told();
        let of = |line: &str| {
            told[before..]
                .iter()
                .filter(|one| one.contains(line))
                .count()
        };
        assert_eq!(
            (
                of(&format!("490 {missed} opened")),
                of(&format!("490 {flapping} closed superseded"))
            ),
            (1, 1),
            "{told:?}"
        );
        let updates = of("update");
        assert_eq!(told.len() - before, 2 + updates, "{told:?}");
        let all: Vec<_> = bench.engine.incidents.iter().collect();
        let [(id, open)] = &all[..] else {
            panic!("{all:?}");
        };
        assert_eq!((open.alarm, open.firing), (Alarm::Heartbeat, who.len()));
        for target in open.members.keys() {
            assert_eq!(bench.engine.incidents.of_target(*target), Some(*id));
        }
    }
}

#[test]
fn of_a_flapping_region_only_the_dead_are_in_the_incident_that_follows() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    let end = flap(&mut bench, &["web.iad.a", "api.iad.b"]);
    // The dead one was last heard at 430; the other is late when that is found, and fires at 501.
    bench.say("api.iad.b", "", end as f64 - 9.0);
    bench.beats(&[ALIVE], [end - 6, end - 3, end]);
    for (second, members) in [(491, 1), (496, 1), (501, 1), (504, 2)] {
        bench.beats(&[ALIVE], [second - 3, second]);
        let of_region = |(_, incident): &(IncidentId, &Incident)| {
            matches!(incident.key, Key::Region(_)) && incident.alarm == Alarm::Heartbeat
        };
        let all = bench.engine.incidents.iter().filter(of_region);
        let counts: Vec<_> = all
            .map(|(_, incident)| (incident.members.len(), incident.firing))
            .collect();
        assert_eq!(counts, [(members, members)], "{second}");
    }
}

#[test]
fn a_gap_that_is_over_before_it_fires_does_not_prolong_flapping() {
    let ends = |gap: bool| {
        let mut bench = Bench::new(vec![Rule {
            hold: seconds(5.0),
            ..rule("r", "*", 30.0)
        }]);
        let end = flap(&mut bench, &["web.iad.a"]);
        let mut closed = None;
        for second in (end..end + 900).step_by(10) {
            let silent = gap && (end + 200..=end + 220).contains(&second);
            bench.beats(&["web.iad.a"][usize::from(silent)..], [second]);
            if second == end + 220 {
                // 33 s after the last one, late since 30 s.
                bench.beats(&[ALIVE], [second + 2]);
                bench.say("web.iad.a", "", second as f64 + 3.0);
            }
            bench.beats(&[ALIVE], [second + 4, second + 7]);
            let flaps = |incident: &Incident| incident.alarm == Alarm::Flapping;
            let mut open = bench.engine.incidents.iter();
            if !open.any(|(_, incident)| flaps(incident)) {
                closed.get_or_insert(second);
            }
        }
        let pending = bench
            .said
            .iter()
            .filter(|line| line.contains("-> pending"))
            .count();
        (pending, closed.expect("it ends"))
    };
    let ((without, closed), (with, same)) = (ends(false), ends(true));
    assert_eq!(with, without + 1);
    assert_eq!(closed, same);
}

/// An incident of flapping instances that are all back and steady, last looked at after 100 s.
fn steady(members: u32) -> Incident {
    let back = Some(Back {
        listened: Listened::ZERO,
        at: at(0.0).wall,
        mono: at(0.0).mono,
    });
    let member = Member {
        since: at(0.0).wall,
        max_gap: seconds(30.0),
        back,
    };
    Incident {
        key: Key::Part(0),
        regions: BTreeSet::new(),
        alarm: Alarm::Flapping,
        members: (0..members).map(|target| (target, member)).collect(),
        firing: 0,
        severity: Severity::Error,
        since: at(0.0).wall,
        since_listened: Listened::ZERO,
        since_mono: at(0.0).mono,
        due: at(0.0).mono,
        due_at: at(0.0).wall,
        opened_at: at(0.0).wall,
        joined_at: at(0.0).mono,
        looked_at: at(100.0).mono,
        detail: String::new(),
        causes: 0,
        restart_considered: false,
        stream: None,
    }
}

#[test]
fn flapping_ends_as_soon_as_it_is_steady_and_a_large_one_is_looked_at_each_second() {
    for (members, after, ends) in [
        (1, 0.5, true),
        (1, 1.0, true),
        (1, 30.0, true),
        (200, 0.5, true),
        (200, 30.0, true),
        (201, 0.5, false),
        (201, 1.0, true),
        (201, 30.0, true),
    ] {
        let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
        bench.engine.facts.now = at(100.0 + after);
        let (incidents, view) = bench.engine.split();
        incidents.resume(IncidentId(7), steady(members));
        incidents.evaluate(view);
        let open = incidents.get(IncidentId(7));
        assert_eq!(open.is_none(), ends, "{members} {after}");
    }
}
