//! Compares a located tree with the shape it should have.

mod words;

use serde_yaml::{Mapping, Value as Yaml};
use words::{found, kind_of, meant, mend, name, names};

use super::{
    document::{Entry, KeyPath, Node, Seg, Span, Style, Tree, Value},
    problem::{MAX_PROBLEMS, Problem},
    shape::{Field, Shape, Variant},
    suggest::{closest, one_of},
    units::{Bytes, Seconds},
};

/// What the comparison found.
pub(crate) struct Checked {
    /// The document without what is wrong in it; nothing if a required part is wrong.
    pub(crate) value: Option<Yaml>,
    /// What is wrong.
    pub(crate) problems: Vec<Problem>,
    /// The paths of what was left out of the value.
    pub(crate) bad: Vec<KeyPath>,
}

/// Compares a document with its shape. Scalars come out in the type the shape asks for.
pub(crate) fn check(tree: &Tree, shape: &Shape) -> Checked {
    let mut walk = Walk {
        tree,
        problems: Vec::new(),
        bad: Vec::new(),
    };
    let value = walk.node(&tree.root, shape, &KeyPath::root());
    Checked {
        value,
        problems: walk.problems,
        bad: walk.bad,
    }
}

struct Walk<'a> {
    tree: &'a Tree,
    problems: Vec<Problem>,
    bad: Vec<KeyPath>,
}

