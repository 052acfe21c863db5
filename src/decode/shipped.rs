//! Entries as sinks take them: their fields, and the JSON of one by a template.

pub mod entry;
pub mod template;
