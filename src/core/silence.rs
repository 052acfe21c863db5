//! Silences: times in which what matches is evaluated as ever, and told to nobody.

use crate::core::notice::Who;
use crate::core::rule::Matchers;
use crate::core::time::Wall;

/// One silence, with the times at which it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Its number or name.
    pub id: String,
    /// Whom it concerns.
    pub matchers: Matchers,
    /// When it holds: from, until, on the wall clock; the caller keeps them up to date for schedules.
    pub windows: Vec<(Wall, Wall)>,
    /// Why.
    pub reason: String,
    /// Whose it is; empty for the rule files' own.
    pub author: String,
}

impl Silence {
    /// Whether it holds at `now`.
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
