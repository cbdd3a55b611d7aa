//! The text that `ipptool2book` reads (spec/pantasks.md §6).
//!
//! [`crate::metadata`] reads the same text strictly and by type. Here values stay the text they
//! are (`1.0` stays `1.0`) and types do not matter: that is what scripts count on. A row that is
//! wrong is left out, and spoils no other.

use super::words;

/// A page and its words.
pub(crate) type Row<'a> = Vec<(&'a str, &'a str)>;

/// Where in the text the reader is.
enum At<'a> {
    Between,
    /// Behind something wrong, up to the next row.
    Lost,
    In(Row<'a>),
    /// In a row that is left out.
    Bad,
}

/// The pages of the text, and what is wrong with it.
pub(crate) fn rows<'a>(lines: impl Iterator<Item = &'a str>) -> (Vec<Row<'a>>, Vec<String>) {
    let mut rows = Vec::new();
    let mut errors = Vec::new();
    let mut lines = content(lines);
    let Some(first) = lines.next() else {
        return (rows, errors);
    };
    let (name, rest) = word(first);
    if rest != "MULTI" {
        errors.push("ERROR: missing metadata output name on first line".to_owned());
        return (rows, errors);
    }
    let mut at = At::Between;
    for line in lines {
        let (key, rest) = word(line);
        let (kind, value) = word(rest);
        at = match at {
            At::Between | At::Lost if key == name && kind == "METADATA" => At::In(Row::new()),
            At::Between if key == name => {
                errors.push("ERROR: missing METADATA tag".to_owned());
                At::Lost
            },
            At::Between => {
                errors.push(format!("ERROR: unexpected metadata name {key}"));
                At::Lost
            },
            At::Lost => At::Lost,
            At::In(row) if key == "END" => {
                rows.push(row);
                At::Between
            },
            At::Bad if key == "END" => At::Between,
            At::Bad => At::Bad,
            At::In(mut row) => match words::next(value) {
                Ok((word, _)) if !value.is_empty() => {
                    row.push((key, word.text));
                    At::In(row)
                },
                _ => {
                    errors.push(format!("ERROR: missing value for {key}"));
                    At::Bad
                },
            },
        };
    }
    if let At::In(_) | At::Bad = at {
        errors.push("ERROR: unterminated metadata".to_owned());
    }
    (rows, errors)
}

/// The pages of columns of text, whose first line has their names; and the line with more columns
/// than that, where there is one.
pub(crate) fn columns<'a>(lines: impl Iterator<Item = &'a str>) -> (Vec<Row<'a>>, Option<String>) {
    let mut rows = Vec::new();
    let mut lines = content(lines);
    let names: Vec<&str> = lines.next().map(words).unwrap_or_default();
    for line in lines {
        let values = words(line);
        if values.len() > names.len() {
            let error = format!("ERROR: line has too many items: {line}");
            return (rows, Some(error));
        }
        rows.push(names.iter().copied().zip(values).collect());
    }
    (rows, None)
}

fn content<'a>(lines: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    lines
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn words(line: &str) -> Vec<&str> {
    let words = words::split(line).unwrap_or_default();
    words.into_iter().map(|word| word.text).collect()
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    words::next(text).map_or(("", ""), |(word, rest)| {
        (word.text, rest.trim_ascii_start())
    })
}
