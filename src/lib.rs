//! lastbeat notices within seconds when logs go quiet, and says which hop went quiet.
//!
//! # Bird's eye
//!
//! ```text
//! NATS -> decode -> core (tracker, rules, alerts, scope, silences) -> delivery (outbox) -> notifiers
//!                      \-> snapshot -> /metrics, API
//! ```
//!
//! Entries arrive from a [`io::feed::MessageSource`]. [`app::ingest`] takes each one to the [`core::engine`], which
//! remembers each last sign of life, on a clock that runs only while lastbeat can receive ([`core::listening`]).
//! [`core::engine::Engine::evaluate`] evaluates the deadlines that have passed and gives changes and notices;
//! [`app::delivery`] sends each notice to every notifier until it is accepted.
//!
//! # Rooms
//!
//! One question for any line of code: does it decide, give text a type, touch the world, or connect those?
//!
//! | room | what it does | what it must not know |
//! | --- | --- | --- |
//! | [`core`] | decides: functions of (state, event, now) | clock, tokio, serde, tracing, any I/O |
//! | [`decode`] | gives bytes and text a type, or a list of faults | I/O, clock |
//! | [`format`](mod@crate::format) | gives notices their words for people, the way back from `decode` | I/O, clock |
//! | [`io`] | touches: one file per outside party | each other, and the core's state |
//! | [`app`] | connects: the loop that owns the core, delivery, supervision, stop | |
//! | [`commands`] | one file per subcommand | |
//! | [`clock`] | the only reader of the OS clock | |
//!
//! # What holds
//!
//! - One task owns the core's state ([`app::event_loop`]); everyone else reads a snapshot or asks.
//! - The connection and the core share a thread of their own; HTTP and delivery run on the main thread. The loop
//!   runs unconstrained, else the connection's task fills its queue faster than the loop may empty it; and that task
//!   gives way soon after it wakes the loop.
//! - The clock is read once for a batch of entries; the subject is taken apart once for an instance; a payload is
//!   parsed only where a byte search finds a marker in it.
//! - A backlog of entries is drained before a deadline is judged, and a change is dated by its deadline: judged
//!   late, the answer is the same.
//! - Our own blindness is an input of the core, not a special case around it.
//! - Delivery never feeds back into the state of an alert.
//! - No task ends unnoticed: [`app::service`] ends the program with the name of the one that did.
//!
//! `clippy.toml` and `tests/it/tidy.rs` hold the walls.
//!
//! # Where to begin reading
//!
//! `main.rs` is the table of contents, [`app::service::run`] starts the parts, [`app::event_loop`] is the loop,
//! [`core::engine`] the heart.

#![warn(missing_docs)]
// The types are banned in `core` alone, which denies them; the methods are banned everywhere.
#![allow(clippy::disallowed_types)]

pub mod app;
pub mod backoff;
pub mod clock;
pub mod commands;
pub mod core;
pub mod decode;
pub mod format;
pub mod io;
