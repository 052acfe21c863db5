//! A machine: its state, its beats, its clock, and what it says.

use std::sync::Arc;

/// How an app's machines rest when nobody asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    Never,
    Autostop,
    Autosuspend,
}

/// How a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Started,
    Replacing,
    Stopped,
    Destroyed,
    /// It runs by every list, and says nothing any more.
    Dead,
    /// It ended by itself, and is not restarted.
    Crashed,
}

/// How often a machine beats, and by which name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Each minute; of some apps by a name, by which they say bye too.
    Usual { named: bool },
    /// Twice an hour, without a word of it.
    Slow,
    /// Once a day.
    Job,
    /// So often that the stream is never quiet.
    Canary,
}

/// The clock of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongClock {
    /// It stands still.
    Frozen,
    /// It is an hour ahead.
    Ahead,
    /// It shows whole hours.
    Coarse,
}

#[derive(Clone, Debug)]
pub struct Machine {
    pub app: Arc<str>,
    pub region: Arc<str>,
    pub id: Arc<str>,
    pub subject: String,
    pub state: State,
    /// When its state became so.
    pub since: u64,
    pub rest: Rest,
    pub kind: Kind,
    pub clock: Option<WrongClock>,
    /// Beats of an earlier life are not said any more.
    pub life: u32,
}

/// A death.
#[derive(Clone, Copy, Debug)]
pub struct Death {
    pub who: usize,
    /// When it died: nothing of it comes later.
    pub at: u64,
    /// From when it was waited for, where that is later than its last beat: its start.
    pub started: Option<u64>,
}

/// A time in which something is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    pub from: u64,
    pub to: u64,
}

impl Trouble {
    pub fn holds(&self, at: u64) -> bool {
        self.from <= at && at < self.to
    }
}

/// What reaches the watcher.
#[derive(Clone, Debug)]
pub enum Said {
    Beat,
    Bye,
    /// A line of the platform's: provider and message.
    Line(&'static str, String),
}
