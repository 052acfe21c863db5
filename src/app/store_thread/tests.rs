use super::*;
use crate::core::notice::{Alarm, CloseReason, IncidentId, NoticeKind, Scope, TargetName};
use crate::core::persist::{
    SavedClock, SavedIncident, SavedInstance, SavedKey, SavedRhythm, SavedStamp,
};
use crate::core::rule::Severity;
use crate::core::snapshot::Verdict;
use crate::core::time::{Mono, Wall};
use crate::io::notifier::Delivery;
use crate::io::notifier::{Outcome, RenderedNotice};
use crate::io::store::Store;
use bytes::Bytes;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};

/// Output of the thread.
#[expect(clippy::large_enum_variant, reason = "a handful of them in a test")]
enum Handed {
    Sent(Vec<Delivery>),
    Adopted(Saved),
}

struct Scene {
    folder: PathBuf,
    metrics: Arc<Metrics>,
    store_thread: Option<StoreHandle>,
    handed: Receiver<Handed>,
}

fn folder() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("lastbeat-store_thread-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).expect("temporary folders can be made");
    folder
}

/// A copy of the open file, opened: what a kill at this instant would leave.
fn left_by_a_kill(folder: &Path) -> Opened {
    let copy = folder.join("copy.db");
    for part in ["", "-wal"] {
        let name = |base: &str| folder.join(format!("{base}.db{part}"));
        std::fs::copy(name("lastbeat"), name("copy")).expect("both are there");
    }
    Store::open(Some(&copy), crate::clock::wall()).expect("the copy is well")
}

struct TestOutbox<F>(F);

impl<F: Fn(Vec<Delivery>) + Send + Sync> Outbox for TestOutbox<F> {
    fn prepare(&self, notice: &Notice) -> Vec<Delivery> {
        prepare(notice)
    }

    fn send(&self, deliveries: Vec<Delivery>) {
        (self.0)(deliveries);
    }
}

/// Renders one delivery for a notifier called "sentry".
fn prepare(notice: &Notice) -> Vec<Delivery> {
    let rendered = RenderedNotice {
        incident: notice.incident,
        kind: notice.kind,
        severity: notice.severity,
        body: Bytes::from(notice.kind.label()),
        due_at: notice.due,
        queued_at: notice.decided,
    };
    vec![Delivery {
        id: 0,
        notifier: "sentry".to_owned(),
        rendered,
    }]
}

impl Scene {
    fn start(folder: PathBuf) -> Self {
        let path = folder.join("lastbeat.db");
        let opened = Store::open(Some(&path), crate::clock::wall());
        Scene::start_with(folder, opened, |_| {})
    }

    /// `sees` is shown the folder at each sending, on the thread.
    fn start_with(
        folder: PathBuf,
        opened: Result<Opened, StoreFault>,
        sees: impl Fn(&Path) + Send + Sync + 'static,
    ) -> Self {
        let (hand, handed) = mpsc::channel();
        let also = hand.clone();
        let seen = folder.clone();
        let metrics = Arc::new(Metrics::new("0", "0"));
        let deps = StoreThreadDeps {
            path: Some(folder.join("lastbeat.db")),
            outbox: Arc::new(TestOutbox(move |deliveries| {
                sees(&seen);
                // The test may have what it wants.
                let _ = hand.send(Handed::Sent(deliveries));
            })),
            adopt: Box::new(move |saved, _| {
                let _ = also.send(Handed::Adopted(saved));
            }),
            words: Box::new(|_, _| Vec::new()),
            metrics: metrics.clone(),
            clock: Clock::start(),
        };
        let (store_thread, inbox) = channel();
        inbox.start(opened, deps).expect("threads can be started");
        let scene = Scene {
            folder,
            metrics,
            store_thread: Some(store_thread),
            handed,
        };
        scene.flush();
        scene
    }

    fn store_thread(&self) -> &StoreHandle {
        self.store_thread.as_ref().expect("it was not stopped")
    }

