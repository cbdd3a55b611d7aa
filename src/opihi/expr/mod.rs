//! Expressions (spec/pantasks.md §1.7).

mod eval;
mod function;
mod parse;
mod token;

pub(crate) use eval::{Operand, Refusal};
pub(crate) use function::is_function;
pub(crate) use parse::Expr;

use super::{
    error::Fault,
    expand::Values,
    number::{self, Number},
};

/// No variables: for text that is expanded already.
struct Expanded;

impl Values for Expanded {
    fn value(&self, name: &str) -> Result<&str, Fault> {
        Err(Fault::NoVariable(name.to_owned()))
    }
}

/// What expanded text comes to as an expression, or why it is none.
pub(crate) fn value(text: &str) -> Result<Operand<'_>, String> {
    let expr = Expr::parse(text)?;
    match expr.eval(&Expanded) {
        Ok(operand) => Ok(operand.owned()),
        Err(Refusal::Reason(reason)) => Err(reason),
        Err(Refusal::Textual) => Err("not an expression".to_owned()),
    }
}

/// What expanded text comes to as a number.
pub(crate) fn number(text: &str) -> Result<Number, String> {
    match value(text)? {
        Operand::Number(number) => Ok(number),
        Operand::Text(text) => Err(format!("{text} is no number")),
    }
}

/// What expanded text comes to as a number, as it is printed: one number alone keeps its spelling.
pub(crate) fn printed(text: &str) -> Result<String, String> {
    let number = number(text)?;
    Ok(alone(text).map_or_else(|| number.print(), str::to_owned))
}

/// The number that `text` is, without the parentheses and plus signs around it.
fn alone(text: &str) -> Option<&str> {
    let mut text = text.trim();
    loop {
        let inner = text.strip_prefix('(').and_then(|t| t.strip_suffix(')'));
        match inner.or_else(|| text.strip_prefix('+')) {
            Some(inner) => text = inner.trim(),
            None => break,
        }
    }
    let spelled = !text.starts_with('-') && number::parse(text).is_some();
    spelled.then_some(text)
}
