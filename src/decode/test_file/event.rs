//! The events of a test: `web/iad/a beats every 30s from 0s to 10m, not from 4m to 6m`.

use super::names::{self, Name, Pattern};
use super::speech::{self, Speech};
use super::words::{Bad, Span, Times, Words, bad, duration};
use crate::core::inventory::Listed;
use crate::core::rule::{Matchers, Severity};
use crate::decode::globs;
use crate::decode::inventory::machines::listed;
use std::time::Duration;

/// An event of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Instances log something.
    Speech(Speech),
    /// Instances run on a physical host.
    Host {
        /// Its name.
        host: String,
        /// The instances.
        who: Vec<Name>,
    },
    /// No entries of some instances reach lastbeat.
    Mute {
        /// The instances.
        who: Pattern,
        /// The time.
        times: Times,
    },
    /// The connection is lost, then there again.
    Cut(Times),
    /// Connected, and no entry arrives.
    Stall(Times),
    /// The process of lastbeat is suspended.
    Suspended(Times),
    /// lastbeat is killed, and started again with its state.
    Down(Times),
    /// Messages are lost on the way to lastbeat, which notices.
    Dropped(Times),
    /// Entries arrive behind their own time.
    Late {
        /// The instances; `None`: all of them.
        who: Option<Pattern>,
        /// The lag at the beginning, and at the end; in between it grows evenly.
        by: (Duration, Duration),
        /// The time.
        span: Span,
    },
    /// The clock of some instances is wrong.
    Clock {
        /// The instances.
        who: Pattern,
        /// The fault.
        fault: ClockFault,
        /// The time.
        span: Span,
    },
    /// Entries of some instances are held back, and arrive all together at the end, with their own time.
    Held {
        /// The instances.
        who: Pattern,
        /// The time.
        span: Span,
    },
    /// The inventory lists machines in a state.
    Listed {
        /// The machines.
        who: Vec<Name>,
        /// The state in the inventory's word.
        word: String,
        /// The time; outside of it the machines are not listed by this line.
        span: Span,
    },
    /// The inventory does not answer.
    InventoryFails(Times),
    /// The instance as which lastbeat itself runs; its app is no target.
    RunsAs(Name),
    /// A silence made by hand.
    Silence {
        /// The targets.
        matchers: Matchers,
        /// The time.
        span: Span,
    },
    /// Another rule set is put in force.
    Rules {
        /// Its name among `other_rules`.
        name: String,
        /// The moment.
        at: Duration,
    },
}

impl Event {
    /// True where it changes times and machines of a test's own entries, which a recorded stream brings along.
    pub(super) fn is_of_own_entries(&self) -> bool {
        matches!(
            self,
            Event::Late { .. }
                | Event::Clock { .. }
                | Event::Held { .. }
                | Event::Listed { .. }
                | Event::InventoryFails(_)
        )
    }
}

/// The fault of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockFault {
    /// It is ahead of the true time.
    Ahead(Duration),
    /// It is behind the true time.
    Behind(Duration),
    /// It stands still at the beginning of the span.
    StandsStill,
}

const FORMS: &str = "a line is like \"web/iad/a beats every 30s from 0s to 10m\", \"... logs every 5s\", \
    \"... says 'HEARTBEAT bye' at 3m\", \"... silent from 4m to 6m\", \"stream cut from 4m to 6m\", \
    \"stream stalls ...\", \"lastbeat suspended ...\", \"lastbeat down ...\", \"messages dropped at 4m\", \
    \"entries late by 5m from 4m to 6m\", \"host 0ad1: web/iad/a, web/iad/b\", \
    \"inventory lists web/iad/a as started from 0s to 6m\", \"silence app=web from 4m to 6m\" or \
    \"rules become 'other' at 5m\"; see lastbeat test --help";

