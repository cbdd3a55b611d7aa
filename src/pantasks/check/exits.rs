//! Exit macros that no end of a job leads to.

use super::{
    super::exit_macro::{RESERVED, leading_integer},
    definitions::{Definition, is},
};
use crate::opihi::{Finding, Interpreter, Role, Walk};

/// Lints the exit macros of one definition; `all` are those of all files.
pub(super) fn lints(
    definition: &Definition<'_>,
    all: &[Definition<'_>],
    interpreter: &Interpreter,
    walks: &[Walk],
) -> Vec<Finding> {
    let named: Vec<(usize, String)> = definition
        .with("task.exit")
        .filter_map(|(index, words)| Some((index, resolved(interpreter, words.first()?)?)))
        .collect();
    let mut found = Vec::new();
    for (at, (index, name)) in named.iter().enumerate() {
        let before = named.get(..at).unwrap_or_default();
        let behind = named.get(at + 1..).unwrap_or_default();
        let message = replaced(definition, name, behind)
            .or_else(|| shadowed(definition, name, before))
            .or_else(|| out_of_reach(name))
            .or_else(|| never_pending(definition, name, all, interpreter, walks))
            .or_else(|| never_timeout(definition, name, interpreter, walks));
        if let Some((message, help)) = message {
            let finding = Finding::new(&definition.walk.program, *index, message);
            found.push(if help.is_empty() {
                finding
            } else {
                finding.help(help)
            });
        }
    }
    found
}

/// What to do about a word that is known in another case.
const SMALL: &str = "write it in small letters";

/// A message and what to do about it.
type Told = Option<(String, &'static str)>;

fn number(definition: &Definition<'_>, index: usize) -> usize {
    let line = definition.walk.program.lines.get(index);
    line.map_or(0, |line| line.number)
}

/// The name of an exit macro, its variable filled.
fn resolved(interpreter: &Interpreter, word: &str) -> Option<String> {
    let name = match word.strip_prefix('$') {
        Some(name) => interpreter.get(name)?,
        None => word,
    };
    let fixed = !name.is_empty() && !name.contains(['$', '"', '{', '\\', ' ']);
    fixed.then(|| name.to_owned())
}

fn replaced(definition: &Definition<'_>, name: &str, behind: &[(usize, String)]) -> Told {
    let (index, _) = behind.iter().find(|(_, other)| other == name)?;
    let line = number(definition, *index);
    let message = format!("this exit macro never runs: line {line} defines `{name}` again");
    Some((message, ""))
}

fn shadowed(definition: &Definition<'_>, name: &str, before: &[(usize, String)]) -> Told {
    if RESERVED.contains(&name) {
        return None;
    }
    let value = leading_integer(name);
    let same = |other: &str| {
        other != name && !RESERVED.contains(&other) && leading_integer(other) == value
    };
    let (index, other) = before.iter().find(|(_, other)| same(other))?;
    let line = number(definition, *index);
    let message =
        format!("this exit macro never runs: `{other}` on line {line} is the same status, {value}");
    let lower = name.to_ascii_lowercase();
    let word = RESERVED.contains(&lower.as_str());
    Some((message, if word { SMALL } else { "" }))
}

fn out_of_reach(name: &str) -> Told {
    if RESERVED.contains(&name) {
        return None;
    }
    let digits = name.strip_prefix(['-', '+']).unwrap_or(name);
    if digits.starts_with(|c: char| c.is_ascii_digit()) {
        // A number too long to read counts as 0, and is as much out of reach.
        let value = digits.parse::<i64>().unwrap_or(i64::MAX);
        let whole = digits.bytes().all(|b| b.is_ascii_digit());
        let negative = name.starts_with('-') && value != 0;
        return (whole && (negative || value > 255)).then(|| {
            let text = format!("this exit macro never runs: no program ends with status {name}");
            (text, "a status is a number from 0 to 255")
        });
    }
    let lower = name.to_ascii_lowercase();
    let help = if RESERVED.contains(&lower.as_str()) {
        SMALL
    } else {
        "the words are crash, timeout, pending and default"
    };
    Some((
        format!("`{name}` is no status and no known word: it counts as status 0"),
        help,
    ))
}

fn never_pending(
    definition: &Definition<'_>,
    name: &str,
    all: &[Definition<'_>],
    interpreter: &Interpreter,
    walks: &[Walk],
) -> Told {
    if name != "pending" {
        return None;
    }
    let limits = |words: &[&str]| {
        words.contains(&"-pending") || words.iter().any(|word| word.starts_with('$'))
    };
    let same = all.iter().filter(|other| other.name == definition.name);
    let in_task = same.flat_map(|task| {
        let own = task.with("periods").map(|(_, words)| words);
        own.chain(task.called(interpreter, "periods").map(|(_, words)| words))
    });
    let outside = walks.iter().flat_map(Walk::calls).any(|(spot, call)| {
        spot.within.body.is_none()
            && is(interpreter, call.text, "periods")
            && call.text.contains("-pending")
    });
    let mut in_task = in_task;
    if outside || in_task.any(|words| limits(&words)) {
        return None;
    }
    let message = "this exit macro never runs: jobs of this task wait without limit";
    Some((
        message.to_owned(),
        "set the limit with `periods -pending SECONDS`",
    ))
}

/// Only jobs on this host time out.
fn never_timeout(
    definition: &Definition<'_>,
    name: &str,
    interpreter: &Interpreter,
    walks: &[Walk],
) -> Told {
    if name != "timeout" {
        return None;
    }
    let mut hosts = definition.with("host").peekable();
    hosts.peek()?;
    let elsewhere = |words: &[&str]| {
        let host = words.iter().find(|word| **word != "-required");
        host.is_some_and(|host| !host.starts_with('$') && *host != "local")
    };
    let fixed = hosts.all(|(_, words)| elsewhere(&words));
    let stays = definition
        .called(interpreter, "host")
        .all(|(_, words)| elsewhere(&words));
    let by_macro = definition
        .calls
        .iter()
        .any(|(_, call)| sets_host(call.text, interpreter, walks));
    if !fixed || !stays || by_macro {
        return None;
    }
    let message = "this exit macro never runs: all jobs of this task go to the controller, and \
                   only jobs on this host time out";
    Some((message.to_owned(), ""))
}

/// Whether `text` calls a macro that says `host`.
fn sets_host(text: &str, interpreter: &Interpreter, walks: &[Walk]) -> bool {
    let word = super::definitions::first(text);
    let Ok(name) = interpreter.command_name(word) else {
        // What cannot be told may say it.
        return word.starts_with('$') && !text.contains('=');
    };
    walks.iter().any(|walk| {
        walk.spots.iter().any(|spot| {
            spot.role == Role::Command
                && spot
                    .within
                    .definition
                    .is_some_and(|opener| walk.name(opener) == name)
                && walk
                    .text(spot.index)
                    .split([' ', '\t', ';', ')'])
                    .any(|word| word == "host")
        })
    })
}
