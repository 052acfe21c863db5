//! The limits of a backlog, in number and in age.

use std::time::Duration;

/// Limit of pending notices for one notifier. Some kilobytes each: tens of megabytes at the very most, after an
/// outage that fired ten thousand times.
pub(in crate::app::delivery) const WAITING_LIMIT: usize = 10_000;
/// Age limit of pending openings and closings: a notifier that was down over a week's holidays still gets all of them,
/// one that is down for longer has no reader.
pub(in crate::app::delivery) const ALERT_WAITS: Duration = Duration::from_secs(7 * 24 * 3600);
/// Age limit of pending reminders and updates: a day later they are wrong.
pub(in crate::app::delivery) const EXTRA_WAITS: Duration = Duration::from_secs(24 * 3600);
