//! What a word at the terminal may become, and whether a block still lacks its `end`.

use rustyline::{
    Context, Helper, Highlighter, Hinter,
    completion::{Completer, FilenameCompleter, Pair},
    validate::{ValidationContext, ValidationResult, Validator},
};

use super::super::request::Words;
use crate::opihi::Interpreter;

/// Helps whoever types.
#[derive(Helper, Hinter, Highlighter)]
pub(super) struct Typist {
    words: Box<dyn Fn() -> Words + Send>,
    files: FilenameCompleter,
}

impl Typist {
    pub(super) fn new(words: Box<dyn Fn() -> Words + Send>) -> Self {
        Self {
            words,
            files: FilenameCompleter::new(),
        }
    }
}

impl Validator for Typist {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if Interpreter::wants_more(context.input()) {
            ValidationResult::Incomplete
        } else {
            ValidationResult::Valid(None)
        })
    }
}

impl Completer for Typist {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        at: usize,
        context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = line.get(..at).unwrap_or(line);
        match wanted(typed) {
            Wanted::File => self.files.complete(line, at, context),
            Wanted::Name { kind, from } => {
                let begun = typed.get(from..).unwrap_or_default();
                let words = (self.words)();
                let names = match kind {
                    Kind::Command => words.commands,
                    Kind::Task => words.tasks,
                    Kind::Book => words.books,
                    Kind::Variable => words.variables,
                };
                let fitting = names.into_iter().filter(|name| name.starts_with(begun));
                // A variable may go on as an index or as text.
                let behind = if kind == Kind::Variable { "" } else { " " };
                let pairs = fitting.map(|name| Pair {
                    replacement: format!("{name}{behind}"),
                    display: name,
                });
                Ok((from, pairs.collect()))
            },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Command,
    Task,
    Book,
    Variable,
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Name { kind: Kind, from: usize },
    File,
}

/// What the last word of `typed` can be, from what stands before it.
fn wanted(typed: &str) -> Wanted {
    let command = typed.rfind([';', '\n']).map_or(0, |at| at + 1);
    let begun = typed
        .rfind(|c: char| c.is_whitespace() || c == ';')
        .map_or(0, |at| at + 1);
    let name = |kind, from| Wanted::Name { kind, from };
    if let Some(dollar) = typed.get(begun..).and_then(|word| word.rfind('$')) {
        return name(Kind::Variable, begun + dollar + 1);
    }
    let before = typed.get(command..begun).unwrap_or_default();
    let before: Vec<&str> = before.split_whitespace().collect();
    match before.as_slice() {
        [] | ["help" | "which"] => name(Kind::Command, begun),
        ["task" | "showtask"] | ["delete", "task"] => name(Kind::Task, begun),
        ["book", "list" | "getbook"] => Wanted::File,
        ["book", _] => name(Kind::Book, begun),
        _ => Wanted::File,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("sta", Kind::Command, 0)]
    #[case("echo a; sta", Kind::Command, 8)]
    #[case("showtask chip.", Kind::Task, 9)]
    #[case("delete task chip", Kind::Task, 12)]
    #[case("book npages remote", Kind::Book, 12)]
    #[case("echo $LAB", Kind::Variable, 6)]
    #[case("echo $X:$i", Kind::Variable, 9)]
    fn a_word_is_completed_by_what_stands_before_it(
        #[case] typed: &str,
        #[case] kind: Kind,
        #[case] from: usize,
    ) {
        assert_eq!(wanted(typed), Wanted::Name { kind, from });
    }

    #[rstest]
    #[case("input chip")]
    #[case("exec ls /da")]
    fn anything_else_is_a_file(#[case] typed: &str) {
        assert_eq!(wanted(typed), Wanted::File);
    }
}
