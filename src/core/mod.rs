//! The room that **decides**. State and decisions are functions of (state, event, now).
//!
//! Nothing here reads a clock, touches a socket or a file, or knows tokio, serde, tracing or prometheus:
//! `now` is a value that the caller hands in. The wall is held by `clippy.toml`'s bans, which only
//! `clock`, `io` and `app` lift, and by `tests/it/tidy.rs`, which reads this folder's imports.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod alert;
mod awaiting;
pub mod beats;
mod changes;
pub mod copying;
pub mod engine;
pub mod entry;
pub mod export;
mod flap;
pub mod groups;
pub mod incident;
pub mod inventory;
mod judge;
pub mod lag;
mod late;
pub mod life;
mod listed;
pub mod listening;
pub mod names;
pub mod notice;
mod offset;
pub mod outages;
mod record;
pub mod reload;
mod restarts;
mod restore;
mod room;
pub mod rule;
pub mod saved;
mod scope;
pub mod silence;
pub mod snapshot;
mod telling;
#[cfg(test)]
mod tests;
mod texts;
pub mod time;
mod told;
pub mod tracker;
mod unheard;
mod usual;
mod view;
mod watch;
