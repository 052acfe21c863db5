//! The expectations of a test, compared with the output of the core.

use super::playback::Played;
use super::wording::{line, notices, short, target};
use crate::app::virtual_time::TimedOutput;
use crate::core::engine::Output;
use crate::core::notice::{Notice, NoticeKind, Scope};
use crate::core::rule::RuleSet;
use crate::core::targets::table::State;
use crate::core::time::Wall;
use crate::decode::test_file::{Case, Count, Expect, Expected, Kind, To, Told, ToldTimes};
use crate::format;
use std::collections::BTreeMap;
use std::time::Duration;

/// Notifications shown of those that no line expects.
const SHOWN: usize = 8;

/// An expectation that was not met.
#[derive(Debug)]
pub(super) struct Miss<'c> {
    /// The expectation.
    pub(super) expected: &'c Expected,
    /// The output in its place.
    pub(super) but: String,
    /// The target that it is about.
    pub(super) target: Option<String>,
}

/// A notice, and whether a line has accounted for it.
struct Heard<'p> {
    at: Duration,
    notice: &'p Notice,
    accounted: bool,
}

/// Every expectation that was not met.
pub(super) fn unmet<'c>(case: &'c Case, rules: &RuleSet, played: &Played) -> Vec<Miss<'c>> {
    let mut heard: Vec<Heard<'_>> = notices(&played.said)
        .map(|(at, notice)| Heard {
            at,
            notice,
            accounted: false,
        })
        .collect();
    let context = Context { case, rules };
    // Lines that take all that is left for them come after those that name a number; what is left over is known last.
    let mut expected: Vec<&Expected> = case.expected.iter().collect();
    expected.sort_by_key(|one| match one.what {
        Expect::Told(_, ToldTimes::All(_)) => 1,
        Expect::NothingElse => 2,
        _ => 0,
    });
    let mut missed = Vec::new();
    for expected in expected {
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
            Expect::Open { at, count } => (open_but(played, *at, *count), None),
            Expect::Members { at, target, count } => (
                members_but(played, *at, target, *count),
                Some(target.clone()),
            ),
            Expect::Told(told, times) => {
                let but = match times {
                    ToldTimes::First(count) => account(&context, &mut heard, told, *count),
                    ToldTimes::All(bounds) => account_all(&context, &mut heard, told, *bounds),
                };
                (but, told.target.clone())
            }
            Expect::NotTold(told) => {
                let found: Vec<_> = heard
                    .iter()
                    .filter(|heard| context.matches(heard, told))
                    .collect();
                left_over(&found)
            }
            Expect::NothingElse => {
                let found: Vec<_> = heard.iter().filter(|heard| !heard.accounted).collect();
                left_over(&found)
            }
        };
        missed.extend(but.map(|but| Miss {
            expected,
            but,
            target,
        }));
    }
    missed.sort_by_key(|miss| miss.expected.place);
    missed
}

