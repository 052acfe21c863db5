//! The entries of a test: moments, subjects, payloads.

use crate::core::time::Wall;
use crate::decode::test_file::{
    Case, ClockFault, Event, Name, Pattern, Span, Speech, Start, Times, When,
};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, UNIX_EPOCH};

/// The core is asked for so long after the last moment, for what is sent just after it.
pub(super) const AFTERWARDS: Duration = Duration::from_millis(1);
/// Entries of one test: some seconds of work, and more than any test of rules needs.
const MAX_ENTRIES: usize = 2_000_000;
/// Seeds of [`spread`]: what is lost is drawn apart from what is late.
const LOSSES: u64 = 1 << 62;
const MILLION: u64 = 1_000_000;

/// One entry. There may be millions, so that moments are nanoseconds since the start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    at: u64,
    /// When it was logged; later than that it arrives only where it was held.
    logged: u64,
    who: u32,
    speech: u32,
    /// Counts the entries of one instance in one speech, from 1.
    number: u32,
}

impl Entry {
    /// When it arrives.
    pub(super) fn at(&self) -> Duration {
        Duration::from_nanos(self.at)
    }

    /// By arrival; of those that arrive together the first logged comes first.
    pub(super) fn order(&self) -> (u64, u64, u32, u32) {
        (self.at, self.logged, self.speech, self.who)
    }
}

/// The instances that log something.
#[derive(Debug, Default)]
pub(super) struct Cast {
    names: Vec<Name>,
    numbers: HashMap<Name, u32>,
}

impl Cast {
    /// Every entry that leaves its instance and is not muted, in no order.
    ///
    /// # Errors
    /// In words for people, where they are too many.
    pub(super) fn entries(&mut self, case: &Case) -> Result<Vec<Entry>, String> {
        let mut entries = Vec::new();
        for (number, speech) in speeches(case).enumerate() {
            self.speech(speech, number as u32, case.end, &mut entries)?;
        }
        let ways: Vec<Way<'_>> = self.names.iter().map(|name| Way::of(case, name)).collect();
        entries.retain_mut(|entry| {
            let way = &ways[entry.who as usize];
            let logged = Duration::from_nanos(entry.logged);
            if let Some(span) = way.held.iter().find(|span| span.holds(logged)) {
                entry.at = nanos(span.to);
            }
            !way.muted.iter().any(|times| times.holds(logged))
        });
        Ok(entries)
    }

    fn number(&mut self, name: &Name) -> u32 {
        let next = self.names.len() as u32;
        *self.numbers.entry(name.clone()).or_insert_with(|| {
            self.names.push(name.clone());
            next
        })
    }

    fn speech(
        &mut self,
        speech: &Speech,
        number: u32,
        end: Duration,
        entries: &mut Vec<Entry>,
    ) -> Result<(), String> {
        for (place, name) in speech.who.iter().enumerate() {
            let who = self.number(name);
            let mut counted = 0;
            for (count, at) in moments(speech, name, place, end)?.enumerate() {
                let count = count as u64 + 1;
                let at = at + spread(name, count, speech.late);
                if speech.not.iter().any(|times| times.holds(at)) {
                    continue;
                }
                counted += 1;
                if is_lost(speech, name, count) {
                    continue;
                }
                if entries.len() == MAX_ENTRIES {
                    return Err(too_many());
                }
                let at = nanos(at);
                entries.push(Entry {
                    at,
                    logged: at,
                    who,
                    speech: number,
                    number: counted,
                });
            }
        }
        Ok(())
    }

    /// When each instance was heard, by its path.
    pub(super) fn heard(&self, entries: &[Entry]) -> BTreeMap<String, Vec<Duration>> {
        let mut heard = vec![Vec::new(); self.names.len()];
        for entry in entries {
            heard[entry.who as usize].push(entry.at());
        }
        let paths = self.names.iter().map(Name::path);
        paths
            .zip(heard)
            .filter(|(_, heard)| !heard.is_empty())
            .collect()
    }
}

