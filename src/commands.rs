//! One file per subcommand; beside them what several of them need.

pub mod acknowledge;
mod archive_files;
pub mod beat;
pub mod check;
mod client;
pub mod completions;
pub mod demo;
pub mod drill;
mod environment;
pub mod exit;
pub mod logs;
pub mod man;
mod moment;
mod notifiers;
mod recorded;
pub mod refill;
pub mod replay;
pub mod report;
mod rules;
pub mod run;
mod runtime;
mod scope_args;
pub mod silence;
pub mod status;
pub mod suggest;
pub mod tail;
pub mod test;
