//! Which words may be names.

use super::Report;
use crate::config::document::KeyPath;

/// Names that every template sees; a recipe may not take them for its own.
const TEMPLATE_NAMES: [&str; 13] = [
    "vars",
    "stage",
    "label",
    "site",
    "site_vars",
    "root",
    "threads",
    "run",
    "stage_id",
    "input",
    "output",
    "true",
    "false",
];

/// A name of a template language or of SQL: a letter or `_`, then letters, digits and `_`.
pub(super) fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && text.len() <= 63
}

/// A name of a stage or site: it becomes part of job names and paths.
pub(super) fn is_label(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && text.len() <= 64
}

/// Whether text can stand in a line of its own: no control characters.
pub(super) fn is_one_line(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Reports a name that templates could not use.
pub(super) fn template_name(report: &mut Report<'_>, name: &str, path: &KeyPath) {
    report.require(
        is_identifier(name),
        path,
        format!("`{name}` cannot be a name in templates"),
        "use letters, digits and `_`, and begin with a letter",
    );
    report.require(
        !TEMPLATE_NAMES.contains(&name),
        path,
        format!("`{name}` means something else in templates"),
        "take another name",
    );
}

/// The same for a name that is a key.
pub(super) fn template_key(report: &mut Report<'_>, name: &str, path: &KeyPath) {
    report.require_key(
        is_identifier(name),
        path,
        format!("`{name}` cannot be a name in templates"),
        "use letters, digits and `_`, and begin with a letter",
    );
    report.require_key(
        !TEMPLATE_NAMES.contains(&name),
        path,
        format!("`{name}` means something else in templates"),
        "take another name",
    );
}
