//! The status of a notifier, for /readyz, the API and the page.

use crate::core::time::Mono;
use crate::format;
use hyper::StatusCode;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Time for which a dropped notice makes lastbeat not ready: long enough for a check every half hour.
const GIVEN_UP_IS_NEWS: Duration = Duration::from_secs(3600);

/// The live status, which a notifier's task writes.
#[derive(Default)]
pub(super) struct QueueStatus {
    /// Notices that are neither delivered nor dropped.
    pub(super) pending: AtomicUsize,
    /// Failed attempts in a row.
    pub(super) failed_tries: AtomicU32,
    /// Failed attempts of the refusal that lasts longest, and the answer's status; 0: none is refused.
    refused_tries: AtomicU32,
    refused_status: AtomicU32,
    given_up: AtomicU64,
    /// Arrival clock, nanoseconds: when one was given up last.
    given_up_at: AtomicU64,
}

impl QueueStatus {
    /// One more was given up.
    pub(super) fn gave_up(&self, now: Mono) {
        self.given_up_at.store(now.nanos(), Ordering::Relaxed);
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }

    /// The refusal that lasts longest: failed attempts, and the last answer.
    pub(super) fn refused(&self, refusal: Option<(u32, StatusCode)>) {
        let (tries, status) = refusal.map_or((0, 0), |(tries, status)| (tries, status.as_u16()));
        self.refused_tries.store(tries, Ordering::Relaxed);
        self.refused_status
            .store(u32::from(status), Ordering::Relaxed);
    }

    /// As it stands now.
    pub(super) fn seen(&self, notifier: &str, now: Mono) -> NotifierStatus {
        let given_up = self.given_up.load(Ordering::Relaxed);
        let at = Mono::from_nanos(self.given_up_at.load(Ordering::Relaxed));
        NotifierStatus {
            notifier: notifier.to_owned(),
            pending: self.pending.load(Ordering::Relaxed),
            failed_tries: self
                .failed_tries
                .load(Ordering::Relaxed)
                .max(self.refused_tries.load(Ordering::Relaxed)),
            refused: self.refusal(),
            given_up,
            given_up_ago: (given_up > 0).then(|| now.since(at)),
        }
    }
}

impl QueueStatus {
    fn refusal(&self) -> Option<StatusCode> {
        let status = self.refused_status.load(Ordering::Relaxed);
        StatusCode::from_u16(u16::try_from(status).ok()?).ok()
    }
}

/// The status of a notifier at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifierStatus {
    /// The notifier's name.
    pub notifier: String,
    /// Notices that wait.
    pub pending: usize,
    /// Failed attempts in a row.
    pub failed_tries: u32,
    /// The receiver's last answer to a notification that it refuses; `None`: it refuses none.
    pub refused: Option<StatusCode>,
    /// Notices given up since the start.
    pub given_up: u64,
    /// Age of the last of them; `None`: there was none.
    pub given_up_ago: Option<Duration>,
}

/// A notifier that does not accept notifications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckNotifier {
    /// The notifier's name.
    pub notifier: String,
    /// Notices that wait.
    pub pending: usize,
    /// Failed attempts in a row.
    pub failed_tries: u32,
    /// The receiver's last answer to a notification that it refuses; `None`: it refuses none.
    pub refused: Option<StatusCode>,
    /// Notices given up since the start, where the last was within the hour; else 0.
    pub given_up: u64,
    /// Age of the last of them.
    pub given_up_ago: Duration,
}

impl NotifierStatus {
    /// Its problem; `None`: it has none.
    pub fn stuck(&self) -> Option<StuckNotifier> {
        let ago = self.given_up_ago.filter(|ago| *ago < GIVEN_UP_IS_NEWS);
        (self.failed_tries > 0 || ago.is_some()).then(|| StuckNotifier {
            notifier: self.notifier.clone(),
            pending: self.pending,
            failed_tries: self.failed_tries,
            refused: self.refused,
            given_up: ago.map_or(0, |_| self.given_up),
            given_up_ago: ago.unwrap_or_default(),
        })
    }
}

impl StuckNotifier {
    /// In words for /readyz; `None` where fewer than `tries` failed, and nothing is refused or was given up.
    pub fn words(&self, tries: u32) -> Option<String> {
        let refused = self.refused.map(|status| {
            let (pending, tried) = (self.pending, self.failed_tries);
            format!("refuses notifications ({status}): {pending} pending, {tried} attempts failed")
        });
        let failing = || {
            (self.failed_tries >= tries).then(|| match self.pending {
                0 => format!(
                    "open alerts could not be resent in {} attempts",
                    self.failed_tries
                ),
                pending => format!(
                    "{pending} notifications pending after {} failed attempts",
                    self.failed_tries
                ),
            })
        };
        let lost = (self.given_up > 0).then(|| {
            let ago = format::duration(self.given_up_ago);
            format!(
                "{} notifications were dropped, the last {ago} ago",
                self.given_up
            )
        });
        let all: Vec<String> = refused.or_else(failing).into_iter().chain(lost).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}
