//! A YAML document in which every key and every value knows its place.
//!
//! The tree is bounded (source bytes, nodes after aliases, depth), so that hostile input is
//! refused and never expanded. Aliases and `<<` merges are followed; tags other than the core
//! ones are refused.

mod build;
mod path;
mod place;

use std::{path::PathBuf, sync::Arc};

pub use path::{KeyPath, Seg};
pub use place::Span;

use super::problem::Problem;

/// One YAML file as a located tree.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The file as people know it.
    pub file: PathBuf,
    /// The whole text.
    pub source: Arc<str>,
    /// The top node; an empty file has an empty map.
    pub root: Node,
}

/// One value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it stands; in the profile's own text if `profile` is set.
    pub span: Span,
    /// The built-in profile it came from; none if it stands in the file.
    pub profile: Option<&'static str>,
    /// What stands there.
    pub value: Value,
}

/// How a scalar is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: may be a number, a boolean or null.
    Plain,
    /// In quotes: text.
    Quoted,
    /// A `|` or `>` block: text.
    Block,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A scalar: its text after unquoting, and how it was written.
    Scalar(String, Style),
    /// A list.
    List(Vec<Node>),
    /// A map in the order of the file, without duplicate keys.
    Map(Vec<Entry>),
}

/// One key of a map with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Tree {
    /// Reads `source`. Everything found wrong is in the list; there is no tree when the text is
    /// not YAML at all or is over the bounds.
    pub fn parse(
        file: impl Into<PathBuf>,
        source: impl Into<Arc<str>>,
    ) -> (Option<Self>, Vec<Problem>) {
        build::tree(file.into(), source.into())
    }

    /// The node at `path`, if there is one.
    pub fn get(&self, path: &KeyPath) -> Option<&Node> {
        path.segments()
            .iter()
            .try_fold(&self.root, |node, seg| node.child(seg))
    }

    /// Where the value at `path` stands; the nearest place above it that stands in this file, if
    /// it was left out or came from a profile. An absent value is placed at its parent's key.
    pub fn locate(&self, path: &KeyPath) -> Span {
        let mut node = &self.root;
        let mut span = self.top();
        for (index, seg) in path.segments().iter().enumerate() {
            let Some(child) = node.child(seg).filter(|child| child.profile.is_none()) else {
                return span;
            };
            let last = index + 1 == path.segments().len();
            span = match (last, node.entry(seg)) {
                (false, Some(entry)) => entry.key_span,
                (true, Some(entry)) if child.is_null() => entry.key_span,
                _ => child.span,
            };
            node = child;
        }
        span
    }

    /// Where the key at the end of `path` stands, or what [`Tree::locate`] finds if it is absent.
    pub fn locate_key(&self, path: &KeyPath) -> Span {
        let parent = self.get(&path.parent());
        path.segments()
            .last()
            .and_then(|seg| parent?.entry(seg))
            .filter(|entry| entry.value.profile.is_none())
            .map_or_else(|| self.locate(path), |entry| entry.key_span)
    }

    /// Where the character at byte `offset` of the scalar at `path` stands. Exact for plain and
    /// quoted scalars of one line without escapes and for `|` blocks; else the whole scalar.
    pub fn locate_in(&self, path: &KeyPath, offset: usize) -> Span {
        let whole = self.locate(path);
        match self.get(path) {
            Some(Node {
                profile: None,
                value: Value::Scalar(text, style),
                ..
            }) => place::inside(&self.source, whole, text, style, offset).unwrap_or(whole),
            _ => whole,
        }
    }

    /// An error about the value at `path`, or about the character at byte `offset` of it.
    pub fn problem(
        &self,
        path: &KeyPath,
        offset: Option<usize>,
        message: impl Into<String>,
    ) -> Problem {
        let span = offset.map_or_else(|| self.locate(path), |offset| self.locate_in(path, offset));
        self.problem_at(span, message).about(path)
    }

    /// An error at a place of this file.
    pub(crate) fn problem_at(&self, span: Span, message: impl Into<String>) -> Problem {
        Problem::error(self.file.clone(), message).at(span, self.source.clone())
    }

    fn top(&self) -> Span {
        Span::new(&self.source, 0, 0)
    }
}

impl Node {
    /// The child under a key or at an index.
    pub fn child(&self, seg: &Seg) -> Option<&Self> {
        match (&self.value, seg) {
            (Value::List(items), Seg::Index(index)) => items.get(*index),
            _ => self.entry(seg).map(|entry| &entry.value),
        }
    }

    /// The entry of a map.
    pub(crate) fn entry(&self, seg: &Seg) -> Option<&Entry> {
        match (&self.value, seg) {
            (Value::Map(entries), Seg::Key(key)) => entries.iter().find(|e| e.key == *key),
            _ => None,
        }
    }

    /// Whether this is YAML's null: nothing, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(
            &self.value,
            Value::Scalar(text, Style::Plain)
                if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
        )
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text, _) => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
