//! `[[forward]]`: ships the stream to sinks continuously. The archive is the buffer: a sink that is down for a day costs
//! nothing but time.
//!
//! Each forward is a task of its own, with a cursor in the archive that is written after each batch that was taken. The
//! core sees it as a downstream, whose newest entry is what was shipped last.

use crate::app::shipping::{Found, Hears, ShipFault, ship_all};
use crate::clock::NowFn;
use crate::core::downstream::rule::Forward;
use crate::core::downstream::watch::Answer;
use crate::core::rule::RuleSet;
use crate::core::sink_rule::SinkRule;
use crate::core::time::Wall;
use crate::format;
use crate::io::archive::cursor_file::{self, CursorFile};
use crate::io::archive::rejected;
use crate::io::archive::search::{Place, Query, Searched};
use crate::io::archive::segment::readable;
use crate::io::metrics::Metrics;
use crate::io::sink::{Batch, Sink};
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet, spawn_blocking};
use tokio::time::sleep;
use tracing::{info, warn};

/// The archive is looked at this often for new entries, and the rules for other forwards.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Wait after a fault that another attempt does not cure soon.
const AFTER_FAULT: Duration = Duration::from_secs(10);
/// Entries are on the disk so long after their arrival.
const ON_DISK: Duration = Duration::from_secs(3);
/// Bytes of a file of rejected entries; beyond them they are counted alone.
const MAX_REJECTED: u64 = 64 << 20;
/// A sink is never given up: its backlog waits in the archive.
const NEVER: Duration = Duration::MAX;

/// The positions of all forwards, by name.
#[derive(Clone, Default)]
pub struct Positions(Arc<Mutex<BTreeMap<String, Position>>>);

/// The position of a forward.
#[derive(Default)]
struct Position {
    /// Wall clock: everything before is shipped; or a fault. `None` before the first look.
    reached: Option<Result<Wall, String>>,
    /// Wall clock: what the archive deleted before it was shipped, since it was last taken.
    deleted: Option<(Wall, Wall)>,
}

impl Positions {
    /// The position of a forward as the answer of a sink.
    pub fn answer(&self, name: &str) -> Answer {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get(name).and_then(|one| one.reached.as_ref()) {
            Some(Ok(at)) => Answer::Newest(Some(*at)),
            Some(Err(why)) => Answer::Failed(why.clone()),
            None => Answer::Newest(None),
        }
    }

    /// The range that the archive deleted before a forward shipped it, since the last call.
    pub fn take_deleted(&self, name: &str) -> Option<(Wall, Wall)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get_mut(name)?.deleted.take()
    }

    fn set(&self, name: &str, position: Result<Wall, String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(name.to_owned()).or_default().reached = Some(position);
    }

    fn deleted(&self, name: &str, (from, until): (Wall, Wall)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = &mut all.entry(name.to_owned()).or_default().deleted;
        *known = Some(match *known {
            Some((begin, end)) => (begin.min(from), end.max(until)),
            None => (from, until),
        });
    }

    fn remove(&self, name: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(name);
    }
}

/// The task's inputs and outputs.
pub struct ForwardDeps {
    /// The rules in force.
    pub rules: Arc<ArcSwap<RuleSet>>,
    /// The archive's folder; `None`: there is none, and nothing can be forwarded.
    pub folder: Option<PathBuf>,
    /// Told how far each forward came.
    pub positions: Positions,
    /// Counts entries.
    pub metrics: Arc<Metrics>,
    /// Reads the clocks.
    pub now: NowFn,
}

/// One forward, as its task knows it.
#[derive(Clone, PartialEq)]
struct Plan {
    name: String,
    forward: Forward,
    sink: SinkRule,
}

