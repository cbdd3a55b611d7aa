//! One line of text.

use std::str::FromStr;

use jiff::civil;

use super::{
    error::Fault,
    value::{NullKind, NumberKind, TimeScale, Value, Vector},
};

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// Nothing: blank or a comment.
    Blank,
    /// `NAME TYPE VALUE`.
    Value(&'a str, Value),
    /// `NAME METADATA`.
    Open(&'a str),
    /// `NAME MULTI`.
    Multi(&'a str),
    /// `END`.
    End,
}

pub(super) fn parse(line: &str) -> Result<Line<'_>, Fault> {
    let content = line.split('#').next().unwrap_or_default().trim();
    if content.is_empty() {
        return Ok(Line::Blank);
    }
    let (name, rest) = word(content);
    match name {
        "END" => return Ok(Line::End),
        "TYPE" => return Err(Fault::Unsupported("a TYPE template")),
        _ => {},
    }
    let (kind, text) = word(rest);
    if kind.is_empty() {
        return Err(Fault::NoType(name.to_owned()));
    }
    if let Some(name) = name.strip_prefix('@')
        && !name.is_empty()
    {
        let values = vector(kind, text)?;
        return Ok(Line::Value(name, Value::Vector(values)));
    }
    match kind {
        "METADATA" => block_end(text).map(|()| Line::Open(name)),
        "MULTI" => block_end(text).map(|()| Line::Multi(name)),
        _ => scalar(name, kind, text).map(|value| Line::Value(name, value)),
    }
}

fn word(text: &str) -> (&str, &str) {
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

fn block_end(text: &str) -> Result<(), Fault> {
    if text.is_empty() {
        Ok(())
    } else if text.eq_ignore_ascii_case("UPDATE") {
        Err(Fault::Unsupported("the directive UPDATE"))
    } else if text.eq_ignore_ascii_case("RESET") {
        Err(Fault::Unsupported("the directive RESET"))
    } else {
        Err(Fault::Trailing(text.to_owned()))
    }
}

fn scalar(name: &str, kind: &str, text: &str) -> Result<Value, Fault> {
    let number = NumberKind::from_word(kind);
    let scale = TimeScale::from_word(kind);
    if number.is_none() && scale.is_none() && !matches!(kind, "STR" | "BOOL") {
        return Err(Fault::UnknownType(kind.to_owned()));
    }
    if text.is_empty() {
        return Err(Fault::NoValue(name.to_owned()));
    }
    match (number, scale, kind) {
        (Some(kind), _, _) => parse_number(kind, text),
        (_, Some(scale), _) => parse_time(scale, text),
        (_, _, "BOOL") => parse_bool(text),
        _ if text.eq_ignore_ascii_case("null") => Ok(Value::Null(NullKind::Str)),
        _ => Ok(Value::Str(text.to_owned())),
    }
}

fn parse_bool(text: &str) -> Result<Value, Fault> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["t", "1", "true"]) {
        Ok(Value::Bool(true))
    } else if is(&["f", "0", "false"]) {
        Ok(Value::Bool(false))
    } else {
        Err(bad("BOOL", text))
    }
}

fn parse_time(scale: TimeScale, text: &str) -> Result<Value, Fault> {
    if text == "NULL" {
        return Ok(Value::Null(NullKind::Time));
    }
    let local = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    match local.parse::<civil::DateTime>() {
        Ok(_) => Ok(Value::Time(scale, text.to_owned())),
        Err(_) => Err(bad(scale.word(), text)),
    }
}

fn vector(kind: &str, text: &str) -> Result<Vector, Fault> {
    let number = NumberKind::from_word(kind).ok_or_else(|| Fault::UnknownType(kind.to_owned()))?;
    let values = text
        .split([' ', '\t', ','])
        .filter(|word| !word.is_empty())
        .map(|word| parse_number(number, word))
        .collect::<Result<Vec<_>, _>>()?;
    Vector::new(number, values).ok_or_else(|| bad(number.word(), text))
}

fn parse_number(kind: NumberKind, text: &str) -> Result<Value, Fault> {
    let value = match kind {
        NumberKind::S8 => integer(text).map(Value::S8),
        NumberKind::S16 => integer(text).map(Value::S16),
        NumberKind::S32 => integer(text).map(Value::S32),
        NumberKind::S64 => integer(text).map(Value::S64),
        NumberKind::U8 => integer(text).map(Value::U8),
        NumberKind::U16 => integer(text).map(Value::U16),
        NumberKind::U32 => integer(text).map(Value::U32),
        NumberKind::U64 => integer(text).map(Value::U64),
        NumberKind::F32 => f32::from_str(text).ok().map(Value::F32),
        NumberKind::F64 => f64::from_str(text).ok().map(Value::F64),
    };
    value.ok_or_else(|| bad(kind.word(), text))
}

/// An integer as `strtol` with base 0 reads it: `0x` is hexadecimal, a leading `0` octal.
fn integer<T: TryFrom<i128>>(text: &str) -> Option<T> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = if let Some(digits) = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        (16, digits)
    } else if digits.len() > 1
        && let Some(digits) = digits.strip_prefix('0')
    {
        (8, digits)
    } else {
        (10, digits)
    };
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, radix).ok()?;
    T::try_from(if negative { -magnitude } else { magnitude }).ok()
}

fn bad(kind: &'static str, value: &str) -> Fault {
    Fault::BadValue {
        kind,
        value: value.to_owned(),
    }
}
