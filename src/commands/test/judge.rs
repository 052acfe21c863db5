//! What was expected, held against what came.

use super::play::Played;
use super::timeline::short;
use crate::app::virtual_time::TimedOutput;
use crate::core::engine::Output;
use crate::core::notice::{Notice, NoticeKind, Scope, Who};
use crate::core::targets::table::State;
use crate::core::time::Wall;
use crate::decode::test_file::{Case, Expect, Expected, Kind, Told};
use crate::format;
use std::collections::BTreeMap;
use std::time::Duration;

/// Notices shown of those that nobody expected.
const SHOWN: usize = 8;

/// An expectation that was not met.
#[derive(Debug)]
pub(super) struct Miss<'c> {
    /// The expectation.
    pub(super) expected: &'c Expected,
    /// What came in its place.
    pub(super) but: String,
    /// Who it is about.
    pub(super) target: Option<String>,
}

/// A notice, and whether a line has accounted for it.
struct Heard<'p> {
    at: Duration,
    notice: &'p Notice,
    accounted: bool,
}

/// Everything that went otherwise.
pub(super) fn judge<'c>(case: &'c Case, played: &Played) -> Vec<Miss<'c>> {
    let mut notices: Vec<Heard<'_>> = notices(&played.said)
        .map(|(at, notice)| Heard {
            at,
            notice,
            accounted: false,
        })
        .collect();
    let mut missed = Vec::new();
    // What is left over is known only when every other line has taken its own.
    let (last, first): (Vec<_>, Vec<_>) = case
        .expected
        .iter()
        .partition(|expected| expected.what == Expect::NothingElse);
    for expected in first.into_iter().chain(last) {
        let (but, target) = match &expected.what {
            Expect::State {
                at,
                state,
                not,
                target,
                rule,
            } => {
                let states = states(&played.said, *at, target, rule.as_deref());
                let but = state_but(&states, *state, *not);
                (but, Some(target.clone()))
            }
            Expect::NobodyFires { at } => nobody_fires(&played.said, *at),
            Expect::Told(told, count) => {
                let but = account(case, &mut notices, told, *count);
                (but, told.target.clone())
            }
            Expect::NotTold(told) => {
                let found: Vec<_> = notices
                    .iter()
                    .filter(|heard| matches(case, heard, told))
                    .collect();
                left_over(&found)
            }
            Expect::NothingElse => {
                let found: Vec<_> = notices.iter().filter(|heard| !heard.accounted).collect();
                left_over(&found)
            }
        };
        missed.extend(but.map(|but| Miss {
            expected,
            but,
            target,
        }));
    }
    missed
}

/// The notices among what came out.
pub(super) fn notices(said: &[TimedOutput]) -> impl Iterator<Item = (Duration, &Notice)> {
    said.iter().filter_map(|said| match &said.output {
        Output::Tell(notice) => Some((said.at, &**notice)),
        Output::Changed(_) | Output::Restart(..) => None,
    })
}

/// Who an alert or a notice is about, as test files write it.
pub(super) fn target(who: &Who, scope: Option<Scope>) -> String {
    let Who {
        app,
        region,
        instance,
        host,
        beat,
    } = who;
    let parts = [app.as_str(), region.as_str(), instance.as_str()];
    let text = match (scope, parts) {
        (Some(Scope::Stream), _) | (_, ["", "", _]) if host.is_empty() => "stream".to_owned(),
        (Some(Scope::Host), _) | (None, ["", "", _]) => format!("host {host}"),
        (Some(Scope::Region), _) | (_, ["", _, _]) => format!("region {region}"),
        (Some(Scope::App), _) | (_, [_, "", _]) => format!("app {app}"),
        (Some(Scope::AppRegion), _) | (_, [_, _, ""]) => format!("{app}/{region}"),
        _ => format!("{app}/{region}/{instance}"),
    };
    match beat.as_str() {
        "" => text,
        beat => format!("{text} beat {beat}"),
    }
}

