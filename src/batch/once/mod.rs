//! A token is used once (design decision 3). In the run's directory on the site `TOKEN.submit/` is
//! made by the one submission there is and keeps what the scheduler answered; `TOKEN.claim/` is
//! made by the one copy of the batch script that runs the jobs, or by us, so that none ever will. In
//! an array the first task makes it for all of them, and each makes a directory of its own in it.
//!
//! As with a [`Scheduler`](super::Scheduler), each thing to ask is a command and the reader of its
//! answer.

use std::path::Path;

use super::{
    JobId, QueryError,
    answer::{MARK, said},
};
use crate::connection::Output;

const SUBMIT: &str = include_str!("submit.sh");
const LOOK: &str = include_str!("look.sh");
const FENCE: &str = include_str!("fence.sh");

/// Exit code of a submission that somebody else has made.
const TAKEN: i32 = 75;

/// A token and the run's directory on the site.
#[derive(Debug, Clone, Copy)]
pub struct Once<'a> {
    /// The run's directory on the site.
    pub dir: &'a Path,
    /// The token.
    pub token: &'a str,
}

/// What the submission of a token left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// Nobody began one.
    Never,
    /// It is being made.
    UnderWay,
    /// Whoever made it died over it: the scheduler may have the job or not.
    Cut,
    /// What the scheduler answered, whoever was there to hear it.
    Answered(Output),
}

/// Whether a copy of the batch script has claimed the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// None has.
    Free,
    /// One has just begun.
    Begins,
    /// We have: no copy ever will.
    Closed,
    /// The batch job that runs the jobs; `None` if it died before it left its id.
    Taken(Option<JobId>),
}

/// What there is to know of a token on the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Its submission.
    pub sent: Sent,
    /// Its claim.
    pub claim: Claim,
}

/// What came of taking a token's claim ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fence {
    /// No copy of the batch script will ever run.
    Closed,
    /// A copy runs, or has run.
    Begun(Option<JobId>),
}

impl Once<'_> {
    /// The command that submits by `command`, but only if nobody has begun to; `anew` if that one
    /// is known to have died over it. Its answer is that of `command`.
    pub fn submit(self, command: Vec<String>, anew: bool) -> Vec<String> {
        let how = if anew { "anew" } else { "fresh" };
        let mut argv = self.script(SUBMIT);
        argv.push(how.to_owned());
        argv.extend(command);
        argv
    }

    /// The command that looks for traces of the token.
    pub fn look(self) -> Vec<String> {
        self.script(LOOK)
    }

    /// The command that takes the token's claim. An array of which one task has begun is left alone.
    pub fn fence(self) -> Vec<String> {
        self.script(FENCE)
    }

    /// The same; of an array of so many tasks that has begun, it takes the claims of those tasks that
    /// have not.
    pub fn fence_tasks(self, tasks: u32) -> Vec<String> {
        let mut argv = self.script(FENCE);
        argv.push(tasks.to_string());
        argv
    }

    fn script(self, text: &str) -> Vec<String> {
        let dir = self.dir.to_string_lossy();
        ["sh", "-c", text, "outrigger", &dir, self.token]
            .map(str::to_owned)
            .to_vec()
    }
}

/// Whether an answer to [`Once::submit`] says that somebody else has begun to.
pub fn is_taken(answer: &Output) -> bool {
    answer.code == TAKEN && marks(answer).iter().any(|mark| mark == "taken")
}

/// Reads the answer to [`Once::look`].
///
/// # Errors
/// If it is cut off.
pub fn read_look(answer: &Output) -> Result<Trace, QueryError> {
    let marks = marks(answer);
    if marks.last().is_none_or(|mark| mark != "end") {
        return Err(unreadable(answer));
    }
    let mut trace = Trace {
        sent: Sent::Never,
        claim: Claim::Free,
    };
    for mark in &marks {
        match mark.split_once(' ').unwrap_or((mark, "")) {
            ("claim", job) => trace.claim = Claim::Taken(job.parse().ok()),
            ("closed", _) => trace.claim = Claim::Closed,
            ("begins", _) => trace.claim = Claim::Begins,
            ("under", _) => trace.sent = Sent::UnderWay,
            ("cut", _) => trace.sent = Sent::Cut,
            ("answered", code) => {
                trace.sent = Sent::Answered(Output {
                    code: code.parse().map_err(|_| unreadable(answer))?,
                    stdout: kept(answer, "out "),
                    stderr: kept(answer, "err "),
                });
            },
            _ => {},
        }
    }
    Ok(trace)
}

/// Reads the answer to [`Once::fence`]. Where the run's directory is gone no script can begin.
///
/// # Errors
/// If the claim could not be taken, and is nobody else's.
pub fn read_fence(answer: &Output) -> Result<Fence, QueryError> {
    let mark = marks(answer).pop().ok_or_else(|| unreadable(answer))?;
    match mark.split_once(' ').unwrap_or((&mark, "")) {
        ("ours" | "gone", _) => Ok(Fence::Closed),
        ("theirs", job) => Ok(Fence::Begun(job.parse().ok())),
        _ => Err(unreadable(answer)),
    }
}

fn marks(answer: &Output) -> Vec<String> {
    let text = answer.out();
    let marks = text.lines().filter_map(|line| line.strip_prefix(MARK));
    marks.map(|mark| mark.trim().to_owned()).collect()
}

/// The lines of one of the answer's streams.
fn kept(answer: &Output, stream: &str) -> Vec<u8> {
    let text = answer.out();
    let lines = text.lines().filter_map(|line| line.strip_prefix(stream));
    lines
        .flat_map(|line| [line.as_bytes(), b"\n"].concat())
        .collect()
}

fn unreadable(answer: &Output) -> QueryError {
    QueryError::Unreadable {
        message: said(answer),
    }
}

#[cfg(test)]
mod tests;
