//! Numbers, names and severities of notifications.

use crate::core::notice::routing::Hours;
use crate::core::notice::{Alarm, Notice, NoticeKind, Scope};
use crate::core::rule::{Globs, Matchers, Rule, Severity, Watch};
use crate::core::silence::Silence;
use crate::core::tests::bench::{Bench, at, rule};
use crate::core::time::Wall;

/// Until `dead` all beat; then only those whose name does not begin with one of these. `own`, lastbeat itself, logs on.
fn without(bench: &mut Bench, all: &[&str], dead: &[&str], seconds: u64) {
    let lives = |who: &&str| !dead.iter().any(|dead| who.starts_with(dead));
    for second in (0..=100 + seconds).step_by(10) {
        for who in all.iter().filter(|who| second <= 100 || lives(who)) {
            bench.say(who, "", second as f64);
        }
        bench.entry("other.zrh.o", second as f64);
        bench.tick(second as f64);
    }
}

fn opened(bench: &Bench) -> Vec<&Notice> {
    let all = bench.notices.iter();
    all.filter(|notice| notice.kind == NoticeKind::Opened)
        .collect()
}

#[test]
fn all_regions_but_the_own_are_cut_off_from_lastbeat() {
    let all = [
        "web.iad.a",
        "web.iad.b",
        "web.fra.c",
        "web.fra.d",
        "web.syd.e",
        "web.syd.f",
        "web.lhr.g",
        "web.lhr.h",
    ];
    let two = ["web.fra", "web.syd"].as_slice();
    let three = ["web.fra", "web.syd", "web.lhr"].as_slice();
    for (own, dead, of_total, cut_off) in [
        (true, two, 3, false),
        (true, three, 3, true),
        (false, two, 4, false),
        (false, three, 4, false),
    ] {
        let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
        let me = ("mon".to_owned(), "iad".to_owned(), "m".to_owned());
        bench.engine.facts.options.own = own.then_some(me);
        without(&mut bench, &all, dead, 60);
        let told = opened(&bench);
        assert_eq!(told.len(), 1, "{:?}", bench.told());
        let notice = told[0];
        assert_eq!(notice.scope, Scope::Regions);
        let found = (notice.between.of_total, notice.between.cut_off);
        assert_eq!(found, (of_total, cut_off), "{own} {dead:?}");
        let mut regions: Vec<&str> = notice.who.region.split(", ").collect();
        regions.sort_unstable();
        let mut expected: Vec<&str> = dead.iter().map(|who| &who[4..]).collect();
        expected.sort_unstable();
        assert_eq!(regions, expected);
    }
}

#[test]
fn lastbeat_itself_proves_nothing_of_its_region_and_who_shares_a_name_with_it_does() {
    // Its name in another region is another's.
    for (dead, alive, scope) in [
        ("web.iad", "mon.iad.m", Scope::Region),
        ("web.iad", "mon.iad.x", Scope::AppRegion),
        ("web.iad", "api.iad.m", Scope::AppRegion),
        ("web.fra", "mon.fra.m", Scope::AppRegion),
    ] {
        let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
        bench.engine.facts.options.own = Some(("mon".to_owned(), "iad".to_owned(), "m".to_owned()));
        let web = ["web.iad.a", "web.iad.b", "web.fra.c", "web.fra.d"];
        let all = [web.as_slice(), &["mon.fra.m", alive]].concat();
        without(&mut bench, &all, &[dead], 60);
        let told = opened(&bench);
        let found: Vec<Scope> = told.iter().map(|notice| notice.scope).collect();
        assert_eq!(found, [scope], "{alive}");
    }
}

