//! The effective value of a key and where it came from.

use std::{fmt, path::PathBuf};

use serde::Serialize;
use serde_json::Value as Json;

use super::{
    document::{KeyPath, Node, Seg, Tree},
    load::{Loaded, UnknownName},
    shape::{Field, SchemaKind, Shape, Variant},
};

/// One key explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Explanation {
    /// The key (`sites.mustang.nodes.cores`, `stages.chip.cost.threads`).
    pub key: String,
    /// The value in force; null if there is none.
    pub value: Json,
    /// Where it came from.
    pub origin: Origin,
    /// What the key means.
    pub meaning: String,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A file.
    File {
        /// The file as people know it.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// A built-in profile.
    Profile(String),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column } => {
                write!(f, "{}:{line}:{column}", file.display())
            },
            Self::Profile(name) => write!(f, "profile {name}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// `key: value  (origin)`.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Json::Null => write!(f, "{}: not set  ({})", self.key, self.origin),
            Json::String(text) => write!(f, "{}: {text}  ({})", self.key, self.origin),
            value => write!(f, "{}: {value}  ({})", self.key, self.origin),
        }
    }
}

/// Explains `key`, or everything below it if it is a map. Keys of `outrigger.yaml` go as they
/// stand there; those of a recipe begin with `stages.` and the stage's name or alias. An empty
/// key explains all of `outrigger.yaml`.
///
/// # Errors
/// No such key; the hint names the nearest one.
pub fn explain(loaded: &Loaded, key: &str) -> Result<Vec<Explanation>, UnknownName> {
    if let Some(rest) = key.strip_prefix("stages.") {
        let names = loaded.recipes.iter().flat_map(|(name, recipe)| {
            let aliases = recipe.recipe.alias.iter();
            aliases.chain(std::iter::once(name)).map(String::as_str)
        });
        let name = names
            .clone()
            .filter(|name| after(rest, name).is_some())
            .max_by_key(|name| name.len());
        let Some(name) = name else {
            let asked = rest.split('.').next().unwrap_or_default();
            return Err(UnknownName::new("stage", asked, names));
        };
        let recipe = loaded.recipe(name)?;
        let typed = serde_json::to_value(&recipe.recipe).unwrap_or_default();
        let prefix = format!("stages.{}", recipe.recipe.stage);
        let shape = Shape::of(SchemaKind::Recipe);
        let here = Here::top(&shape, &typed, recipe.tree());
        return walk(here, after(rest, name).unwrap_or_default(), prefix);
    }
    let typed = serde_json::to_value(&loaded.config).unwrap_or_default();
    let shape = Shape::of(SchemaKind::Config);
    walk(Here::top(&shape, &typed, &loaded.tree), key, String::new())
}

/// One value in its three views: what it may be, what it is, where it stands.
#[derive(Clone)]
struct Here<'a> {
    shape: &'a Shape,
    value: &'a Json,
    node: Option<&'a Node>,
    tree: &'a Tree,
    meaning: &'a str,
    /// The nearest value in the file or a profile, for parts of it.
    path: KeyPath,
}

impl<'a> Here<'a> {
    fn top(shape: &'a Shape, value: &'a Json, tree: &'a Tree) -> Self {
        Self {
            shape: settled(shape, value),
            value,
            node: Some(&tree.root),
            tree,
            meaning: "",
            path: KeyPath::root(),
        }
    }

    /// The values in this one, by the text of their step. Keys that are not set are among them.
    fn children(&self) -> Vec<(Seg, Self)> {
        let child = |seg: Seg, shape: &'a Shape, value: &'a Json, meaning: &'a str| {
            let node = self.node.and_then(|node| node.child(&seg));
            let path = match &seg {
                Seg::Key(key) => self.path.key(key.as_str()),
                Seg::Index(index) => self.path.index(*index),
            };
            let here = Self {
                shape: settled(shape, value),
                value,
                node: node.filter(|node| !node.is_null()),
                tree: self.tree,
                meaning,
                path,
            };
            (seg, here)
        };
        match (self.shape, self.value) {
            (Shape::Record(fields), Json::Object(map)) => fields
                .iter()
                .map(
                    |Field {
                         name,
                         shape,
                         meaning,
                         ..
                     }| {
                        let value = map.get(name).unwrap_or(&Json::Null);
                        child(Seg::Key(name.clone()), shape, value, meaning)
                    },
                )
                .collect(),
            (Shape::Choice(fields), Json::Object(map)) => fields
                .iter()
                .filter_map(
                    |Field {
                         name,
                         shape,
                         meaning,
                         ..
                     }| {
                        let value = map.get(name)?;
                        Some(child(Seg::Key(name.clone()), shape, value, meaning))
                    },
                )
                .collect(),
            (Shape::Map(inner), Json::Object(map)) => map
                .iter()
                .map(|(key, value)| child(Seg::Key(key.clone()), inner, value, self.meaning))
                .collect(),
            (Shape::List(inner), Json::Array(items)) if !inner.takes_scalar() => items
                .iter()
                .enumerate()
                .map(|(index, value)| child(Seg::Index(index), inner, value, self.meaning))
                .collect(),
            _ => Vec::new(),
        }
    }

    fn origin(&self) -> Origin {
        match self.node {
            Some(Node {
                profile: Some(name),
                ..
            }) => Origin::Profile((*name).to_owned()),
            Some(_) => {
                let span = self.tree.locate(&self.path);
                Origin::File {
                    file: self.tree.file.clone(),
                    line: span.line,
                    column: span.column,
                }
            },
            None => Origin::Default,
        }
    }
}

