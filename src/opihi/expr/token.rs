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

const SIGNS: [&str; 22] = [
    "||", "&&", "==", "!=", "<=", ">=", "<<", ">>", "<", ">", "&", "|", "+", "-", "*", "/", "%",
    "@", "^", "(", ")", ",",
];

/// The tokens of `text`. With `references`, a `$name` is an operand; else `$` is a letter as any.
pub(super) fn tokens(text: &str, references: bool) -> Result<Vec<Token<'_>>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_ascii_start();
    while !rest.is_empty() {
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
    for sign in SIGNS {
        if let Some(rest) = text.strip_prefix(sign) {
            return Ok((Token::Sign(sign), rest));
        }
    }
    for sign in ["?", ":"] {
        if let Some(rest) = text.strip_prefix(sign)
            && rest.starts_with([' ', '\t'])
        {
            return Ok((Token::Sign(sign), rest));
        }
    }
    let (word, rest) = word(text);
    if word.is_empty() {
        let sign = text.chars().next().unwrap_or_default();
        return Err(format!("`{sign}` is no operator"));
    }
    if references && rest.starts_with('$') {
        return Err("a variable that may join with what precedes".to_owned());
    }
    match number::parse(word) {
        Some(number) => Ok((Token::Number(number), rest)),
        None => Ok((Token::Text(word), rest)),
    }
}

fn quoted(text: &str) -> Result<(Token<'_>, &str), String> {
    let inner = text.get(1..).unwrap_or_default();
    let length = inner.find('"').ok_or("misbalanced quotes")? + 2;
    let (token, rest) = text.split_at_checked(length).unwrap_or((text, ""));
    Ok((Token::Text(token), rest))
}

fn word(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let mut end = 0;
    while let Some(byte) = bytes.get(end) {
        let exponent = matches!(byte, b'+' | b'-')
            && text.get(..end).is_some_and(before_exponent)
            && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
        let ends = byte.is_ascii_whitespace() || b"|&=!<>+-*/%@^(),\"$".contains(byte);
        if ends && !exponent {
            break;
        }
        end += 1;
    }
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Whether `text` is a number up to its `e`.
fn before_exponent(text: &str) -> bool {
    let mantissa = text.strip_suffix(['e', 'E']).unwrap_or_default();
    !mantissa.is_empty() && mantissa.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}
