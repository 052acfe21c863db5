//! Effects of the inventory, and their absence.

use crate::core::entry::Lifecycle;
use crate::core::inventory::{Exit, Listed, Machine, Poll, Purpose};
use crate::core::rule::Rule;
use crate::core::tests::bench::{Bench, at, rule};
use std::sync::Arc;

const WEB: &str = "web.iad.a";
const API: &str = "api.lhr.b";
const LONE: &str = "lone.nrt.c";

pub(super) fn machine(who: &str, listed: Listed) -> Machine {
    let mut tokens = who.split('.').map(Arc::from);
    let mut next = || tokens.next().expect("app.region.id");
    let word = match listed {
        Listed::Started => "started",
        Listed::Starting => "replacing",
        Listed::Stopped => "stopped",
        Listed::Failed => "failed",
        Listed::Gone => "destroyed",
        Listed::Unknown => "frozen",
    };
    Machine {
        app: next(),
        region: next(),
        id: next(),
        listed,
        word: Arc::from(word),
        unreachable: false,
        purpose: Purpose::Unknown,
        group: None,
        exit: None,
    }
}

/// A core with an inventory.
pub(super) fn bench(rules: Vec<Rule>) -> Bench {
    let mut bench = Bench::new(rules);
    bench.engine.facts.options.inventory = true;
    bench
}

pub(super) fn poll(bench: &mut Bench, second: f64, machines: Vec<Machine>) {
    let poll = Poll {
        asked_at: at(second).mono,
        machines,
        whole: true,
        unread_regions: Vec::new(),
    };
    bench.engine.inventory(&poll, at(second));
    bench.keep();
}

pub(super) fn started(who: &[&str]) -> Vec<Machine> {
    who.iter()
        .map(|who| machine(who, Listed::Started))
        .collect()
}

#[test]
fn who_is_started_and_silent_fires_and_who_is_not_started_does_not() {
    for (listed, fires) in [
        (Listed::Started, true),
        (Listed::Failed, true),
        (Listed::Unknown, true),
        (Listed::Stopped, false),
        (Listed::Gone, false),
    ] {
        let mut bench = bench(vec![rule("r", "*", 30.0)]);
        bench.beats(&[WEB, API, LONE], [0, 10, 20]);
        bench.beats(&[WEB, API], [30, 40, 50]);
        let mut machines = started(&[WEB, API]);
        machines.push(machine(LONE, listed));
        poll(&mut bench, 52.0, machines);
        bench.beats(&[WEB, API], [60, 70, 80]);
        let told: &[&str] = if fires {
            &["50 HeartbeatMissed c opened"]
        } else {
            &[]
        };
        assert_eq!(bench.told(), told, "{listed:?}");
    }
}

#[test]
fn an_answer_newer_than_the_deadline_is_awaited_for_five_seconds() {
    let mut bench = bench(vec![rule("r", "*", 30.0)]);
    bench.beats(&[WEB, API, LONE], [0, 10, 20]);
    bench.beats(&[WEB, API], [30, 40]);
    poll(&mut bench, 45.0, started(&[WEB, API, LONE]));
    bench.beats(&[WEB, API], [51]);
    let candidates = bench.engine.take_candidates().expect("it asks");
    assert_eq!(candidates.len(), 1);
    assert_eq!(&*candidates[0].id, "c");
    assert_eq!(bench.engine.take_candidates(), None, "asked once");
    let wake = bench.tick(53.0);
    assert!(wake <= at(56.0).mono, "it wakes when the wait is over");
    assert_eq!(bench.told(), Vec::<&str>::new());
    bench.tick(56.0);
    bench.tick(56.1);
    assert_eq!(
        bench.told(),
        ["50 HeartbeatMissed c opened"],
        "nothing known means alert"
    );
}

