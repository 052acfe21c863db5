//! The silences in force: those of the rule files and those of the API.
//!
//! Those of the API are stored.

use super::event_loop::CoreRequest;
use crate::core::rule::ScheduledSilence;
use crate::core::silence::Silence;
use crate::core::time::Wall;
use crate::decode::schedule::Schedule;
use crate::decode::silence_request::SilenceRequest;
use crate::io::http::backend::{SilenceRow, Source};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tracing::info;

/// Interval in which windows of schedules are computed and expired silences removed.
const REFRESH_EVERY: Duration = Duration::from_secs(60);
/// Limit of silences of the API at once: each is checked for every alert.
pub const MAX_SILENCES: usize = 1_000;
/// Limit of the globs of all of them: an alert that all of them are checked for takes less than a millisecond.
pub const MAX_GLOBS: usize = 5_000;

/// Refreshes in a row for which a silence that is over stays: a day of them, in case the wall clock stands wrong.
const OVER_KEPT: u32 = 24 * 60;

/// All silences, shared by the reload, HTTP and the task that keeps the core up to date.
#[derive(Debug, Default)]
pub struct Silences {
    lists: Mutex<SilenceLists>,
    /// Notified at each change.
    changed: Notify,
    /// True if those made by the API changed since the last [`Self::to_keep`].
    unkept: AtomicBool,
}

#[derive(Debug, Default)]
struct SilenceLists {
    scheduled: Vec<(ScheduledSilence, Option<Schedule>)>,
    made: Vec<Silence>,
    /// Refreshes in a row at which each of those made was over.
    over: BTreeMap<String, u32>,
    last_id: u64,
}

impl Silences {
    /// Replaces those of the rule files.
    pub fn schedule(&self, silences: &[ScheduledSilence]) {
        let with_schedule = |silence: &ScheduledSilence| {
            // The rules were parsed, so the schedule is valid.
            let schedule = Schedule::new(&silence.schedule, &silence.timezone).ok();
            (silence.clone(), schedule)
        };
        self.lists().scheduled = silences.iter().map(with_schedule).collect();
        self.changed.notify_one();
    }

    /// The silences at `now`, for the core; without those that are over.
    pub fn in_force(&self, now: Wall) -> Vec<Silence> {
        let lists = self.lists();
        let scheduled = lists.scheduled.iter().enumerate();
        let scheduled = scheduled.map(|(index, (silence, schedule))| Silence {
            id: scheduled_id(index),
            matchers: silence.matchers.clone(),
            windows: schedule.as_ref().map_or(Vec::new(), |schedule| {
                schedule.windows(silence.duration, now)
            }),
            reason: silence.reason.clone(),
            author: String::new(),
        });
        let made = lists.made.iter().filter(|one| is_to_come(one, now));
        scheduled.chain(made.cloned()).collect()
    }

    /// Removes those that have been over for a day of refreshes. A wall clock that stands wrong for a while ends none.
    fn forget_over(&self, now: Wall) {
        let mut lists = self.lists();
        let SilenceLists { made, over, .. } = &mut *lists;
        let before = made.len();
        made.retain(|silence| {
            if is_to_come(silence, now) {
                over.remove(&silence.id);
                return true;
            }
            let refreshes = over.entry(silence.id.clone()).or_default();
            *refreshes += 1;
            *refreshes < OVER_KEPT
        });
        over.retain(|id, _| made.iter().any(|silence| silence.id == *id));
        if made.len() < before {
            self.unkept.store(true, Ordering::Relaxed);
        }
    }

    /// Restores those of the API from an earlier process.
    pub fn restore(&self, made: Vec<Silence>) {
        let mut lists = self.lists();
        let known: Vec<String> = lists
            .made
            .iter()
            .map(|silence| silence.id.clone())
            .collect();
        let new = made
            .into_iter()
            .filter(|silence| !known.contains(&silence.id));
        lists.made.extend(new.take(MAX_SILENCES));
        drop(lists);
        self.changed.notify_one();
    }

