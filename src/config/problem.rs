//! What is wrong in a configuration: place, message and mend.

use std::{fmt, io::IsTerminal, path::PathBuf, sync::Arc};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

use super::document::{KeyPath, Span};

/// Most problems that one pass over one document notes: more than anybody mends at once.
pub(crate) const MAX_PROBLEMS: usize = 100;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing runs with this.
    Error,
    /// It runs, but probably not as meant.
    Warning,
}

/// One thing that is wrong. In JSON: `file`, `line`, `column`, `start` and `end` (bytes) where the
/// place is known, `key`, `severity`, `message`, `help`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Problem {
    /// The file as people know it.
    pub file: PathBuf,
    /// The place in it, where one is known.
    #[serde(flatten)]
    pub span: Option<Span>,
    /// The key it is about (`sites.mustang.nodes.cores`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    #[serde(skip)]
    #[schemars(skip)]
    source: Option<Arc<str>>,
}

/// How problems are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Text alone: for a pipe or a file.
    Plain,
    /// With colours: for a terminal.
    Coloured,
}

impl Look {
    /// Colours for a terminal, else text alone.
    pub fn of(stream: &impl IsTerminal) -> Self {
        if stream.is_terminal() {
            Self::Coloured
        } else {
            Self::Plain
        }
    }
}

impl Problem {
    /// An error in `file`.
    pub fn error(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            span: None,
            key: None,
            severity: Severity::Error,
            message: message.into(),
            help: None,
            source: None,
        }
    }

    /// The same with a place in the file's text.
    #[must_use]
    pub fn at(mut self, span: Span, source: Arc<str>) -> Self {
        self.span = Some(span);
        self.source = Some(source);
        self
    }

    /// The same with the key it is about.
    #[must_use]
    pub fn about(mut self, key: &KeyPath) -> Self {
        self.key = Some(key.to_string()).filter(|key| !key.is_empty());
        self
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same as a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Whether nothing runs with it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The line it stands in, and the place within that line.
    fn line(&self) -> Option<(Span, &str, std::ops::Range<usize>)> {
        let span = self.span?;
        let source = self.source.as_deref()?;
        let start = source
            .get(..span.start)?
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let rest = source.get(start..)?;
        let line = rest.lines().next().unwrap_or_default();
        let from = (span.start - start).min(line.len());
        let to = span.end.saturating_sub(start).clamp(from, line.len());
        Some((span, line, from..to))
    }
}

/// `file:line:column: error: message`, in one line, with the help behind it.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(span) = self.span {
            write!(f, ":{}:{}", span.line, span.column)?;
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, ": {severity}: {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// The problems as people read them: each with its line of the file, the place marked, and the
/// mend.
pub fn render(problems: &[Problem], look: Look) -> String {
    let renderer = match look {
        Look::Plain => Renderer::plain(),
        Look::Coloured => Renderer::styled(),
    };
    let mut out = String::new();
    for problem in problems {
        out.push_str(&renderer.render(&[group(problem)]));
        out.push_str("\n\n");
    }
    out
}

fn group(problem: &Problem) -> annotate_snippets::Group<'_> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let file = problem.file.display().to_string();
    let title = level.primary_title(problem.message.as_str());
    let group = match problem.line() {
        Some((span, line, range)) => title.element(
            Snippet::source(line)
                .line_start(span.line)
                .path(file)
                .annotation(AnnotationKind::Primary.span(range)),
        ),
        None => title.element(annotate_snippets::Origin::path(file)),
    };
    match &problem.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}

/// The problems in the order of files and places, each once.
pub(crate) fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    let place = |p: &Problem| p.span.map(|span| (span.start, span.end));
    problems.sort_by(|a, b| (&a.file, place(a)).cmp(&(&b.file, place(b))));
    // One mistake behind an alias is found once for each use.
    problems.dedup_by(|a, b| (&a.file, place(a), &a.message) == (&b.file, place(b), &b.message));
    problems
}
