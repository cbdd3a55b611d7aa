//! Macros and their local variables (spec/pantasks.md §1.9).

use std::{io::Write as _, path::Path, sync::Arc};

use super::{
    commands::Macro,
    error::{Fault, Flow, Outcome},
    interpreter::Interpreter,
    source::Cursor,
    words::Args,
};

/// What `help` tells of a macro that tells nothing itself.
const NO_HELP: &str = "(macro)";

pub(crate) fn register(interpreter: &mut Interpreter) {
    let usage = "macro [create] NAME [-c \"HELP\"] | macro delete NAME | macro list NAME | macro \
                 read FILE | macro write NAME FILE";
    interpreter.describe("macro", usage, "defines a macro: its lines, up to `end`");
    interpreter.register_block(
        "macro",
        Arc::new(move |interpreter, args, cursor| {
            let done = macros(interpreter, args, cursor);
            done.map_err(|stop| stop.with_usage(usage))
        }),
    );
    let usage = "local NAME... [-static]";
    interpreter.describe(
        "local",
        usage,
        "makes variables of the running macro, which hide others of their names",
    );
    interpreter.register(
        "local",
        Arc::new(move |interpreter, args| {
            local(interpreter, args).map_err(|fault| fault.with_usage(usage))?;
            Ok(Flow::On)
        }),
    );
}

fn macros(interpreter: &mut Interpreter, args: &Args, cursor: &mut Cursor) -> Outcome {
    let words: Vec<&str> = args.rest().collect();
    match words.as_slice() {
        ["list", name] => {
            let found = interpreter.commands.macro_named(name);
            let missing = || Fault::message(format!("{name}: Macro not found"));
            let lines = found.ok_or_else(missing)?.body.lines().iter();
            let text: String = lines.flat_map(|line| [&*line.text, "\n"]).collect();
            interpreter.err(&text);
        },
        ["delete", name] => {
            if !interpreter.commands.forget(name) {
                return Err(Fault::message(format!("Macro {name} not found")).into());
            }
        },
        ["read", file] => return interpreter.load(Path::new(file)),
        ["write", name, file] => write(interpreter, name, file)?,
        ["edit", ..] => {
            let text = "macro edit: there is no editor here; write the macro to a file, edit and \
                        read it";
            return Err(Fault::message(text).into());
        },
        ["create" | "list" | "delete" | "read" | "write"] => return Err(Fault::MISUSED.into()),
        ["create", words @ ..] | words => match words {
            [name] => define(interpreter, name, NO_HELP, cursor)?,
            [name, "-c", help] | ["-c", help, name] => define(interpreter, name, help, cursor)?,
            _ => return Err(Fault::MISUSED.into()),
        },
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

/// Appends a macro to a file, in the form that `input` reads.
fn write(interpreter: &mut Interpreter, name: &str, file: &str) -> Result<(), Fault> {
    let found = interpreter.commands.macro_named(name);
    let missing = || Fault::message(format!("{name}: Macro not found"));
    let found = found.ok_or_else(missing)?;
    let mut text = if found.help == NO_HELP {
        format!("macro {name}\n")
    } else {
        format!("macro {name} -c \"{}\"\n", found.help)
    };
    for line in found.body.lines() {
        text.push_str("  ");
        text.push_str(&line.text);
        text.push('\n');
    }
    text.push_str("end\n");
    let path = interpreter.path(file)?;
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut open| open.write_all(text.as_bytes()))
        .map_err(|error| Fault::message(format!("cannot write {file}: {error}")))
}

fn local(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let keep = args.rest().any(|word| word == "-static");
    let mut names = args.rest().filter(|word| *word != "-static").peekable();
    if names.peek().is_none() {
        return Err(Fault::MISUSED);
    }
    for name in names {
        interpreter.variables.local(name, keep);
    }
    Ok(())
}
