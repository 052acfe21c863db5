//! The organisation's NATS server. [`supervise`] holds a connection for ever and heals it; `session` is one connection,
//! `connection_error` its faults as texts, and `yield_waker` makes the client yield to the reader of its messages.

mod connection_error;
mod credentials;
mod messages;
mod parse_faults;
mod servers;
mod session;
mod supervisor;
mod tls_files;
mod yield_waker;

pub use credentials::check;
pub use messages::Messages;
pub use parse_faults::{Only as OnlyParseFaults, ParseFaults};
pub use supervisor::supervise;