pub(super) fn speeches(case: &Case) -> impl Iterator<Item = &Speech> {
    case.lines.iter().filter_map(|line| match &line.what {
        Event::Speech(speech) => Some(speech),
        _ => None,
    })
}

fn nanos(at: Duration) -> u64 {
    u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)
}

fn too_many() -> String {
    format!("more than {MAX_ENTRIES} entries in one test; let them come less often, or end earlier")
}

/// The events that change the entries of one instance on their way.
#[derive(Default)]
struct Way<'c> {
    muted: Vec<&'c Times>,
    held: Vec<&'c Span>,
    late: Vec<((Duration, Duration), &'c Span)>,
    clock: Vec<(ClockFault, &'c Span)>,
}

impl<'c> Way<'c> {
    fn of(case: &'c Case, name: &Name) -> Self {
        let mut way = Way::default();
        let is = |who: &Pattern| who.matches(name);
        for line in &case.lines {
            match &line.what {
                Event::Mute { who, times } if is(who) => way.muted.push(times),
                Event::Held { who, span } if is(who) => way.held.push(span),
                Event::Late { who, by, span } if who.as_ref().is_none_or(is) => {
                    way.late.push((*by, span));
                }
                Event::Clock { who, fault, span } if is(who) => way.clock.push((*fault, span)),
                _ => {}
            }
        }
        way
    }

    /// The time that an entry carries, on the wall clock.
    fn own_time(&self, start: Wall, logged: Duration) -> Wall {
        let late = self.late.iter().find(|(_, span)| span.holds(logged));
        let behind = late.map_or(Duration::ZERO, |(by, span)| lag(*by, span, logged));
        let mut own = start + logged - behind;
        for (fault, span) in &self.clock {
            if span.holds(logged) {
                own = match fault {
                    ClockFault::Ahead(by) => own + *by,
                    ClockFault::Behind(by) => own - *by,
                    ClockFault::StandsStill => start + span.from,
                };
            }
        }
        own
    }
}

/// A lag at a moment; one that grows does so evenly.
fn lag((first, last): (Duration, Duration), span: &Span, at: Duration) -> Duration {
    if first == last {
        return first;
    }
    let whole = (span.to - span.from).as_secs_f64();
    let part = (at - span.from).as_secs_f64() / whole;
    let lag = first.as_secs_f64() * (1.0 - part) + last.as_secs_f64() * part;
    Duration::from_secs_f64(lag)
}

/// The moments at which the instance at this position among those of a speech logs.
fn moments(
    speech: &Speech,
    name: &Name,
    place: usize,
    end: Duration,
) -> Result<Box<dyn Iterator<Item = Duration>>, String> {
    let (every, span) = match &speech.when {
        When::At(moments) => return Ok(Box::new(moments.clone().into_iter())),
        When::Every { every, span } => (*every, *span),
    };
    let whole = Span {
        from: Duration::ZERO,
        to: end + AFTERWARDS,
    };
    let span = span.unwrap_or(whole);
    let offset = match speech.start {
        Start::Together => Duration::ZERO,
        Start::Random => spread(name, 0, every),
        Start::Staggered => every.mul_f64(place as f64 / speech.who.len() as f64),
    };
    let count = span.to.saturating_sub(span.from + offset).as_nanos();
    let count = count.div_ceil(every.as_nanos());
    if count > MAX_ENTRIES as u128 {
        return Err(too_many());
    }
    let first = span.from + offset;
    Ok(Box::new((0..count as u32).map(move |n| first + every * n)))
}

fn is_lost(speech: &Speech, name: &Name, number: u64) -> bool {
    let drawn = spread(name, LOSSES | number, Duration::from_nanos(MILLION));
    drawn < Duration::from_nanos(u64::from(speech.losing_ppm))
}

/// A part of a length of time; always the same for one instance and number.
fn spread(name: &Name, number: u64, within: Duration) -> Duration {
    if within.is_zero() {
        return Duration::ZERO;
    }
    let mut state = 0xcbf2_9ce4_8422_2325_u64 ^ number;
    for byte in name.path().bytes().chain([0; 8]) {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        state ^= state >> 29;
    }
    within.mul_f64((state >> 11) as f64 / (1_u64 << 53) as f64)
}

/// Subjects and payloads.
pub(super) struct Texts<'c> {
    start: Wall,
    subjects: Vec<String>,
    ways: Vec<Way<'c>>,
    /// Payloads up to the end of the text, by instance and speech; true where a number follows.
    heads: HashMap<(u32, u32), (String, bool)>,
}