#[test]
fn an_answer_ends_the_wait_either_way() {
    for (listed, told) in [(Listed::Started, 1), (Listed::Stopped, 0)] {
        let mut bench = bench(vec![rule("r", "*", 30.0)]);
        bench.beats(&[WEB, API, LONE], [0, 10, 20]);
        bench.beats(&[WEB, API], [30, 40, 51]);
        poll(
            &mut bench,
            51.5,
            vec![
                machine(WEB, Listed::Started),
                machine(API, Listed::Started),
                machine(LONE, listed),
            ],
        );
        bench.tick(51.6);
        assert_eq!(bench.told().len(), told, "{listed:?}");
    }
}

#[test]
fn a_beat_proves_life_whatever_the_inventory_says() {
    let mut bench = bench(vec![rule("r", "*", 30.0)]);
    for second in (0..=300).step_by(10) {
        bench.beats(&[WEB, API], [second]);
        let stopped = vec![machine(WEB, Listed::Stopped), machine(API, Listed::Started)];
        poll(&mut bench, second as f64 + 5.0, stopped);
    }
    let verdicts = bench.engine.snapshot(at(305.0), 100);
    assert_eq!(verdicts.instances.len(), 2);
    poll(&mut bench, 306.0, started(&[WEB, API]));
    bench.beats(&[API], (310..=400).step_by(10));
    assert_eq!(
        bench.told(),
        ["330 HeartbeatMissed a opened"],
        "it runs by the list again"
    );
}

#[test]
fn a_stop_that_the_inventory_does_not_confirm_is_lost_news_of_a_start() {
    let mut bench = bench(vec![rule("r", "*", 30.0)]);
    bench.beats(&[WEB, API], [0, 10, 20]);
    let id = bench.engine.find("logs.web.iad.a").expect("known");
    bench.engine.lifecycle(id, Lifecycle::Autostop);
    // The inventory may lag behind for a minute.
    poll(&mut bench, 40.0, started(&[WEB, API]));
    bench.beats(&[API], (30..=80).step_by(10));
    assert_eq!(bench.told(), Vec::<&str>::new());
    poll(&mut bench, 90.0, started(&[WEB, API]));
    bench.beats(&[API], (90..=120).step_by(10));
    poll(&mut bench, 121.0, started(&[WEB, API]));
    bench.beats(&[API], [130]);
    assert_eq!(bench.told(), ["110 HeartbeatMissed a opened"]);
}

#[test]
fn what_is_not_listed_is_gone_where_its_app_is_listed_and_unknown_elsewhere() {
    let mut bench = bench(vec![rule("r", "*", 30.0)]);
    bench.beats(&["web.iad.a", "web.iad.z", API, LONE], [0, 10, 20]);
    bench.beats(&["web.iad.a", API], [30, 40]);
    // One of two machines of `web` is listed; none of `lone` ever was.
    poll(&mut bench, 45.0, started(&["web.iad.a", API]));
    bench.beats(&["web.iad.a", API], [50, 55]);
    poll(&mut bench, 56.0, started(&["web.iad.a", API]));
    bench.beats(&["web.iad.a", API], [60, 70]);
    assert_eq!(bench.told(), ["50 HeartbeatMissed c opened"]);
}

#[test]
fn nothing_follows_for_a_region_that_could_not_be_read() {
    let mut bench = bench(vec![rule("r", "*", 30.0)]);
    bench.beats(&["web.iad.a", "web.nrt.z", API], [0, 10, 20]);
    bench.beats(&["web.iad.a", API], [30, 40, 51]);
    let poll = Poll {
        asked_at: at(52.0).mono,
        machines: started(&["web.iad.a", API]),
        whole: true,
        unread_regions: vec![Arc::from("nrt")],
    };
    bench.engine.inventory(&poll, at(52.0));
    bench.beats(&["web.iad.a", API], [60]);
    assert_eq!(bench.told(), ["50 HeartbeatMissed z opened"]);
}

