//! What can be told of scripts without running them.

mod finding;

use std::{collections::BTreeSet, path::Path, sync::Arc};

use super::{
    error::{Failure, Fault, Stop},
    interpreter::Interpreter,
    source::{Program, condition, first_word, is_end},
};
use crate::config::problem::Problem;

pub use finding::Finding;

/// Words that are understood within a `task` block alone.
const TASK_WORDS: [&str; 14] = [
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
    "task.exec",
    "task.exit",
    "end",
];

/// Reads files in the order they would be loaded and tells what is wrong with them: errors where
/// they do not load, warnings where something bites later. Runs nothing. Commands are those of
/// `interpreter`, and macros those of all files.
pub fn check(interpreter: &Interpreter, files: &[(&Path, &[u8])]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut programs = Vec::new();
    for (path, bytes) in files {
        match Program::read(path, bytes) {
            Ok(program) => programs.push(program),
            Err(Stop::Failed(failure)) => problems.push(failure.problem()),
            Err(Stop::Break | Stop::Quit(_)) => {},
        }
    }
    let mut names: BTreeSet<&str> = interpreter.command_names().collect();
    names.extend(TASK_WORDS);
    names.extend(programs.iter().flat_map(|program| macros(program)));
    for program in &programs {
        structure(program, &mut problems);
        commands(program, &names, &mut problems);
    }
    problems
}

fn macros(program: &Program) -> impl Iterator<Item = &str> {
    program.lines.iter().filter_map(|line| {
        let mut words = line.text.split_ascii_whitespace();
        match (words.next(), words.next()) {
            (Some("macro"), Some("create")) => words.next(),
            (Some("macro"), Some("delete" | "list" | "edit" | "read" | "write")) => None,
            (Some("macro"), name) => name,
            _ => None,
        }
    })
}

fn problem(program: &Program, index: usize, fault: Fault) -> Problem {
    let text = program.lines.get(index).map_or("", |line| &line.text);
    Failure {
        fault,
        place: program.place(index),
        text: text.to_owned(),
        trace: Vec::new(),
    }
    .problem()
}

/// Blocks without an end, and ends without a block.
fn structure(program: &Arc<Program>, problems: &mut Vec<Problem>) {
    let mut open = 0_usize;
    for (index, line) in program.lines.iter().enumerate() {
        if program.opens(index) {
            open += 1;
            if let Err(fault) = program.block(index) {
                let is_macro = first_word(&line.text) == "macro";
                let found = problem(program, index, fault);
                problems.push(if is_macro { found.warning() } else { found });
            }
        } else if is_end(first_word(&line.text)) {
            match open.checked_sub(1) {
                Some(left) => open = left,
                None => {
                    let fault = Fault::Stray(line.text.to_string());
                    problems.push(problem(program, index, fault));
                },
            }
        }
    }
}

/// Commands that nothing defines, and comments behind them.
fn commands(program: &Program, names: &BTreeSet<&str>, problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    let mut index = 0;
    while let Some(line) = program.lines.get(index) {
        if first_word(&line.text) == "list" && program.opens(index) {
            index = program.block(index).map_or(index + 1, |block| block.end);
            continue;
        }
        for piece in line.pieces() {
            let text = match first_word(&piece.text) {
                "if" => condition(&piece.text).map_or("", |(_, rest)| rest),
                _ => &piece.text,
            };
            let word = first_word(text);
            let fixed = !word.is_empty() && !word.contains(['$', '{', '\\', '!']);
            if fixed
                && let Err(fault) = known(names, word)
                && seen.insert(word)
            {
                problems.push(problem(program, index, fault).warning());
            }
            let comment = text
                .split_once(" #")
                .is_some_and(|(before, after)| !before.contains('"') && after.starts_with(' '));
            if comment && !matches!(word, "echo" | "exec") {
                let fault =
                    Fault::message("there are no comments behind a command: these are its words");
                problems.push(problem(program, index, fault).warning());
            }
        }
        index += 1;
    }
}

fn known(names: &BTreeSet<&str>, word: &str) -> Result<(), Fault> {
    if is_end(word) || names.contains(word) {
        return Ok(());
    }
    let matches = names
        .range(word..)
        .take_while(|name| name.starts_with(word));
    let matches: Vec<String> = matches.map(|name| (*name).to_owned()).collect();
    match matches.len() {
        0 => Err(Fault::NoCommand(word.to_owned())),
        1 => Ok(()),
        _ => Err(Fault::Ambiguous {
            word: word.to_owned(),
            matches,
        }),
    }
}
