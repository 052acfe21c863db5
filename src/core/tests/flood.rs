//! Floods of invented names.

use crate::core::engine::{Engine, Output};
use crate::core::entry::{BeatLine, MarkerId, Provider, Reject, Subject};
use crate::core::notice::{Notice, NoticeKind};
use crate::core::rule::{By, Globs, Rule, Severity, Watch};
use crate::core::tests::bench::{Bench, at, engine, rule};
use crate::core::tracker::{InstanceId, Limits};

const HOUR: f64 = 3600.0;

fn small(rules: Vec<Rule>, instances: usize, apps: usize) -> Bench {
    let mut bench = Bench::new(Vec::new());
    let mut options = bench.engine.facts.options.clone();
    options.limits = Limits { instances, apps };
    let set = engine(rules, 0.0).facts.rules;
    bench.engine = Engine::new(set, options, at(0.0));
    bench
}

fn hear(engine: &mut Engine, raw: &str) -> Result<Option<InstanceId>, Reject> {
    let mut tokens = raw.split('.').skip(1);
    let mut next = || tokens.next().expect("logs.app.region.instance");
    let subject = Subject {
        raw,
        app: next(),
        region: next(),
        instance: next(),
    };
    let id = match engine.find(raw) {
        Some(id) => Some(id),
        None => engine.admit(&subject, 1)?,
    };
    if let Some(id) = id {
        engine.heard(id, Provider::App, 1);
    }
    Ok(id)
}

fn beat(engine: &mut Engine, raw: &str, name: &str, host: &str) -> Result<(), Reject> {
    let id = hear(engine, raw)?.expect("nobody is ignored");
    let line = BeatLine {
        marker: MarkerId(0),
        text: "HEARTBEAT",
        name,
        every: None,
        seq: None,
        bye: false,
        host,
        entry_time: None,
    };
    engine.beat(id, &line).map(drop)
}

fn notices(engine: &mut Engine) -> Vec<Notice> {
    let told = engine.drain().filter_map(|output| match output {
        Output::Notify(notice) => Some(*notice),
        Output::Changed(_) | Output::Restart(..) => None,
    });
    told.collect()
}

/// Name and kind of each notice.
fn words(notices: &[Notice]) -> Vec<String> {
    let words = |notice: &Notice| {
        let name = notice.alarm.name(notice.scope);
        format!("{name} {} {}", notice.who.instance, notice.kind.label())
    };
    notices.iter().map(words).collect()
}

/// Seeded: each run invents the same names.
struct Flood(u64);

impl Flood {
    /// A new subject: of an app of its own, of one of few apps, or of one app-region.
    fn subject(&mut self) -> String {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let made_up = self.0 >> 20;
        match made_up % 4 {
            0 => format!("logs.x{made_up:x}.iad.1"),
            1 => format!("logs.few{}.r{}.{made_up:x}", made_up % 100, made_up % 5_000),
            2 => format!("logs.fly-builder-{made_up:x}.iad.1"),
            _ => format!("logs.one.iad.a-name-that-takes-a-slot-{made_up:x}"),
        }
    }
}

