//! The event loop's inputs and outputs.

use crate::app::archive::Recorder;
use crate::app::canary::CanaryPlan;
use crate::app::store_thread::StoreHandle;
use crate::core::downstream_reports::{DownstreamQuery, DownstreamReport};
use crate::core::engine::Output;
use crate::core::inventory::{Candidate, Poll};
use crate::core::notice::{Acknowledgement, IncidentId};
use crate::core::persist::{Decision, Saved, SavedIncident};
use crate::core::rule::RuleSet;
use crate::core::silence::Silence;
use crate::core::snapshot::Snapshot;
use crate::core::snapshot::detail::Detail;
use crate::core::targets::question::{Opinion, Question};
use crate::core::time::Wall;
use crate::io::feed::ConnectionEvent;
use crate::io::http::logs::Tails;
use crate::io::http::readiness::Readiness;
use crate::io::metrics::Metrics;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// A request to the core.
#[derive(Debug)]
pub enum CoreRequest {
    /// A snapshot.
    Snapshot(oneshot::Sender<Arc<Snapshot>>),
    /// Details of the instance under a subject; `None`: there is none.
    Detail(String, oneshot::Sender<Option<Detail>>),
    /// Puts another rule set in force; answered once the notices of what it closes are handed on.
    Reload(Box<RuleSet>, oneshot::Sender<()>),
    /// Puts other silences in force, and the hours of rules as they are from now on.
    Silence(Vec<Silence>),
    /// Restores the state of an earlier process, from a store that could be opened only after the start.
    Adopt(Box<Saved>, oneshot::Sender<()>),
    /// A poll of the inventory.
    Inventory(Box<Poll>),
    /// The answer to a question about a silent beat.
    Opinion(Question, Opinion),
    /// The archive stopped, for this reason; `None`: it is well.
    Archive(Option<String>),
    /// Adds a text to an open incident.
    Note(IncidentId, String),
    /// Records that somebody works on an open incident; answered with it, or `None` if there is none.
    Acknowledge(
        IncidentId,
        Acknowledgement,
        oneshot::Sender<Option<Box<SavedIncident>>>,
    ),
    /// The next query of a downstream, which is sent at once; `None`: there is no such downstream.
    DownstreamQuery(String, oneshot::Sender<Option<DownstreamQuery>>),
    /// A report about a downstream.
    Downstream(Box<DownstreamReport>),
    /// Wall clock: this range was shipped to the sink of a downstream again, all of it.
    Refilled(String, Wall, Wall),
}

/// The loop's inputs.
#[derive(Debug)]
pub struct LoopInputs<S> {
    /// Events of the connection.
    pub events: mpsc::Receiver<ConnectionEvent<S>>,
    /// Requests.
    pub requests: mpsc::Receiver<CoreRequest>,
    /// Ends the loop.
    pub stop: oneshot::Receiver<()>,
}

/// Why the loop ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Time without an entry.
    pub after: Duration,
    /// The state of the connection, for people.
    pub words: String,
}

/// Receives outputs of the core, with what is to be stored before anybody is notified. Must not block.
pub type OutputSink = Box<dyn FnMut(Vec<Output>, Option<Decision>) + Send>;

/// The loop's outputs and limits.
pub struct EventLoopDeps {
    /// The store, which checkpoints go to.
    pub store: Arc<StoreHandle>,
    /// Receives everything that the core decides.
    pub outputs: OutputSink,
    /// Receives the instances that the inventory is to be asked about at once, since alerts wait for its answer.
    /// Must not block.
    pub candidates: Box<dyn Fn(Vec<Candidate>) + Send>,
    /// Receives questions for the platform's own logs, whose answers alerts wait for. Must not block.
    pub questions: Box<dyn Fn(Question) + Send>,
    /// The canary; `None`: no canary.
    pub canary: Option<CanaryPlan>,
    /// The live metrics.
    pub metrics: Arc<Metrics>,
    /// Readiness of the connection.
    pub readiness: Arc<ArcSwap<Readiness>>,
    /// Limit of the series of instances and beats in a snapshot.
    pub max_series: usize,
    /// Set to true while entries are missed though a connection stands.
    pub missed: watch::Sender<bool>,
    /// Readers of the live entries.
    pub tails: Arc<Tails>,
    /// Copies entries for the archive; `None`: nothing is kept.
    pub recorder: Option<Recorder>,
    /// Without an entry for this long the loop ends by itself; `None`: never.
    pub give_up_after: Option<Duration>,
}
