//! The headline of an incident: its target, and what is wrong with it, in a line.

use super::downstream;
use super::summary::fill_template;
use super::text::{counted, name};
use super::times::{duration, exact_duration, since, time_of_day};
use crate::core::notice::{Alarm, CloseReason, Notice, NoticeKind, Scope};
use std::fmt::Write;

/// One line with the alert's name, its target, its start and how many are concerned:
/// `RegionSilent: region lhr is silent since 12:00:05Z: 16 instances of 5 apps (api, db, web, ...)`.
pub fn title(notice: &Notice) -> String {
    format!("{}: {}", notice.alarm.name(notice.scope), headline(notice))
}

/// The title without the alert's name. While an incident is open, its rule's `summary` replaces it.
pub fn headline(notice: &Notice) -> String {
    let sentence = sentence(notice);
    let is_own = matches!(notice.kind, NoticeKind::Closed(_)) || notice.summary.is_some();
    match members(notice).filter(|_| !is_own) {
        Some(members) => format!("{sentence}: {members}"),
        None => sentence,
    }
}

/// The headline as people see it in a list of messages: `[critical] ...`, `[error, reminder 2] ...`, `[resolved] ...`.
pub fn marked_headline(notice: &Notice) -> String {
    let severity = notice.severity.label();
    let mark = match notice.kind {
        NoticeKind::Opened => severity.to_owned(),
        NoticeKind::Updated(count) => format!("{severity}, update {count}"),
        NoticeKind::Reminder(count) => format!("{severity}, reminder {count}"),
        NoticeKind::Closed(reason) => reason.label().to_owned(),
    };
    format!("[{mark}] {}", headline(notice))
}

/// The headline without the members.
pub(super) fn sentence(notice: &Notice) -> String {
    if notice.alarm == Alarm::Drill {
        return drill(notice.kind).to_owned();
    }
    let target = target_name(notice);
    match (notice.kind, &notice.summary) {
        (NoticeKind::Closed(reason), _) => format!("{target} {}", ending(reason, notice)),
        (_, Some(summary)) => fill_template(summary, notice),
        (_, None) if notice.scope == Scope::Downstream => {
            let limit = exact_duration(notice.max_gap);
            downstream::headline(notice.alarm, &target, &since(notice), &limit)
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
                Alarm::Archive => format!("{target} archives nothing since {since}"),
                Alarm::Flapping => format!("{target} is flapping"),
                Alarm::Rate if notice.scope == Scope::Instance => {
                    format!("{target} logs too little since {since}")
                }
                _ if notice.is_never_seen() => {
                    format!("{target} was never heard, expected since {since}")
                }
                _ if is_plural(notice) => format!("{target} are silent since {since}"),
                _ => format!("{target} is silent since {since}"),
            }
        }
    }
}

/// True where the target's name is one of several.
fn is_plural(notice: &Notice) -> bool {
    match notice.scope {
        Scope::Regions => !notice.between.cut_off,
        Scope::Instance => notice.who.instance.is_empty(),
        _ => false,
    }
}

/// Number of the silent instances of a wider scope, and their apps: `16 instances of 5 apps (api, db, web, ...)`; `None`
/// where the target's own name says as much.
fn members(notice: &Notice) -> Option<String> {
    let between = &notice.between;
    if notice.affected_total < 2 || notice.scope == Scope::Instance {
        return None;
    }
    let instances = counted(notice.affected_total, "instance");
    let apps: Vec<String> = between.apps.iter().map(|app| name(app)).collect();
    let is_of_app = matches!(notice.scope, Scope::App | Scope::AppRegion);
    Some(match (between.apps_total, apps.as_slice()) {
        (1, [app]) if !is_of_app => format!("{instances} of {app}"),
        (total @ 2.., apps) => {
            let more = if total > apps.len() as u64 {
                ", ..."
            } else {
                ""
            };
            format!("{instances} of {total} apps ({}{more})", apps.join(", "))
        }
        _ => instances,
    })
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
        Scope::Stream if matches!(notice.alarm, Alarm::Full | Alarm::Blind | Alarm::Archive) => {
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
        (CloseReason::Resolved, Alarm::Archive) => {
            format!("archives the stream again at {at}, after {silence}")
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