impl<'c> Texts<'c> {
    pub(super) fn new(case: &'c Case, cast: &Cast) -> Self {
        let mut hosts = HashMap::new();
        for line in &case.lines {
            if let Event::Host { host, who } = &line.what {
                hosts.extend(who.iter().map(|name| (name, host.as_str())));
            }
        }
        let mut heads = HashMap::new();
        for (number, speech) in speeches(case).enumerate() {
            for name in &speech.who {
                let host = hosts.get(name).copied().unwrap_or("");
                heads.insert(
                    (cast.numbers[name], number as u32),
                    (head(name, host, speech), speech.counting),
                );
            }
        }
        Texts {
            start: case.start,
            subjects: cast.names.iter().map(Name::subject).collect(),
            ways: cast.names.iter().map(|name| Way::of(case, name)).collect(),
            heads,
        }
    }

    /// The subject and the payload of an entry.
    pub(super) fn entry(&self, entry: &Entry) -> (&str, String) {
        let way = &self.ways[entry.who as usize];
        let own = way.own_time(self.start, Duration::from_nanos(entry.logged));
        let time = humantime::format_rfc3339_nanos(UNIX_EPOCH + Duration::from_nanos(own.nanos()));
        let (head, counts) = &self.heads[&(entry.who, entry.speech)];
        let subject = &self.subjects[entry.who as usize];
        let payload = if *counts {
            let number = entry.number;
            format!("{head}{number}\",\"timestamp\":\"{time}\"}}")
        } else {
            format!("{head}\",\"timestamp\":\"{time}\"}}")
        };
        (subject, payload)
    }
}

/// A payload up to the end of its text, as the platform writes it.
fn head(name: &Name, host: &str, speech: &Speech) -> String {
    let json = |text: &str| serde_json::Value::from(text).to_string();
    let mut head = format!(
        "{{\"event\":{{\"provider\":{}}},\"fly\":{{\"app\":{{\"instance\":{},\"name\":{}}},\"region\":{}}},\
         \"host\":{},\"log\":{{\"level\":\"info\"}},\"message\":{}",
        json(&speech.provider),
        json(&name.instance),
        json(&name.app),
        json(&name.region),
        json(host),
        json(&speech.text),
    );
    // The quote that ends the text; a number may stand before it.
    head.pop();
    head
}

#[cfg(test)]
mod tests {
    use super::{lag, spread};
    use crate::decode::test_file::{Name, Span};
    use std::time::Duration;

    #[test]
    fn a_lag_grows_evenly() {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        let span = Span {
            from: minutes(10),
            to: minutes(20),
        };
        for (at, expected) in [(10, 0), (15, 2), (20, 4)] {
            let by = (Duration::ZERO, minutes(4));
            assert_eq!(lag(by, &span, minutes(at)), minutes(expected));
        }
    }

    #[test]
    fn draws_are_spread_and_always_the_same() {
        let name = Name {
            app: "web".to_owned(),
            region: "iad".to_owned(),
            instance: "a".to_owned(),
        };
        let second = Duration::from_secs(1);
        let draws: Vec<Duration> = (0..1_000).map(|n| spread(&name, n, second)).collect();
        let again: Vec<Duration> = (0..1_000).map(|n| spread(&name, n, second)).collect();
        assert_eq!(draws, again);
        let low = draws.iter().filter(|draw| **draw < second / 10).count();
        assert!(
            (60..=140).contains(&low),
            "{low} of 1000 in the first tenth"
        );
    }
}
