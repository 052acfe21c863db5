//! The room that **connects**: wiring, the loop that owns the core, supervision of tasks, ordered stop.

pub mod api;
pub mod archive;
pub mod canary;
mod copier;
pub mod delivery;
pub mod drill;
pub mod ingest;
pub mod inventory;
pub mod keeper;
pub mod logging;
pub mod mask;
pub mod notifiers;
pub mod own_faults;
mod pulse;
pub mod rehearsal;
pub mod reload;
pub mod scribe;
pub mod service;
mod sight;
pub mod silences;
mod taps;
pub mod watchdog;
