//! A test's story, told to the core.

use crate::app::virtual_time::{TimedOutput, VirtualTime};
use crate::core::engine::Options;
use crate::core::rule::{Globs, RuleSet};
use crate::core::silence::Silence;
use crate::core::time::Wall;
use crate::decode::test_file::{Case, Event, Name, Span, Speech, Start, When};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, UNIX_EPOCH};

/// Entries of one test: some seconds of work, and more than any test of rules needs.
const MAX_ENTRIES: usize = 2_000_000;
/// How long the core is still asked after the last moment, for what is told just after it.
const AFTERWARDS: Duration = Duration::from_millis(1);

/// A story that was told.
#[derive(Debug)]
pub(super) struct Played {
    /// What came out of the core.
    pub(super) said: Vec<TimedOutput>,
    /// When each instance was heard, by its path.
    pub(super) heard: BTreeMap<String, Vec<Duration>>,
}

/// Something that happens beside the entries.
#[derive(Debug)]
enum Turn {
    Cut,
    Connect,
    Lose,
    StandStill(Duration),
    Silence,
    Rules(String),
}

/// One entry: when, whose, and what.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Duration,
    who: u32,
    speech: u32,
}

/// Tells a story to a core that has heard nothing.
pub(super) fn play(
    case: &Case,
    rules: RuleSet,
    others: &BTreeMap<String, RuleSet>,
) -> Result<Played, String> {
    let mut cast = Cast::default();
    let (mut entries, mut turns) = (Vec::new(), Vec::new());
    for (number, speech) in speeches(case).enumerate() {
        cast.speech(speech, number as u32, case.end, &mut entries)?;
    }
    entries.retain(|entry| arrives(case, &cast.names[entry.who as usize], entry.at, &mut turns));
    entries.sort_by_key(|entry| (entry.at, entry.speech, entry.who));
    turns.extend(case.lines.iter().flat_map(|line| turns_of(&line.what)));
    turns.sort_by_key(|(at, _)| *at);

    let options = Options {
        inventory: false,
        ignore: Globs(vec!["fly-builder-*".to_owned()]),
        limits: Default::default(),
        first_incident: 1,
    };
    let mut virtual_time = VirtualTime::new(rules, options, case.start);
    let texts = Texts::new(case, &cast);
    let mut turns = turns.into_iter().peekable();
    for batch in entries.chunk_by(|one, other| one.at == other.at) {
        let at = batch[0].at;
        while let Some((when, turn)) = turns.next_if(|(when, _)| *when <= at) {
            take_turn(&mut virtual_time, case, others, when, turn);
        }
        let lines: Vec<_> = batch.iter().map(|entry| texts.entry(entry)).collect();
        let lines = lines
            .iter()
            .map(|(subject, text)| (*subject, text.as_bytes()));
        virtual_time.entries(at, lines);
    }
    for (when, turn) in turns {
        take_turn(&mut virtual_time, case, others, when, turn);
    }
    virtual_time.pass(case.end + AFTERWARDS);
    Ok(Played {
        said: virtual_time.outputs().to_vec(),
        heard: cast.heard(&entries),
    })
}

fn speeches(case: &Case) -> impl Iterator<Item = &Speech> {
    case.lines.iter().filter_map(|line| match &line.what {
        Event::Speech(speech) => Some(speech),
        _ => None,
    })
}

fn take_turn(
    virtual_time: &mut VirtualTime,
    case: &Case,
    others: &BTreeMap<String, RuleSet>,
    at: Duration,
    turn: Turn,
) {
    match turn {
        Turn::Cut => virtual_time.cut(at),
        Turn::Connect => virtual_time.connect(at),
        Turn::Lose => virtual_time.lose(at),
        Turn::StandStill(to) => virtual_time.stand_still(at, to),
        Turn::Silence => virtual_time.set_silences(silences(case, at), at),
        Turn::Rules(name) => {
            if let Some(rules) = others.get(&name) {
                virtual_time.reload(rules.clone(), at);
            }
        }
    }
}

fn turns_of(event: &Event) -> Vec<(Duration, Turn)> {
    match event {
        Event::Cut(span) => vec![(span.from, Turn::Cut), (span.to, Turn::Connect)],
        Event::Suspended(span) => vec![(span.from, Turn::StandStill(span.to))],
        Event::Dropped(span) if span.from == span.to => vec![(span.from, Turn::Lose)],
        Event::Silence { span, .. } => vec![(span.from, Turn::Silence), (span.to, Turn::Silence)],
        Event::Rules { name, at } => vec![(*at, Turn::Rules(name.clone()))],
        _ => Vec::new(),
    }
}

/// The silences by hand that hold at a moment.
fn silences(case: &Case, at: Duration) -> Vec<Silence> {
    let mut silences = Vec::new();
    for line in &case.lines {
        let Event::Silence { matchers, span } = &line.what else {
            continue;
        };
        if span.holds(at) {
            silences.push(Silence {
                id: line.text.clone(),
                matchers: matchers.clone(),
                windows: vec![(case.start + span.from, case.start + span.to)],
                reason: String::new(),
                author: "test".to_owned(),
            });
        }
    }
    silences
}

