//! The black-box tests: the real program against real servers. `tests/run` fetches those.

#![expect(
    clippy::disallowed_types,
    reason = "the walls are the product's; tests open sockets and share state"
)]

mod support;

mod access;
mod alertmanager;
mod archive;
mod budget;
mod cases;
mod causes;
mod chaos;
mod commands;
mod compression;
mod crash;
mod dashboards;
mod day;
mod deploy;
mod downstream;
mod drill;
mod events;
mod faults;
mod flood;
mod fly_toml;
mod harness;
mod inventory;
mod lifecycle;
mod limits;
mod machines;
mod nats_identity;
mod odd_entries;
mod openapi;
mod page;
mod recipes;
mod refill;
mod release;
mod reload;
mod routing;
mod scale;
mod scrape;
mod secrets;
mod security;
mod self_report;
mod sentry;
mod sharding;
mod silence;
mod silences;
mod simulation;
mod stall;
mod start;
mod status;
mod stop;
mod subjects;
mod tail;
mod teams;
mod terminal;
mod tidy;
mod token;
mod upgrade;
mod watchdog;
mod webhook;