/// Reads a line of `lines`.
pub(super) fn read(line: &str) -> Result<Event, Bad> {
    let mut words = Words::new(line)?;
    let event = if words.accept("stream cut") {
        Event::Cut(words.times()?)
    } else if words.accept("stream stalls") {
        Event::Stall(words.times()?)
    } else if words.accept("lastbeat suspended") {
        Event::Suspended(words.times()?)
    } else if words.accept("lastbeat down") {
        Event::Down(words.times()?)
    } else if words.accept("lastbeat runs as") {
        runs_as(&mut words)?
    } else if words.accept("messages dropped") {
        dropped(&mut words)?
    } else if words.accept("entries late by") {
        late(None, &mut words)?
    } else if words.accept("inventory lists") {
        lists(&mut words)?
    } else if words.accept("inventory fails") {
        Event::InventoryFails(words.times()?)
    } else if words.accept("host") {
        host(&mut words)?
    } else if words.accept("silence") {
        silence(&mut words)?
    } else if words.accept("rules become") {
        Event::Rules {
            name: words.take("the name of one of other_rules")?.to_owned(),
            at: words.moment()?,
        }
    } else {
        of_instances(&mut words)?
    };
    if words.is_over() {
        Ok(event)
    } else {
        Err(words.wrong("nothing more; the line ends before this"))
    }
}

/// The last moment that an event names.
pub(super) fn last_moment(event: &Event) -> Duration {
    let end = match event {
        Event::Speech(speech) => speech.last_moment(),
        Event::Host { .. } | Event::RunsAs(_) => Duration::ZERO,
        Event::Mute { times, .. }
        | Event::Cut(times)
        | Event::Stall(times)
        | Event::Suspended(times)
        | Event::Down(times)
        | Event::Dropped(times)
        | Event::InventoryFails(times) => times.span.to,
        Event::Late { span, .. }
        | Event::Clock { span, .. }
        | Event::Held { span, .. }
        | Event::Listed { span, .. }
        | Event::Silence { span, .. } => span.to,
        Event::Rules { at, .. } => *at,
    };
    // A span without an end ends with the test.
    if end == Duration::MAX {
        Duration::ZERO
    } else {
        end
    }
}

fn dropped(words: &mut Words<'_>) -> Result<Event, Bad> {
    if words.next_word() == Some("at") {
        let at = words.moment()?;
        return Ok(Event::Dropped(Times::once(Span { from: at, to: at })));
    }
    Ok(Event::Dropped(words.times()?))
}

/// `5m from A to B`, or `10s..5m from A to B`.
fn late(who: Option<Pattern>, words: &mut Words<'_>) -> Result<Event, Bad> {
    let by = words.durations()?;
    let span = words.open_span()?;
    if by.0 != by.1 && span.to == Duration::MAX {
        return Err(words.wrong("a lag that grows has an end: from A to B"));
    }
    Ok(Event::Late { who, by, span })
}

fn runs_as(words: &mut Words<'_>) -> Result<Event, Bad> {
    let at = words.at();
    let mut names = names::names(at, words.take("app/region/instance")?)?;
    match (names.pop(), names.pop()) {
        (Some(name), None) => Ok(Event::RunsAs(name)),
        _ => Err(bad(at, "lastbeat is one instance", "app/region/instance")),
    }
}

fn lists(words: &mut Words<'_>) -> Result<Event, Bad> {
    const ALLOWED: &str = "a state is created, starting, started, restarting, replacing, updating, stopping, stopped, \
        suspending, suspended, failed, launch_failed, replaced, destroying, destroyed or migrated";
    let who = names::names(
        words.at(),
        words.take("inventory lists app/region/instance as STATE")?,
    )?;
    if !words.accept("as") {
        return Err(words.wrong("inventory lists WHO as STATE from A to B"));
    }
    let at = words.at();
    let word = words.take(ALLOWED)?.to_owned();
    if listed(&word) == Listed::Unknown {
        return Err(bad(at, &format!("unknown state \"{word}\""), ALLOWED));
    }
    let span = match words.is_over() {
        true => Span::ALL,
        false => words.open_span()?,
    };
    Ok(Event::Listed { who, word, span })
}

