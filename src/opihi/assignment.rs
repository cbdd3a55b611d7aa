//! `$name = value` and its kin (spec/pantasks.md §1.5).

use super::{
    brackets, builtins,
    compiled::{self, Assign, Operator},
    error::{Fault, Flow, Outcome},
    expand::expand,
    expr,
    interpreter::Interpreter,
    number::{Number, leading_real},
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
    let mut value = String::new();
    let filled = match &assign.value {
        Some(parts) => template::fill(parts, &interpreter.variables, Setting::Text, &mut value),
        None => false,
    };
    if !filled {
        value = expand(&interpreter.variables, raw, 0)?;
    }
    let dynamic;
    let name = match &assign.name {
        Some(name) => &**name,
        None => {
            let expanded = expand(&interpreter.variables, &format!("${target}"), 1)?;
            dynamic = brackets::unescape(expanded);
            dynamic.trim_start_matches('$')
        },
    };
    match assign.operator {
        Operator::Set => set(interpreter, name, &value)?,
        Operator::Increment | Operator::Decrement if !value.is_empty() => {
            return Err(Fault::message("syntax error").into());
        },
        Operator::Increment => add(interpreter, name, 1.0),
        Operator::Decrement => add(interpreter, name, -1.0),
        Operator::Add => add(interpreter, name, number(value)?),
        Operator::Subtract => add(interpreter, name, -number(value)?),
    }
    Ok(Flow::On)
}

fn set(interpreter: &mut Interpreter, name: &str, value: &str) -> Result<(), Fault> {
    let value = value.trim();
    if value.trim_start_matches('\\').starts_with('`') {
        let value = brackets::unescape(value.to_owned());
        let command = value.strip_prefix('`').and_then(|v| v.strip_suffix('`'));
        let command = command.ok_or_else(|| Fault::message("a back-tick must end the line"))?;
        let text = capture(interpreter, command)?;
        interpreter.set(name, &text);
        return Ok(());
    }
    if !value.contains(['{', '\\']) {
        settle(interpreter, name, value);
        return Ok(());
    }
    // What stands in braces and is no number is text like any other.
    let filled = brackets::fill(value.to_owned()).unwrap_or_else(|_| value.to_owned());
    settle(interpreter, name, brackets::unescape(filled).trim_start());
    Ok(())
}

/// Sets the number that `value` comes to, else the text itself.
fn settle(interpreter: &mut Interpreter, name: &str, value: &str) {
    if may_be_expression(value)
        && let Ok(number) = expr::printed(value)
    {
        interpreter.set(name, &number);
    } else {
        interpreter.set(name, value);
    }
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
        let length = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let word = text.get(..length).unwrap_or_default();
        return expr::is_function(word) || super::number::parse(word).is_some();
    }
    !matches!(first, b'"' | b'/' | b'\\')
}

fn number(value: String) -> Result<f64, Fault> {
    let text = brackets::unescape(brackets::fill(value)?);
    let number = expr::number(&text);
    let number = number.map_err(|reason| Fault::Expression { text, reason })?;
    Ok(number.real())
}

fn add(interpreter: &mut Interpreter, name: &str, by: f64) {
    let old = interpreter.get(name).map_or(0.0, leading_real);
    interpreter.set(name, &Number::Real(old + by).print());
}

/// What a command prints, its lines joined by blanks.
fn capture(interpreter: &mut Interpreter, command: &str) -> Result<String, Fault> {
    let ran = builtins::capture(interpreter, command)?;
    interpreter.set("EXECSTATUS", &ran.code.to_string());
    let bytes = ran.stdout.get(..CAPTURE_LIMIT).unwrap_or(&ran.stdout);
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.replace('\n', " "))
}