    fn flush(&self) -> bool {
        block_on(self.store_thread().flush(Duration::from_secs(20)))
    }

    /// The deliveries of the next sending that has any.
    fn sent(&self) -> Vec<Delivery> {
        loop {
            match self.handed.recv_timeout(Duration::from_secs(20)) {
                Ok(Handed::Sent(deliveries)) if deliveries.is_empty() => {}
                Ok(Handed::Sent(deliveries)) => return deliveries,
                Ok(Handed::Adopted(_)) => {}
                Err(error) => panic!("nothing was sent: {error}"),
            }
        }
    }

    /// Ends the thread and reads what it left.
    fn stop(&mut self) -> Opened {
        let handle = self.store_thread.take().expect("it runs");
        let (commands, mut status) = (handle.commands, handle.status);
        drop(commands);
        let clock = Clock::start();
        let began = clock.mono();
        // The worker lets go of the status when its thread ends.
        let status = loop {
            status = match Arc::try_unwrap(status) {
                Ok(status) => break status,
                Err(shared) => shared,
            };
            let waited = clock.mono().since(began);
            assert!(waited < Duration::from_secs(20), "the thread does not end");
            std::thread::yield_now();
        };
        let thread = status.thread.into_inner().expect("it was started");
        thread.join().expect("it did not panic");
        let path = self.folder.join("lastbeat.db");
        Store::open(Some(&path), crate::clock::wall()).expect("the file is well")
    }

