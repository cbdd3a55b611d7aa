//! Text with `$name` in it, taken apart once.
//!
//! Filling a template gives what [`super::expand`] gives for the same text, as long as no value
//! asks for a second look (another `$`, a backslash, a brace); then filling declines and the
//! caller expands the text itself.

use super::expand::{LINE_LIMIT, Values, is_name_byte};

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Text as it stands.
    Literal(Box<str>),
    /// `$name`.
    Value(Box<str>),
    /// `$?name`.
    Exists(Box<str>),
    /// `$list:$index`.
    Element { list: Box<str>, index: Box<str> },
}

/// What a value may not have where it is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// A whole text: nothing that is expanded again.
    Text,
    /// Within quotes: no quote either.
    Quoted,
    /// A bare word: nothing that would end it, and not nothing.
    Bare,
}

impl Setting {
    fn takes(self, value: &str) -> bool {
        let special = |b: u8| matches!(b, b'$' | b'\\' | b'{' | b'}');
        match self {
            Self::Text => !value.bytes().any(special),
            Self::Quoted => !value.bytes().any(|b| special(b) || b == b'"'),
            Self::Bare => {
                let ends =
                    |b: u8| b.is_ascii_whitespace() || matches!(b, b'"' | b'(' | b')' | b';');
                !value.is_empty() && !value.bytes().any(|b| special(b) || ends(b))
            },
        }
    }
}

/// The parts of `text`; none where only expansion itself can tell (`$$name`, longer chains,
/// braces, backslashes).
pub(crate) fn parts(text: &str) -> Option<Box<[Part]>> {
    if text.contains(['\\', '{', '}']) {
        return None;
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once('$') {
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.into()));
        }
        let (part, after) = reference(after)?;
        parts.push(part);
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.into()));
    }
    Some(parts.into())
}

/// The reference that follows a `$`, and the text behind it.
pub(crate) fn reference(text: &str) -> Option<(Part, &str)> {
    if let Some(text) = text.strip_prefix('?') {
        let (name, rest) = name(text)?;
        return (!rest.starts_with('$')).then(|| (Part::Exists(name.into()), rest));
    }
    let (first, rest) = name(text)?;
    let Some(rest) = rest.strip_prefix('$') else {
        return Some((Part::Value(first.into()), rest));
    };
    let (index, rest) = name(rest)?;
    let part = Part::Element {
        list: first.into(),
        index: index.into(),
    };
    (!rest.starts_with('$')).then_some((part, rest))
}

fn name(text: &str) -> Option<(&str, &str)> {
    let length = text.bytes().take_while(|b| is_name_byte(*b)).count();
    text.split_at_checked(length)
        .filter(|(name, _)| !name.is_empty())
}

/// Appends the filled template to `out`; false where a value asks for expansion itself, or is
/// missing, of which expansion tells.
pub(crate) fn fill(
    parts: &[Part],
    values: &impl Values,
    setting: Setting,
    out: &mut String,
) -> bool {
    parts.iter().all(|part| {
        let value = match part {
            Part::Literal(text) => {
                out.push_str(text);
                return true;
            },
            Part::Exists(name) => {
                out.push(if values.exists(name) { '1' } else { '0' });
                return true;
            },
            Part::Value(name) => values.value(name).ok(),
            Part::Element { list, index } => element(values, list, index),
        };
        let value = value.filter(|value| setting.takes(value));
        value.is_some_and(|value| {
            out.push_str(value);
            out.len() <= LINE_LIMIT
        })
    })
}

/// The value of `$list$index`, where the index is a name and nothing else.
pub(crate) fn element<'a>(values: &'a impl Values, list: &str, index: &str) -> Option<&'a str> {
    let index = values.value(index).ok()?;
    if !index.bytes().all(is_name_byte) {
        return None;
    }
    let mut name = String::with_capacity(list.len() + index.len());
    name.push_str(list);
    name.push_str(index);
    values.value(&name).ok()
}