/// True if a target is the wanted one; a target without a beat stands for any of its beats.
fn is_about(found: &str, wanted: &str) -> bool {
    found == wanted
        || found
            .strip_prefix(wanted)
            .is_some_and(|rest| rest.starts_with(" beat "))
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
        Output::Notify(notice) if notice.scope == Scope::Stream => {
            let state = match notice.kind {
                NoticeKind::Closed(_) => State::Ok,
                _ => State::Firing,
            };
            Some((notice.rule.clone(), "stream".to_owned(), state))
        }
        Output::Notify(_) | Output::Restart(..) => None,
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

/// The incidents that were open at a moment, where their number is not the expected one.
fn open_but(played: &Played, at: Duration, count: Count) -> Option<String> {
    let open = played.open.get(&at).map_or(&[][..], Vec::as_slice);
    if count.holds(open.len()) {
        return None;
    }
    let lines: Vec<String> = open.iter().take(SHOWN).map(line).collect();
    Some(match lines.as_slice() {
        [] => "no incident was open".to_owned(),
        _ => format!("{} were open: {}", open.len(), lines.join("; ")),
    })
}

fn members_but(played: &Played, at: Duration, wanted: &str, count: Count) -> Option<String> {
    let open = played.open.get(&at).map_or(&[][..], Vec::as_slice);
    let of_target: Vec<&Notice> = open
        .iter()
        .filter(|notice| is_incident_of(notice, wanted))
        .collect();
    if of_target.iter().any(|notice| count.holds(members(notice))) {
        return None;
    }
    let lines: Vec<String> = of_target
        .iter()
        .take(SHOWN)
        .map(|notice| format!("{} members: {}", members(notice), line(notice)))
        .collect();
    Some(match lines.as_slice() {
        [] => format!("no incident of {wanted} was open"),
        _ => format!("open were {}", lines.join("; ")),
    })
}

/// Number of members of an incident; 1 for one of a single target, which lists no members.
fn members(notice: &Notice) -> usize {
    usize::try_from(notice.affected_total)
        .unwrap_or(usize::MAX)
        .max(1)
}

/// True if an incident is about a target, or about a part of it: `app web` stands for every incident of that app.
fn is_incident_of(notice: &Notice, wanted: &str) -> bool {
    let who = &notice.who;
    match wanted.split_once(' ') {
        Some(("app", app)) => who.app == app,
        Some(("region", region)) => who.region == region,
        Some(("host", host)) => who.host == host,
        _ => {
            let about = target(who, Some(notice.scope));
            let is_within = about
                .strip_prefix(wanted)
                .is_some_and(|rest| rest.starts_with('/'));
            is_within || is_about(&about, wanted)
        }
    }
}

/// Accounts for all notifications of this kind; `None` where their number lies within the bounds.
fn account_all(
    context: &Context<'_>,
    notices: &mut [Heard<'_>],
    told: &Told,
    bounds: Count,
) -> Option<String> {
    let mut found = Vec::new();
    for heard in notices.iter_mut() {
        if !heard.accounted && context.matches(heard, told) {
            heard.accounted = true;
            found.push(format!("{} at {}", line(heard.notice), short(heard.at)));
        }
    }
    if bounds.holds(found.len()) {
        return None;
    }
    let number = found.len();
    found.truncate(SHOWN);
    Some(match number {
        0 => format!("it was not told, expected {bounds} times"),
        _ => format!(
            "it was told {number} times, expected {bounds}: {}",
            found.join("; ")
        ),
    })
}

/// Takes the first notifications of this kind; `None` where there are enough.
fn account(
    context: &Context<'_>,
    notices: &mut [Heard<'_>],
    told: &Told,
    count: usize,
) -> Option<String> {
    let mut found = 0;
    for heard in notices.iter_mut() {
        if found < count && !heard.accounted && context.matches(heard, told) {
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
        .map(|heard| moment_of(context.case, heard))
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

/// True if an expectation may have meant this notification.
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

/// The test whose notifications are compared, and its rules.
struct Context<'c> {
    case: &'c Case,
    rules: &'c RuleSet,
}

impl Context<'_> {
    fn matches(&self, heard: &Heard<'_>, told: &Told) -> bool {
        let notice = heard.notice;
        let about = target(&notice.who, Some(notice.scope));
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|w| w == found);
        let within = |at: Duration, wanted: Option<(Duration, Duration)>| {
            let at = at.as_millis();
            wanted.is_none_or(|(from, last)| from.as_millis() <= at && at <= last.as_millis())
        };
        let affected = usize::try_from(notice.affected_total).unwrap_or(usize::MAX);
        is(&told.name, notice.alarm.name(notice.scope))
            && told
                .target
                .as_deref()
                .is_none_or(|wanted| is_about(&about, wanted))
            && told.kind.is_none_or(|kind| is_kind(notice.kind, kind))
            && is(&told.rule, &notice.rule)
            && within(heard.at, told.between)
            && within(dated(self.case.start, notice), told.dated)
            && told.affecting.is_none_or(|count| count.holds(affected))
            && told.listing.as_ref().is_none_or(|list| lists(notice, list))
            && told.to.as_ref().is_none_or(|to| self.goes_to(notice, to))
            && told
                .severity
                .is_none_or(|severity| severity == notice.severity)
            && (told.saying.is_empty() || {
                let sentence = format::description(notice);
                told.saying.iter().all(|text| sentence.contains(text))
            })
    }

    /// A notification without a list goes to every notifier.
    fn goes_to(&self, notice: &Notice, to: &To) -> bool {
        let mut found: Vec<&str> = match &notice.notify {
            Some(names) => names.iter().map(String::as_str).collect(),
            None => self.rules.notifiers.iter().map(|one| &*one.name).collect(),
        };
        found.sort_unstable();
        found.dedup();
        if to.only {
            return found == to.names;
        }
        to.names.iter().all(|name| found.contains(&name.as_str()))
    }
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

/// True if it lists exactly these; a notification about one target lists none.
fn lists(notice: &Notice, wanted: &[String]) -> bool {
    let mut found = notice.affected.clone();
    found.sort();
    found == wanted
}
