//! Core values to words for people. Pure functions, the way back from `decode`.
//!
//! Names and log lines come from the stream, where anyone may write anything. They are shown through [`sanitize`] alone:
//! no control characters, no escape sequences, no endless texts.

mod downstream;
pub mod threshold;

use crate::core::notice::{Alarm, CloseReason, Notice, NoticeKind, Scope};
use crate::core::time::Wall;
use data_encoding::HEXLOWER;
use ring::digest;
use std::error::Error;
use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

/// Characters of one name (app, region, instance, host, beat, rule) that are shown. Fly's names have 63 at most.
pub const NAME_CHARS: usize = 80;
/// Characters of a log line that are shown: enough to recognise it, short enough for a phone.
pub const TEXT_CHARS: usize = 240;
/// Characters of a filled `summary`: what one title of Sentry's keeps.
pub const SUMMARY_CHARS: usize = 500;

/// Bytes of the hash in a [`key`]: two of a million names are alike once in a thousand organisations.
const HASH_BYTES: usize = 6;

const DAY: u64 = 24 * 3600;

/// One line with the alert's name, its target and its start:
/// `HeartbeatMissed: sandwich/iad/0e286551c30586 silent since 12:00:05Z`.
pub fn title(notice: &Notice) -> String {
    format!("{}: {}", notice.alarm.name(notice.scope), headline(notice))
}

/// The title without the alert's name. While an incident is open, its rule's `summary` replaces it.
pub fn headline(notice: &Notice) -> String {
    if notice.alarm == Alarm::Drill {
        return drill(notice.kind).to_owned();
    }
    let target = target_name(notice);
    match (notice.kind, &notice.summary) {
        (NoticeKind::Closed(reason), _) => format!("{target} {}", ending(reason, notice)),
        (_, Some(summary)) => fill_template(summary, notice),
        (_, None) if notice.scope == Scope::Downstream => {
            let limit = exact_duration(notice.max_gap);
            let (name, since) = (name(&notice.rule), since(notice));
            downstream::headline(notice.alarm, &name, &since, &limit)
        }
        (_, None) => {
            let since = since(notice);
            match notice.alarm {
                Alarm::Lagging => {
                    let limit = exact_duration(notice.max_gap);
                    format!("{target} is more than {limit} behind since {since}")
                }
                Alarm::Full => {
                    format!("{target} is full since {since}: new targets are not watched")
                }
                Alarm::Blind => format!("{target} is blind too often since {since}"),
                Alarm::Flapping => format!("{target} is flapping"),
                Alarm::Rate if notice.scope == Scope::Instance => {
                    format!("{target} logs too little since {since}")
                }
                _ if notice.is_never_seen() => {
                    format!("{target} never heard, expected since {since}")
                }
                _ => format!("{target} silent since {since}"),
            }
        }
    }
}

/// Everything that a person needs at three in the morning: target, start, gap and limit, known cause, members, rule, the
/// last beat's text, runbook.
pub fn description(notice: &Notice) -> String {
    let mut text = title(notice);
    if notice.alarm == Alarm::Drill {
        return text;
    }
    let is_closed = matches!(notice.kind, NoticeKind::Closed(_));
    let limit = exact_duration(notice.max_gap);
    // Writing to a String cannot fail.
    let _ = match (is_closed, notice.alarm) {
        (true, Alarm::Full | Alarm::Blind) => write!(text, " (since {})", since(notice)),
        (true, _) => write!(text, " (since {}, limit {limit})", since(notice)),
        (false, Alarm::Full | Alarm::Blind) => Ok(()),
        (false, _) => write!(text, ": {} (limit {limit})", gap(notice)),
    };
    let of_stream = matches!(notice.alarm, Alarm::Stalled | Alarm::Refused);
    let detail = sanitize(&notice.detail, TEXT_CHARS);
    let _ = match notice.kind {
        _ if detail.is_empty() => Ok(()),
        NoticeKind::Closed(_) if matches!(notice.alarm, Alarm::Flapping | Alarm::Rate) => Ok(()),
        NoticeKind::Closed(CloseReason::Resolved) => write!(text, "; until then: {detail}"),
        NoticeKind::Closed(_) if of_stream => write!(text, "; until then: {detail}"),
        NoticeKind::Closed(_) => Ok(()),
        _ => write!(text, "; {detail}"),
    };
    if let Some(missing) = &notice.between.missing {
        let _ = write!(text, "; {}", downstream::missing(missing, rfc3339_seconds));
    }
    if notice.affected_total > 1 {
        let _ = write!(text, "; {}", affected(notice));
    }
    let between = &notice.between;
    if between.back > 0 {
        let _ = write!(text, "; {} heard again", between.back);
    }
    if between.logging > 0 && !matches!(notice.kind, NoticeKind::Closed(_)) {
        let _ = write!(
            text,
            "; {} of them still log: their heartbeats stopped",
            between.logging
        );
    }
    if between.rules.is_empty() {
        let _ = write!(text, "; rule \"{}\"", name(&notice.rule));
    } else {
        let rules = between
            .rules
            .iter()
            .map(|rule| format!("\"{}\"", name(rule)));
        let _ = write!(text, "; rules {}", rules.collect::<Vec<_>>().join(", "));
    }
    if !notice.last_text.is_empty() {
        let last_text = sanitize(&notice.last_text, TEXT_CHARS);
        let _ = write!(text, "; last beat: \"{last_text}\"");
    }
    if notice.kind == NoticeKind::Opened && !between.runbooks.is_empty() {
        let runbooks = between.runbooks.iter();
        let runbooks = runbooks.map(|runbook| sanitize(runbook, TEXT_CHARS));
        let _ = write!(
            text,
            "; runbooks: {}",
            runbooks.collect::<Vec<_>>().join(", ")
        );
    } else if let (Some(runbook), NoticeKind::Opened) = (&notice.runbook, notice.kind) {
        let _ = write!(text, "; runbook: {}", sanitize(runbook, TEXT_CHARS));
    }
    text
}

