//! Why a script stops, and where.

use std::{fmt, path::Path, sync::Arc};

use thiserror::Error;

use crate::config::{document::Span, problem::Problem};

/// A line of a file, as people count: the first is 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file as it was named to `input` or `module`, or a word such as `terminal`.
    pub file: Arc<Path>,
    /// The line in it.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// What a command found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "each variant is its message")]
pub enum Fault {
    #[error("variable {0} not found")]
    NoVariable(String),
    #[error("${0}: not in a macro")]
    NotInMacro(String),
    #[error("${index}: the macro {name} was called with {given} argument(s)")]
    NoArgument {
        index: usize,
        name: String,
        given: usize,
    },
    #[error("{0}: Command not found.")]
    NoCommand(String),
    #[error("ambiguous command: {word} ( {} )", .matches.join(" "))]
    Ambiguous { word: String, matches: Vec<String> },
    #[error("misbalanced quotes")]
    Quotes,
    #[error("misbalanced parenthesis")]
    Parentheses,
    #[error("can't nest brackets!")]
    NestedBrackets,
    #[error("no close brackets!")]
    OpenBracket,
    #[error("cannot evaluate expression in brackets: {0}")]
    BracketExpression(String),
    #[error("syntax error in logic: {0}")]
    Logic(String),
    #[error("cannot evaluate {text}: {reason}")]
    Expression { text: String, reason: String },
    #[error("`{0}` has no `end`")]
    NoEnd(String),
    #[error("`{0}` closes nothing that is open")]
    Stray(String),
    #[error("multiple 'ELSE' in one `if`")]
    TwoElses,
    #[error("cannot redefine inherent command {0}")]
    Inherent(String),
    #[error("USAGE: {0}")]
    Usage(&'static str),
    #[error("nested more than {0} deep: a macro that calls itself for ever?")]
    TooDeep(usize),
    #[error("the line grows beyond {0} bytes: a variable that names or doubles itself?")]
    TooLong(usize),
    #[error("stopped after {0} commands")]
    TooMany(u64),
    #[error("interrupted")]
    Interrupted,
    #[error("no file {0}")]
    NoFile(String),
    #[error("module {0} not found")]
    NoModule(String),
    #[error("not a script: {0}")]
    NotText(String),
    #[error("{0}")]
    Message(String),
}

impl Fault {
    /// A command was given the wrong words: its usage, which the table of commands knows, goes in.
    pub(crate) const MISUSED: Self = Self::Usage("");

    /// The fault with `usage` in it where it is [`Fault::MISUSED`].
    pub(crate) fn with_usage(self, usage: &'static str) -> Self {
        if self == Self::MISUSED {
            Self::Usage(usage)
        } else {
            self
        }
    }

    /// Whether nothing goes on after it, even where failures are passed over.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Interrupted | Self::TooMany(_) | Self::TooDeep(_)
        )
    }

    /// A fault told in words.
    pub fn message(text: impl Into<String>) -> Self {
        Self::Message(text.into())
    }
}

/// A fault with the line it came from and the calls that led there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct Failure {
    /// What is wrong.
    pub fault: Fault,
    /// The line, unless the failure came before any line was run.
    pub place: Option<Place>,
    /// The line's own text, before expansion.
    pub text: String,
    /// The macros and files it unwound through, innermost first.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}", self.fault)?;
        if !self.text.is_empty() {
            write!(f, ": `{}`", self.text)?;
        }
        for step in &self.trace {
            write!(f, "\n  in {step}")?;
        }
        Ok(())
    }
}

impl Failure {
    /// The failure as a problem that [`crate::config::problem::render`] draws with its line.
    pub fn problem(&self) -> Problem {
        let Some(place) = &self.place else {
            return Problem::error("script", self.fault.to_string());
        };
        let span = Span {
            line: place.line,
            column: 1,
            start: 0,
            end: self.text.len(),
        };
        let problem = Problem::error(place.file.to_path_buf(), self.fault.to_string())
            .at(span, Arc::from(self.text.as_str()));
        if self.trace.is_empty() {
            problem
        } else {
            problem.help(format!("in {}", self.trace.join(", in ")))
        }
    }
}

/// Why a list of lines was left before its end, with all lists around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// `break`: said on purpose, nothing to report.
    Break,
    /// A command failed.
    Failed(Box<Failure>),
    /// `quit` or `exit`, with the code for the program.
    Quit(i32),
}

impl Stop {
    /// See [`Fault::with_usage`].
    pub(crate) fn with_usage(self, usage: &'static str) -> Self {
        match self {
            Self::Failed(mut failure) => {
                failure.fault = failure.fault.with_usage(usage);
                Self::Failed(failure)
            },
            stop => stop,
        }
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Failed(Box::new(Failure {
            fault,
            place: None,
            text: String::new(),
            trace: Vec::new(),
        }))
    }
}

/// How a list of lines goes on after a command that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// To the next line.
    On,
    /// Leave the innermost loop or macro (`last`, `return`).
    Last,
    /// To the next pass of the innermost loop (`next`, `continue`).
    Next,
}

/// What running a command or a list of lines gives.
pub type Outcome = Result<Flow, Stop>;
