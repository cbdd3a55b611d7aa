//! Comparisons that are always the same.

use std::collections::BTreeSet;

use super::{
    super::{compiled::assignment, expand::is_name_byte},
    finding::Finding,
    walk::Walk,
};

/// Unquoted variables that are compared with quoted text: a value without quotes of its own never
/// equals it.
pub(super) fn lints(walks: &[Walk], walk: &Walk) -> Vec<Finding> {
    let keep_quotes = quoted_values(walks);
    let mut found = Vec::new();
    for (spot, call) in walk.calls() {
        for (variable, operator, text) in call.condition.into_iter().flat_map(comparisons) {
            if keep_quotes.contains(stem(variable.trim_start_matches('$'))) {
                continue;
            }
            let always = if operator == "==" { "false" } else { "true" };
            let message = format!(
                "{variable} without quotes never equals {text} with quotes: this is always {always}"
            );
            let help = format!("write \"{variable}\" {operator} {text}");
            found.push(
                Finding::new(&walk.program, spot.index, message)
                    .mark(variable)
                    .help(help),
            );
        }
    }
    found
}

/// Variables that are given text with its quotes somewhere.
fn quoted_values(walks: &[Walk]) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for (_, call) in walks.iter().flat_map(Walk::calls) {
        if let Some((target, _, value)) = assignment(call.text)
            && value.contains('"')
        {
            names.insert(stem(target));
        }
    }
    names
}

/// The name before another `$`.
fn stem(name: &str) -> &str {
    name.split_once('$').map_or(name, |(stem, _)| stem)
}

/// The comparisons of an unquoted variable with quoted text in a condition.
fn comparisons(condition: &str) -> Vec<(&str, &str, &str)> {
    let mut found = Vec::new();
    let mut inside = false;
    for (at, byte) in condition.bytes().enumerate() {
        inside ^= byte == b'"';
        let Some(operator) = condition.get(at..at + 2) else {
            continue;
        };
        if inside || !matches!(operator, "==" | "!=") {
            continue;
        }
        let left = condition.get(..at).unwrap_or_default().trim_end();
        let right = condition.get(at + 2..).unwrap_or_default().trim_start();
        let pair = match (variable_at_end(left), quoted_at_start(right)) {
            (Some(variable), Some(text)) => Some((variable, text)),
            _ => variable_at_start(right).zip(quoted_at_end(left)),
        };
        if let Some((variable, text)) = pair {
            found.push((variable, operator, text));
        }
    }
    found
}

fn in_variable(c: char) -> bool {
    c == '$' || u8::try_from(c).is_ok_and(is_name_byte)
}

fn variable_at_end(text: &str) -> Option<&str> {
    let start = text.trim_end_matches(in_variable).len();
    text.get(start..)
        .filter(|word| word.starts_with('$') && word.len() > 1)
}

fn variable_at_start(text: &str) -> Option<&str> {
    let length = text.len() - text.trim_start_matches(in_variable).len();
    text.get(..length)
        .filter(|word| word.starts_with('$') && word.len() > 1)
}

fn quoted_at_start(text: &str) -> Option<&str> {
    let (inner, _) = text.strip_prefix('"')?.split_once('"')?;
    text.get(..inner.len() + 2)
}

fn quoted_at_end(text: &str) -> Option<&str> {
    let (before, _) = text.strip_suffix('"')?.rsplit_once('"')?;
    text.get(before.len()..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unquoted_variables_with_quoted_text() {
        let condition = r#"(($a == "x y") && ("$b" == "z") || ("w" != $c:$i) && $?d == "v")"#;
        let expected = [("$a", "==", r#""x y""#), ("$c:$i", "!=", r#""w""#)];
        assert_eq!(comparisons(condition), expected);
    }
}
