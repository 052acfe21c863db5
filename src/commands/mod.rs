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
use crate::io::feed::Source;
use crate::words;
use std::process::ExitCode;

/// Runs a service on a runtime of its own, to the end.
fn serve<S: Source>(service: Service<S>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(err) => return failed(&format!("cannot start: {err}")),
    };
    // As a task: to wake what a runtime blocks on takes a system call each time.
    let ended = runtime.block_on(async { tokio::spawn(service::run(service)).await });
    match ended {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(fault)) => failed(&words::chain(&fault)),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

/// Says why, and gives the exit code of a program that could not do its work.
fn failed(why: &str) -> ExitCode {
    tracing::error!("{why}");
    ExitCode::FAILURE
}
