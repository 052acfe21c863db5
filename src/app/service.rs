//! The running program: starts the parts, supervises them, and stops them in order.

mod core_thread;
mod fault;
mod restore;
mod start;
mod stop;
mod supervision;
mod web;

pub use core_thread::Feeder;
pub use fault::ServiceFault;
pub use start::Service;

use crate::io::feed::MessageSource;
use std::sync::Arc;
use supervision::Signals;

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// A part could not start, or ended by itself.
pub async fn run<S: MessageSource>(service: Service<S>) -> Result<(), ServiceFault> {
    let mut signals = Signals::new().map_err(|source| ServiceFault::Start {
        part: "signal handling",
        source,
    })?;
    let mut parts = start::start(service).await?;
    let outcome = parts.supervise(&mut signals).await;
    let stopping = parts.readiness.load().stopping();
    parts.readiness.store(Arc::new(stopping));
    parts.stop().await;
    outcome
}
