//! The outbox with the test as every peer, in the runtime's paused time.

mod bounds;
mod open;
mod patience;
mod refusals;

use super::backlog::WAITING_LIMIT;
use super::timer::timer;
use super::*;
use crate::core::notice::{CloseReason, IncidentId};
use crate::core::time::Wall;
use crate::format::tests::{closed, notice};
use crate::io::http_client::{ATTEMPT_TIMEOUT, Answer, RequestFault};
use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::Full;
use hyper::Request;
use hyper::StatusCode;

/// A notifier whose bytes are `incident state`, and which obeys `Retry-After`.
struct Plain(&'static str);

impl Notifier for Plain {
    fn name(&self) -> &str {
        self.0
    }

    fn render(&self, notice: &Notice) -> Bytes {
        format!("{} {}", notice.incident.0, notice.kind.label()).into()
    }

    fn requests(&self, rendered: &RenderedNotice, _now: Wall) -> Vec<Request<Full<Bytes>>> {
        vec![plain_request(self.0, rendered.body.clone())]
    }

    fn redact(&self, text: &str) -> String {
        text.to_owned()
    }
}

fn plain_request(host: &str, body: Bytes) -> Request<Full<Bytes>> {
    Request::post(format!("http://{host}/"))
        .body(Full::new(body))
        .expect("a request")
}

/// A try as its peer sees it: to whom, what, and where the answer goes.
struct Try {
    to: String,
    said: String,
    answer: oneshot::Sender<Result<Answer, RequestFault>>,
}

impl Try {
    fn answer(self, status: StatusCode) {
        self.answer_after(status, None);
    }

    fn answer_after(self, status: StatusCode, retry_after: Option<Duration>) {
        let answer = Answer {
            status,
            retry_after,
            location: None,
            rate_limits: None,
            body: Bytes::from_static(b"why\x1b[2J"),
        };
        let _ = self.answer.send(Ok(answer));
    }
}

/// As the archive does it, without keeping anything.
fn tell(handle: &DeliveryHandle, notice: &Notice) {
    handle.send(handle.prepare(notice));
}

struct Bench {
    handle: DeliveryHandle,
    tasks: JoinSet<String>,
    tries: mpsc::UnboundedReceiver<Try>,
    metrics: Arc<Metrics>,
    /// Deliveries that were reported as finished.
    ended: mpsc::UnboundedReceiver<Finished>,
}

/// Delivery to these notifiers, the test being every peer. The clock is the runtime's paused one.
fn bench(names: &[&'static str]) -> Bench {
    let plain = |name: &&'static str| Arc::new(Plain(name)) as Arc<dyn Notifier>;
    bench_of(names.iter().map(plain).collect())
}

fn bench_of(notifiers: Vec<Arc<dyn Notifier>>) -> Bench {
    let began = timer();
    let clock: NowFn = Arc::new(move || Now {
        mono: Mono::ZERO + began.elapsed(),
        wall: START + began.elapsed(),
    });
    bench_with(notifiers, clock)
}

fn bench_with(notifiers: Vec<Arc<dyn Notifier>>, clock: NowFn) -> Bench {
    let (tell, tries) = mpsc::unbounded_channel();
    let http_send: HttpSend = Arc::new(move |request: Request<Full<Bytes>>| {
        let tell = tell.clone();
        async move {
            let (answer, answered) = oneshot::channel();
            let to = request.uri().host().expect("a host").to_owned();
            let body = http_body_util::BodyExt::collect(request.into_body())
                .await
                .expect("bytes")
                .to_bytes();
            let said = String::from_utf8(body.to_vec()).expect("text");
            tell.send(Try { to, said, answer })
                .expect("the test listens");
            answered.await.expect("the test answers")
        }
        .boxed()
    });
    let metrics = Arc::new(Metrics::new("0", "0"));
    let (end, ended) = mpsc::unbounded_channel();
    let on_finished: OnFinished = Arc::new(move |one| {
        // The test may have heard enough.
        let _ = end.send(one);
    });
    let (handle, tasks) = start(notifiers, &http_send, &metrics, &clock, &on_finished);
    Bench {
        handle,
        tasks,
        tries,
        metrics,
        ended,
    }
}

/// The wall clock when a bench starts.
const START: Wall = Wall::from_nanos(1_700_000_000_000_000_000);

impl Bench {
    fn tell(&self, incident: u64) {
        self.tell_kind(incident, NoticeKind::Opened);
    }

    fn tell_kind(&self, incident: u64, kind: NoticeKind) {
        tell(
            &self.handle,
            &Notice {
                incident: IncidentId(incident),
                kind,
                due_mono: Mono::ZERO,
                ..notice()
            },
        );
    }

    /// Answers as every peer does, from now to the end of `within`; what was said, in order.
    async fn answer_all(&mut self, status: StatusCode, within: Duration) -> Vec<String> {
        let end = timer() + within;
        let mut said = Vec::new();
        while let Ok(Some(one)) = tokio::time::timeout_at(end, self.tries.recv()).await {
            said.push(one.said.clone());
            one.answer(status);
        }
        said
    }

    async fn next(&mut self) -> Try {
        self.tries.recv().await.expect("a try")
    }

    fn shows(&self, line: &str) -> bool {
        String::from_utf8(self.metrics.render(None))
            .expect("text")
            .lines()
            .any(|at| at == line)
    }

    /// Waits for what the task shows next, without a peer's in_flight.
    async fn until_shown(&self, line: &str) {
        for _ in 0..10_000 {
            if self.shows(line) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{line} never shown");
    }
}

fn count(outcome: &str, count: u32) -> String {
    format!("lastbeat_notices_total{{notifier=\"a\",outcome=\"{outcome}\"}} {count}")
}

#[tokio::test(start_paused = true)]
async fn notices_go_in_order_one_at_a_time_until_taken() {
    let mut bench = bench(&["a"]);
    bench.tell(1);
    tell(
        &bench.handle,
        &Notice {
            incident: IncidentId(1),
            ..closed(CloseReason::Resolved)
        },
    );
    let first = bench.next().await;
    assert_eq!(first.said, "1 opened");
    assert!(bench.tries.try_recv().is_err(), "one at a time");
    first.answer(StatusCode::BAD_GATEWAY);
    let again = bench.next().await;
    assert_eq!(again.said, "1 opened");
    again.answer(StatusCode::OK);
    let second = bench.next().await;
    assert_eq!(second.said, "1 closed");
    second.answer(StatusCode::CREATED);
    bench.until_shown(&count("delivered", 2)).await;
    assert!(bench.shows(&count("retried", 1)));
    assert!(bench.shows("lastbeat_notices_pending{notifier=\"a\"} 0"));
    assert!(bench.shows("lastbeat_notice_delay_seconds_count{notifier=\"a\"} 2"));
}

#[tokio::test(start_paused = true)]
async fn a_dead_notifier_never_delays_another() {
    let mut bench = bench(&["a", "b"]);
    bench.tell(1);
    let mut held = None;
    for _ in 0..2 {
        let attempt = bench.next().await;
        if attempt.to == "a" {
            held = Some(attempt)
        } else {
            attempt.answer(StatusCode::OK)
        }
    }
    for incident in 2..5 {
        bench.tell(incident);
        let attempt = bench.next().await;
        assert_eq!(attempt.to, "b");
        attempt.answer(StatusCode::OK);
    }
    assert!(held.is_some());
    bench
        .until_shown("lastbeat_notices_pending{notifier=\"b\"} 0")
        .await;
    assert!(bench.shows("lastbeat_notices_pending{notifier=\"a\"} 4"));
}

#[tokio::test(start_paused = true)]
async fn waits_grow_to_a_minute_and_no_further() {
    let mut bench = bench(&["a"]);
    bench.tell(1);
    let mut longest = Duration::ZERO;
    for failed in 0..40u32 {
        let began = timer();
        bench.next().await.answer(StatusCode::SERVICE_UNAVAILABLE);
        let ceiling =
            Duration::from_secs(1 << failed.saturating_sub(1).min(6)).min(Duration::from_secs(60));
        // The timer wakes at whole milliseconds.
        assert!(
            began.elapsed() <= ceiling + Duration::from_millis(2),
            "{failed}: {:?}",
            began.elapsed()
        );
        longest = longest.max(began.elapsed());
    }
    assert!(
        longest > Duration::from_secs(20),
        "{longest:?}: 34 throws of up to 60s"
    );
    bench.next().await.answer(StatusCode::OK);
    bench.tell(2);
    let began = timer();
    bench.next().await.answer(StatusCode::OK);
    assert!(
        began.elapsed() < Duration::from_millis(2),
        "what is taken ends the wait"
    );
}

#[tokio::test(start_paused = true)]
async fn a_peers_own_word_on_waiting_is_kept() {
    let mut bench = bench(&["a"]);
    bench.tell(1);
    bench
        .next()
        .await
        .answer_after(StatusCode::TOO_MANY_REQUESTS, Some(Duration::from_secs(77)));
    let began = timer();
    let again = bench.next().await;
    assert!(
        began.elapsed() >= Duration::from_secs(77),
        "{:?}",
        began.elapsed()
    );
    bench.tell(2);
    again.answer_after(StatusCode::OK, Some(Duration::from_secs(30)));
    let began = timer();
    bench.next().await.answer_after(
        StatusCode::REQUEST_TIMEOUT,
        Some(Duration::from_secs(86_400)),
    );
    assert!(
        began.elapsed() >= Duration::from_secs(30),
        "also beside a 2xx"
    );
    let began = timer();
    bench.next().await.answer(StatusCode::OK);
    assert!(
        began.elapsed() <= Duration::from_secs(601),
        "not for a whole day"
    );
}

#[tokio::test(start_paused = true)]
async fn a_flush_tries_at_once_and_says_what_is_left() {
    let mut bench = bench(&["a", "b"]);
    assert_eq!(
        bench.handle.flush(Duration::from_secs(1)).await,
        0,
        "nothing waits"
    );
    let mut bench2 = self::bench(&["a"]);
    bench2.tell(1);
    bench2.next().await.answer_after(
        StatusCode::TOO_MANY_REQUESTS,
        Some(Duration::from_secs(500)),
    );
    bench2.until_shown(&count("retried", 1)).await;
    let began = timer();
    let Bench { handle, tries, .. } = &mut bench2;
    let peer = async { tries.recv().await.expect("a try").answer(StatusCode::OK) };
    let (left, ()) = tokio::join!(handle.flush(Duration::from_secs(2)), peer);
    assert_eq!(left, 0);
    assert!(
        began.elapsed() < Duration::from_millis(100),
        "{:?}",
        began.elapsed()
    );

    bench.tell(1);
    let mut tries_of_a = 0;
    let Bench { handle, tries, .. } = &mut bench;
    let peer = async {
        while let Some(attempt) = tries.recv().await {
            tries_of_a += u32::from(attempt.to == "a");
            let taken = attempt.to == "b";
            attempt.answer(if taken {
                StatusCode::OK
            } else {
                StatusCode::BAD_GATEWAY
            });
        }
    };
    let flush = handle.flush(Duration::from_secs(2));
    let left =
        tokio::select! { left = flush => left, () = peer => unreachable!("the carrier lives") };
    assert_eq!(left, 1, "a is down");
    assert!(
        (5..30).contains(&tries_of_a),
        "{tries_of_a} tries in two seconds"
    );
}

#[tokio::test(start_paused = true)]
async fn a_task_ends_when_nobody_can_tell_and_nothing_waits() {
    let mut bench = bench(&["a"]);
    bench.tell(1);
    drop(bench.handle);
    let attempt = bench.tries.recv().await.expect("a try");
    attempt.answer(StatusCode::OK);
    let ended = bench.tasks.join_next().await.expect("a task");
    assert_eq!(ended.expect("no panic"), "a");
}

#[tokio::test(start_paused = true)]
async fn the_age_of_the_oldest_is_shown_while_it_waits() {
    let mut bench = bench(&["a"]);
    bench.tell(1);
    let held = bench.next().await;
    tokio::time::advance(Duration::from_secs(90)).await;
    bench
        .until_shown("lastbeat_notice_oldest_pending_seconds{notifier=\"a\"} 90")
        .await;
    held.answer(StatusCode::OK);
    bench
        .until_shown("lastbeat_notice_oldest_pending_seconds{notifier=\"a\"} 0")
        .await;
}

#[tokio::test(start_paused = true)]
async fn only_those_whom_a_notice_names_are_told() {
    let mut bench = bench(&["a", "b"]);
    tell(
        &bench.handle,
        &Notice {
            notify: Some(vec!["b".to_owned(), "nobody".to_owned()]),
            ..notice()
        },
    );
    bench.tell(7);
    let mut said = Vec::new();
    for _ in 0..3 {
        let attempt = bench.next().await;
        said.push(format!("{} {}", attempt.to, attempt.said));
        attempt.answer(StatusCode::OK);
    }
    said.sort();
    let first = format!("b {} opened", notice().incident.0);
    let mut expected = vec!["a 7 opened".to_owned(), "b 7 opened".to_owned(), first];
    expected.sort();
    assert_eq!(said, expected);
}

#[tokio::test(start_paused = true)]
async fn a_retired_notifier_gets_what_waited_and_nothing_more() {
    let mut bench = bench(&["a"]);
    bench.tell(1);
    bench.tell(2);
    let first = bench.next().await;
    bench.handle.change(
        vec![Arc::new(Plain("b"))],
        &["a".to_owned()],
        &mut bench.tasks,
    );
    bench.tell(3);
    let (mut to_a, mut to_b) = (0, 0);
    first.answer(StatusCode::OK);
    while to_a + to_b < 2 {
        let attempt = bench.next().await;
        match attempt.to.as_str() {
            "a" => to_a += 1,
            _ => to_b += 1,
        }
        attempt.answer(StatusCode::OK);
    }
    assert_eq!((to_a, to_b), (1, 1), "a gets 2, b gets 3");
    bench
        .until_shown("lastbeat_notices_pending{notifier=\"a\"} 0")
        .await;
    bench.handle.sweep();
    tokio::task::yield_now().await;
    assert_eq!(bench.tasks.len(), 2, "one may be on its way to it still");
    tokio::time::advance(RETIRED_STAYS).await;
    bench.handle.sweep();
    let ended = bench.tasks.join_next().await.expect("a task");
    assert_eq!(ended.expect("no panic"), "a");
    assert_eq!(bench.tasks.len(), 1, "b stays");
}

#[tokio::test(start_paused = true)]
async fn retired_notifiers_that_take_nothing_do_not_pile_up() {
    let mut bench = bench(&["a"]);
    for _ in 0..MAX_RETIRED + 10 {
        bench.tell(1);
        bench.handle.change(
            vec![Arc::new(Plain("a"))],
            &["a".to_owned()],
            &mut bench.tasks,
        );
    }
    for _ in 0..10 {
        bench.tries.recv().await.expect("a try");
    }
    tokio::time::advance(RETIRED_STAYS).await;
    while bench.tasks.len() > MAX_RETIRED + 1 {
        bench.handle.sweep();
        tokio::task::yield_now().await;
        while bench.tasks.try_join_next().is_some() {}
    }
    assert!(bench.shows(&count("given_up", 10)));
}
