//! The commands that the scheduler adds to the language (spec/pantasks.md §2.5, §3.1, §5.4).

mod controller;
mod definition;
mod jobs;
mod running;
mod show;
mod words;

use std::sync::Arc;

pub(super) use definition::WORDS;

use super::scheduler::Shared;
use crate::opihi::{Args, Builtin, Fault, Flow, Interpreter};

/// Adds them to an interpreter.
pub(super) fn register(interpreter: &mut Interpreter, shared: &Shared) {
    definition::register(interpreter, shared);
    let tables = [
        words::COMMANDS,
        running::COMMANDS,
        jobs::COMMANDS,
        show::COMMANDS,
        controller::COMMANDS,
    ];
    for (name, run) in tables.into_iter().flatten() {
        interpreter.register(name, builtin(shared, *run));
    }
    for (name, run) in jobs::OWN.iter().chain(running::OWN) {
        interpreter.register_own(name, builtin(shared, *run));
    }
}

/// A command that does its work or says what is wrong.
type Simple = fn(&Shared, &mut Interpreter, &Args) -> Result<(), Fault>;

fn builtin(shared: &Shared, run: Simple) -> Builtin {
    let shared = shared.clone();
    Arc::new(move |interpreter, args| {
        run(&shared, interpreter, args)?;
        Ok(Flow::On)
    })
}

/// The value behind `option` in `words`, both taken out.
fn take_value<'a>(words: &mut Vec<&'a str>, option: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == option)?;
    let value = *words.get(at + 1)?;
    words.drain(at..at + 2);
    Some(value)
}

/// Whether `option` is among `words`; it is taken out.
fn take_flag(words: &mut Vec<&str>, option: &str) -> bool {
    let before = words.len();
    words.retain(|word| *word != option);
    words.len() < before
}
