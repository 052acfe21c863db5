//! The members of scopes, and whose silence or words count for them.

use crate::core::incident::key::Key;
use crate::core::notice::Scope;
use crate::core::rule::{By, Rule, Watch};
use crate::core::tests::bench::{Bench, rule};
use crate::core::tracker::InstanceId;
use std::collections::BTreeSet;

/// One that beats to the end, in a region of its own.
const ALIVE: &str = "alive.ams.x";

/// Instances with their hosts.
const ALL: [(&str, &str); 7] = [
    ("web.iad.1", "0ad1"),
    ("web.iad.2", "77aa"),
    ("web.lhr.3", "0ad1"),
    ("db.lhr.4", "b00c"),
    ("db.fra.5", "b00c"),
    ("db.iad.6", "0ad1"),
    ("job.fra.7", ""),
];

fn organisation() -> Bench {
    let by = |by, name: &str, app: &str| Rule {
        by,
        watch: Watch::Logs,
        ..rule(name, app, 300.0)
    };
    let mut bench = Bench::new(vec![
        rule("r", "*", 300.0),
        by(By::AppRegion, "app-regions", "web"),
        by(By::App, "apps", "db"),
        by(By::Region, "regions", "job"),
    ]);
    for second in [0.0, 10.0] {
        for (who, host) in ALL {
            bench.say_from(who, host, second);
        }
        bench.tick(second);
    }
    bench
}

/// The keys of all scopes, with the first token that they share, then the second, then the host: empty ones match all.
fn keys(bench: &Bench) -> Vec<(Key, [String; 3])> {
    let tracker = &bench.engine.facts.tracker;
    let mut keys = Vec::new();
    let none = String::new;
    for id in 0..tracker.regions.len() as u32 {
        let region = tracker.region_names.get(id).to_string();
        keys.push((Key::Region(id), [none(), region, none()]));
    }
    for id in 0..tracker.apps.len() as u32 {
        let app = tracker.app_names.get(id).to_string();
        keys.push((Key::App(id), [app.clone(), none(), none()]));
        keys.push((Key::Part(id), [app, none(), none()]));
    }
    for id in 0..tracker.app_regions.len() as u32 {
        let (app, region) = bench.engine.view().app_region(id);
        let app = tracker.app_names.get(app).to_string();
        let region = tracker.region_names.get(region).to_string();
        keys.push((Key::AppRegion(id), [app, region, none()]));
    }
    for id in 0..tracker.hosts.len() as u32 {
        let host = tracker.host_names.get(id).to_string();
        keys.push((Key::Host(id), [none(), none(), host]));
    }
    let nobody = || "nobody".to_owned();
    for key in [Key::Stream, Key::Regions, Key::Downstream(0)] {
        keys.push((key, [nobody(), nobody(), nobody()]));
    }
    keys
}

/// True if an instance on a host is part of a scope, by its names.
fn matches(who: &str, host: &str, scope: &[String; 3]) -> bool {
    let tokens: Vec<&str> = who.split('.').collect();
    [tokens[0], tokens[1], host]
        .iter()
        .zip(scope)
        .all(|(own, asked)| asked.is_empty() || own == asked)
}

fn id_of(bench: &Bench, who: &str) -> InstanceId {
    let id = bench.engine.find(&format!("logs.{who}"));
    id.expect("it is known")
}

/// The target of an instance's first beat.
fn beat_of(bench: &Bench, who: &str) -> u32 {
    let tracker = &bench.engine.facts.tracker;
    let beat = tracker.beats_of(id_of(bench, who)).next();
    tracker.beat_row(beat.expect("it beats")).target
}

