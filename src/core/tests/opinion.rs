//! The second opinion: a single silence waits for the platform's own logs, briefly, and nothing else waits.

use crate::core::targets::question::{Opinion, Question};
use crate::core::tests::bench::{Bench, at, rule};

const ALL: [&str; 4] = ["web.iad.a", "api.lhr.b", "job.nrt.c", "log.fra.x"];

/// Beats each 10 s, of all until 20 s and of these from 30 s on; looks each second.
fn bench(living: &[&str], until: u64) -> Bench {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.engine.facts.options.second_opinion = true;
    bench.beats(&ALL, [0, 10, 20]);
    go_on(&mut bench, living, 21, until);
    bench
}

fn go_on(bench: &mut Bench, living: &[&str], from: u64, until: u64) {
    for second in from..=until {
        if second % 10 == 0 {
            bench.beats(living, [second]);
        }
        bench.entry("log.fra.x", second as f64);
        bench.tick(second as f64);
    }
}

fn asked(bench: &mut Bench) -> Vec<String> {
    let questions = bench.engine.take_questions().into_iter();
    questions.map(|one| one.subject.to_string()).collect()
}

fn answer(bench: &mut Bench, subject: &str, opinion: Opinion, second: f64) {
    let question = Question {
        target: target_of(bench, subject),
        subject: subject.into(),
        marker: "HEARTBEAT".into(),
        name: "".into(),
    };
    bench.engine.opinion(&question, opinion, at(second));
    bench.tick(second);
}

fn target_of(bench: &Bench, subject: &str) -> u32 {
    let id = bench.engine.find(subject).expect("it is known");
    let mut beats = bench.engine.facts.tracker.beats_of(id);
    let beat = beats.next().expect("it beats");
    bench.engine.facts.tracker.beat_row(beat).target
}

#[test]
fn a_single_silence_waits_three_seconds_at_most_and_is_told_once() {
    let mut bench = bench(&ALL[1..], 52);
    assert_eq!(asked(&mut bench), ["logs.web.iad.a"]);
    assert_eq!(bench.told(), [""; 0], "it waits");
    go_on(&mut bench, &ALL[1..], 53, 200);
    assert_eq!(bench.told(), ["50 HeartbeatMissed a opened"]);
    assert_eq!(asked(&mut bench), [""; 0], "it is not asked again");
}

#[test]
fn an_answer_ends_the_wait_and_a_beat_found_there_blames_the_stream() {
    for (opinion, told) in [
        (Opinion::NoBeat, vec!["50 HeartbeatMissed a opened"]),
        (Opinion::Unknown, vec!["50 HeartbeatMissed a opened"]),
        // The beat of 20 s, said a moment before it came: nothing new.
        (
            Opinion::Beat(at(19.5).wall),
            vec!["50 HeartbeatMissed a opened"],
        ),
        (Opinion::Beat(at(40.0).wall), vec!["52 StreamLossy  opened"]),
    ] {
        let mut bench = bench(&ALL[1..], 51);
        assert_eq!(asked(&mut bench), ["logs.web.iad.a"]);
        answer(&mut bench, "logs.web.iad.a", opinion, 51.5);
        go_on(&mut bench, &ALL[1..], 52, 60);
        assert_eq!(bench.told(), told, "{opinion:?}");
    }
}

#[test]
fn after_a_beat_that_was_lost_a_death_is_found_and_the_stream_is_well_after_a_while() {
    let mut bench = bench(&ALL[1..], 51);
    answer(
        &mut bench,
        "logs.web.iad.a",
        Opinion::Beat(at(40.0).wall),
        51.5,
    );
    go_on(&mut bench, &ALL[1..], 52, 71);
    asked(&mut bench);
    answer(
        &mut bench,
        "logs.web.iad.a",
        Opinion::Beat(at(40.0).wall),
        71.5,
    );
    go_on(&mut bench, &ALL[1..], 72, 1_000);
    assert_eq!(
        bench.told(),
        [
            "52 StreamLossy  opened",
            "70 HeartbeatMissed a opened",
            "952 StreamLossy  closed resolved"
        ]
    );
}

#[test]
fn one_that_is_heard_while_it_waits_is_not_told_and_asks_anew_the_next_time() {
    let mut bench = bench(&ALL[1..], 51);
    assert_eq!(asked(&mut bench).len(), 1);
    bench.say(ALL[0], "", 51.5);
    go_on(&mut bench, &ALL[1..], 52, 82);
    assert_eq!(bench.told(), [""; 0]);
    assert_eq!(asked(&mut bench), ["logs.web.iad.a"]);
}

#[test]
fn silences_of_one_app_or_region_wait_for_nobody() {
    let all = ["web.iad.a", "web.lhr.b", "api.iad.c", "log.fra.x"];
    for (dead, living) in [
        (&all[..2], &all[2..]),
        (&[all[0], all[2]], &[all[1], all[3]]),
    ] {
        let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
        bench.engine.facts.options.second_opinion = true;
        bench.beats(&all, [0, 10, 20]);
        go_on(&mut bench, living, 21, 51);
        let opened = bench
            .told()
            .iter()
            .filter(|line| line.contains("opened"))
            .count();
        assert_eq!(opened, 1, "{dead:?}: {:?}", bench.told());
    }
}

#[test]
fn a_beat_in_the_other_copy_is_news_if_it_came_more_than_half_an_interval_after_the_last() {
    for (said, is_news) in [(24.5, false), (25.0, false), (25.25, true)] {
        let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
        bench.engine.facts.options.second_opinion = true;
        for second in [0, 10, 20] {
            ALL.iter().for_each(|who| {
                bench.say(who, "every=10", f64::from(second));
            });
        }
        go_on(&mut bench, &ALL[1..], 21, 51);
        answer(
            &mut bench,
            "logs.web.iad.a",
            Opinion::Beat(at(said).wall),
            51.5,
        );
        let opened = bench
            .told()
            .first()
            .map(|line| line.contains("StreamLossy"));
        assert_eq!(opened, Some(is_news), "{said}: {:?}", bench.told());
    }
}

#[test]
fn a_beat_in_the_other_copy_ends_the_wait_as_of_its_own_time() {
    let mut bench = bench(&ALL[1..], 51);
    let before = bench.said.len();
    answer(
        &mut bench,
        "logs.web.iad.a",
        Opinion::Beat(at(40.0).wall),
        51.5,
    );
    assert_eq!(bench.said[before], "40 pending -> ok web.iad.a");
}
