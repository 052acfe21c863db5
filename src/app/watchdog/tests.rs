use super::*;
use crate::core::time::Now;
use tokio::sync::{mpsc, oneshot};

type Answered = oneshot::Sender<Result<Answer, RequestFault>>;

struct Bench {
    began: tokio::time::Instant,
    readiness: Arc<ArcSwap<Readiness>>,
    tries: mpsc::UnboundedReceiver<(Duration, String, String, Answered)>,
    metrics: Arc<Metrics>,
    task: tokio::task::JoinHandle<Infallible>,
}

#[expect(clippy::disallowed_methods, reason = "the runtime's paused timer")]
fn timer() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// A ping's task in the runtime's paused time, the test being the watchdog.
fn bench(endpoint: Endpoint) -> Bench {
    let (tell, tries) = mpsc::unbounded_channel();
    let began = timer();
    let http_send: HttpSend = Arc::new(move |request: Request<Full<Bytes>>| {
        let tell = tell.clone();
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let path = request.uri().path().to_owned();
            let body = http_body_util::BodyExt::collect(request.into_body()).await;
            let body = String::from_utf8(body.expect("bytes").to_bytes().to_vec()).expect("text");
            tell.send((began.elapsed(), path, body, answer))
                .expect("the test listens");
            answered.await.expect("the test answers")
        })
    });
    let readiness = Arc::new(ArcSwap::from_pointee(Readiness::not_yet(
        "start", "starting",
    )));
    let metrics = Arc::new(Metrics::new("0", "0"));
    let deps = WatchdogDeps {
        readiness: Arc::clone(&readiness),
        http_send,
        metrics: Arc::clone(&metrics),
        now: Arc::new(move || Now {
            mono: Mono::ZERO + began.elapsed(),
            wall: Wall::from_nanos(1_700_000_000_000_000_000),
        }),
    };
    Bench {
        began,
        readiness,
        tries,
        metrics,
        task: tokio::spawn(watch(endpoint, deps)),
    }
}

fn ping() -> Endpoint {
    Endpoint::ping(Watchdog::new(&Secret::new("http://hc/key1")).expect("an address"))
}

fn answer(status: StatusCode) -> Result<Answer, RequestFault> {
    Ok(Answer {
        status,
        retry_after: None,
        location: None,
        rate_limits: None,
        body: Bytes::from_static(b"no key1"),
    })
}

impl Bench {
    /// The next try: its second, path and body; answered so.
    async fn next(&mut self, status: StatusCode) -> (u64, String, String) {
        let (at, path, body, answered) = self.tries.recv().await.expect("a try");
        let _ = answered.send(answer(status));
        (at.as_secs(), path, body)
    }

    fn ready(&self, ready: bool) {
        let readiness = if ready {
            Readiness::default()
        } else {
            Readiness::not_yet("stream", "not connected")
        };
        self.readiness.store(Arc::new(readiness));
    }

    async fn until(&self, second: u64) {
        tokio::time::sleep_until(self.began + Duration::from_secs(second)).await;
    }

    fn shows(&self, line: &str) -> bool {
        let text = String::from_utf8(self.metrics.render(None)).expect("text");
        text.lines().any(|at| at == line)
    }
}

fn said(second: u64, path: &str, body: &str) -> (u64, String, String) {
    (second, path.to_owned(), body.to_owned())
}

