//! The room that **decides**. State and decisions are functions of (state, event, now).
//!
//! Nothing here reads a clock, touches a socket or a file, or knows tokio, serde, tracing or prometheus:
//! `now` is a value that the caller hands in. The wall is held by `clippy.toml`'s bans, which only
//! `clock`, `io` and `app` lift, and by `tests/it/tidy.rs`, which reads this folder's imports.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod acknowledge;
pub mod archive_rule;
pub mod capacity;
pub mod downstream;
pub mod downstream_reports;
pub mod engine;
pub mod entry;
pub mod evaluate;
pub mod facts;
mod forgetting;
pub mod globs;
pub mod incident;
pub mod inventory;
pub mod lag;
pub mod last_words;
pub mod listening;
pub mod notice;
pub mod options;
pub mod output;
pub mod persist;
pub mod rule;
pub mod severity;
pub mod silence;
pub mod sink_rule;
pub mod snapshot;
pub mod targets;
#[cfg(test)]
mod tests;
pub mod time;
pub mod tracker;
