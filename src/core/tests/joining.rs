//! Which incident a silence joins, which it supersedes, and when that ends.

use crate::core::incident::{Incident, key::Key};
use crate::core::rule::{Rule, RuleSet, Severity};
use crate::core::tests::bench::{Bench, at, rule};

/// One that beats to the end, so that lastbeat listens.
const ALIVE: &str = "alive.ams.x";

/// Beats each ten seconds, of each of these within its times; a turn each second.
fn play(bench: &mut Bench, times: &[(&str, &[std::ops::RangeInclusive<u64>])], until: u64) {
    for second in 0..=until {
        if second % 10 == 0 {
            bench.say(ALIVE, "", second as f64);
            for (who, _) in times
                .iter()
                .filter(|(_, times)| times.iter().any(|time| time.contains(&second)))
            {
                bench.say(who, "", second as f64);
            }
        } else {
            bench.entry(ALIVE, second as f64);
        }
        bench.tick(second as f64);
    }
}

fn bench() -> Bench {
    Bench::new(vec![rule("r", "*", 30.0)])
}

/// The notifications, without updates.
fn told(bench: &Bench) -> Vec<&str> {
    let told = bench.told().into_iter();
    told.filter(|line| !line.contains("update")).collect()
}

fn incident(bench: &Bench, is: impl Fn(Key) -> bool) -> Incident {
    let mut all = bench.engine.incidents.iter();
    let found = all.find(|(_, incident)| is(incident.key));
    found.expect("it is open").1.clone()
}

#[test]
fn a_new_instance_joins_the_incident_of_its_region_for_five_minutes() {
    let opened = "130 RegionSilent  opened";
    for (comes, stops, expected) in [
        (100, 100, vec![opened]),
        (200, 220, vec![opened]),
        (200, 600, vec![opened, "630 HeartbeatMissed 4 opened"]),
    ] {
        let mut bench = bench();
        let times: [(&str, &[_]); 4] = [
            ("a.iad.1", &[0..=100, 140..=900]),
            ("b.iad.2", &[0..=100, 140..=900]),
            ("c.iad.3", &[0..=100]),
            ("d.iad.4", &[comes..=stops]),
        ];
        play(&mut bench, &times, 700);
        assert_eq!(told(&bench), expected, "{stops}");
    }
}

#[test]
fn a_silence_of_an_app_is_one_incident_with_those_of_the_five_minutes_before() {
    for (stops, opened) in [(250, 1), (400, 1), (410, 2), (600, 2)] {
        let mut bench = bench();
        let times: [(&str, &[_]); 4] = [
            ("web.iad.1", &[0..=100]),
            ("web.iad.2", &[0..=stops]),
            ("web.iad.3", &[0..=900]),
            ("web.lhr.4", &[0..=900]),
        ];
        play(&mut bench, &times, 700);
        let told = told(&bench);
        let missed = told
            .iter()
            .filter(|line| line.contains("HeartbeatMissed") && line.ends_with("opened"));
        assert_eq!(
            (missed.count(), told.len()),
            (opened, opened),
            "{stops}: {told:?}"
        );
    }
}

#[test]
fn a_member_that_was_back_and_falls_silent_again_is_part_of_the_same_incident() {
    let mut bench = bench();
    let times: [(&str, &[_]); 3] = [
        ("a.iad.1", &[0..=100, 140..=600]),
        ("b.iad.2", &[0..=100, 140..=900]),
        ("c.iad.3", &[0..=100]),
    ];
    play(&mut bench, &times, 700);
    assert_eq!(told(&bench), ["130 RegionSilent  opened"]);
    let region = incident(&bench, |key| matches!(key, Key::Region(_)));
    assert_eq!((region.members.len(), region.firing), (3, 2));
}

#[test]
fn a_whole_scope_that_falls_silent_joins_its_incident_however_old_that_is() {
    let mut bench = bench();
    let times: [(&str, &[_]); 5] = [
        ("web.iad.1", &[0..=100, 140..=610]),
        ("web.iad.2", &[0..=100]),
        ("web.iad.3", &[200..=600]),
        ("db.iad.4", &[0..=900]),
        ("web.lhr.5", &[0..=900]),
    ];
    play(&mut bench, &times, 700);
    assert_eq!(told(&bench), ["130 AppRegionSilent  opened"]);
    let all = incident(&bench, |key| matches!(key, Key::AppRegion(_)));
    assert_eq!((all.members.len(), all.firing), (3, 3));
}

