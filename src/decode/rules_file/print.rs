//! The rule set in force, as a rule file.

use super::variables;
use crate::core::downstream::rule::{DownstreamRule, Proof};
use crate::core::rule::{
    ArchiveRule, By, DropRule, Globs, MaxGap, NotifierKind, NotifierRule, Rule, RuleSet,
    ScheduledSilence, Severity, StreamRule, Watch,
};
use crate::core::sink_rule::{SinkKind, SinkRule};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// The meaning of `auto`, for readers of the rules in force.
const AUTO: &str = "
# max_gap = \"auto\" is 3 x the every= of the beat, or up to 10 x where lost heartbeats would make more false alarms than
# false_alarms allows, and slack for its usual lateness (1s to every / 2). Without every= it is learned: 3 x the longest of
# the target's last 16 to 32 intervals, at least 30s, and 1s; until two intervals are known that of the app's other
# instances, else 1h. That of [stream] is 1m, or 3 x the longest silence that is usual.
";

/// The whole set as one rule file, in order, with the defaults filled in. Read again it gives the same set, but for
/// addresses and secrets of notifiers: of those a variable alone is shown as `${VAR}`, where it was not filled in,
/// and anything else as `***`.
pub fn print(set: &RuleSet) -> String {
    let mut out = String::new();
    stream(&mut out, &set.stream);
    if set.rules.iter().any(|rule| rule.max_gap == MaxGap::Auto) {
        out.push_str(AUTO);
    }
    for one in &set.rules {
        rule(&mut out, one, &set.markers);
    }
    for one in &set.silences {
        silence(&mut out, one);
    }
    for one in &set.downstreams {
        downstream(&mut out, one);
    }
    for one in &set.sinks {
        sink(&mut out, one);
    }
    for one in &set.notifiers {
        notifier(&mut out, one);
    }
    archive(&mut out, &set.archive);
    out
}

fn archive(out: &mut String, archive: &ArchiveRule) {
    out.push_str("\n[archive]\n");
    line(out, "keep", &text(archive.keep.label()));
    if let Some(bytes) = archive.max_size {
        let size = match bytes % 1_000_000 {
            0 => format!("{}MB", bytes / 1_000_000),
            _ => format!("{}MiB", bytes >> 20),
        };
        line(out, "max_size", &text(&size));
    }
    line(out, "max_age", &span(archive.max_age));
    line(out, "min_free", &text(&format!("{}%", archive.min_free)));
    let drop = |drop: &DropRule| {
        let app = (!drop.app.0.is_empty()).then(|| format!("app = {}", globs(&drop.app)));
        let contains =
            (!drop.contains.is_empty()).then(|| format!("contains = {}", text(&drop.contains)));
        let keys: Vec<String> = app.into_iter().chain(contains).collect();
        format!("{{ {} }}", keys.join(", "))
    };
    let drops: Vec<String> = archive.drop.iter().map(drop).collect();
    if !drops.is_empty() {
        line(out, "drop", &format!("[{}]", drops.join(", ")));
    }
    if !archive.redact.is_empty() {
        line(out, "redact", &list(&archive.redact));
    }
}

