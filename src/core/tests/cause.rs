//! One cause, one incident: groups, scope, silences, flapping, reminders, another rule set.

use crate::core::notice::Scope;
use crate::core::rule::{By, Globs, Matchers, Rule};
use crate::core::silence::Silence;
use crate::core::tests::bench::{Bench, at, rule, seconds};
use crate::core::time::Wall;

/// Four apps in two regions, two instances of each.
fn organisation() -> Vec<String> {
    let name = |app, region, instance| format!("app{app}.{region}.{app}{region}{instance}");
    let of = |region: &'static str| (0..8).map(move |n| name(n / 2, region, n % 2));
    of("iad").chain(of("lhr")).collect()
}

fn names(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

fn of<'a>(all: &'a [String], part: &str) -> Vec<&'a str> {
    all.iter()
        .filter(|name| name.contains(part))
        .map(String::as_str)
        .collect()
}

#[test]
fn a_silent_region_of_four_apps_is_one_incident_that_closes_when_all_are_back() {
    let all = organisation();
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.beats(&names(&all), (0..=100).step_by(10));
    bench.beats(&of(&all, "iad"), (110..=200).step_by(10));
    let open: Vec<_> = bench.engine.open_incidents().collect();
    assert_eq!(open.len(), 1);
    assert_eq!(
        (
            open[0].scope,
            open[0].who.region.as_str(),
            open[0].affected_total
        ),
        (Scope::Region, "lhr", 8)
    );
    assert!(open[0].affected.contains(&"app3/lhr/3lhr1".to_owned()));
    bench.beats(&names(&all), (210..=240).step_by(10));
    assert_eq!(
        bench.told(),
        [
            "130 RegionSilent  opened",
            "210 RegionSilent  closed resolved"
        ]
    );
}

#[test]
fn an_app_silent_everywhere_and_an_app_region_and_a_lone_instance_are_named_as_such() {
    let all = organisation();
    for (part, told) in [
        ("app1.", "130 AppSilent  opened"),
        ("app1.lhr", "130 AppRegionSilent  opened"),
        ("1lhr0", "130 HeartbeatMissed 1lhr0 opened"),
    ] {
        let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
        bench.beats(&names(&all), (0..=100).step_by(10));
        let rest: Vec<&str> = names(&all)
            .into_iter()
            .filter(|name| !name.contains(part))
            .collect();
        bench.beats(&rest, (110..=200).step_by(10));
        assert_eq!(bench.told(), [told], "{part}");
    }
}

#[test]
fn siblings_that_beat_at_other_moments_are_in_the_first_notice() {
    let all = organisation();
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    let mut last = 0;
    for second in 0..400_u64 {
        for (phase, who) in all.iter().enumerate() {
            let cut = who.contains("lhr") && second >= 200;
            if (second + phase as u64).is_multiple_of(10) && !cut {
                bench.say(who, "", second as f64);
                last = if who.contains("lhr") { second } else { last };
            }
        }
        bench.tick(second as f64);
    }
    assert_eq!(bench.told().len(), 1, "{:?}", bench.told());
    assert!(
        bench.told()[0].contains(" RegionSilent"),
        "{:?}",
        bench.told()
    );
    let notice = bench.engine.open_incidents().next().expect("it is open");
    assert_eq!(
        (notice.affected_total, notice.since),
        (8, at(last as f64 - 9.0).wall),
        "since the first of them fell silent"
    );
}

#[test]
fn what_widens_supersedes_what_was_told_before() {
    let all = organisation();
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.beats(&names(&all), (0..=100).step_by(10));
    let rest: Vec<&str> = names(&all)
        .into_iter()
        .filter(|name| !name.contains("0lhr0"))
        .collect();
    bench.beats(&rest, (110..=200).step_by(10));
    bench.beats(&of(&all, "iad"), (210..=300).step_by(10));
    assert_eq!(
        bench.told(),
        [
            "130 HeartbeatMissed 0lhr0 opened",
            "230 RegionSilent  opened",
            "240 HeartbeatMissed 0lhr0 closed superseded"
        ]
    );
}

