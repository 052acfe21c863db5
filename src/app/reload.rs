//! Rules that change while lastbeat runs: read again when a file changes, and on SIGHUP.
//!
//! An invalid set changes nothing: the previous one stays in force, every fault is logged, and /metrics and /readyz say
//! so until a valid one is read. Files that were touched with the same content are no change.

use super::delivery::DeliveryHandle;
use super::event_loop::CoreRequest;
use super::notifiers::{self, NotifierFactory};
use super::silences::{self, Silences};
use super::store_thread::StoreHandle;
use crate::core::rule::{NotifierRule, RuleSet};
use crate::decode::rules_file::{self, Reading};
use crate::format;
use crate::io::http::readiness::Reason;
use crate::io::metrics::Metrics;
use crate::io::notifier::Notifier;
use crate::io::rules_dir;
use crate::io::rules_watch::RulesWatch;
use arc_swap::{ArcSwap, ArcSwapOption};
use std::collections::HashSet;
use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

/// Time between two reads that must agree: a file that is being written is cut off, and may be valid all the same.
const SETTLE: Duration = Duration::from_millis(100);
/// Reads until the content is accepted as it is. A file that has just become empty gets all of them, since saving in
/// place begins with that, and an empty file is no fault.
const READINGS: u32 = 20;

/// Settings of the reload.
#[derive(Clone, Debug)]
pub struct ReloadConfig {
    /// A folder of rule files, or one file.
    pub path: PathBuf,
    /// Looks a variable of `[notify.NAME]` up.
    pub env: fn(&str) -> Option<String>,
    /// Makes notifiers of rules.
    pub notifiers: NotifierFactory,
}

/// A valid set, with its new notifiers.
pub struct Loaded {
    /// The set.
    pub rules: RuleSet,
    /// Notifiers that are new or changed.
    pub added: Vec<Arc<dyn Notifier>>,
}

/// The reader's outputs.
pub struct ReaderDeps {
    /// The reason why the files' rules are not in force; `None`: they are.
    pub problem: Arc<ArcSwapOption<Reason>>,
    /// The reload's gauges.
    pub metrics: Arc<Metrics>,
}

/// The core takes a set in milliseconds; one that hangs must not keep this loop from a signal to stop.
const TAKEN_WITHIN: Duration = Duration::from_secs(2);

type Files = Vec<(String, Vec<u8>)>;

/// Starts the tasks that keep rules and silences up to date. They never end, and return their name if they do. The receiver gets
/// the valid sets that the rules reader read.
///
/// # Errors
/// SIGHUP cannot be handled.
pub fn start(
    reloading: Option<ReloadConfig>,
    rules: RuleSet,
    deps: ReaderDeps,
    applier: &RulesApplier,
) -> std::io::Result<(JoinSet<&'static str>, mpsc::Receiver<Loaded>)> {
    let mut tasks = JoinSet::new();
    let (silences, core) = (applier.silences.clone(), applier.core.clone());
    let store = Arc::clone(&applier.store);
    tasks.spawn(async move {
        silences::keep(&silences, core, |made| store.silences(made)).await;
        "the silences task"
    });
    let (to, loaded) = mpsc::channel(1);
    if let Some(reloading) = reloading {
        let hangups = signal(SignalKind::hangup())?;
        tasks.spawn(async move {
            keep(reloading, rules, hangups, deps, to).await;
            "the rules reader"
        });
    }
    Ok((tasks, loaded))
}

/// Reads the rules again whenever they change, and sends valid sets. Ends when the receiver is dropped.
async fn keep(
    reloading: ReloadConfig,
    in_force: RuleSet,
    mut hangups: Signal,
    deps: ReaderDeps,
    loaded: mpsc::Sender<Loaded>,
) -> Option<Infallible> {
    let mut watch = RulesWatch::new(&reloading.path);
    let mut reader = Reader {
        in_force: in_force.notifiers.clone(),
        rules: in_force,
        reloading,
        deps,
        hash: RandomState::new(),
        seen: None,
        with_text: HashSet::new(),
    };
    let mut at_once = false;
    loop {
        // Once at the start too: the watch does not report a change between the first reading and its own start.
        if let Some(news) = reader.look(at_once).await {
            loaded.send(news).await.ok()?;
        }
        if let Some(trouble) = watch.trouble() {
            warn!("rule files are checked every 30s only, since they cannot be watched: {trouble}");
        }
        tokio::select! {
            () = watch.changed() => at_once = false,
            _ = hangups.recv() => {
                info!("SIGHUP: reading the rules again");
                at_once = true;
            }
        }
    }
}

