//! Messages to and from the queue of a notifier.

use crate::core::notice::{IncidentId, NoticeKind};
use crate::io::notifier::{Delivery, Outcome, RenderedNotice};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Called when a delivery has ended, so that the store removes it.
pub type OnFinished = Arc<dyn Fn(Finished) + Send + Sync>;

/// The end of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The delivery's number; 0: not stored.
    pub id: u64,
    /// Its incident.
    pub incident: IncidentId,
    /// The kind of its notice.
    pub kind: NoticeKind,
    /// Its notifier's name.
    pub notifier: String,
    /// Delivered, rejected or given up.
    pub outcome: Outcome,
    /// Time from the deadline to its end.
    pub delay: Duration,
    /// True for an opening that was dropped: its row in the store stays, without a body, until its incident is over.
    pub leaves_mark: bool,
    /// The number of such a row that goes with it; 0: none.
    pub released: u64,
}

/// A command to a notifier's task.
pub(super) enum QueueCommand {
    Send(Delivery),
    /// An open incident's last notice, sent earlier.
    Hold(RenderedNotice),
    /// Forget open alerts: another notifier takes them over.
    Retire,
    /// Retry at once from now on; answer when nothing is pending.
    Flush(oneshot::Sender<()>),
    /// Drop what is pending.
    GiveUp,
}
