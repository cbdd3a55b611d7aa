//! A map while its keys and values come in.

use std::collections::{HashMap, HashSet};

use super::{
    super::{Entry, Node, Span, Style, Value},
    Complaint,
};

#[derive(Default)]
pub(super) struct OpenMap {
    pub(super) entries: Vec<Entry>,
    /// Where each key was first seen.
    seen: HashMap<String, Span>,
    merges: Vec<Node>,
    key: Key,
    /// A key was a map or list: most often an unquoted `{{ template }}`.
    pub(super) odd_key: bool,
}

#[derive(Default)]
enum Key {
    /// The next node is a key.
    #[default]
    Awaited,
    /// The next node is the value of this key.
    Read(String, Span),
    /// The next node is the value of a key that was refused.
    Refused,
}

impl OpenMap {
    /// Takes a node as the next key or value of a self.
    pub(super) fn put(&mut self, node: Node, source: &str) -> Option<Complaint> {
        match std::mem::take(&mut self.key) {
            Key::Awaited => match node.value {
                Value::Scalar(key, style) => {
                    let merge = key == "<<" && style == Style::Plain;
                    if !merge && let Some(first) = self.seen.get(&key) {
                        self.key = Key::Refused;
                        let help = format!("it was given in line {} already: keep one", first.line);
                        return Some((node.span, format!("`{key}` is given twice"), Some(help)));
                    }
                    self.seen.insert(key.clone(), node.span);
                    self.key = Key::Read(key, node.span);
                    None
                },
                Value::List(_) | Value::Map(_) => {
                    self.key = Key::Refused;
                    self.odd_key = true;
                    let braces = source
                        .get(..node.span.start)
                        .is_some_and(|before| before.ends_with('{'));
                    Some(if braces {
                        let span = Span {
                            start: node.span.start - 1,
                            column: node.span.column.saturating_sub(1).max(1),
                            ..node.span
                        };
                        let help =
                            "write `\"{{ … }}\"`: without quotes, YAML reads braces as a map";
                        (span, "a template needs quotes".into(), Some(help.into()))
                    } else {
                        (node.span, "a key must be a word".into(), None)
                    })
                },
            },
            Key::Read(key, _) if key == "<<" => {
                self.merges.push(node);
                None
            },
            Key::Read(key, key_span) => {
                self.entries.push(Entry {
                    key,
                    key_span,
                    value: node,
                });
                None
            },
            Key::Refused => None,
        }
    }

    /// The entries of a map with what `<<` brings in under them.
    pub(super) fn finish(self) -> (Vec<Entry>, Vec<Complaint>) {
        let mut complaints = Vec::new();
        let mut entries = self.entries;
        let mut known: HashSet<String> = entries.iter().map(|e| e.key.clone()).collect();
        for merge in self.merges {
            let span = merge.span;
            let sources = match merge.value {
                Value::List(items) => items,
                value => vec![Node { value, ..merge }],
            };
            for source in sources {
                if let Value::Map(brought) = source.value {
                    let new = brought.into_iter().filter(|e| known.insert(e.key.clone()));
                    entries.extend(new);
                } else {
                    let message = "`<<` needs a map, or a list of maps";
                    complaints.push((span, message.into(), None));
                }
            }
        }
        (entries, complaints)
    }
}
