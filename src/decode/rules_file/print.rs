//! The rule set in force, as a rule file.

use crate::core::rule::{By, Globs, MaxGap, Rule, RuleSet, StreamRule, Watch};
use std::fmt::Write as _;
use std::time::Duration;

/// The whole set as one rule file, in order, with the defaults filled in. Read again it gives the same set.
pub fn print(set: &RuleSet) -> String {
    let mut out = String::new();
    stream(&mut out, &set.stream);
    for one in &set.rules {
        rule(&mut out, one, &set.markers);
    }
    out
}

fn stream(out: &mut String, stream: &StreamRule) {
    out.push_str("[stream]\n");
    line(out, "max_gap", &span(stream.max_gap));
    line(out, "max_lag", &span(stream.max_lag));
    line(out, "severity", &text(stream.severity.label()));
    optional(out, "summary", stream.summary.as_deref());
    optional(out, "runbook", stream.runbook.as_deref());
}

fn rule(out: &mut String, rule: &Rule, markers: &[String]) {
    out.push_str("\n[[rule]]\n");
    line(out, "name", &text(&rule.name));
    match &rule.watch {
        Watch::Logs => line(out, "watch", "\"logs\""),
        Watch::Heartbeat { marker, beat } => {
            line(out, "watch", "\"heartbeat\"");
            optional(
                out,
                "marker",
                markers.get(usize::from(marker.0)).map(String::as_str),
            );
            optional(out, "beat", beat.as_deref());
        }
    }
    line(out, "app", &globs(&rule.app));
    line(out, "region", &globs(&rule.region));
    line(out, "by", &by(rule.by));
    line(out, "max_gap", &max_gap(rule.max_gap));
    line(out, "for", &span(rule.hold));
    line(out, "recover", &rule.recover.to_string());
    line(out, "severity", &text(rule.severity.label()));
    optional(out, "summary", rule.summary.as_deref());
    optional(out, "runbook", rule.runbook.as_deref());
}

fn line(out: &mut String, key: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{key:<8} = {value}");
}

fn optional(out: &mut String, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        line(out, key, &text(value));
    }
}

fn by(by: By) -> String {
    text(by.label())
}

fn max_gap(max_gap: MaxGap) -> String {
    match max_gap {
        MaxGap::Auto => text("auto"),
        MaxGap::Fixed(fixed) => span(fixed),
    }
}

fn span(span: Duration) -> String {
    text(&humantime::format_duration(span).to_string())
}

fn globs(globs: &Globs) -> String {
    match globs.0.as_slice() {
        [] => text("*"),
        [one] => text(one),
        many => format!(
            "[{}]",
            many.iter()
                .map(|glob| text(glob))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

/// A TOML basic string.
fn text(value: &str) -> String {
    let mut out = String::from("\"");
    for char in value.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            _ if char.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(char));
            }
            _ => out.push(char),
        }
    }
    out.push('"');
    out
}
