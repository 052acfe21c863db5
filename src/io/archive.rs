//! The archive: a redundant copy of the stream in a folder of segments.
//!
//! A segment is plain while it grows (`2026-01-31T12-00-00Z.log`). Every hour, or when it is large, the next one begins,
//! and it is sealed: compressed into independent frames of about 1 MiB (`.log.zst`), each of which can be read alone, with
//! an index of their times and apps in a skippable frame at the end, so that `zstdcat` reads a sealed segment like any
//! other file.

pub mod cursor_file;
pub mod frames;
pub mod index;
pub mod lock;
pub mod reader;
pub mod recovery;
pub mod rejected;
pub mod retention;
pub mod seal;
pub mod search;
pub mod segment;
pub mod volume;
pub mod writer;

#[cfg(test)]
pub(crate) mod tests;
