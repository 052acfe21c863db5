//! What happens in a test: `web/iad/a beats every 30s from 0s to 10m, not from 4m to 6m`.

use super::names::{self, Name, Pattern};
use super::words::{Bad, Span, Words, bad};
use crate::core::rule::{Globs, Matchers};
use std::time::Duration;

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Instances say something.
    Speech(Speech),
    /// Instances run on a physical host.
    Host {
        /// Its name.
        host: String,
        /// They.
        who: Vec<Name>,
    },
    /// Nothing of some instances reaches lastbeat.
    Mute {
        /// They.
        who: Pattern,
        /// When.
        span: Span,
    },
    /// The connection is lost, then there again.
    Cut(Span),
    /// Connected, and nothing arrives.
    Stall(Span),
    /// lastbeat itself stands still.
    Suspended(Span),
    /// Messages are lost on the way to lastbeat, which notices.
    Dropped(Span),
    /// Entries arrive this far behind their own time.
    Late {
        /// How far.
        by: Duration,
        /// When.
        span: Span,
    },
    /// A silence made by hand.
    Silence {
        /// Whom it concerns.
        matchers: Matchers,
        /// When.
        span: Span,
    },
    /// Another rule set is put in force.
    Rules {
        /// Its name among `other_rules`.
        name: String,
        /// When.
        at: Duration,
    },
}

/// Instances say something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speech {
    /// They.
    pub who: Vec<Name>,
    /// What they say.
    pub text: String,
    /// Who writes it: `app`, or a part of the platform.
    pub provider: String,
    /// When.
    pub when: When,
    /// Not in these.
    pub not: Vec<Span>,
    /// Each comes up to this much later than its time.
    pub late: Duration,
    /// When each of several begins.
    pub start: Start,
}

/// When something is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// At these moments.
    At(Vec<Duration>),
    /// Again and again.
    Every {
        /// The distance.
        every: Duration,
        /// In which time; `None`: all through the test.
        span: Option<Span>,
    },
}

/// When each of several instances begins, within the first interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Evenly spread.
    Staggered,
    /// All at the same moment.
    Together,
    /// Anywhere, but the same in each run.
    Random,
}

const FORMS: &str = "a line is like \"web/iad/a beats every 30s from 0s to 10m\", \"... logs every 5s\", \
    \"... says 'HEARTBEAT bye' at 3m\", \"... silent from 4m to 6m\", \"stream cut from 4m to 6m\", \
    \"stream stalls ...\", \"lastbeat suspended ...\", \"messages dropped at 4m\", \
    \"entries late by 5m from 4m to 6m\", \"host 0ad1: web/iad/a, web/iad/b\", \
    \"silence app=web from 4m to 6m\" or \"rules become 'other' at 5m\"";

/// Reads a line of `lines`.
pub(super) fn read(line: &str) -> Result<Event, Bad> {
    let mut words = Words::new(line)?;
    let event = if words.accept("stream cut") {
        Event::Cut(words.span()?)
    } else if words.accept("stream stalls") {
        Event::Stall(words.span()?)
    } else if words.accept("lastbeat suspended") {
        Event::Suspended(words.span()?)
    } else if words.accept("messages dropped") {
        dropped(&mut words)?
    } else if words.accept("entries late by") {
        Event::Late {
            by: words.duration()?,
            span: words.span()?,
        }
    } else if words.accept("host") {
        host(&mut words)?
    } else if words.accept("silence") {
        silence(&mut words)?
    } else if words.accept("rules become") {
        Event::Rules {
            name: words.take("the name of one of other_rules")?.to_owned(),
            at: at(&mut words)?,
        }
    } else {
        speech(&mut words)?
    };
    if words.is_over() {
        Ok(event)
    } else {
        Err(words.wrong("the line says all before this"))
    }
}

fn at(words: &mut Words<'_>) -> Result<Duration, Bad> {
    if words.accept("at") {
        words.duration()
    } else {
        Err(words.wrong("at T"))
    }
}