impl Walk<'_> {
    fn node(&mut self, node: &Node, shape: &Shape, path: &KeyPath) -> Option<Yaml> {
        match (shape, &node.value) {
            (Shape::Either(variants), _) => self.either(node, variants, path),
            (Shape::List(inner), Value::List(items)) => self.list(node, items, inner, path),
            (Shape::Map(inner), Value::Map(entries)) => Some(self.map(entries, inner, path)),
            (Shape::Record(fields), Value::Map(entries)) => self.record(entries, fields, path),
            (Shape::Choice(fields), Value::Map(entries)) => self.choice(entries, fields, path),
            (_, Value::Scalar(text, style)) if shape.takes_scalar() => {
                self.scalar(node, text, style, shape, path)
            },
            _ => self.wrong_kind(node, shape, path),
        }
    }

    fn either(&mut self, node: &Node, variants: &[Variant], path: &KeyPath) -> Option<Yaml> {
        let fits = |variant: &&Variant| match &node.value {
            Value::Scalar(..) => variant.shape.takes_scalar(),
            Value::List(_) => variant.shape.takes_list(),
            Value::Map(_) => variant.shape.takes_map(),
        };
        let whole = || Shape::Either(variants.to_vec());
        match variants.iter().find(fits) {
            Some(Variant {
                shape: Shape::Words(words),
                ..
            }) if !node
                .text()
                .is_some_and(|text| words.iter().any(|w| w == text)) =>
            {
                self.wrong_kind(node, &whole(), path)
            },
            Some(variant) => self.node(node, &variant.shape, path),
            None => self.wrong_kind(node, &whole(), path),
        }
    }

    fn list(&mut self, node: &Node, items: &[Node], inner: &Shape, path: &KeyPath) -> Option<Yaml> {
        // `pre: [mkdir, -p, x]`: one element written where a list of them belongs.
        let words = !items.is_empty() && items.iter().all(|item| item.text().is_some());
        if words && inner.takes_list() && !inner.takes_scalar() {
            let message = format!(
                "{} is a list of lists: each element is {}",
                name(path),
                kind_of(inner)
            );
            let help = "put this one into a list of its own: `[[…]]`, or `- […]` in a line";
            self.report(node.span, path, message, Some(help.into()));
            return None;
        }
        let values = items.iter().enumerate().filter_map(|(index, item)| {
            let path = path.index(index);
            if item.is_null() {
                let message = format!("{} is empty", name(&path));
                self.report(
                    item.span,
                    &path,
                    message,
                    Some("remove it, or fill it".into()),
                );
                return None;
            }
            self.node(item, inner, &path)
        });
        Some(Yaml::Sequence(values.collect()))
    }

    fn map(&mut self, entries: &[Entry], inner: &Shape, path: &KeyPath) -> Yaml {
        let mut map = Mapping::new();
        for entry in entries {
            let path = path.key(entry.key.as_str());
            if entry.value.is_null() && !inner.takes_map() {
                let message = format!("{} has no value", name(&path));
                self.report(entry.key_span, &path, message, None);
            } else if let Some(value) = self.entry(entry, inner, &path) {
                map.insert(entry.key.clone().into(), value);
            }
        }
        Yaml::Mapping(map)
    }

    /// The value of an entry; nothing at all stands for an empty map where a map belongs.
    fn entry(&mut self, entry: &Entry, shape: &Shape, path: &KeyPath) -> Option<Yaml> {
        if entry.value.is_null() && shape.takes_map() {
            let empty = Node {
                value: Value::Map(Vec::new()),
                span: entry.key_span,
                profile: entry.value.profile,
            };
            return self.node(&empty, shape, path);
        }
        self.node(&entry.value, shape, path)
    }

    fn record(&mut self, entries: &[Entry], fields: &[Field], path: &KeyPath) -> Option<Yaml> {
        let mut map = Mapping::new();
        let mut whole = true;
        for entry in entries {
            let path = path.key(entry.key.as_str());
            let Some(field) = fields.iter().find(|field| field.name == entry.key) else {
                self.unknown(entry, fields, &path);
                continue;
            };
            if entry.value.is_null() {
                if field.required {
                    let message = format!("`{}` has no value", field.name);
                    self.report(entry.key_span, &path, message, meant(field));
                    whole = false;
                }
                continue;
            }
            match self.node(&entry.value, &field.shape, &path) {
                Some(value) => {
                    map.insert(entry.key.clone().into(), value);
                },
                None => whole &= !field.required,
            }
        }
        for field in fields.iter().filter(|field| field.required) {
            if entries.iter().any(|entry| entry.key == field.name) {
                continue;
            }
            whole = false;
            // A misspelt key has been reported; that it is missing too says nothing new.
            let misspelt = entries.iter().any(|entry| match fields {
                [_] => true,
                _ => closest(&entry.key, names(fields)) == Some(&field.name),
            });
            if !misspelt {
                self.missing(field, path);
            }
        }
        whole.then_some(Yaml::Mapping(map))
    }

    fn choice(&mut self, entries: &[Entry], fields: &[Field], path: &KeyPath) -> Option<Yaml> {
        let names = one_of(names(fields));
        let mut known = Vec::new();
        for entry in entries {
            let path = path.key(entry.key.as_str());
            match fields.iter().find(|field| field.name == entry.key) {
                Some(field) => known.push((entry, field, path)),
                None => self.unknown(entry, fields, &path),
            }
        }
        if let Some((entry, _, path)) = known.get(1) {
            let message = format!("`{}` is one too many: give one of {names}", entry.key);
            self.report(entry.key_span, path, message, None);
            return None;
        }
        let Some((entry, field, inner)) = known.pop() else {
            if entries.is_empty() {
                let message = format!("{} needs {names}", name(path));
                self.report(self.tree.locate_key(path), path, message, None);
            }
            self.bad.push(path.clone());
            return None;
        };
        let value = self.node(&entry.value, &field.shape, &inner)?;
        let mut map = Mapping::new();
        map.insert(entry.key.clone().into(), value);
        Some(Yaml::Mapping(map))
    }

    fn scalar(
        &mut self,
        node: &Node,
        text: &str,
        style: &Style,
        shape: &Shape,
        path: &KeyPath,
    ) -> Option<Yaml> {
        let plain = *style == Style::Plain;
        if node.is_null() {
            let message = format!("{} has no value", name(path));
            self.report(self.tree.locate_key(path), path, message, None);
            return None;
        }
        let read = match shape {
            Shape::Text | Shape::Any => Some(text.into()),
            Shape::Boolean => match text {
                "true" | "True" | "TRUE" if plain => Some(true.into()),
                "false" | "False" | "FALSE" if plain => Some(false.into()),
                _ => None,
            },
            Shape::Integer { min, max } => {
                return self.integer(node, text, plain, (*min, *max), path);
            },
            Shape::Number => text
                .parse::<f64>()
                .ok()
                .filter(|number| plain && number.is_finite())
                .map(Yaml::from),
            Shape::Size => return self.unit(node, text, text.parse::<Bytes>(), path),
            Shape::Time => return self.unit(node, text, text.parse::<Seconds>(), path),
            Shape::Words(words) => {
                if !words.iter().any(|word| word == text) {
                    self.wrong_word(node, text, words, path);
                    return None;
                }
                Some(text.into())
            },
            _ => None,
        };
        if read.is_none() {
            self.wrong_kind(node, shape, path);
        }
        read
    }

    fn integer(
        &mut self,
        node: &Node,
        text: &str,
        plain: bool,
        (min, max): (i64, i64),
        path: &KeyPath,
    ) -> Option<Yaml> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let looks = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<i64>() {
            Ok(number) if plain && (min..=max).contains(&number) => return Some(number.into()),
            _ if looks && plain => {
                let bounds = if max == i64::MAX {
                    format!("at least {min}")
                } else {
                    format!("from {min} to {max}")
                };
                let message = format!("{} must be {bounds}, not {text}", name(path));
                self.report(node.span, path, message, None);
            },
            _ => {
                self.wrong_kind(node, &Shape::Integer { min, max }, path);
            },
        }
        None
    }

    fn unit<T>(
        &mut self,
        node: &Node,
        text: &str,
        parsed: Result<T, super::units::UnitError>,
        path: &KeyPath,
    ) -> Option<Yaml> {
        match parsed {
            Ok(_) => Some(text.into()),
            Err(error) => {
                let text = error.to_string();
                let (message, help) = match text.split_once(": ") {
                    Some((message, help)) => (message.to_owned(), Some(help.to_owned())),
                    None => (text, None),
                };
                self.report(node.span, path, message, help);
                None
            },
        }
    }

    fn wrong_word(&mut self, node: &Node, text: &str, words: &[String], path: &KeyPath) {
        let list = one_of(words.iter().map(String::as_str));
        let message = format!("{} must be {list}, not `{text}`", name(path));
        let help = closest(text, words.iter().map(String::as_str));
        let help = help.map(|word| format!("did you mean `{word}`?"));
        self.report(node.span, path, message, help);
    }

    fn wrong_kind(&mut self, node: &Node, shape: &Shape, path: &KeyPath) -> Option<Yaml> {
        let message = format!(
            "{} must be {}, not {}",
            name(path),
            kind_of(shape),
            found(node)
        );
        let help = mend(node, shape);
        let span = match node.value {
            Value::Scalar(..) => node.span,
            _ => first_line(node.span, &self.tree.source),
        };
        self.report(span, path, message, help);
        None
    }

    fn unknown(&mut self, entry: &Entry, fields: &[Field], path: &KeyPath) {
        let nested = fields
            .iter()
            .find(|field| field.shape.field(&entry.key).is_some());
        let help = match (closest(&entry.key, names(fields)), nested) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, Some(outer)) => {
                format!("it belongs under `{0}`: `{0}.{1}`", outer.name, entry.key)
            },
            (None, None) => format!("known here: {}", one_of(names(fields))),
        };
        let message = format!("unknown key `{}`", entry.key);
        self.report(entry.key_span, path, message, Some(help));
    }

    fn missing(&mut self, field: &Field, path: &KeyPath) {
        let message = match path.segments() {
            [] => format!("`{}` is missing", field.name),
            _ => format!("{} has no `{}`", name(path), field.name),
        };
        let span = match path.segments() {
            [.., Seg::Index(_)] => first_line(self.tree.locate(path), &self.tree.source),
            _ => self.tree.locate_key(path),
        };
        self.report(span, &path.key(field.name.as_str()), message, meant(field));
    }

    fn report(&mut self, span: Span, path: &KeyPath, message: String, help: Option<String>) {
        self.bad.push(path.clone());
        if self.problems.len() >= MAX_PROBLEMS {
            return;
        }
        let problem = self.tree.problem_at(span, message).about(path);
        self.problems.push(match help {
            Some(help) => problem.help(help),
            None => problem,
        });
    }
}

fn first_line(span: Span, source: &str) -> Span {
    let text = source.get(span.start..span.end).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    Span {
        end: span.start + line.trim_end().len(),
        ..span
    }
}
