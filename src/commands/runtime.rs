//! The runtime that a command works on: one thread.

use super::exit::Stop;
use crate::app::service::{self, Service};
use crate::format;
use crate::io::feed::MessageSource;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};

/// Makes it.
pub(super) fn runtime() -> Result<Runtime, Stop> {
    let made = Builder::new_current_thread().enable_all().build();
    made.map_err(|fault| Stop::failed(format!("cannot start: {fault}")))
}

/// Runs a service to its end.
pub(super) fn serve<S: MessageSource>(service: Service<S>) -> Result<ExitCode, Stop> {
    let served = runtime()?.block_on(service::run(service));
    served.map_err(|fault| Stop::failed(format::error_chain(&fault)))?;
    Ok(ExitCode::SUCCESS)
}
