//! Refills that are begun through the API: one at a time, in the background.
//!
//! A stop of lastbeat ends one in the middle. Its cursor file stays, so that the same request goes on there, as the command
//! does.

use super::cursor::{self, Cursor, Range};
use super::{RefillFault, Sees, refill};
use crate::app::event_loop::CoreRequest;
use crate::clock::NowFn;
use crate::core::rule::RuleSet;
use crate::core::sink_rule::{SinkRule, of_downstream};
use crate::core::time::Wall;
use crate::decode::refill_request::RefillRequest;
use crate::format;
use crate::io::archive::segment::readable;
use crate::io::http::backend::RefillRefused;
use crate::io::http::dto::downstream::Refill;
use crate::io::sink::Sink;
use arc_swap::ArcSwap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::{info, warn};

/// Entries are on the disk so long after their arrival.
const ON_DISK: Duration = Duration::from_secs(3);
/// A range may end so far ahead: the canary that ended it may be of this second, and ranges are in whole seconds.
const AHEAD: Duration = Duration::from_secs(5);
const RUNNING: &str = "running";

/// Begins refills, and says how far the last one is.
pub struct Refills {
    rules: Arc<ArcSwap<RuleSet>>,
    folder: Option<PathBuf>,
    now: NowFn,
    shown: Shown,
    jobs: mpsc::Sender<Job>,
}

/// The refills that were begun, for the task that runs them.
pub struct Begun {
    folder: PathBuf,
    now: NowFn,
    shown: Shown,
    core: mpsc::Sender<CoreRequest>,
    jobs: mpsc::Receiver<Job>,
}

struct Job {
    sink: Sink,
    cursor: Cursor,
}

/// The refill that runs, or ran last.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Option<Refill>>>);

impl Shown {
    fn lock(&self) -> MutexGuard<'_, Option<Refill>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Refill)) {
        if let Some(shown) = &mut *self.lock() {
            change(shown);
        }
    }
}

/// The two ends; `folder`: the archive's, `None` where there is none. `core` is told of each that is done.
pub fn refills(
    folder: Option<PathBuf>,
    rules: Arc<ArcSwap<RuleSet>>,
    now: NowFn,
    core: mpsc::Sender<CoreRequest>,
) -> (Refills, Begun) {
    let shown = Shown::default();
    // One runs, and none waits.
    let (to, jobs) = mpsc::channel(1);
    let begun = Begun {
        folder: folder.clone().unwrap_or_default(),
        now: now.clone(),
        shown: shown.clone(),
        core,
        jobs,
    };
    let refills = Refills {
        rules,
        folder,
        now,
        shown,
        jobs: to,
    };
    (refills, begun)
}

impl Refills {
    /// The refill that runs, or ran last; `None`: none was begun.
    pub fn last(&self) -> Option<Refill> {
        self.shown.lock().clone()
    }

    /// Begins one.
    ///
    /// # Errors
    /// [`RefillRefused`].
    pub fn begin(&self, downstream: &str, asked: RefillRequest) -> Result<Refill, RefillRefused> {
        let folder = self.folder.as_deref().ok_or(RefillRefused::NoArchive)?;
        let invalid = |why: &str| RefillRefused::Invalid(why.to_owned());
        let now = (self.now)().wall;
        let (from, until) = asked.range.ok_or_else(|| {
            invalid("from: nothing is known to be missing since the start; give from and until")
        })?;
        if until > now + AHEAD {
            return Err(invalid("until: is in the future"));
        }
        let rule = sink_rule(&self.rules.load(), downstream, asked.sink)?;
        let range = Range {
            sink: rule.name.clone(),
            from,
            until,
            app: asked.app,
        };
        let mut last = self.shown.lock();
        if last.as_ref().is_some_and(|last| last.state == RUNNING) {
            return Err(RefillRefused::Busy);
        }
        let label = cursor::shown(from);
        let sink = Sink::new(&rule, Some(label)).map_err(|fault| invalid(&fault.to_string()))?;
        let cursor = Cursor::open(range.file(folder), range).map_err(RefillRefused::Unreadable)?;
        let refill = row(downstream, &cursor, now);
        let job = Job { sink, cursor };
        // The task ends with the program, and takes each job before it is shown as ended.
        self.jobs.try_send(job).map_err(|_| RefillRefused::Busy)?;
        let (from, until) = (&refill.from.0, &refill.until.0);
        info!(downstream, sink = rule.name, from, until, "a refill begins");
        *last = Some(refill.clone());
        Ok(refill)
    }
}

