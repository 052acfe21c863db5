//! The progress of a refill on a terminal, and its notes.

use crate::app::refill::Sees;
use crate::app::refill::cursor::Cursor;
use crate::clock::Clock;
use crate::core::time::{Mono, Wall};
use std::io::{self, IsTerminal};
use std::time::Duration;

/// Cells of the bar.
const CELLS: usize = 24;

/// A number of entries in words.
pub(super) fn entries(count: u64) -> String {
    match count {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    }
}

/// The line that shows the progress.
pub(super) struct Progress {
    sink: String,
    clock: Clock,
    began: Mono,
    /// Entries that earlier runs shipped.
    before: u64,
    /// Entries that were shipped so far, by all runs.
    shipped: u64,
    is_terminal: bool,
    /// A line is shown that is not ended.
    is_shown: bool,
    /// The last reason of a wait, which is told once.
    waits_for: String,
}

impl Progress {
    /// The progress of a refill that begins, or goes on.
    pub fn new(sink: &str, cursor: &Cursor) -> Self {
        let clock = Clock::start();
        let shipped = cursor.counts().shipped;
        let mut progress = Progress {
            sink: sink.to_owned(),
            began: clock.mono(),
            clock,
            before: shipped,
            shipped,
            is_terminal: io::stderr().is_terminal(),
            is_shown: false,
            waits_for: String::new(),
        };
        if cursor.place().is_some() {
            let shipped = entries(shipped);
            progress.note(&format!(
                "goes on behind {shipped} that were shipped before"
            ));
        }
        progress
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            eprint!("\r\x1b[K");
        }
    }

    /// Prints a note.
    pub fn note(&mut self, text: &str) {
        self.clear();
        eprintln!("-- {text}");
    }

    /// The time that this run took, and its speed.
    pub fn summary(&self) -> String {
        let took = self.clock.mono().since(self.began).as_secs_f64();
        let rate = (self.shipped - self.before) as f64 / took.max(1e-3);
        format!(" in {took:.1}s ({rate:.0} a second)")
    }
}

impl Sees for Progress {
    fn rejected(&mut self, count: u64, why: &str) {
        let count = entries(count);
        self.note(&format!("a batch of {count}: {why}"));
    }

    fn waits(&mut self, why: &str, wait: Duration) {
        if self.waits_for != why {
            let seconds = wait.as_secs_f64();
            self.note(&format!(
                "{why}; trying again, the next time in {seconds:.1}s"
            ));
            self.waits_for = why.to_owned();
        }
    }

    fn moved(&mut self, cursor: &Cursor, last: Option<Wall>) {
        self.waits_for.clear();
        self.shipped = cursor.counts().shipped;
        let Some(last) = last.filter(|_| self.is_terminal) else {
            return;
        };
        let share = cursor.share(last);
        let full = (share * CELLS as f64) as usize;
        let bar = format!("{}{}", "#".repeat(full), ".".repeat(CELLS - full));
        let percent = (share * 100.0) as u32;
        let (sink, shipped) = (&self.sink, entries(self.shipped));
        self.is_shown = true;
        eprint!("\r\x1b[Krefilling {sink}: [{bar}] {percent}% {shipped}");
    }
}