struct Reader {
    reloading: ReloadConfig,
    rules: RuleSet,
    in_force: Vec<NotifierRule>,
    deps: ReaderDeps,
    hash: RandomState,
    /// Hash of the bytes last read, valid or not.
    seen: Option<u64>,
    /// Files that had a text when last read.
    with_text: HashSet<String>,
}

impl Reader {
    /// Reads the files; returns a set if they changed and are valid. `at_once`: without waiting for them to settle.
    async fn look(&mut self, at_once: bool) -> Option<Loaded> {
        let files = if at_once {
            self.as_they_are().await?
        } else {
            self.settled().await?
        };
        let files = match files {
            Ok(files) => files,
            Err(why) => return self.refuse(&[why], 1),
        };
        let env = self.reloading.env;
        let reading = off_thread(move || rules_file::read_with_env(&files, &env)).await?;
        self.outcome_of_status(reading)
    }

    /// The files once they settle; `None`: unchanged.
    async fn settled(&mut self) -> Option<Result<Files, String>> {
        let mut before = self.seen;
        for _ in 0..READINGS {
            let files = self.load().await?;
            let digest = self.hash.hash_one(&files);
            if Some(digest) == self.seen {
                return None;
            }
            let emptied = files.as_ref().is_ok_and(|files| self.emptied(files));
            if before == Some(digest) && !emptied {
                return Some(self.take(digest, files));
            }
            before = Some(digest);
            tokio::time::sleep(SETTLE).await;
        }
        self.as_they_are().await
    }

    async fn as_they_are(&mut self) -> Option<Result<Files, String>> {
        let files = self.load().await?;
        let digest = self.hash.hash_one(&files);
        Some(self.take(digest, files))
    }

    fn take(&mut self, digest: u64, files: Result<Files, String>) -> Result<Files, String> {
        self.seen = Some(digest);
        let with_text = files
            .iter()
            .flatten()
            .filter(|(_, bytes)| !bytes.is_empty());
        self.with_text = with_text.map(|(name, _)| name.clone()).collect();
        files
    }

    fn emptied(&self, files: &Files) -> bool {
        let emptied =
            |(name, bytes): &(String, Vec<u8>)| bytes.is_empty() && self.with_text.contains(name);
        files.iter().any(emptied)
    }

    async fn load(&self) -> Option<Result<Files, String>> {
        let path = self.reloading.path.clone();
        off_thread(move || rules_dir::load(&path).map_err(|fault| format::error_chain(&fault)))
            .await
    }

    fn outcome_of_status(&mut self, reading: Reading) -> Option<Loaded> {
        for warning in &reading.warnings {
            warn!("{}", warning.warning());
        }
        let count = reading.fault_count();
        let Some(rules) = reading.set else {
            let faults: Vec<String> = reading.faults.iter().map(ToString::to_string).collect();
            return self.refuse(&faults, count);
        };
        let new = rules
            .notifiers
            .iter()
            .filter(|rule| !self.in_force.contains(rule));
        let made: Result<Vec<_>, String> = new
            .map(|rule| self.reloading.notifiers.make(rule))
            .collect();
        match made {
            Ok(added) => self.accept(rules, added.into_iter().flatten().collect()),
            Err(why) => self.refuse(&[why], 1),
        }
    }

