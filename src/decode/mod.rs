//! The room that gives text a **type**: bytes or text in, core values or a list of faults out. No I/O, no clock.

pub mod beat;
pub mod log_line;
pub mod rules_file;
pub mod settings;
pub mod subject;
