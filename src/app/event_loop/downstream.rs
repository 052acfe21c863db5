//! Requests about downstreams.

use super::EventLoop;
use crate::core::downstream_reports::{DownstreamQuery, DownstreamReport};
use crate::io::feed::MessageSource;
use tokio::sync::oneshot;

impl<S: MessageSource> EventLoop<S> {
    /// The next query of a downstream.
    pub(super) fn downstream_query(
        &mut self,
        name: &str,
        to: oneshot::Sender<Option<DownstreamQuery>>,
    ) {
        let now = self.turn();
        // The receiver may be gone already.
        let _ = to.send(self.ingest.engine.downstream_query(name, now));
    }

    /// Takes a report.
    pub(super) fn downstream_report(&mut self, report: DownstreamReport) {
        let now = self.turn();
        self.ingest.engine.downstream_report(report, now);
    }
}
