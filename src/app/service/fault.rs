//! Why the program ends without being asked to.

use crate::app::event_loop::GivenUp;
use crate::io::feed::ConnectionError;
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;

/// Why the program ended without being asked to.
#[derive(Debug, Error)]
pub enum ServiceFault {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address} (LASTBEAT_LISTEN): {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Signals or threads cannot be had.
    #[error("cannot start {part}")]
    Start {
        /// Which part.
        part: &'static str,
        /// Why not.
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
        "the stream is given up: no entry for {} (LASTBEAT_GIVE_UP_AFTER); {}",
        humantime::format_duration(Duration::from_secs(.0.after.as_secs())), .0.words
    )]
    GivenUp(GivenUp),
    /// A part that never ends has ended.
    #[error("{part} ended, which it never should: {why}")]
    Died {
        /// Which part.
        part: String,
        /// What it said.
        why: String,
    },
}
