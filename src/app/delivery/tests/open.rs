//! Notifiers that are told again what is open, that know several incidents as one, or that have several peers.

use super::*;

/// The body that is resent each minute.
const EVERY: Duration = Duration::from_secs(60);
const CLOSED: NoticeKind = NoticeKind::Closed(CloseReason::Resolved);

/// A notifier that keeps what is open, to which incidents are the same where they are modulo 100, and another alert once
/// they were updated, with two peers.
struct Again {
    send_delay: Duration,
    peers: &'static [&'static str],
}

impl Notifier for Again {
    fn name(&self) -> &str {
        "again"
    }

    fn route_name(&self) -> &str {
        "other"
    }

    fn accepts(&self, kind: NoticeKind) -> bool {
        !matches!(kind, NoticeKind::Reminder(_))
    }

    fn render(&self, notice: &Notice) -> Bytes {
        Plain("again").render(notice)
    }

    fn requests(&self, rendered: &RenderedNotice, now: Wall) -> Vec<Request<Full<Bytes>>> {
        self.resend(&[rendered], now)
    }

    fn redact(&self, text: &str) -> String {
        text.to_owned()
    }

    fn send_delay(&self, kind: NoticeKind) -> Duration {
        match kind {
            NoticeKind::Closed(_) => self.send_delay,
            _ => Duration::ZERO,
        }
    }

    fn tracks_open_alerts(&self) -> bool {
        true
    }

    fn dedup_key(&self, rendered: &RenderedNotice) -> Option<Bytes> {
        let updated = matches!(rendered.kind, NoticeKind::Updated(_));
        let key = rendered.incident.0 % 100;
        Some(format!("{key}{}", if updated { "+" } else { "" }).into())
    }

    fn replace(
        &self,
        before: &RenderedNotice,
        rendered: &RenderedNotice,
        now: Wall,
    ) -> Vec<Request<Full<Bytes>>> {
        assert!(matches!(before.kind, NoticeKind::Closed(_)));
        self.resend(&[before, rendered], now)
    }

    fn resend_interval(&self) -> Option<Duration> {
        Some(EVERY)
    }

    fn resend(&self, again: &[&RenderedNotice], _now: Wall) -> Vec<Request<Full<Bytes>>> {
        let texts: Vec<String> = again
            .iter()
            .map(|one| String::from_utf8(one.body.to_vec()).expect("text"))
            .collect();
        let body = texts.join(", ");
        let request = |peer: &&str| plain_request(peer, body.clone().into());
        self.peers.iter().map(request).collect()
    }
}

fn again(send_delay: Duration, peers: &'static [&'static str]) -> Bench {
    bench_of(vec![Arc::new(Again { send_delay, peers })])
}

