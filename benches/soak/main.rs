//! The faults that take longer than a test may, run by hand: `cargo bench --bench soak -- table` shows for each
//! fault the time to notice, the time to heal, what was lost after healing and which alerts were raised;
//! `cargo bench --bench soak -- storm 10` throws random faults for ten minutes at 20,000 messages a second;
//! `cargo bench --bench soak -- flood` invents 1,050,000 subjects.
//! Servers are found as the tests find them; the name that stops resolving needs root.

#![expect(
    clippy::disallowed_types,
    reason = "the walls are the product's; a soak opens sockets and shares state"
)]

#[allow(dead_code, reason = "a soak needs some of what the tests need")]
#[path = "../../tests/it/support/mod.rs"]
mod support;

#[allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "a soak needs some of what the bench of the whole program measures, by its clock"
)]
#[path = "../whole/process.rs"]
mod process;

mod alerts;
mod flood;
mod storm;
mod table;

use std::time::Duration;
use support::wait::{since, wait_until, wall};

const BOUND: Duration = Duration::from_secs(3600);

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["table"] => table::run(""),
        ["table", only] => table::run(only),
        ["storm"] => storm::run(10),
        ["storm", minutes] => storm::run(minutes.parse().expect("minutes are a number")),
        ["flood"] => flood::run(1_050_000),
        ["flood", subjects] => flood::run(subjects.parse().expect("subjects are a number")),
        _ => println!("soak: give `table [FAULT]`, `storm [MINUTES]` or `flood [SUBJECTS]`"),
    }
}

/// Lets so many seconds pass.
fn wait(seconds: u64) {
    let from = wall();
    wait_until("time to pass", BOUND, || {
        since(from) >= Duration::from_secs(seconds)
    });
}
