//! `if`, loops, macros, and the ways out of them (spec/pantasks.md §1.8, §1.9).

use std::{path::Path, sync::Arc};

use super::{
    commands::Macro,
    error::{Fault, Flow, Outcome, Stop},
    expr::{self, Expr, Operand, Refusal},
    interpreter::Interpreter,
    number::{self, Number},
    source::{Cursor, condition},
    words::Args,
};

pub(crate) fn register(interpreter: &mut Interpreter) {
    interpreter.register_block("if", Arc::new(conditional));
    interpreter.register_block("for", Arc::new(repeat_for));
    interpreter.register_block("foreach", Arc::new(repeat_foreach));
    interpreter.register_block("while", Arc::new(|_, args, _| stray(args)));
    interpreter.register_block("macro", Arc::new(macros));
    for word in ["end", "endif", "else"] {
        interpreter.register(word, Arc::new(|_, args| stray(args)));
    }
    for word in ["last", "return"] {
        interpreter.register(word, Arc::new(|_, _| Ok(Flow::Last)));
    }
    for word in ["next", "continue"] {
        interpreter.register(word, Arc::new(|_, _| Ok(Flow::Next)));
    }
    interpreter.register("break", Arc::new(leave_all));
    interpreter.register("local", Arc::new(local));
    interpreter.register("input", Arc::new(input));
    interpreter.register("module", Arc::new(module));
    for word in ["quit", "exit"] {
        interpreter.register(word, Arc::new(quit));
    }
}

fn stray(args: &Args) -> Outcome {
    Err(Fault::Stray(args.get(0).unwrap_or_default().to_owned()).into())
}

fn leave_all(interpreter: &mut Interpreter, args: &Args) -> Outcome {
    match (args.get(1), args.get(2)) {
        (None, _) => Err(Stop::Break),
        (Some("-auto"), Some(word @ ("on" | "off"))) => {
            interpreter.auto_break = word == "on";
            Ok(Flow::On)
        },
        _ => Err(Fault::Usage("break [-auto on|off]").into()),
    }
}

fn quit(_: &mut Interpreter, args: &Args) -> Outcome {
    let code = args.get(1).map_or(0, number::leading_integer);
    Err(Stop::Quit(i32::try_from(code).unwrap_or(1)))
}

