//! The stop, step by step, each with a time limit.

use super::supervision::Parts;
use std::time::Duration;
use tracing::{error, info};

/// Time limits of the steps; together under four seconds, since the platform gives five.
const CORE_STOPS_WITHIN: Duration = Duration::from_millis(500);
const STATE_KEPT_WITHIN: Duration = Duration::from_millis(500);
const NOTICES_FLUSH_WITHIN: Duration = Duration::from_millis(2000);
const DONE_KEPT_WITHIN: Duration = Duration::from_millis(300);
const HTTP_STOPS_WITHIN: Duration = Duration::from_millis(400);
const ARCHIVE_ENDS_WITHIN: Duration = Duration::from_millis(200);

impl Parts {
    /// Stops the core, stores what it decided, sends what is pending, stores that it was sent, and stops HTTP.
    pub async fn stop(mut self) {
        if let Some(stop) = self.core.stop.take()
            && stop.send(()).is_ok()
            && tokio::time::timeout(CORE_STOPS_WITHIN, self.core.ended)
                .await
                .is_err()
        {
            error!("the core did not stop within its time limit");
        }
        let kept = self.store.flush(STATE_KEPT_WITHIN).await;
        let left = self.delivery.flush(NOTICES_FLUSH_WITHIN).await;
        let kept = self.store.flush(DONE_KEPT_WITHIN).await && kept;
        info!(left, kept, "notifications flushed");
        drop(self.stop_http);
        if !self.http.is_finished()
            && tokio::time::timeout(HTTP_STOPS_WITHIN, self.http)
                .await
                .is_err()
        {
            info!("open HTTP connections were closed");
        }
        // It has had the time of all other steps.
        self.archive.ended(ARCHIVE_ENDS_WITHIN).await;
    }
}
