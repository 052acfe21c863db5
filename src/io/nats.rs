//! The organisation's NATS server. [`keep`] holds a connection for ever and heals it; `session` is one
//! connection, `trouble` what can be wrong with it, in words; by `way` the client gives way to whoever takes its messages.

mod credentials;
mod keep;
mod messages;
mod servers;
mod session;
mod trouble;
mod way;

pub use keep::keep;
pub use messages::Messages;