/// The gap, and how much of it was listened time where that is less: `no heartbeat for 7m, 5m of it listened`.
fn gap(notice: &Notice) -> String {
    let gap = duration(notice.gap);
    let listened = duration(notice.listened);
    let mut text = match notice.alarm {
        _ if notice.scope == Scope::Downstream => return downstream::gap(notice.alarm, &gap),
        Alarm::Lagging => return format!("{gap} behind"),
        Alarm::Heartbeat => format!("no heartbeat for {gap}"),
        Alarm::Logs => format!("no logs for {gap}"),
        Alarm::Rate => format!("too few entries for {gap}"),
        Alarm::Stalled | Alarm::Refused => format!("no entries for {gap}"),
        Alarm::Flapping
        | Alarm::Losing
        | Alarm::Unseen
        | Alarm::Blind
        | Alarm::Full
        | Alarm::Drill => {
            format!("silent for {gap}")
        }
    };
    if listened != gap {
        let _ = write!(text, ", {listened} of it listened");
    }
    text
}

/// A drill's text, which cannot be taken for an alert.
fn drill(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Closed(_) => "the test of lastbeat's notifiers is over; nothing was silent",
        NoticeKind::Opened | NoticeKind::Updated(_) | NoticeKind::Reminder(_) => {
            "this is a test of lastbeat's notifiers (lastbeat drill); nothing is silent"
        }
    }
}

/// The silent target, by the incident's scope: `sandwich/iad/0e286551c30586`, `sandwich in iad`, `region iad`.
pub fn target_name(notice: &Notice) -> String {
    let who = &notice.who;
    let mut text = match notice.scope {
        Scope::Stream if notice.alarm == Alarm::Drill => "a drill".to_owned(),
        Scope::Stream if matches!(notice.alarm, Alarm::Full | Alarm::Blind) => {
            "lastbeat".to_owned()
        }
        Scope::Stream => "the stream".to_owned(),
        Scope::Downstream => name(&notice.rule),
        Scope::Regions if notice.between.cut_off => format!(
            "lastbeat is cut off from everyone else: all {} other regions",
            notice.between.of_total
        ),
        Scope::Regions => format!(
            "{} of {} regions ({})",
            notice.between.regions,
            notice.between.of_total,
            name(&who.region)
        ),
        Scope::Region => format!("region {}", name(&who.region)),
        Scope::App => format!("app {}", name(&who.app)),
        Scope::AppRegion => format!("{} in {}", name(&who.app), name(&who.region)),
        Scope::Host => format!("host {}", name(&who.host)),
        Scope::Instance if who.instance.is_empty() => {
            let place = [&who.app, &who.region]
                .into_iter()
                .filter(|part| !part.is_empty());
            let place: Vec<String> = place.map(|part| name(part)).collect();
            match notice.between.of_total {
                total if total > notice.affected_total => format!(
                    "{} of {total} instances of {}",
                    notice.affected_total,
                    place.join("/")
                ),
                _ => format!("{} instances of {}", notice.affected_total, place.join("/")),
            }
        }
        Scope::Instance => {
            format!(
                "{}/{}/{}",
                name(&who.app),
                name(&who.region),
                name(&who.instance)
            )
        }
    };
    if !who.beat.is_empty() {
        let _ = write!(text, " beat {}", name(&who.beat));
    }
    text
}

/// The members: `8 instances: web/iad/a, web/iad/b, ... and 6 more`.
pub fn affected(notice: &Notice) -> String {
    let named: Vec<String> = notice.affected.iter().map(|one| name(one)).collect();
    let more = notice.affected_total.saturating_sub(named.len() as u64);
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!(
        "{} instances: {}{rest}",
        notice.affected_total,
        named.join(", ")
    )
}

