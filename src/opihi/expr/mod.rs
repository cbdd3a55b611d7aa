//! Expressions (spec/pantasks.md §1.7).

mod eval;
mod function;
mod parse;
mod token;

pub(crate) use eval::{Operand, Refusal};
pub(crate) use parse::Expr;

use super::{error::Fault, expand::Values, number::Number};

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
        Err(Refusal::Fault(fault)) => Err(fault.to_string()),
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
