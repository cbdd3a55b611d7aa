//! The commands of the language (spec/pantasks.md §2).

mod books;
mod files;
mod format;
mod glob;
mod lists;
mod memory;
mod options;
mod pages;
mod queues;
mod scan;
mod session;
mod strings;
mod system;

use std::sync::Arc;

pub(crate) use scan::Scanned;
pub(crate) use system::capture;

use super::{
    error::{Fault, Flow, Outcome},
    interpreter::Interpreter,
    words::Args,
};

/// A command that does its work or says what is wrong.
type Simple = fn(&mut Interpreter, &Args) -> Result<(), Fault>;

/// A command with its name, its usage and its help.
type Entry = (&'static str, &'static str, &'static str, Simple);

pub(crate) fn register(interpreter: &mut Interpreter) {
    let tables = [
        books::COMMANDS,
        files::COMMANDS,
        memory::COMMANDS,
        pages::COMMANDS,
        queues::COMMANDS,
        scan::COMMANDS,
        session::COMMANDS,
        strings::COMMANDS,
        system::COMMANDS,
    ];
    for (name, usage, help, run) in tables.into_iter().flatten() {
        interpreter.describe(name, usage, help);
        interpreter.register(name, builtin(usage, *run));
    }
    for (name, usage, help, run) in session::OWN {
        interpreter.describe(name, usage, help);
        interpreter.register_own(name, builtin(usage, *run));
    }
    interpreter.describe("list", lists::USAGE, lists::HELP);
    interpreter.register_block(
        "list",
        Arc::new(|interpreter, args, cursor| {
            lists::list(interpreter, args, cursor).map_err(|stop| stop.with_usage(lists::USAGE))
        }),
    );
}

fn builtin(usage: &'static str, run: Simple) -> super::commands::Builtin {
    Arc::new(move |interpreter, args| -> Outcome {
        run(interpreter, args).map_err(|fault| fault.with_usage(usage))?;
        Ok(Flow::On)
    })
}

/// Sets a variable to an answer, or prints it to the log stream where there is no variable.
fn answer(interpreter: &mut Interpreter, variable: Option<&str>, value: &str) {
    match variable {
        Some(variable) => interpreter.set(variable, value),
        None => interpreter.out(&format!("{value}\n")),
    }
}

/// Like [`answer`], but for those commands that print theirs to the error stream.
fn answer_aside(interpreter: &mut Interpreter, variable: Option<&str>, value: &str) {
    match variable {
        Some(variable) => interpreter.set(variable, value),
        None => interpreter.err(&format!("{value}\n")),
    }
}