#[tokio::test(start_paused = true)]
async fn what_is_open_is_told_again_and_its_end_for_a_while() {
    let mut bench = again(Duration::ZERO, &["one"]);
    bench.tell(1);
    bench.tell_kind(1, NoticeKind::Reminder(1));
    bench.next().await.answer(StatusCode::OK);
    bench.tell(2);
    bench.next().await.answer(StatusCode::OK);
    let began = timer();
    let both = bench.next().await;
    assert_eq!(both.said, "1 opened, 2 opened");
    let after = began.elapsed().as_secs_f64();
    assert!((59.0..61.0).contains(&after), "{after}");
    both.answer(StatusCode::OK);
    bench.tell_kind(1, CLOSED);
    let said = bench.answer_all(StatusCode::OK, EVERY + EVERY / 2).await;
    assert_eq!(said, ["1 closed", "2 opened, 1 closed"]);
    let later = bench.answer_all(StatusCode::OK, EVERY * 20).await;
    assert_eq!(later.len(), 20);
    assert_eq!(later[12], "2 opened, 1 closed", "a quarter of an hour");
    assert_eq!(later[19], "2 opened");
    assert!(bench.shows("lastbeat_notices_total{notifier=\"again\",outcome=\"delivered\"} 3"));
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_becomes_another_is_ended_in_the_same_request() {
    let mut bench = again(Duration::ZERO, &["one"]);
    bench.tell(1);
    bench.next().await.answer(StatusCode::OK);
    bench.tell_kind(1, NoticeKind::Updated(1));
    let both = bench.next().await;
    assert_eq!(both.said, "1 opened, 1 updated");
    // What is not taken is sent again whole.
    both.answer(StatusCode::BAD_GATEWAY);
    let both = bench.next().await;
    assert_eq!(both.said, "1 opened, 1 updated");
    both.answer(StatusCode::OK);
    let said = bench.answer_all(StatusCode::OK, EVERY + EVERY / 2).await;
    assert_eq!(said, ["1 updated, 1 opened"], "the end is told again");
    // Another update is the same alert.
    bench.tell_kind(1, NoticeKind::Updated(2));
    let update = bench.next().await;
    assert_eq!(update.said, "1 updated");
    update.answer(StatusCode::OK);
    // Its end is told as the first alert's: that of the second is in the same request.
    bench.tell_kind(1, CLOSED);
    assert_eq!(bench.next().await.said, "1 updated, 1 closed");
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_stands_for_another_incident_too_is_not_ended_when_one_becomes_another() {
    let mut bench = again(Duration::ZERO, &["one"]);
    bench.tell(1);
    bench.next().await.answer(StatusCode::OK);
    bench.tell(101);
    bench.next().await.answer(StatusCode::OK);
    bench.tell_kind(1, NoticeKind::Updated(1));
    assert_eq!(bench.next().await.said, "1 updated");
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_with_what_is_open_at_once() {
    let mut bench = again(Duration::ZERO, &["one"]);
    let open = |incident, notify: &str| Notice {
        incident: IncidentId(incident),
        notify: Some(vec![notify.to_owned()]),
        ..notice()
    };
    bench
        .handle
        .hold(&[open(5, "other"), open(6, "again"), open(7, "other")]);
    bench.next().await.answer(StatusCode::BAD_GATEWAY);
    bench.next().await.answer(StatusCode::BAD_GATEWAY);
    let third = bench.next().await;
    assert_eq!(third.said, "5 opened, 7 opened", "6 is for others");
    let stuck = bench.handle.stuck();
    assert_eq!((stuck[0].pending, stuck[0].failed_tries), (0, 2));
    let words = stuck[0].words(2).expect("trouble");
    assert_eq!(words, "open alerts could not be resent in 2 attempts");
    third.answer(StatusCode::OK);
    bench.tell_kind(5, CLOSED);
    assert_eq!(bench.next().await.said, "5 closed");
    assert!(bench.ended.try_recv().is_err(), "refreshes are no notices");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_one_of_two_that_are_one_to_the_peer_is_not_sent() {
    let mut bench = again(Duration::from_secs(15), &["one"]);
    bench.tell(1);
    bench.tell(101);
    bench.tell_kind(1, CLOSED);
    let said = bench
        .answer_all(StatusCode::OK, Duration::from_secs(50))
        .await;
    assert_eq!(said, ["1 opened", "101 opened"], "101 is open");
    // 201 begins while the end of 101 is held back.
    bench.tell_kind(101, CLOSED);
    bench.tell(201);
    let said = bench
        .answer_all(StatusCode::OK, Duration::from_secs(5))
        .await;
    assert_eq!(said, [""; 0], "held back, and in order");
    let said = bench
        .answer_all(StatusCode::OK, Duration::from_secs(15))
        .await;
    assert!(said.contains(&"201 opened".to_owned()), "{said:?}");
    assert!(!said.iter().any(|one| one.contains("closed")), "{said:?}");
    bench.tell_kind(201, CLOSED);
    let said = bench
        .answer_all(StatusCode::OK, Duration::from_secs(20))
        .await;
    assert!(said.contains(&"201 closed".to_owned()), "{said:?}");
    let mut outcomes = Vec::new();
    while let Ok(ended) = bench.ended.try_recv() {
        outcomes.push(ended.outcome);
    }
    assert_eq!(outcomes, [Outcome::Delivered; 6], "each has its end");
}

#[tokio::test(start_paused = true)]
async fn at_stop_what_a_store_keeps_and_is_held_back_waits_for_the_next_start() {
    let mut bench = again(Duration::from_secs(15), &["one"]);
    let over = Notice {
        kind: CLOSED,
        ..notice()
    };
    let mut deliveries = bench.handle.prepare(&over);
    deliveries[0].id = 9;
    bench.handle.send(deliveries);
    let began = timer();
    assert_eq!(bench.handle.flush(Duration::from_secs(2)).await, 1);
    assert!(
        began.elapsed() < Duration::from_millis(50),
        "{:?}",
        began.elapsed()
    );
    assert!(bench.tries.try_recv().is_err());
    bench.tell_kind(2, CLOSED);
    let Bench { handle, tries, .. } = &mut bench;
    let peer = async {
        while let Some(one) = tries.recv().await {
            one.answer(StatusCode::OK);
        }
    };
    let flush = handle.flush(Duration::from_secs(20));
    let left =
        tokio::select! { left = flush => left, () = peer => unreachable!("the carrier lives") };
    assert_eq!(left, 1, "what nobody keeps is sent, what is kept waits");
}

#[tokio::test(start_paused = true)]
async fn of_several_peers_one_that_takes_it_is_enough() {
    let mut bench = again(Duration::ZERO, &["one", "two"]);
    bench.tell(1);
    let (first, second) = (bench.next().await, bench.next().await);
    assert_ne!(first.to, second.to);
    first.answer(StatusCode::BAD_GATEWAY);
    second.answer(StatusCode::OK);
    let ended = bench.ended.recv().await.expect("an end");
    assert_eq!(ended.outcome, Outcome::Delivered);

    bench.tell(2);
    let (first, second) = (bench.next().await, bench.next().await);
    first.answer(StatusCode::BAD_REQUEST);
    second.answer(StatusCode::BAD_GATEWAY);
    let (first, second) = (bench.next().await, bench.next().await);
    first.answer(StatusCode::OK);
    let began = timer();
    let ended = bench.ended.recv().await.expect("an end");
    assert_eq!(ended.incident, IncidentId(2));
    let waited = began.elapsed().as_secs_f64();
    assert!((1.9..2.1).contains(&waited), "one that hangs: {waited}");
    drop(second);
}
