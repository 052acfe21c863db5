//! Names interned once: apps, regions, hosts, names of beats.

use crate::core::tracker::slots::{NONE, store};
use foldhash::quality::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;
use std::sync::Arc;

/// A bounded table of names, each with a number. Numbers of removed names are reused.
#[derive(Debug)]
pub struct Names {
    names: Vec<Option<Arc<str>>>,
    free: Vec<u32>,
    /// The name of numbers without a name.
    nobody: Arc<str>,
    table: HashTable<u32>,
    hash: RandomState,
    limit: usize,
}

impl Names {
    /// A table of at most `limit` names.
    pub fn new(limit: usize) -> Self {
        Names {
            names: Vec::new(),
            free: Vec::new(),
            nobody: Arc::from(""),
            table: HashTable::new(),
            hash: RandomState::default(),
            limit,
        }
    }

    /// The number of a name; `None` if it is not in the table.
    #[inline]
    pub fn find(&self, name: &str) -> Option<u32> {
        self.table
            .find(self.hash.hash_one(name), |&id| &**self.get(id) == name)
            .copied()
    }

    /// The number of a name, new or not; `None` if the table is full.
    pub fn intern(&mut self, name: &str) -> Option<u32> {
        if let Some(id) = self.find(name) {
            return Some(id);
        }
        if self.len() >= self.limit {
            return None;
        }
        let own = Some(Arc::from(name));
        let id = store(&mut self.names, &mut self.free, own);
        let (names, hash) = (&self.names, &self.hash);
        self.table.insert_unique(hash.hash_one(name), id, |&id| {
            hash.hash_one(names[id as usize].as_deref().unwrap_or_default())
        });
        Some(id)
    }

    /// Removes a name: its number is free, and the next new name gets it.
    pub fn remove(&mut self, id: u32) {
        let hash = self.hash.hash_one(&**self.get(id));
        if let Ok(entry) = self.table.find_entry(hash, |&other| other == id) {
            entry.remove();
            self.names[id as usize] = None;
            self.free.push(id);
        }
    }

    /// The name of a number that [`Self::intern`] gave; empty if it was removed.
    #[inline]
    pub fn get(&self, id: u32) -> &Arc<str> {
        let name = self.names.get(id as usize).and_then(Option::as_ref);
        name.unwrap_or(&self.nobody)
    }

    /// Every name, by number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Arc<str>)> {
        let all = (0..).zip(&self.names);
        all.filter_map(|(id, name)| Some((id, name.as_ref()?)))
    }

    /// True if the table is more than half full.
    pub fn is_crowded(&self) -> bool {
        self.len() > self.limit / 2
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True if there are no names.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

/// The name of a number; `None` for [`NONE`].
pub fn name_of(names: &Names, id: u32) -> Option<Arc<str>> {
    (id != NONE).then(|| Arc::clone(names.get(id)))
}
