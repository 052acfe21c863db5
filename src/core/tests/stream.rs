//! Incidents of the stream itself: what they say, and when they end.

use crate::core::engine::Feed;
use crate::core::incident::kind::{Alarm, CloseReason, IncidentId};
use crate::core::incident::{Incident, IncidentEvent};
use crate::core::notice::NoticeKind;
use crate::core::tests::bench::{Bench, at, rule};
use std::time::Duration;

const WEB: &str = "web.iad.a";
const LATE: Option<Duration> = Some(Duration::from_secs(300));

/// Applies a lag, of a region or of the stream; gives the words of what opened, and why what closed did.
fn lag(bench: &mut Bench, region: Option<u32>, measured: bool, slow: Option<Duration>) -> String {
    let (incidents, view) = bench.engine.split();
    incidents.lag_is(view, region, measured, slow);
    let events = incidents.take_events().into_iter();
    let words = events.map(|event| match event {
        IncidentEvent::Opened(id) => {
            let opened = incidents.get(id).expect("it is open");
            assert_eq!(opened.stream.map(|facts| facts.region), Some(region));
            opened.detail.clone()
        }
        IncidentEvent::Changed(_) => "changed".to_owned(),
        IncidentEvent::Closed(_, _, why) => why.label().to_owned(),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[test]
fn the_lag_of_a_region_is_not_that_of_the_stream_and_each_ends_once_it_is_known_to() {
    let mut bench = Bench::new(Vec::new());
    bench.beats(&["web.iad.a", "web.lhr.b"], [0, 10]);
    let there = "entries arrive late, from everyone there";
    let everywhere =
        "entries arrive late, from everyone, or the clock of lastbeat's machine is ahead";
    for (region, measured, slow, words) in [
        (Some(0), true, LATE, there),
        (Some(1), true, LATE, there),
        (Some(0), true, LATE, ""),
        (Some(0), false, None, ""),
        (Some(0), true, None, "resolved"),
        (Some(0), true, None, ""),
        (Some(0), true, LATE, there),
        (Some(1), true, None, "resolved"),
        (Some(0), true, None, "resolved"),
        (Some(0), true, LATE, there),
        (None, true, LATE, &format!("{everywhere}, superseded")),
        (None, false, None, ""),
        (None, true, None, "resolved"),
        (Some(0), true, LATE, there),
    ] {
        let told = lag(&mut bench, region, measured, slow);
        assert_eq!(told, words, "{region:?} {measured} {slow:?}");
    }
}

fn losing(bench: &Bench) -> Option<(IncidentId, &Incident)> {
    let mut all = bench.engine.incidents.iter();
    all.find(|(_, incident)| incident.alarm == Alarm::Losing)
}

#[test]
fn messages_are_lost_for_longer_than_max_gap_before_that_is_an_incident() {
    for (last, told) in [(110.0, false), (110.5, true), (130.0, true)] {
        let mut bench = Bench::new(vec![rule("r", "*", 600.0)]);
        bench.beats(&[WEB], (0..=50).step_by(10));
        for second in 50..110 {
            bench.say(WEB, "", f64::from(second));
            bench.feed(Feed::Dropped, f64::from(second));
        }
        bench.say(WEB, "", last);
        bench.tick(last);
        let words = losing(&bench).map(|(_, incident)| incident.detail.clone());
        let expected = "messages come faster than they are taken, and are lost";
        assert_eq!(words.as_deref(), told.then_some(expected), "{last}");
    }
}

#[test]
fn a_beat_that_the_stream_lost_is_told_for_a_quarter_of_an_hour() {
    let mut bench = Bench::new(vec![rule("r", "*", 600.0)]);
    bench.beats(&[WEB], (0..=100).step_by(10));
    bench.engine.incidents.stream.lost_at = Some(at(100.0).mono);
    bench.engine.facts.lost_words = "one was lost".to_owned();
    for (second, is_open) in [(100.0, true), (999.9, true), (1_000.0, false)] {
        bench.engine.arrive(at(second));
        bench.engine.facts.now = at(second);
        let (incidents, view) = bench.engine.split();
        incidents.losses_are(view);
        let open = losing(&bench);
        assert_eq!(open.is_some(), is_open, "{second}");
        let detail = open.map(|(_, incident)| incident.detail.as_str());
        assert!(detail.is_none_or(|detail| detail == "one was lost"));
    }
}

/// A stream that stops for 70 s every 80 s: the fourth stop, from 249 s on, is flapping.
fn flapping() -> Bench {
    let mut bench = Bench::new(vec![rule("r", "*", 600.0)]);
    for second in 0..=368 {
        if second < 250 && second % 80 < 10 {
            bench.say(WEB, "", f64::from(second));
        }
        bench.tick(f64::from(second));
    }
    bench
}

#[test]
fn a_flapping_stream_that_stays_silent_for_two_max_gap_is_a_stall_of_its_own() {
    let mut bench = flapping();
    let before = bench.told().len();
    let flaps = "309 StreamFlapping  opened";
    assert_eq!(bench.told().last(), Some(&flaps), "{:?}", bench.told());
    let last = 249.0;
    bench.tick(last + 119.5);
    assert_eq!(bench.told().len(), before, "{:?}", bench.told());
    for second in [120.0, 121.0, 200.0, 400.0] {
        bench.tick(last + second);
    }
    assert_eq!(
        bench.told()[before..],
        [
            "309 StreamStalled  opened",
            "369 StreamFlapping  closed superseded"
        ]
    );
    let stalled = bench.engine.incidents.stream.stalled;
    assert!(stalled.is_some());
    assert_eq!(bench.engine.incidents.stream.flapping, None);
    bench.say(WEB, "", 700.0);
    bench.tick(700.0);
    let last = bench.notices.last().map(|notice| notice.kind);
    let resolved = NoticeKind::Closed(CloseReason::Resolved);
    assert_eq!(last, Some(resolved), "{:?}", bench.told());
    assert_eq!(bench.engine.incidents.stream.stalled, None);
}
