//! The text that `ipptool2book` reads (spec/pantasks.md §6).
//!
//! [`crate::metadata`] reads the same text strictly and by type. Here values stay the text they
//! are (`1.0` stays `1.0`), types do not matter and what is wrong spoils no other page: that is
//! what scripts count on.

/// A page and its words.
pub(crate) type Row<'a> = Vec<(&'a str, &'a str)>;

/// The pages of the text, and what is wrong with it.
pub(crate) fn rows<'a>(lines: impl Iterator<Item = &'a str>) -> (Vec<Row<'a>>, Vec<String>) {
    let mut rows = Vec::new();
    let mut errors = Vec::new();
    let mut open: Option<Row<'a>> = None;
    let mut lines = lines
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    match lines.next() {
        None => return (rows, errors),
        Some(first) if word(first).1.starts_with("MULTI") => {},
        Some(_) => {
            errors.push("ERROR: missing metadata output name on first line".to_owned());
            return (rows, errors);
        },
    }
    for line in lines {
        let (key, rest) = word(line);
        let (kind, value) = word(rest);
        match (&mut open, key, kind) {
            (Some(_), "END", _) => rows.extend(open.take()),
            (None, _, "METADATA") => open = Some(Row::new()),
            (Some(_), _, "METADATA") => {
                errors.push(format!(
                    "ERROR: {key}: a METADATA within another has no place here"
                ));
            },
            (None, _, _) => errors.push(format!("ERROR: {line}: outside any METADATA")),
            (Some(row), _, _) => match content(value) {
                Some(value) => row.push((key, value)),
                None => errors.push(format!("ERROR: missing value for {key}")),
            },
        }
    }
    if let Some(row) = open {
        errors.push("ERROR: the last METADATA has no END".to_owned());
        rows.push(row);
    }
    (rows, errors)
}

fn word(text: &str) -> (&str, &str) {
    match text.split_once(|c: char| c.is_ascii_whitespace()) {
        Some((word, rest)) => (word, rest.trim_ascii_start()),
        None => (text, ""),
    }
}

fn content(text: &str) -> Option<&str> {
    if let Some(inner) = text.strip_prefix('"') {
        return Some(inner.split_once('"').map_or(inner, |(value, _)| value));
    }
    Some(word(text).0).filter(|value| !value.is_empty())
}
