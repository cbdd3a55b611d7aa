//! Queues: lines by name, first in, first out (spec/pantasks.md §2.3).

use std::collections::{BTreeMap, VecDeque};

/// All queues by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queues(BTreeMap<Box<str>, VecDeque<String>>);

impl Queues {
    /// The lines of queue `name`.
    pub fn get(&self, name: &str) -> Option<&VecDeque<String>> {
        self.0.get(name)
    }

    /// The lines of queue `name`, made if need be.
    pub fn create(&mut self, name: &str) -> &mut VecDeque<String> {
        self.0.entry(name.into()).or_default()
    }

    /// Appends each line of `text`.
    pub fn push_lines(&mut self, name: &str, text: &str) {
        self.create(name).extend(text.lines().map(str::to_owned));
    }

    /// Takes queue `name` away with its lines; none where there is no such queue.
    pub fn delete(&mut self, name: &str) -> Option<VecDeque<String>> {
        self.0.remove(name)
    }

    /// The queues with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &VecDeque<String>)> {
        self.0.iter().map(|(name, lines)| (&**name, lines))
    }
}
