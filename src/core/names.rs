//! Names interned once: apps, regions, hosts, names of beats.

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;
use std::sync::Arc;

/// A bounded table of names; a name's number is its place in the order of arrival.
#[derive(Debug)]
pub struct Names {
    names: Vec<Arc<str>>,
    table: HashTable<u32>,
    hash: RandomState,
    limit: usize,
}

impl Names {
    /// A table that takes at most `limit` names.
    pub fn new(limit: usize) -> Self {
        Names {
            names: Vec::new(),
            table: HashTable::new(),
            hash: RandomState::default(),
            limit,
        }
    }

    /// The number of a name that is there already.
    #[inline]
    pub fn find(&self, name: &str) -> Option<u32> {
        self.table
            .find(self.hash.hash_one(name), |&id| {
                &*self.names[id as usize] == name
            })
            .copied()
    }

    /// The number of a name, new or not; `None` where the table is full.
    pub fn intern(&mut self, name: &str) -> Option<u32> {
        if let Some(id) = self.find(name) {
            return Some(id);
        }
        if self.names.len() >= self.limit {
            return None;
        }
        let id = u32::try_from(self.names.len()).ok()?;
        self.names.push(Arc::from(name));
        let (names, hash) = (&self.names, &self.hash);
        self.table.insert_unique(hash.hash_one(name), id, |&id| {
            hash.hash_one(&*names[id as usize])
        });
        Some(id)
    }

    /// The name of a number that [`Self::intern`] gave.
    pub fn get(&self, id: u32) -> &Arc<str> {
        &self.names[id as usize]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}
