//! The events of a test, in the order of their times, and the core that they are played to.

use super::entries::{Entry, Texts};
use crate::app::virtual_time::VirtualTime;
use crate::core::notice::Notice;
use crate::core::rule::RuleSet;
use crate::core::silence::Silence;
use crate::decode::test_file::{Case, Event};
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::slice::ChunkBy;
use std::time::Duration;
use std::vec::IntoIter;

/// Something that happens beside the entries.
#[derive(Debug)]
pub(super) enum Turn {
    Cut,
    Connect,
    Lose,
    StandStill(Duration),
    Down(Duration),
    Silence,
    Rules(String),
    Look(Duration),
}

/// True for two entries of one batch.
pub(super) type SameTime = fn(&Entry, &Entry) -> bool;

/// The events of a test, in the order of their times.
pub(super) struct Script<'s> {
    /// Entries that arrive together.
    pub(super) batches: Peekable<ChunkBy<'s, Entry, SameTime>>,
    pub(super) turns: Peekable<IntoIter<(Duration, Turn)>>,
    pub(super) texts: Texts<'s>,
}

impl Script<'_> {
    /// Plays all that comes up to a moment; of one moment the entries come last.
    pub(super) fn play(&mut self, player: &mut Player<'_>, to: Duration) {
        loop {
            let batch = self.batches.peek().map(|batch| batch[0].at());
            let before = batch.map_or(to, |at| at.min(to));
            if let Some((at, turn)) = self.turns.next_if(|(at, _)| *at <= before) {
                player.take(at, turn);
                continue;
            }
            let Some(batch) = self.batches.next_if(|batch| batch[0].at() <= to) else {
                return;
            };
            let lines: Vec<_> = batch.iter().map(|entry| self.texts.entry(entry)).collect();
            let lines = lines
                .iter()
                .map(|(subject, text)| (*subject, text.as_bytes()));
            player.core.entries(batch[0].at(), lines);
        }
    }
}

/// The core of a test, and what it is asked for.
pub(super) struct Player<'c> {
    pub(super) core: VirtualTime,
    pub(super) case: &'c Case,
    pub(super) others: &'c BTreeMap<String, RuleSet>,
    pub(super) open: BTreeMap<Duration, Vec<Notice>>,
}

impl Player<'_> {
    fn take(&mut self, at: Duration, turn: Turn) {
        let core = &mut self.core;
        match turn {
            Turn::Cut => core.cut(at),
            Turn::Connect => core.connect(at),
            Turn::Lose => core.lose(at),
            Turn::StandStill(to) => core.stand_still(at, to),
            Turn::Down(to) => core.restart(at, to),
            Turn::Silence => core.set_silences(silences(self.case, at), at),
            Turn::Rules(name) => {
                if let Some(rules) = self.others.get(&name) {
                    core.reload(rules.clone(), at);
                }
            }
            Turn::Look(moment) => {
                core.pass(at);
                let open = core.engine().open_incidents().collect();
                self.open.insert(moment, open);
            }
        }
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
