//! The room that gives text a **type**: bytes or text in, core values or a list of faults out. No I/O, no clock.

pub mod acknowledge_request;
pub mod active_hours;
pub mod api_query;
pub mod archive_line;
pub mod beat;
pub mod canary;
pub mod downstream;
pub mod fly_logs;
pub mod globs;
mod http_url;
pub mod inventory;
pub mod json_entry;
pub mod lifecycle;
pub mod log_level;
pub mod log_line;
mod lone_surrogates;
mod nearest;
mod quoted;
pub mod redact;
pub mod rules_file;
pub mod schedule;
pub mod settings;
pub mod silence_request;
pub mod subject;
pub mod subscription;
pub mod test_file;
mod unique_keys;