/// `if` whose words were expanded as text.
fn conditional(interpreter: &mut Interpreter, args: &Args, cursor: &mut Cursor) -> Outcome {
    let Some(condition) = args.get(1).filter(|text| text.starts_with('(')) else {
        return Err(Fault::Usage("if (condition) [command]").into());
    };
    let truth = Interpreter::truth(condition)?;
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
    let block = cursor.take_block()?;
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

/// `while`, from its line as it was written.
pub(crate) fn repeat_while(
    interpreter: &mut Interpreter,
    text: &str,
    cursor: &mut Cursor,
) -> Outcome {
    let Some((condition, "")) = condition(text) else {
        return Err(Fault::Usage("while (condition), alone on its line").into());
    };
    let template = Expr::template(condition);
    let body = cursor.take_body()?;
    loop {
        interpreter.count()?;
        if !holds(interpreter, condition, template.as_ref())? {
            return Ok(Flow::On);
        }
        if let Flow::Last = interpreter.run_range(&body.program, body.range.clone())? {
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
            Err(Refusal::Fault(fault)) => return Err(fault),
            Ok(Operand::Text(_)) | Err(Refusal::Textual | Refusal::Reason(_)) => {},
        }
    }
    let text = interpreter.expanded(condition)?;
    Interpreter::truth(&text)
}

fn repeat_for(interpreter: &mut Interpreter, args: &Args, cursor: &mut Cursor) -> Outcome {
    const USAGE: Fault = Fault::Usage("for VARIABLE START STOP [STEP] [-incl]");
    let body = cursor.take_body()?;
    let inclusive = args.rest().any(|word| word == "-incl");
    let words: Vec<&str> = args.rest().filter(|word| *word != "-incl").collect();
    let (name, start, stop, step) = match words.as_slice() {
        [name, start, stop] => (*name, *start, *stop, "1"),
        [name, start, stop, step] => (*name, *start, *stop, *step),
        _ => return Err(USAGE.into()),
    };
    let (start, stop, step) = (bound(start)?, bound(stop)?, bound(step)?);
    if step.real() == 0.0 {
        return Err(Fault::message("for: a step of 0 never ends").into());
    }
    interpreter.set(name, &start.print());
    loop {
        interpreter.count()?;
        let now = interpreter.get(name).unwrap_or_default().to_owned();
        let now = bound(&now)?;
        let (at, end) = (now.real(), stop.real());
        let within = if step.real() > 0.0 {
            at < end
        } else {
            at > end
        };
        #[expect(clippy::float_cmp, reason = "the very bound")]
        let at_end = inclusive && at == end;
        if !(within || at_end) {
            return Ok(Flow::On);
        }
        if let Flow::Last = interpreter.run_range(&body.program, body.range.clone())? {
            return Ok(Flow::On);
        }
        let now = interpreter.get(name).unwrap_or_default().to_owned();
        let next = match (bound(&now)?, step) {
            (Number::Int(a), Number::Int(b)) => Number::int(i128::from(a) + i128::from(b)),
            (a, b) => Number::Real(a.real() + b.real()),
        };
        interpreter.set(name, &next.print());
    }
}

fn bound(text: &str) -> Result<Number, Fault> {
    expr::number(text).map_err(|reason| Fault::Expression {
        text: text.to_owned(),
        reason,
    })
}

fn repeat_foreach(interpreter: &mut Interpreter, args: &Args, cursor: &mut Cursor) -> Outcome {
    let body = cursor.take_body()?;
    let Some(name) = args.get(1) else {
        return Err(Fault::Usage("foreach VARIABLE WORD...").into());
    };
    for word in args.rest().skip(1) {
        interpreter.count()?;
        interpreter.set(name, word);
        if let Flow::Last = interpreter.run_range(&body.program, body.range.clone())? {
            break;
        }
    }
    Ok(Flow::On)
}

fn macros(interpreter: &mut Interpreter, args: &Args, cursor: &mut Cursor) -> Outcome {
    const USAGE: Fault = Fault::Usage("macro [create] NAME [-c \"help\"] | macro delete|list NAME");
    let words: Vec<&str> = args.rest().collect();
    match words.as_slice() {
        ["list"] => {
            let all = interpreter.commands.macros();
            let text = all
                .map(|m| format!("{:<20} {}\n", m.name, m.help))
                .collect::<Vec<_>>()
                .concat();
            interpreter.out(&text);
        },
        ["list", name] => {
            let found = interpreter.commands.macros().find(|m| &*m.name == *name);
            let Some(found) = found else {
                return Err(Fault::message(format!("no macro {name}")).into());
            };
            let lines = found.body.lines().iter();
            let text: String = lines.flat_map(|line| [&*line.text, "\n"]).collect();
            interpreter.out(&text);
        },
        ["delete", name] => interpreter.commands.forget(name)?,
        ["edit" | "read" | "write", ..] => {
            let text =
                "macro edit, read and write are not supported: edit the file, and `input` it";
            return Err(Fault::message(text).into());
        },
        ["create", name] | [name] => define(interpreter, name, "", cursor)?,
        ["create", name, "-c", help] | [name, "-c", help] | ["-c", help, name] => {
            define(interpreter, name, help, cursor)?;
        },
        _ => return Err(USAGE.into()),
    }
    Ok(Flow::On)
}

fn define(
    interpreter: &mut Interpreter,
    name: &str,
    help: &str,
    cursor: &mut Cursor,
) -> Result<(), Fault> {
    let place = cursor.place();
    let (body, closed) = cursor.take_body_or_rest();
    if !closed && let Some(place) = place {
        interpreter.err(&format!(
            "{place}: missing 'END' in macro definition: {name}\n"
        ));
    }
    interpreter.commands.define(Macro {
        name: Arc::from(name),
        help: help.to_owned(),
        body,
    })
}

#[expect(clippy::unnecessary_wraps, reason = "a command as any other")]
fn local(interpreter: &mut Interpreter, args: &Args) -> Outcome {
    let keep = args.rest().any(|word| word == "-static");
    for name in args.rest().filter(|word| *word != "-static") {
        interpreter.variables.local(name, keep);
    }
    Ok(Flow::On)
}

fn input(interpreter: &mut Interpreter, args: &Args) -> Outcome {
    let Some(path) = args.get(1).filter(|_| args.len() == 2) else {
        return Err(Fault::Usage("input FILE").into());
    };
    interpreter.load(Path::new(path))
}

fn module(interpreter: &mut Interpreter, args: &Args) -> Outcome {
    let Some(name) = args.get(1).filter(|_| args.len() == 2) else {
        return Err(Fault::Usage("module NAME").into());
    };
    let directory = interpreter.host.directory();
    let found = interpreter
        .list("MODULES")
        .into_iter()
        .map(|prefix| Path::new(&prefix).join(name))
        .find(|path| directory.join(path).is_file());
    match found {
        Some(path) => interpreter.load(&path),
        None => interpreter.load_built_in(name),
    }
}
