//! Requests for a silence: JSON in, a checked request or every fault at once out.

use super::globs;
use super::rules_file::{self, MAX_LABELS, label_fault};
use super::{request_object, rfc3339};
use crate::core::rule::{Globs, Matchers, Severity};
use crate::core::time::Wall;
use crate::format;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// Keys of the matchers.
const MATCHERS: [&str; 8] = [
    "app", "region", "instance", "host", "rule", "severity", "labels", "notifier",
];
const OTHERS: [&str; 5] = ["starts_at", "ends_at", "duration", "reason", "author"];
/// Characters of a reason and of an author.
const MAX_TEXT: usize = 500;
/// The longest silence; for more, remove the rule.
pub const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);

/// The latest end of a silence, from now: nobody remembers one that was made longer ago.
pub const LATEST: Duration = Duration::from_secs(93 * 24 * 3600);

/// A checked request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceRequest {
    /// The targets that it silences; at least one matcher was given.
    pub matchers: Matchers,
    /// Wall clock: its start.
    pub starts: Wall,
    /// Wall clock: its end, later than its start and than now.
    pub ends: Wall,
    /// The reason.
    pub reason: String,
    /// The person who made it.
    pub author: String,
}

/// Reads `{"app":"web","duration":"2h","reason":"...","author":"..."}` at `now`.
///
/// # Errors
/// Every fault there is, each a line for people.
pub fn read(bytes: &[u8], now: Wall) -> Result<SilenceRequest, Vec<String>> {
    let all: Vec<&str> = MATCHERS.into_iter().chain(OTHERS).collect();
    let (object, mut faults) = request_object::read(bytes, &all)?;
    let mut take = |key: &str| {
        globs(object.get(key)).unwrap_or_else(|why| {
            faults.push(format!("{key}: {why}"));
            Globs::default()
        })
    };
    let matchers = Matchers {
        app: take("app"),
        region: take("region"),
        instance: take("instance"),
        host: take("host"),
        rule: take("rule"),
        notifier: take("notifier"),
        severity: severities(object.get("severity")).unwrap_or_else(|why| {
            faults.push(format!("severity: {why}"));
            Vec::new()
        }),
        labels: labels(object.get("labels")).unwrap_or_else(|why| {
            faults.push(format!("labels: {why}"));
            BTreeMap::new()
        }),
    };
    if !MATCHERS.iter().any(|key| object.contains_key(*key)) {
        faults.push(format!(
            "no matcher: give at least one of {}; {{\"app\":\"*\"}} matches every app",
            MATCHERS.join(", ")
        ));
    }
    let text = |key: &str, faults: &mut Vec<String>| {
        text(&object, key).unwrap_or_else(|why| {
            faults.push(format!("{key}: {why}"));
            String::new()
        })
    };
    let reason = text("reason", &mut faults);
    let author = text("author", &mut faults);
    match (times(&object, now), faults.is_empty()) {
        (Ok((starts, ends)), true) => Ok(SilenceRequest {
            matchers,
            starts,
            ends,
            reason,
            author,
        }),
        (Err(why), _) => {
            faults.push(why);
            Err(faults)
        }
        (Ok(_), false) => Err(faults),
    }
}

/// A glob, or a list.
fn globs(value: Option<&Value>) -> Result<Globs, String> {
    let list = match value {
        None => return Ok(Globs::default()),
        Some(Value::Array(list)) if list.is_empty() => {
            return Err("an empty list matches nothing; leave it out to match all".to_owned());
        }
        Some(Value::Array(list)) if list.len() > globs::MAX_GLOBS => {
            return Err(format!(
                "{} globs; a list may have {}",
                list.len(),
                globs::MAX_GLOBS
            ));
        }
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let glob = |value: &Value| {
        let text = value
            .as_str()
            .ok_or("expected a glob, or a list of globs")?;
        globs::check(text).map(|()| text.to_owned())
    };
    let list = list.iter().map(glob).collect::<Result<Vec<_>, _>>()?;
    globs::check_list(&list).map_err(|(_, why)| why)?;
    Ok(globs::simplified(list))
}

/// One severity, or a list.
fn severities(value: Option<&Value>) -> Result<Vec<Severity>, String> {
    let words = match value {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) if !list.is_empty() => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let severity = |word: &Value| {
        let mut all = Severity::ALL.into_iter();
        let found = all.find(|one| word.as_str() == Some(one.label()));
        found.ok_or("expected critical, error, warning or info, or a list of them")
    };
    Ok(words.iter().map(severity).collect::<Result<_, _>>()?)
}

/// Globs by the name of a label.
fn labels(value: Option<&Value>) -> Result<BTreeMap<String, Globs>, String> {
    let object = match value {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(object)) if (1..=MAX_LABELS).contains(&object.len()) => object,
        Some(_) => return Err(format!("expected an object of 1 to {MAX_LABELS} labels")),
    };
    let one = |(name, value): (&String, &Value)| {
        if let Some(why) = label_fault(name) {
            return Err(why);
        }
        let globs = globs(Some(value)).map_err(|why| format!("{name}: {why}"))?;
        Ok((name.clone(), globs))
    };
    object.iter().map(one).collect()
}

