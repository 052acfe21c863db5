//! The room that **connects**: wiring, the loop that owns the core, supervision of tasks, ordered stop.

pub mod delivery;
pub mod ingest;
pub mod keeper;
pub mod logging;
mod pulse;
pub mod service;
