//! The organisation's NATS server. [`keep`] holds a connection for ever and heals it; `session` is one
//! connection, `trouble` what can be wrong with it, in words.

mod credentials;
mod keep;
mod messages;
mod servers;
mod session;
mod trouble;

pub use keep::keep;
pub use messages::Messages;
