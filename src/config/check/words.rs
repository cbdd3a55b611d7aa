//! Words for messages: what was wanted, what was found, what to do.

use super::super::{
    document::{KeyPath, Node, Seg, Style, Value},
    shape::{Field, Shape},
    suggest::one_of,
};

/// The last key of a path, as a message names it.
pub(super) fn name(path: &KeyPath) -> String {
    match path.segments() {
        [] => "the file".into(),
        [.., Seg::Key(key)] => format!("`{key}`"),
        [.., Seg::Key(key), Seg::Index(index)] => format!("`{key}[{index}]`"),
        [.., Seg::Index(index)] => format!("element {index}"),
    }
}

/// The keys of a map with known keys.
pub(super) fn names(fields: &[Field]) -> impl Iterator<Item = &str> {
    fields.iter().map(|field| field.name.as_str())
}

/// What a key means, if that is written down.
pub(super) fn meant(field: &Field) -> Option<String> {
    Some(field.meaning.clone()).filter(|meaning| !meaning.is_empty())
}

/// What a shape asks for, in words.
pub(super) fn kind_of(shape: &Shape) -> String {
    match shape {
        Shape::Any => "anything".into(),
        Shape::Text => "text".into(),
        Shape::Boolean => "`true` or `false`".into(),
        Shape::Integer { .. } => "a whole number".into(),
        Shape::Number => "a number".into(),
        Shape::Size => "a size such as `64 GiB`".into(),
        Shape::Time => "a time such as `8h`".into(),
        Shape::Words(words) => one_of(words.iter().map(String::as_str)),
        Shape::List(inner) => match inner.as_ref() {
            Shape::Text => "a list of text".into(),
            _ => "a list".into(),
        },
        Shape::Map(_) => "a map".into(),
        Shape::Choice(fields) => {
            let names = one_of(names(fields));
            format!("a map with {names}")
        },
        Shape::Record(fields) => {
            let required: Vec<String> = fields
                .iter()
                .filter(|field| field.required)
                .map(|field| format!("`{}`", field.name))
                .collect();
            match required.as_slice() {
                [] => "a map".into(),
                names => format!("a map with {}", names.join(" and ")),
            }
        },
        Shape::Either(variants) => {
            let kinds: Vec<String> = variants.iter().map(|v| kind_of(&v.shape)).collect();
            kinds.join(", or ")
        },
    }
}

/// What a node is, in words.
pub(super) fn found(node: &Node) -> String {
    match &node.value {
        Value::List(_) => "a list".into(),
        Value::Map(_) => "a map".into(),
        Value::Scalar(text, Style::Plain) => format!("`{}`", cut(text)),
        Value::Scalar(text, _) => format!("the text `{}`", cut(text)),
    }
}

fn cut(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(40).collect();
    if short.len() < text.len() {
        format!("{short}…")
    } else {
        short
    }
}

/// What to do about a value of the wrong kind.
pub(super) fn mend(node: &Node, shape: &Shape) -> Option<String> {
    if let Shape::Either(variants) = shape {
        let ways: Vec<String> = variants
            .iter()
            .filter(|variant| !variant.meaning.is_empty())
            .map(|v| format!("{}: {}", kind_of(&v.shape), v.meaning.trim_end_matches('.')))
            .collect();
        return (!ways.is_empty()).then(|| ways.join("; "));
    }
    let text = node.text()?;
    match shape {
        Shape::Boolean => match text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "y" | "true" => Some("write `true`, without quotes".into()),
            "no" | "off" | "n" | "false" => Some("write `false`, without quotes".into()),
            _ => None,
        },
        Shape::Integer { .. } | Shape::Number => (text.parse::<f64>().is_ok()
            && !matches!(node.value, Value::Scalar(_, Style::Plain)))
        .then(|| "write it without quotes".into()),
        Shape::List(inner) if inner.takes_scalar() => {
            Some(format!("write `[{}]`", cut(text.trim())))
        },
        _ => None,
    }
}
