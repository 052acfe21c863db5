//! The faults that end the program.

use crate::app::event_loop::GivenUp;
use crate::io::feed::ConnectionError;
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;

/// A fault that ends the program.
#[derive(Debug, Error)]
pub enum ServiceFault {
    /// The address is in use, or not this machine's.
    #[error(
        "cannot listen on {address} (LASTBEAT_LISTEN): {error}{}",
        occupied(error)
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error; not a source, since the text has it.
        error: std::io::Error,
    },
    /// Signals or threads cannot be had.
    #[error("cannot start {part}")]
    Start {
        /// The part.
        part: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
    /// The state file is not for this program.
    #[error("{0}")]
    State(String),
    /// The stream will never come.
    #[error("{}", .0.message)]
    Feed(ConnectionError),
    /// No entry came for so long that a fresh start elsewhere is the better chance.
    #[error(
        "giving up the stream: no entry for {} (LASTBEAT_GIVE_UP_AFTER); {}",
        humantime::format_duration(Duration::from_secs(.0.after.as_secs())), .0.words
    )]
    GivenUp(GivenUp),
    /// The process has grown to its limit.
    #[error(
        "memory has grown to {} MB of {} MB (LASTBEAT_MAX_MEMORY): stopping, so that the supervisor restarts lastbeat. \
         More instances than fit need more memory or a lower LASTBEAT_MAX_INSTANCES; else look whether NATS_URL is a \
         server to be trusted",
        .used / 1_000_000, .limit / 1_000_000
    )]
    Memory {
        /// Bytes in use.
        used: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A part that never ends has ended.
    #[error("{part} ended unexpectedly: {why}")]
    Died {
        /// The part.
        part: String,
        /// Its error.
        why: String,
    },
}

/// Advice where another program has the address; empty for other errors.
fn occupied(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::AddrInUse => {
            "; most likely another lastbeat, or Prometheus, whose port is the same: choose another one by --listen"
        }
        _ => "",
    }
}
