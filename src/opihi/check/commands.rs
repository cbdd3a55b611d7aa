//! Commands that nothing defines, blocks that do not close, comments that are words.

use std::collections::BTreeSet;

use super::{
    super::{compiled::assignment, error::Fault, source::first_word, words},
    finding::Finding,
    table::Table,
    walk::{Role, Walk},
};

/// Commands that take a `#` among their words.
const TAKE_HASH: [&str; 12] = [
    "echo",
    "exec",
    "command",
    "nop",
    "#",
    "##",
    "###",
    "list",
    "sprintf",
    "strsub",
    "strstr",
    "queuesubstr",
];

/// Blocks and quotes that do not close, comments that are words, macros that call themselves.
pub(super) fn lints(walk: &Walk, table: &Table<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    blocks(walk, &mut found);
    comments(walk, table, &mut found);
    quotes(walk, &mut found);
    found.extend(own_calls(walk, table));
    found
}

/// Commands that nothing defines, and beginnings of several.
pub(super) fn unknown(walk: &Walk, table: &Table<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (spot, call) in walk.calls() {
        let word = first_word(call.text);
        if assignment(call.text).is_some() || cut(walk.text(spot.index)) {
            continue;
        }
        if let Some(fault) = table.wrong(word) {
            let message = match &fault {
                Fault::NoCommand(_) => format!("{word} is no command, and no macro of these files"),
                fault => fault.to_string(),
            };
            found.push(Finding::new(&walk.program, spot.index, message).mark(word));
        }
    }
    found
}

fn blocks(walk: &Walk, found: &mut Vec<Finding>) {
    for spot in &walk.spots {
        let text = walk.text(spot.index);
        let fault = match spot.role {
            Role::Open => Fault::NoEnd(text.to_owned()),
            Role::Stray => Fault::Stray(text.to_owned()),
            Role::Command | Role::Task | Role::Data => continue,
        };
        found.push(Finding::new(&walk.program, spot.index, fault.to_string()));
    }
}

/// Whether a `;` stands within quotes, where it ends the command all the same.
fn cut(text: &str) -> bool {
    let odd = |piece: &str| piece.matches('"').count() % 2 == 1;
    text.contains(';') && text.split(';').any(odd) && !odd(text)
}

fn quotes(walk: &Walk, found: &mut Vec<Finding>) {
    let commands = walk.spots.iter().filter(|spot| spot.role == Role::Command);
    for spot in commands {
        let text = walk.text(spot.index);
        if cut(text) {
            let message = "a `;` ends the command, within quotes too";
            found.push(Finding::new(&walk.program, spot.index, message).mark(";"));
        } else if assignment(text).is_none() && words::split(text).is_err() {
            found.push(Finding::new(
                &walk.program,
                spot.index,
                Fault::Quotes.to_string(),
            ));
        }
    }
}

fn comments(walk: &Walk, table: &Table<'_>, found: &mut Vec<Finding>) {
    let mut comment = |index: usize, text: &str, value: bool| {
        let Some(at) = hash(text) else {
            return;
        };
        let message = if value {
            "there are no comments behind a command: this one belongs to the value"
        } else {
            "there are no comments behind a command: these are words of it"
        };
        let finding = Finding::new(&walk.program, index, message).mark(at);
        found.push(finding.help("put the comment on a line of its own"));
    };
    for (spot, call) in walk.calls() {
        if let Some((_, _, value)) = assignment(call.text) {
            comment(spot.index, value, true);
            continue;
        }
        let word = first_word(call.text);
        let name = table.find(word).map_or(word, |(name, _)| name);
        if !TAKE_HASH.contains(&name) {
            comment(spot.index, call.text, false);
        }
    }
    for spot in walk.spots.iter().filter(|spot| spot.role == Role::Task) {
        let text = walk.text(spot.index);
        comment(spot.index, text, false);
    }
}

/// The text from the word on that looks like a comment's first.
fn hash(text: &str) -> Option<&str> {
    let words = words::split(text).ok()?;
    let word = words
        .iter()
        .skip(1)
        .find(|word| !word.quoted && word.text.starts_with('#'))?;
    let start = word
        .text
        .as_ptr()
        .addr()
        .checked_sub(text.as_ptr().addr())?;
    text.get(start..)
}

/// Macros whose first command calls the macro itself.
fn own_calls(walk: &Walk, table: &Table<'_>) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (spot, call) in walk.calls() {
        let Some(definition) = spot.within.definition else {
            continue;
        };
        if !seen.insert(definition) || call.condition.is_some() || spot.within.task.is_some() {
            continue;
        }
        let name = walk.name(definition);
        if table
            .find(first_word(call.text))
            .is_ok_and(|(called, _)| called == name)
        {
            let message =
                format!("the macro {name} calls itself before anything else: it never ends");
            found.push(Finding::new(&walk.program, spot.index, message));
        }
    }
    found
}
