//! The events of a test, played to the core in virtual time.

mod blind;
mod entries;
mod inventory;
mod recording;
mod script;

use crate::app::virtual_time::{TimedOutput, VirtualTime};
use crate::core::engine::Options;
use crate::core::notice::Notice;
use crate::core::rule::{Globs, RuleSet};
use crate::decode::globs;
use crate::decode::test_file::{Case, Event, Expect, Span, Speech};
use blind::{Blind, Passage};
use entries::{AFTERWARDS, Cast, Texts};
use script::{Player, SameTime, Script, Turn};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) use recording::Recorded;

/// A look at the core comes this much after its moment, when all that belongs to the moment is done.
const JUST_AFTER: Duration = Duration::from_nanos(1);
/// Pieces of a repeated event in one test, such as cuts: a year of one each five minutes.
const MAX_PIECES: usize = 100_000;

/// The outcome of a test's events.
#[derive(Debug)]
pub(super) struct Played {
    /// Outputs of the core, in order.
    pub(super) said: Vec<TimedOutput>,
    /// When each instance was heard, by its path.
    pub(super) heard: BTreeMap<String, Vec<Duration>>,
    /// The incidents that were open at the moments for which an expectation asks.
    pub(super) open: BTreeMap<Duration, Vec<Notice>>,
}

/// Plays a test to a core that has heard nothing, with the stream that was recorded, where it names one.
///
/// # Errors
/// In words for people, where the test is too large, or the recorded stream cannot be read.
pub(super) fn play(
    case: &Case,
    rules: RuleSet,
    others: &BTreeMap<String, RuleSet>,
    recorded: Option<&Recorded>,
) -> Result<Played, String> {
    let blind = Blind::of(case);
    let mut turns = turns(case)?;
    let mut cast = Cast::default();
    let mut entries = cast.entries(case)?;
    entries.retain(|entry| {
        let passage = blind.passage(entry.at());
        if passage == Passage::Dropped {
            turns.push((entry.at(), Turn::Lose));
        }
        passage == Passage::Open
    });
    entries.sort_unstable_by_key(entries::Entry::order);
    turns.sort_by_key(|(at, _)| *at);

    let mut options = options(case);
    options.inventory |= recorded.is_some_and(|recorded| recorded.has_machines);
    let mut player = Player {
        core: VirtualTime::new(rules, options, case.start),
        case,
        others,
        open: BTreeMap::new(),
    };
    if let Some(machines) = inventory::machines(case) {
        player.core.set_inventory(machines);
    }
    let mut heard = cast.heard(&entries);
    let same_time: SameTime = |one, other| one.at() == other.at();
    let mut script = Script {
        batches: entries.chunk_by(same_time).peekable(),
        turns: turns.into_iter().peekable(),
        texts: Texts::new(case, &cast),
    };
    if let Some(recorded) = recorded {
        let times = recorded.play(&mut player, &mut script, &blind)?;
        heard.extend(times);
    }
    script.play(&mut player, Duration::MAX);
    player.core.pass(case.end + AFTERWARDS);
    Ok(Played {
        said: player.core.outputs().to_vec(),
        heard,
        open: player.open,
    })
}

fn options(case: &Case) -> Options {
    let builders = "fly-builder-*".to_owned();
    // Entries of lastbeat's own app prove that the stream flows, and nothing else.
    let own = case.lines.iter().filter_map(|line| match &line.what {
        Event::RunsAs(name) => Some(name.app.clone()),
        _ => None,
    });
    Options {
        second_opinion: false,
        inventory: inventory::is_asked(case),
        ignore: globs::with_names(Globs(vec![builders]), own),
        limits: Default::default(),
        first_incident: 1,
        own: own_canary(case),
        notifiers: Vec::new(),
    }
}

/// The instance that lastbeat is: the one that says the canary's beat.
fn own_canary(case: &Case) -> Option<(String, String, String)> {
    let canary = |speech: &&Speech| {
        let mut words = speech.text.split_whitespace();
        words.any(|word| word == "name=canary")
    };
    let name = entries::speeches(case).find(canary)?.who.first()?;
    Some((name.app.clone(), name.region.clone(), name.instance.clone()))
}

/// Everything that happens beside the entries, in no order.
fn turns(case: &Case) -> Result<Vec<(Duration, Turn)>, String> {
    let mut turns = Vec::new();
    for line in &case.lines {
        match &line.what {
            Event::Cut(times) => {
                for Span { from, to } in pieces(times.pieces(case.end))? {
                    turns.extend([(from, Turn::Cut), (to, Turn::Connect)]);
                }
            }
            Event::Suspended(times) => {
                let pieces = pieces(times.pieces(case.end))?;
                turns.extend(
                    pieces
                        .iter()
                        .map(|span| (span.from, Turn::StandStill(span.to))),
                );
            }
            Event::Down(times) => {
                let pieces = pieces(times.pieces(case.end))?;
                turns.extend(pieces.iter().map(|span| (span.from, Turn::Down(span.to))));
            }
            Event::Dropped(times) if times.span.from == times.span.to => {
                turns.push((times.span.from, Turn::Lose));
            }
            Event::Silence { span, .. } => {
                turns.extend([(span.from, Turn::Silence), (span.to, Turn::Silence)]);
            }
            Event::Rules { name, at } => turns.push((*at, Turn::Rules(name.clone()))),
            _ => {}
        }
    }
    let looks = case.expected.iter().filter_map(|one| match &one.what {
        Expect::Open { at, .. } | Expect::Members { at, .. } => Some(*at),
        _ => None,
    });
    turns.extend(looks.map(|at| (at + JUST_AFTER, Turn::Look(at))));
    Ok(turns)
}

fn pieces(pieces: impl Iterator<Item = Span>) -> Result<Vec<Span>, String> {
    let pieces: Vec<Span> = pieces.take(MAX_PIECES + 1).collect();
    if pieces.len() > MAX_PIECES {
        return Err(format!(
            "more than {MAX_PIECES} pieces of one line; let them come less often"
        ));
    }
    Ok(pieces)
}
