//! What one entry costs: decode and track, without NATS. `cargo bench --bench hot_path`
//!
//! One entry in a hundred is a beat; payloads are about 430 bytes, as Fly's are. Figures are per entry.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use lastbeat::app::ingest::Ingest;
use lastbeat::core::engine::{Engine, Options};
use lastbeat::core::rule::RuleSet;
use lastbeat::core::time::{Mono, Now, Wall};
use lastbeat::core::tracker::Limits;
use lastbeat::decode::rules_file;
use lastbeat::io::metrics::Metrics;

const RULES: &str = "[[rule]]\nname = \"beats\"\nmax_gap = \"90s\"\n";
/// Entries taken per measured run, as one batch after another.
const ENTRIES: usize = 10_000;
const BATCH: usize = 100;

fn main() {
    divan::main();
}

fn rules() -> RuleSet {
    rules_file::read(&[("bench".to_owned(), RULES.as_bytes().to_vec())])
        .set
        .expect("the rules are good")
}

fn now(millis: u64) -> Now {
    let nanos = millis * 1_000_000;
    Now {
        mono: Mono::from_nanos(nanos),
        wall: Wall::from_nanos(1_700_000_000_000_000_000 + nanos),
    }
}

fn payload(instance: usize, beat: bool) -> String {
    let message = if beat {
        format!("HEARTBEAT every=30s seq={instance}")
    } else {
        "I, [2021-09-23T15:36:16.329652 #522]  INFO -- : [a690644f] Started POST \\\"/graphql\\\" for 2a09:8280:1::1:8c5 \
         at 2021-09-23 15:36:16 +0000 and went on for a while about parameters, sessions, caches and queries"
            .to_owned()
    };
    format!(
        "{{\"event\":{{\"provider\":\"app\"}},\"fly\":{{\"app\":{{\"instance\":\"{instance:014x}\",\"name\":\"app-{}\"}},\
         \"region\":\"iad\"}},\"host\":\"{:04x}\",\"log\":{{\"level\":\"info\"}},\"message\":\"{message}\",\
         \"timestamp\":\"2026-03-02T12:00:01.120394857Z\"}}",
        instance % 50,
        instance % 4096,
    )
}

fn stream(instances: usize) -> Vec<(String, String)> {
    let entry = |n: usize| {
        // Odd steps, so that neighbours in time are no neighbours in memory.
        let instance = (n * 7919) % instances;
        (
            format!("logs.app-{}.iad.{instance:014x}", instance % 50),
            payload(instance, n.is_multiple_of(100)),
        )
    };
    (0..ENTRIES.max(instances)).map(entry).collect()
}

/// Nobody is known yet.
fn ingest() -> Ingest {
    let options = Options {
        first_incident: 1,
        limits: Limits::MOST,
        ..Options::default()
    };
    Ingest::new(Engine::new(rules(), options, now(0)))
}

fn warm(instances: usize) -> (Ingest, Vec<(String, String)>) {
    let mut ingest = ingest();
    let stream = stream(instances);
    ingest.engine.arrive(now(0));
    for (subject, payload) in &stream {
        ingest.message(subject, payload.as_bytes());
    }
    (ingest, stream)
}

#[divan::bench(args = [1_000, 100_000, 1_000_000])]
fn decode_and_track(bencher: Bencher, instances: usize) {
    let (mut ingest, stream) = warm(instances);
    let mut millis = 0;
    bencher.counter(ItemsCount::new(ENTRIES)).bench_local(|| {
        for batch in stream[..ENTRIES].chunks(BATCH) {
            millis += 1;
            ingest.engine.arrive(now(millis));
            for (subject, payload) in batch {
                black_box(ingest.message(black_box(subject), black_box(payload.as_bytes())));
            }
        }
    });
}

#[divan::bench(args = [1_000, 100_000])]
fn evaluate(bencher: Bencher, instances: usize) {
    let (mut ingest, _) = warm(instances);
    let mut millis = 0;
    bencher.bench_local(|| {
        millis += 1;
        ingest.engine.arrive(now(millis));
        black_box(ingest.engine.evaluate(now(millis)))
    });
}

