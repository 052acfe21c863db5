//! The organisation's NATS server. [`supervise`] holds a connection for ever and heals it; `session` is one
//! connection, `connection_error` what can be wrong with it, in words; by `yield_waker` the client gives way to whoever takes its messages.

mod connection_error;
mod credentials;
mod messages;
mod servers;
mod session;
mod supervisor;
mod yield_waker;

pub use messages::Messages;
pub use supervisor::supervise;
