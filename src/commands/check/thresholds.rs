//! Silences that rules allow, by the loss, the instances and the intervals in a state file.

use crate::clock;
use crate::commands::status::stored;
use crate::core::engine::{Engine, Options};
use crate::core::rule::{MaxGap, RuleSet};
use crate::core::snapshot::BeatRow;
use crate::core::snapshot::threshold_rows::ThresholdRow;
use crate::core::time::{Mono, Now};
use crate::format;
use crate::format::threshold::threshold;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The arrival clock of the moment: later than anything in the file.
const NOW: Mono = Mono::from_nanos(1 << 62);
/// Turns in which a core looks at every target that it may hold.
const TURNS: usize = 100;

/// The judgement of rules by a state file.
#[derive(Debug, Default)]
pub(super) struct ByState {
    /// A row for each rule of which an instance declares its interval.
    pub(super) thresholds: Vec<ThresholdRow>,
    /// Rules whose `max_gap` is shorter than two intervals of a heartbeat, in words.
    pub(super) short: Vec<String>,
}

/// Reads a state file.
///
/// # Errors
/// The file cannot be read, in words.
pub(super) fn of(set: &RuleSet, file: &Path) -> Result<ByState, String> {
    let saved = stored::saved(file)?;
    let options = Options {
        first_incident: 1,
        ..Options::default()
    };
    let now = Now {
        mono: NOW,
        wall: clock::wall(),
    };
    let mut engine = Engine::new(set.clone(), options, now);
    engine.restore(&saved, now);
    (0..TURNS).for_each(|_| engine.keep_budget(now));
    let snapshot = engine.snapshot(now, usize::MAX);
    Ok(ByState {
        short: short(set, &snapshot.beats),
        thresholds: snapshot.thresholds,
    })
}

/// A sentence for each rule whose own `max_gap` is shorter than two intervals of a heartbeat that it watches: one that is
/// lost, or late, alerts. `max_gap = "auto"` weighs that itself.
fn short(set: &RuleSet, beats: &[BeatRow]) -> Vec<String> {
    let mut found: BTreeMap<&str, (Duration, &BeatRow, u64)> = BTreeMap::new();
    for beat in beats {
        let interval = beat.every.or(beat.usual);
        let (Some(rule), Some(interval)) = (beat.rule.as_deref(), interval) else {
            continue;
        };
        let rule = set.rules.iter().find(|one| one.name == rule);
        let Some((rule, MaxGap::Fixed(max_gap))) = rule.map(|rule| (rule, rule.max_gap)) else {
            continue;
        };
        if max_gap >= interval * 2 {
            continue;
        }
        let worst = found.entry(&rule.name).or_insert((max_gap, beat, 0));
        worst.2 += 1;
        if interval > worst.1.every.or(worst.1.usual).unwrap_or_default() {
            worst.1 = beat;
        }
    }
    let sentence = |(rule, (max_gap, beat, count)): (&str, (Duration, &BeatRow, u64))| {
        let interval = beat.every.or(beat.usual).unwrap_or_default();
        let word = if beat.every.is_some() {
            "declares"
        } else {
            "usually keeps"
        };
        let name = [&*beat.app, &*beat.region, beat.instance()].map(format::name);
        format!(
            "rule \"{}\": max_gap {} is below two intervals of {}, such as {}, which {word} {}: one that is lost alerts; \
             use \"auto\", or at least {}",
            format::name(rule),
            format::duration(max_gap),
            format::counted(count, "heartbeat"),
            name.join("/"),
            format::duration(interval),
            format::duration(interval * 2),
        )
    };
    found.into_iter().map(sentence).collect()
}

/// The rows as comments of a rule file.
pub(super) fn comment(rows: &[ThresholdRow]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let row = |row: &ThresholdRow| format!("# {}: {}\n", format::name(&row.rule), threshold(row));
    let rows: String = rows.iter().map(row).collect();
    format!("\n# By the state file, for instances that declare their interval:\n{rows}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::snapshot::Verdict;
    use crate::core::time::Wall;
    use crate::decode::rules_file;

    fn beat(instance: &str, rule: &str, every: u64, usual: u64) -> BeatRow {
        let seconds = |count: u64| (count > 0).then(|| Duration::from_secs(count));
        BeatRow {
            app: "web".into(),
            region: "ams".into(),
            subject: format!("logs.web.ams.{instance}").into(),
            beat: "".into(),
            seen: Wall::ZERO,
            due: None,
            max_gap: None,
            rule: Some(rule.into()),
            every: seconds(every),
            usual: seconds(usual),
            text: "".into(),
            verdict: Verdict::Live,
        }
    }

    #[test]
    fn a_limit_below_two_intervals_is_told_with_the_worst_of_its_heartbeats() {
        let text = "[[rule]]\nname = 'short'\napp = 'web'\nmax_gap = '40s'\n\
                    [[rule]]\nname = 'auto'\napp = 'api'\nmax_gap = 'auto'\n";
        let set = rules_file::read(&[("x.toml".to_owned(), text.as_bytes().to_vec())]);
        let set = set.set.expect("the rules are valid");
        let beats = [
            beat("a", "short", 30, 30),
            beat("b", "short", 0, 50),
            beat("c", "short", 20, 45),
            beat("d", "auto", 3_600, 0),
            beat("e", "short", 0, 0),
        ];
        assert_eq!(
            short(&set, &beats),
            [
                "rule \"short\": max_gap 40s is below two intervals of 2 heartbeats, such as web/ams/b, which usually keeps 50s: \
              one that is lost alerts; use \"auto\", or at least 1m 40s"
            ]
        );
        assert_eq!(short(&set, &beats[2..]), [""; 0]);
    }
}