#[test]
fn an_app_region_joins_the_incident_of_its_app_that_has_members_elsewhere_and_no_other() {
    let both = vec!["130 HeartbeatMissed 1 opened"];
    let superseded = vec![
        "130 HeartbeatMissed 3 opened",
        "180 AppRegionSilent  opened",
        "181 HeartbeatMissed 3 closed superseded",
    ];
    for (first, expected, count) in [("web.lhr.1", both, 3), ("web.iad.3", superseded, 2)] {
        let mut bench = bench();
        let times = ["web.lhr.1", "web.lhr.2", "web.iad.3", "web.iad.4"].map(|who| {
            let until = match who {
                _ if who == first => 100,
                "web.iad.3" | "web.iad.4" => 150,
                _ => 900,
            };
            (who, [0..=until])
        });
        let mut times: Vec<(&str, &[_])> =
            times.iter().map(|(who, time)| (*who, &time[..])).collect();
        times.push(("db.iad.5", &[0..=900]));
        play(&mut bench, &times, 250);
        assert_eq!(told(&bench), expected);
        let all = bench.engine.incidents.iter();
        let firing: Vec<usize> = all.map(|(_, incident)| incident.firing).collect();
        assert_eq!(firing, [count], "{first}");
    }
}

#[test]
fn a_narrower_incident_takes_nothing_over_from_a_wider_one() {
    let mut bench = bench();
    let times: [(&str, &[_]); 5] = [
        ("web.iad.1", &[0..=100]),
        ("db.iad.2", &[0..=100, 140..=900]),
        ("web.iad.6", &[200..=600]),
        ("web.iad.7", &[200..=600]),
        ("web.lhr.5", &[0..=900]),
    ];
    play(&mut bench, &times, 700);
    assert_eq!(
        told(&bench),
        ["130 RegionSilent  opened", "630 AppRegionSilent  opened"]
    );
    let region = incident(&bench, |key| matches!(key, Key::Region(_)));
    assert_eq!((region.members.len(), region.firing), (2, 1));
}

/// Rules with this `max_gap` for `web`, and 30 s for all else.
fn slow_web(max_gap: f64) -> Vec<Rule> {
    vec![rule("web", "web", max_gap), rule("r", "*", 30.0)]
}

#[test]
fn members_that_were_back_belong_to_the_wider_silence_if_it_has_them_all() {
    for (elsewhere, end) in [(false, "superseded"), (true, "resolved")] {
        let mut bench = Bench::new(slow_web(60.0));
        let mut times: Vec<(&str, &[_])> = vec![
            ("web.iad.1", &[0..=100, 170..=180]),
            ("db.iad.2", &[0..=180]),
            ("db.iad.3", &[0..=180]),
            ("web.fra.8", &[0..=900]),
        ];
        if elsewhere {
            times.push(("web.lhr.9", &[0..=100, 170..=900]));
        }
        play(&mut bench, &times, 300);
        let told = told(&bench);
        let closed = told.iter().find(|line| line.contains("closed"));
        assert!(
            closed.is_some_and(|line| line.ends_with(end)),
            "{elsewhere}: {told:?}"
        );
        assert!(
            told.contains(&"210 RegionSilent  opened"),
            "{elsewhere}: {told:?}"
        );
        let region = incident(&bench, |key| matches!(key, Key::Region(_)));
        let open = bench.engine.incidents.iter().count();
        assert_eq!((region.firing, region.members.len(), open), (3, 3, 1));
        let owned = region
            .members
            .keys()
            .filter(|target| bench.engine.incidents.of_target(**target).is_some());
        assert_eq!(owned.count(), 3);
    }
}

#[test]
fn a_region_is_silent_from_when_that_is_known_if_the_only_one_of_before_was_back_meanwhile() {
    let mut bench = Bench::new(vec![rule("a", "a", 30.0), rule("r", "*", 100.0)]);
    let until = |bench: &mut Bench, who: &[&str], seconds: std::ops::RangeInclusive<u64>| {
        for second in seconds {
            if second % 10 == 0 {
                who.iter().for_each(|who| {
                    bench.say(who, "every=10", second as f64);
                });
            }
            bench.entry(ALIVE, second as f64);
            bench.tick(second as f64);
        }
    };
    until(&mut bench, &["a.iad.1", "b.iad.2", "c.iad.3"], 0..=100);
    until(&mut bench, &["b.iad.2", "c.iad.3"], 101..=139);
    until(&mut bench, &["a.iad.1", "b.iad.2", "c.iad.3"], 140..=140);
    until(&mut bench, &["b.iad.2", "c.iad.3"], 141..=155);
    until(&mut bench, &[], 156..=165);
    // Its return and its next silence are found in one turn.
    for second in 166..=171 {
        bench.entry(ALIVE, f64::from(second));
    }
    bench.tick(171.0);
    assert_eq!(
        told(&bench),
        [
            "130 HeartbeatMissed 1 opened",
            "171 RegionSilent  opened",
            "171 HeartbeatMissed 1 closed superseded"
        ]
    );
}