    fn accept(&mut self, rules: RuleSet, added: Vec<Arc<dyn Notifier>>) -> Option<Loaded> {
        self.deps.problem.store(None);
        self.deps.metrics.rules_reload_successful.set(1);
        if rules == self.rules {
            return None;
        }
        let now = crate::clock::wall();
        self.deps.metrics.rules_reload_at.set(now.seconds());
        info!(path = %self.reloading.path.display(), rules = rules.rules.len(), "new rules are in force");
        self.in_force = rules.notifiers.clone();
        self.rules = rules.clone();
        Some(Loaded { rules, added })
    }

    fn refuse(&self, faults: &[String], count: usize) -> Option<Loaded> {
        self.deps.metrics.rules_reload_successful.set(0);
        for fault in faults {
            error!("{fault}");
        }
        let path = shown_path(&self.reloading.path);
        error!("the rules at {path} are invalid, the previous ones stay in force: {count} faults");
        let first = faults.first().map_or("", String::as_str);
        let what = format!(
            "the previous rules are in force: those at {path} have {count} faults, the first: {first}"
        );
        self.deps.problem.store(Some(Arc::new(Reason {
            part: "rules".to_owned(),
            what,
        })));
        None
    }
}

fn shown_path(path: &Path) -> String {
    path.display().to_string()
}

/// Reading and checking megabytes takes longer than others on this thread may wait. `None`: the work panicked.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(died) => {
            error!(%died, "reading the rules failed; the previous ones stay in force");
            None
        }
    }
}

/// Puts new rules in force in every part that has to know of them.
pub struct RulesApplier {
    /// The notifiers of the rules in force.
    pub notifiers: Vec<NotifierRule>,
    /// The rules in force, for readers.
    pub rules: Arc<ArcSwap<RuleSet>>,
    /// The core.
    pub core: mpsc::Sender<CoreRequest>,
    /// The silences.
    pub silences: Arc<Silences>,
    /// The store: notices of what a reload closes pass through it.
    pub store: Arc<StoreHandle>,
}

impl RulesApplier {
    /// Gives notifiers that resend open alerts those of now.
    async fn hold(&self, delivery: &DeliveryHandle) {
        let (to, answer) = oneshot::channel();
        if self.core.send(CoreRequest::Snapshot(to)).await.is_err() {
            return;
        }
        if let Ok(Ok(snapshot)) = tokio::time::timeout(TAKEN_WITHIN, answer).await {
            delivery.hold(&snapshot.open);
        }
    }