#[test]
fn scopes_have_the_instances_and_the_targets_that_their_names_say() {
    let mut bench = organisation();
    let keys = keys(&bench);
    assert_eq!(keys.len(), 3 + 2 * 3 + 6 + 3 + 3, "{keys:?}");
    let view = bench.engine.view();
    for (key, scope) in &keys {
        for (who, host) in ALL {
            let (id, expected) = (id_of(&bench, who), matches(who, host, scope));
            let instance = view.facts.tracker.instance(id);
            assert_eq!(view.is_in(instance, *key), expected, "{key:?} {who}");
            let mut all = view.instances_of(*key);
            assert_eq!(all.any(|one| one == id), expected, "{key:?} {who}");
            let within = view.is_within(beat_of(&bench, who), *key, &BTreeSet::new());
            assert_eq!(within, expected, "{key:?} {who}");
        }
    }
    for (who, _) in ALL {
        let (_, region) = view.app_region_of(beat_of(&bench, who));
        for other in 0..3 {
            let regions = BTreeSet::from([other]);
            let within = view.is_within(beat_of(&bench, who), Key::Regions, &regions);
            assert_eq!(within, region == other, "{who} {other}");
        }
    }
    let (gone, _) = ALL[0];
    let id = id_of(&bench, gone);
    bench.engine.facts.tracker.forget(id);
    let view = bench.engine.view();
    for (key, _) in keys {
        let instance = view.facts.tracker.instance(id);
        assert!(!view.is_in(instance, key), "{key:?}");
    }
}

#[test]
fn the_target_of_a_group_lies_within_the_scopes_that_have_all_of_it() {
    let bench = organisation();
    let view = bench.engine.view();
    let groups: Vec<_> = view.targets.groups.iter().collect();
    let mut found = Vec::new();
    for (_, group) in groups {
        for (key, scope) in keys(&bench) {
            if view.is_within(group.target, key, &BTreeSet::new()) {
                found.push(format!("{:?} {:?} {scope:?}", group.by, key.scope()));
            }
        }
    }
    for (by, scopes) in [
        (By::AppRegion, &[Scope::App, Scope::Region][..]),
        (By::App, &[Scope::App]),
        (By::Region, &[Scope::Region]),
    ] {
        for scope in [Scope::App, Scope::Region] {
            let has = format!("{by:?} {scope:?} ");
            let is_found = found.iter().any(|line| line.starts_with(&has));
            assert_eq!(is_found, scopes.contains(&scope), "{has} {found:?}");
        }
    }
    assert!(!found.iter().any(|line| line.contains("Host")), "{found:?}");
}

/// Words of instances at their times.
type Words<'a> = [(&'a str, &'a str, f64)];

/// Beats each 10 s, of these until 100 s; a turn each second until 131 s. Gives what was told.
fn die(rules: Vec<Rule>, who: &[&str], words: &Words<'_>) -> Vec<String> {
    let mut bench = Bench::new(rules);
    let mut words = words.iter().peekable();
    for second in 0..=131_u32 {
        while let Some((who, words, at)) = words.next_if(|one| one.2 <= f64::from(second)) {
            match *words {
                "entry" => drop(bench.entry(who, *at)),
                words => drop(bench.say(who, words, *at)),
            }
        }
        bench.entry(ALIVE, f64::from(second));
        if second % 10 == 0 && second <= 100 {
            for who in who {
                bench.say(who, "every=10", f64::from(second));
            }
        }
        bench.tick(f64::from(second));
    }
    bench.told().into_iter().map(str::to_owned).collect()
}

/// Its words, each ten seconds from the first to the last of these.
fn often<'a>(who: &'a str, words: &'a str, first: u32, last: u32) -> Vec<(&'a str, &'a str, f64)> {
    let seconds = (first..=last).step_by(10);
    let all = seconds.map(|second| (who, words, f64::from(second)));
    all.collect()
}

#[test]
fn of_one_that_no_rule_watches_only_an_entry_after_the_others_were_due_proves_life() {
    for (at, is_silent) in [
        (20.0, true),
        (115.0, true),
        (115.001, false),
        (128.0, false),
    ] {
        let rules = vec![rule("web", "web", 30.0), rule("db", "db", 30.0)];
        let who = ["web.iad.1", "db.iad.2"];
        let told = die(rules, &who, &[("job.iad.9", "entry", at)]);
        let region = told.iter().any(|line| line.contains("RegionSilent"));
        assert_eq!(region, is_silent, "{at}: {told:?}");
    }
}

