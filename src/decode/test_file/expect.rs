//! The expectations of a test: `at 5m firing web/iad/a`, `told HeartbeatMissed web/iad/a opened at 5m`.

use super::names;
use super::words::{Bad, Count, Words, bad, duration};
use crate::core::notice::{Alarm, CloseReason, Scope};
use crate::core::rule::Severity;
use crate::core::targets::table::State;
use crate::decode::nearest;
use std::time::Duration;

/// An expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The alert of a target is in a state at a moment.
    State {
        /// The moment.
        at: Duration,
        /// The state.
        state: State,
        /// True if any state but this is expected.
        not: bool,
        /// The target.
        target: String,
        /// The rule's name; `None`: any rule.
        rule: Option<String>,
    },
    /// No alert fires at a moment.
    NobodyFires {
        /// The moment.
        at: Duration,
    },
    /// So many incidents are open at a moment.
    Open {
        /// The moment.
        at: Duration,
        /// The number.
        count: Count,
    },
    /// An open incident of a target has so many members at a moment.
    Members {
        /// The moment.
        at: Duration,
        /// The target.
        target: String,
        /// The number.
        count: Count,
    },
    /// Notifications like this are sent, and this line accounts for so many of them.
    Told(Told, Times),
    /// No notification like this is sent.
    NotTold(Told),
    /// No notification is sent but those that other lines account for.
    NothingElse,
}

/// The number of notifications for which a line accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// The first so many; more of them are left to other lines.
    First(usize),
    /// All of them, and their number lies within bounds.
    All(Count),
}

/// The known parts of a notification; `None` where one does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The alert's name, `HeartbeatMissed`.
    pub name: Option<String>,
    /// The target.
    pub target: Option<String>,
    /// Its kind.
    pub kind: Option<Kind>,
    /// The rule's name.
    pub rule: Option<String>,
    /// When it is sent, to the millisecond; the second is the last of them.
    pub between: Option<(Duration, Duration)>,
    /// The moment that it is dated by: the deadline; the second is the last of them.
    pub dated: Option<(Duration, Duration)>,
    /// The number of affected targets.
    pub affecting: Option<Count>,
    /// The targets that it lists, all of them.
    pub listing: Option<Vec<String>>,
    /// The notifiers to which it is sent.
    pub to: Option<To>,
    /// Its severity.
    pub severity: Option<Severity>,
    /// Texts that its sentence holds.
    pub saying: Vec<String>,
}

/// The notifiers of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct To {
    /// Their names, sorted.
    pub names: Vec<String>,
    /// True if there are no others.
    pub only: bool,
}

/// The kind of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The incident began.
    Opened,
    /// It goes on.
    Reminder(Option<u32>),
    /// More of it became known; `None`: any of them.
    Updated(Option<u32>),
    /// It is over.
    Closed(Option<CloseReason>),
}

const FORMS: &str = "an expectation is like \"at 5m firing web/iad/a by 'rule'\", \"at 5m not firing web/iad/a\", \
    \"at 5m nobody fires\", \"at 5m 1 incident open\", \"at 5m incident of app web has 7 members\", \
    \"told HeartbeatMissed web/iad/a opened at 5m..5m2s\", \"told at most 2 times ...\", \"not told ...\", \
    \"nothing told\" or \"nothing else told\"";
const TARGETS: &str = "a target is app/region/instance, app/region, app A, region R, host H or stream, then beat NAME";
const CLAUSES: &str = "then may stand at T or at T..T, by 'RULE', dated T, affecting N or at least N, listing A, B, \
    to NOTIFIER, to only NOTIFIER, severity S, saying 'TEXT'";

/// Alerts that are named by other parts of the program than the ones that have an [`Alarm`].
const OTHER_ALERTS: [&str; 5] = [
    "ArchiveStopped",
    "DownstreamUnseen",
    "ShipperLags",
    "ShipperLoses",
    "ShipperStalled",
];

/// Reads a line of `expect`.
pub(super) fn read(line: &str) -> Result<Expect, Bad> {
    let mut words = Words::new(line)?;
    let expect = if words.accept("at") {
        state(&mut words)?
    } else if words.accept("told") {
        let times = times(&mut words)?;
        Expect::Told(told(&mut words)?, times)
    } else if words.accept("not told") {
        Expect::NotTold(told(&mut words)?)
    } else if words.accept("nothing told from") {
        let (from, to) = between(&mut words, "to")?;
        let between = Some((from, to));
        Expect::NotTold(Told {
            between,
            ..Told::default()
        })
    } else if words.accept("nothing told") || words.accept("nothing else told") {
        Expect::NothingElse
    } else {
        return Err(words.wrong(FORMS));
    };
    if words.is_over() {
        Ok(expect)
    } else {
        Err(words.wrong(CLAUSES))
    }
}