/// Forwards for ever. Drop it to stop it.
pub async fn run(deps: ForwardDeps) -> Infallible {
    let deps = Arc::new(deps);
    let mut tasks = JoinSet::new();
    let mut running: BTreeMap<String, (Plan, AbortHandle)> = BTreeMap::new();
    let mut timer = tokio::time::interval(LOOK_EVERY);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = timer.tick() => {}
            // One that panicked is started again; the panic itself is logged by its hook.
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
        }
        let plans = plans(&deps.rules.load());
        running.retain(|name, (plan, task)| {
            let stays = plans.contains(plan) && !task.is_finished();
            if !stays {
                task.abort();
                deps.positions.remove(name);
            }
            stays
        });
        for plan in plans {
            if !running.contains_key(&plan.name) {
                let task = tasks.spawn(forward(plan.clone(), Arc::clone(&deps)));
                running.insert(plan.name.clone(), (plan, task));
            }
        }
    }
}

fn plans(rules: &RuleSet) -> Vec<Plan> {
    let all = rules.downstreams.iter();
    let plan = |rule: &crate::core::downstream::rule::DownstreamRule| {
        let forward = rule.forward.clone()?;
        let sink = rules.sinks.iter().find(|sink| sink.name == forward.sink)?;
        Some(Plan {
            name: rule.name.clone(),
            forward,
            sink: sink.clone(),
        })
    };
    all.filter_map(plan).collect()
}

/// One forward, until it is stopped.
async fn forward(plan: Plan, deps: Arc<ForwardDeps>) {
    let mut fault = String::new();
    loop {
        let ended = attempt(&plan, &deps).await;
        let Err(why) = ended;
        if why != fault {
            warn!(sink = plan.sink.name, "forwarding: {why}");
            fault.clone_from(&why);
        }
        deps.positions.set(&plan.name, Err(why));
        sleep(AFTER_FAULT).await;
    }
}

async fn attempt(plan: &Plan, deps: &ForwardDeps) -> Result<Infallible, String> {
    let folder = deps.folder.clone();
    let folder = folder.ok_or("there is no archive: set LASTBEAT_ARCHIVE to a folder")?;
    let sink = Sink::new(&plan.sink, None).map_err(|fault| fault.to_string())?;
    let sink = Arc::new(sink);
    let file = CursorFile::new(folder.join(format!("forward-{}.cursor", plan.sink.name)));
    let mut place = file
        .read()
        .map_err(|fault| format!("{}: {fault}", file.shown()))?;
    let counts = deps.metrics.forward.of(&plan.name);
    let mut query = Query {
        // Before the first cursor there is nothing to be shipped: a refill does that.
        since: place.is_none().then(|| (deps.now)().wall),
        app: plan.forward.app.clone(),
        marks: true,
        ..Query::default()
    };
    let mut is_unwritten = false;
    let mut retention = Retention {
        name: &plan.name,
        folder: &folder,
        deps,
        reached: None,
        counted: None,
    };
    let rejects = folder.join(format!("forward-{}.rejected", plan.sink.name));
    info!(sink = plan.sink.name, to = sink.origin(), "forwarding");
    loop {
        let asked = (deps.now)().wall;
        let found = look(folder.clone(), query.clone(), place.clone(), &sink).await?;
        if let (Some(until), Some(place)) = (found.deleted_until, &place) {
            retention.deleted(place, until);
        }
        counts.lost(found.entries.lost);
        let last = found.entries.batch.last_arrival();
        if !found.entries.batch.is_empty() {
            let mut hears = Hearer {
                name: &plan.sink.name,
                rejects: &rejects,
                waits_for: String::new(),
            };
            retention.reached = last.or(retention.reached);
            let shipping = ship_all(found.entries.batch, &*sink, &mut hears, NEVER);
            let shipped = match &found.searched.next {
                // A sink that takes nothing for days is not waited for by the archive.
                Some(next) => tokio::select! {
                    shipped = shipping => shipped,
                    never = retention.watch(next) => match never {},
                },
                None => shipping.await,
            };
            let shipped = shipped.map_err(|fault| match fault {
                ShipFault::Wrong(why) => why,
                other => format::error_chain(&other),
            })?;
            counts.shipped(shipped.taken, shipped.rejected);
        }
        if found.searched.next != place {
            place.clone_from(&found.searched.next);
            query.since = None;
            let written = place.as_ref().map_or(Ok(()), |place| file.write(place));
            // Without the file a restart ships some of it again, which is better than to stop.
            if let (Err(fault), false) = (&written, is_unwritten) {
                warn!("cannot write {}: {fault}", file.shown());
            }
            is_unwritten = written.is_err();
        }
        let position = match (found.searched.is_done, last) {
            (true, _) => Some(asked - ON_DISK),
            (false, last) => last,
        };
        if let Some(position) = position {
            deps.positions.set(&plan.name, Ok(position));
        }
        if found.searched.is_done {
            sleep(LOOK_EVERY).await;
        }
    }
}

