//! The commands of the language (spec/pantasks.md §2).

mod books;
mod files;
mod format;
mod lists;
mod options;
mod queues;
mod session;
mod strings;
mod system;

pub(crate) use system::exec;

use std::sync::Arc;

use super::{
    error::{Fault, Flow, Outcome},
    interpreter::Interpreter,
    words::Args,
};

/// A command that does its work or says what is wrong.
type Simple = fn(&mut Interpreter, &Args) -> Result<(), Fault>;

pub(crate) fn register(interpreter: &mut Interpreter) {
    let tables = [
        books::COMMANDS,
        files::COMMANDS,
        lists::COMMANDS,
        queues::COMMANDS,
        session::COMMANDS,
        strings::COMMANDS,
        system::COMMANDS,
    ];
    for (name, run) in tables.into_iter().flatten() {
        let run = *run;
        let builtin = move |i: &mut Interpreter, a: &Args| -> Outcome {
            run(i, a)?;
            Ok(Flow::On)
        };
        interpreter.register(name, Arc::new(builtin));
    }
    interpreter.register_block("list", Arc::new(lists::list));
}