/// The last moment that an expectation names.
pub(super) fn last_moment(expect: &Expect) -> Duration {
    match expect {
        Expect::State { at, .. }
        | Expect::NobodyFires { at }
        | Expect::Open { at, .. }
        | Expect::Members { at, .. } => *at,
        Expect::Told(told, _) | Expect::NotTold(told) => {
            told.between.map_or(Duration::ZERO, |(_, last)| last)
        }
        Expect::NothingElse => Duration::ZERO,
    }
}

fn state(words: &mut Words<'_>) -> Result<Expect, Bad> {
    let at = words.duration()?;
    if words.accept("nobody fires") {
        return Ok(Expect::NobodyFires { at });
    }
    if words.accept("no incident open") || words.accept("no incidents open") {
        let count = Count { least: 0, most: 0 };
        return Ok(Expect::Open { at, count });
    }
    if words.accept("incident of") {
        let target = target(words)?.ok_or_else(|| words.wrong(TARGETS))?;
        let count = match words.accept("has") {
            true => words.count(),
            false => None,
        };
        let count = count.ok_or_else(|| words.wrong("has 7 members, has at least 7 members"))?;
        if !(words.accept("members") || words.accept("member")) {
            return Err(words.wrong("has N members"));
        }
        return Ok(Expect::Members { at, target, count });
    }
    if let Some(count) = words.count() {
        if !(words.accept("incidents open") || words.accept("incident open")) {
            return Err(words.wrong("at T N incidents open"));
        }
        return Ok(Expect::Open { at, count });
    }
    let not = words.accept("not");
    let word = words.next_word();
    let state = State::ALL
        .into_iter()
        .find(|state| Some(state.label()) == word);
    let Some(state) = state else {
        return Err(words.wrong(
            "ok, pending, firing, not firing, nobody fires, N incidents open, incident of TARGET has N members",
        ));
    };
    words.accept(state.label());
    let target = target(words)?.ok_or_else(|| words.wrong(TARGETS))?;
    let rule = match words.accept("by") {
        true => Some(words.take("by 'RULE'")?.to_owned()),
        false => None,
    };
    Ok(Expect::State {
        at,
        state,
        not,
        target,
        rule,
    })
}

/// `3 times`, `1..3 times`, `at most 2 times`; else once.
fn times(words: &mut Words<'_>) -> Result<Times, Bad> {
    let Some(count) = words.count() else {
        return Ok(Times::First(1));
    };
    if !(words.accept("times") || words.accept("time")) {
        return Err(words.wrong("told N times ..., told N..N times ..., told at most N times ..."));
    }
    Ok(match count {
        Count { least, most } if least == most => Times::First(least),
        bounds => Times::All(bounds),
    })
}

fn told(words: &mut Words<'_>) -> Result<Told, Bad> {
    let mut told = Told {
        name: name(words)?,
        target: target(words)?,
        kind: kind(words)?,
        ..Told::default()
    };
    while !words.is_over() {
        words.comma();
        clause(words, &mut told)?;
    }
    Ok(told)
}

fn name(words: &mut Words<'_>) -> Result<Option<String>, Bad> {
    let capital = |word: &&str| word.starts_with(|char: char| char.is_ascii_uppercase());
    let Some(word) = words.next_word().filter(capital) else {
        return Ok(None);
    };
    let mut known: Vec<&str> = Alarm::ALL
        .iter()
        .flat_map(|alarm| Scope::ALL.map(|scope| alarm.name(scope)))
        .chain(OTHER_ALERTS)
        .collect();
    known.sort_unstable();
    known.dedup();
    if !known.contains(&word) {
        let near = nearest::hint(word, &known);
        let allowed = format!("alerts are {}", known.join(", "));
        let what = format!("\"{}\" is no alert{near}", word.escape_debug());
        return Err(bad(words.at(), &what, &allowed));
    }
    words.take("an alert's name")?;
    Ok(Some(word.to_owned()))
}

