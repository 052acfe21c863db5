//! The limits of the backlog, in number and in age.

use super::super::backlog::{ALERT_WAITS, EXTRA_WAITS};
use super::*;

const CLOSED: NoticeKind = NoticeKind::Closed(CloseReason::Resolved);
const DOWN: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

impl Bench {
    /// Everything that was given up so far, as `incident state`.
    async fn given_up(&mut self, count: usize) -> Vec<String> {
        self.until_shown(&super::count(
            "given_up",
            u32::try_from(count).expect("few"),
        ))
        .await;
        let mut given_up = Vec::new();
        while let Ok(ended) = self.ended.try_recv() {
            if ended.outcome == Outcome::GivenUp {
                given_up.push(format!("{} {}", ended.incident.0, ended.kind.label()));
            }
        }
        given_up
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_the_limit_reminders_and_updates_go_first() {
    let mut bench = bench(&["a"]);
    bench.tell(0);
    let held = bench.next().await;
    bench.tell_kind(0, NoticeKind::Reminder(1));
    bench.tell(1);
    bench.tell_kind(1, NoticeKind::Updated(1));
    for incident in 2..=WAITING_LIMIT as u64 - 1 {
        bench.tell(incident);
    }
    assert_eq!(bench.given_up(2).await, ["0 reminder", "1 updated"]);
    held.answer(StatusCode::OK);
    assert_eq!(bench.next().await.said, "1 opened", "no beginning is lost");
}

#[tokio::test(start_paused = true)]
async fn then_an_incident_that_is_over_and_at_last_a_beginning_but_no_end() {
    let mut bench = bench(&["a"]);
    bench.tell(0);
    let held = bench.next().await;
    bench.tell(1);
    bench.tell(2);
    bench.tell_kind(2, CLOSED);
    // The end of what was told already: nobody may be left rendered for it.
    bench.tell_kind(100, CLOSED);
    let fill = WAITING_LIMIT as u64 - 5;
    for incident in 1_000..1_000 + fill {
        bench.tell(incident);
    }
    bench.tell(3);
    assert_eq!(bench.given_up(2).await, ["2 opened", "2 closed"]);
    bench.tell(4);
    bench.tell(5);
    assert_eq!(bench.given_up(3).await, ["1 opened"]);
    bench.tell_kind(1, CLOSED);
    assert_eq!(
        bench.given_up(4).await,
        ["1 closed"],
        "no end without its beginning"
    );
    let stuck = bench.handle.stuck();
    assert_eq!(stuck[0].given_up, 4);
    let words = stuck[0].words(3).expect("news");
    assert_eq!(words, "4 notifications were dropped, the last 0s ago");
    held.answer(StatusCode::OK);
    let said = bench
        .answer_all(StatusCode::OK, Duration::from_secs(60))
        .await;
    let left: Vec<&String> = said.iter().filter(|one| one.ends_with("closed")).collect();
    assert_eq!(left, ["100 closed"], "the end of what was told");
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert!(bench.handle.stuck().is_empty(), "old news");
    assert_eq!(bench.handle.statuses()[0].given_up, 4, "and still counted");
}

#[tokio::test(start_paused = true)]
async fn what_waited_too_long_is_given_up() {
    let mut bench = bench(&["a"]);
    bench.tell(1);
    bench.tell_kind(1, NoticeKind::Reminder(1));
    bench
        .answer_all(DOWN, EXTRA_WAITS + Duration::from_secs(90))
        .await;
    assert_eq!(bench.given_up(1).await, ["1 reminder"]);
    bench.answer_all(DOWN, ALERT_WAITS - EXTRA_WAITS).await;
    assert_eq!(bench.given_up(2).await, ["1 opened"]);
    bench.tell_kind(1, CLOSED);
    let said = bench
        .answer_all(StatusCode::OK, Duration::from_secs(90))
        .await;
    assert_eq!(said, [""; 0], "no end without its beginning");
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_taken_off_at_its_end() {
    let mut bench = bench(&["a", "b"]);
    let notice = Notice {
        due_mono: Mono::ZERO,
        ..notice()
    };
    let mut deliveries = bench.handle.prepare(&notice);
    assert!(deliveries.iter().all(|delivery| delivery.id == 0));
    assert_eq!(deliveries.len(), 2);
    assert!(bench.tries.try_recv().is_err(), "nothing is sent yet");
    for (delivery, id) in deliveries.iter_mut().zip([7, 8]) {
        delivery.id = id;
    }
    deliveries[1].notifier = "gone".to_owned();
    bench.handle.send(deliveries);
    tokio::time::advance(Duration::from_secs(3)).await;
    let day = super::super::queue::conclude::REFUSED_FOR + Duration::from_secs(600);
    bench.next().await.answer(StatusCode::FORBIDDEN);
    bench.answer_all(StatusCode::FORBIDDEN, day).await;
    bench.until_shown(&count("rejected", 1)).await;
    let mut ended = Vec::new();
    while let Ok(one) = bench.ended.try_recv() {
        ended.push((
            one.id,
            one.notifier,
            one.outcome,
            one.delay.as_secs() / 3600,
        ));
    }
    assert_eq!(
        ended,
        [
            (8, "gone".to_owned(), Outcome::GivenUp, 0),
            (7, "a".to_owned(), Outcome::Rejected, 24)
        ]
    );
    assert!(bench.shows("lastbeat_notices_total{notifier=\"gone\",outcome=\"given_up\"} 1"));
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_run_left_is_as_old_as_it_is() {
    let mut bench = bench(&["a"]);
    let mut deliveries = bench.handle.prepare(&notice());
    deliveries[0].rendered.queued_at = START - Duration::from_secs(90);
    deliveries[0].rendered.due_at = START - Duration::from_secs(100);
    bench.handle.send(deliveries);
    let held = bench.next().await;
    bench
        .until_shown("lastbeat_notice_oldest_pending_seconds{notifier=\"a\"} 90")
        .await;
    held.answer(StatusCode::OK);
    let ended = bench.ended.recv().await.expect("an end");
    assert_eq!(ended.delay.as_secs(), 100);
}
