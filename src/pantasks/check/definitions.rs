//! The task definitions of files, line by line.

use crate::opihi::{Call, Interpreter, Role, Spot, Walk};

/// One `task NAME … end`.
#[derive(Debug)]
pub(super) struct Definition<'a> {
    pub(super) walk: &'a Walk,
    /// The line with `task`.
    pub(super) opener: usize,
    pub(super) name: &'a str,
    /// Its own lines.
    pub(super) lines: Vec<Spot>,
    /// The commands in its task.exec and task.exit macros.
    pub(super) calls: Vec<(Spot, Call<'a>)>,
    /// Whether it stands in a macro.
    pub(super) in_macro: bool,
}

/// The definitions of a file, in its order.
pub(super) fn of(walk: &Walk) -> Vec<Definition<'_>> {
    let mut found: Vec<Definition<'_>> = Vec::new();
    for spot in &walk.spots {
        let opens = spot.role == Role::Command && first(walk.text(spot.index)) == "task";
        if opens && walk.program.opens(spot.index) {
            found.push(Definition {
                walk,
                opener: spot.index,
                name: walk.name(spot.index),
                lines: Vec::new(),
                calls: Vec::new(),
                in_macro: spot.within.definition.is_some(),
            });
        }
        let is_line = matches!(spot.role, Role::Task | Role::Open) && spot.within.body.is_none();
        if is_line && let Some(definition) = owner(&mut found, spot.within.task) {
            definition.lines.push(*spot);
        }
    }
    for (spot, call) in walk.calls() {
        if spot.within.body.is_some()
            && let Some(definition) = owner(&mut found, spot.within.task)
        {
            definition.calls.push((spot, call));
        }
    }
    found
}

fn owner<'a, 'b>(
    found: &'b mut [Definition<'a>],
    task: Option<usize>,
) -> Option<&'b mut Definition<'a>> {
    let task = task?;
    found
        .iter_mut()
        .find(|definition| definition.opener == task)
}

impl<'a> Definition<'a> {
    /// Its own lines that start with `word`, with the words behind it.
    pub(super) fn with(&self, word: &str) -> impl Iterator<Item = (usize, Vec<&'a str>)> {
        let walk = self.walk;
        let texts = self
            .lines
            .iter()
            .map(move |spot| (spot.index, walk.text(spot.index)));
        texts
            .filter(move |(_, text)| first(text).eq_ignore_ascii_case(word))
            .map(|(index, text)| (index, text.split_ascii_whitespace().skip(1).collect()))
    }

    /// The commands of its macros that are `word`, or short for it.
    pub(super) fn called<'b>(
        &'b self,
        interpreter: &'b Interpreter,
        word: &'b str,
    ) -> impl Iterator<Item = (Spot, Vec<&'a str>)> + 'b {
        let texts = self.calls.iter().map(|(spot, call)| (*spot, call.text));
        texts
            .filter(move |(_, text)| is(interpreter, text, word))
            .map(|(spot, text)| (spot, text.split_ascii_whitespace().skip(1).collect()))
    }

    /// Whether it makes a task by itself: there is a command in it.
    pub(super) fn has_command(&self) -> bool {
        let in_exec = |spot: &Spot| {
            let opener = spot.within.body.map_or("", |body| self.walk.text(body));
            first(opener).eq_ignore_ascii_case("task.exec")
                && first(self.walk.text(spot.index)) == "command"
        };
        self.with("command").any(|(_, words)| !words.is_empty())
            || self.calls.iter().any(|(spot, _)| in_exec(spot))
    }
}

/// Whether the first word of `text` is `word`, or short for it.
pub(super) fn is(interpreter: &Interpreter, text: &str, word: &str) -> bool {
    let first = first(text);
    !first.is_empty() && word.starts_with(first) && interpreter.command_name(first) == Ok(word)
}

pub(super) fn first(text: &str) -> &str {
    text.split_ascii_whitespace().next().unwrap_or_default()
}