/// A target, where one stands next.
fn target(words: &mut Words<'_>) -> Result<Option<String>, Bad> {
    let mut text = match words.next_word() {
        Some("stream") => words.take(TARGETS)?.to_owned(),
        Some(kind @ ("app" | "region" | "host")) => {
            words.take(TARGETS)?;
            format!("{kind} {}", words.take(TARGETS)?)
        }
        // `instance web/iad/a` reads well too.
        Some("instance") => {
            words.take(TARGETS)?;
            words.take(TARGETS)?.to_owned()
        }
        Some(word) if word.contains('/') => words.take(TARGETS)?.to_owned(),
        _ => return Ok(None),
    };
    if words.accept("beat") {
        text = format!("{text} beat {}", words.take("beat NAME")?);
    }
    Ok(Some(text))
}

fn kind(words: &mut Words<'_>) -> Result<Option<Kind>, Bad> {
    if words.accept("opened") {
        return Ok(Some(Kind::Opened));
    }
    if words.accept("updated") {
        return Ok(Some(Kind::Updated(number(words)?)));
    }
    if words.accept("reminder") {
        return Ok(Some(Kind::Reminder(number(words)?)));
    }
    if !words.accept("closed") {
        return Ok(None);
    }
    const REASONS: [CloseReason; 5] = [
        CloseReason::Resolved,
        CloseReason::Stopped,
        CloseReason::Forgotten,
        CloseReason::Superseded,
        CloseReason::RuleRemoved,
    ];
    let reason = REASONS
        .into_iter()
        .find(|reason| words.accept(reason.label()));
    Ok(Some(Kind::Closed(reason)))
}

fn number(words: &mut Words<'_>) -> Result<Option<u32>, Bad> {
    let number = words.next_word().and_then(|word| word.parse().ok());
    if number.is_some() {
        words.take("a number")?;
    }
    Ok(number)
}

fn clause(words: &mut Words<'_>, told: &mut Told) -> Result<(), Bad> {
    if words.accept("at") {
        told.between = Some(between(words, "..")?);
    } else if words.accept("by") {
        told.rule = Some(words.take("by 'RULE'")?.to_owned());
    } else if words.accept("dated") {
        told.dated = Some(between(words, "..")?);
    } else if words.accept("affecting") {
        let count = words.count();
        told.affecting =
            Some(count.ok_or_else(|| words.wrong("affecting N, affecting at least N"))?);
    } else if words.accept("listing") {
        let at = words.at();
        let mut who = Vec::new();
        for text in list(words)? {
            who.extend(names::names(at, &text)?.iter().map(names::Name::path));
        }
        who.sort();
        told.listing = Some(who);
    } else if words.accept("to") {
        let only = words.accept("only");
        let mut names = list(words)?;
        names.sort();
        told.to = Some(To { names, only });
    } else if words.accept("severity") {
        let word = words.next_word();
        let found = Severity::ALL.into_iter().find(|s| Some(s.label()) == word);
        told.severity = Some(found.ok_or_else(|| words.wrong("critical, error, warning, info"))?);
        words.take("a severity")?;
    } else if words.accept("saying") {
        told.saying.push(words.take("saying 'TEXT'")?.to_owned());
    } else {
        return Err(words.wrong(CLAUSES));
    }
    Ok(())
}

/// `A, B, C`; a comma may also lead to the next clause.
fn list(words: &mut Words<'_>) -> Result<Vec<String>, Bad> {
    const CLAUSE: [&str; 8] = [
        "at",
        "by",
        "dated",
        "affecting",
        "listing",
        "to",
        "severity",
        "saying",
    ];
    let mut list = vec![words.take(CLAUSES)?.to_owned()];
    while words.comma() && !words.next_word().is_some_and(|word| CLAUSE.contains(&word)) {
        list.push(words.take(CLAUSES)?.to_owned());
    }
    Ok(list)
}

/// `5m` or `5m..6m`; with `to` also `5m to 6m`.
fn between(words: &mut Words<'_>, mark: &str) -> Result<(Duration, Duration), Bad> {
    let at = words.at();
    let text = words.take("a time")?;
    if mark == "to" {
        let from = duration(at, text)?;
        if !words.accept("to") {
            return Err(words.wrong("from A to B"));
        }
        let to = words.duration()?;
        return Ok((from, to.saturating_sub(Duration::from_millis(1))));
    }
    let (from, last) = text.split_once("..").unwrap_or((text, text));
    let (from, last) = (duration(at, from)?, duration(at, last)?);
    if last < from {
        return Err(bad(at, "the time ends before it begins", "at T..T"));
    }
    Ok((from, last))
}
