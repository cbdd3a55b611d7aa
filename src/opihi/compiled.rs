//! A line, taken apart once: its pieces between `;`, their words, and what in them is fixed.

use super::{
    expr::Expr,
    source::{condition, first_word},
    template::{self, Part},
    words,
};

/// One command of a line, as it stands between two `;`.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) text: Box<str>,
    pub(crate) form: Form,
}

/// What is known of a piece before it runs.
#[derive(Debug)]
pub(crate) enum Form {
    /// `$name = value` and its kin.
    Assign(Assign),
    /// A command whose words can be filled one by one.
    Words(Box<[WordParts]>),
    /// `if (condition)`, with the words of the inline command if there is one.
    If {
        condition: Expr,
        inline: Option<Box<[WordParts]>>,
    },
    /// Only the text itself tells, each time anew.
    Text,
}

/// A word and whether it stands in quotes.
#[derive(Debug)]
pub(crate) struct WordParts {
    pub(crate) parts: Box<[Part]>,
    pub(crate) quoted: bool,
}

/// An assignment.
#[derive(Debug)]
pub(crate) struct Assign {
    /// The name, where it is fixed.
    pub(crate) name: Option<Box<str>>,
    pub(crate) operator: Operator,
    /// The value, where it can be filled.
    pub(crate) value: Option<Box<[Part]>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Set,
    Add,
    Subtract,
    Increment,
    Decrement,
}

/// The pieces of a line.
pub(crate) fn line(text: &str) -> Box<[Piece]> {
    text.split(';')
        .map(str::trim)
        .filter(|piece| !piece.is_empty())
        .map(|text| Piece {
            text: text.into(),
            form: form(text),
        })
        .collect()
}

fn form(text: &str) -> Form {
    if let Some((target, operator, value)) = assignment(text) {
        let fixed = !target.is_empty() && !target.contains(['$', '?', '\\', '{']);
        return Form::Assign(Assign {
            name: fixed.then(|| target.into()),
            operator,
            value: template::parts(value),
        });
    }
    let first = first_word(text);
    if first.is_empty() || first.starts_with('!') || "while".starts_with(first) {
        return Form::Text;
    }
    if first == "if" {
        return conditional(text).unwrap_or(Form::Text);
    }
    word_parts(text).map_or(Form::Text, Form::Words)
}

fn conditional(text: &str) -> Option<Form> {
    let (condition, rest) = condition(text)?;
    let inline = match rest {
        "" => None,
        rest => Some(word_parts(rest)?),
    };
    Some(Form::If {
        condition: Expr::template(condition)?,
        inline,
    })
}

fn word_parts(text: &str) -> Option<Box<[WordParts]>> {
    let words = words::split(text).ok()?;
    let parts = |word: &words::Word<'_>| {
        Some(WordParts {
            parts: template::parts(word.text)?,
            quoted: word.quoted,
        })
    };
    words.iter().map(parts).collect()
}

/// The target without its first `$`, the operator and the value of an assignment.
pub(crate) fn assignment(text: &str) -> Option<(&str, Operator, &str)> {
    let after = text.strip_prefix('$')?;
    let in_target = |b: u8| super::expand::is_name_byte(b) || matches!(b, b'$' | b'?');
    let length = after.bytes().take_while(|b| in_target(*b)).count();
    let (target, rest) = after.split_at_checked(length)?;
    let rest = rest.trim_ascii_start();
    if target.is_empty() {
        return None;
    }
    let operators = [
        ("++", Operator::Increment),
        ("--", Operator::Decrement),
        ("+=", Operator::Add),
        ("-=", Operator::Subtract),
        ("=", Operator::Set),
    ];
    operators.iter().find_map(|(sign, operator)| {
        let value = rest.strip_prefix(sign)?;
        Some((target, *operator, value.trim()))
    })
}