    /// All silences of the API, if they changed since the last call.
    fn to_keep(&self) -> Option<Vec<Silence>> {
        let changed = self.unkept.swap(false, Ordering::Relaxed);
        changed.then(|| self.lists().made.clone())
    }

    fn made_changed(&self) {
        self.unkept.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// A panic elsewhere cannot leave the lists half-written: each change is one step.
    fn lists(&self) -> MutexGuard<'_, SilenceLists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_to_come(silence: &Silence, now: Wall) -> bool {
    silence.windows.iter().any(|(_, until)| now < *until)
}

fn scheduled_id(index: usize) -> String {
    format!("rules-{}", index + 1)
}

impl Silences {
    /// All that hold now or later.
    pub fn list(&self) -> Vec<SilenceRow> {
        let now = crate::clock::wall();
        let silences = self.in_force(now);
        let lists = self.lists();
        let source = |index: usize| match lists.scheduled.get(index) {
            Some((silence, _)) => Source::Rules {
                schedule: silence.schedule.clone(),
                timezone: silence.timezone.clone(),
            },
            None => Source::Api,
        };
        let rows = silences.into_iter().enumerate();
        rows.map(|(index, silence)| SilenceRow {
            holds: silence.holds(now),
            source: source(index),
            silence,
        })
        .collect()
    }

    /// Adds one; `None` at the limit of silences.
    pub fn add(&self, request: SilenceRequest) -> Option<SilenceRow> {
        let now = crate::clock::wall();
        let mut lists = self.lists();
        if lists.made.len() >= MAX_SILENCES {
            lists.made.retain(|silence| is_to_come(silence, now));
        }
        let globs = lists.made.iter().map(|silence| silence.matchers.globs());
        let globs = globs.sum::<usize>() + request.matchers.globs();
        if lists.made.len() >= MAX_SILENCES || globs > MAX_GLOBS {
            return None;
        }
        // Milliseconds since the epoch, so that numbers never return after a restart.
        lists.last_id = (now.nanos() / 1_000_000).max(lists.last_id + 1);
        let silence = Silence {
            id: format!("{:x}", lists.last_id),
            matchers: request.matchers,
            windows: vec![(request.starts, request.ends)],
            reason: request.reason,
            author: request.author,
        };
        lists.made.push(silence.clone());
        drop(lists);
        self.made_changed();
        info!(
            id = silence.id,
            author = silence.author,
            reason = silence.reason,
            "silence added"
        );
        Some(SilenceRow {
            holds: silence.holds(now),
            source: Source::Api,
            silence,
        })
    }

