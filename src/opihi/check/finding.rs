//! What a check finds, with its place.

use std::{path::Path, sync::Arc};

use super::super::{
    error::{Failure, Fault, Place},
    source::Program,
};
use crate::config::{document::Span, problem::Problem};

/// One thing that is wrong in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The line; none, or line 0, where it is about a file as a whole.
    pub place: Option<Place>,
    /// Whether the files do not load with it; else it bites later.
    pub error: bool,
    /// What is wrong.
    pub message: String,
    /// What to do about it, or how the load came there.
    pub help: Option<String>,
    /// The line's own text.
    pub text: String,
    /// The part of the text it is about, if not all of it.
    pub mark: Option<String>,
    /// Whether something was not found, so that what else goes with it is not known.
    pub missing: bool,
}

impl Finding {
    /// A warning about line `index` of `program`.
    pub fn new(program: &Program, index: usize, message: impl Into<String>) -> Self {
        let line = program.lines.get(index);
        Self {
            place: program.place(index),
            error: false,
            message: message.into(),
            help: None,
            text: line.map_or_else(String::new, |line| line.text.to_string()),
            mark: None,
            missing: false,
        }
    }

    /// What stopped a script, or would have.
    pub fn of(failure: &Failure, error: bool) -> Self {
        let trace =
            (!failure.trace.is_empty()).then(|| format!("in {}", failure.trace.join(", in ")));
        Self {
            place: failure.place.clone(),
            error,
            message: failure.fault.to_string(),
            help: trace,
            text: failure.text.clone(),
            mark: None,
            missing: error && undefined(&failure.fault),
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same about a part of the line.
    #[must_use]
    pub fn mark(mut self, part: impl Into<String>) -> Self {
        self.mark = Some(part.into());
        self
    }

    /// The file and line it stands in.
    pub fn spot(&self) -> Option<(&Path, usize)> {
        self.place.as_ref().map(|place| (&*place.file, place.line))
    }

    /// The same as a problem that [`crate::config::problem::render`] draws.
    pub fn problem(&self) -> Problem {
        let problem = match &self.place {
            None => Problem::error("script", self.message.as_str()),
            Some(place) if place.line == 0 => {
                Problem::error(place.file.to_path_buf(), self.message.as_str())
            },
            Some(place) => {
                let mark = self.mark.as_deref().unwrap_or_default();
                let (start, length) = match self.text.find(mark) {
                    Some(start) if !mark.is_empty() => (start, mark.len()),
                    _ => (0, self.text.len()),
                };
                let span = Span {
                    line: place.line,
                    column: start + 1,
                    start,
                    end: start + length,
                };
                Problem::error(place.file.to_path_buf(), self.message.as_str())
                    .at(span, Arc::from(self.text.as_str()))
            },
        };
        let problem = match &self.help {
            Some(help) => problem.help(help.as_str()),
            None => problem,
        };
        if self.error {
            problem
        } else {
            problem.warning()
        }
    }
}

fn undefined(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::NoModule(_) | Fault::NoFile(_) | Fault::NoCommand(_) | Fault::NoVariable(_)
    )
}
