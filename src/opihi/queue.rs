//! Queues: lines by name, first in, first out (spec/pantasks.md §2.3).

use std::collections::VecDeque;

use indexmap::IndexMap;

/// All queues by name, in the order they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queues(IndexMap<Box<str>, VecDeque<String>>);

impl Queues {
    /// The lines of queue `name`.
    pub fn get(&self, name: &str) -> Option<&VecDeque<String>> {
        self.0.get(name)
    }

    /// The lines of queue `name`, to change.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut VecDeque<String>> {
        self.0.get_mut(name)
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
        self.0.shift_remove(name)
    }

    /// The queues with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &VecDeque<String>)> {
        self.0.iter().map(|(name, lines)| (&**name, lines))
    }
}
