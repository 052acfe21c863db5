//! Answers of the platform's inventory, as machines. A broken item is counted and left out: it takes no other with it.

pub mod machines;
pub mod txt;

use crate::core::inventory::{Machine, Purpose};
use std::collections::HashSet;
use std::sync::Arc;

/// Characters of an id, an app or a region at most: what a DNS name takes in one label.
const LONGEST_NAME: usize = 63;
/// Characters of a state's word at most; the longest known one has 13.
const LONGEST_WORD: usize = 32;
/// Apps that build images, and nothing else.
const BUILDERS: &str = "fly-builder-";

/// Every machine of an answer that could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Those machines; none twice.
    pub machines: Vec<Machine>,
    /// Items of the answer that could not be read.
    pub broken: u64,
    /// Regions that the answer leaves out.
    pub unread_regions: Vec<Arc<str>>,
}

/// True if a text can be an app, a region or a machine's id: one token of a subject, one label of a DNS name, and no
/// more than one part of a path.
pub fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(plain)
}

/// The purpose of machines, as far as their app alone says.
fn purpose_of(app: &str) -> Purpose {
    if app.starts_with(BUILDERS) {
        Purpose::Ephemeral
    } else {
        Purpose::Unknown
    }
}

/// Thousands of machines share a few apps, regions and words: one copy of each.
#[derive(Default)]
struct Names(HashSet<Arc<str>>);

impl Names {
    fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let name: Arc<str> = Arc::from(text);
        self.0.insert(Arc::clone(&name));
        name
    }
}

#[cfg(test)]
mod tests;
