//! Commands that a server has and a scheduler at a terminal has not (spec/pantasks.md §4).

use std::{path::Path, sync::Arc};

use crate::opihi::{Args, Fault, Interpreter, Outcome, Stop};

/// What `server WORD` runs on the server: everything else a client does itself, or sends by its
/// own name.
const WORDS: [&str; 11] = [
    "input", "module", "run", "stop", "halt", "cd", "pwd", "output", "exit", "quit", "help",
];

pub(super) fn register(interpreter: &mut Interpreter) {
    interpreter.register_own("server", Arc::new(server));
    interpreter.register_own("shutdown", Arc::new(shutdown));
}

fn server(interpreter: &mut Interpreter, args: &Args) -> Outcome {
    match args.get(1) {
        Some(word) if WORDS.contains(&word) => {
            let words: Args = args.rest().collect();
            interpreter.run_words(Path::new("server"), words)
        },
        _ => Err(Fault::Usage(
            "server input FILE | module FILE | run | stop | halt | cd DIR | pwd | output FILE | \
             exit | quit | help",
        )
        .into()),
    }
}

/// `now` is what the original asks for before it does so.
fn shutdown(_: &mut Interpreter, args: &Args) -> Outcome {
    match (args.get(1), args.len()) {
        (None | Some("now"), 1 | 2) => Err(Stop::Quit(0)),
        _ => Err(Fault::Usage("shutdown [now]").into()),
    }
}
