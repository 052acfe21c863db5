//! Lines of lastbeat itself in a recorded stream, played to a core.

use crate::app::virtual_time::{Inventory, VirtualTime};
use crate::core::inventory::{Listed, Machine, Purpose};
use crate::decode::archive_line::Mark;
use crate::decode::inventory::machines;
use crate::decode::subject;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// Machines by subject, each in the inventory's word.
type Listing = Rc<RefCell<BTreeMap<String, String>>>;

/// Lines are dated to the microsecond, and decisions to the nanosecond.
const MOMENT: Duration = Duration::from_micros(2);

/// Plays marks, in the order of their times.
#[derive(Default)]
pub(in crate::commands) struct Marks {
    /// Time at which lastbeat stopped in order.
    stopped: Option<Duration>,
    listing: Listing,
}

impl Marks {
    /// The inventory, as the marks so far list it.
    pub fn inventory(&self) -> Inventory {
        let listing = Rc::clone(&self.listing);
        Box::new(move |_| listed(&listing))
    }

    /// Plays a mark; `before`: the time of the line before it, `None` where it is the first.
    pub fn play(
        &mut self,
        core: &mut VirtualTime,
        before: Option<Duration>,
        at: Duration,
        mark: &Mark<'_>,
    ) {
        match (mark, before) {
            (Mark::Start(_), None) | (Mark::Rules | Mark::Notified(..), _) => {}
            (Mark::Start(_), Some(before)) => {
                // Killed: it had decided what was due at its last line.
                core.restart(self.stopped.take().unwrap_or(before + MOMENT), at);
            }
            (Mark::Stop, _) => self.stopped = Some(at),
            (Mark::Cut, _) => core.cut(at),
            (Mark::Connected, _) => core.connect(at),
            (Mark::Lost(_) | Mark::Dropped(_), _) => core.lose(at),
            (Mark::Suspended, before) => core.stand_still(before.unwrap_or(at), at),
            (Mark::Machine(subject, word), _) => {
                let mut listing = self.listing.borrow_mut();
                match machines::listed(word) {
                    Listed::Gone => drop(listing.remove(*subject)),
                    _ => drop(listing.insert((*subject).to_owned(), (*word).to_owned())),
                }
            }
        }
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
