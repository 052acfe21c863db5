mod model;

use super::*;

fn at(seconds: u64) -> Mono {
    Mono::from_nanos(seconds * 1_000_000_000)
}

fn clock(arrivals: &[u64]) -> Listening {
    let mut clock = Listening::new(at(0));
    arrivals.iter().for_each(|&s| clock.arrival(at(s), false));
    clock
}

#[test]
fn only_the_time_between_arrivals_counts() {
    assert_eq!(clock(&[]).listened(), Listened::ZERO);
    assert_eq!(
        clock(&[7]).listened(),
        Listened::ZERO,
        "what lies before the first arrival is not evidenced"
    );
    assert_eq!(clock(&[7, 9, 12]).listened().seconds(), 5.0);
}

#[test]
fn a_tainted_interval_is_blind_whole_and_the_next_one_counts_again() {
    let mut clock = clock(&[0, 10]);
    clock.blinded(Blind::Disconnected);
    clock.blinded(Blind::Stalled);
    assert_eq!(
        clock.blind(Blind::Disconnected, at(15)),
        Duration::from_secs(5),
        "the interval that runs shows"
    );
    assert_eq!(clock.blind(Blind::Stalled, at(15)), Duration::ZERO);
    clock.arrival(at(70), false);
    clock.arrival(at(75), false);
    assert_eq!(clock.listened().seconds(), 15.0);
    assert_eq!(
        clock.blind(Blind::Disconnected, at(99)),
        Duration::from_secs(60),
        "the first reason has it"
    );
    assert_eq!(clock.blind(Blind::Stalled, at(99)), Duration::ZERO);
}

#[test]
fn a_date_is_found_across_blind_intervals() {
    let mut clock = clock(&[0, 10]);
    clock.blinded(Blind::Disconnected);
    clock.arrival(at(70), false);
    clock.arrival(at(75), false);
    let shows = |s: u64| clock.date_of(Listened::from_nanos(s * 1_000_000_000));
    assert_eq!(
        (shows(4), shows(10), shows(11), shows(15), shows(20)),
        (at(4), at(10), at(71), at(75), at(80))
    );
}

#[test]
fn lost_messages_make_all_since_the_last_clean_check_blind() {
    let mut clock = clock(&[0, 10]);
    clock.intact();
    clock.arrival(at(11), false);
    clock.dropped();
    assert_eq!(clock.listened().seconds(), 10.0);
    assert_eq!(clock.blind(Blind::Dropped, at(11)), Duration::from_secs(1));
    clock.arrival(at(12), false);
    assert_eq!(
        clock.blind(Blind::Dropped, at(12)),
        Duration::from_secs(2),
        "the interval that ran is blind too"
    );
    clock.arrival(at(15), false);
    assert_eq!(clock.listened().seconds(), 13.0);
}

#[test]
fn after_a_suspension_the_stream_is_quiet_from_the_waking_on() {
    let mut clock = clock(&[0, 10]);
    clock.suspended(at(310));
    assert_eq!(clock.quiet_since(), at(310));
    clock.arrival(at(311), false);
    assert_eq!(
        clock.blind(Blind::Suspended, at(311)),
        Duration::from_secs(301)
    );
}

#[test]
fn a_pause_in_which_nobody_was_missed_is_left_out_of_what_no_incident_reports() {
    let steady: Vec<u64> = (0..=10).collect();
    for missed in [false, true] {
        let mut clock = clock(&steady);
        assert_eq!(clock.unexplained_pause(at(13)), None, "as usual");
        assert_eq!(clock.unexplained_pause(at(30)), Some(at(10)));
        clock.arrival(at(30), missed);
        let hour = Duration::from_secs(3_600);
        let time = |unreported| clock.blindness(at(30), hour, unreported).time.as_secs();
        assert_eq!((time(false), time(true)), (20, if missed { 20 } else { 0 }));
    }
}

#[test]
fn a_known_reason_explains_a_pause() {
    let mut clock = clock(&[0, 1, 2]);
    clock.blinded(Blind::Disconnected);
    assert_eq!(clock.unexplained_pause(at(90)), None);
}

#[test]
fn of_an_earlier_run_the_last_blind_intervals_are_kept() {
    let kept = |count: usize| {
        let interval = |n| {
            let from = at(10 * n as u64);
            BlindInterval::new(
                from,
                from + Duration::from_secs(1),
                Blind::Down,
                Listened::ZERO,
            )
        };
        let blind = (0..count).map(interval);
        let clock = Listening::resumed(Some(at(90_000)), Listened::ZERO, blind, at(90_000));
        let first = clock.ledger().next().map(|first| first.from);
        (clock.ledger().len(), first)
    };
    assert_eq!(kept(LEDGER), (LEDGER, Some(at(0))));
    assert_eq!(kept(LEDGER + 2), (LEDGER, Some(at(20))));
}