#[test]
fn an_instance_that_stays_silent_when_its_region_is_back_keeps_the_incident_open() {
    let all = organisation();
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.beats(&names(&all), (0..=100).step_by(10));
    bench.beats(&of(&all, "iad"), (110..=200).step_by(10));
    let rest: Vec<&str> = names(&all)
        .into_iter()
        .filter(|name| !name.contains("0lhr0"))
        .collect();
    bench.beats(&rest, (210..=500).step_by(10));
    assert_eq!(
        bench.told(),
        ["130 RegionSilent  opened", "440 RegionSilent  update 1"]
    );
    let notice = bench.engine.open_incidents().next().expect("it is open");
    assert_eq!(
        (notice.affected_total, notice.between.back),
        (1, 7),
        "{notice:?}"
    );
}

#[test]
fn targets_of_one_rule_and_app_that_fire_within_group_wait_are_one_incident() {
    let wait = Rule {
        group_wait: seconds(1.0),
        ..rule("r", "*", 30.0)
    };
    let mut bench = Bench::new(vec![wait]);
    let all = ["web.iad.a", "web.iad.b", "web.iad.c"];
    bench.beats(&all, (0..=100).step_by(10));
    for tenth in 1010..1400 {
        if tenth % 10 == 0 {
            bench.say("web.iad.c", "", f64::from(tenth) / 10.0);
        }
        bench.tick(f64::from(tenth) / 10.0);
    }
    assert_eq!(bench.told(), ["130 HeartbeatMissed  opened"]);
    let notice = bench.engine.open_incidents().next().expect("it is open");
    assert_eq!(notice.affected, ["web/iad/a", "web/iad/b"]);
}

#[test]
fn a_group_is_silent_when_fewer_than_at_least_are_live() {
    let group = Rule {
        by: By::AppRegion,
        at_least: Some(2),
        ..rule("r", "web", 30.0)
    };
    let mut bench = Bench::new(vec![group]);
    let all = ["web.iad.a", "web.iad.b", "web.iad.c"];
    bench.beats(&all, (0..=100).step_by(10));
    bench.beats(&all[..2], (110..=200).step_by(10));
    assert_eq!(bench.told(), Vec::<&str>::new(), "two are live");
    bench.say("web.iad.b", "bye", 205.0);
    bench.beats(&all[..1], (210..=250).step_by(10));
    let told = ["235 AppRegionSilent  opened"];
    assert_eq!(
        bench.told(),
        told,
        "it was heard until max_gap after its bye"
    );
    bench.beats(&all[..2], (260..=290).step_by(10));
    assert_eq!(
        bench.told().last(),
        Some(&"260 AppRegionSilent  closed resolved")
    );
}

#[test]
fn a_group_lives_as_long_as_one_of_it_does_and_leaves_when_all_say_bye() {
    let group = Rule {
        by: By::App,
        ..rule("r", "web", 30.0)
    };
    let mut bench = Bench::new(vec![group]);
    bench.beats(
        &["web.iad.a", "web.lhr.b", "x.iad.c"],
        (0..=100).step_by(10),
    );
    bench.beats(&["web.lhr.b", "x.iad.c"], (110..=200).step_by(10));
    assert_eq!(bench.told(), Vec::<&str>::new());
    bench.beats(&["x.iad.c"], (210..=250).step_by(10));
    assert_eq!(bench.told(), ["230 AppSilent  opened"]);
    bench.beats(&["web.lhr.b", "x.iad.c"], [260]);
    bench.say("web.lhr.b", "bye", 270.0);
    bench.say("web.iad.a", "bye", 270.0);
    bench.beats(&["x.iad.c"], (280..=400).step_by(10));
    assert_eq!(
        bench.told(),
        ["230 AppSilent  opened", "260 AppSilent  closed resolved"]
    );
}