#[test]
fn a_machine_on_its_way_is_waited_for_and_told_once_it_is_stuck() {
    let mut bench = bench(vec![rule("r", "*", 30.0)]);
    bench.beats(&[WEB, API], [0, 10, 20]);
    for second in (30..=340).step_by(10) {
        bench.beats(&[API], [second]);
        poll(
            &mut bench,
            second as f64 + 1.0,
            vec![
                machine(WEB, Listed::Starting),
                machine(API, Listed::Started),
            ],
        );
        bench.tick(second as f64 + 7.0);
    }
    assert_eq!(bench.told(), ["50 HeartbeatMissed a opened"]);
    let notice = bench.engine.open_incidents().next().expect("open");
    assert_eq!(notice.detail, "stuck in replacing for more than 5 minutes");
}

#[test]
fn a_machine_that_ended_badly_by_itself_is_missed_and_one_that_was_asked_to_is_not() {
    let exit = |requested, code, oom| {
        Some(Exit {
            requested,
            code,
            oom,
        })
    };
    for (exit, detail) in [
        (
            exit(false, Some(1), false),
            Some("it exited with code 1 and is not restarted"),
        ),
        (
            exit(false, Some(137), true),
            Some("it ran out of memory and is not restarted"),
        ),
        (exit(true, Some(137), false), None),
        (exit(false, Some(0), false), None),
        (None, None),
    ] {
        let mut bench = bench(vec![rule("r", "*", 30.0)]);
        bench.beats(&[WEB, API], [0, 10, 20]);
        bench.beats(&[API], [30, 40, 51]);
        let mut web = machine(WEB, Listed::Stopped);
        web.exit = exit;
        poll(&mut bench, 52.0, vec![web, machine(API, Listed::Started)]);
        bench.beats(&[API], [60]);
        let notice = bench.engine.open_incidents().next();
        assert_eq!(
            notice.as_ref().map(|notice| notice.detail.as_str()),
            detail,
            "{exit:?}"
        );
    }
}

#[test]
fn an_unreachable_host_is_an_outage_whatever_the_state() {
    let mut bench = bench(vec![rule("r", "*", 30.0)]);
    bench.beats(&[WEB, API], [0, 10, 20]);
    bench.beats(&[API], [30, 40, 51]);
    let mut web = machine(WEB, Listed::Stopped);
    web.unreachable = true;
    poll(&mut bench, 52.0, vec![web, machine(API, Listed::Started)]);
    bench.beats(&[API], [60]);
    let notice = bench.engine.open_incidents().next().expect("open");
    assert_eq!(notice.detail, "its host is unreachable, says the inventory");
}

#[test]
fn a_started_machine_of_an_app_that_beats_and_of_which_nothing_is_heard_fires_as_never_seen() {
    let mut bench = bench(vec![rule("r", "*", 30.0)]);
    bench.beats(&[WEB, API], [0, 10, 20]);
    let all = ["web.iad.a", "web.iad.new", API, "quiet.iad.q"];
    poll(&mut bench, 20.2, started(&all[..1]));
    poll(&mut bench, 21.0, started(&all));
    bench.beats(&[WEB, API], [30, 40, 50]);
    poll(&mut bench, 53.0, started(&all));
    bench.beats(&[WEB, API], [60]);
    // No machine of `quiet` ever beat, and no rule names the app.
    assert_eq!(bench.told(), ["50 HeartbeatMissed new opened"]);
    let notice = bench.engine.open_incidents().next().expect("open");
    assert_eq!(
        notice.detail,
        "the inventory lists it as started, and nothing of it was ever heard"
    );
    bench.beats(&[WEB, API, "web.iad.new"], [70]);
    bench.beats(&[WEB, API], [80, 90, 100]);
    poll(&mut bench, 101.5, started(&all));
    bench.beats(&[WEB, API], [110]);
    let told = [
        "50 HeartbeatMissed new opened",
        "70 HeartbeatMissed new closed resolved",
        "100 HeartbeatMissed new opened",
    ];
    assert_eq!(
        bench.told(),
        told,
        "from its first beat on it is one like any"
    );
}

