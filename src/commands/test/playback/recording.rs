//! A recorded stream as the input of a test.

use super::blind::{Blind, Passage};
use super::script::{Player, Script};
use crate::commands::exit::Stop;
use crate::commands::recorded::marks::Marks;
use crate::commands::recorded::{self, Input, Line};
use crate::core::time::Wall;
use crate::decode::subject;
use crate::decode::test_file::{Case, Event, Name, Recording, Times};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

/// Signs of life that are remembered for the timeline of a test that fails.
const MAX_HEARD: usize = 2_000_000;
/// The app of entries of other tools that name none.
const APP: &str = "app";

/// A recorded stream that can be read.
pub(in super::super) struct Recorded {
    input: Input,
    /// True where an inventory of machines was polled.
    pub(super) has_machines: bool,
}

impl Recorded {
    /// Opens the stream of a test in a file of this folder, and gives the test the times of what was recorded.
    ///
    /// # Errors
    /// In words for people, where it cannot be read, or has nothing of that time.
    pub(in super::super) fn open(
        folder: &Path,
        case: &mut Case,
        recording: &Recording,
    ) -> Result<Self, String> {
        let Recording {
            path,
            since,
            length,
        } = recording;
        let until = since.zip(*length).map(|(since, length)| since + length);
        let input = Input::open(&recorded::Recorded {
            files: vec![folder.join(path)],
            since: *since,
            until,
            app: APP.to_owned(),
        });
        let input = input.map_err(|stop| words(&stop))?;
        let mut span: Option<(Wall, Wall)> = None;
        input
            .play(|line| {
                let at = line.at();
                let (first, last) = span.unwrap_or((at, at));
                span = Some((first.min(at), last.max(at)));
            })
            .map_err(|stop| words(&stop))?;
        let (first, last) =
            span.ok_or_else(|| format!("archive: {path} has no line of that time"))?;
        case.start = since.unwrap_or(first);
        case.end = case.end.max(length.unwrap_or(last.since(case.start)));
        Ok(Recorded {
            has_machines: input.has_machines().map_err(|stop| words(&stop))?,
            input,
        })
    }

    /// Plays it, with the events of the test in between; gives the times at which each instance was heard, by its path.
    pub(super) fn play(
        &self,
        player: &mut Player<'_>,
        script: &mut Script<'_>,
        blind: &Blind<'_>,
    ) -> Result<BTreeMap<String, Vec<Duration>>, String> {
        let case = player.case;
        let mut marks = Marks::default();
        if self.has_machines {
            player.core.set_inventory(marks.inventory());
        }
        let mut instances: HashMap<String, Instance<'_>> = HashMap::new();
        let (mut last, mut count) = (None, 0);
        let played = self.input.play(|line| {
            // A clock that was set back stands still.
            let at = line.at().since(case.start).max(last.unwrap_or_default());
            if at > case.end {
                return;
            }
            let before = last.replace(at);
            script.play(player, at);
            let (subject, payload) = match &line {
                Line::Mark(_, mark) => return marks.play(&mut player.core, before, at, mark),
                Line::Entry(_, subject, payload) => (*subject, *payload),
            };
            if !instances.contains_key(subject) {
                instances.insert(subject.to_owned(), Instance::of(case, subject));
            }
            let Some(instance) = instances.get_mut(subject) else {
                return;
            };
            if instance.muted.iter().any(|times| times.holds(at)) {
                return;
            }
            match blind.passage(at) {
                Passage::Blocked => {}
                Passage::Dropped => player.core.lose(at),
                Passage::Open => {
                    count += 1;
                    if count <= MAX_HEARD {
                        instance.heard.push(at);
                    }
                    player.core.entries(at, [(subject, payload)]);
                }
            }
        });
        played.map_err(|stop| words(&stop))?;
        let heard = instances.into_values().map(|one| (one.path, one.heard));
        Ok(heard.filter(|(_, heard)| !heard.is_empty()).collect())
    }
}

/// One that logs in the recorded stream.
struct Instance<'c> {
    path: String,
    muted: Vec<&'c Times>,
    heard: Vec<Duration>,
}

impl<'c> Instance<'c> {
    fn of(case: &'c Case, text: &str) -> Self {
        let name = subject::read(text).map(|name| Name {
            app: name.app.to_owned(),
            region: name.region.to_owned(),
            instance: name.instance.to_owned(),
        });
        let muted = case
            .lines
            .iter()
            .filter_map(|line| match (&line.what, &name) {
                (Event::Mute { who, times }, Ok(name)) if who.matches(name) => Some(times),
                _ => None,
            });
        Instance {
            path: name.as_ref().map(Name::path).unwrap_or_default(),
            muted: muted.collect(),
            heard: Vec::new(),
        }
    }
}

fn words(stop: &Stop) -> String {
    format!("archive: {}", stop.why())
}
