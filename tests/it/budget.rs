//! The budget of false alarms, played to the core in virtual time: beats are lost on the way, alone or in runs, and nobody is
//! dead until the end, when some are.
//!
//! `LASTBEAT_BUDGET_SEEDS=20 LASTBEAT_BUDGET_DAYS=30 cargo test --release --test it budget -- --nocapture` plays the large
//! form and prints a table.

mod fleet;

use fleet::{Fleet, Loss, Report};
use lastbeat::core::rule::{FalseAlarms, MaxGap, Rule};
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(30);
const MONTH: f64 = 30.0;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Plays a fleet with as many seeds and days as the environment asks for, else with these.
fn play(fleet: &Fleet, seeds: u64, days: u64) -> Report {
    let seeds = setting("LASTBEAT_BUDGET_SEEDS").unwrap_or(seeds);
    let days = setting("LASTBEAT_BUDGET_DAYS").unwrap_or(days);
    let hands = std::thread::available_parallelism().map_or(1, |hands| hands.get() as u64);
    let mut report = Report::default();
    std::thread::scope(|scope| {
        let hand = |hand: u64| {
            scope.spawn(move || {
                let mine = (1..=seeds).filter(move |seed| seed % hands == hand);
                let lives = mine.map(|seed| fleet.live(seed, days));
                lives.fold(Report::default(), Report::and)
            })
        };
        let all: Vec<_> = (0..hands).map(hand).collect();
        for one in all {
            let part = one.join().expect("the days were played");
            report = std::mem::take(&mut report).and(part);
        }
    });
    let per_month = report.false_alarms as f64 / (seeds * days) as f64 * MONTH;
    eprintln!(
        "| {} | {} | {} | {} | {per_month:.2} | {} s |",
        fleet.loss.name(),
        if fleet.counts { "yes" } else { "no" },
        if fleet.rule.max_gap == MaxGap::Auto {
            "budget"
        } else {
            "3"
        },
        report.factor,
        report.slowest.as_secs(),
    );
    report
}

fn rule(max_gap: MaxGap) -> Rule {
    fleet::rule(max_gap, FalseAlarms::default())
}

/// A thousand instances, or a tenth of them for a tenth of the beats' time where the run is small.
fn fleet(loss: Loss, counts: bool, max_gap: MaxGap) -> Fleet {
    let large = setting("LASTBEAT_BUDGET_SEEDS").is_some();
    Fleet {
        instances: if large { 1_000 } else { 100 },
        every: EVERY,
        loss,
        counts,
        rule: rule(max_gap),
    }
}

/// Three intervals and the slack: what "auto" was without a budget.
const THREE: MaxGap = MaxGap::Fixed(Duration::from_secs(91));

#[test]
fn lost_beats_make_no_more_false_alarms_than_the_budget_and_deaths_are_found_in_time() {
    for (loss, at_most) in [
        (Loss::alone(0.001), 1),
        (Loss::alone(0.01), 1),
        (Loss::alone(0.05), 1),
        (Loss::in_runs(0.01), 2),
    ] {
        let report = play(&fleet(loss, true, MaxGap::Auto), 1, 1);
        let lives = setting("LASTBEAT_BUDGET_SEEDS").unwrap_or(1);
        assert!(
            report.false_alarms <= at_most * lives,
            "{}: {} false alarms in {lives} lives",
            loss.name(),
            report.false_alarms
        );
        let limit = EVERY * report.factor + Duration::from_secs(2);
        assert!(
            report.slowest <= limit,
            "{}: a death was found after {:?}, with {} intervals",
            loss.name(),
            report.slowest,
            report.factor
        );
        assert_eq!(report.unfound, 0, "{}", loss.name());
    }
}

#[test]
fn few_instances_that_lose_three_in_a_row_learn_of_it_at_the_first_false_alarm() {
    let fleet = Fleet {
        instances: 12,
        ..fleet(Loss::in_runs(0.01), true, MaxGap::Auto)
    };
    let report = play(&fleet, 1, 2);
    assert!(report.false_alarms <= 2, "{}", report.false_alarms);
    assert!(report.factor >= 4, "{}", report.factor);
}

#[test]
fn three_intervals_cry_wolf_where_one_beat_in_twenty_is_lost() {
    let report = play(&fleet(Loss::alone(0.05), true, THREE), 1, 1);
    assert!(
        report.false_alarms > 5,
        "{} false alarms",
        report.false_alarms
    );
}

#[test]
fn without_loss_a_small_fleet_waits_for_three_beats() {
    let fleet = Fleet {
        instances: 12,
        ..fleet(Loss::alone(0.0), true, MaxGap::Auto)
    };
    let report = play(&fleet, 1, 1);
    assert_eq!((report.false_alarms, report.factor), (0, 3));
    assert!(
        report.slowest <= Duration::from_secs(92),
        "{:?}",
        report.slowest
    );
}

#[test]
fn a_daily_job_is_missed_after_a_tenth_of_a_day() {
    let fleet = Fleet {
        instances: 1,
        every: Duration::from_secs(86_400),
        ..fleet(Loss::alone(0.0), true, MaxGap::Auto)
    };
    let report = fleet.live(1, 2);
    assert_eq!(
        (report.false_alarms, report.factor, report.unfound),
        (0, 1, 0)
    );
    let limit = Duration::from_secs(26 * 3600 + 1800);
    assert!(report.slowest <= limit, "{:?}", report.slowest);
}

#[test]
fn a_fleet_that_grows_tenfold_takes_back_no_alert() {
    fleet::grow(&rule(MaxGap::Auto));
}

#[test]
fn outages_and_incidents_are_no_loss() {
    fleet::outages(&rule(MaxGap::Auto));
}

/// Every loss, with and without `seq=`, with three intervals and with the budget: in the large run alone.
#[test]
fn tables() {
    if setting("LASTBEAT_BUDGET_SEEDS").is_none() {
        return;
    }
    for share in [0.001, 0.01, 0.05] {
        for loss in [Loss::alone(share), Loss::in_runs(share)] {
            for counts in [true, false] {
                for max_gap in [THREE, MaxGap::Auto] {
                    play(&fleet(loss, counts, max_gap), 1, 1);
                }
            }
        }
    }
}