/// Whether an entry reaches lastbeat; what is lost on the way is noticed.
fn arrives(case: &Case, who: &Name, at: Duration, turns: &mut Vec<(Duration, Turn)>) -> bool {
    for line in &case.lines {
        match &line.what {
            Event::Mute { who: muted, span } if span.holds(at) && muted.matches(who) => {
                return false;
            }
            Event::Cut(span) | Event::Stall(span) | Event::Suspended(span) if span.holds(at) => {
                return false;
            }
            Event::Dropped(span) if span.holds(at) => {
                turns.push((at, Turn::Lose));
                return false;
            }
            _ => {}
        }
    }
    true
}

/// Everyone who speaks.
#[derive(Debug, Default)]
struct Cast {
    names: Vec<Name>,
    numbers: HashMap<Name, u32>,
}

impl Cast {
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
            for (count, at) in moments(speech, name, place, end)?.into_iter().enumerate() {
                let at = at + spread(name, count as u64 + 1, speech.late);
                if speech.not.iter().all(|span| !span.holds(at)) {
                    let speech = number;
                    entries.push(Entry { at, who, speech });
                }
            }
            if entries.len() > MAX_ENTRIES {
                return Err(too_many());
            }
        }
        Ok(())
    }

    fn heard(&self, entries: &[Entry]) -> BTreeMap<String, Vec<Duration>> {
        let mut heard: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
        for entry in entries {
            let path = self.names[entry.who as usize].path();
            heard.entry(path).or_default().push(entry.at);
        }
        heard
    }
}

fn too_many() -> String {
    format!("more than {MAX_ENTRIES} entries in one test; let them come less often, or end earlier")
}

/// When the one at this place among those of a speech speaks.
fn moments(
    speech: &Speech,
    name: &Name,
    place: usize,
    end: Duration,
) -> Result<Vec<Duration>, String> {
    let (every, span) = match &speech.when {
        When::At(moments) => return Ok(moments.clone()),
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
    Ok((0..count as u32)
        .map(|n| span.from + offset + every * n)
        .collect())
}

/// Somewhere in a length of time; always the same for one instance and number.
fn spread(name: &Name, number: u64, within: Duration) -> Duration {
    let mut state = 0xcbf2_9ce4_8422_2325_u64 ^ number;
    for byte in name.path().bytes().chain([0; 8]) {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        state ^= state >> 29;
    }
    within.mul_f64((state >> 11) as f64 / (1_u64 << 53) as f64)
}

/// Subjects and payloads.
struct Texts {
    start: Wall,
    subjects: Vec<String>,
    late: Vec<(Duration, Span)>,
    /// Payloads up to the timestamp, by instance and speech.
    heads: HashMap<(u32, u32), String>,
}

impl Texts {
    fn new(case: &Case, cast: &Cast) -> Self {
        let mut heads = HashMap::new();
        let mut hosts = HashMap::new();
        let mut late = Vec::new();
        for line in &case.lines {
            match &line.what {
                Event::Host { host, who } => {
                    hosts.extend(who.iter().map(|name| (name, host.as_str())));
                }
                Event::Late { by, span } => late.push((*by, *span)),
                _ => {}
            }
        }
        for (number, speech) in speeches(case).enumerate() {
            for name in &speech.who {
                let host = hosts.get(name).copied().unwrap_or("");
                heads.insert(
                    (cast.numbers[name], number as u32),
                    head(name, host, speech),
                );
            }
        }
        Texts {
            start: case.start,
            subjects: cast.names.iter().map(Name::subject).collect(),
            late,
            heads,
        }
    }

    fn entry(&self, entry: &Entry) -> (&str, String) {
        let late = self.late.iter().find(|(_, span)| span.holds(entry.at));
        let own = self.start + entry.at - late.map_or(Duration::ZERO, |(by, _)| *by);
        let own = UNIX_EPOCH + Duration::from_nanos(own.nanos());
        let time = humantime::format_rfc3339_nanos(own);
        let head = &self.heads[&(entry.who, entry.speech)];
        let subject = &self.subjects[entry.who as usize];
        (subject, format!("{head}{time}\"}}"))
    }
}

/// A payload up to its timestamp, as the platform writes it.
fn head(name: &Name, host: &str, speech: &Speech) -> String {
    let json = |text: &str| serde_json::Value::from(text).to_string();
    format!(
        "{{\"event\":{{\"provider\":{}}},\"fly\":{{\"app\":{{\"instance\":{},\"name\":{}}},\"region\":{}}},\
         \"host\":{},\"log\":{{\"level\":\"info\"}},\"message\":{},\"timestamp\":\"",
        json(&speech.provider),
        json(&name.instance),
        json(&name.app),
        json(&name.region),
        json(host),
        json(&speech.text),
    )
}