/// A target that names no beat is any beat's.
fn is_about(found: &str, wanted: &str) -> bool {
    found == wanted
        || found
            .strip_prefix(wanted)
            .is_some_and(|rest| rest.starts_with(" beat "))
}

/// A notice in one line, in the words of test files.
pub(super) fn line(notice: &Notice) -> String {
    let kind = match notice.kind {
        NoticeKind::Opened => "opened".to_owned(),
        NoticeKind::Updated(number) => format!("updated {number}"),
        NoticeKind::Reminder(number) => format!("reminder {number}"),
        NoticeKind::Closed(reason) => format!("closed {}", reason.label()),
    };
    let affecting = match notice.affected_total {
        0 | 1 => String::new(),
        total => format!(" affecting {total} ({})", notice.affected.join(", ")),
    };
    format!(
        "{} {} {kind} by '{}'{affecting}",
        notice.alarm.name(notice.scope),
        target(&notice.who, Some(notice.scope)),
        notice.rule
    )
}

/// The state of each rule's alert of a target at a moment.
fn states(
    said: &[TimedOutput],
    at: Duration,
    wanted: &str,
    by: Option<&str>,
) -> BTreeMap<(String, String), State> {
    let mut states = BTreeMap::new();
    let until = said.iter().take_while(|said| said.at <= at);
    for (rule, whose, state) in until.filter_map(|said| changed(&said.output)) {
        if is_about(&whose, wanted) && by.is_none_or(|by| by == rule) {
            states.insert((rule, whose), state);
        }
    }
    states
}

/// An alert's new state: its rule, whose it is, the state. The stream's own are known by their notices.
fn changed(output: &Output) -> Option<(String, String, State)> {
    match output {
        Output::Changed(change) => Some((
            change.rule.to_string(),
            target(&change.who, None),
            change.to,
        )),
        Output::Tell(notice) if notice.scope == Scope::Stream => {
            let state = match notice.kind {
                NoticeKind::Closed(_) => State::Ok,
                _ => State::Firing,
            };
            Some((notice.rule.clone(), "stream".to_owned(), state))
        }
        Output::Tell(_) | Output::Restart(..) => None,
    }
}

fn state_but(
    states: &BTreeMap<(String, String), State>,
    wanted: State,
    not: bool,
) -> Option<String> {
    let any = |state: State| states.values().any(|&found| found == state);
    let is = match wanted {
        State::Ok => !any(State::Pending) && !any(State::Firing),
        other => any(other),
    };
    if is != not {
        return None;
    }
    let found: Vec<String> = states
        .iter()
        .map(|((rule, _), state)| format!("{} by '{rule}'", state.label()))
        .collect();
    Some(match found.as_slice() {
        [] => "it was ok all the time".to_owned(),
        _ => format!("it was {}", found.join(", ")),
    })
}

fn nobody_fires(said: &[TimedOutput], at: Duration) -> (Option<String>, Option<String>) {
    let mut states = BTreeMap::new();
    let until = said.iter().take_while(|said| said.at <= at);
    for (rule, whose, state) in until.filter_map(|said| changed(&said.output)) {
        states.insert((rule, whose), state);
    }
    let firing = states.iter().find(|(_, state)| **state == State::Firing);
    match firing {
        Some(((rule, whose), _)) => (
            Some(format!("{whose} was firing by '{rule}'")),
            Some(whose.clone()),
        ),
        None => (None, None),
    }
}

