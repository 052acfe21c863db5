//! Targets of rules and their alerts.

pub mod confirmation;
pub mod groups;
pub mod signs;
pub mod table;
pub mod usual;
