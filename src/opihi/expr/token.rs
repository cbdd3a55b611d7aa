//! The tokens of an expression.

use super::super::{
    number::{self, Number},
    template::{self, Part},
};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    Number(Number),
    /// A bare word, or a string with its quotes.
    Text(&'a str),
    /// A `$name` that stands alone as an operand.
    Reference(Part),
    Sign(&'static str),
}

const SIGNS: [&str; 25] = [
    "||", "&&", "==", "!=", "<=", ">=", "<<", ">>", "<~", "~>", "<", ">", "&", "|", "+", "-", "*",
    "/", "%", "@", "^", "(", ")", ",", "?",
];

/// Most tokens of an expression: a tree leans to the left by one level for every two.
const LIMIT: usize = 1000;

/// The tokens of `text`. With `references`, a `$name` is an operand; else `$` is a letter as any.
pub(super) fn tokens(text: &str, references: bool) -> Result<Vec<Token<'_>>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_ascii_start();
    while !rest.is_empty() {
        if tokens.len() == LIMIT {
            return Err("too long".to_owned());
        }
        let (token, after) = next(rest, references)?;
        tokens.push(token);
        rest = after.trim_ascii_start();
    }
    Ok(tokens)
}

fn next(text: &str, references: bool) -> Result<(Token<'_>, &str), String> {
    if text.starts_with('"') {
        return quoted(text);
    }
    if references && let Some(after) = text.strip_prefix('$') {
        let (part, rest) = template::reference(after).ok_or("not a plain variable")?;
        let apart = rest
            .bytes()
            .next()
            .is_none_or(|b| b.is_ascii_whitespace() || b == b')');
        return if apart {
            Ok((Token::Reference(part), rest))
        } else {
            Err("a variable that may join with what follows".to_owned())
        };
    }
    if let Some(sign) = sign(text) {
        let rest = text.get(sign.len()..).unwrap_or_default();
        return Ok((Token::Sign(sign), rest));
    }
    let (word, rest) = word(text, references);
    if references && rest.starts_with('$') {
        return Err("a variable that may join with what precedes".to_owned());
    }
    if word == ":" {
        return Ok((Token::Sign(":"), rest));
    }
    match number::parse(word) {
        Some(number) => Ok((Token::Number(number), rest)),
        None => Ok((Token::Text(word), rest)),
    }
}

/// The operator that `text` begins with.
fn sign(text: &str) -> Option<&'static str> {
    let first = text.bytes().next()?;
    if first.is_ascii_alphanumeric() {
        return None;
    }
    SIGNS.into_iter().find(|sign| text.starts_with(sign))
}

fn quoted(text: &str) -> Result<(Token<'_>, &str), String> {
    let inner = text.get(1..).unwrap_or_default();
    let length = inner.find('"').ok_or("misbalanced quotes")? + 2;
    let (token, rest) = text.split_at_checked(length).unwrap_or((text, ""));
    Ok((Token::Text(token), rest))
}

/// A word goes on to a blank, an operator, or the end of a string in it. A sign behind an `e` is
/// part of it, as in `1e-5`.
fn word(text: &str, references: bool) -> (&str, &str) {
    let mut before = None;
    let mut end = text.len();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == '"' {
            end = chars
                .find(|(_, c)| *c == '"')
                .map_or(text.len(), |(at, _)| at + 1);
            break;
        }
        let exponent = matches!(c, '+' | '-') && matches!(before, Some('e' | 'E'));
        let ends = c.is_ascii_whitespace()
            || (references && c == '$')
            || text.get(at..).and_then(sign).is_some();
        if ends && !exponent {
            end = at;
            break;
        }
        before = Some(c);
    }
    text.split_at_checked(end).unwrap_or((text, ""))
}
