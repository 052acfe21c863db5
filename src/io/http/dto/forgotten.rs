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
#[derive(Default, Clone, Debug, PartialEq, Serialize, ToSchema)]
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
