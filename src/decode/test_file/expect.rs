//! What a test expects: `at 5m firing web/iad/a`, `told HeartbeatMissed web/iad/a opened at 5m`.

use super::names;
use super::words::{Bad, Words, bad, duration};
use crate::core::notice::{Alarm, CloseReason, Scope};
use crate::core::rule::Severity;
use crate::core::targets::table::State;
use std::time::Duration;

/// Something expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The alert of a target is in a state at a moment.
    State {
        /// When.
        at: Duration,
        /// In which state.
        state: State,
        /// Whether it is in any but this.
        not: bool,
        /// Whose.
        target: String,
        /// By which rule; `None`: by any.
        rule: Option<String>,
    },
    /// No alert fires at a moment.
    NobodyFires {
        /// When.
        at: Duration,
    },
    /// A notice like this is told, and this line accounts for so many of them.
    Told(Told, usize),
    /// No notice like this is told.
    NotTold(Told),
    /// No notice but those that other lines account for.
    NothingElse,
}

/// What is known of a notice; `None` where it does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The alert's name, `HeartbeatMissed`.
    pub name: Option<String>,
    /// Who it is about.
    pub target: Option<String>,
    /// What it says.
    pub kind: Option<Kind>,
    /// The rule's name.
    pub rule: Option<String>,
    /// When it is told, to the millisecond; the second is the last of them.
    pub between: Option<(Duration, Duration)>,
    /// The moment that it is dated by: the deadline; the second is the last of them.
    pub dated: Option<(Duration, Duration)>,
    /// How many it affects.
    pub affecting: Option<u64>,
    /// Whom it lists, all of them.
    pub listing: Option<Vec<String>>,
    /// Which notifiers are told.
    pub to: Option<Vec<String>>,
    /// How bad it is.
    pub severity: Option<Severity>,
    /// What its sentence holds.
    pub saying: Vec<String>,
}

/// What a notice says of its incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It began.
    Opened,
    /// It goes on.
    Reminder(Option<u32>),
    /// More of it became known; `None`: any of them.
    Updated(Option<u32>),
    /// It is over.
    Closed(Option<CloseReason>),
}

const FORMS: &str = "an expectation is like \"at 5m firing web/iad/a by 'rule'\", \"at 5m not firing web/iad/a\", \
    \"at 5m nobody fires\", \"told HeartbeatMissed web/iad/a opened at 5m..5m2s\", \"not told ...\", \
    \"nothing told\" or \"nothing else told\"";
const TARGETS: &str = "a target is app/region/instance, app/region, app A, region R, host H or stream, then beat NAME";
const CLAUSES: &str = "then may stand at T or at T..T, by 'RULE', dated T, affecting N, listing A, B, to NOTIFIER, \
    severity S, saying 'TEXT'";

/// Reads a line of `expect`.
pub(super) fn read(line: &str) -> Result<Expect, Bad> {
    let mut words = Words::new(line)?;
    let expect = if words.accept("at") {
        state(&mut words)?
    } else if words.accept("told") {
        let count = count(&mut words)?;
        Expect::Told(told(&mut words)?, count)
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

/// The moments that an expectation speaks of, the last of them.
pub(super) fn last_moment(expect: &Expect) -> Duration {
    match expect {
        Expect::State { at, .. } | Expect::NobodyFires { at } => *at,
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
    let not = words.accept("not");
    let word = words.next_word();
    let state = State::ALL
        .into_iter()
        .find(|state| Some(state.label()) == word);
    let Some(state) = state else {
        return Err(words.wrong("ok, pending, firing, not firing or nobody fires"));
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

/// `3 times`, else once.
fn count(words: &mut Words<'_>) -> Result<usize, Bad> {
    let Some(count) = words.next_word().and_then(|word| word.parse().ok()) else {
        return Ok(1);
    };
    words.take("a number")?;
    match words.accept("times") {
        true => Ok(count),
        false => Err(words.wrong("told N times ...")),
    }
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
    const ALARMS: [Alarm; 6] = [
        Alarm::Heartbeat,
        Alarm::Logs,
        Alarm::Stalled,
        Alarm::Lagging,
        Alarm::Losing,
        Alarm::Flapping,
    ];
    let mut known: Vec<&str> = ALARMS
        .iter()
        .flat_map(|alarm| Scope::ALL.map(|scope| alarm.name(scope)))
        .collect();
    known.sort_unstable();
    known.dedup();
    if !known.contains(&word) {
        return Err(words.wrong(&format!("alerts are {}", known.join(", "))));
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
        let at = words.at();
        let number = words.take("a number")?.parse().ok();
        told.affecting = Some(number.ok_or_else(|| bad(at, "no number", "affecting N"))?);
    } else if words.accept("listing") {
        let at = words.at();
        let mut who = Vec::new();
        for text in list(words)? {
            who.extend(names::names(at, &text)?.iter().map(names::Name::path));
        }
        who.sort();
        told.listing = Some(who);
    } else if words.accept("to") {
        told.to = Some(list(words)?);
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
