//! Text with `$name` in it, taken apart once.
//!
//! Filling a template gives what [`super::expand`] gives for the same text, as long as no value
//! asks for a second look (another `$`, a backslash, a brace); then filling declines and the
//! caller expands the text itself.

use super::{
    error::Fault,
    expand::{Values, is_name_byte},
};

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

/// Appends the filled template to `out`; false where a value asks for expansion itself.
pub(crate) fn fill(
    parts: &[Part],
    values: &impl Values,
    setting: Setting,
    out: &mut String,
) -> Result<bool, Fault> {
    // Expansion goes from the right, and so must the first error.
    if let [_, _, ..] = parts
        && let Err(fault) = check(parts, values)
    {
        return Err(fault);
    }
    for part in parts {
        match part {
            Part::Literal(text) => out.push_str(text),
            Part::Exists(name) => out.push(if values.exists(name) { '1' } else { '0' }),
            Part::Value(name) => {
                let value = values.value(name)?;
                if !setting.takes(value) {
                    return Ok(false);
                }
                out.push_str(value);
            },
            Part::Element { list, index } => {
                let index = values.value(index)?;
                if !index.bytes().all(is_name_byte) {
                    return Ok(false);
                }
                let value = element(values, list, index)?;
                if !setting.takes(value) {
                    return Ok(false);
                }
                out.push_str(value);
            },
        }
    }
    Ok(true)
}

fn check(parts: &[Part], values: &impl Values) -> Result<(), Fault> {
    let named = |part: &&Part| !matches!(part, Part::Literal(_) | Part::Exists(_));
    if parts.iter().filter(named).count() < 2 {
        return Ok(());
    }
    for part in parts.iter().rev() {
        match part {
            Part::Value(name) => values.value(name).map(drop)?,
            Part::Element { index, .. } => values.value(index).map(drop)?,
            Part::Literal(_) | Part::Exists(_) => {},
        }
    }
    Ok(())
}

pub(crate) fn element<'a>(
    values: &'a impl Values,
    list: &str,
    index: &str,
) -> Result<&'a str, Fault> {
    let mut name = String::with_capacity(list.len() + index.len());
    name.push_str(list);
    name.push_str(index);
    values.value(&name)
}
