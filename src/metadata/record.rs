//! Named entries in the order they stand.

use indexmap::IndexMap;

use super::value::Value;

/// A whole text: the record at its top level.
pub type Document = Record;

/// The content of a text or of one METADATA block: named entries in the order they stand.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    pub(super) entries: IndexMap<String, Entry>,
}

/// What stands under a name.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// One value or block.
    One(Node),
    /// All that stands under a name declared MULTI; may be empty.
    Many(Vec<Node>),
}

/// A value or a block.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A typed value.
    Value(Value),
    /// A METADATA block.
    Record(Record),
}

impl Record {
    /// A record without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// The record with `value` under `name`, at the end unless the name is there already.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: Value) -> Self {
        self.set(name, value);
        self
    }

    /// Puts `value` under `name`, at the end unless the name is there already.
    pub fn set(&mut self, name: impl Into<String>, value: Value) {
        self.insert(name, Entry::One(Node::Value(value)));
    }

    /// Puts `entry` under `name`, at the end unless the name is there already.
    pub fn insert(&mut self, name: impl Into<String>, entry: Entry) {
        self.entries.insert(name.into(), entry);
    }

    /// The single value under `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self.entries.get(name)? {
            Entry::One(Node::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// What stands under `name`.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// The names with what stands under them, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries
            .iter()
            .map(|(name, entry)| (name.as_str(), entry))
    }

    /// The single values with their names, in order; blocks and MULTI lists are left out.
    pub fn values(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries().filter_map(|(name, entry)| match entry {
            Entry::One(Node::Value(value)) => Some((name, value)),
            _ => None,
        })
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Entry {
    /// Everything that stands under the name.
    pub fn nodes(&self) -> &[Node] {
        match self {
            Self::One(node) => std::slice::from_ref(node),
            Self::Many(nodes) => nodes,
        }
    }
}