/// A million invented subjects in a minute, beside a thousand instances that beat.
#[test]
fn a_million_made_up_subjects_neither_take_memory_nor_hide_who_dies_and_leave_in_a_day() {
    const KNOWN: usize = 1_000;
    const MOST: usize = 5_000;
    let known: Vec<String> = (0..KNOWN)
        .map(|one| format!("logs.web{}.lhr.{one}", one % 20))
        .collect();
    let by_app = Rule {
        by: By::App,
        ..rule("by app", "*", 90.0)
    };
    let mut bench = small(vec![rule("r", "web*", 30.0), by_app], MOST, 2_000);
    let engine = &mut bench.engine;
    let mut told = Vec::new();
    let mut second =
        |engine: &mut Engine, now: u64, dead: usize, flood: &mut dyn FnMut(&mut Engine)| {
            engine.arrive(at(now as f64));
            for raw in &known[dead..] {
                beat(engine, raw, "", "h").expect("they are known");
            }
            flood(engine);
            engine.evaluate(at(now as f64));
            told.extend(notices(engine));
        };
    for now in (0..60).step_by(10) {
        second(engine, now, 0, &mut |_| {});
    }
    let (mut made_up, mut refused) = (Flood(7), 0);
    for now in (60..120).step_by(10) {
        second(engine, now, 1, &mut |engine| {
            for _ in 0..1_000_000 / 6 {
                refused += u64::from(hear(engine, &made_up.subject()).is_err());
            }
        });
    }
    assert!(refused > 700_000, "{refused}");
    assert_eq!(engine.instances(), MOST);
    let tracker = &engine.facts.tracker;
    assert_eq!(
        (tracker.instances.len(), tracker.app_names.len()),
        (MOST, 2_000)
    );
    assert!(tracker.app_regions.len() <= MOST && tracker.region_names.len() <= 1_000);
    for now in (120..900).step_by(10) {
        second(engine, now, 1, &mut |_| {});
    }
    let expected = [
        "LastbeatFull  opened",
        "HeartbeatMissed 0 opened",
        "LastbeatFull  closed",
    ];
    assert_eq!(words(&told), expected);
    let full = &told[0];
    assert_eq!(full.severity, Severity::Error);
    let detail = "2000 apps are tracked, 2000 at most; new ones are dropped, known ones stay watched; raise LASTBEAT_MAX_APPS, or stop the client that invents names; the first: logs.";
    assert!(full.detail.starts_with(detail), "{}", full.detail);
    assert!(
        told[2].detail.ends_with("entries were dropped"),
        "{}",
        told[2].detail
    );
    assert_eq!(full.due.seconds() - at(0.0).wall.seconds(), 60.0);
    assert_eq!(told[1].due.seconds() - at(0.0).wall.seconds(), 80.0);

    let second = |engine: &mut Engine, now: u64| {
        engine.arrive(at(now as f64));
        for raw in &known[1..] {
            beat(engine, raw, "", "h").expect("they are known");
        }
        engine.evaluate(at(now as f64));
    };
    // Half a minute apart, which the rules allow, is cheaper; the last minutes are complete.
    for now in (900..90_000).step_by(30) {
        second(engine, now);
    }
    assert_eq!(engine.instances(), KNOWN - 1);
    let tracker = &engine.facts.tracker;
    assert_eq!(
        (tracker.app_names.len(), tracker.region_names.len()),
        (20, 1)
    );
    let live = tracker
        .app_regions
        .iter()
        .filter(|app_region| !app_region.members.is_empty());
    assert_eq!(live.count(), 20);
    assert_eq!(engine.targets.groups.iter().count(), 20, "one for each app");
    assert_eq!(engine.snapshot(at(90_000.0), 10).apps.len(), 20);
    for new in 0..1_900 {
        hear(engine, &format!("logs.new{new}.nrt.1")).expect("there is room again");
    }
    let (app_regions, instances) = (
        engine.facts.tracker.app_regions.len(),
        engine.facts.tracker.instances.len(),
    );
    assert!(
        app_regions <= MOST && instances == MOST,
        "slots are used again: {app_regions}"
    );
    let apps = engine.take_forgotten_apps();
    assert!(apps.len() > 1_900 && apps.iter().all(|(_, name)| !name.starts_with("web")));
}

#[test]
fn waves_are_one_incident_and_those_who_are_known_may_return() {
    let mut bench = small(vec![rule("r", "*", 30.0)], 2, 10);
    let engine = &mut bench.engine;
    let mut told = Vec::new();
    for now in (0..4_000).step_by(10) {
        engine.arrive(at(now as f64));
        beat(engine, "logs.web.iad.a", "", "").expect("it is known");
        beat(engine, "logs.web.iad.b", "", "").expect("it is known");
        // Each wave follows within ten minutes of the last.
        if now < 2_000 && now % 500 == 0 {
            let refused = hear(engine, "logs.new.iad.c");
            assert_eq!(refused, Err(Reject::Limit));
        }
        engine.evaluate(at(now as f64));
        told.extend(notices(engine));
    }
    assert_eq!(
        words(&told),
        ["LastbeatFull  opened", "LastbeatFull  closed"]
    );
    assert!(
        told[0]
            .detail
            .contains("2 instances are tracked, 2 at most"),
        "{}",
        told[0].detail
    );
    assert!(
        told[0].detail.contains("raise LASTBEAT_MAX_INSTANCES"),
        "{}",
        told[0].detail
    );
    assert!(
        told[0].detail.ends_with("the first: logs.new.iad.c"),
        "{}",
        told[0].detail
    );
    assert!(
        told[1].detail.contains("; then 4 entries were dropped"),
        "{}",
        told[1].detail
    );
    assert_eq!(told[1].decided.seconds() - at(0.0).wall.seconds(), 2_110.0);
    assert_eq!(
        told[1].kind.label(),
        NoticeKind::Closed(crate::core::notice::CloseReason::Resolved).label()
    );
    assert_eq!(
        engine.facts.tracker.app_names.len(),
        1,
        "who finds no room leaves no name"
    );
}