#[test]
fn a_part_of_an_app_is_told_of_all_its_instances_that_should_speak() {
    let all = [
        "web.iad.a",
        "web.fra.b",
        "web.iad.c",
        "web.fra.d",
        "web.iad.e",
        "web.fra.f",
    ];
    let logs = Rule {
        watch: Watch::Logs,
        ..rule("logs", "web", 3_000.0)
    };
    for (dead, rules, of_total) in [
        // Five that beat; with a rule about logs also the one that only logs.
        (
            ["web.iad.a", "web.fra.b"].as_slice(),
            vec![rule("r", "*", 30.0)],
            5,
        ),
        (
            &["web.iad.a", "web.fra.b"],
            vec![rule("r", "*", 30.0), logs],
            7,
        ),
        (&["web.iad.a"], vec![rule("r", "*", 30.0)], 0),
    ] {
        let mut bench = Bench::new(rules);
        for who in all {
            bench.say(who, "", 0.0);
        }
        bench.entry("web.iad.only-logs", 0.0);
        bench.say("web.fra.f", "bye", 1.0);
        without(&mut bench, &all[..5], dead, 60);
        let told = opened(&bench);
        assert_eq!(told.len(), 1, "{:?}", bench.told());
        assert_eq!(
            (told[0].scope, told[0].between.of_total),
            (told[0].scope, of_total),
            "{dead:?}"
        );
    }
}

/// Two of one app die, each watched by a rule of its own.
fn two_rules(
    first: (Severity, Option<&str>),
    second: (Severity, Option<&str>),
    hours: Hours,
) -> Bench {
    let of = |region: &str, (severity, active): (Severity, Option<&str>)| Rule {
        region: Globs(vec![region.to_owned()]),
        severity,
        active: active.map(str::to_owned),
        ..rule(region, "web", 30.0)
    };
    let mut bench = Bench::new(vec![of("iad", first), of("fra", second)]);
    bench.engine.set_hours(hours, at(0.0));
    let all = [
        "web.iad.a",
        "web.fra.b",
        "web.iad.c",
        "web.fra.d",
        "api.iad.e",
        "api.fra.f",
    ];
    without(&mut bench, &all, &["web.iad.a", "web.fra.b"], 60);
    bench
}

#[test]
fn what_is_out_of_its_hours_makes_nothing_worse() {
    let closed = || Hours::from([("office".to_owned(), Vec::new())]);
    let (worse, other) = (
        (Severity::Critical, Some("office")),
        (Severity::Warning, None),
    );
    for (first, second) in [(worse, other), (other, worse)] {
        let told = two_rules(first, second, closed());
        let found: Vec<_> = opened(&told).iter().map(|notice| notice.severity).collect();
        assert_eq!(found, [Severity::Warning]);
        let told = two_rules(first, second, Hours::new());
        let found: Vec<_> = opened(&told).iter().map(|notice| notice.severity).collect();
        assert_eq!(
            found,
            [Severity::Critical],
            "hours that nobody knows suppress nothing"
        );
    }
}

#[test]
fn hours_begin_and_end_at_their_seconds() {
    let hours = |from: f64, until: f64| {
        Hours::from([("office".to_owned(), vec![(at(from).wall, at(until).wall)])])
    };
    let told_at = |from: f64, until: f64| {
        let daily = Rule {
            active: Some("office".to_owned()),
            ..rule("r", "web", 30.0)
        };
        let mut bench = Bench::new(vec![daily]);
        bench.engine.set_hours(hours(from, until), at(0.0));
        bench.beats(&["web.iad.a", "api.iad.b"], [0]);
        (1..=100).find(|second| {
            bench.say("api.iad.b", "", f64::from(*second));
            bench.tick(f64::from(*second));
            !bench.notices.is_empty()
        })
    };
    assert_eq!(told_at(0.0, 100.0), Some(31));
    assert_eq!(told_at(60.0, 100.0), Some(60));
    assert_eq!(told_at(0.0, 31.0), None);
    assert_eq!(told_at(0.0, 31.5), Some(31));
}

fn silence(app: &str) -> Silence {
    Silence {
        id: "1".to_owned(),
        matchers: Matchers {
            app: Globs(vec![app.to_owned()]),
            ..Matchers::default()
        },
        windows: vec![(Wall::ZERO, Wall::from_nanos(u64::MAX))],
        reason: String::new(),
        author: String::new(),
    }
}

#[test]
fn a_silence_or_hours_in_place_of_others_hold_from_the_next_turn() {
    let daily = Rule {
        active: Some("office".to_owned()),
        ..rule("r", "web", 30.0)
    };
    let closed = |name: &str| Hours::from([(name.to_owned(), Vec::new())]);
    for by_hours in [false, true] {
        let mut bench = Bench::new(vec![daily.clone()]);
        match by_hours {
            true => bench.engine.set_hours(closed("office"), at(0.0)),
            false => bench.engine.set_silences(vec![silence("web")], at(0.0)),
        }
        bench.beats(&["web.iad.a", "api.iad.b"], [0]);
        bench.beats(&["api.iad.b"], (10..=100).step_by(10));
        assert_eq!(bench.told(), Vec::<&str>::new());
        match by_hours {
            true => bench.engine.set_hours(closed("shop"), at(101.0)),
            false => bench.engine.set_silences(vec![silence("api")], at(101.0)),
        }
        bench.tick(101.0);
        assert_eq!(bench.told().len(), 1, "{by_hours}");
    }
}

