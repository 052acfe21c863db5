//! A receiver that refuses notifications: they are retried for a day, others are not held up, and no end goes without its
//! beginning.

use super::super::queue::conclude::REFUSED_FOR;
use super::*;
use crate::core::time::Mono;

const CLOSED: NoticeKind = NoticeKind::Closed(CloseReason::Resolved);

impl Bench {
    fn tell_severity(&self, incident: u64, severity: Severity) {
        let notice = Notice {
            incident: IncidentId(incident),
            severity,
            due_mono: Mono::ZERO,
            ..notice()
        };
        tell(&self.handle, &notice);
    }

    /// Refuses everything for so long; everything that was said, in order.
    async fn refuse_for(&mut self, status: StatusCode, within: Duration) -> Vec<String> {
        self.answer_all(status, within).await
    }

    fn ended(&mut self) -> Vec<(String, Outcome)> {
        let mut all = Vec::new();
        while let Ok(one) = self.ended.try_recv() {
            let what = format!("{} {}", one.incident.0, one.kind.label());
            all.push((what, one.outcome));
        }
        all
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_seconds_loses_nothing_and_holds_up_no_other() {
    for status in [400, 401, 403, 404, 410, 422] {
        let status = StatusCode::from_u16(status).expect("a status");
        let mut bench = bench(&["a"]);
        bench.tell(1);
        bench.tell(2);
        bench.next().await.answer(status);
        let second = bench.next().await;
        assert_eq!(second.said, "2 opened", "{status}");
        second.answer(StatusCode::OK);
        let again = bench.next().await;
        assert_eq!(again.said, "1 opened", "{status}");
        again.answer(StatusCode::OK);
        bench.tell_kind(1, CLOSED);
        bench.next().await.answer(StatusCode::OK);
        bench.until_shown(&count("delivered", 3)).await;
        assert!(bench.shows(&count("rejected", 0)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_notifier_that_refuses_is_named_from_its_first_refusal_until_it_accepts() {
    let mut bench = bench(&["a"]);
    bench.tell(1);
    bench.next().await.answer(StatusCode::UNAUTHORIZED);
    bench.until_shown(&count("retried", 1)).await;
    let stuck = bench.handle.stuck();
    assert_eq!(
        stuck[0].words(3).expect("a reason"),
        "refuses notifications (401 Unauthorized): 1 pending, 1 attempts failed"
    );
    assert_eq!(
        bench.handle.statuses()[0].refused,
        Some(StatusCode::UNAUTHORIZED)
    );
    bench.next().await.answer(StatusCode::OK);
    bench.until_shown(&count("delivered", 1)).await;
    tokio::task::yield_now().await;
    assert!(bench.handle.stuck().is_empty());
}

#[tokio::test(start_paused = true)]
async fn after_a_day_of_refusals_an_opening_is_dropped_with_its_end() {
    let mut bench = bench(&["a"]);
    bench.tell(1);
    bench.tell(2);
    bench.tell_kind(2, CLOSED);
    let day = REFUSED_FOR + Duration::from_secs(600);
    let said = bench.refuse_for(StatusCode::NOT_FOUND, day).await;
    assert!((300..3_000).contains(&said.len()), "{} tries", said.len());
    assert!(
        said.iter().all(|one| one.ends_with("opened")),
        "no end first"
    );
    let rejected = |what: &str| (what.to_owned(), Outcome::Rejected);
    let mut ended = bench.ended();
    ended.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        ended,
        [
            rejected("1 opened"),
            rejected("2 closed"),
            rejected("2 opened")
        ]
    );
    // The receiver is mended, and the incident ends: nobody heard of it.
    bench.tell_kind(1, CLOSED);
    bench.tell(3);
    let said = bench
        .answer_all(StatusCode::OK, Duration::from_secs(90))
        .await;
    assert_eq!(said, ["3 opened"]);
    let given_up = ("1 closed".to_owned(), Outcome::GivenUp);
    assert!(bench.ended().contains(&given_up));
}

#[tokio::test(start_paused = true)]
async fn a_reminder_after_a_dropped_opening_takes_its_place() {
    let mut bench = bench(&["a"]);
    bench.tell(1);
    let day = REFUSED_FOR + Duration::from_secs(600);
    bench.refuse_for(StatusCode::NOT_FOUND, day).await;
    bench.tell_kind(1, NoticeKind::Reminder(1));
    bench.tell_kind(1, CLOSED);
    let said = bench
        .answer_all(StatusCode::OK, Duration::from_secs(90))
        .await;
    assert_eq!(said, ["1 reminder", "1 closed"]);
}

#[tokio::test(start_paused = true)]
async fn the_mark_of_a_dropped_opening_outlives_a_restart_and_ends_with_its_incident() {
    let mut bench = bench(&["a"]);
    let opening = Notice {
        incident: IncidentId(1),
        ..notice()
    };
    let mut deliveries = bench.handle.prepare(&opening);
    deliveries[0].id = 7;
    bench.handle.send(deliveries.clone());
    let day = REFUSED_FOR + Duration::from_secs(600);
    bench.refuse_for(StatusCode::NOT_FOUND, day).await;
    let dropped = bench.ended.recv().await.expect("an end");
    assert!(dropped.leaves_mark, "{dropped:?}");
    // The next start reads it as the store keeps it.
    let mut bench = self::bench(&["a"]);
    deliveries[0].rendered.body = Bytes::new();
    bench.handle.send(deliveries);
    bench.tell_kind(1, CLOSED);
    bench.tell(2);
    assert_eq!(bench.next().await.said, "2 opened");
    let closing = bench.ended.recv().await.expect("an end");
    assert_eq!((closing.incident, closing.released), (IncidentId(1), 7));
    assert_eq!(closing.outcome, Outcome::GivenUp);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_refused_gives_way_to_the_end() {
    let mut bench = bench(&["a"]);
    bench.tell(1);
    bench.next().await.answer(StatusCode::OK);
    bench.tell_kind(1, NoticeKind::Updated(1));
    bench.next().await.answer(StatusCode::UNPROCESSABLE_ENTITY);
    bench.tell_kind(1, CLOSED);
    let mut said = Vec::new();
    while said.last().is_none_or(|last| last != "1 closed") {
        let one = bench.next().await;
        said.push(one.said.clone());
        let taken = one.said == "1 closed";
        one.answer(if taken {
            StatusCode::OK
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        });
    }
    assert!(said.len() <= 3, "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_critical_notification_does_not_wait_behind_those_of_less_severity() {
    let mut bench = bench(&["a"]);
    bench.tell_severity(1, Severity::Info);
    let held = bench.next().await;
    for incident in 2..600 {
        bench.tell_severity(incident, Severity::Info);
    }
    bench.tell_severity(1_000, Severity::Warning);
    bench.tell_severity(1_001, Severity::Critical);
    bench
        .until_shown("lastbeat_notices_pending{notifier=\"a\"} 601")
        .await;
    held.answer(StatusCode::OK);
    let said = bench
        .answer_all(StatusCode::OK, Duration::from_secs(60))
        .await;
    assert_eq!(said[..3], ["1001 opened", "1000 opened", "2 opened"]);
    assert_eq!(said.len(), 600);
}

#[tokio::test(start_paused = true)]
async fn the_severity_of_a_later_notification_lifts_its_incident_in_its_order() {
    let mut bench = bench(&["a"]);
    bench.tell(9);
    let held = bench.next().await;
    bench.tell_severity(1, Severity::Warning);
    bench.tell_severity(2, Severity::Info);
    let worse = Notice {
        incident: IncidentId(2),
        kind: NoticeKind::Updated(1),
        severity: Severity::Critical,
        due_mono: Mono::ZERO,
        ..notice()
    };
    tell(&bench.handle, &worse);
    bench
        .until_shown("lastbeat_notices_pending{notifier=\"a\"} 4")
        .await;
    held.answer(StatusCode::OK);
    let said = bench
        .answer_all(StatusCode::OK, Duration::from_secs(60))
        .await;
    assert_eq!(said, ["2 opened", "2 updated", "1 opened"]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_one_notification_is_told_holds_up_no_other() {
    let mut bench = bench(&["a"]);
    bench.tell(1);
    bench.tell(2);
    bench.next().await.answer_after(
        StatusCode::TOO_MANY_REQUESTS,
        Some(Duration::from_secs(300)),
    );
    let began = timer();
    let second = bench.next().await;
    assert_eq!(second.said, "2 opened");
    assert!(began.elapsed() < Duration::from_secs(1));
    second.answer(StatusCode::OK);
    assert_eq!(bench.next().await.said, "1 opened");
    assert!(began.elapsed() >= Duration::from_secs(300));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_puts_off_everything_is_not_asked_for_each() {
    let mut bench = bench(&["a"]);
    for incident in 0..200 {
        bench.tell(incident);
    }
    let end = timer() + Duration::from_secs(60);
    let mut tries = 0;
    while let Ok(Some(one)) = tokio::time::timeout_at(end, bench.tries.recv()).await {
        tries += 1;
        one.answer_after(StatusCode::TOO_MANY_REQUESTS, Some(Duration::from_secs(30)));
    }
    assert!((3..=8).contains(&tries), "{tries} tries in a minute");
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_is_sent_shorter() {
    struct Long;
    impl Notifier for Long {
        fn name(&self) -> &str {
            "a"
        }
        fn render(&self, _notice: &Notice) -> Bytes {
            "x".repeat(5_000).into()
        }
        fn requests(&self, rendered: &RenderedNotice, _now: Wall) -> Vec<Request<Full<Bytes>>> {
            vec![plain_request("a", rendered.body.clone())]
        }
        fn redact(&self, text: &str) -> String {
            text.to_owned()
        }
    }
    let mut bench = bench_of(vec![Arc::new(Long)]);
    bench.tell(1);
    let mut lengths = Vec::new();
    for _ in 0..4 {
        let one = bench.next().await;
        lengths.push(one.said.len());
        let fits = one.said.len() < 300;
        one.answer(if fits {
            StatusCode::OK
        } else {
            StatusCode::PAYLOAD_TOO_LARGE
        });
    }
    assert_eq!(lengths, [5_000, 2_000, 500, 150]);
    bench.until_shown(&count("delivered", 1)).await;
    // One that is too long at any length is refused as any other is.
    bench.tell(2);
    for _ in 0..6 {
        bench.next().await.answer(StatusCode::PAYLOAD_TOO_LARGE);
    }
    bench.next().await.answer(StatusCode::OK);
    bench.until_shown(&count("delivered", 2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_redirect_shows_where_it_leads() {
    let mut bench = bench(&["a"]);
    bench.tell(1);
    let one = bench.next().await;
    let answer = Answer {
        status: StatusCode::MOVED_PERMANENTLY,
        retry_after: None,
        location: Some("https://hooks.example.com/new".to_owned()),
        rate_limits: None,
        body: Bytes::new(),
    };
    let said = super::super::attempts::said(&Plain("a"), &answer);
    assert_eq!(
        said,
        "301 Moved Permanently (redirects to https://hooks.example.com/new, which is not followed: set the final address)"
    );
    let _ = one.answer.send(Ok(answer));
    assert_eq!(bench.next().await.said, "1 opened", "retried");
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_jumps_drops_nothing() {
    let ahead = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let jump = Arc::clone(&ahead);
    let began = timer();
    let clock: NowFn = Arc::new(move || Now {
        mono: Mono::ZERO + began.elapsed(),
        wall: START
            + began.elapsed()
            + Duration::from_secs(jump.load(std::sync::atomic::Ordering::Relaxed)),
    });
    let plain: Vec<Arc<dyn Notifier>> = vec![Arc::new(Plain("a"))];
    let mut bench = bench_with(plain, clock);
    bench.tell(1);
    bench.tell_kind(1, NoticeKind::Reminder(1));
    bench.next().await.answer(StatusCode::BAD_GATEWAY);
    ahead.store(8 * 24 * 3600, std::sync::atomic::Ordering::Relaxed);
    bench
        .answer_all(StatusCode::BAD_GATEWAY, Duration::from_secs(3))
        .await;
    ahead.store(0, std::sync::atomic::Ordering::Relaxed);
    let said = bench
        .answer_all(StatusCode::OK, Duration::from_secs(90))
        .await;
    assert_eq!(said, ["1 opened", "1 reminder"]);
    assert!(bench.shows(&count("given_up", 0)));
}

#[tokio::test(start_paused = true)]
async fn a_restart_whose_clock_is_a_month_ahead_tries_what_was_left() {
    let mut bench = bench(&["a"]);
    let mut deliveries = bench.handle.prepare(&notice());
    deliveries[0].rendered.queued_at = START - Duration::from_secs(30 * 24 * 3600);
    bench.handle.send(deliveries);
    bench
        .answer_all(StatusCode::BAD_GATEWAY, Duration::from_secs(1_800))
        .await;
    let said = bench
        .answer_all(StatusCode::OK, Duration::from_secs(90))
        .await;
    assert_eq!(said.len(), 1, "{said:?}");
}