#[test]
fn a_beat_whose_name_or_host_finds_no_room_is_still_a_sign_of_life() {
    let logs = Rule {
        watch: Watch::Logs,
        ..rule("logs", "*", 30.0)
    };
    let mut bench = small(vec![rule("r", "*", 30.0), logs], 1_000, 10);
    let engine = &mut bench.engine;
    let mut told = Vec::new();
    for now in (0..300).step_by(10) {
        engine.arrive(at(now as f64));
        for name in 0..80 {
            let beaten = beat(engine, "logs.web.iad.a", &format!("name{name}"), "");
            assert_eq!(beaten.is_ok(), name < 64, "{name}");
        }
        engine.evaluate(at(now as f64));
        told.extend(notices(engine));
    }
    assert_eq!(words(&told), ["LastbeatFull  opened"]);
    assert!(
        told[0].detail.contains("64 at most") || told[0].detail.contains("64 beats"),
        "{}",
        told[0].detail
    );
    for host in 0..200_000 {
        engine.facts.tracker.host_names.intern(&format!("h{host}"));
    }
    engine
        .facts
        .tracker
        .hosts
        .resize(200_000, Default::default());
    let rejected = |engine: &Engine| engine.rejected().map(|(_, count)| count).sum::<u64>();
    let before = rejected(engine);
    beat(engine, "logs.web.iad.a", "name0", "one-too-many").expect("the beat counts");
    assert_eq!(rejected(engine), before + 1);
    engine.arrive(at(2.0 * HOUR));
    engine.next_sweep = at(2.0 * HOUR).mono;
    // Hosts without instances are freed as names are.
    engine.reclaim(engine.facts.listening.listened());
    assert_eq!(engine.facts.tracker.host_names.len(), 0);
    beat(engine, "logs.web.iad.a", "name0", "one-too-many").expect("the beat counts");
    assert_eq!(rejected(engine), before + 1);
}

#[test]
fn what_a_rule_expects_and_what_an_incident_is_about_keeps_its_name() {
    let expects = Rule {
        by: By::AppRegion,
        app: Globs(vec!["web".to_owned()]),
        expect: vec!["iad".to_owned(), "lhr".to_owned()],
        ..rule("expects", "web", 60.0)
    };
    let wider = |by, expected: &str| Rule {
        by,
        expect: vec![expected.to_owned()],
        // No incident uses their names yet.
        ..rule(expected, "*", 1_000_000.0)
    };
    let rules = vec![expects, wider(By::App, "ghost"), wider(By::Region, "gru")];
    let mut bench = small(rules, 100, 10);
    let engine = &mut bench.engine;
    for now in (0..200_000).step_by(30) {
        engine.arrive(at(now as f64));
        if now < 60 {
            hear(engine, "logs.web.iad.a").expect("there is room");
            hear(engine, "logs.once.nrt.a").expect("there is room");
        }
        hear(engine, "logs.other.fra.b").expect("there is room");
        engine.evaluate(at(now as f64));
    }
    let names = |names: &crate::core::tracker::names::Names| {
        let mut all: Vec<String> = names.iter().map(|(_, name)| name.to_string()).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(
        names(&engine.facts.tracker.app_names),
        ["ghost", "other", "web"]
    );
    assert_eq!(
        names(&engine.facts.tracker.region_names),
        ["fra", "gru", "iad", "lhr"]
    );
    let told = notices(engine);
    assert!(
        told.iter().any(|notice| notice.who.region == "iad"),
        "{told:?}"
    );
    // An instance that returns gets its slot again, and a new one gets a free number.
    engine.arrive(at(200_010.0));
    hear(engine, "logs.web.iad.a").expect("there is room");
    hear(engine, "logs.new.syd.a").expect("there is room");
    assert_eq!(
        engine.facts.tracker.apps.len(),
        4,
        "the number is used again"
    );
    assert_eq!(
        engine.facts.tracker.app_regions.len(),
        4,
        "web's two, the other's, and the new one's"
    );
    assert!(engine.targets.plan.rules.len() == 4 && engine.targets.plan.links.len() == 4);
    engine.evaluate(at(200_010.0));
    engine.reload(
        crate::core::rule::RuleSet {
            rules: vec![rule("r", "*", 30.0)],
            ..Default::default()
        },
        at(200_020.0),
    );
    assert!(
        engine.targets.plan.rules.iter().all(|plan| **plan == [0]),
        "{:?}",
        engine.targets.plan.rules
    );
}