/// The result of one look at the archive.
struct Looked {
    entries: Found,
    searched: Searched,
    /// Wall clock: the segment of the place was deleted, with entries behind the place, and those to this time.
    deleted_until: Option<Wall>,
}

/// Looks for entries behind a place, and encodes them, on a blocking thread.
async fn look(
    folder: PathBuf,
    query: Query,
    from: Option<Place>,
    sink: &Arc<Sink>,
) -> Result<Looked, String> {
    let sink = Arc::clone(sink);
    let looked = spawn_blocking(move || look_now(&folder, &query, from.as_ref(), &sink)).await;
    let looked = looked.map_err(|fault| fault.to_string())?;
    looked.map_err(|fault| format!("cannot read the archive: {fault}"))
}

fn look_now(folder: &Path, query: &Query, from: Option<&Place>, sink: &Sink) -> io::Result<Looked> {
    let segments = readable(folder)?;
    let deleted_until = from.and_then(|from| cursor_file::deleted_until(from, &segments));
    let (entries, searched) = Found::default().next(&segments, query, from, sink)?;
    Ok(Looked {
        entries,
        searched,
        deleted_until,
    })
}

/// Notes what the archive deletes before it is forwarded.
struct Retention<'a> {
    name: &'a str,
    folder: &'a Path,
    deps: &'a ForwardDeps,
    /// Wall clock: arrival of the last entry that was read; `None` before the first.
    reached: Option<Wall>,
    /// The place that was overtaken last, which is counted.
    counted: Option<Place>,
}

impl Retention<'_> {
    /// Looks for ever whether the archive deletes what lies behind a place.
    async fn watch(&mut self, place: &Place) -> Infallible {
        loop {
            sleep(AFTER_FAULT).await;
            let folder = self.folder.to_owned();
            // What cannot be read now is looked at again.
            if let Ok(Ok(segments)) = spawn_blocking(move || readable(&folder)).await
                && let Some(until) = cursor_file::deleted_until(place, &segments)
            {
                self.deleted(place, until);
            }
        }
    }

    /// Notes that entries behind a place are deleted, to this time.
    fn deleted(&mut self, place: &Place, until: Wall) {
        let from = place.stem.begin().max(self.reached).unwrap_or(until);
        self.deps.positions.deleted(self.name, (from, until));
        if self.counted.as_ref() != Some(place) {
            self.counted = Some(place.clone());
            self.deps.metrics.forward.of(self.name).overtaken();
            warn!(
                downstream = self.name,
                from = format::rfc3339_seconds(from),
                until = format::rfc3339_seconds(until),
                "the archive deleted entries before they were forwarded"
            );
        }
    }
}

struct Hearer<'a> {
    name: &'a str,
    rejects: &'a Path,
    /// The last reason of a wait, which is logged once.
    waits_for: String,
}

impl Hears for Hearer<'_> {
    fn rejected(&mut self, batch: &Batch, why: &str) -> io::Result<()> {
        warn!(sink = self.name, entries = batch.len(), "rejected: {why}");
        rejected::keep(self.rejects, why, batch.iter(), MAX_REJECTED)
    }

    fn waits(&mut self, why: &str, _: Duration) {
        if self.waits_for != why {
            warn!(sink = self.name, "not shipped yet: {why}");
            self.waits_for = why.to_owned();
        }
    }
}
