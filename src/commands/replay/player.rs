//! A recorded stream, played to the core in virtual time.

use crate::app::virtual_time::{TimedOutput, VirtualTime};
use crate::core::engine::{Options, Output};
use crate::core::inventory::{Machine, Purpose};
use crate::core::notice::Notice;
use crate::core::rule::{Globs, RuleSet};
use crate::core::time::Wall;
use crate::decode::archive_line::Mark;
use crate::decode::inventory::machines;
use crate::decode::subject;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
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
}

/// Machines by subject, each in the inventory's word.
type Listing = Rc<RefCell<BTreeMap<String, String>>>;

/// Plays lines to a core.
pub(in crate::commands) struct Player {
    rules: RuleSet,
    /// Made by the first line, whose time is its zero.
    core: Option<(VirtualTime, Wall)>,
    /// Time of the last line.
    last: Duration,
    /// Time at which lastbeat stopped in order.
    stopped: Option<Duration>,
    listing: Listing,
    has_inventory: bool,
    entries: u64,
}

impl Player {
    /// A core that has heard nothing, with these rules; `has_inventory`: machines are listed.
    pub fn new(rules: RuleSet, has_inventory: bool) -> Self {
        Player {
            rules,
            core: None,
            last: Duration::ZERO,
            stopped: None,
            listing: Rc::default(),
            has_inventory,
            entries: 0,
        }
    }

    /// Plays an entry.
    pub fn entry(&mut self, at: Wall, subject: &str, payload: &[u8]) {
        let at = self.time(at);
        self.entries += 1;
        if let Some((core, _)) = &mut self.core {
            core.entries(at, [(subject, payload)]);
        }
    }

    /// Plays a line of lastbeat itself.
    pub fn mark(&mut self, at: Wall, mark: &Mark<'_>) {
        let (is_first, before) = (self.core.is_none(), self.last);
        let at = self.time(at);
        let Some((core, _)) = &mut self.core else {
            return;
        };
        match mark {
            Mark::Start(_) if is_first => {}
            Mark::Start(_) => {
                let from = self.stopped.take().unwrap_or(before);
                core.restart(from, at);
            }
            Mark::Stop => self.stopped = Some(at),
            Mark::Cut => core.cut(at),
            Mark::Connected => core.connect(at),
            Mark::Lost(_) | Mark::Dropped(_) => core.lose(at),
            Mark::Suspended => core.stand_still(before, at),
            Mark::Rules => {}
            Mark::Machine(subject, word) => {
                let mut listing = self.listing.borrow_mut();
                match machines::listed(word) {
                    crate::core::inventory::Listed::Gone => drop(listing.remove(*subject)),
                    _ => drop(listing.insert((*subject).to_owned(), (*word).to_owned())),
                }
            }
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
            Output::Tell(notice) => Some((said.at, (**notice).clone())),
            Output::Changed(_) | Output::Restart(..) => None,
        };
        Played {
            start,
            length: self.last,
            entries: self.entries,
            notices: outputs.iter().filter_map(notice).collect(),
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
                let listing = Rc::clone(&self.listing);
                core.set_inventory(Box::new(move |_| listed(&listing)));
            }
            self.core = Some((core, at));
        }
        let start = self.core.as_ref().map_or(at, |(_, start)| *start);
        self.last = self.last.max(at.since(start));
        self.last
    }
}

/// The machines of a poll; `None` until the archive has named one.
fn listed(listing: &Listing) -> Option<Vec<Machine>> {
    let listing = listing.borrow();
    if listing.is_empty() {
        return None;
    }
    let machine = |(name, word): (&String, &String)| {
        let name = subject::read(name).ok()?;
        Some(Machine {
            app: name.app.into(),
            region: name.region.into(),
            id: name.instance.into(),
            listed: machines::listed(word),
            word: word.as_str().into(),
            unreachable: false,
            purpose: Purpose::Unknown,
            group: None,
            exit: None,
        })
    };
    Some(listing.iter().filter_map(machine).collect())
}