fn host(words: &mut Words<'_>) -> Result<Event, Bad> {
    let host = words.take("host NAME: app/region/instance, ...")?;
    let host = host.strip_suffix(':').unwrap_or(host).to_owned();
    let mut who = Vec::new();
    loop {
        let at = words.at();
        who.extend(names::names(at, words.take("an instance")?)?);
        if !words.comma() {
            return Ok(Event::Host { host, who });
        }
    }
}

fn silence(words: &mut Words<'_>) -> Result<Event, Bad> {
    const KEYS: &str = "silence app=GLOB region=GLOB instance=GLOB host=GLOB rule=GLOB severity=WORD \
        label.NAME=GLOB notifier=GLOB from A to B; the same key again adds to it";
    let mut matchers = Matchers::default();
    while words.next_word().is_some_and(|word| word != "from") {
        let at = words.at();
        let (key, value) = words.take(KEYS)?.split_once('=').unwrap_or_default();
        let value = match value {
            "" => words.take(KEYS)?,
            value => value,
        };
        if key == "severity" {
            let found = Severity::ALL.into_iter().find(|one| one.label() == value);
            let unknown = || bad(at, "unknown severity", "critical, error, warning, info");
            matchers.severity.push(found.ok_or_else(unknown)?);
            continue;
        }
        let globs = match key {
            "app" => &mut matchers.app,
            "region" => &mut matchers.region,
            "instance" => &mut matchers.instance,
            "host" => &mut matchers.host,
            "rule" => &mut matchers.rule,
            "notifier" => &mut matchers.notifier,
            _ if key.starts_with("label.") => {
                let name = key.trim_start_matches("label.").to_owned();
                matchers.labels.entry(name).or_default()
            }
            _ => return Err(bad(at, "unknown matcher", KEYS)),
        };
        globs.0.push(value.to_owned());
        let checked =
            globs::check(value).and_then(|()| globs::check_list(&globs.0).map_err(|(_, why)| why));
        checked.map_err(|why| bad(at, &why, KEYS))?;
    }
    let span = words.span()?;
    Ok(Event::Silence { matchers, span })
}

/// A line that begins with instances.
fn of_instances(words: &mut Words<'_>) -> Result<Event, Bad> {
    let at = words.at();
    let subject = words.take(FORMS)?;
    if let Some(subject) = subject.strip_suffix("'s") {
        return clock(names::pattern(at, subject)?, words);
    }
    if words.accept("silent") {
        return Ok(Event::Mute {
            who: names::pattern(at, subject)?,
            times: words.times()?,
        });
    }
    if words.accept("late by") {
        return late(Some(names::pattern(at, subject)?), words);
    }
    if words.accept("held") {
        return Ok(Event::Held {
            who: names::pattern(at, subject)?,
            span: words.span()?,
        });
    }
    if !subject.contains('/') {
        return Err(bad(at, &format!("cannot read \"{subject}\""), FORMS));
    }
    speech::read(names::names(at, subject)?, words).map(Event::Speech)
}

fn clock(who: Pattern, words: &mut Words<'_>) -> Result<Event, Bad> {
    let fault = if words.accept("clock off by") {
        let at = words.at();
        let text = words.take("clock off by 1h, or by -1h where it is behind")?;
        match text.strip_prefix('-') {
            Some(text) => ClockFault::Behind(duration(at, text)?),
            None => ClockFault::Ahead(duration(at, text.trim_start_matches('+'))?),
        }
    } else if words.accept("clock stands still") {
        ClockFault::StandsStill
    } else {
        return Err(words.wrong("clock off by D from A to B, or clock stands still from A"));
    };
    let span = words.open_span()?;
    Ok(Event::Clock { who, fault, span })
}
