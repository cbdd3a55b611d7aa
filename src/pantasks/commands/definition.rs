//! `task NAME … end`, with its task.exec and task.exit macros (spec/pantasks.md §3.1).

use std::sync::Arc;

use super::super::{
    scheduler::{Shared, Subject},
    task::{Host, Task},
};
use crate::opihi::{Args, Body, Cursor, Failure, Fault, Flow, Interpreter, Outcome, Stop};

/// The words that a definition understands, in any case but whole.
pub(crate) const WORDS: [&str; 13] = [
    "host",
    "nice",
    "nmax",
    "active",
    "trange",
    "stdout",
    "stderr",
    "command",
    "options",
    "periods",
    "npending",
    "task.exit",
    "task.exec",
];

pub(super) fn register(interpreter: &mut Interpreter, shared: &Shared) {
    let with = |run: fn(&Shared, &mut Interpreter, &Args, &mut Cursor) -> Outcome| {
        let shared = shared.clone();
        Arc::new(move |i: &mut Interpreter, a: &Args, c: &mut Cursor| run(&shared, i, a, c))
    };
    interpreter.register_block("task", with(task));
    interpreter.register_block("task.exec", with(task_exec));
    interpreter.register_block("task.exit", with(task_exit));
}

fn task(
    shared: &Shared,
    interpreter: &mut Interpreter,
    args: &Args,
    cursor: &mut Cursor,
) -> Outcome {
    let Some(name) = args.get(1).filter(|_| args.len() == 2) else {
        return Err(Fault::Usage("task NAME, its words on the lines below, and `end`").into());
    };
    let outer = {
        let mut scheduler = shared.lock();
        let task = Box::new(scheduler.tasks.edit(name));
        std::mem::replace(&mut scheduler.subject, Subject::Definition(task))
    };
    let read = lines(interpreter, name, cursor);
    let defined = {
        let mut scheduler = shared.lock();
        std::mem::replace(&mut scheduler.subject, outer)
    };
    read?;
    if let Subject::Definition(task) = defined {
        warn_of_host(shared, interpreter, &task);
        let put = shared.lock().tasks.put(*task);
        put.map_err(|error| Fault::message(error.to_string()))?;
    }
    Ok(Flow::On)
}

/// Runs the lines of a definition. What is wrong with one of them is told and does not end it.
fn lines(interpreter: &mut Interpreter, name: &str, cursor: &mut Cursor) -> Result<(), Stop> {
    loop {
        let Some(line) = cursor.next_line() else {
            interpreter.err(&format!("missing 'END' in task definition: {name}\n"));
            return Ok(());
        };
        let text = line.text.clone();
        let first = text.split_ascii_whitespace().next().unwrap_or_default();
        let word = first.to_ascii_lowercase();
        if word == "end" {
            return Ok(());
        }
        let place = cursor.place();
        let outcome = if WORDS.contains(&word.as_str()) {
            interpreter.run_static(&word, &text, cursor)
        } else {
            Err(Fault::message("unknown task command").into())
        };
        match outcome {
            Ok(_) => {},
            Err(Stop::Failed(mut failure)) => {
                failure.place = place;
                failure.text = text.into();
                interpreter.report(&failure);
            },
            Err(stop) => return Err(stop),
        }
    }
}

/// A host that nobody has added yet may still come, so this is no error (seed 002).
fn warn_of_host(shared: &Shared, interpreter: &mut Interpreter, task: &Task<Body>) {
    let Host::Named { name, .. } = &task.settings.host else {
        return;
    };
    if !shared.lock().cluster.knows(name) {
        interpreter.err(&format!(
            "warning: task {}: the controller has no host {name} yet (controller host add {name})\n",
            task.name()
        ));
    }
}

fn task_exec(
    shared: &Shared,
    interpreter: &mut Interpreter,
    args: &Args,
    cursor: &mut Cursor,
) -> Outcome {
    let body = body(interpreter, "task.exec", cursor);
    if args.len() != 1 {
        return Err(Fault::Usage("task.exec, its lines below, and `end`").into());
    }
    let dynamic = body
        .lines()
        .iter()
        .any(|line| line.text.split_ascii_whitespace().next() == Some("command"));
    with_definition(shared, "task.exec", |task| {
        task.exec = Some(body);
        task.dynamic = dynamic;
    })
}

fn task_exit(
    shared: &Shared,
    interpreter: &mut Interpreter,
    args: &Args,
    cursor: &mut Cursor,
) -> Outcome {
    let body = body(interpreter, "task.exit", cursor);
    let Some(name) = args.get(1).filter(|_| args.len() == 2) else {
        return Err(Fault::Usage(
            "task.exit STATUS|crash|timeout|pending|default, its lines below, and `end`",
        )
        .into());
    };
    with_definition(shared, "task.exit", |task| task.exits.set(name, body))
}

fn body(interpreter: &mut Interpreter, word: &str, cursor: &mut Cursor) -> Body {
    let place = cursor.place();
    let (body, closed) = cursor.take_body_or_rest();
    if !closed && let Some(place) = place {
        interpreter.err(&format!(
            "{place}: missing 'END' in macro definition: {word}\n"
        ));
    }
    body
}

fn with_definition(shared: &Shared, word: &str, change: impl FnOnce(&mut Task<Body>)) -> Outcome {
    match &mut shared.lock().subject {
        Subject::Definition(task) => {
            change(task);
            Ok(Flow::On)
        },
        Subject::Evaluation(_) | Subject::Nothing => Err(Stop::Failed(Box::new(Failure {
            fault: Fault::message(format!(
                "{word}: no task is being defined here; it belongs between `task NAME` and its `end`"
            )),
            place: None,
            text: String::new(),
            trace: Vec::new(),
        }))),
    }
}