/// Everyone beats, and no deadline has passed, but the first one known has: a tick looks at all of them.
#[divan::bench(args = [1_000, 100_000, 1_000_000], sample_count = 100, sample_size = 1)]
fn tick_over_all(bencher: Bencher, instances: usize) {
    /// Those that beat before all others, one every 100ms: one of them beats again just before each tick.
    const EARLY: usize = 200;
    let mut ingest = ingest();
    let mut say = |instance: usize, millis: u64| {
        ingest.engine.arrive(now(millis));
        let subject = format!("logs.app-{}.iad.{instance:014x}", instance % 50);
        ingest.message(&subject, br#"{"message":"HEARTBEAT"}"#);
    };
    (0..EARLY).for_each(|instance| say(instance, instance as u64 * 100));
    (EARLY..instances).for_each(|instance| say(instance, 60_000));
    let mut turn = 0;
    bencher.bench_local(|| {
        let millis = 90_050 + turn as u64 * 100;
        ingest.engine.arrive(now(millis));
        let subject = format!("logs.app-{}.iad.{turn:014x}", turn % 50);
        ingest.message(&subject, br#"{"message":"HEARTBEAT"}"#);
        assert!(ingest.engine.overdue(), "all are looked at");
        ingest.engine.evaluate(now(millis));
        turn += 1;
    });
    assert_eq!(ingest.engine.drain().count(), 0, "nobody was late");
}

/// TargetName speaks under a subject: everyone in turn, in no order of memory.
#[divan::bench(args = [1_000, 100_000, 1_000_000])]
fn find(bencher: Bencher, instances: usize) {
    let mut ingest = ingest();
    let subjects: Vec<String> = (0..instances)
        .map(|instance| format!("logs.app-{}.iad.{instance:014x}", instance % 50))
        .collect();
    ingest.engine.arrive(now(0));
    for subject in &subjects {
        ingest.message(subject, b"{}");
    }
    let mut next = 0;
    bencher.counter(ItemsCount::new(ENTRIES)).bench_local(|| {
        for _ in 0..ENTRIES {
            next = (next + 7919) % instances;
            black_box(ingest.engine.find(black_box(&subjects[next])));
        }
    });
}

#[divan::bench(args = [1_000, 10_000])]
fn snapshot(bencher: Bencher, instances: usize) {
    let (ingest, _) = warm(instances);
    bencher.bench_local(|| black_box(ingest.engine.snapshot(now(1), 20_000)));
}

/// One slice of a copy for readers: what keeps entries waiting while everything is copied.
#[divan::bench(args = [100_000])]
fn slice_of_a_snapshot(bencher: Bencher, instances: usize) {
    let (ingest, _) = warm(instances);
    bencher.bench_local(|| {
        let copying = ingest.engine.begin_copy(20_000);
        black_box(ingest.engine.copy_on(copying, 256, now(1)))
    });
}

/// /metrics with rows for 10,000 instances and as many beats.
#[divan::bench(args = [10_000])]
fn render_metrics(bencher: Bencher, instances: usize) {
    let (ingest, _) = warm(instances);
    let metrics = Metrics::new("0.0.0", "bench");
    let snapshot = ingest.engine.snapshot(now(1), 20_000);
    bencher.bench_local(|| black_box(metrics.render(Some(&snapshot))));
}

/// Another set of a thousand rules, read and put in force for everyone who is known; each of them beats.
#[divan::bench(args = [100_000], sample_count = 10)]
fn reload_a_thousand_rules(bencher: Bencher, instances: usize) {
    let mut ingest = beating(instances);
    bencher.bench_local(|| ingest.reload(thousand_rules(), now(1)));
}

/// One slice of the same: what keeps entries waiting meanwhile. The slowest is what counts.
#[divan::bench(args = [100_000], sample_count = 3_000, sample_size = 1)]
fn slice_of_a_reload(bencher: Bencher, instances: usize) {
    let mut ingest = beating(instances);
    let rules = thousand_rules();
    let mut under_way = None;
    bencher.bench_local(|| {
        let begin = || ingest.engine.begin_reload(rules.clone());
        let reload = under_way.take().unwrap_or_else(begin);
        under_way = ingest.reload_on(reload, 1_024, now(1)).err();
    });
}

fn beating(instances: usize) -> Ingest {
    let (mut ingest, _) = warm(instances);
    ingest.engine.arrive(now(0));
    for instance in 0..instances {
        let subject = format!("logs.app-{}.iad.{instance:014x}", instance % 50);
        ingest.message(&subject, payload(instance, true).as_bytes());
    }
    ingest
}

fn thousand_rules() -> RuleSet {
    let rule =
        |n: usize| format!("[[rule]]\nname = \"r{n}\"\napp = \"app-{n}\"\nmax_gap = \"90s\"\n");
    let text: String = (0..1000).map(rule).collect();
    let files = [("bench".to_owned(), text.into_bytes())];
    rules_file::read(&files).set.expect("the rules are good")
}