fn dropped(words: &mut Words<'_>) -> Result<Event, Bad> {
    if words.next_word() == Some("at") {
        let at = at(words)?;
        return Ok(Event::Dropped(Span { from: at, to: at }));
    }
    Ok(Event::Dropped(words.span()?))
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
    const KEYS: &str = "silence app=GLOB region=GLOB instance=GLOB host=GLOB rule=GLOB from A to B";
    let mut matchers = Matchers::default();
    while words.next_word().is_some_and(|word| word != "from") {
        let at = words.at();
        let (key, value) = words.take(KEYS)?.split_once('=').unwrap_or_default();
        let value = match value {
            "" => words.take(KEYS)?,
            value => value,
        };
        let globs = match key {
            "app" => &mut matchers.app,
            "region" => &mut matchers.region,
            "instance" => &mut matchers.instance,
            "host" => &mut matchers.host,
            "rule" => &mut matchers.rule,
            _ => return Err(bad(at, "unknown matcher", KEYS)),
        };
        *globs = Globs(vec![value.to_owned()]);
    }
    let span = words.span()?;
    Ok(Event::Silence { matchers, span })
}

fn speech(words: &mut Words<'_>) -> Result<Event, Bad> {
    let at = words.at();
    let subject = words.take(FORMS)?;
    if words.accept("silent") {
        return Ok(Event::Mute {
            who: names::pattern(at, subject)?,
            span: words.span()?,
        });
    }
    if !subject.contains('/') {
        return Err(bad(at, &format!("cannot read \"{subject}\""), FORMS));
    }
    let who = names::names(at, subject)?;
    let mut provider = "app";
    let text = if words.accept("beats") {
        match words.accept("saying") {
            true => format!(
                "HEARTBEAT {}",
                words.take("saying 'every=30s name=worker'")?
            ),
            false => "HEARTBEAT".to_owned(),
        }
    } else if words.accept("logs") {
        "a line of the log".to_owned()
    } else if words.accept("says") {
        words.take("says 'TEXT'")?.to_owned()
    } else {
        return Err(words.wrong("beats, logs, says 'TEXT' or silent"));
    };
    if words.accept("as") {
        provider = words.take("as runner, proxy, health or app")?;
    }
    let when = when(words)?;
    let mut speech = Speech {
        who,
        text,
        provider: provider.to_owned(),
        when,
        not: Vec::new(),
        late: Duration::ZERO,
        start: Start::Staggered,
    };
    while words.comma() {
        manner(words, &mut speech)?;
    }
    Ok(Event::Speech(speech))
}

fn when(words: &mut Words<'_>) -> Result<When, Bad> {
    if words.accept("every") {
        let at = words.at();
        let every = words.duration()?;
        if every < Duration::from_millis(1) {
            return Err(bad(at, "too often", "1ms or more"));
        }
        let span = match words.next_word() {
            Some("from") => Some(words.span()?),
            _ => None,
        };
        return Ok(When::Every { every, span });
    }
    let mut moments = vec![at(words).map_err(|_| words.wrong("every D from A to B, or at T"))?];
    // A comma may also lead to the manner.
    while words.next_is_moment() {
        words.comma();
        moments.push(words.duration()?);
    }
    Ok(When::At(moments))
}

fn manner(words: &mut Words<'_>, speech: &mut Speech) -> Result<(), Bad> {
    if words.accept("not") {
        speech.not.push(words.span()?);
    } else if words.accept("all at once") {
        speech.start = Start::Together;
    } else if words.accept("from a random start") {
        speech.start = Start::Random;
    } else if words.accept("up to") {
        speech.late = words.duration()?;
        if !words.accept("late") {
            return Err(words.wrong("up to D late"));
        }
    } else {
        return Err(words.wrong("not from A to B, up to D late, all at once, from a random start"));
    }
    Ok(())
}