/// One line of text.
pub(super) fn text(object: &Map<String, Value>, key: &str) -> Result<String, String> {
    let allowed = format!("one line of 1 to {MAX_TEXT} characters");
    let text = match object.get(key) {
        None => return Err(format!("missing; {allowed}")),
        Some(Value::String(text)) => text,
        Some(_) => return Err(format!("expected text: {allowed}")),
    };
    // What hides or turns text has no place in what people read.
    let plain = format::sanitize(text, usize::MAX);
    let plain = plain.trim();
    let is_control = text.chars().any(char::is_control);
    if plain.is_empty() || plain.chars().count() > MAX_TEXT || is_control {
        return Err(format!(
            "empty, too long, or with control characters; {allowed}"
        ));
    }
    Ok(plain.to_owned())
}

/// Its start and end.
fn times(object: &Map<String, Value>, now: Wall) -> Result<(Wall, Wall), String> {
    let starts = match object.get("starts_at") {
        None => now,
        Some(at) => time("starts_at", at)?,
    };
    let ends = match (object.get("ends_at"), object.get("duration")) {
        (Some(at), None) => time("ends_at", at)?,
        (None, Some(span)) => {
            let span = span.as_str().ok_or("duration: give one such as \"2h\"")?;
            let span = rules_file::duration(span);
            starts + span.map_err(|why| format!("duration: {why}; give one such as \"2h\""))?
        }
        _ => return Err("no end: give either ends_at or duration".to_owned()),
    };
    if ends <= starts || ends <= now {
        return Err("it would end before it begins: give a later end".to_owned());
    }
    if ends.since(now) > LATEST {
        let days = LATEST.as_secs() / 86_400;
        return Err(format!(
            "it ends more than {days} days from now: add it later"
        ));
    }
    if ends.since(starts) > LONGEST {
        let days = LONGEST.as_secs() / 86_400;
        return Err(format!(
            "it is longer than {days} days: change the rules instead"
        ));
    }
    Ok((starts, ends))
}

