//! A limit of the log's lines about notifications: in a flood the first ones of a minute stand there whole, and the others
//! as a number for each app.

use crate::core::time::Mono;
use std::collections::BTreeMap;
use std::time::Duration;

/// Lines of a minute that stand whole: more than a person reads in that time.
pub(super) const WHOLE_LINES: u32 = 200;
/// Time for which lines are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Apps that a summary names, those with the most lines first.
const NAMED: usize = 20;
/// Apps that are counted apart; the others are one.
const COUNTED: usize = 5_000;

/// The lines of the current minute.
#[derive(Debug, Default)]
pub(super) struct LineLimit {
    /// Arrival clock: the first line of the minute; `None`: there was none.
    began: Option<Mono>,
    whole: u32,
    /// Lines that were left out, by app.
    left_out: BTreeMap<String, u64>,
}

/// The lines that a minute left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Number of all of them.
    pub(super) lines: u64,
    /// Number of apps that they are about.
    pub(super) apps: usize,
    /// The apps with the most, in words.
    pub(super) most: String,
}

impl LineLimit {
    /// True while a minute is counted.
    pub(super) fn is_used(&self) -> bool {
        self.began.is_some()
    }

    /// True if a line about this app is to stand whole; else it is counted.
    pub(super) fn admit(&mut self, app: &str, now: Mono) -> bool {
        self.began.get_or_insert(now);
        if self.whole < WHOLE_LINES {
            self.whole += 1;
            return true;
        }
        let app = if self.left_out.len() < COUNTED || self.left_out.contains_key(app) {
            app
        } else {
            "others"
        };
        *self.left_out.entry(app.to_owned()).or_default() += 1;
        false
    }

    /// Sums up what was left out, once the minute is over; `None`: it is not, or nothing was.
    pub(super) fn summary(&mut self, now: Mono) -> Option<LeftOut> {
        if now.since(self.began?) < WINDOW {
            return None;
        }
        let LineLimit { left_out, .. } = std::mem::take(self);
        let apps = left_out.len();
        let lines = left_out.values().sum();
        let mut most: Vec<(String, u64)> = left_out.into_iter().collect();
        most.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let named = most.iter().take(NAMED);
        let named: Vec<String> = named.map(|(app, lines)| format!("{app} {lines}")).collect();
        (apps > 0).then(|| LeftOut {
            lines,
            apps,
            most: named.join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_few_whole_lines_and_one_summary_a_minute() {
        let mut limit = LineLimit::default();
        let at = |seconds| Mono::ZERO + Duration::from_secs(seconds);
        let mut whole = 0;
        for line in 0..100_000_u64 {
            whole += u32::from(limit.admit(&format!("app-{}", line % 7_000), at(0)));
        }
        assert_eq!(whole, WHOLE_LINES);
        assert_eq!(limit.summary(at(59)), None);
        let summary = limit.summary(at(60)).expect("a summary");
        assert_eq!(summary.lines, 100_000 - u64::from(WHOLE_LINES));
        assert_eq!(summary.apps, COUNTED + 1);
        assert!(summary.most.starts_with("others "), "{}", summary.most);
        assert!(summary.most.len() < 1_000);
        assert_eq!(limit.summary(at(200)), None, "said once");
        assert!(limit.admit("web", at(200)), "whole again");
        assert_eq!(limit.summary(at(300)), None, "nothing was left out");
    }
}
