//! The black-box tests: the real program against real servers. `tests/run` fetches those.

#![expect(
    clippy::disallowed_types,
    reason = "the walls are the product's; tests open sockets and share state"
)]

mod support;

mod commands;
mod fly_toml;
mod harness;
mod odd_entries;
mod scrape;
mod silence;
mod stall;
mod start;
mod stop;
mod tidy;