#[test]
fn who_is_expected_and_never_heard_fires_after_max_gap_of_listening() {
    let expected = Rule {
        by: By::AppRegion,
        expect: vec!["iad".to_owned(), "lhr".to_owned()],
        ..rule("r", "web", 30.0)
    };
    let mut bench = Bench::new(vec![expected]);
    bench.beats(&["web.iad.a", "x.iad.c"], (100..=200).step_by(10));
    assert_eq!(bench.told(), ["130 AppRegionSilent  opened"]);
    let notice = bench.engine.open_incidents().next().expect("it is open");
    assert_eq!(
        (notice.who.app.as_str(), notice.who.region.as_str()),
        ("web", "lhr")
    );
    assert!(notice.detail.contains("never heard"), "{}", notice.detail);
    for second in [205.0, 215.0, 225.0, 235.0] {
        bench.say("web.lhr.b", "", second);
        bench.tick(second);
    }
    assert_eq!(
        bench.told().last(),
        Some(&"205 AppRegionSilent  closed resolved")
    );
}

#[test]
fn who_comes_and_goes_is_told_once_to_flap_until_it_is_steady() {
    let mut bench = Bench::new(vec![rule("r", "web", 30.0)]);
    let mut second = 0;
    for _ in 0..8 {
        bench.beats(&["web.iad.a", "x.iad.c"], [second, second + 10]);
        bench.beats(&["x.iad.c"], (second + 20..second + 60).step_by(10));
        second += 60;
    }
    let told = bench.told();
    assert_eq!(
        told.iter()
            .filter(|line| line.contains("HeartbeatMissed a opened"))
            .count(),
        3,
        "{told:?}"
    );
    assert_eq!(
        told.iter()
            .filter(|line| line.contains("HeartbeatFlapping a opened"))
            .count(),
        1,
        "{told:?}"
    );
    bench.beats(
        &["web.iad.a", "x.iad.c"],
        (second..second + 400).step_by(10),
    );
    assert!(
        bench
            .told()
            .last()
            .is_some_and(|line| line.contains("HeartbeatFlapping a closed resolved"))
    );
    let opened = bench
        .told()
        .iter()
        .filter(|line| line.ends_with("opened"))
        .count();
    let closed = bench
        .told()
        .iter()
        .filter(|line| line.contains("closed"))
        .count();
    assert_eq!(opened, closed);
}

fn silence(app: &str, from: f64, until: f64) -> Silence {
    Silence {
        id: "1".to_owned(),
        matchers: Matchers {
            app: Globs(vec![app.to_owned()]),
            ..Matchers::default()
        },
        windows: vec![(at(from).wall, at(until).wall)],
        reason: String::new(),
        author: String::new(),
    }
}

#[test]
fn a_silence_tells_nobody_until_it_ends_and_what_opened_before_it_gets_its_closing() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.beats(
        &["web.iad.a", "api.iad.b", "x.iad.c"],
        (0..=100).step_by(10),
    );
    bench.beats(&["web.iad.a", "x.iad.c"], (110..=200).step_by(10));
    bench.engine.set_silences(
        vec![silence("web", 200.0, 400.0), silence("api", 200.0, 400.0)],
        at(200.0),
    );
    bench.beats(&["api.iad.b", "x.iad.c"], (210..=410).step_by(10));
    assert_eq!(
        bench.told(),
        [
            "130 HeartbeatMissed b opened",
            "210 HeartbeatMissed b closed resolved",
            "230 HeartbeatMissed a opened"
        ]
    );
    let told_at = bench
        .engine
        .open_incidents()
        .next()
        .map(|notice| notice.decided);
    assert!(told_at < Some(Wall::NEVER));
}

#[test]
fn what_opens_and_ends_within_a_silence_is_told_to_nobody() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench
        .engine
        .set_silences(vec![silence("web", 0.0, 400.0)], at(0.0));
    bench.beats(&["web.iad.a", "x.iad.c"], (0..=100).step_by(10));
    bench.beats(&["x.iad.c"], (110..=200).step_by(10));
    bench.beats(&["web.iad.a", "x.iad.c"], (210..=500).step_by(10));
    assert_eq!(bench.told(), Vec::<&str>::new());
    assert!(
        bench.said.iter().any(|line| line.contains("firing")),
        "it is evaluated as ever"
    );
}

#[test]
fn an_open_incident_is_told_again_as_often_as_remind_says() {
    let mut bench = Bench::new(vec![Rule {
        remind: Some(seconds(100.0)),
        ..rule("r", "web", 30.0)
    }]);
    bench.beats(&["web.iad.a", "x.iad.c"], [0]);
    bench.beats(&["x.iad.c"], (10..=300).step_by(10));
    let told = bench.told();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[1].ends_with("reminder 1") && told[2].ends_with("reminder 2"),
        "{told:?}"
    );
}

