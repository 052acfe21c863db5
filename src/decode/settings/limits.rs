//! How many are tracked at once.

use super::{Env, Flags, SettingFault};
use crate::core::tracker::Limits;

/// Reads them; faults are added to the others.
pub(super) fn limits(flags: &Flags, env: &Env<'_>, faults: &mut Vec<SettingFault>) -> Limits {
    let usual = Limits::default();
    let mut read = |flag: &Option<String>, setting: &'static str, usual: usize, most: usize| {
        let Some(given) = flag.clone().or_else(|| env.first(&[setting])) else {
            return usual;
        };
        match given.trim().parse() {
            Ok(limit) if (1..=most).contains(&limit) => limit,
            _ => {
                let what =
                    format!("{given:?} is no number from 1 to {most}; give one such as {usual}");
                faults.push(SettingFault { setting, what });
                usual
            }
        }
    };
    Limits {
        instances: read(
            &flags.max_instances,
            "LASTBEAT_MAX_INSTANCES",
            usual.instances,
            Limits::MOST.instances,
        ),
        apps: read(
            &flags.max_apps,
            "LASTBEAT_MAX_APPS",
            usual.apps,
            Limits::MOST.apps,
        ),
    }
}
