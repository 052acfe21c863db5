//! What the platform's inventory says: which machines there are, and which of them are meant to run.

pub mod listing;

use crate::core::time::Mono;
use std::sync::Arc;

/// How a machine is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Listed {
    /// It runs.
    Started,
    /// It is on its way to run: created, starting, restarting, replacing, updating.
    Starting,
    /// It is deployed and does not run: stopped, suspended, or on its way there.
    Stopped,
    /// It could not be started, or kept running.
    Failed,
    /// It is destroyed, replaced or migrated away.
    Gone,
    /// In a state that nobody has told us of: nothing follows from it.
    Unheard,
}

/// What a machine is for, as far as the inventory says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// It serves: its app's siblings do the same.
    Service,
    /// A release command, a console, a scheduled job, a builder: it ends by itself.
    Ephemeral,
    /// The inventory does not say.
    Unsaid,
}

/// How a machine last ended, by the platform's own record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exit {
    /// Whether somebody asked for it.
    pub requested: bool,
    /// The exit code; `None` where there was none.
    pub code: Option<i32>,
    /// Whether its memory did not suffice.
    pub oom: bool,
}

/// One machine of the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its app.
    pub app: Arc<str>,
    /// Its region.
    pub region: Arc<str>,
    /// Its id: the instance of its subject.
    pub id: Arc<str>,
    /// Its state.
    pub listed: Listed,
    /// Its state in the inventory's own word: `suspended`, `replacing`.
    pub word: Arc<str>,
    /// Whether its physical host cannot be reached: an outage, whatever its state says.
    pub unreachable: bool,
    /// What it is for.
    pub purpose: Purpose,
    /// Its process group; `None` where the inventory does not say.
    pub group: Option<Arc<str>>,
    /// How it last ended; `None` where that was not asked for.
    pub exit: Option<Exit>,
}

/// A machine whose silence is about to be told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Suspect {
    /// Its app.
    pub app: Arc<str>,
    /// Its region.
    pub region: Arc<str>,
    /// Its id.
    pub id: Arc<str>,
}

/// One answer of the inventory. A poll that failed is none: it says nothing, and never that there are no machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// Arrival clock: when it was asked for; the answer is at least as new.
    pub asked_at: Mono,
    /// Every machine.
    pub machines: Vec<Machine>,
    /// Whether no machine was left out for being unreadable; else nothing follows for those that are not listed.
    pub whole: bool,
    /// Regions that could not be read: nothing follows for machines there that are not listed.
    pub unread_regions: Vec<Arc<str>>,
}
