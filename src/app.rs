//! The room that **connects**: wiring, the loop that owns the core, supervision of tasks, ordered stop.

pub mod canary;
pub mod delivery;
pub mod ingest;
pub mod keeper;
pub mod logging;
pub mod notifiers;
mod pulse;
pub mod rehearsal;
pub mod reload;
pub mod service;
mod sight;
pub mod silences;
mod taps;