#[test]
fn a_machine_that_ran_before_we_asked_is_not_expected_to_speak_until_it_starts_anew() {
    let mut bench = bench(vec![rule("r", "*", 30.0)]);
    bench.beats(&[WEB, API], [0, 10, 20]);
    let all = ["web.iad.a", "web.iad.quiet", API];
    for second in (21..=201).step_by(10) {
        poll(&mut bench, second as f64, started(&all));
        bench.beats(&[WEB, API], [second + 9]);
    }
    assert_eq!(bench.told(), Vec::<&str>::new());
    poll(&mut bench, 211.0, started(&[WEB, API]));
    poll(&mut bench, 221.0, started(&all));
    bench.beats(&[WEB, API], [230, 240, 250]);
    poll(&mut bench, 251.5, started(&all));
    bench.beats(&[WEB, API], [260]);
    assert_eq!(bench.told(), ["240 HeartbeatMissed quiet opened"]);
}

#[test]
fn what_ends_by_itself_is_never_expected_and_a_console_that_logs_is_none() {
    let mut bench = bench(vec![rule("r", "web", 30.0)]);
    bench.beats(&[WEB, API], [0, 10, 20]);
    let mut release = machine("web.iad.release", Listed::Started);
    release.purpose = Purpose::Ephemeral;
    let all = vec![
        machine(WEB, Listed::Started),
        release,
        machine("web.iad.console", Listed::Started),
    ];
    poll(&mut bench, 21.0, all.clone());
    bench.entry("web.iad.console", 22.0);
    bench.beats(&[WEB, API], (30..=200).step_by(10));
    poll(&mut bench, 201.0, all);
    bench.beats(&[WEB, API], [210]);
    assert_eq!(bench.told(), Vec::<&str>::new());
}

#[test]
fn one_that_boots_and_never_beats_is_missed_where_others_that_do_its_work_beat() {
    let mut bench = bench(vec![rule("r", "*", 30.0)]);
    bench.beats(&[WEB, API], [0, 10, 20]);
    let service = |who: &str, group: &str| Machine {
        purpose: Purpose::Service,
        group: Some(Arc::from(group)),
        ..machine(who, Listed::Started)
    };
    let all = vec![
        service(WEB, "web"),
        service("web.iad.hung", "web"),
        service("web.iad.job", "jobs"),
    ];
    bench.entry("web.iad.hung", 21.0);
    bench.entry("web.iad.job", 21.0);
    poll(&mut bench, 22.0, all.clone());
    poll(&mut bench, 25.0, all.clone());
    bench.beats(&[WEB, API], [30, 40, 50]);
    poll(&mut bench, 56.0, all);
    bench.beats(&[WEB, API], [60]);
    assert_eq!(bench.told(), ["51 HeartbeatMissed hung opened"]);
}

#[test]
fn how_one_ended_that_a_poll_saw_stopped_before_its_deadline_is_asked_once_and_decides() {
    for (requested, told) in [
        (true, &[][..]),
        (false, &["50 HeartbeatMissed c opened"][..]),
    ] {
        let mut bench = bench(vec![rule("r", "*", 30.0)]);
        bench.beats(&[WEB, API, LONE], [0, 10, 20]);
        bench.beats(&[WEB, API], [30]);
        let mut stopped = machine(LONE, Listed::Stopped);
        stopped.purpose = Purpose::Service;
        let mut all = started(&[WEB, API]);
        all.push(stopped);
        poll(&mut bench, 32.0, all.clone());
        let asked = bench.engine.take_candidates().expect("it asks");
        assert_eq!((asked.len(), &*asked[0].id), (1, "c"));
        all[2].exit = Some(Exit {
            requested,
            code: Some(137),
            oom: true,
        });
        poll(&mut bench, 33.0, all.clone());
        assert_eq!(bench.engine.take_candidates(), None, "once");
        bench.beats(&[WEB, API], [40, 50]);
        // The next answer does not repeat it.
        all[2].exit = None;
        poll(&mut bench, 52.0, all);
        bench.beats(&[WEB, API], [60]);
        assert_eq!(bench.told(), told, "requested: {requested}");
    }
}

