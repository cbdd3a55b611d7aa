//! From records to text, byte for byte as the original prints it.

use super::{
    float,
    record::{Document, Entry, Node, Record},
    value::{NullKind, Value},
};

/// A whole text. A string keeps to its line: line breaks in it become blanks. What stands behind
/// a `#` in a string is a comment to every reader, as it is in the original.
pub fn write(document: &Document) -> String {
    let mut text = String::new();
    for line in lines(document) {
        if line.opens_block {
            text.push('\n');
        }
        text.push_str(&line.text);
        text.push('\n');
    }
    text
}

/// Rows as a database tool prints them: blocks under one MULTI name, and a closing empty line.
/// Without rows only that line (spec/remote.md §2).
pub fn write_multi(name: &str, rows: &[Record]) -> String {
    let mut document = Document::new();
    if !rows.is_empty() {
        let nodes = rows.iter().cloned().map(Node::Record).collect();
        document.insert(name, Entry::Many(nodes));
    }
    let mut text = write(&document);
    text.push('\n');
    text
}

/// Rows as a database tool prints them under `-simple`: one a line, values in order with one
/// blank between, blanks inside a string as underscores, an absent string as nothing. A block
/// inside a row comes out on lines of its own, before the row.
pub fn write_simple(rows: &[Record]) -> String {
    let mut text = String::new();
    for row in rows {
        simple(row, &mut text);
    }
    text
}

struct Line {
    text: String,
    opens_block: bool,
}

impl Line {
    fn plain(text: String) -> Self {
        Self {
            text,
            opens_block: false,
        }
    }
}

fn lines(record: &Record) -> Vec<Line> {
    let mut lines = Vec::new();
    for (name, entry) in record.entries() {
        let name = name.replace(|c: char| c.is_whitespace() || c == '#', "_");
        if matches!(entry, Entry::Many(_)) {
            lines.push(Line::plain(format!("{name} MULTI")));
        }
        for node in entry.nodes() {
            match node {
                Node::Value(value) => lines.push(Line::plain(value_line(&name, value))),
                Node::Record(inner) => {
                    lines.push(Line {
                        text: format!("{name}  METADATA  "),
                        opens_block: true,
                    });
                    let indented = |line: Line| Line::plain(format!("   {}", line.text));
                    lines.extend(self::lines(inner).into_iter().map(indented));
                    lines.push(Line::plain("END".to_owned()));
                },
            }
        }
    }
    lines
}

fn value_line(name: &str, value: &Value) -> String {
    let kind = value.type_word();
    match value {
        Value::Vector(vector) => {
            let values: String = vector
                .values()
                .iter()
                .map(|value| content(value) + " ")
                .collect();
            format!("@{name} {kind} {values}")
        },
        Value::Time(..) => format!("{name:<15}  {kind:<8}  {}", content(value)),
        Value::Str(_) | Value::Null(NullKind::Str) => {
            format!("{name:<15}  {kind:<8}  {:<15} ", content(value))
        },
        _ => format!("{name:<15}  {kind:<8}  {:<15}", content(value)),
    }
}

fn content(value: &Value) -> String {
    match value {
        Value::Str(text) if text.trim().is_empty() => "NULL".to_owned(),
        Value::Str(text) | Value::Time(_, text) => text.replace(char::is_control, " "),
        Value::Null(_) => "NULL".to_owned(),
        Value::F32(x) => float::general(f64::from(*x), 7),
        Value::F64(x) => float::general(*x, 15),
        _ => plain(value),
    }
}

fn simple(row: &Record, text: &mut String) {
    let mut fields = Vec::new();
    for (_, entry) in row.entries() {
        for node in entry.nodes() {
            match node {
                Node::Value(value) => fields.push(simple_content(value)),
                Node::Record(inner) => simple(inner, text),
            }
        }
    }
    if !fields.is_empty() {
        text.push_str(&fields.join(" "));
        text.push('\n');
    }
}

fn simple_content(value: &Value) -> String {
    match value {
        Value::Str(text) => text.replace(|c: char| c.is_whitespace() || c.is_control(), "_"),
        Value::Null(NullKind::Str) => String::new(),
        Value::Null(NullKind::Time) => "NULL".to_owned(),
        Value::F32(x) => float::fixed(f64::from(*x)),
        Value::F64(x) => float::fixed(*x),
        Value::Vector(vector) => {
            let values: Vec<_> = vector.values().iter().map(simple_content).collect();
            values.join(",")
        },
        _ => plain(value),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::S8(n) => n.to_string(),
        Value::S16(n) => n.to_string(),
        Value::S32(n) => n.to_string(),
        Value::S64(n) => n.to_string(),
        Value::U8(n) => n.to_string(),
        Value::U16(n) => n.to_string(),
        Value::U32(n) => n.to_string(),
        Value::U64(n) => n.to_string(),
        Value::F32(x) => x.to_string(),
        Value::F64(x) => x.to_string(),
        Value::Bool(true) => "T".to_owned(),
        Value::Bool(false) => "F".to_owned(),
        Value::Str(text) | Value::Time(_, text) => text.clone(),
        Value::Null(_) | Value::Vector(_) => String::new(),
    }
}
