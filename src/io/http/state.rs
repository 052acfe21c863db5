//! The state that all requests share.

use super::auth::attempts::Attempts;
use super::auth::web_access::WebAccess;
use super::backend::Backend;
use super::body_limit::BodyLimit;
use super::dto::status::Status;
use super::error::ApiError;
use super::events::{Events, Look};
use super::logs::Tails;
use super::readiness::Readiness;
use crate::core::snapshot::Snapshot;
use arc_swap::ArcSwap;
use futures_util::FutureExt;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Time for the core to give its copy. Prometheus gives up after 10s by default, some after 5s; the core takes
/// milliseconds.
pub(super) const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(4);
/// Scrapes rendered at once: one keeps the memory for texts and a core of the machine within bounds.
const MAX_RENDERING: usize = 1;

/// The state of the listener.
pub struct AppState {
    pub(super) backend: Box<dyn Backend>,
    pub(super) readiness: Arc<ArcSwap<Readiness>>,
    pub(super) access: Arc<WebAccess>,
    pub(super) attempts: Attempts,
    pub(super) tails: Arc<Tails>,
    pub(super) events: Arc<Events>,
    /// A drill is running.
    pub(super) drill_runs: Arc<AtomicBool>,
    pub(super) rendering: Semaphore,
    pub(super) bodies: BodyLimit,
}

impl AppState {
    /// The state over the rest of the program; `tails` and `events` are the streams that it publishes to.
    pub fn new(
        backend: Box<dyn Backend>,
        readiness: Arc<ArcSwap<Readiness>>,
        access: Arc<WebAccess>,
        tails: Arc<Tails>,
        events: Arc<Events>,
    ) -> Self {
        AppState {
            backend,
            readiness,
            access,
            attempts: Attempts::default(),
            tails,
            events,
            drill_runs: Arc::default(),
            rendering: Semaphore::new(MAX_RENDERING),
            bodies: BodyLimit::default(),
        }
    }

    /// The core's copy.
    pub(super) async fn snapshot(&self) -> Result<Arc<Snapshot>, ApiError> {
        let asked = tokio::time::timeout(SNAPSHOT_TIMEOUT, self.backend.snapshot()).await;
        asked.ok().flatten().ok_or(ApiError::CoreTimeout)
    }

    /// The body of `/api/v1/status`.
    pub(super) fn status(&self, snapshot: &Snapshot) -> Status {
        let readiness = self.readiness.load();
        Status::new(
            snapshot,
            &readiness,
            self.backend.store(),
            self.backend.notifiers(),
            self.backend.unrecognised_beats(),
        )
    }

    /// Feeds the readers of streams, for ever.
    pub(super) async fn publish(&self) -> Infallible {
        tokio::select! {
            never = self.tails.fetch(&self.readiness) => match never {},
            never = self.events.watch(|| self.look().boxed()) => match never {},
        }
    }

    async fn look(&self) -> Option<Look> {
        let snapshot = self.snapshot().await.ok()?;
        let status = self.status(&snapshot);
        Some((snapshot, status))
    }

    /// Ends the streams of all readers.
    pub(super) fn end_streams(&self) {
        self.tails.end();
        self.events.end();
    }
}