/// Takes the first notices of this kind; says what came where there are too few.
fn account(case: &Case, notices: &mut [Heard<'_>], told: &Told, count: usize) -> Option<String> {
    let mut found = 0;
    for heard in notices.iter_mut() {
        if found < count && !heard.accounted && matches(case, heard, told) {
            heard.accounted = true;
            found += 1;
        }
    }
    if found == count {
        return None;
    }
    let near: Vec<String> = notices
        .iter()
        .filter(|heard| !heard.accounted && is_near(heard.notice, told))
        .take(SHOWN)
        .map(|heard| moment_of(case, heard))
        .collect();
    let told = match (count, found) {
        (1, _) => "it was not told".to_owned(),
        (_, found) => format!("{found} of {count} were told"),
    };
    Some(match near.as_slice() {
        [] => told,
        _ => format!("{told}; told was {}", near.join("; ")),
    })
}

fn moment_of(case: &Case, heard: &Heard<'_>) -> String {
    format!(
        "{} at {}, dated {}",
        line(heard.notice),
        short(heard.at),
        short(dated(case.start, heard.notice))
    )
}

fn left_over(found: &[&Heard<'_>]) -> (Option<String>, Option<String>) {
    let Some(first) = found.first() else {
        return (None, None);
    };
    let mut lines: Vec<String> = found
        .iter()
        .take(SHOWN)
        .map(|heard| format!("{} at {}", line(heard.notice), short(heard.at)))
        .collect();
    if found.len() > SHOWN {
        lines.push(format!("{} more", found.len() - SHOWN));
    }
    let target = target(&first.notice.who, Some(first.notice.scope));
    (Some(format!("told was {}", lines.join("; "))), Some(target))
}

/// Whether a notice is what somebody may have meant.
fn is_near(notice: &Notice, told: &Told) -> bool {
    let about = target(&notice.who, Some(notice.scope));
    let same_target = told
        .target
        .as_deref()
        .is_none_or(|wanted| is_about(&about, wanted));
    let name = notice.alarm.name(notice.scope);
    same_target || told.name.as_deref() == Some(name)
}

/// The moment that a notice is dated by.
fn dated(start: Wall, notice: &Notice) -> Duration {
    match notice.kind {
        NoticeKind::Opened => notice.due.since(start),
        _ => notice.decided.since(start),
    }
}

fn matches(case: &Case, heard: &Heard<'_>, told: &Told) -> bool {
    let notice = heard.notice;
    let about = target(&notice.who, Some(notice.scope));
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|w| w == found);
    let within = |at: Duration, wanted: Option<(Duration, Duration)>| {
        let at = at.as_millis();
        wanted.is_none_or(|(from, last)| from.as_millis() <= at && at <= last.as_millis())
    };
    let sentence = format::description(notice);
    is(&told.name, notice.alarm.name(notice.scope))
        && told
            .target
            .as_deref()
            .is_none_or(|wanted| is_about(&about, wanted))
        && told.kind.is_none_or(|kind| is_kind(notice.kind, kind))
        && is(&told.rule, &notice.rule)
        && within(heard.at, told.between)
        && within(dated(case.start, notice), told.dated)
        && told
            .affecting
            .is_none_or(|count| count == notice.affected_total)
        && told.listing.as_ref().is_none_or(|list| lists(notice, list))
        && told
            .to
            .as_ref()
            .is_none_or(|to| notice.notify.as_ref() == Some(to))
        && told
            .severity
            .is_none_or(|severity| severity == notice.severity)
        && told.saying.iter().all(|text| sentence.contains(text))
}

fn is_kind(found: NoticeKind, wanted: Kind) -> bool {
    match (found, wanted) {
        (NoticeKind::Opened, Kind::Opened) => true,
        (NoticeKind::Reminder(found), Kind::Reminder(wanted))
        | (NoticeKind::Updated(found), Kind::Updated(wanted)) => {
            wanted.is_none_or(|wanted| wanted == found)
        }
        (NoticeKind::Closed(found), Kind::Closed(wanted)) => {
            wanted.is_none_or(|wanted| wanted == found)
        }
        _ => false,
    }
}

/// Whether it lists just these; a notice about one alone lists nobody.
fn lists(notice: &Notice, wanted: &[String]) -> bool {
    let mut found = notice.affected.clone();
    found.sort();
    found == wanted
}
