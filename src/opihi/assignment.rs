//! `$name = value` and its kin (spec/pantasks.md §1.5).

use super::{
    brackets,
    compiled::{self, Assign, Operator},
    error::{Fault, Flow, Outcome},
    expand::expand,
    expr::{self, Operand},
    interpreter::Interpreter,
    number::Number,
    template::{self, Setting},
};

/// Most bytes that a command between back-ticks gives.
const CAPTURE_LIMIT: usize = 1023;

/// The assignment that a text is, if it is one.
pub(crate) fn compile(text: &str) -> Option<Assign> {
    let (_, operator, _) = compiled::assignment(text)?;
    Some(Assign {
        name: None,
        operator,
        value: None,
    })
}

/// Runs the assignment that `text` spells.
pub(crate) fn run(interpreter: &mut Interpreter, assign: &Assign, text: &str) -> Outcome {
    let Some((target, _, raw)) = compiled::assignment(text) else {
        return Ok(Flow::On);
    };
    let dynamic;
    let name = match &assign.name {
        Some(name) => &**name,
        None => {
            let expanded = expand(&interpreter.variables, &format!("${target}"), 1)?;
            dynamic = brackets::unescape(expanded);
            dynamic.trim_start_matches('$')
        },
    };
    let mut value = String::new();
    let filled = match &assign.value {
        Some(parts) => template::fill(parts, &interpreter.variables, Setting::Text, &mut value)?,
        None => false,
    };
    if !filled {
        value = expand(&interpreter.variables, raw, 0)?;
    }
    if interpreter.trace {
        interpreter.out(&format!("opihi: ${name} {:?} {value}\n", assign.operator));
    }
    match assign.operator {
        Operator::Set => set(interpreter, name, &value)?,
        Operator::Increment => add(interpreter, name, Number::Int(1))?,
        Operator::Decrement => add(interpreter, name, Number::Int(-1))?,
        Operator::Add => add(interpreter, name, number(value)?)?,
        Operator::Subtract => {
            let negative = match number(value)? {
                Number::Int(i) => Number::int(-i128::from(i)),
                Number::Real(r) => Number::Real(-r),
            };
            add(interpreter, name, negative)?;
        },
    }
    Ok(Flow::On)
}

fn set(interpreter: &mut Interpreter, name: &str, value: &str) -> Result<(), Fault> {
    let value = value.trim();
    if let Some(command) = value.strip_prefix('`') {
        let command = command
            .strip_suffix('`')
            .ok_or_else(|| Fault::message("a back-tick must end the line"))?;
        let text = capture(interpreter, command)?;
        interpreter.set(name, &text);
        return Ok(());
    }
    let value = brackets::fill(value.to_owned())?;
    if may_be_expression(&value)
        && let Ok(operand) = expr::value(&value)
        && let Operand::Number(number) = operand
        && !is_operand(&value)
    {
        interpreter.set(name, &number.print());
        return Ok(());
    }
    interpreter.set(name, &brackets::unescape(value));
    Ok(())
}

/// Whether `text` is one operand, which keeps its spelling.
fn is_operand(text: &str) -> bool {
    super::number::parse(text).is_some() && !text.starts_with('-')
}

/// A cheap test that most texts fail: words in a row, or quoted text, compute to nothing.
fn may_be_expression(text: &str) -> bool {
    if text.contains("==") || text.contains("!=") {
        return true;
    }
    let Some(first) = text.bytes().next() else {
        return false;
    };
    if first.is_ascii_alphabetic() || first == b'_' {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let length = text.bytes().take_while(|b| word(*b)).count();
        let after = text.get(length..).unwrap_or_default().trim_ascii_start();
        return after.starts_with('(');
    }
    !matches!(first, b'"' | b'/' | b'\\')
}

fn number(value: String) -> Result<Number, Fault> {
    let text = brackets::fill(value)?;
    expr::number(&text).map_err(|reason| Fault::Expression { text, reason })
}

fn add(interpreter: &mut Interpreter, name: &str, by: Number) -> Result<(), Fault> {
    let old = interpreter.get(name).unwrap_or("0");
    let old = match super::number::parse(old) {
        Some(number) => number,
        None => number(old.to_owned())?,
    };
    let sum = match (old, by) {
        (Number::Int(a), Number::Int(b)) => Number::int(i128::from(a) + i128::from(b)),
        (a, b) => Number::Real(a.real() + b.real()),
    };
    interpreter.set(name, &sum.print());
    Ok(())
}

/// What a command prints, its lines joined by blanks.
fn capture(interpreter: &mut Interpreter, command: &str) -> Result<String, Fault> {
    let ran = interpreter
        .host
        .capture(command)
        .map_err(|error| Fault::message(format!("cannot run `{command}`: {error}")))?;
    if ran.code != 0 {
        let code = ran.code;
        interpreter.err(&format!("warning: exit status of command {code}\n"));
    }
    interpreter.set("EXECSTATUS", &ran.code.to_string());
    let bytes = ran.stdout.get(..CAPTURE_LIMIT).unwrap_or(&ran.stdout);
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.replace('\n', " "))
}
