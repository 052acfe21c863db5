//! The numbers in docs/how-it-decides.md are those in the code: each row is a phrase of the page, and the constant that it is
//! about. Whoever changes one is sent to the other.

use crate::support::testbed::project;

const PAGE: &str = "docs/how-it-decides.md";

/// A phrase of the page, a file, and a line of it.
const NUMBERS: [(&str, &str, &str); 34] = [
    (
        "three times the longest interval of the last 10 to 20 minutes",
        "core/listening/pauses.rs",
        "FACTOR: u32 = 3;",
    ),
    (
        "of the last 10 to 20 minutes",
        "core/listening/pauses.rs",
        "WINDOW: Duration = Duration::from_secs(600);",
    ),
    (
        "and from 3 s on",
        "core/listening/pauses.rs",
        "SHORTEST: Duration = Duration::from_secs(3);",
    ),
    (
        "Five pauses in a row",
        "core/listening/pauses.rs",
        "ROW: u8 = 5;",
    ),
    (
        "more than ten times the usual length",
        "core/listening/pauses.rs",
        "VERY_LONG: u32 = 10;",
    ),
    (
        "are usual for a day",
        "core/listening/pauses.rs",
        "DAY: Duration = Duration::from_secs(24 * 3600);",
    ),
    (
        "give or take a tenth of the interval",
        "core/listening.rs",
        "half.min(interval / 10)",
    ),
    (
        "more than a fifth of the last 15 minutes",
        "core/incident/stream.rs",
        "BLIND_WINDOW: Duration = Duration::from_secs(900);",
    ),
    (
        "in three stretches or more",
        "core/incident/stream.rs",
        "BLIND_STRETCHES: u32 = 3;",
    ),
    (
        "a fifth of the last 15 minutes, in three stretches or more, and closes below a tenth",
        "core/incident/stream.rs",
        "let share = if was { 10 } else { 5 };",
    ),
    (
        "more than half of the last 5 minutes",
        "app/connection_status.rs",
        "MOSTLY_BLIND: f64 = 0.5;",
    ),
    (
        "k is 3, or more where lost heartbeats would make more",
        "core/rule.rs",
        "AUTO_FACTOR: u32 = 3;",
    ),
    (
        "at least 30 s, and 1 s",
        "core/rule.rs",
        "AUTO_FLOOR: Duration = Duration::from_secs(30);",
    ),
    (
        "at least 1 s and at most half of the interval",
        "core/rule.rs",
        "AUTO_SLACK: Duration = Duration::from_secs(1);",
    ),
    (
        "the longest of its last 16 to 32 intervals",
        "core/tracker/usual.rs",
        "WINDOW: u32 = 16;",
    ),
    (
        "Two intervals are enough",
        "core/tracker/usual.rs",
        "ENOUGH: u32 = 2;",
    ),
    (
        "its alert fires after an hour",
        "core/rule.rs",
        "AUTO_LEARNING: Duration = Duration::from_secs(3600);",
    ),
    (
        "about as long (within a half)",
        "core/targets/new_rhythms.rs",
        "u64::from(long) * 2 <= u64::from(short) * 3",
    ),
    (
        "blind for more than a tenth",
        "core/targets/threshold.rs",
        "blind * 10 <= interval",
    ),
    (
        "`[stream]` is `\"auto\"` by default: 60 s",
        "core/rule.rs",
        "STREAM_MAX_GAP: Duration = Duration::from_secs(60);",
    ),
    (
        "a heartbeat that is 5 s later",
        "core/tracker/offset.rs",
        "LATE_MS: i64 = 5_000;",
    ),
    (
        "a region that lags for 30 s",
        "core/evaluate.rs",
        "REGION_LAGS_AFTER: Duration = Duration::from_secs(30);",
    ),
    (
        "prints a line of its own every 10 s",
        "decode/canary.rs",
        "DEFAULT_EVERY: Duration = Duration::from_secs(10);",
    ),
    (
        "for two minutes after the platform reports",
        "core/targets/lifecycle.rs",
        "STOPS_WITHIN: Duration = Duration::from_secs(120);",
    ),
    (
        "once it had a minute to follow",
        "core/inventory/listing.rs",
        "FOLLOWS_WITHIN: Duration = Duration::from_secs(60);",
    ),
    (
        "remembered for 35 days",
        "core/targets/forgetting.rs",
        "REMEMBER_STOPPED: Duration = Duration::from_secs(35 * 86_400);",
    ),
    (
        "`forget_after` (24 h)",
        "core/rule.rs",
        "FORGET_AFTER: Duration = Duration::from_secs(24 * 3600);",
    ),
    (
        "the page lists it for 30 days",
        "io/http/dto/forgotten.rs",
        "REACH: Duration = Duration::from_secs(30 * 24 * 3600);",
    ),
    (
        "waits up to 5 s for an answer",
        "core/targets/confirmation.rs",
        "AWAITED_FOR: Duration = Duration::from_secs(5);",
    ),
    (
        "polls it every 30 s",
        "app/inventory/poll_schedule.rs",
        "EVERY: Duration = Duration::from_secs(24);",
    ),
    (
        "reported as stuck after 5 minutes",
        "core/inventory/listing.rs",
        "STUCK_AFTER: Duration = Duration::from_secs(300);",
    ),
    (
        "at most six times an hour",
        "core/incident/restart_limit.rs",
        "RESTARTS_AN_HOUR: usize = 6;",
    ),
    (
        "writes last-seen times every five seconds",
        "app/checkpoints.rs",
        "EVERY: Duration = Duration::from_secs(5);",
    ),
    (
        "History is kept for 93 days",
        "io/store/incidents.rs",
        "KEPT_FOR: Duration = Duration::from_secs(93 * 24 * 3600);",
    ),
];

#[test]
fn the_page_has_the_numbers_of_the_code() {
    let read = |name: &str| {
        let text = std::fs::read_to_string(project().join(name));
        text.unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let page = read(PAGE);
    let faults = NUMBERS.iter().filter_map(|(phrase, file, line)| {
        fault(&page, phrase, &read(&format!("src/{file}")), (file, line))
    });
    let faults: Vec<String> = faults.collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn fault(page: &str, phrase: &str, code: &str, (file, line): (&str, &str)) -> Option<String> {
    // Lines of the page may break anywhere.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    if !words(page).contains(&words(phrase)) {
        return Some(format!("{PAGE} does not say \"{phrase}\" any more"));
    }
    let known = code.contains(line);
    (!known).then(|| format!("src/{file} has no `{line}`, of which {PAGE} says \"{phrase}\""))
}

#[test]
fn a_number_that_changed_is_found() {
    let found = |page: &str, code: &str| fault(page, "for 2 s", code, ("a.rs", "WAIT: u64 = 2;"));
    assert_eq!(
        found("it waits for\n2 s or so", "const WAIT: u64 = 2;"),
        None
    );
    assert!(found("it waits for 3 s", "const WAIT: u64 = 2;").is_some());
    assert!(found("it waits for 2 s", "const WAIT: u64 = 3;").is_some());
}
