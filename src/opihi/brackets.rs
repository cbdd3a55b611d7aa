//! `{expression}` within a line, and backslashes (spec/pantasks.md §1.5).

use super::{error::Fault, expr};

/// `text` with each `{expression}` replaced by its number. `\{` stays for [`unescape`].
pub(crate) fn fill(text: String) -> Result<String, Fault> {
    if !text.contains('{') {
        return Ok(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find(['{', '\\']) {
        let (before, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        let mut chars = tail.chars();
        if chars.next() == Some('\\') {
            out.push('\\');
            out.extend(chars.next());
            rest = chars.as_str();
            continue;
        }
        let (inner, after) = chars.as_str().split_once('}').ok_or(Fault::OpenBracket)?;
        if inner.contains('{') {
            return Err(Fault::NestedBrackets);
        }
        let number = expr::printed(inner);
        out.push_str(&number.map_err(|_| Fault::BracketExpression(inner.to_owned()))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// `text` with each `\c` replaced by `c`.
pub(crate) fn unescape(text: String) -> String {
    if !text.contains('\\') {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            out.extend(chars.next());
        } else {
            out.push(c);
        }
    }
    out
}
