//! Rows out of a stream of text: JSON lines, a JSON array, or psLib metadata.

use std::io::BufRead;

use serde_json::Value;

use super::{Row, Visit};
use crate::{metadata, prepare::PrepareError};

/// Why a stream gives no more rows: its own fault, or that of who visits them.
#[derive(Debug)]
pub(super) enum Stop {
    /// The text is wrong.
    Text(String),
    /// The visitor had enough.
    Visitor(PrepareError),
}

/// JSON lines, a JSON array or psLib metadata, told apart by the first character.
pub(super) fn any(mut text: impl BufRead, visit: Visit<'_>) -> Result<(), Stop> {
    loop {
        let buffer = text.fill_buf().map_err(|e| Stop::Text(e.to_string()))?;
        let Some(first) = buffer.first() else {
            return Ok(());
        };
        match first {
            b' ' | b'\t' | b'\r' | b'\n' => text.consume(1),
            b'{' => return json_lines(text, visit),
            b'[' => return json_array(text, visit),
            _ => return records(text, visit),
        }
    }
}

/// One JSON object a line.
pub(super) fn json_lines(mut text: impl BufRead, visit: Visit<'_>) -> Result<(), Stop> {
    let mut line = String::new();
    let mut at = 0_usize;
    let mut number = 0;
    loop {
        line.clear();
        at += 1;
        let wrong = |message: String| Stop::Text(format!("line {at}: {message}"));
        if text
            .read_line(&mut line)
            .map_err(|e| wrong(e.to_string()))?
            == 0
        {
            return Ok(());
        }
        if line.trim().is_empty() {
            continue;
        }
        let row: Row = serde_json::from_str(&line).map_err(|e| wrong(not_an_object(&e)))?;
        number += 1;
        visit(number, row).map_err(Stop::Visitor)?;
    }
}

/// A list of JSON objects; read as a whole.
pub(super) fn json_array(text: impl BufRead, visit: Visit<'_>) -> Result<(), Stop> {
    let rows: Vec<Value> =
        serde_json::from_reader(text).map_err(|e| Stop::Text(format!("not a JSON list: {e}")))?;
    for (number, row) in (1..).zip(rows) {
        let Value::Object(row) = row else {
            return Err(Stop::Text(format!("element {number} is not an object")));
        };
        visit(number, row).map_err(Stop::Visitor)?;
    }
    Ok(())
}

/// psLib metadata, a METADATA block a row.
pub(super) fn records(text: impl BufRead, visit: Visit<'_>) -> Result<(), Stop> {
    for (number, record) in (1..).zip(metadata::Rows::new(text)) {
        let record = record.map_err(|e| Stop::Text(e.to_string()))?;
        let row = record
            .values()
            .map(|(name, value)| (name.to_owned(), from_metadata(value)))
            .collect();
        visit(number, row).map_err(Stop::Visitor)?;
    }
    Ok(())
}

fn from_metadata(value: &metadata::Value) -> Value {
    use metadata::Value as M;
    match value {
        M::Null(_) => Value::Null,
        M::Bool(b) => Value::Bool(*b),
        M::U64(n) => Value::from(*n),
        M::Vector(vector) => vector.values().iter().map(from_metadata).collect(),
        other => match (other.as_i64(), other.as_f64(), other.as_str()) {
            (Some(integer), _, _) => Value::from(integer),
            (_, Some(real), _) => Value::from(real),
            (_, _, Some(text)) => Value::from(text),
            _ => Value::Null,
        },
    }
}

fn not_an_object(error: &serde_json::Error) -> String {
    format!("not a JSON object: {error}")
}
