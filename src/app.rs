//! The room that **connects**: wiring, the loop that owns the core, supervision of tasks, ordered stop.

pub mod api;
pub mod archive;
pub mod canary;
pub mod checkpoints;
mod connection_status;
mod connections;
pub mod delivery;
pub mod downstream;
pub mod drill;
pub mod event_loop;
pub mod forward;
pub mod ingest;
pub mod inventory;
pub mod logging;
pub mod notifiers;
pub mod redact;
pub mod refill;
pub mod reload;
pub mod second_opinion;
pub mod self_report;
pub mod service;
pub mod shipping;
pub mod silences;
mod snapshots;
#[cfg(test)]
mod still_silent_tests;
pub mod store_thread;
mod suspend_detector;
pub mod virtual_time;
pub mod watchdog;
pub mod web_token;
mod wiring;
