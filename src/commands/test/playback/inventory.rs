//! The inventory of a test: machines by the lines that list them.

use crate::app::virtual_time::Inventory;
use crate::core::inventory::{Machine, Purpose};
use crate::decode::inventory::machines::listed;
use crate::decode::test_file::{Case, Event, Name, Span, Times};
use std::sync::Arc;
use std::time::Duration;

/// True if a test has an inventory.
pub(super) fn is_asked(case: &Case) -> bool {
    case.lines
        .iter()
        .any(|line| matches!(line.what, Event::Listed { .. } | Event::InventoryFails(_)))
}

/// The machines that are listed at a moment, and `None` while the inventory fails; `None` where a test has none.
pub(super) fn machines(case: &Case) -> Option<Inventory> {
    if !is_asked(case) {
        return None;
    }
    let mut lists: Vec<(Span, Vec<Machine>)> = Vec::new();
    let mut fails: Vec<Times> = Vec::new();
    for line in &case.lines {
        match &line.what {
            Event::Listed { who, word, span } => {
                let machines = who.iter().map(|name| machine(name, word)).collect();
                lists.push((*span, machines));
            }
            Event::InventoryFails(times) => fails.push(*times),
            _ => {}
        }
    }
    let answer = move |at: Duration| {
        if fails.iter().any(|times| times.holds(at)) {
            return None;
        }
        let listed = lists.iter().filter(|(span, _)| span.holds(at));
        Some(listed.flat_map(|(_, machines)| machines.clone()).collect())
    };
    Some(Box::new(answer))
}

fn machine(name: &Name, word: &str) -> Machine {
    Machine {
        app: Arc::from(name.app.as_str()),
        region: Arc::from(name.region.as_str()),
        id: Arc::from(name.instance.as_str()),
        listed: listed(word),
        word: Arc::from(word),
        unreachable: false,
        purpose: Purpose::Unknown,
        group: None,
        exit: None,
    }
}