/// The incident's target as a key, which does not change with the numbers in the text: the parts of [`target_name`]
/// joined by dots, which no name of the stream can hold.
pub fn target_key(notice: &Notice) -> String {
    let who = &notice.who;
    let parts = match notice.scope {
        Scope::Stream if notice.alarm == Alarm::Lagging => vec!["lag"],
        Scope::Stream if notice.alarm == Alarm::Full => vec!["room"],
        Scope::Stream if notice.alarm == Alarm::Blind => vec!["sight"],
        Scope::Stream if notice.alarm == Alarm::Drill => vec!["drill"],
        Scope::Instance if notice.alarm == Alarm::Flapping => {
            vec!["flapping", who.app.as_str(), &who.region, &who.instance]
        }
        Scope::Stream => vec!["stream"],
        Scope::Downstream => vec!["downstream", notice.rule.as_str()],
        Scope::Regions => vec!["regions"],
        Scope::Region => vec![who.region.as_str()],
        Scope::App => vec![who.app.as_str()],
        Scope::AppRegion => vec![who.app.as_str(), &who.region],
        Scope::Host => vec![who.host.as_str()],
        Scope::Instance => vec![who.app.as_str(), &who.region, &who.instance],
    };
    let beat = (!who.beat.is_empty()).then_some(who.beat.as_str());
    let parts = parts.into_iter().chain(beat);
    let parts: Vec<String> = parts.map(|part| key(part, NAME_CHARS)).collect();
    parts.join(".")
}

/// Replaces `{app}`, `{region}`, `{instance}`, `{host}`, `{beat}`, `{since}`, `{rule}` and `{scope}`; other braces
/// stay as they are. One pass: braces in a name that was filled in are not looked at again.
pub fn fill_template(template: &str, notice: &Notice) -> String {
    let mut text = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        text.push_str(&rest[..open]);
        let tail = &rest[open..];
        let filled = tail
            .find('}')
            .and_then(|end| Some((value(&tail[1..end], notice)?, end)));
        match filled {
            Some((value, end)) => {
                text.push_str(&value);
                rest = &tail[end + 1..];
            }
            None => {
                text.push('{');
                rest = &tail[1..];
            }
        }
    }
    text.push_str(rest);
    sanitize(&text, SUMMARY_CHARS)
}

fn value(key: &str, notice: &Notice) -> Option<String> {
    let who = &notice.who;
    Some(match key {
        "app" => name(&who.app),
        "region" => name(&who.region),
        "instance" => name(&who.instance),
        "host" => name(&who.host),
        "beat" => name(&who.beat),
        "rule" => name(&notice.rule),
        "scope" => notice.scope.label().to_owned(),
        "since" => since(notice),
        _ => return None,
    })
}

fn ending(reason: CloseReason, notice: &Notice) -> String {
    let silence = duration(notice.gap);
    let at = time_of_day(notice.decided, notice.decided);
    match (reason, notice.alarm) {
        (CloseReason::Resolved, _) if notice.scope == Scope::Downstream => {
            downstream::ending(notice.alarm, &at, &silence)
        }
        (CloseReason::Resolved, Alarm::Lagging) => {
            format!("caught up at {at}, after {silence}")
        }
        (CloseReason::Resolved, Alarm::Full) => {
            format!("has capacity again at {at}, after {silence}")
        }
        (CloseReason::Resolved, Alarm::Blind) => {
            format!("receives the stream again at {at}, after {silence}")
        }
        (CloseReason::Resolved, Alarm::Rate) => {
            format!("logs enough again at {at}, after {silence}")
        }
        (CloseReason::Resolved, Alarm::Flapping) => format!("steady again at {at}"),
        (CloseReason::Resolved, _) if notice.is_never_seen() => {
            format!("heard for the first time at {at}, after {silence} of silence")
        }
        (CloseReason::Resolved, _) => format!("heard again at {at}, after {silence} of silence"),
        (CloseReason::Stopped, _) => format!("stopped on purpose, after {silence} of silence"),
        (CloseReason::Forgotten, _) => format!("no longer watched: still silent after {silence}"),
        (CloseReason::Superseded, _) => "is now part of a wider incident".to_owned(),
        (CloseReason::RuleRemoved, _) => "is no longer watched: its rule was removed".to_owned(),
    }
}

fn since(notice: &Notice) -> String {
    time_of_day(notice.since, notice.decided)
}

