//! The HTTP listener: `/metrics`, `/healthz`, `/readyz` and the page, open to all; `/api/` for clients that may see it.
//!
//! It must never cost the monitor anything. Connections are counted, each has little time to send its request and to
//! take the answer, and work that takes milliseconds runs on a blocking thread. Streams are read from shared buffers, at
//! each reader's own pace.
//!
//! ```text
//! server (accept, limits) -> router (one list of routes) -> handlers -> dto (JSON)
//!                                 \-> auth (token, session)      \-> backend (the rest of the program)
//! ```

mod auth;
pub mod backend;
mod body_limit;
mod broadcast;
mod compression;
mod connection_limit;
mod descriptors;
pub mod dto;
mod error;
mod etag;
pub mod events;
mod extract;
mod handlers;
pub mod logs;
mod openapi;
mod page;
mod peer;
pub mod readiness;
mod response;
mod router;
pub mod server;
mod sse;
pub mod state;
mod write_timeout;

pub use auth::web_access::WebAccess;
pub use readiness::{Readiness, Reason};
pub use server::serve;
pub use state::AppState;

#[cfg(test)]
mod tests;
