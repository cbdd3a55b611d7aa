//! The way from the top of a document to one value: `sites.mustang.directives[0]`.

use std::fmt;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Seg {
    /// Under a key of a map.
    Key(String),
    /// At an index of a list, from 0.
    Index(usize),
}

/// The way from the top of a document to one value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct KeyPath(Vec<Seg>);

impl KeyPath {
    /// The document itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// The value under `key` of this one.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.with(Seg::Key(key.into()))
    }

    /// The element at `index` of this one.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Seg::Index(index))
    }

    /// The value this one is in; the document's is the document.
    #[must_use]
    pub fn parent(&self) -> Self {
        let keep = self.0.len().saturating_sub(1);
        Self(self.0.iter().take(keep).cloned().collect())
    }

    /// The steps from the top.
    pub fn segments(&self) -> &[Seg] {
        &self.0
    }

    /// Whether this is `other` or inside it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    fn with(&self, seg: Seg) -> Self {
        let mut segments = self.0.clone();
        segments.push(seg);
        Self(segments)
    }
}

impl From<usize> for Seg {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl From<&str> for Seg {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl FromIterator<Seg> for KeyPath {
    fn from_iter<I: IntoIterator<Item = Seg>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, seg) in self.0.iter().enumerate() {
            match seg {
                Seg::Key(key) if position == 0 => f.write_str(key)?,
                Seg::Key(key) => write!(f, ".{key}")?,
                Seg::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