#[test]
fn never_seen_is_who_was_expected_and_said_nothing() {
    let mut bench = Bench::new(vec![rule("r", "web", 30.0)]);
    bench.beats(&["web.iad.a", "api.iad.b"], [0]);
    bench.beats(&["api.iad.b"], (10..=40).step_by(10));
    let seen = bench.notices[0].clone();
    assert!(!seen.last_text.is_empty() && seen.affected_total == 1);
    let wordless = Notice {
        last_text: String::new(),
        ..seen.clone()
    };
    let group = Notice {
        affected_total: 0,
        scope: Scope::AppRegion,
        ..wordless.clone()
    };
    for (notice, expected) in [
        (seen.clone(), false),
        (wordless.clone(), true),
        (
            Notice {
                alarm: Alarm::Logs,
                ..wordless.clone()
            },
            false,
        ),
        (
            Notice {
                scope: Scope::Host,
                ..wordless.clone()
            },
            false,
        ),
        (
            Notice {
                affected_total: 2,
                ..wordless.clone()
            },
            false,
        ),
        (group.clone(), true),
        (
            Notice {
                alarm: Alarm::Stalled,
                ..group.clone()
            },
            false,
        ),
        (
            Notice {
                alarm: Alarm::Drill,
                ..group.clone()
            },
            false,
        ),
        (
            Notice {
                scope: Scope::Downstream,
                ..group.clone()
            },
            false,
        ),
    ] {
        assert_eq!(notice.is_never_seen(), expected, "{notice:?}");
    }
}

#[test]
fn the_numbers_of_an_incident_follow_at_once_and_of_a_large_one_within_a_second() {
    for (members, at_once) in [(40, true), (600, false)] {
        let all: Vec<String> = (0..members).map(|n| format!("web.iad.{n}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
        bench.beats(&all, [0, 10]);
        bench.beats(&["web.lhr.x"], 10..=45);
        let total = |bench: &Bench| {
            let mut open = bench.engine.open_incidents();
            open.next().map(|notice| notice.affected_total)
        };
        let step = |bench: &mut Bench, who: &str, second: f64| {
            bench.say(who, "", second);
            bench.tick(second);
            total(bench)
        };
        assert_eq!(total(&bench), Some(members));
        assert_eq!(step(&mut bench, all[0], 46.1), Some(members - 1));
        let later = step(&mut bench, all[1], 46.6);
        assert_eq!(later, Some(members - if at_once { 2 } else { 1 }));
        // What waits is not forgotten, though nothing else changes.
        assert_eq!(step(&mut bench, "web.lhr.x", 47.2), Some(members - 2));
    }
}

#[test]
fn the_end_names_all_who_were_silent_and_not_the_last_of_them() {
    let three = ["web.iad.a", "web.iad.b", "web.fra.c"];
    for last in 0..3 {
        let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
        let all = [three.as_slice(), &["web.iad.d", "web.fra.e"]].concat();
        without(&mut bench, &all, &three, 40);
        let before = opened(&bench)[0].clone();
        assert_eq!(
            (before.who.app.as_str(), before.who.instance.as_str()),
            ("web", "")
        );
        for (n, who) in three.iter().enumerate() {
            if n != last {
                bench.say(who, "", 145.0);
            }
        }
        bench.beats(&all[3..], [145, 150]);
        bench.say(three[last], "bye", 155.0);
        bench.tick(155.0);
        let live = all.iter().copied().filter(|who| *who != three[last]);
        bench.beats(&live.collect::<Vec<_>>(), (160..=200).step_by(10));
        let end = bench.notices.last().expect("it is over");
        assert!(matches!(end.kind, NoticeKind::Closed(_)), "{end:?}");
        assert_eq!((&end.who, end.affected_total), (&before.who, 3));
        assert_eq!(end.between, before.between);
    }
}
