//! lastbeat notices within seconds when logs go quiet, and says which hop went quiet.

#![warn(missing_docs)]
// The types are banned in `core` alone, which denies them; the methods are banned everywhere.
#![allow(clippy::disallowed_types)]

pub mod app;
pub mod clock;
pub mod commands;
pub mod core;
pub mod decode;
pub mod io;
pub mod retry;
pub mod words;
