//! Pages by the value of a word.

use std::collections::{HashMap, VecDeque};

/// Where the pages are that have a value for one word, for all its values.
///
/// Pages mostly leave a value at its front and come to one at its back, which a ring takes
/// quickly.
#[derive(Debug, Clone)]
pub(super) struct Index {
    key: u32,
    places: HashMap<Box<str>, VecDeque<u64>>,
    none: VecDeque<u64>,
}

impl Index {
    pub(super) fn new(key: u32) -> Self {
        Self {
            key,
            places: HashMap::new(),
            none: VecDeque::new(),
        }
    }

    /// The number of the word's name.
    pub(super) const fn key(&self) -> u32 {
        self.key
    }

    /// The places of the pages with `value`, in order.
    pub(super) fn places(&self, value: &str) -> &VecDeque<u64> {
        self.places.get(value).unwrap_or(&self.none)
    }

    pub(super) fn add(&mut self, value: &str, place: u64) {
        let Some(places) = self.places.get_mut(value) else {
            self.places.insert(value.into(), VecDeque::from([place]));
            return;
        };
        if let Err(at) = places.binary_search(&place) {
            places.insert(at, place);
        }
    }

    pub(super) fn remove(&mut self, value: &str, place: u64) {
        let Some(places) = self.places.get_mut(value) else {
            return;
        };
        if let Ok(at) = places.binary_search(&place) {
            places.remove(at);
        }
        if places.is_empty() {
            self.places.remove(value);
        }
    }
}
