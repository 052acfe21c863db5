//! A day of an autoscaled, autostopped, redeployed organisation, in virtual time and from a seed: hangs, crashes, deploys
//! that never come up, a link that is lost again and again, a lag that grows, wrong clocks, slow machines and daily jobs.
//! False alarms are counted, and how long the real deaths went unnoticed.
//!
//! `LASTBEAT_SEEDS=1000 cargo test --release --test it day -- --nocapture` plays a thousand days in each of the three
//! ways to know of machines, and prints the numbers.

mod machine;
mod platform;
mod watch;

use platform::Platform;
use std::time::Duration;
use watch::{Found, Knows, Report};

/// Days of an ordinary run: what fits into a few seconds of a debug build.
const SEEDS: u64 = 2;

/// One day alone, or the first so many.
fn days() -> std::ops::RangeInclusive<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match number("LASTBEAT_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("LASTBEAT_SEEDS").unwrap_or(SEEDS),
    }
}

fn play(knows: Knows) -> Report {
    let hands = std::thread::available_parallelism().map_or(1, |hands| hands.get() as u64);
    let mut report = Report::default();
    std::thread::scope(|scope| {
        let hand = |hand: u64| {
            scope.spawn(move || {
                let mine = days().filter(move |seed| seed % hands == hand);
                let days = mine.map(|seed| watch::day(Platform::new(seed), knows));
                days.fold(Report::default(), Report::and)
            })
        };
        let all: Vec<_> = (0..hands).map(hand).collect();
        for one in all {
            let part = one.join().expect("the day was played");
            report = std::mem::take(&mut report).and(part);
        }
    });
    eprintln!("{knows:?}: {report}");
    let missed = report.deaths.iter().filter(|found| found.after.is_none());
    missed.for_each(|found| eprintln!("{knows:?}: never notified: {}", found.who));
    report
}

#[test]
fn with_inventory_and_lifecycle_lines_nobody_is_alarmed_falsely_and_every_death_is_found_in_time() {
    let report = play(Knows::All);
    assert_eq!(report.false_alarms, Vec::<String>::new());
    assert!(
        report.deaths.len() >= days().count(),
        "each day has its deaths"
    );
    let is_late = |found: &Found| {
        let Found {
            who, after, within, ..
        } = found;
        let limit = *within + Duration::from_secs(30);
        let in_time = after.is_some_and(|after| after <= limit);
        (!in_time).then(|| format!("{who}: {after:?}, allowed {limit:?}"))
    };
    let late: Vec<String> = report.deaths.iter().filter_map(is_late).collect();
    assert_eq!(late, Vec::<String>::new());
}

#[test]
fn without_the_inventory_every_death_is_found_all_the_same() {
    let report = play(Knows::Lines);
    assert!(
        report.deaths.iter().all(|found| found.after.is_some()),
        "{report}"
    );
}

#[test]
fn without_lifecycle_lines_the_inventory_alone_prevents_false_alarms() {
    let report = play(Knows::Inventory);
    assert_eq!(report.false_alarms, Vec::<String>::new());
    // Nothing shows a start after a named bye where no answer fell into its seconds.
    let mut shown = report.deaths.iter().filter(|found| !found.is_unlisted);
    assert!(shown.all(|found| found.after.is_some()), "{report}");
}