    /// Puts a valid set in force. Notifiers that leave with it still get the notices of what it closes.
    pub async fn apply(
        &mut self,
        loaded: Loaded,
        delivery: &DeliveryHandle,
        tasks: &mut JoinSet<String>,
    ) {
        let Loaded { rules, added } = loaded;
        let in_force = rules.notifiers.clone();
        let gone = self
            .notifiers
            .iter()
            .filter(|rule| !in_force.contains(rule));
        let gone: Vec<String> = gone.flat_map(notifiers::names).collect();
        let replaced = |name: &&String| added.iter().any(|one| one.name() == *name);
        let (replaced, leaving): (Vec<&String>, Vec<&String>) = gone.iter().partition(replaced);
        let replaced: Vec<String> = replaced.into_iter().cloned().collect();
        let leaving: Vec<String> = leaving.into_iter().cloned().collect();
        delivery.change(added, &replaced, tasks);
        self.silences.schedule(&rules.silences);
        self.rules.store(Arc::new(rules.clone()));
        let (done, is_done) = oneshot::channel();
        // A core that is gone ends the program elsewhere.
        if self
            .core
            .send(CoreRequest::Reload(Box::new(rules), done))
            .await
            .is_ok()
        {
            let _ = tokio::time::timeout(TAKEN_WITHIN, is_done).await;
        }
        // The incidents that the reload closed are still to be sent to removed notifiers.
        self.store.flush(TAKEN_WITHIN).await;
        delivery.change(Vec::new(), &leaving, tasks);
        self.hold(delivery).await;
        self.notifiers = in_force;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Bench {
        reader: Reader,
        file: PathBuf,
        problem: Arc<ArcSwapOption<Reason>>,
        metrics: Arc<Metrics>,
    }

    /// A reader of one file, with no rules in force.
    fn bench(name: &str) -> Bench {
        let file =
            std::env::temp_dir().join(format!("lastbeat-reload-{name}-{}", std::process::id()));
        let (trouble, metrics) = (Arc::default(), Arc::new(Metrics::new("0", "0")));
        let reader = Reader {
            reloading: ReloadConfig {
                path: file.clone(),
                env: |name| (name == "URL").then(|| "http://127.0.0.1/s3cret".to_owned()),
                notifiers: NotifierFactory::default(),
            },
            rules: RuleSet::default(),
            in_force: Vec::new(),
            deps: ReaderDeps {
                problem: Arc::clone(&trouble),
                metrics: Arc::clone(&metrics),
            },
            hash: RandomState::new(),
            seen: None,
            with_text: HashSet::new(),
        };
        Bench {
            reader,
            file,
            problem: trouble,
            metrics,
        }
    }

    impl Bench {
        /// Numbers of rules and new notifiers that reading this text gives; `None`: nothing.
        async fn read(&mut self, text: &str) -> Option<(usize, usize)> {
            fs::write(&self.file, text).expect("the temporary folder takes a file");
            let loaded = self.reader.look(false).await?;
            Some((loaded.rules.rules.len(), loaded.added.len()))
        }

        fn trouble(&self) -> String {
            let trouble = self.problem.load();
            trouble
                .as_ref()
                .map_or(String::new(), |reason| reason.what.clone())
        }
    }

    impl Drop for Bench {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.file);
        }
    }

    const ONE: &str = "[[rule]]\nname = 'x'\n";
    const HOOK: &str = "[notify.a]\ntype = 'webhook'\nurl = '${URL}'\n";

    #[tokio::test(start_paused = true)]
    async fn what_changed_is_handed_on_once() {
        let mut bench = bench("once");
        assert_eq!(bench.read(ONE).await, Some((1, 0)));
        assert_eq!(bench.read(ONE).await, None, "the same bytes");
        assert_eq!(
            bench.read(&format!("{ONE}# more\n")).await,
            None,
            "the same rules"
        );
        assert_eq!(bench.read(&format!("{ONE}{HOOK}")).await, Some((1, 1)));
        let other = format!("{HOOK}[[rule]]\nname = 'y'\n");
        assert_eq!(
            bench.read(&other).await,
            Some((1, 0)),
            "the notifier is there"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_at_fault_is_told_until_it_is_good_again() {
        let mut bench = bench("fault");
        assert_eq!(bench.read(ONE).await, Some((1, 0)));
        for bad in [
            "[[rule]]\nname = 1\nx = 2\n",
            "[notify.a]\ntype = 'webhook'\nurl = '${NONE}'\n",
        ] {
            assert_eq!(bench.read(bad).await, None);
            assert!(
                bench.trouble().contains(" faults, the first: "),
                "{}",
                bench.trouble()
            );
            assert_eq!(bench.metrics.rules_reload_successful.get(), 0);
        }
        assert_eq!(bench.read(ONE).await, None, "what is in force is no news");
        assert_eq!(
            (
                bench.trouble().as_str(),
                bench.metrics.rules_reload_successful.get()
            ),
            ("", 1)
        );
        fs::remove_file(&bench.file).expect("it was written");
        assert!(bench.reader.look(false).await.is_none());
        assert!(
            bench.trouble().contains("cannot list the rules"),
            "{}",
            bench.trouble()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_just_being_saved_is_not_taken_for_an_empty_one() {
        let mut bench = bench("saved");
        assert_eq!(bench.read(ONE).await, Some((1, 0)));
        let name = bench.file.display().to_string();
        let emptied = |bench: &Bench, name: &str| {
            let files = vec![(name.to_owned(), Vec::new())];
            bench.reader.emptied(&files)
        };
        assert!(emptied(&bench, &name) && !emptied(&bench, "another"));
        // In the end it is what it is.
        assert_eq!(bench.read("").await, Some((0, 0)));
        assert!(!emptied(&bench, &name));
    }
}
