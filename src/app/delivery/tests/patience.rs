//! A receiver that refuses for ten minutes, in every way there is: everything arrives, in order, and the other one is
//! never late.

use super::*;
use std::collections::BTreeMap;

const REFUSES: Duration = Duration::from_secs(600);

/// Answers as the `nth` refusal: an error, a wait, a reset, or nothing until the try is over.
fn refuse(one: Try, nth: usize) {
    let timeout = RequestFault::Timeout {
        peer: "http://a".to_owned(),
        within: ATTEMPT_TIMEOUT,
    };
    match nth % 4 {
        0 => one.answer(StatusCode::INTERNAL_SERVER_ERROR),
        1 => one.answer_after(StatusCode::TOO_MANY_REQUESTS, Some(Duration::from_secs(20))),
        2 => {
            let source = std::io::Error::from(std::io::ErrorKind::ConnectionReset).into();
            let peer = "http://a".to_owned();
            let _ = one
                .answer
                .send(Err(RequestFault::Exchange { peer, source }));
        }
        _ => drop(tokio::spawn(async move {
            tokio::time::sleep(ATTEMPT_TIMEOUT).await;
            let _ = one.answer.send(Err(timeout));
        })),
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_refuses_gets_everything_afterwards_and_the_other_is_never_late() {
    let mut bench = bench(&["a", "b"]);
    let began = timer();
    let mut refused = 0;
    let mut told = 0_u64;
    let mut heard: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut news = tokio::time::interval(Duration::from_secs(5));
    while began.elapsed() < REFUSES + Duration::from_secs(300) {
        tokio::select! {
            _ = news.tick() => {
                if began.elapsed() < REFUSES {
                    told += 1;
                    let (begins, ends) = (told, told.saturating_sub(3));
                    bench.tell(begins);
                    if ends > 0 {
                        bench.tell_kind(ends, NoticeKind::Closed(CloseReason::Resolved));
                    }
                }
            }
            one = bench.tries.recv() => {
                let one = one.expect("a try");
                if one.to == "a" && began.elapsed() < REFUSES {
                    refuse(one, refused);
                    refused += 1;
                } else {
                    heard.entry(one.to.clone()).or_default().push(one.said.clone());
                    one.answer(StatusCode::OK);
                }
            }
        }
    }
    assert!(refused >= 15, "{refused} tries in ten minutes");
    let (a, b) = (&heard["a"], &heard["b"]);
    assert_eq!((a.len(), b.len()), (237, 237));
    for incident in 1..=told {
        let of = |heard: &[String]| {
            let mark = format!("{incident} ");
            let mine = heard.iter().filter(|one| one.starts_with(&mark));
            mine.map(|one| one[mark.len()..].to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(of(a), of(b), "incident {incident}");
        assert_eq!(of(a)[0], "opened");
    }
    let mut worst = Duration::ZERO;
    while let Ok(ended) = bench.ended.try_recv() {
        assert_eq!(ended.outcome, Outcome::Delivered);
        if ended.notifier == "b" {
            // `due` is the start of the bench: what matters is the time since it was told.
            let told = Duration::from_secs(5) * u32::try_from(ended.incident.0 - 1).expect("few");
            let told = match ended.kind {
                NoticeKind::Opened => told,
                _ => told + Duration::from_secs(15),
            };
            worst = worst.max(ended.delay - told);
        }
    }
    assert!(
        worst < Duration::from_millis(10),
        "the other waited {worst:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_a_server_chokes_on_holds_up_no_other_incident() {
    let mut bench = bench(&["a"]);
    bench.tell(1);
    bench.tell_kind(1, NoticeKind::Closed(CloseReason::Resolved));
    bench.tell(2);
    let mut choked = 0;
    let said = loop {
        let one = bench.next().await;
        if one.said == "1 opened" {
            choked += 1;
            one.answer(StatusCode::INTERNAL_SERVER_ERROR);
        } else {
            break one;
        }
    };
    assert_eq!((said.said.as_str(), choked), ("2 opened", 10));
    said.answer(StatusCode::OK);
    bench.next().await.answer(StatusCode::OK);
    let last = bench.next().await;
    assert_eq!(last.said, "1 closed", "in the order of its incident");
}
