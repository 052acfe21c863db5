//! The faults that take longer than a test may, run by hand: `cargo bench --bench soak -- table` shows for each
//! fault the time to notice, the time to heal, what was lost after healing and which alerts were raised;
//! `cargo bench --bench soak -- storm 10` throws random faults for ten minutes at 20,000 messages a second.
//! Servers are found as the tests find them; the name that stops resolving needs root.

#![expect(
    clippy::disallowed_types,
    reason = "the walls are the product's; a soak opens sockets and shares state"
)]

#[allow(dead_code, reason = "a soak needs some of what the tests need")]
#[path = "../../tests/it/support/mod.rs"]
mod support;

mod alerts;
mod storm;
mod table;

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
        _ => println!("soak: give `table [FAULT]` or `storm [MINUTES]`"),
    }
}
