//! Checks of single values: text in, a checked value or what is wrong with it out.

use super::fault::{Wrong, quoted, shortened};
use crate::core::rule::{Globs, LONGEST_SPAN, MaxGap, Severity};
use crate::decode::active_hours::{ActiveHours, HoursFault};
use crate::decode::http_url::http_url;
use crate::decode::{globs, nearest, schedule};
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::de::DeValue;

/// Characters of a rule's name: it is a label's value and stands in titles.
const MAX_NAME: usize = 100;
/// Characters of a marker: shorter ones turn up in any line, and none needs to be longer.
const MARKER: RangeInclusive<usize> = 3..=64;
/// Characters of a beat's name; longer ones are refused in beats as well.
const MAX_BEAT: usize = 64;
/// Characters of a summary: what notifiers show of a title and its sentence.
const MAX_SUMMARY: usize = 500;
/// Bytes of a runbook's address.
const MAX_RUNBOOK: usize = 1_000;
/// Beats in a row that may be asked for before an alert ends.
pub(super) const RECOVER: RangeInclusive<u32> = 1..=100;
/// Range of `at_least`; an app has no more machines.
pub(super) const AT_LEAST: RangeInclusive<u32> = 1..=10_000;
/// Reminders more often than this are noise.
pub(super) const REMIND: RangeInclusive<Duration> = Duration::from_secs(60)..=LONGEST_SPAN;
/// An alert that waits longer for others is late.
pub(super) const GROUP_WAITS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(300);
/// A target that is forgotten sooner would be forgotten before it could be missed.
pub(super) const FORGET: RangeInclusive<Duration> = Duration::from_secs(60)..=LONGEST_SPAN;
/// Shorter silences end before a notification is sent; longer ones are no silences but a rule to be removed.
pub(super) const SILENCE: RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(31 * 24 * 3600);
/// Names in one list of expected ones or of notifiers.
const MAX_NAMES: usize = 200;
/// Characters of the name of an app or a region; Fly's have 63 at most.
const MAX_EXPECTED: usize = 63;
/// Characters of a notifier's name: it is a label's value.
pub(super) const MAX_NOTIFIER: usize = 40;
/// Bytes of a duration, and digits of a number in it. Within these `humantime` cannot overflow; without
/// them `18446744073709551615s 1000ms` makes it panic.
const MAX_DURATION: usize = 64;
const MAX_DIGITS: usize = 10;

const DURATION: &str = "a duration is like \"90s\", \"5m\" or \"1h 30m\"";
const DURATION_OR_AUTO: &str = "\"auto\", or a duration like \"90s\", \"5m\" or \"1h 30m\"";

/// Words of `severity`, the worst first.
pub(super) const SEVERITIES: &[(&str, Severity)] = &[
    ("critical", Severity::Critical),
    ("error", Severity::Error),
    ("warning", Severity::Warning),
    ("info", Severity::Info),
];

/// Placeholders in the summary of a rule.
pub(super) const RULE_WORDS: &[&str] = &[
    "app", "region", "instance", "host", "beat", "since", "gap", "max_gap", "rule", "scope",
];
/// Placeholders in the summary of the stream.
pub(super) const STREAM_WORDS: &[&str] = &["since", "gap", "max_gap", "rule", "scope"];

/// Text of any kind.
pub(super) fn text<'v>(value: &'v DeValue<'_>, allowed: &str) -> Result<&'v str, Wrong> {
    value
        .as_str()
        .ok_or_else(|| Wrong::new(format!("this is {}", kind(value)), allowed))
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A rule's name.
pub(super) fn name(value: &DeValue<'_>) -> Result<String, Wrong> {
    let allowed = format!("a name is text of 1 to {MAX_NAME} characters");
    let name = line(value, MAX_NAME, &allowed)?;
    if name == "stream" {
        return Err(Wrong::new(
            "\"stream\" is the name of the stream's own rule",
            "choose another",
        ));
    }
    Ok(name.to_owned())
}

/// One line of text, neither empty nor longer than `most` characters.
pub(super) fn line<'v>(
    value: &'v DeValue<'_>,
    most: usize,
    allowed: &str,
) -> Result<&'v str, Wrong> {
    let text = text(value, allowed)?;
    let what = if text.trim().is_empty() {
        "empty".to_owned()
    } else if text.trim() != text {
        format!("{} begins or ends with a space", quoted(text))
    } else if text.chars().any(char::is_control) {
        format!("{} holds a control character", quoted(text))
    } else if text.chars().count() > most {
        format!("{} is longer than {most} characters", quoted(text))
    } else {
        return Ok(text);
    };
    Err(Wrong::new(what, allowed))
}