#[tokio::test(start_paused = true)]
async fn well_is_said_each_minute_and_a_short_spell_is_not_told() {
    let mut bench = bench(ping());
    assert_eq!(bench.next(StatusCode::OK).await, said(0, "/key1/start", ""));
    bench.until(5).await;
    bench.ready(true);
    let (first, path, _) = bench.next(StatusCode::OK).await;
    assert!((5..7).contains(&first) && path == "/key1", "{first} {path}");
    bench.until(20).await;
    bench.ready(false);
    bench.until(30).await;
    bench.ready(true);
    assert_eq!(
        bench.next(StatusCode::OK).await,
        said(first + 60, "/key1", "")
    );
    // Unwell when the minute is over, and not yet for long: nothing is said.
    bench.until(first + 118).await;
    bench.ready(false);
    bench.until(first + 125).await;
    bench.ready(true);
    let (late, path, _) = bench.next(StatusCode::OK).await;
    assert!(
        (first + 125..first + 128).contains(&late) && path == "/key1",
        "{late} {path}"
    );
    bench.until(late + 1).await;
    assert!(bench.shows("lastbeat_watchdog_pings_total{outcome=\"delivered\",way=\"ping\"} 4"));
    assert!(bench.shows("lastbeat_watchdog_pings_total{outcome=\"failed\",way=\"ping\"} 0"));
    assert!(!bench.task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn unwell_is_said_once_it_lasts_with_its_reasons_and_so_is_its_end() {
    let mut bench = bench(ping());
    bench.next(StatusCode::OK).await;
    bench.ready(true);
    bench.next(StatusCode::OK).await;
    bench.until(30).await;
    bench.ready(false);
    let (at, path, body) = bench.next(StatusCode::OK).await;
    assert!((45..48).contains(&at), "{at}");
    assert_eq!((&*path, &*body), ("/key1/fail", "stream: not connected\n"));
    let again = bench.next(StatusCode::OK).await;
    assert_eq!(
        again,
        said(at + 60, "/key1/fail", "stream: not connected\n")
    );
    bench.until(at + 70).await;
    bench.ready(true);
    let (well, path, _) = bench.next(StatusCode::OK).await;
    assert!(well < at + 73 && path == "/key1", "{well} {path}");
}

#[tokio::test(start_paused = true)]
async fn a_start_has_a_minute_to_become_well() {
    let mut bench = bench(ping());
    bench.next(StatusCode::OK).await;
    let (at, path, _) = bench.next(StatusCode::OK).await;
    assert!(
        (60..63).contains(&at) && path == "/key1/fail",
        "{at} {path}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_taken_is_tried_again_soon_and_a_refusal_only_with_the_next_word() {
    let mut bench = bench(ping());
    bench.next(StatusCode::OK).await;
    bench.ready(true);
    let (first, ..) = bench.next(StatusCode::BAD_GATEWAY).await;
    let (second, path, _) = bench.next(StatusCode::NOT_FOUND).await;
    assert!(
        (first + 1..first + 6).contains(&second) && path == "/key1",
        "{first} {second}"
    );
    let (third, ..) = bench.next(StatusCode::OK).await;
    assert_eq!(third, first + 60);
    bench.until(third + 1).await;
    assert!(bench.shows("lastbeat_watchdog_pings_total{outcome=\"failed\",way=\"ping\"} 2"));
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_overtaken_by_the_next_word() {
    let mut bench = bench(ping());
    let (_, _, _, hangs) = bench.tries.recv().await.expect("a try");
    bench.until(10).await;
    bench.ready(true);
    let (at, path, _) = bench.next(StatusCode::OK).await;
    assert!(at < 13 && path == "/key1", "{at} {path}");
    assert!(hangs.is_closed());
}

#[tokio::test(start_paused = true)]
async fn sentrys_crons_hear_no_start() {
    let dsn = Secret::new("https://key@sentry.example/7");
    let sentry = Sentry::new(&dsn, None, "r".to_owned(), "s".to_owned()).expect("a DSN");
    let mut bench = bench(Endpoint::check_in(sentry, "lastbeat".to_owned()));
    bench.until(3).await;
    bench.ready(true);
    let (at, path, body) = bench.next(StatusCode::OK).await;
    assert!((60..64).contains(&at) || at < 6, "{at}");
    assert_eq!(path, "/api/7/envelope/");
    assert!(body.contains("\"status\":\"ok\""), "{body}");
}