/// `12:00:05Z` on the UTC day of `today`, else `2022-09-27 12:00:05Z`.
fn time_of_day(at: Wall, today: Wall) -> String {
    let day = |wall: Wall| wall.nanos() / 1_000_000_000 / DAY;
    let full = rfc3339_seconds(at);
    match full.split_once('T') {
        Some((_, time)) if day(at) == day(today) => time.to_owned(),
        Some((date, time)) => format!("{date} {time}"),
        None => full,
    }
}

/// RFC 3339 in UTC, to the millisecond: `2022-09-27T20:34:37.252Z`.
pub fn rfc3339(at: Wall) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_nanos(at.nanos())).to_string()
}

/// RFC 3339 in UTC, to the second below: `2022-09-27T20:34:37Z`.
pub fn rfc3339_seconds(at: Wall) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_nanos(at.nanos())).to_string()
}

/// A number of things: `1 fault`, `2 faults`.
pub fn counted(count: u64, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// A length of time for people, rounded by its size: to milliseconds below a second, seconds below an hour, minutes below a
/// day, hours above.
pub fn duration(length: Duration) -> String {
    let step = match length.as_secs() {
        0 => 1,
        1..3600 => 1_000,
        3600..DAY => 60_000,
        _ => 3_600_000,
    };
    let millis = (length.as_millis() + step / 2) / step * step;
    let rounded = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
    exact_duration(rounded)
}

/// A length of time as it is, for settings: `90s` is `1m 30s`.
pub fn exact_duration(length: Duration) -> String {
    humantime::format_duration(length).to_string()
}

/// A name of the stream's, cleaned and capped at [`NAME_CHARS`].
pub fn name(text: &str) -> String {
    sanitize(text, NAME_CHARS).trim().to_owned()
}

/// A text of at most `chars` characters that is an identity: cleaned as [`sanitize`] does, and, where anything of it is
/// lost by that, with a hash of all of it at its end, so that two that differ stay two.
pub fn key(text: &str, chars: usize) -> String {
    let whole = sanitize(text, text.len());
    if whole.trim() == text && text.chars().count() <= chars {
        return whole;
    }
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let hash = HEXLOWER.encode(&digest.as_ref()[..HASH_BYTES]);
    let kept = chars.saturating_sub(hash.len() + 1);
    let head: String = whole.trim().chars().take(kept).collect();
    format!("{head}~{hash}")
}

/// A text without escape sequences, control characters and invisible marks that turn the reading direction,
/// on one line, of at most `chars` characters; what was cut shows as `…`.
pub fn sanitize(text: &str, chars: usize) -> String {
    let mut out = String::with_capacity(text.len().min(chars.saturating_mul(4)));
    let mut shown = 0;
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        let keep = match next {
            '\u{1b}' => {
                skip_escape(&mut rest);
                continue;
            }
            '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
            mark if mark.is_control() || is_invisible(mark) => continue,
            plain => plain,
        };
        if shown == chars {
            out.pop();
            out.push('…');
            break;
        }
        out.push(keep);
        shown += 1;
    }
    out
}

/// True if a character has no width, turns the reading direction, breaks a line or tags what follows: such make a text look
/// like another, or say to programs what no person sees.
pub fn is_invisible(mark: char) -> bool {
    matches!(mark, '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(mark, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Skips the characters that belong to an ESC: a whole CSI sequence (`[` up to its final byte), a whole OSC one (`]` up to BEL
/// or ESC `\`), or nothing where neither begins.
fn skip_escape(rest: &mut std::str::Chars<'_>) {
    let mut ahead = rest.clone();
    match ahead.next() {
        Some('[') => {
            // A cut-off sequence must not swallow the line: parameters only, then one final byte.
            let parameters = ahead.as_str().find(|c| !matches!(c, '\u{20}'..='\u{3f}'));
            let Some(at) = parameters else { return };
            *rest = ahead.as_str()[at..].chars();
            if rest
                .clone()
                .next()
                .is_some_and(|c| matches!(c, '\u{40}'..='\u{7e}'))
            {
                rest.next();
            }
        }
        Some(']') => {
            let end = ahead.as_str().find(['\u{7}', '\u{1b}']);
            let Some(at) = end else { return };
            *rest = ahead.as_str()[at..].chars();
            if rest.next() == Some('\u{1b}') && rest.as_str().starts_with('\\') {
                rest.next();
            }
        }
        _ => {}
    }
}

/// An error with its sources, from the outermost in: `could not connect to x: tcp connect error: refused`.
/// A source that only repeats the one before is left out.
pub fn error_chain(fault: &dyn Error) -> String {
    let mut last = fault.to_string();
    let mut text = last.clone();
    let mut next = fault.source();
    while let Some(source) = next {
        let said = source.to_string();
        if said != last {
            let _ = write!(text, ": {said}");
        }
        last = said;
        next = source.source();
    }
    sanitize(&text, SUMMARY_CHARS)
}

#[cfg(test)]
pub(crate) mod tests;
