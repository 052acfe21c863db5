//! The black-box tests: the real program against real servers. `tests/run` fetches those.

#![expect(
    clippy::disallowed_types,
    reason = "the walls are the product's; tests open sockets and share state"
)]

mod support;

mod alertmanager;
mod cases;
mod commands;
mod crash;
mod day;
mod drill;
mod faults;
mod fly_toml;
mod harness;
mod inventory;
mod lifecycle;
mod machines;
mod odd_entries;
mod own_faults;
mod recipes;
mod reload;
mod routing;
mod scrape;
mod secrets;
mod sentry;
mod silence;
mod silences;
mod simulation;
mod stall;
mod start;
mod status;
mod stop;
mod tidy;
mod watchdog;
mod webhook;
