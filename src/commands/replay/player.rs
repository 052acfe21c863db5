//! A recorded stream, played to the core in virtual time.

use super::proofs::Proofs;
use crate::app::virtual_time::{TimedOutput, VirtualTime};
use crate::commands::recorded::Line;
use crate::commands::recorded::marks::Marks;
use crate::core::engine::{Options, Output};
use crate::core::notice::Notice;
use crate::core::rule::{Globs, RuleSet};
use crate::core::time::Wall;
use crate::decode::archive_line::Mark;
use std::time::Duration;

/// The outcome of a replay.
pub(in crate::commands) struct Played {
    /// Wall clock: the first line.
    pub start: Wall,
    /// Time from the first line to the last.
    pub length: Duration,
    /// Entries that were played.
    pub entries: u64,
    /// Notices, in order, each with its time from the start.
    pub notices: Vec<(Duration, Notice)>,
    /// Heartbeats that were sent and lost.
    pub proofs: Proofs,
}

/// Plays lines to a core.
pub(in crate::commands) struct Player {
    rules: RuleSet,
    /// Made by the first line, whose time is its zero.
    core: Option<(VirtualTime, Wall)>,
    /// Time of the last line.
    last: Duration,
    marks: Marks,
    proofs: Proofs,
    has_inventory: bool,
    entries: u64,
}

impl Player {
    /// A core that has heard nothing, with these rules; `has_inventory`: machines are listed.
    pub fn new(rules: RuleSet, has_inventory: bool) -> Self {
        Player {
            proofs: Proofs::new(&rules.markers),
            rules,
            core: None,
            last: Duration::ZERO,
            marks: Marks::default(),
            has_inventory,
            entries: 0,
        }
    }

    /// Plays a line.
    pub fn line(&mut self, line: &Line<'_>) {
        match line {
            Line::Entry(at, subject, payload) => self.entry(*at, subject, payload),
            Line::Mark(at, mark) => self.mark(*at, mark),
        }
    }

    /// Plays an entry.
    pub fn entry(&mut self, at: Wall, subject: &str, payload: &[u8]) {
        self.proofs.entry(at, subject, payload);
        let at = self.time(at);
        self.entries += 1;
        if let Some((core, _)) = &mut self.core {
            core.entries(at, [(subject, payload)]);
        }
    }

    /// Plays a line of lastbeat itself.
    pub fn mark(&mut self, at: Wall, mark: &Mark<'_>) {
        let before = self.core.is_some().then_some(self.last);
        let at = self.time(at);
        if let Some((core, _)) = &mut self.core {
            self.marks.play(core, before, at, mark);
        }
    }

    /// The outcome, at the time of the last line.
    pub fn finish(mut self) -> Played {
        let (start, outputs) = match &mut self.core {
            Some((core, start)) => {
                core.pass(self.last);
                (*start, core.outputs())
            }
            None => (Wall::ZERO, &[][..]),
        };
        let notice = |said: &TimedOutput| match &said.output {
            Output::Notify(notice) => Some((said.at, (**notice).clone())),
            Output::Changed(_) | Output::Restart(..) => None,
        };
        Played {
            start,
            length: self.last,
            entries: self.entries,
            notices: outputs.iter().filter_map(notice).collect(),
            proofs: self.proofs,
        }
    }

    /// The time of a line from the first one; a clock that was set back stands still.
    fn time(&mut self, at: Wall) -> Duration {
        if self.core.is_none() {
            let options = Options {
                inventory: self.has_inventory,
                ignore: Globs(vec!["fly-builder-*".to_owned()]),
                first_incident: 1,
                ..Options::default()
            };
            let mut core = VirtualTime::new(self.rules.clone(), options, at);
            if self.has_inventory {
                core.set_inventory(self.marks.inventory());
            }
            self.core = Some((core, at));
        }
        let start = self.core.as_ref().map_or(at, |(_, start)| *start);
        self.last = self.last.max(at.since(start));
        self.last
    }
}