/// The variant of a shape that a value takes.
fn settled<'a>(shape: &'a Shape, value: &Json) -> &'a Shape {
    let Shape::Either(variants) = shape else {
        return shape;
    };
    let fits = |variant: &&'a Variant| match value {
        Json::Array(_) => variant.shape.takes_list(),
        Json::Object(_) => variant.shape.takes_map(),
        _ => variant.shape.takes_scalar(),
    };
    let found = variants.iter().find(fits);
    found.map_or(shape, |variant| settled(&variant.shape, value))
}

/// Follows `key` from here, then lists what is there.
fn walk(mut here: Here<'_>, key: &str, prefix: String) -> Result<Vec<Explanation>, UnknownName> {
    let mut rest = key;
    let mut name = prefix;
    while !rest.is_empty() {
        let children = here.children();
        // The longest key wins: names of sites may hold dots.
        let next = children
            .iter()
            .filter_map(|(seg, child)| {
                let text = seg_text(seg);
                let rest = after(rest, &text)?;
                Some((text.len(), seg, child, rest))
            })
            .max_by_key(|(length, ..)| *length);
        let Some((_, seg, child, behind)) = next else {
            return Err(unknown(&name, rest, &children));
        };
        name = joined(&name, seg);
        rest = behind;
        here = child.clone();
    }
    let mut list = Vec::new();
    collect(&here, &name, &mut list);
    Ok(list)
}

fn unknown(name: &str, rest: &str, children: &[(Seg, Here<'_>)]) -> UnknownName {
    let asked = rest.split('.').next().unwrap_or(rest);
    let known: Vec<String> = children.iter().map(|(seg, _)| seg_text(seg)).collect();
    let known = known.iter().map(String::as_str);
    let mut unknown = UnknownName::new("key", asked, known.collect::<Vec<_>>());
    unknown.hint = match children.first() {
        None => "the key above it holds no others".into(),
        Some((Seg::Index(_), _)) => format!("the list has {} elements", children.len()),
        Some((Seg::Key(_), _)) => unknown.hint,
    };
    unknown.name = match name {
        "" => asked.to_owned(),
        name if asked.starts_with('[') => format!("{name}{asked}"),
        name => format!("{name}.{asked}"),
    };
    unknown
}

fn collect(here: &Here<'_>, name: &str, list: &mut Vec<Explanation>) {
    let children = here.children();
    if children.is_empty() {
        list.push(Explanation {
            key: name.to_owned(),
            value: here.value.clone(),
            origin: here.origin(),
            meaning: here.meaning.to_owned(),
        });
    }
    for (seg, child) in children {
        collect(&child, &joined(name, &seg), list);
    }
}

fn seg_text(seg: &Seg) -> String {
    match seg {
        Seg::Key(key) => key.clone(),
        Seg::Index(index) => format!("[{index}]"),
    }
}

fn joined(name: &str, seg: &Seg) -> String {
    match seg {
        Seg::Key(key) if name.is_empty() => key.clone(),
        Seg::Key(key) => format!("{name}.{key}"),
        Seg::Index(index) => format!("{name}[{index}]"),
    }
}

/// What follows `step` in `key`, if `key` begins with it as a whole step.
fn after<'a>(key: &'a str, step: &str) -> Option<&'a str> {
    let rest = key.strip_prefix(step)?;
    match rest.strip_prefix('.') {
        Some(rest) => Some(rest),
        None => (rest.is_empty() || rest.starts_with('[')).then_some(rest),
    }
}

#[cfg(test)]
mod tests;