fn time(key: &str, value: &Value) -> Result<Wall, String> {
    let wrong = || format!("{key}: invalid time: expected one such as \"2026-01-31T18:00:00Z\"");
    value.as_str().and_then(rfc3339::time).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall::from_nanos(1_700_000_000_000_000_000);

    fn said(body: &str) -> String {
        match read(body.as_bytes(), NOW) {
            Ok(request) => format!(
                "{:?} {:?} +{}s for {}s: {} ({})",
                request.matchers.app.0,
                request.matchers.rule.0,
                request.starts.since(NOW).as_secs(),
                request.ends.since(request.starts).as_secs(),
                request.reason,
                request.author
            ),
            Err(faults) => faults.join("\n"),
        }
    }

    #[test]
    fn what_may_be_said() {
        let cases = [
            (
                r#"{"app":"web","duration":"2h","reason":"deploy","author":"ada"}"#,
                r#"["web"] [] +0s for 7200s: deploy (ada)"#,
            ),
            (
                r#"{"app":["a","b-*"],"rule":"my rule","starts_at":"2023-11-14T23:13:20+01:00","ends_at":"2023-11-14T22:15:00Z",
                    "reason":" x ","author":"ada"}"#,
                r#"["a", "b-*"] ["my rule"] +0s for 100s: x (ada)"#,
            ),
            (
                r#"{"app":["*","!web"],"rule":"!r","duration":"1m","reason":"all","author":"ada"}"#,
                r#"["!web"] ["!r"] +0s for 60s: all (ada)"#,
            ),
            (
                r#"{"app":"*","duration":"1m","reason":"all","author":"ada"}"#,
                "[] [] +0s for 60s: all (ada)",
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(said(body), expected, "{body}");
        }
    }

    #[test]
    fn what_hides_or_turns_text_is_taken_out_of_reason_and_author() {
        let body =
            r#"{"app":"a","duration":"60s","reason":"a\u202ebc d\u200b","author":"\u2066ada"}"#;
        assert_eq!(said(body), r#"["a"] [] +0s for 60s: abc d (ada)"#);
        let hidden = r#"{"app":"a","duration":"60s","reason":"\u202e","author":"ada"}"#;
        assert!(said(hidden).contains("reason: empty"), "{}", said(hidden));
    }

    #[test]
    fn a_key_that_stands_twice_is_a_fault() {
        let twice = r#"{"app":"a","app":"*","duration":"60s","reason":"x","author":"ada"}"#;
        assert!(
            said(twice).contains(r#"the key "app" stands twice"#),
            "{}",
            said(twice)
        );
    }

    #[test]
    fn a_silence_ends_within_93_days() {
        let at = |days: u64| {
            let begins = crate::format::rfc3339(NOW + Duration::from_secs(days * 86_400));
            let body = format!(
                r#"{{"app":"a","starts_at":"{begins}","duration":"1h","reason":"x","author":"ada"}}"#
            );
            said(&body)
        };
        assert!(at(92).contains("for 3600s"), "{}", at(92));
        assert!(at(93).contains("93 days from now"), "{}", at(93));
    }

    #[test]
    fn every_fault_is_told() {
        assert_eq!(
            said(r#"{"app":["[x"],"apps":1,"region":[],"reason":"","duration":"2x"}"#),
            "\"apps\": unknown key; known are app, region, instance, host, rule, severity, labels, notifier, starts_at, ends_at, duration, reason, author\n\
             app: \"[x\" has a [ without its ]\n\
             region: an empty list matches nothing; leave it out to match all\n\
             reason: empty, too long, or with control characters; one line of 1 to 500 characters\n\
             author: missing; one line of 1 to 500 characters\n\
             duration: \"2x\" has the unknown unit \"x\"; give one such as \"2h\""
        );
        let rest = r#","reason":"x","author":"ada"}"#;
        let cases = [
            (
                r#"{"duration":"1h""#,
                "no matcher: give at least one of app, region, instance, host, rule, severity, labels, notifier; {\"app\":\"*\"} matches every app",
            ),
            (r#"{"app":"a""#, "no end: give either ends_at or duration"),
            (
                r#"{"app":"a","duration":"1h","ends_at":"2030-01-01T00:00:00Z""#,
                "no end: give either ends_at or duration",
            ),
            (
                r#"{"app":"a","duration":"0s""#,
                "it would end before it begins: give a later end",
            ),
            (
                r#"{"app":"a","ends_at":"2020-01-01T00:00:00Z""#,
                "it would end before it begins: give a later end",
            ),
            (
                r#"{"app":"a","ends_at":"tomorrow""#,
                "ends_at: invalid time: expected one such as \"2026-01-31T18:00:00Z\"",
            ),
            (
                r#"{"app":"a","ends_at":"9999-01-01T00:00:00Z""#,
                "ends_at: invalid time: expected one such as \"2026-01-31T18:00:00Z\"",
            ),
            (
                r#"{"app":"a","duration":"60d""#,
                "it is longer than 31 days: change the rules instead",
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(said(&format!("{body}{rest}")), expected, "{body}");
        }
        assert!(said("[1]").starts_with("invalid body: expected a JSON object"));
        assert!(said("{").starts_with("invalid JSON: "));
    }

    #[test]
    fn severities_labels_and_notifiers_are_matched() {
        let body = r#"{"severity":["warning","info"],"labels":{"team":["core","!x"],"tier":"1"},"notifier":"!pager",
            "duration":"1h","reason":"r","author":"a"}"#;
        // One that takes out what the list does not name is a fault.
        assert_eq!(
            said(body),
            "labels: team: \"!x\" takes out nothing that the list names"
        );
        let body = body.replace(r#","!x""#, "");
        let matchers = read(body.as_bytes(), NOW).expect("a silence").matchers;
        assert_eq!(matchers.severity, [Severity::Warning, Severity::Info]);
        assert_eq!(matchers.labels["team"].0, ["core"]);
        assert_eq!(matchers.labels["tier"].0, ["1"]);
        assert_eq!(matchers.notifier.0, ["!pager"]);
        let cases = [
            (
                r#""severity":"bad""#,
                "severity: expected critical, error, warning or info, or a list of them",
            ),
            (
                r#""severity":[]"#,
                "severity: expected critical, error, warning or info, or a list of them",
            ),
            (
                r#""labels":"core""#,
                "labels: expected an object of 1 to 16 labels",
            ),
            (
                r#""labels":{}"#,
                "labels: expected an object of 1 to 16 labels",
            ),
            (r#""labels":{"a-b":"x"}"#, "labels: invalid name \"a-b\""),
            (
                r#""labels":{"team":1}"#,
                "labels: team: expected a glob, or a list of globs",
            ),
            (
                r#""app":["web-*","!*"]"#,
                "app: \"!*\" takes out everything",
            ),
            (r#""app":"!""#, "app: \"!\" has nothing to take out"),
        ];
        for (key, expected) in cases {
            let body = format!(r#"{{{key},"duration":"1h","reason":"r","author":"a"}}"#);
            assert_eq!(said(&body), expected, "{key}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = read(&bytes, NOW);
        }
    }
}
