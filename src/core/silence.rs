//! Silences: times in which what matches is evaluated as ever, and told to nobody.

use crate::core::notice::Who;
use crate::core::rule::Matchers;
use crate::core::time::Wall;

/// One silence, with its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Its number, or its name in the rule files.
    pub id: String,
    /// Whom it concerns.
    pub matchers: Matchers,
    /// Times at which it is in force: start and end on the wall clock. The caller keeps those of schedules up to date.
    pub windows: Vec<(Wall, Wall)>,
    /// Reason, for people.
    pub reason: String,
    /// Its author; empty for those of the rule files.
    pub author: String,
}

impl Silence {
    /// True if it is in force at `now`.
    pub fn holds(&self, now: Wall) -> bool {
        self.windows
            .iter()
            .any(|(from, until)| *from <= now && now < *until)
    }

    /// Whether it concerns an alert.
    pub fn concerns(&self, rule: &str, who: &Who) -> bool {
        let Matchers {
            app,
            region,
            instance,
            host,
            rule: rules,
        } = &self.matchers;
        app.matches(&who.app)
            && region.matches(&who.region)
            && instance.matches(&who.instance)
            && host.matches(&who.host)
            && rules.matches(rule)
    }
}