/// The sink of a request: the one that it names, else that of a forward, one of the downstream's name, or the only one.
fn sink_rule(
    rules: &RuleSet,
    downstream: &str,
    asked: Option<String>,
) -> Result<SinkRule, RefillRefused> {
    let found = match &asked {
        Some(name) => rules.sinks.iter().find(|sink| sink.name == *name),
        None => of_downstream(&rules.sinks, downstream),
    };
    found.cloned().ok_or_else(|| {
        let known: Vec<&str> = rules.sinks.iter().map(|sink| sink.name.as_str()).collect();
        RefillRefused::Invalid(match (asked, known.as_slice()) {
            (_, []) => "sink: the rules have no [sink.NAME]".to_owned(),
            (Some(_), known) => format!("sink: none has that name; known are {}", known.join(", ")),
            (None, known) => format!("sink: name one of {}", known.join(", ")),
        })
    })
}

fn row(downstream: &str, cursor: &Cursor, now: Wall) -> Refill {
    let (range, counts) = (cursor.range(), cursor.counts());
    Refill {
        downstream: downstream.to_owned(),
        sink: range.sink.clone(),
        app: range.app.clone(),
        from: range.from.into(),
        until: range.until.into(),
        state: RUNNING,
        began: now.into(),
        share: 0.0,
        shipped: counts.shipped,
        rejected: counts.rejected,
        lost: counts.lost,
        fault: None,
    }
}

/// Runs refills for ever. Drop it to stop it.
pub async fn run(mut begun: Begun) -> Infallible {
    loop {
        match begun.jobs.recv().await {
            Some(job) => begun.run(job).await,
            // Nobody can begin one any more.
            None => std::future::pending().await,
        }
    }
}

impl Begun {
    async fn run(&self, job: Job) {
        let Job { sink, mut cursor } = job;
        let range = cursor.range().clone();
        let sink_name = range.sink.clone();
        let on_disk = cursor.range().until + ON_DISK;
        tokio::time::sleep(on_disk.since((self.now)().wall)).await;
        let done = match readable(&self.folder) {
            Ok(segments) => refill(segments, Arc::new(sink), &mut cursor, &mut &self.shown).await,
            Err(fault) => Err(RefillFault::Archive(fault)),
        };
        let counts = cursor.counts();
        let (shipped, rejected) = (counts.shipped, counts.rejected);
        match done {
            Ok(damaged) => {
                cursor.remove();
                info!(
                    sink = sink_name,
                    shipped, rejected, damaged, "a refill is done"
                );
                self.refilled(range).await;
                self.shown.change(|shown| {
                    (shown.state, shown.share, shown.fault) = ("done", 1.0, None);
                });
            }
            Err(fault) => {
                let why = format::error_chain(&fault);
                warn!(
                    sink = sink_name,
                    shipped, rejected, "a refill failed: {why}"
                );
                self.shown.change(|shown| {
                    (shown.state, shown.fault) = ("failed", Some(why));
                });
            }
        }
    }

    /// The core forgets what the sink does not lack any more.
    async fn refilled(&self, range: Range) {
        let downstream = self
            .shown
            .lock()
            .as_ref()
            .map(|shown| shown.downstream.clone());
        if let (Some(name), true) = (downstream, range.app.is_empty()) {
            let done = CoreRequest::Refilled(name, range.from, range.until);
            // The end of the core ends the program elsewhere.
            let _ = self.core.send(done).await;
        }
    }
}

impl Sees for &Shown {
    fn rejected(&mut self, entries: u64, why: &str) {
        warn!(entries, "rejected: {why}");
    }

    fn waits(&mut self, why: &str, _: Duration) {
        self.change(|shown| {
            if shown.fault.as_deref() != Some(why) {
                warn!(sink = shown.sink, "not shipped yet: {why}");
                shown.fault = Some(why.to_owned());
            }
        });
    }

    fn moved(&mut self, cursor: &Cursor, last: Option<Wall>) {
        let counts = cursor.counts();
        self.change(|shown| {
            if let Some(last) = last {
                shown.share = cursor.share(last);
            }
            shown.shipped = counts.shipped;
            shown.rejected = counts.rejected;
            shown.lost = counts.lost;
            shown.fault = None;
        });
    }
}
