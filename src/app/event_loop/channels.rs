//! The ends of the loop: what goes in, and where what comes out goes.

use crate::app::canary::CanaryPlan;
use crate::app::store_thread::StoreHandle;
use crate::core::engine::Output;
use crate::core::inventory::{Poll, Suspect};
use crate::core::notice::IncidentId;
use crate::core::persist::{Decision, Saved};
use crate::core::rule::RuleSet;
use crate::core::silence::Silence;
use crate::core::snapshot::Snapshot;
use crate::core::snapshot::detail::Detail;
use crate::io::feed::ConnectionEvent;
use crate::io::http::logs::Tails;
use crate::io::http::readiness::Readiness;
use crate::io::metrics::Metrics;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// A question to the core.
#[derive(Debug)]
pub enum CoreRequest {
    /// A copy of what it knows.
    Snapshot(oneshot::Sender<Arc<Snapshot>>),
    /// All that is known of who speaks under a subject; `None` where nobody does.
    Detail(String, oneshot::Sender<Option<Detail>>),
    /// Puts another rule set in force; answered once what it closes is told.
    Reload(Box<RuleSet>, oneshot::Sender<()>),
    /// Puts other silences in force.
    Silence(Vec<Silence>),
    /// Takes in what an earlier process knew, where its store could be read late only.
    Adopt(Box<Saved>, oneshot::Sender<()>),
    /// What the inventory says.
    Inventory(Box<Poll>),
    /// More became known of an open incident, in words.
    Note(IncidentId, String),
}

/// The ways into the loop.
#[derive(Debug)]
pub struct LoopInputs<S> {
    /// News of the connection.
    pub events: mpsc::Receiver<ConnectionEvent<S>>,
    /// Questions.
    pub requests: mpsc::Receiver<CoreRequest>,
    /// Ends the loop.
    pub stop: oneshot::Receiver<()>,
}

/// Why the loop ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// For how long no entry arrived.
    pub after: Duration,
    /// What is known of the connection, in words.
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
    pub suspects: Box<dyn Fn(Vec<Suspect>) + Send>,
    /// The canary; `None`: no canary.
    pub canary: Option<CanaryPlan>,
    /// The live metrics.
    pub metrics: Arc<Metrics>,
    /// Whether lastbeat can see.
    pub readiness: Arc<ArcSwap<Readiness>>,
    /// Series of instances and beats in a snapshot at most.
    pub max_series: usize,
    /// Told whether entries are missed though a connection stands.
    pub missed: watch::Sender<bool>,
    /// Who looks on as entries pass.
    pub tails: Arc<Tails>,
    /// Without an entry for this long the loop ends by itself; `None`: never.
    pub give_up_after: Option<Duration>,
}