    fn metric(&self, line: &str) -> bool {
        let text = String::from_utf8(self.metrics.render(None)).expect("text");
        text.lines().any(|one| one == line)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // What cannot be removed disturbs nobody.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("a runtime can be made").block_on(future)
}

fn at(seconds: u64) -> Wall {
    Wall::from_nanos(1_795_269_302_000_000_000) + Duration::from_secs(seconds)
}

fn decided(id: u64, kind: NoticeKind) -> Decided {
    let notice = Notice {
        incident: IncidentId(id),
        kind,
        alarm: Alarm::Heartbeat,
        scope: Scope::Instance,
        rule: "beats".to_owned(),
        notify: None,
        affected: Vec::new(),
        affected_total: 1,
        severity: Severity::Error,
        who: TargetName::default(),
        since: at(0),
        gap: Duration::from_secs(91),
        listened: Duration::from_secs(90),
        max_gap: Duration::from_secs(90),
        due: at(id),
        due_mono: Mono::ZERO,
        decided: at(id),
        last_text: String::new(),
        last_words: Vec::new(),
        detail: String::new(),
        summary: None,
        runbook: None,
        labels: Default::default(),
        fingerprint: String::new(),
        between: Default::default(),
        is_first: false,
        acknowledged: None,
    };
    let closed = match kind {
        NoticeKind::Closed(reason) => Some((at(id), reason)),
        _ => None,
    };
    let incident = SavedIncident {
        key: SavedKey::Stream,
        notice: notice.clone(),
        opened_at: at(id),
        closed,
        notified: Vec::new(),
        back: Vec::new(),
        remind: None,
        members: Vec::new(),
    };
    Decided {
        notices: vec![notice],
        decision: Decision {
            incidents: vec![incident],
            instances: Vec::new(),
        },
        forgotten: Vec::new(),
    }
}

fn finished(delivery: &Delivery, outcome: Outcome) -> Finished {
    Finished {
        id: delivery.id,
        incident: delivery.rendered.incident,
        kind: delivery.rendered.kind,
        notifier: delivery.notifier.clone(),
        outcome,
        delay: Duration::from_millis(1_200),
        leaves_mark: false,
        released: 0,
    }
}

fn checkpoint(whole: bool, subject: &str, incidents: Vec<SavedIncident>) -> Checkpoint {
    let instance = SavedInstance {
        slot: 0,
        subject: subject.into(),
        host: None,
        seen: SavedStamp::default(),
        spoke: None,
        logs: false,
        stop: None,
        crash: None,
        said_bye: false,
        verdict: Verdict::Live,
        logs_rhythm: SavedRhythm::default(),
        beats: Vec::new(),
    };
    Checkpoint {
        whole,
        clock: SavedClock::default(),
        instances: vec![instance],
        incidents,
        ..Checkpoint::default()
    }
}

fn history(store_thread: &StoreHandle) -> Vec<PastIncident> {
    let query = IncidentQuery {
        limit: 100,
        ..IncidentQuery::default()
    };
    block_on(store_thread.history(query)).expect("it answers")
}

#[test]
fn what_is_sent_is_in_the_file_before() {
    let folder = folder();
    let path = folder.join("lastbeat.db");
    let opened = Store::open(Some(&path), crate::clock::wall());
    let (count, counted) = mpsc::channel();
    let sees = move |folder: &Path| {
        let left = left_by_a_kill(folder);
        let _ = count.send((left.deliveries.len(), left.saved.incidents.len()));
    };
    let scene = Scene::start_with(folder, opened, sees);
    assert_eq!(counted.recv().expect("the start sends what waited"), (0, 0));
    scene.store_thread().decided(decided(1, NoticeKind::Opened));
    assert_eq!(counted.recv().expect("it was sent"), (1, 1));
}

#[test]
fn a_notice_leaves_its_traces() {
    let mut scene = Scene::start(folder());
    scene.store_thread().decided(decided(1, NoticeKind::Opened));
    let opened = scene.sent();
    scene
        .store_thread()
        .finished(finished(&opened[0], Outcome::Delivered));
    let close = NoticeKind::Closed(CloseReason::Resolved);
    scene.store_thread().decided(decided(1, close));
    let closed = scene.sent();
    scene
        .store_thread()
        .finished(finished(&closed[0], Outcome::GivenUp));
    assert!(closed[0].id > opened[0].id);
    let found = history(scene.store_thread());
    let texts: Vec<_> = found[0].timeline.iter().map(|row| &row.what[..]).collect();
    assert_eq!(
        texts,
        [
            "opened",
            "sent to sentry after 1.2s: opened",
            "closed: resolved",
            "dropped for sentry after 1.2s: closed: resolved",
        ]
    );
    let left = scene.stop();
    assert_eq!((left.deliveries.len(), left.saved.incidents.len()), (0, 0));
}

#[test]
fn what_was_not_done_is_sent_again_under_its_number() {
    let mut scene = Scene::start(folder());
    scene.store_thread().decided(decided(1, NoticeKind::Opened));
    scene.store_thread().decided(decided(2, NoticeKind::Opened));
    let mut deliveries = scene.sent();
    while deliveries.len() < 2 {
        deliveries.extend(scene.sent());
    }
    scene
        .store_thread()
        .finished(finished(&deliveries[0], Outcome::Delivered));
    drop(scene.stop());
    let again = Scene::start(scene.folder.clone());
    assert_eq!(again.sent(), deliveries[1..]);
    again.store_thread().decided(decided(3, NoticeKind::Opened));
    assert!(again.sent()[0].id > deliveries[1].id);
}

#[test]
fn a_file_that_another_has_is_taken_once_it_is_free_and_nothing_is_lost() {
    for is_whole in [false, true] {
        a_file_is_taken_late(is_whole);
    }
}

/// The first checkpoint comes while the file is still closed.
fn a_file_is_taken_late(is_whole: bool) {
    let folder = folder();
    let path = folder.join("lastbeat.db");
    let mut other = Store::open(Some(&path), crate::clock::wall()).expect("it is free");
    let theirs = crate::io::store::Batch {
        checkpoint: Some(checkpoint(true, "logs.theirs.iad.1", Vec::new())),
        ..Default::default()
    };
    other.store.save(&theirs).expect("written");
    let opened = Store::open(Some(&path), crate::clock::wall());
    let mut scene = Scene::start_with(folder, opened, |_| {});
    let problem = scene.store_thread().problem().expect("it cannot be opened");
    assert!(problem.contains("in use by another process"), "{problem}");
    assert!(scene.metric("lastbeat_store_writable 0"));
    scene.store_thread().decided(decided(1, NoticeKind::Opened));
    assert_eq!(scene.sent().len(), 1, "it is told all the same");
    drop(other);
    // Beside theirs our slots would be damage, and in place of theirs they would forget what the file held.
    scene
        .store_thread()
        .checkpoint(checkpoint(is_whole, "logs.ours.iad.1", Vec::new()));
    assert!(scene.flush());
    let adopted =
        std::iter::from_fn(|| scene.handed.try_recv().ok()).find_map(|handed| match handed {
            Handed::Adopted(saved) => Some(saved),
            Handed::Sent(_) => None,
        });
    let left = left_by_a_kill(&scene.folder);
    assert_eq!(&*left.saved.instances[0].subject, "logs.theirs.iad.1");
    let adopted = adopted.expect("what the file held is handed out");
    assert_eq!(&*adopted.instances[0].subject, "logs.theirs.iad.1");
    assert!(scene.store_thread().wants_whole());
    assert_eq!(scene.store_thread().problem(), None);
    let open = decided(1, NoticeKind::Opened).decision.incidents;
    scene
        .store_thread()
        .checkpoint(checkpoint(true, "logs.ours.iad.1", open));
    assert!(scene.flush());
    assert!(!scene.store_thread().wants_whole());
    assert!(scene.metric("lastbeat_store_writable 1"));
    let left = scene.stop();
    assert_eq!(&*left.saved.instances[0].subject, "logs.ours.iad.1");
    assert_eq!((left.deliveries.len(), left.saved.incidents.len()), (1, 1));
}

#[test]
fn what_cannot_be_written_is_told_and_written_in_order_later() {
    let mut scene = Scene::start(folder());
    scene
        .store_thread()
        .checkpoint(checkpoint(true, "logs.web.iad.1", Vec::new()));
    scene.store_thread().decided(decided(1, NoticeKind::Opened));
    let first = scene.sent();
    assert!(scene.flush());
    assert!(!scene.store_thread().wants_whole());
    std::fs::remove_dir_all(&scene.folder).expect("it is there");
    scene.store_thread().decided(decided(2, NoticeKind::Opened));
    scene
        .store_thread()
        .finished(finished(&first[0], Outcome::Delivered));
    assert!(!scene.flush(), "so that the next waits behind it");
    let close = NoticeKind::Closed(CloseReason::Resolved);
    scene.store_thread().decided(decided(2, close));
    assert_eq!(scene.sent()[0].rendered.kind, NoticeKind::Opened);
    assert!(!scene.flush());
    let problem = scene.store_thread().problem().expect("the folder is gone");
    assert!(problem.contains("lastbeat.db"), "{problem}");
    assert!(scene.metric("lastbeat_store_writable 0"));
    scene
        .store_thread()
        .checkpoint(checkpoint(false, "logs.web.iad.1", Vec::new()));
    assert!(!scene.flush());
    assert!(scene.store_thread().wants_whole());
    std::fs::create_dir_all(&scene.folder).expect("it can be made");
    assert!(scene.flush(), "{:?}", scene.store_thread().problem());
    assert_eq!(scene.store_thread().problem(), None);
    let found = history(scene.store_thread());
    let ends: Vec<_> = found
        .iter()
        .map(|one| one.incident.closed.is_some())
        .collect();
    assert_eq!(ends, [true, false], "the second one closed after it opened");
    assert_eq!(
        found[1].timeline.last().map(|row| &row.what[..]),
        Some("sent to sentry after 1.2s: opened")
    );
    let left = scene.stop();
    let kinds: Vec<_> = left
        .deliveries
        .iter()
        .map(|one| one.rendered.kind)
        .collect();
    assert_eq!(kinds, [NoticeKind::Opened, close]);
    assert_eq!(
        left.saved.instances.len(),
        1,
        "what was known before the loss is there"
    );
}
