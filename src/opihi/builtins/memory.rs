//! `memory`: what the interpreter holds (spec/pantasks.md §2.2).

use super::{
    super::{error::Fault, interpreter::Interpreter, words::Args},
    Entry, session,
};

pub(super) const COMMANDS: &[Entry] = &[(
    "memory",
    "memory all|stats|variables|macros|commands|strings|vectors|buffers",
    "tells what is held: all of it in numbers, stats as the variables memory:Ntotal and \
     memory:Nbytes, or by name",
    memory,
)];

/// How many things of a kind there are, and the bytes of their text.
struct Tally {
    kind: &'static str,
    count: usize,
    bytes: usize,
}

fn tally<'a>(kind: &'static str, sizes: impl Iterator<Item = usize> + 'a) -> Tally {
    let (count, bytes) = sizes.fold((0, 0), |(count, bytes), size| (count + 1, bytes + size));
    Tally { kind, count, bytes }
}

fn tallies(interpreter: &Interpreter) -> [Tally; 4] {
    let variables = interpreter.variables.all();
    let variables = variables
        .iter()
        .map(|(name, value)| name.len() + value.len());
    let macros = interpreter.commands.macros();
    let macros = macros.flat_map(|one| one.body.lines().iter().map(|line| line.text.len()));
    let pages = interpreter.books.iter().flat_map(|(_, book)| book.iter());
    let words = pages.flat_map(|(_, page)| page.iter().map(|(w, v)| w.len() + v.len()));
    let queues = interpreter.queues.iter();
    let lines = queues.flat_map(|(_, lines)| lines.iter().map(String::len));
    [
        tally("variables", variables),
        tally("lines of macros", macros),
        tally("words of books", words),
        tally("lines of queues", lines),
    ]
}

fn memory(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mode = args.get(1).ok_or(Fault::MISUSED)?.to_ascii_lowercase();
    match mode.as_str() {
        "max-lines" if args.len() == 3 => {},
        "all" | "leaks" | "check" | "checkfree" => print(interpreter),
        "stats" => {
            let tallies = tallies(interpreter);
            let total: usize = tallies.iter().map(|tally| tally.count).sum();
            let bytes: usize = tallies.iter().map(|tally| tally.bytes).sum();
            for (name, value) in [("Ntotal", total), ("Nbytes", bytes), ("Ngood", total)] {
                interpreter.set(&format!("memory:{name}"), &value.to_string());
            }
            interpreter.set("memory:Nbad", "0");
        },
        mode if begins("variables", mode) => session::list_variables(interpreter),
        mode if begins("vectors", mode) || begins("buffers", mode) => {},
        mode if begins("macros", mode) => {
            let names = interpreter.commands.macros();
            let text: Vec<String> = names.map(|one| format!("{}\n", one.name)).collect();
            interpreter.err(&text.concat());
        },
        mode if begins("commands", mode) => {
            let text = session::command_list(interpreter);
            interpreter.err(&text);
        },
        mode if begins("strings", mode) => print(interpreter),
        _ => return Err(Fault::MISUSED),
    }
    Ok(())
}

fn begins(word: &str, with: &str) -> bool {
    !with.is_empty() && word.starts_with(with)
}

fn print(interpreter: &mut Interpreter) {
    let lines: Vec<String> = tallies(interpreter)
        .iter()
        .map(|Tally { kind, count, bytes }| format!("{kind:<16} {count:8} {bytes:12} bytes\n"))
        .collect();
    interpreter.err(&lines.concat());
}
