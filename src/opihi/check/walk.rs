//! A script's lines with what they stand in, read as a load reads them.

use std::{ops::Range, sync::Arc};

use super::super::source::{Line, Program, condition, first_word, is_end};

/// Blocks within each other that are looked into; no script nests deeper.
const DEPTH_LIMIT: usize = 100;

/// What a line is to the interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A command, or several with `;` between.
    Command,
    /// A line of a task's definition, outside its macros.
    Task,
    /// An element of a `list` block.
    Data,
    /// An `end` or `else` without a block.
    Stray,
    /// A command whose block has no `end`.
    Open,
}

/// The lines that a line stands within, each by the line that opens it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Within {
    /// The macro.
    pub definition: Option<usize>,
    /// The task.
    pub task: Option<usize>,
    /// The task's task.exec or task.exit.
    pub body: Option<usize>,
    /// Whether it is run each time: it stands in no `if` and no loop of that list.
    pub always: bool,
}

/// A line and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// Which line of the program.
    pub index: usize,
    /// What it is.
    pub role: Role,
    /// Where it stands.
    pub within: Within,
}

/// A program and its lines that do something.
#[derive(Debug)]
pub struct Walk {
    /// The program.
    pub program: Arc<Program>,
    /// The lines, in their order.
    pub spots: Vec<Spot>,
}

/// One command of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// The command, or the assignment; empty for the `if` or `while` of a block.
    pub text: &'a str,
    /// The condition before it.
    pub condition: Option<&'a str>,
}

impl Walk {
    /// Reads a program.
    pub fn of(program: &Arc<Program>) -> Self {
        let mut walk = Self {
            program: Arc::clone(program),
            spots: Vec::new(),
        };
        let top = Within {
            always: true,
            ..Within::default()
        };
        walk.commands(0..program.lines.len(), top, 0);
        walk
    }

    /// The text of line `index`.
    pub fn text(&self, index: usize) -> &str {
        self.program.lines.get(index).map_or("", |line| &line.text)
    }

    /// The second word of the line that opens a block: the macro's or task's name.
    pub fn name(&self, opener: usize) -> &str {
        let mut words = self.text(opener).split_ascii_whitespace();
        match (words.next(), words.next()) {
            (Some("macro"), Some("create")) => words.next().unwrap_or_default(),
            (_, name) => name.unwrap_or_default(),
        }
    }

    /// The commands of the lines that have some, with their spots.
    pub fn calls(&self) -> impl Iterator<Item = (Spot, Call<'_>)> {
        self.spots
            .iter()
            .filter(|spot| matches!(spot.role, Role::Command | Role::Open))
            .filter_map(|spot| Some((*spot, self.program.lines.get(spot.index)?)))
            .flat_map(|(spot, line)| {
                let found = calls(line);
                found.into_iter().map(move |call| (spot, call))
            })
    }

    fn note(&mut self, index: usize, role: Role, within: Within) {
        self.spots.push(Spot {
            index,
            role,
            within,
        });
    }

    fn commands(&mut self, lines: Range<usize>, within: Within, depth: usize) {
        let program = Arc::clone(&self.program);
        let mut index = lines.start;
        while index < lines.end {
            let word = first_word(program.lines.get(index).map_or("", |line| &line.text));
            if !program.opens(index) {
                let is_else = word
                    .get(..4)
                    .is_some_and(|s| s.eq_ignore_ascii_case("else"));
                let stray = is_end(word) || is_else;
                self.note(
                    index,
                    if stray { Role::Stray } else { Role::Command },
                    within,
                );
                index += 1;
                continue;
            }
            if word == "task" {
                self.note(index, Role::Command, within);
                let inner = Within {
                    task: Some(index),
                    ..within
                };
                index = self.task(index + 1..lines.end, inner, depth + 1);
                continue;
            }
            index = self.block(index, lines.end, within, depth);
        }
    }

    /// A block other than a task; the line behind it.
    fn block(&mut self, index: usize, end: usize, within: Within, depth: usize) -> usize {
        let program = Arc::clone(&self.program);
        let word = first_word(program.lines.get(index).map_or("", |line| &line.text));
        let block = program.block(index).ok().filter(|block| block.end < end);
        let closes = matches!(word, "macro" | "task.exec" | "task.exit");
        let (Some(otherwise), last) = (match block {
            Some(block) => (Some(block.otherwise), block.end),
            None => (closes.then_some(None), end),
        }) else {
            self.note(index, Role::Open, within);
            return index + 1;
        };
        self.note(
            index,
            if block.is_some() {
                Role::Command
            } else {
                Role::Open
            },
            within,
        );
        let mut inner = within;
        match word {
            "macro" => {
                inner = Within {
                    definition: Some(index),
                    always: true,
                    ..Within::default()
                }
            },
            "task.exec" | "task.exit" => {
                inner.body = Some(index);
                inner.always = true;
            },
            _ => inner.always = false,
        }
        if word == "list" {
            for data in index + 1..last {
                self.note(data, Role::Data, within);
            }
        } else if depth < DEPTH_LIMIT {
            let half = otherwise.unwrap_or(last);
            self.commands(index + 1..half, inner, depth + 1);
            self.commands(half + 1..last, inner, depth + 1);
        }
        last + 1
    }

    /// The lines of a task; the line behind its `end`, which is the first that is no macro's.
    fn task(&mut self, lines: Range<usize>, within: Within, depth: usize) -> usize {
        let mut index = lines.start;
        while index < lines.end {
            let word = first_word(self.text(index)).to_ascii_lowercase();
            match word.as_str() {
                "end" => return index + 1,
                "task.exec" | "task.exit" => {
                    let program = Arc::clone(&self.program);
                    let block = program.block(index).ok().filter(|b| b.end < lines.end);
                    let role = if block.is_some() {
                        Role::Task
                    } else {
                        Role::Open
                    };
                    self.note(index, role, within);
                    let last = block.map_or(lines.end, |block| block.end);
                    let inner = Within {
                        body: Some(index),
                        always: true,
                        ..within
                    };
                    if depth < DEPTH_LIMIT {
                        self.commands(index + 1..last, inner, depth + 1);
                    }
                    index = last + 1;
                },
                _ => {
                    self.note(index, Role::Task, within);
                    index += 1;
                },
            }
        }
        index
    }
}

/// The commands of a line: those between `;`, and those behind an `if`.
pub fn calls(line: &Line) -> Vec<Call<'_>> {
    let mut found = Vec::new();
    for piece in line.pieces() {
        let mut call = Call {
            text: &piece.text,
            condition: None,
        };
        while matches!(first_word(call.text), "if" | "while") {
            let Some((inner, rest)) = condition(call.text) else {
                break;
            };
            if call.condition.is_some() {
                found.push(Call { text: "", ..call });
            }
            call = Call {
                text: rest,
                condition: Some(inner),
            };
        }
        found.push(call);
    }
    found
}