#[test]
fn a_host_that_dies_is_one_incident() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    let dies = ["web.iad.a", "api.iad.b"];
    let lives = ["web.iad.c", "api.iad.d"];
    for second in (0..=200).step_by(10) {
        for who in dies.iter().filter(|_| second <= 100) {
            bench.say_from(who, "0ad1", f64::from(second));
        }
        for who in lives {
            bench.say_from(who, "77aa", f64::from(second));
        }
        bench.tick(f64::from(second));
    }
    assert_eq!(bench.told(), ["130 HostSilent  opened"]);
    let notice = bench.engine.open_incidents().next().expect("it is open");
    assert_eq!(
        (notice.who.host.as_str(), notice.affected_total),
        ("0ad1", 2)
    );
}

#[test]
fn entries_do_not_stand_for_beats_and_the_incident_says_how_many_log_on() {
    let all = organisation();
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.beats(&names(&all), (0..=100).step_by(10));
    // The last word of one that dies with its region.
    bench.entry("app1.lhr.1lhr0", 103.0);
    for second in (110..=200).step_by(10) {
        bench.entry("app0.lhr.0lhr0", second as f64);
        bench.beats(&of(&all, "iad"), [second]);
    }
    assert_eq!(bench.told(), ["130 RegionSilent  opened"]);
    let notice = bench.engine.open_incidents().next().expect("it is open");
    assert_eq!(notice.between.logging, 1, "{notice:?}");
}

#[test]
fn one_that_is_heard_again_in_a_large_silent_region_leaves_it_one_incident() {
    let all: Vec<String> = (0..80).map(|n| format!("web.iad.{n}")).collect();
    let (first, last) = all.split_at(40);
    let (first, last) = (names(first), names(last));
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    for second in (0..=100).step_by(10) {
        bench.beats(&["web.lhr.x"], [second]);
        bench.beats(&first, [second]);
    }
    bench.beats(&last, [102]);
    bench.beats(&["web.lhr.x"], 103..=131);
    assert_eq!(bench.told(), ["130 RegionSilent  opened"]);
    bench.beats(&last[..1], [131]);
    bench.beats(&["web.lhr.x"], 132..=134);
    assert_eq!(bench.told(), ["130 RegionSilent  opened"]);
    let notice = bench.engine.open_incidents().next().expect("it is open");
    assert_eq!(notice.affected_total, 79, "{notice:?}");
}

#[test]
fn who_has_moved_to_another_host_is_not_on_its_old_one() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    for second in 0..=140 {
        for (who, host) in [
            ("a.iad.1", "0ad1"),
            ("b.iad.1", "0ad1"),
            ("c.iad.1", "0ad1"),
        ] {
            let moved = who == "c.iad.1" && second >= 50;
            if second % 10 == 0 && (second <= 100 || moved) {
                let host = if moved { "77aa" } else { host };
                bench.say_from(who, host, f64::from(second));
            }
        }
        bench.tick(f64::from(second));
    }
    assert_eq!(bench.told(), ["130 HostSilent  opened"]);
}

#[test]
fn a_region_that_dies_takes_in_its_groups_that_fire_already() {
    let group = Rule {
        by: By::AppRegion,
        ..rule("group", "web", 30.0)
    };
    let mut bench = Bench::new(vec![group, rule("slow", "d*", 60.0)]);
    let web = ["web.iad.a", "web.iad.b"];
    for second in (0..=240).step_by(10) {
        bench.beats(&["web.lhr.x", "db.lhr.y", "dc.lhr.y"], [second]);
        bench.beats(&web, (second <= 100).then_some(second));
        bench.beats(&["db.iad.c", "dc.iad.c"], (second <= 150).then_some(second));
    }
    assert_eq!(
        bench.told(),
        [
            "130 AppRegionSilent  opened",
            "210 RegionSilent  opened",
            "220 AppRegionSilent  closed superseded"
        ]
    );
}
