//! Words of tasks that do nothing where they stand.

use super::{
    super::commands::WORDS,
    definitions::{Definition, first, is},
};
use crate::opihi::{Finding, Interpreter, Spot};

/// Words that belong to the definition alone.
const DEFINING: [&str; 5] = ["active", "nice", "nmax", "npending", "trange"];

/// Words that task.exec may say again.
const SETTING: [&str; 6] = ["command", "host", "options", "periods", "stdout", "stderr"];

/// Lines of the definition that it does not understand, and words in its macros that fail there.
pub(super) fn lints(definition: &Definition<'_>, interpreter: &Interpreter) -> Vec<Finding> {
    let program = &definition.walk.program;
    let mut found = Vec::new();
    for spot in &definition.lines {
        let text = definition.walk.text(spot.index);
        let word = first(text);
        if word.eq_ignore_ascii_case("command") && text.split_ascii_whitespace().count() == 1 {
            found.push(Finding::new(program, spot.index, NO_PROGRAM).mark(word));
        } else if !WORDS.contains(&word.to_ascii_lowercase().as_str()) {
            found.push(not_understood(definition, spot, word));
        }
    }
    for (spot, call) in &definition.calls {
        let named = |words: &[&'static str]| {
            let found = words.iter().find(|word| is(interpreter, call.text, word));
            found.copied()
        };
        let body = spot
            .within
            .body
            .map_or("", |body| first(definition.walk.text(body)));
        let message = if body.eq_ignore_ascii_case("task.exit") {
            let word = named(&DEFINING).or_else(|| named(&SETTING));
            word.map(|word| format!("{word} fails here: the task's job is over"))
        } else {
            let word = named(&DEFINING);
            word.map(|word| format!("{word} fails here: it belongs to the task's own lines"))
        };
        let bare = named(&["command"]).is_some() && call.text.split_ascii_whitespace().count() == 1;
        let message = message.or_else(|| bare.then(|| NO_PROGRAM.to_owned()));
        if let Some(message) = message {
            found.push(Finding::new(program, spot.index, message).mark(call.text));
        }
    }
    found
}

const NO_PROGRAM: &str = "command fails here: it names no program";

fn not_understood(definition: &Definition<'_>, spot: &Spot, word: &str) -> Finding {
    let walk = definition.walk;
    let opens = walk.program.opens(spot.index);
    let message = if opens {
        format!(
            "a task's own lines have no blocks: `{word}` has no effect, and its `end` ends the task"
        )
    } else {
        format!("`{word}` is no word of a task's own lines: the line has no effect")
    };
    let finding = Finding::new(&walk.program, spot.index, message).mark(word);
    finding.help("put it into task.exec, or before the task")
}
