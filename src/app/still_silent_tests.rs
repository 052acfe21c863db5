//! The list of targets that are still silent, from the core's own snapshots.

use crate::core::engine::{Engine, Options};
use crate::core::entry::{BeatLine, MarkerId, Provider, Subject};
use crate::core::notice::TargetName;
use crate::core::persist::ForgottenTarget;
use crate::core::rule::RuleSet;
use crate::core::snapshot::Snapshot;
use crate::core::time::Wall;
use crate::core::time::{Mono, Now};
use crate::io::http::dto::forgotten::Forgotten;
use std::time::Duration;

fn at(second: u64) -> Now {
    let span = Duration::from_secs(second);
    Now {
        mono: Mono::ZERO + span,
        wall: Wall::ZERO + span,
    }
}

fn rules() -> RuleSet {
    let text = "[[rule]]\nname = 'beats'\nmax_gap = '1m'\n[[rule]]\nname = 'logs'\nwatch = 'logs'\nmax_gap = '1m'\n";
    let file = ("rules.toml".to_owned(), text.as_bytes().to_vec());
    let read = crate::decode::rules_file::read(&[file]);
    read.set.expect("good rules")
}

/// An instance that logs and beats at these seconds.
fn snapshot(logs: u64, beats: u64) -> Snapshot {
    let options = Options {
        first_incident: 1,
        ..Options::default()
    };
    let mut engine = Engine::new(rules(), options, at(0));
    let subject = Subject {
        raw: "logs.web.iad.a",
        app: "web",
        region: "iad",
        instance: "a",
    };
    let mut heard = [(beats, true), (logs, false)];
    heard.sort_unstable();
    for (second, is_beat) in heard {
        engine.arrive(at(second));
        let known = engine.find(subject.raw);
        let id = known.unwrap_or_else(|| {
            let admitted = engine.admit(&subject, 1).expect("there is room");
            admitted.expect("it is not ignored")
        });
        engine.heard(id, Provider::App, 1);
        if is_beat {
            let line = BeatLine {
                marker: MarkerId(0),
                text: "HEARTBEAT",
                name: "",
                every: None,
                seq: None,
                bye: false,
                host: "",
                entry_time: None,
            };
            engine.beat(id, &line).expect("there is room");
        }
    }
    engine.snapshot(at(1_000), 100)
}

fn forgotten(rule: &str, names: [&str; 3], beat: &str) -> ForgottenTarget {
    let [app, region, instance] = names.map(str::to_owned);
    ForgottenTarget {
        rule: rule.into(),
        who: TargetName {
            app,
            region,
            instance,
            beat: beat.to_owned(),
            ..TargetName::default()
        },
        at: at(500).wall,
    }
}

#[test]
fn what_was_heard_since_is_not_listed_and_logs_do_not_stand_for_a_beat() {
    let instance = ["web", "iad", "a"];
    for (target, logs, beats, is_listed) in [
        (forgotten("beats", instance, ""), 100, 100, true),
        (forgotten("beats", instance, ""), 600, 100, true),
        (forgotten("beats", instance, ""), 100, 600, false),
        (forgotten("beats", instance, "worker"), 100, 600, true),
        (forgotten("beats", ["web", "iad", "b"], ""), 100, 600, true),
        (forgotten("beats", ["web", "", ""], ""), 100, 600, false),
        (forgotten("beats", ["", "iad", ""], ""), 600, 100, true),
        (forgotten("logs", instance, ""), 600, 100, false),
        (forgotten("logs", instance, ""), 100, 100, true),
    ] {
        let words = format!("{target:?} {logs} {beats}");
        let twice = [target.clone(), target];
        let found = Forgotten::new(&twice, &rules(), &snapshot(logs, beats));
        assert_eq!(found.forgotten.len(), usize::from(is_listed), "{words}");
    }
}