#[test]
fn a_crash_fires_at_once_where_the_rule_says_so() {
    let mut crashing = rule("r", "*", 300.0);
    crashing.on_crash = true;
    let mut bench = Bench::new(vec![crashing]);
    bench.beats(&[WEB, API], [0, 10, 20]);
    let id = bench.engine.find("logs.web.iad.a").expect("known");
    bench.engine.lifecycle(id, Lifecycle::OutOfMemory);
    bench.beats(&[API], [21]);
    assert_eq!(bench.told(), ["20 HeartbeatMissed a opened"]);
    let detail = bench
        .engine
        .open_incidents()
        .next()
        .map(|notice| notice.detail.clone());
    assert_eq!(detail.as_deref(), Some("it ran out of memory"));
    bench.beats(&[WEB, API], (30..=90).step_by(10));
    assert_eq!(
        bench.told()[1..],
        ["30 HeartbeatMissed a closed resolved"],
        "its next beat ends it"
    );
}

#[test]
fn a_silent_machine_is_restarted_once_for_an_incident_and_few_times_an_hour() {
    let mut restarting = rule("r", "*", 30.0);
    restarting.restart_silent = true;
    let mut bench = bench(vec![restarting]);
    let many: Vec<String> = (0..9).map(|n| format!("app{n}.iad.i{n}")).collect();
    let all: Vec<&str> = many.iter().map(String::as_str).collect();
    bench.beats(&all, [0]);
    bench.beats(&[WEB, API], [0]);
    // They fall silent one after another.
    for (dead, second) in (10..=360).step_by(10).enumerate() {
        let alive = &all[all.len().min(dead / 4)..];
        bench.beats(alive, [second]);
        bench.beats(&[WEB, API], [second]);
        let mut listed = all.clone();
        listed.extend([WEB, API]);
        poll(&mut bench, second as f64 + 5.0, started(&listed));
        bench.tick(second as f64 + 5.1);
    }
    let restarts = bench
        .said
        .iter()
        .filter(|line| line.starts_with("restart"))
        .count();
    let opened = bench
        .said
        .iter()
        .filter(|line| line.ends_with("opened"))
        .count();
    assert!(opened >= 7, "{opened}");
    assert_eq!(
        restarts,
        crate::core::incident::restart_limit::RESTARTS_AN_HOUR
    );
    let refused =
        |notice: &crate::core::notice::Notice| notice.detail.contains("within an hour already");
    assert_eq!(
        bench.engine.open_incidents().filter(refused).count(),
        opened - restarts
    );
}

#[test]
fn nothing_is_restarted_that_is_silent_with_others_or_that_the_inventory_does_not_know() {
    let mut restarting = rule("r", "*", 30.0);
    restarting.restart_silent = true;
    let mut bench = bench(vec![restarting]);
    let two = ["web.iad.a", "web.iad.b", API, LONE, "api.nrt.x"];
    bench.beats(&two, [0, 10, 20]);
    bench.beats(&[API, "api.nrt.x"], (30..=80).step_by(10));
    poll(&mut bench, 81.0, started(&["web.iad.a", "web.iad.b", API]));
    bench.tick(81.1);
    let opened = bench.told();
    assert_eq!(opened.len(), 2, "{opened:?}");
    assert!(
        !bench.said.iter().any(|line| line.starts_with("restart")),
        "{:?}",
        bench.said
    );
}

#[test]
fn one_that_is_heard_while_it_waits_for_the_list_waits_again_the_next_time() {
    let mut bench = bench(vec![rule("r", "lone", 30.0)]);
    bench.beats(&[LONE], [0, 20]);
    for second in 21..=83 {
        bench.entry(WEB, f64::from(second));
        if second == 52 {
            bench.say(LONE, "", 52.0);
        }
        bench.tick(f64::from(second));
        if second == 51 {
            assert!(bench.engine.take_candidates().is_some());
        }
    }
    assert_eq!(bench.told(), [""; 0], "it waits until 88 s");
    assert!(bench.engine.take_candidates().is_some());
}
