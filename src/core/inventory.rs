//! Answers of the platform's inventory: the machines that exist, and whether each is meant to run.

pub mod listing;

use crate::core::time::Mono;
use std::sync::Arc;

/// State of a machine in the inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Listed {
    /// It runs.
    Started,
    /// It is about to run: created, starting, restarting, replacing, updating.
    Starting,
    /// It is deployed but not running: stopped, suspended, or about to be.
    Stopped,
    /// It failed to start or to keep running.
    Failed,
    /// It was destroyed, replaced or migrated.
    Gone,
    /// A state unknown to lastbeat: nothing follows from it.
    Unknown,
}

/// Purpose of a machine, as far as the inventory says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// It serves, as its app's other machines do.
    Service,
    /// A release command, a console, a scheduled job, a builder: it exits by itself.
    Ephemeral,
    /// The inventory does not say.
    Unknown,
}

/// The last exit of a machine, as the platform recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exit {
    /// True if the exit was requested.
    pub requested: bool,
    /// The exit code; `None` if there was none.
    pub code: Option<i32>,
    /// True if it ran out of memory.
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
    /// Its state in the inventory's own word, such as `suspended` or `replacing`.
    pub word: Arc<str>,
    /// True if its physical host is unreachable: an outage, in any state.
    pub unreachable: bool,
    /// Its purpose.
    pub purpose: Purpose,
    /// Its process group; `None` where the inventory does not say.
    pub group: Option<Arc<str>>,
    /// Its last exit; `None` if that was not queried.
    pub exit: Option<Exit>,
}

/// A machine whose silence is about to become an alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// Its app.
    pub app: Arc<str>,
    /// Its region.
    pub region: Arc<str>,
    /// Its id.
    pub id: Arc<str>,
}

/// One answer of the inventory. A failed poll gives none, so it never means that there are no machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// Arrival clock: time of the request; the answer is at least as new.
    pub asked_at: Mono,
    /// Every machine.
    pub machines: Vec<Machine>,
    /// True if every machine was readable; otherwise nothing follows for machines that are not listed.
    pub whole: bool,
    /// Regions that could not be read: nothing follows for machines there that are not listed.
    pub unread_regions: Vec<Arc<str>>,
}
