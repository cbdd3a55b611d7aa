//! `if`, loops, the ways out of them, and files (spec/pantasks.md §1.1, §1.8).

use std::{path::Path, sync::Arc};

use super::{
    error::{Fault, Flow, Outcome, Stop},
    expr::{Expr, Operand, Refusal},
    interpreter::Interpreter,
    number::{Number, leading_real, whole_real},
    source::{Body, Cursor, condition},
    words::Args,
};

/// A command that may take the lines behind it or end the list of lines.
type Run = fn(&mut Interpreter, &Args, &mut Cursor) -> Outcome;

/// The commands: name, usage, help.
const COMMANDS: &[(&str, &str, &str, Run)] = &[
    (
        "if",
        "if (CONDITION) [COMMAND]; without a command: lines, [else, lines,] end",
        "runs a command or lines where a condition holds",
        conditional,
    ),
    (
        "for",
        "for VARIABLE START STOP [STEP] [-incl], lines, end",
        "runs lines for each number from START to before STOP, or to STOP with -incl",
        repeat_for,
    ),
    (
        "foreach",
        "foreach VARIABLE WORD..., lines, end",
        "runs lines for each word",
        repeat_foreach,
    ),
    (
        "while",
        "while (CONDITION), alone on its line, lines, end",
        "runs lines as long as a condition holds",
        |_, _, _| Err(Fault::MISUSED.into()),
    ),
    ("end", "end", "closes a block", stray),
    ("endif", "endif", "closes a block", stray),
    (
        "else",
        "else",
        "begins the other part of an `if` block",
        stray,
    ),
    (
        "last",
        "last",
        "leaves the innermost loop or macro",
        |_, _, _| Ok(Flow::Last),
    ),
    (
        "return",
        "return",
        "leaves the innermost loop or macro",
        |_, _, _| Ok(Flow::Last),
    ),
    (
        "next",
        "next",
        "goes to the next pass of the innermost loop",
        |_, _, _| Ok(Flow::Next),
    ),
    (
        "continue",
        "continue",
        "goes to the next pass of the innermost loop",
        |_, _, _| Ok(Flow::Next),
    ),
    (
        "break",
        "break [-auto [on|off]]",
        "leaves all loops, macros and files; -auto off: failures do not do so",
        leave_all,
    ),
    (
        "input",
        "input FILE",
        "runs the lines of a file",
        |interpreter, args, _| match args.get(1) {
            Some(path) if args.len() == 2 => interpreter.load(Path::new(path)),
            _ => Err(Fault::MISUSED.into()),
        },
    ),
    (
        "module",
        "module FILE",
        "runs the lines of a file of the directories in the list MODULES",
        module,
    ),
    ("quit", "quit [CODE]", "ends the program", quit),
    ("exit", "exit [CODE]", "ends the program", quit),
];

pub(crate) fn register(interpreter: &mut Interpreter) {
    for (name, usage, help, run) in COMMANDS {
        interpreter.describe(name, usage, help);
        interpreter.register_block(
            name,
            Arc::new(move |interpreter, args, cursor| {
                run(interpreter, args, cursor).map_err(|stop| stop.with_usage(usage))
            }),
        );
    }
}

fn stray(_: &mut Interpreter, args: &Args, _: &mut Cursor) -> Outcome {
    Err(Fault::Stray(args.get(0).unwrap_or_default().to_owned()).into())
}

fn leave_all(interpreter: &mut Interpreter, args: &Args, _: &mut Cursor) -> Outcome {
    let words: Vec<&str> = args.rest().collect();
    match words.as_slice() {
        ["-auto"] => {
            let state = if interpreter.auto_break { "on" } else { "off" };
            return Err(Fault::message(format!("auto break {state}")).into());
        },
        ["-auto", word, ..] if word.eq_ignore_ascii_case("on") => interpreter.auto_break = true,
        ["-auto", word, ..] if word.eq_ignore_ascii_case("off") => interpreter.auto_break = false,
        ["-auto" | "-h" | "-help" | "--help", ..] => return Err(Fault::MISUSED.into()),
        _ => return Err(Stop::Break),
    }
    Ok(Flow::On)
}

fn quit(_: &mut Interpreter, args: &Args, _: &mut Cursor) -> Outcome {
    let code = args.get(1).map_or(0.0, leading_real);
    let code = Number::Real(code).whole();
    Err(Stop::Quit(i32::try_from(code).unwrap_or(1)))
}

/// `if` whose words were expanded as text.
fn conditional(interpreter: &mut Interpreter, args: &Args, cursor: &mut Cursor) -> Outcome {
    let truth = Interpreter::truth(args.get(1).ok_or(Fault::MISUSED)?)?;
    if args.len() == 2 {
        return choose(interpreter, truth, cursor);
    }
    if !truth {
        return Ok(Flow::On);
    }
    let words: Vec<&str> = args.rest().skip(1).collect();
    interpreter.run_again(&words.join(" "), cursor)
}

