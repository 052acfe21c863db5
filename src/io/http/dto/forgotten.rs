//! Targets that are no longer watched.

use super::Timestamp;
use crate::core::persist::ForgottenTarget;
use crate::core::rule::{RuleSet, Watch};
use crate::core::snapshot::Snapshot;
use crate::core::time::Wall;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// The span of the list.
pub const REACH: Duration = Duration::from_secs(30 * 24 * 3600);

/// Targets that fell silent, were forgotten in the last 30 days and not heard since.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Forgotten {
    /// The newest first.
    #[schema(max_items = 1000)]
    pub forgotten: Vec<StillSilent>,
}

/// A target that is still silent and no longer watched.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct StillSilent {
    /// The rule that watched it.
    pub rule: String,
    /// The app; empty where the target is a region.
    pub app: String,
    /// The region; empty where the target is an app.
    pub region: String,
    /// The instance; empty where the target is a group.
    pub instance: String,
    /// The heartbeat's `name=`; empty where it has none.
    pub beat: String,
    /// The time at which lastbeat forgot it.
    pub forgotten_at: Timestamp,
}

impl Forgotten {
    /// The targets of which nothing was heard since. A target that was forgotten more than once is listed once.
    pub fn new(targets: &[ForgottenTarget], rules: &RuleSet, snapshot: &Snapshot) -> Self {
        let mut silent: Vec<&ForgottenTarget> = Vec::new();
        for target in targets {
            let is_same = |one: &&ForgottenTarget| one.rule == target.rule && one.who == target.who;
            if !silent.iter().any(is_same) && !is_heard_since(target, rules, snapshot) {
                silent.push(target);
            }
        }
        Forgotten {
            forgotten: silent.into_iter().map(StillSilent::of).collect(),
        }
    }
}

impl StillSilent {
    fn of(ForgottenTarget { rule, who, at }: &ForgottenTarget) -> Self {
        StillSilent {
            rule: rule.to_string(),
            app: who.app.clone(),
            region: who.region.clone(),
            instance: who.instance.clone(),
            beat: who.beat.clone(),
            forgotten_at: Timestamp::from(*at),
        }
    }
}

/// True if a sign of life that the target's rule watches came later.
fn is_heard_since(target: &ForgottenTarget, rules: &RuleSet, snapshot: &Snapshot) -> bool {
    let ForgottenTarget { rule, who, at } = target;
    let is = |wanted: &str, name: &str| wanted.is_empty() || wanted == name;
    let is_later = |app: &str, region: &str, instance: &str, seen: Wall| {
        seen > *at && is(&who.app, app) && is(&who.region, region) && is(&who.instance, instance)
    };
    let rule = rules.rules.iter().find(|one| one.name == **rule);
    if rule.is_some_and(|rule| rule.watch == Watch::Logs) {
        let mut all = snapshot.instances.iter();
        return all.any(|one| is_later(&one.app, &one.region, one.instance(), one.seen));
    }
    let mut all = snapshot.beats.iter();
    all.any(|one| {
        let is_same_beat = who.instance.is_empty() || who.beat == *one.beat;
        is_same_beat && is_later(&one.app, &one.region, one.instance(), one.seen)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::engine::{Engine, Options};
    use crate::core::entry::{BeatLine, MarkerId, Provider, Subject};
    use crate::core::notice::TargetName;
    use crate::core::rule::Globs;
    use crate::core::time::{Mono, Now};

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
            inventory: false,
            ignore: Globs::default(),
            limits: Default::default(),
            first_incident: 1,
            own: None,
            notifiers: Vec::new(),
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
}