#[test]
fn the_last_words_of_one_that_stops_prove_no_life() {
    let who = ["web.iad.1", "db.iad.2"];
    for (words, is_silent) in [("bye", true), ("", false)] {
        let said = [("job.iad.9", "", 108.0), ("job.iad.9", words, 118.0)];
        let told = die(vec![rule("r", "*", 30.0)], &who, &said);
        let region = told == ["130 RegionSilent  opened"];
        assert_eq!(region, is_silent, "{words}: {told:?}");
    }
}

fn logs(name: &str, app: &str, max_gap: f64) -> Rule {
    Rule {
        watch: Watch::Logs,
        ..rule(name, app, max_gap)
    }
}

#[test]
fn one_whose_entries_are_watched_is_silent_with_the_beats_of_its_region() {
    for (last, told) in [
        (100, "130 RegionSilent  opened"),
        (120, "130 HeartbeatMissed 1 opened"),
    ] {
        let rules = || vec![rule("web", "web", 30.0), logs("job", "job", 60.0)];
        let entries = often("job.iad.9", "entry", 0, last);
        assert_eq!(die(rules(), &["web.iad.1"], &entries), [told], "{last}");
    }
    // One that stopped is no part of it.
    let mut entries = often("job.iad.9", "entry", 0, 90);
    entries.push(("job.iad.9", "bye", 95.0));
    let rules = vec![rule("web", "web", 30.0), logs("job", "job", 60.0)];
    let told = die(rules, &["web.iad.1"], &entries);
    assert_eq!(told, ["130 HeartbeatMissed 1 opened"]);
}

#[test]
fn where_both_are_watched_entries_do_not_stand_for_beats() {
    let rules = vec![rule("web", "web", 30.0), logs("words", "web", 60.0)];
    let mut entries = often("web.iad.1", "entry", 105, 130);
    entries.extend(often("web.iad.2", "entry", 105, 130));
    let mut beats = often("web.lhr.3", "", 1, 131);
    beats.extend(entries);
    beats.sort_by(|one, other| one.2.total_cmp(&other.2));
    let told = die(rules, &["web.iad.1", "web.iad.2"], &beats);
    assert_eq!(told, ["130 RegionSilent  opened"]);
}

#[test]
fn a_group_is_part_of_a_wider_silence_only_if_more_than_its_own_are_silent() {
    let (own, region) = ("130 AppRegionSilent  opened", "130 RegionSilent  opened");
    let others = ["db.iad.4", "db.iad.5"];
    for (count, counted, told) in [
        (0, false, own),
        (0, true, own),
        (2, false, region),
        (1, true, region),
        (2, true, region),
    ] {
        let group = Rule {
            by: By::AppRegion,
            ..rule("group", "web", 30.0)
        };
        // Of a group alone no instance is judged by itself.
        let words = logs("words", if counted { "web" } else { "" }, 60.0);
        let rules = vec![group, words, rule("db", "db", 100.0)];
        let mut who = vec!["web.iad.1", "web.iad.2"];
        who.extend(&others[..count]);
        let lives = often("web.lhr.3", "", 1, 131);
        assert_eq!(die(rules, &who, &lives), [told], "{count} {counted}");
    }
}

#[test]
fn one_logs_on_if_it_said_something_after_its_beat_was_due_and_not_too_long_ago() {
    for (said, now, logs_on) in [
        (100.5, 130.0, false),
        (115.0, 130.0, false),
        (115.5, 130.0, true),
        (116.0, 175.9, true),
        (116.0, 176.0, false),
    ] {
        let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
        bench.beats(&["web.iad.1", ALIVE], (0..=100).step_by(10));
        let mut entries = vec![("web.iad.1", said)];
        entries.extend((101..=(now as u32)).map(|second| (ALIVE, f64::from(second))));
        entries.push((ALIVE, now));
        entries.sort_by(|one, other| one.1.total_cmp(&other.1));
        for (who, second) in entries {
            bench.entry(who, second);
        }
        let id = id_of(&bench, "web.iad.1");
        let still_logs = bench.engine.view().still_logs(id);
        assert_eq!(still_logs, logs_on, "{said} {now}");
    }
}