/// A silent app with so many members, of which the last two fire 0.8 s and 1.8 s after the one before; its region falls
/// silent before the first of the two does. Gives the scope after each of them.
fn widening(members: u32) -> [bool; 2] {
    let mut bench = Bench::new(vec![rule("a", "a", 30.0), rule("r", "*", 100.0)]);
    let all: Vec<String> = (0..=members)
        .map(|number| format!("a.iad.{number}"))
        .collect();
    let (last, first) = all.split_last().expect("there are some");
    let (last_but_one, first) = first.split_last().expect("there are some");
    let (joins, first) = first.split_last().expect("there are some");
    for ten in (0..=10).map(|ten| f64::from(ten) * 10.0) {
        first.iter().for_each(|who| {
            bench.say(who, "every=10", ten);
        });
        bench.say(joins, "every=10", ten + 0.1);
        bench.say(last_but_one, "every=10", ten + 0.9);
        bench.say(last, "every=10", ten + 1.9);
        bench.say("b.iad.other", "every=10", ten + 5.5);
        bench.entry(ALIVE, ten + 6.0);
        bench.tick(ten + 6.0);
    }
    bench.say("b.iad.other", "every=10", 115.5);
    for second in [120.0, 125.0, 130.05, 130.15] {
        bench.entry(ALIVE, second);
        bench.tick(second);
    }
    assert_eq!(told(&bench), ["130 AppSilent  opened"]);
    [130.95, 131.95].map(|second| {
        bench.entry(ALIVE, second);
        bench.tick(second);
        let told = told(&bench);
        told.iter().any(|line| line.contains("RegionSilent"))
    })
}

#[test]
fn a_grown_incident_is_checked_for_a_wider_scope_at_once_a_large_one_each_second() {
    for (members, widens) in [(4, [true, true]), (200, [true, true]), (201, [false, true])] {
        assert_eq!(widening(members), widens, "{members}");
    }
}

#[test]
fn who_says_bye_leaves_an_incident_that_ends_when_the_others_are_back() {
    let all = ["web.iad.1", "web.iad.2", "web.iad.3"];
    for (back, end) in [(&all[1..], true), (&all[1..2], false), (&all[..0], false)] {
        let mut bench = bench();
        let alive = [ALIVE, "web.iad.4"];
        let both: Vec<&str> = alive.iter().chain(&all).copied().collect();
        let living: Vec<&str> = alive.iter().chain(back).copied().collect();
        bench.beats(&both, (0..=100).step_by(10));
        bench.beats(&alive, (110..=140).step_by(10));
        assert_eq!(told(&bench), ["130 HeartbeatMissed  opened"]);
        bench.beats(&living, [150]);
        bench.say(all[0], "bye", 155.0);
        bench.beats(&living, (160..=300).step_by(10));
        let told = told(&bench);
        if end {
            let closed = told.len() == 2 && told[1].ends_with("closed resolved");
            assert!(closed, "{told:?}");
        } else {
            assert_eq!(told.len(), 1, "{back:?}: {told:?}");
            let open = incident(&bench, |key| matches!(key, Key::Part(_)));
            let count = (open.members.len(), open.firing);
            assert_eq!(count, (2, 2 - back.len()));
        }
    }
}

/// A core with one silent instance.
fn silent() -> Bench {
    let mut bench = bench();
    bench.beats(&[ALIVE, "web.iad.1"], (0..=100).step_by(10));
    bench.beats(&[ALIVE], (110..=140).step_by(10));
    bench
}

#[test]
fn the_worst_severity_of_its_members_so_far_is_that_of_the_incident() {
    let mut bench = silent();
    for (severity, expected) in [
        (Severity::Warning, Severity::Error),
        (Severity::Critical, Severity::Critical),
        (Severity::Error, Severity::Critical),
    ] {
        let mut rules = vec![rule("r", "*", 30.0)];
        rules[0].severity = severity;
        let set = RuleSet {
            rules,
            ..RuleSet::default()
        };
        bench.engine.reload(set, at(141.0));
        let open = incident(&bench, |_| true);
        assert_eq!(open.severity, expected, "{severity:?}");
    }
}

#[test]
fn causes_are_added_once_each_up_to_four_thousand_bytes() {
    let mut bench = silent();
    let id = bench.engine.incidents.iter().next().expect("it is open").0;
    let mut known = Vec::new();
    let mut add = |letter: &str, count: usize, is_taken: bool| {
        let words = letter.repeat(count);
        bench.engine.note(id, &words);
        if is_taken {
            known.push(words);
        }
        let open = incident(&bench, |_| true);
        assert_eq!(open.detail, known.join("; "), "{letter} {count}");
        assert_eq!(open.causes, known.len() as u32, "{letter} {count}");
    };
    add("z", 4_001, false);
    add("a", 10, true);
    add("b", 1_000, true);
    add("a", 10, false);
    // With the texts of before and the separator, 1,012 bytes.
    add("c", 2_989, false);
    add("c", 2_988, true);
    add("d", 1, false);
}