    /// Ends a silence made by the API; `Some(false)` if it is defined in the rule files, `None` if it does not exist.
    pub fn expire(&self, id: &str) -> Option<bool> {
        let mut lists = self.lists();
        let scheduled = (0..lists.scheduled.len()).any(|index| scheduled_id(index) == id);
        let index = lists.made.iter().position(|silence| silence.id == id);
        let Some(index) = index else {
            return scheduled.then_some(false);
        };
        let silence = lists.made.remove(index);
        drop(lists);
        self.made_changed();
        info!(id, reason = silence.reason, "silence expired by hand");
        Some(true)
    }
}

/// Keeps the silences of the core up to date, and those of the store by `keep`. Ends with the core.
pub async fn keep(
    silences: &Silences,
    core: mpsc::Sender<CoreRequest>,
    keep: impl Fn(Vec<Silence>),
) -> Option<Infallible> {
    loop {
        let now = crate::clock::wall();
        if let Some(made) = silences.to_keep() {
            keep(made);
        }
        core.send(CoreRequest::Silence(silences.in_force(now)))
            .await
            .ok()?;
        // Whichever comes first: both mean to look again.
        let changed = tokio::time::timeout(REFRESH_EVERY, silences.changed.notified()).await;
        if changed.is_err() {
            silences.forget_over(crate::clock::wall());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::rule::{Globs, Matchers};

    fn request(seconds: u64) -> SilenceRequest {
        let now = crate::clock::wall();
        SilenceRequest {
            matchers: Matchers {
                app: Globs(vec!["web".to_owned()]),
                ..Matchers::default()
            },
            starts: now,
            ends: now + Duration::from_secs(seconds),
            reason: "deploy".to_owned(),
            author: "ada".to_owned(),
        }
    }

    #[test]
    fn what_is_added_holds_until_it_ends_or_is_ended() {
        let silences = Silences::default();
        let first = silences.add(request(3600)).expect("room");
        let second = silences.add(request(7200)).expect("room");
        assert!(first.holds && first.silence.id != second.silence.id);
        let now = crate::clock::wall();
        assert_eq!(silences.in_force(now).len(), 2);
        let later = now + Duration::from_secs(3601);
        assert_eq!(
            silences.in_force(later),
            std::slice::from_ref(&second.silence)
        );
        assert_eq!(silences.expire(&second.silence.id), Some(true));
        assert_eq!(silences.expire(&second.silence.id), None);
        let left: Vec<Silence> = silences.list().into_iter().map(|row| row.silence).collect();
        assert_eq!(left, [first.silence], "the other one has an hour still");
    }

    #[test]
    fn those_of_the_rules_are_replaced_and_not_ended_by_hand() {
        let silences = Silences::default();
        let mut scheduled = ScheduledSilence {
            matchers: Matchers::default(),
            schedule: "0 * * * *".to_owned(),
            timezone: "UTC".to_owned(),
            duration: Duration::from_secs(3600),
            reason: "always".to_owned(),
        };
        silences.schedule(&[scheduled.clone(), scheduled.clone()]);
        silences.add(request(60)).expect("room");
        let rows = silences.list();
        let holds: Vec<bool> = rows.iter().map(|row| row.holds).collect();
        assert_eq!(holds, [true, true, true]);
        assert!(matches!(rows[1].source, Source::Rules { .. }));
        assert!(matches!(rows[2].source, Source::Api));
        assert_eq!(silences.expire("rules-2"), Some(false));
        scheduled.reason = "other".to_owned();
        silences.schedule(&[scheduled]);
        let reasons: Vec<String> = silences
            .list()
            .into_iter()
            .map(|row| row.silence.reason)
            .collect();
        assert_eq!(reasons, ["other", "deploy"]);
    }

    #[test]
    fn a_clock_that_jumps_ahead_for_a_while_ends_no_silence() {
        let silences = Silences::default();
        let added = silences.add(request(3600)).expect("room");
        let now = crate::clock::wall();
        let ahead = now + Duration::from_secs(2 * 3600);
        for _ in 0..OVER_KEPT - 1 {
            silences.forget_over(ahead);
            assert!(silences.in_force(ahead).is_empty());
        }
        silences.forget_over(now);
        assert_eq!(silences.in_force(now), [added.silence]);
        for _ in 0..OVER_KEPT {
            silences.forget_over(ahead);
        }
        assert!(silences.in_force(now).is_empty(), "over for a day");
        assert_eq!(silences.to_keep(), Some(Vec::new()));
    }

    #[test]
    fn all_globs_together_are_limited() {
        let silences = Silences::default();
        let many = || {
            let globs = (0..95).map(|at| format!("app-{at}-*"));
            let mut request = request(3600);
            request.matchers.app = Globs(globs.collect());
            request
        };
        let added = (0..1_000).map_while(|_| silences.add(many())).count();
        assert_eq!(added, MAX_GLOBS / 95);
        assert!(
            silences.add(request(3600)).is_some(),
            "a small one has room"
        );
    }

    #[test]
    fn there_is_a_limit() {
        let silences = Silences::default();
        for _ in 0..MAX_SILENCES {
            silences.add(request(60)).expect("room");
        }
        assert!(silences.add(request(60)).is_none());
    }
}
