//! One file per subcommand.

pub mod beat;
pub mod check;
pub mod completions;
pub mod demo;
pub mod drill;
pub mod man;
mod peer;
pub mod run;
pub mod silence;
pub mod status;
pub mod tail;
pub mod test;

use crate::app::service::{self, Service};
use crate::format;
use crate::io::feed::MessageSource;
use std::process::ExitCode;

/// Runs a service on a runtime of its own, to the end.
fn serve<S: MessageSource>(service: Service<S>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(err) => return failed(&format!("cannot start: {err}")),
    };
    match runtime.block_on(service::run(service)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => failed(&format::error_chain(&fault)),
    }
}

/// Says why, and gives the exit code of a program that could not do its work.
fn failed(why: &str) -> ExitCode {
    tracing::error!("{why}");
    ExitCode::FAILURE
}
