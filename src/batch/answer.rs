//! What scheduler commands may answer, whatever the scheduler.

use super::RestError;
use crate::connection::{LinkError, Output};

/// Why a submission gave no job id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The scheduler said no: nothing is queued, submitting again is safe.
    #[error("the scheduler refused the job: {message}")]
    Refused {
        /// What it said.
        message: String,
    },
    /// The scheduler was not asked: nothing is queued, and the same may succeed later.
    #[error("the scheduler could not be asked (try again later): {message}")]
    Unasked {
        /// What was in the way.
        message: String,
    },
    /// No clear answer: the job may be queued all the same. Look for it by name before anything
    /// is submitted again.
    #[error("it is not known whether the job was queued (look for it by its name): {message}")]
    Doubt {
        /// What came instead of an answer.
        message: String,
    },
}

/// Why a job was not submitted, or may not have been.
#[derive(Debug, thiserror::Error)]
pub enum SubmitFault {
    /// The site could not be reached; the job may be queued all the same.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The scheduler gave no job id.
    #[error(transparent)]
    Said(#[from] SubmitError),
}

/// Why the scheduler could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The site could not be reached.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The scheduler gave no usable answer.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// Why a question to the scheduler has no answer. Nothing follows from it about any job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The scheduler, or the command that asks it, could not be reached.
    #[error("the scheduler could not be asked (try again later): {message}")]
    Unreachable {
        /// What was said.
        message: String,
    },
    /// The answer is cut off or not in a form we know.
    #[error("the scheduler's answer cannot be read: {message}")]
    Unreadable {
        /// What was wrong with it.
        message: String,
    },
    /// The scheduler answered with no.
    #[error("the scheduler refused: {message}")]
    Refused {
        /// What it said.
        message: String,
    },
    /// Its REST daemon gave no answer that can be used.
    #[error(transparent)]
    Rest(#[from] RestError),
}

/// What became of a request to cancel a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The request was taken; the job ends soon.
    Asked,
    /// There was nothing left to cancel.
    Gone,
}

/// A scheduler's version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The line that names it.
    pub text: String,
    /// Major, minor and patch level, 0 where not given.
    pub number: (u32, u32, u32),
}

/// The first line of an answer that holds a version number.
pub(super) fn version(answer: &Output) -> Result<Version, QueryError> {
    if !answer.ok() {
        return Err(QueryError::Unreachable {
            message: said(answer),
        });
    }
    let both = format!("{}\n{}", answer.out(), answer.err());
    both.lines()
        .find_map(|line| {
            let number = line.split_whitespace().find_map(version_number)?;
            Some(Version {
                text: line.trim().to_owned(),
                number,
            })
        })
        .ok_or_else(|| QueryError::Unreadable {
            message: format!("no version number in `{}`", said(answer)),
        })
}

fn version_number(word: &str) -> Option<(u32, u32, u32)> {
    let mut parts = word.split(['.', '-']);
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next()?.parse().ok()?;
    let patch = parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
    Some((major, minor, patch))
}

/// What a command said, for a message: standard error, else standard output, in one line.
pub(super) fn said(answer: &Output) -> String {
    let (out, err) = (answer.out(), answer.err());
    let text = if err.trim().is_empty() { out } else { err };
    match one_line(&text) {
        line if line.is_empty() => format!("exit code {} and no message", answer.code),
        line => format!("{line} (exit code {})", answer.code),
    }
}

/// The non-empty lines of `text` joined, control characters escaped, at most 500 characters.
pub(super) fn one_line(text: &str) -> String {
    let joined = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ");
    joined
        .chars()
        .flat_map(|c| {
            let control = c.is_control();
            let escaped = control.then(|| c.escape_default()).into_iter().flatten();
            escaped.chain((!control).then_some(c))
        })
        .take(500)
        .collect()
}

/// Begins every line that a script of ours prints about itself.
pub(super) const MARK: &str = "@outrigger ";

/// What one command inside a script of ours printed, standard error included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section<'a> {
    /// The command's name.
    pub(super) name: &'a str,
    /// Its lines.
    pub(super) lines: Vec<&'a str>,
    /// Its exit code.
    pub(super) code: i32,
}

impl Section<'_> {
    /// Its lines as one message.
    pub(super) fn said(&self) -> String {
        let line = one_line(&self.lines.join("\n"));
        format!("{}: {line} (exit code {})", self.name, self.code)
    }
}

/// Cuts the output of a script of ours into what its commands printed. Lines before the first
/// mark are a front end's greeting and are dropped.
///
/// # Errors
/// If the script did not reach its end.
pub(super) fn sections<'a>(text: &'a str, answer: &Output) -> Result<Vec<Section<'a>>, QueryError> {
    let mut done = Vec::new();
    let mut open: Option<Section<'a>> = None;
    let mut complete = false;
    for line in text.lines() {
        match line.strip_prefix(MARK).map(|mark| mark.split_once(' ')) {
            Some(Some(("run", name))) => {
                open = Some(Section {
                    name,
                    lines: Vec::new(),
                    code: 0,
                });
            },
            Some(Some(("exit", code))) => {
                if let (Some(mut section), Ok(code)) = (open.take(), code.trim().parse()) {
                    section.code = code;
                    done.push(section);
                }
            },
            Some(_) if line.trim_end().ends_with("end") => complete = true,
            _ => {
                if let Some(section) = &mut open {
                    section.lines.push(line);
                }
            },
        }
    }
    if complete {
        return Ok(done);
    }
    if done.is_empty() && open.is_none() {
        return Err(QueryError::Unreachable {
            message: said(answer),
        });
    }
    Err(QueryError::Unreadable {
        message: format!("it is cut off: {}", said(answer)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn output(stdout: &str) -> Output {
        Output {
            code: 0,
            stdout: stdout.into(),
            stderr: Vec::new(),
        }
    }

    #[rstest]
    #[case("slurm-wlm 22.05.8\n", (22, 5, 8))]
    #[case("slurm 25.05.2\n", (25, 5, 2))]
    #[case("slurm 23.11.4-1\n", (23, 11, 4))]
    #[case("Welcome to mu-fe1\nVersion: moab client 7.2.9 (revision 9)\n", (7, 2, 9))]
    fn versions_are_read(#[case] text: &str, #[case] number: (u32, u32, u32)) {
        assert_eq!(version(&output(text)).unwrap().number, number);
    }

    #[test]
    fn a_greeting_before_the_first_mark_is_no_answer() {
        let text = "NOTICE\n123|RUNNING\n@outrigger run squeue\n9|RUNNING\n@outrigger exit 0\n@outrigger end\n";
        let found = sections(text, &output(text)).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].lines, ["9|RUNNING"]);
    }

    #[rstest]
    #[case("@outrigger run squeue\n1|RUNNING\n")]
    #[case("@outrigger run squeue\n1|RUNNING\n@outrigger exit 0\n")]
    #[case("")]
    #[case("NOTICE: maintenance\n")]
    fn an_answer_without_its_end_is_an_error(#[case] text: &str) {
        assert!(sections(text, &output(text)).is_err());
    }

    proptest! {
        #[test]
        fn no_output_makes_the_readers_panic(text in "(?s).*") {
            let _sections = sections(&text, &output(&text));
            let _version = version(&output(&text));
        }
    }
}