fn stream(out: &mut String, stream: &StreamRule) {
    out.push_str("[stream]\n");
    line(out, "max_gap", &max_gap(stream.max_gap));
    line(out, "max_lag", &span(stream.max_lag));
    line(out, "severity", &text(stream.severity.label()));
    optional(out, "summary", stream.summary.as_deref());
    optional(out, "runbook", stream.runbook.as_deref());
    routed(out, stream.remind, stream.notify.as_deref());
    hours(out, stream.active.as_deref());
    labels(out, &stream.labels);
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
    some(out, "host", &rule.host);
    line(out, "by", &by(rule.by));
    match (rule.min_rate, rule.max_gap) {
        (Some(count), MaxGap::Fixed(window)) => {
            let window = humantime::format_duration(window);
            line(out, "min_rate", &text(&format!("{count} per {window}")));
        }
        _ => line(out, "max_gap", &max_gap(rule.max_gap)),
    }
    let budget = rule.false_alarms;
    let per = humantime::format_duration(budget.per);
    line(
        out,
        "false_alarms",
        &text(&format!("{} per {per}", budget.count)),
    );
    if !rule.expect.is_empty() {
        line(out, "expect", &list(&rule.expect));
    }
    if let Some(count) = rule.at_least {
        line(out, "at_least", &count.to_string());
    }
    line(out, "for", &span(rule.hold));
    line(out, "recover", &rule.recover.to_string());
    line(out, "severity", &text(rule.severity.label()));
    optional(out, "summary", rule.summary.as_deref());
    optional(out, "runbook", rule.runbook.as_deref());
    routed(out, rule.remind, rule.notify.as_deref());
    hours(out, rule.active.as_deref());
    labels(out, &rule.labels);
    line(out, "group_wait", &span(rule.group_wait));
    line(out, "forget_after", &span(rule.forget_after));
    line(out, "on_crash", &rule.on_crash.to_string());
    let on_silent = if rule.restart_silent {
        "restart"
    } else {
        "tell"
    };
    line(out, "on_silent", &text(on_silent));
}

fn silence(out: &mut String, silence: &ScheduledSilence) {
    out.push_str("\n[[silence]]\n");
    let matchers = &silence.matchers;
    line(out, "app", &globs(&matchers.app));
    some(out, "region", &matchers.region);
    some(out, "instance", &matchers.instance);
    some(out, "host", &matchers.host);
    some(out, "rule", &matchers.rule);
    severities(out, &matchers.severity);
    let table = |(name, value): (&String, &Globs)| format!("{name} = {}", globs(value));
    let labels: Vec<String> = matchers.labels.iter().map(table).collect();
    if !labels.is_empty() {
        line(out, "labels", &format!("{{ {} }}", labels.join(", ")));
    }
    some(out, "notifier", &matchers.notifier);
    line(out, "schedule", &text(&silence.schedule));
    line(out, "timezone", &text(&silence.timezone));
    line(out, "duration", &span(silence.duration));
    line(out, "reason", &text(&silence.reason));
}

fn downstream(out: &mut String, rule: &DownstreamRule) {
    if let Some(forward) = &rule.forward {
        out.push_str("\n[[forward]]\n");
        line(out, "sink", &text(&forward.sink));
        line(out, "app", &globs(&forward.app));
        return common(out, rule);
    }
    out.push_str("\n[[downstream]]\n");
    line(out, "name", &text(&rule.name));
    line(out, "every", &span(rule.every));
    common(out, rule);
    let on_stall = rule.restart.as_ref().map_or("tell", |_| "restart");
    line(out, "on_stall", &text(on_stall));
    out.push_str("[downstream.find]\n");
    line(out, "url", &secret(&rule.find.url));
    optional_secret(out, "body", rule.find.body.as_deref());
    headers(out, &rule.find.headers);
    if let Proof::Newest { pointer, app } = &rule.find.proof {
        line(out, "newest", &text(pointer));
        optional(out, "app", app.as_deref());
    }
    if let Some(shipper) = &rule.shipper {
        out.push_str("[downstream.shipper]\n");
        optional(out, "app", rule.restart.as_deref());
        line(out, "metrics", &secret(&shipper.metrics));
        line(out, "in", &text(&shipper.received.to_string()));
        line(out, "out", &text(&shipper.sent.to_string()));
    }
}

/// The keys of downstreams and forwards.
fn common(out: &mut String, rule: &DownstreamRule) {
    line(out, "max_delay", &span(rule.max_delay));
    line(out, "severity", &text(rule.severity.label()));
    optional(out, "runbook", rule.runbook.as_deref());
    routed(out, rule.remind, rule.notify.as_deref());
    hours(out, rule.active.as_deref());
    labels(out, &rule.labels);
}

