//! The handlers, a file for each thing that can be asked for. The comments on them are the descriptions in `openapi.json`.

pub(super) mod apps;
pub(super) mod downstream;
pub(super) mod drill;
pub(super) mod entries;
pub(super) mod forgotten;
pub(super) mod incidents;
pub(super) mod instances;
pub(super) mod live;
pub(super) mod probes;
pub(super) mod report;
pub(super) mod sign_in;
pub(super) mod silences;
pub(super) mod status;