/// A severity.
pub(super) fn severity(value: &DeValue<'_>) -> Result<Severity, Wrong> {
    choice(value, SEVERITIES)
}

/// The number of severities in a list.
pub(super) fn severity_count(count: usize) -> Result<(), Wrong> {
    match count {
        0 => Err(Wrong::new("an empty list", "remove the key to mean all")),
        _ => Ok(()),
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(value: &DeValue<'_>, choices: &[(&str, T)]) -> Result<T, Wrong> {
    let known: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    let allowed = match known.as_slice() {
        [only] => format!("allowed is {only}"),
        _ => format!("allowed are {}", known.join(", ")),
    };
    let word = text(value, &allowed)?;
    choices
        .iter()
        .find(|(known, _)| *known == word)
        .map(|(_, value)| *value)
        .ok_or_else(|| Wrong {
            what: format!(
                "unknown value {}{}",
                quoted(word),
                nearest::hint(word, &known)
            ),
            allowed,
        })
}

/// A duration longer than zero.
pub(super) fn span(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    span_of(text(value, DURATION)?, DURATION)
}

/// The longest silence of a target, or `auto`.
pub(super) fn max_gap(value: &DeValue<'_>) -> Result<MaxGap, Wrong> {
    match text(value, DURATION_OR_AUTO)? {
        "auto" => Ok(MaxGap::Auto),
        text => span_of(text, DURATION_OR_AUTO).map(MaxGap::Fixed),
    }
}

/// A duration, zero included.
pub(super) fn hold(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    duration(text(value, DURATION)?).map_err(|what| Wrong::new(what, DURATION))
}

fn span_of(text: &str, allowed: &str) -> Result<Duration, Wrong> {
    let span = duration(text).map_err(|what| Wrong::new(what, allowed))?;
    if span.is_zero() {
        return Err(Wrong::new(format!("{} is zero", quoted(text)), allowed));
    }
    Ok(span)
}

/// Reads a humantime duration, at most [`LONGEST_SPAN`]; else says what is wrong with it. Takes any text.
pub fn duration(text: &str) -> Result<Duration, String> {
    // Beats come here too: what is right makes no text.
    let shown = || quoted(text);
    if text.len() > MAX_DURATION {
        return Err(format!("{} is too long for a duration", shown()));
    }
    let mut digits = 0;
    for char in text.chars() {
        match char {
            '0'..='9' => digits += 1,
            _ if char.is_whitespace() => {}
            _ => digits = 0,
        }
        if digits > MAX_DIGITS {
            return Err(format!("a number in {} is too long", shown()));
        }
    }
    let span = humantime::parse_duration(text).map_err(|error| no_duration(&shown(), &error))?;
    if span > LONGEST_SPAN {
        let days = LONGEST_SPAN.as_secs() / 86_400;
        return Err(format!("{} is longer than {days} days", shown()));
    }
    Ok(span)
}

fn no_duration(shown: &str, error: &humantime::DurationError) -> String {
    use humantime::DurationError as E;
    match error {
        E::Empty => "empty".to_owned(),
        E::UnknownUnit { unit, .. } if unit.is_empty() => {
            format!("{shown} has a number without a unit")
        }
        E::UnknownUnit { unit, .. } => format!("{shown} has the unknown unit {}", quoted(unit)),
        _ => format!("invalid duration {shown}"),
    }
}

/// The length of a list of globs.
pub(super) fn glob_count(count: usize) -> Result<(), Wrong> {
    match count {
        0 => Err(Wrong::new(
            "an empty list matches nothing",
            "remove the key to match everything",
        )),
        1..=globs::MAX_GLOBS => Ok(()),
        _ => Err(Wrong::new(
            format!("{count} globs"),
            format!("a list may have {}", globs::MAX_GLOBS),
        )),
    }
}

/// Description of valid globs.
pub(super) const A_GLOB: &str =
    "a glob is like \"web\", \"batch-*\", \"{iad,lhr}\" or \"!web-staging\", or a list of such";

/// One glob.
pub(super) fn glob(value: &DeValue<'_>) -> Result<String, Wrong> {
    glob_without(value, &[(' ', "a space"), ('.', "a dot")])
}

fn glob_without(value: &DeValue<'_>, none_has: &[(char, &str)]) -> Result<String, Wrong> {
    let glob = text(value, A_GLOB)?;
    for (char, name) in none_has {
        if globs::needs(glob, *char) {
            let what = format!("{} holds {name}, which no name has", quoted(glob));
            return Err(Wrong::new(what, A_GLOB));
        }
    }
    glob_of(glob, A_GLOB)
}

/// One glob of a physical host.
pub(super) fn host_glob(value: &DeValue<'_>) -> Result<String, Wrong> {
    glob_without(value, &[(' ', "a space")])
}

/// One glob over texts that may hold anything, as the names of rules and hosts.
pub(super) fn any_glob(value: &DeValue<'_>) -> Result<String, Wrong> {
    const ALLOWED: &str = "a name, a glob like \"web *\" or \"!web *\", or a list of such";
    glob_of(text(value, ALLOWED)?, ALLOWED)
}

/// Globs, each checked, as a list; else the place in the list of the one that is wrong, and what is wrong.
pub(super) fn glob_list(list: Vec<String>) -> Result<Globs, (usize, Wrong)> {
    match globs::check_list(&list) {
        Ok(()) => Ok(globs::simplified(list)),
        Err((at, what)) => Err((at, Wrong::new(what, A_GLOB))),
    }
}

fn glob_of(glob: &str, allowed: &str) -> Result<String, Wrong> {
    let checked = globs::check(glob).map(|()| glob.to_owned());
    checked.map_err(|what| Wrong::new(what, allowed))
}

/// A marker: a word that a beat carries.
pub(super) fn marker<'v>(value: &'v DeValue<'_>) -> Result<&'v str, Wrong> {
    let allowed = format!(
        "a marker is a word of {} to {} of A-Z a-z 0-9 _",
        MARKER.start(),
        MARKER.end()
    );
    let marker = text(value, &allowed)?;
    let what = if marker.is_empty() {
        "empty".to_owned()
    } else if !marker
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    {
        format!("{} is not one word", quoted(marker))
    } else if !MARKER.contains(&marker.len()) {
        format!("{} has {} characters", quoted(marker), marker.len())
    } else {
        return Ok(marker);
    };
    Err(Wrong::new(what, allowed))
}

/// A beat's name.
pub(super) fn beat(value: &DeValue<'_>) -> Result<String, Wrong> {
    let allowed = format!("the name= of a beat is one word of 1 to {MAX_BEAT} characters");
    let beat = line(value, MAX_BEAT, &allowed)?;
    if beat.contains(char::is_whitespace) {
        return Err(Wrong {
            what: format!("{} is not one word", quoted(beat)),
            allowed,
        });
    }
    Ok(beat.to_owned())
}

/// A whole number within a range.
pub(super) fn whole(value: &DeValue<'_>, range: RangeInclusive<u32>) -> Result<u32, Wrong> {
    let allowed = format!("a whole number from {} to {}", range.start(), range.end());
    let Some(number) = value.as_integer() else {
        return Err(Wrong {
            what: format!("this is {}", kind(value)),
            allowed,
        });
    };
    match u32::from_str_radix(number.as_str(), number.radix()) {
        Ok(count) if range.contains(&count) => Ok(count),
        _ => Err(Wrong {
            what: format!("{} is out of range", shortened(&number.to_string())),
            allowed,
        }),
    }
}

/// A duration between two others.
pub(super) fn span_within(
    value: &DeValue<'_>,
    range: &RangeInclusive<Duration>,
) -> Result<Duration, Wrong> {
    let (least, most) = (*range.start(), *range.end());
    let shown = |span| humantime::format_duration(span).to_string();
    let allowed = match (least.is_zero(), most == LONGEST_SPAN) {
        (_, true) => format!("a duration of {} or more", shown(least)),
        (true, _) => format!("a duration of {} at most", shown(most)),
        _ => format!("a duration from {} to {}", shown(least), shown(most)),
    };
    let text = text(value, &allowed)?;
    let span = duration(text).map_err(|what| Wrong::new(what, allowed.as_str()))?;
    let what = match span {
        _ if span < least => format!("{} is too short", quoted(text)),
        _ if span > most => format!("{} is too long", quoted(text)),
        _ => return Ok(span),
    };
    Err(Wrong::new(what, allowed))
}

/// The length of a list of names.
pub(super) fn name_count(count: usize) -> Result<(), Wrong> {
    match count {
        0 => Err(Wrong::new(
            "an empty list matches nothing",
            "remove the key",
        )),
        1..=MAX_NAMES => Ok(()),
        _ => Err(Wrong::new(
            format!("{count} names"),
            format!("a list may have {MAX_NAMES}"),
        )),
    }
}

/// The name of an app or of a region: no glob, as what a glob stands for is not known before it was heard.
pub(super) fn expected(value: &DeValue<'_>) -> Result<String, Wrong> {
    let allowed = format!("a name of letters, digits, - and _, of 1 to {MAX_EXPECTED} characters");
    let name = text(value, &allowed)?;
    if is_word(name, MAX_EXPECTED) {
        return Ok(name.to_owned());
    }
    let what = if name.contains(['*', '?', '[', '{', '!']) {
        format!("{} is a glob, expected a name", quoted(name))
    } else {
        format!("invalid name {}", quoted(name))
    };
    Err(Wrong::new(what, allowed))
}

/// A notifier's name.
pub(super) fn notifier(value: &DeValue<'_>) -> Result<String, Wrong> {
    const ALLOWED: &str = "\"sentry\", or the NAME of a [notify.NAME], or a list of such";
    let name = text(value, ALLOWED)?;
    if is_word(name, MAX_NOTIFIER) {
        return Ok(name.to_owned());
    }
    let what = format!("invalid name {}", quoted(name));
    Err(Wrong::new(what, ALLOWED))
}

/// True where a text is printable and has no line's end: it may stand in a header.
pub(super) fn is_header(text: &str) -> bool {
    !text.trim().is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// True where a text is letters, digits, `-` and `_`.
pub(super) fn is_word(text: &str, most: usize) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=most).contains(&text.len()) && text.bytes().all(fits)
}

/// The reason of a silence.
pub(super) fn reason(value: &DeValue<'_>) -> Result<String, Wrong> {
    let allowed = format!("a reason is one line of 1 to {MAX_SUMMARY} characters");
    line(value, MAX_SUMMARY, &allowed).map(str::to_owned)
}

/// The sentence of the notification; it may hold `words` in braces.
pub(super) fn summary(value: &DeValue<'_>, words: &[&str]) -> Result<String, Wrong> {
    let allowed = format!("a summary is one line of 1 to {MAX_SUMMARY} characters");
    let summary = line(value, MAX_SUMMARY, &allowed)?;
    for part in summary.split('{').skip(1) {
        let Some((word, _)) = part.split_once('}') else {
            continue;
        };
        let is_word = !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_word && !words.contains(&word) {
            let what = format!(
                "unknown placeholder {{{}}}{}",
                shortened(word),
                nearest::hint(word, words)
            );
            return Err(Wrong {
                what,
                allowed: format!("allowed are {{{}}}", words.join("}, {")),
            });
        }
    }
    Ok(summary.to_owned())
}

/// The address of a page that says what to do.
pub(super) fn runbook(value: &DeValue<'_>) -> Result<String, Wrong> {
    const ALLOWED: &str = "an address is like \"https://example.com/runbook\"";
    let runbook = line(value, MAX_RUNBOOK, ALLOWED)?;
    if http_url(runbook).is_some() && !runbook.contains(char::is_whitespace) {
        return Ok(runbook.to_owned());
    }
    let what = format!("invalid address {}", quoted(runbook));
    Err(Wrong::new(what, ALLOWED))
}

/// Hours; `None`: always.
pub(super) fn active(value: &DeValue<'_>) -> Result<Option<String>, Wrong> {
    const ALLOWED: &str = "hours are like \"Mon-Fri 08:00-18:00 Europe/Berlin\", or \"always\"";
    let text = text(value, ALLOWED)?.trim();
    if text == "always" {
        return Ok(None);
    }
    let Err(fault) = ActiveHours::new(text) else {
        return Ok(Some(text.to_owned()));
    };
    let hint = match &fault {
        HoursFault::Zone(name) => {
            let zones = schedule::zone_names();
            let zones: Vec<&str> = zones.iter().map(String::as_str).collect();
            nearest::hint(name, &zones)
        }
        _ => String::new(),
    };
    Err(Wrong::new(format!("{fault}{hint}"), ALLOWED))
}

/// True or false.
pub(super) fn flag(value: &DeValue<'_>) -> Result<bool, Wrong> {
    let flag = value.as_bool();
    flag.ok_or_else(|| Wrong::new("invalid flag", "true or false"))
}