fn sink(out: &mut String, sink: &SinkRule) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "\n[sink.{}]", sink.name);
    line(out, "type", &text(sink.kind.label()));
    line(out, "url", &secret(&sink.url));
    headers(out, &sink.headers);
    if let SinkKind::Http { body, template } = &sink.kind {
        line(out, "body", &text(body.label()));
        line(out, "template", &text(template));
    }
}

fn headers(out: &mut String, headers: &BTreeMap<String, String>) {
    let header = |(name, value): (&String, &String)| format!("{} = {}", text(name), secret(value));
    let headers: Vec<String> = headers.iter().map(header).collect();
    if !headers.is_empty() {
        line(out, "headers", &format!("{{ {} }}", headers.join(", ")));
    }
}

fn notifier(out: &mut String, notifier: &NotifierRule) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "\n[notify.{}]", notifier.name);
    match &notifier.kind {
        NotifierKind::Sentry { dsn, resolve } => {
            line(out, "type", "\"sentry\"");
            optional_secret(out, "dsn", dsn.as_deref());
            if let Some(api) = resolve {
                line(out, "resolve", "true");
                line(out, "api_token", &secret(&api.token));
                line(out, "organization", &text(&api.organization));
                optional_secret(out, "api_url", api.url.as_deref());
            }
        }
        NotifierKind::Webhook {
            url,
            secret: key,
            timeout,
            format,
            routing_key,
            chat_id,
        } => {
            line(out, "type", "\"webhook\"");
            line(out, "url", &secret(url));
            optional_secret(out, "secret", key.as_deref());
            line(out, "timeout", &span(*timeout));
            line(out, "format", &text(format.label()));
            optional_secret(out, "routing_key", routing_key.as_deref());
            optional_secret(out, "chat_id", chat_id.as_deref());
        }
        NotifierKind::Email {
            url,
            from,
            to,
            timeout,
        } => {
            line(out, "type", "\"email\"");
            line(out, "url", &secret(url));
            line(out, "from", &text(from));
            let shown: Vec<String> = to.iter().map(|to| text(to)).collect();
            line(out, "to", &format!("[{}]", shown.join(", ")));
            line(out, "timeout", &span(*timeout));
        }
        NotifierKind::Alertmanager { urls } => {
            line(out, "type", "\"alertmanager\"");
            let shown: Vec<String> = urls.iter().map(|url| secret(url)).collect();
            line(out, "urls", &format!("[{}]", shown.join(", ")));
        }
    }
    severities(out, &notifier.severity);
}

fn routed(out: &mut String, remind: Option<Duration>, notify: Option<&[String]>) {
    if let Some(every) = remind {
        line(out, "remind", &span(every));
    }
    if let Some(names) = notify {
        line(out, "notify", &list(names));
    }
}

fn hours(out: &mut String, active: Option<&str>) {
    line(out, "active", &text(active.unwrap_or("always")));
}

fn labels(out: &mut String, labels: &BTreeMap<String, String>) {
    if labels.is_empty() {
        return;
    }
    let one = |(name, value): (&String, &String)| format!("{name} = {}", text(value));
    let all: Vec<String> = labels.iter().map(one).collect();
    line(out, "labels", &format!("{{ {} }}", all.join(", ")));
}

fn severities(out: &mut String, severities: &[Severity]) {
    if !severities.is_empty() {
        let labels: Vec<String> = severities
            .iter()
            .map(|one| one.label().to_owned())
            .collect();
        line(out, "severity", &list(&labels));
    }
}

/// A variable alone as it is written; of anything else nothing.
fn secret(value: &str) -> String {
    if variables::is_variable(value) {
        text(value)
    } else {
        text("***")
    }
}

fn optional_secret(out: &mut String, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        line(out, key, &secret(value));
    }
}

fn some(out: &mut String, key: &str, value: &Globs) {
    if !value.0.is_empty() {
        line(out, key, &globs(value));
    }
}

fn line(out: &mut String, key: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{key:<12} = {value}");
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
        many => list(many),
    }
}

fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|one| text(one)).collect();
    format!("[{}]", texts.join(", "))
}

/// A TOML basic string.
pub fn text(value: &str) -> String {
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