/// Runs the branch of the block `if` that the cursor stands behind.
pub(crate) fn choose(interpreter: &mut Interpreter, truth: bool, cursor: &mut Cursor) -> Outcome {
    let opener = cursor.next.saturating_sub(1);
    let place = cursor.place();
    let block = match cursor.take_block() {
        Err(Fault::NoEnd(_)) => {
            let place = place.map_or_else(String::new, |place| format!("{place}: "));
            interpreter.err(&format!("{place}missing 'END' in if-block\n"));
            cursor.take_rest()
        },
        block => block?,
    };
    let (from, to) = match (truth, block.otherwise) {
        (true, otherwise) => (opener + 1, otherwise.unwrap_or(block.end)),
        (false, Some(otherwise)) => (otherwise + 1, block.end),
        (false, None) => return Ok(Flow::On),
    };
    let program = Arc::clone(&cursor.program);
    interpreter.run_range(&program, from..to)
}

/// Whether `word` is `while`, or short for it alone.
pub(crate) fn is_while(interpreter: &Interpreter, word: &str) -> bool {
    word == "while"
        || (!word.is_empty()
            && "while".starts_with(word)
            && interpreter.command_name(word) == Ok("while"))
}

/// Whether a loop goes on after a pass of its body.
fn pass(interpreter: &mut Interpreter, body: &Body) -> Result<bool, Stop> {
    match interpreter.run_range(&body.program, body.range.clone()) {
        Ok(flow) => Ok(flow != Flow::Last),
        // Where failures do not unwind, `break` leaves the loop alone.
        Err(Stop::Break) if !interpreter.auto_break => Ok(false),
        Err(stop) => Err(stop),
    }
}

/// `while`, from its line as it was written.
pub(crate) fn repeat_while(
    interpreter: &mut Interpreter,
    text: &str,
    cursor: &mut Cursor,
) -> Outcome {
    let Some((condition, "")) = condition(text) else {
        let usage = interpreter.commands.usage("while").unwrap_or_default();
        return Err(Fault::Usage(usage).into());
    };
    let template = Expr::template(condition);
    let body = cursor.take_body()?;
    loop {
        interpreter.count()?;
        if !holds(interpreter, condition, template.as_ref())? || !pass(interpreter, &body)? {
            return Ok(Flow::On);
        }
    }
}

fn holds(
    interpreter: &mut Interpreter,
    condition: &str,
    template: Option<&Expr>,
) -> Result<bool, Fault> {
    if let Some(template) = template {
        match template.eval(&interpreter.variables) {
            Ok(Operand::Number(number)) => return Ok(number.truth()),
            Ok(Operand::Text(_)) | Err(Refusal::Textual | Refusal::Reason(_)) => {},
        }
    }
    let text = interpreter.expanded(condition)?;
    Interpreter::truth(&text)
}

fn repeat_for(interpreter: &mut Interpreter, args: &Args, cursor: &mut Cursor) -> Outcome {
    let body = cursor.take_body()?;
    let inclusive = args.rest().any(|word| word == "-incl");
    let words: Vec<&str> = args.rest().filter(|word| *word != "-incl").collect();
    let (name, start, stop, step) = match words.as_slice() {
        [name, start, stop] => (*name, *start, *stop, "1"),
        [name, start, stop, step] => (*name, *start, *stop, *step),
        _ => return Err(Fault::MISUSED.into()),
    };
    let mut value = bound("starting", start)?;
    let mut stop = bound("ending", stop)?;
    let step = bound("delta", step)?;
    if step == 0.0 {
        return Err(Fault::message("for: a step of 0 never ends").into());
    }
    if inclusive {
        stop += 0.01 * step;
    }
    while if step > 0.0 {
        value < stop
    } else {
        value > stop
    } {
        interpreter.count()?;
        interpreter.set(name, &Number::Real(value).print());
        if !pass(interpreter, &body)? {
            break;
        }
        value = interpreter.get(name).map_or(0.0, leading_real) + step;
    }
    Ok(Flow::On)
}

fn bound(which: &str, text: &str) -> Result<f64, Fault> {
    whole_real(text)
        .ok_or_else(|| Fault::message(format!("for loop {which} value must be numerical ({text})")))
}

fn repeat_foreach(interpreter: &mut Interpreter, args: &Args, cursor: &mut Cursor) -> Outcome {
    let body = cursor.take_body()?;
    let name = args.get(1).ok_or(Fault::MISUSED)?;
    for word in args.rest().skip(1) {
        interpreter.count()?;
        interpreter.set(name, word);
        if !pass(interpreter, &body)? {
            break;
        }
    }
    Ok(Flow::On)
}

fn module(interpreter: &mut Interpreter, args: &Args, _: &mut Cursor) -> Outcome {
    let Some(name) = args.get(1).filter(|_| args.len() == 2) else {
        return Err(Fault::MISUSED.into());
    };
    for prefix in interpreter.list("MODULES") {
        let path = Path::new(&prefix).join(name);
        let there = interpreter.path(&path.to_string_lossy());
        if there.is_ok_and(|there| there.is_file()) {
            return interpreter.load(&path);
        }
    }
    interpreter.load_built_in(name)
}
