//! The entries of a test: `web/iad/[a-d] beats counting every 30s from 0s to 1h, losing 5%`.

use super::names::Name;
use super::words::{Bad, Span, Times, Words, bad};
use std::time::Duration;

/// Entries of instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speech {
    /// The instances.
    pub who: Vec<Name>,
    /// The text of each entry; of a counting one without its number.
    pub text: String,
    /// True if each entry of an instance ends with its number, from 1.
    pub counting: bool,
    /// The writer: `app`, or a part of the platform.
    pub provider: String,
    /// The moments.
    pub when: When,
    /// Times in which nothing is logged.
    pub not: Vec<Times>,
    /// Entries of a million that are lost without notice. The same ones in each run.
    pub losing_ppm: u32,
    /// Each comes up to this much later than its time.
    pub late: Duration,
    /// The first moment of each of several instances.
    pub start: Start,
}

/// The moments of entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// These moments.
    At(Vec<Duration>),
    /// Again and again.
    Every {
        /// The distance.
        every: Duration,
        /// The time; `None`: all through the test.
        span: Option<Span>,
    },
}

/// The first moment of each of several instances, within the first interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Evenly spread.
    Staggered,
    /// All at the same moment.
    Together,
    /// Anywhere, but the same in each run.
    Random,
}

impl Speech {
    /// The last moment that it names.
    pub(super) fn last_moment(&self) -> Duration {
        match &self.when {
            When::At(moments) => moments.iter().copied().max().unwrap_or_default(),
            When::Every { span, .. } => span.map_or(Duration::ZERO, |span| span.to),
        }
    }
}

/// Reads a line behind its instances.
pub(super) fn read(who: Vec<Name>, words: &mut Words<'_>) -> Result<Speech, Bad> {
    let mut provider = "app";
    let mut counting = false;
    let mut text = if words.accept("beats") {
        counting = words.accept("counting");
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
    if counting {
        let When::Every { every, .. } = when else {
            return Err(words.wrong("beats counting every D"));
        };
        if !text.contains("every=") {
            text += &format!(
                " every={}",
                humantime::format_duration(every)
                    .to_string()
                    .replace(' ', "")
            );
        }
        text += " seq=";
    }
    let mut speech = Speech {
        who,
        text,
        counting,
        provider: provider.to_owned(),
        when,
        not: Vec::new(),
        losing_ppm: 0,
        late: Duration::ZERO,
        start: Start::Staggered,
    };
    while words.comma() {
        manner(words, &mut speech)?;
    }
    Ok(speech)
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
    let mut moments = vec![
        words
            .moment()
            .map_err(|_| words.wrong("every D from A to B, or at T"))?,
    ];
    // A comma may also lead to the manner.
    while words.next_is_moment() {
        words.comma();
        moments.push(words.duration()?);
    }
    Ok(When::At(moments))
}

fn manner(words: &mut Words<'_>, speech: &mut Speech) -> Result<(), Bad> {
    if words.accept("not") {
        speech.not.push(words.times()?);
    } else if words.accept("losing") {
        speech.losing_ppm = words.percent()?;
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
        return Err(words
            .wrong("not from A to B, losing 5%, up to D late, all at once, from a random start"));
    }
    Ok(())
}
