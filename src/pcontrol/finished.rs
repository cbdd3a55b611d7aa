//! Jobs that are over and that nobody has fetched yet.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::job::{Job, Request};
use crate::process::{Completion, Outcome};

/// A job that is over.
#[derive(Debug)]
pub struct Finished {
    /// What it ran.
    pub request: Request,
    /// Where; nowhere if it never came to a host.
    pub host: Option<String>,
    /// How it ended and what it wrote.
    pub completion: Completion,
}

impl Finished {
    /// The word that listings show (seed 000, figure 5): CRASH where a signal ended it.
    pub fn word(&self) -> &'static str {
        match self.completion.outcome {
            Outcome::Exit(_) | Outcome::NotStarted(_) | Outcome::Blocked => "EXIT",
            Outcome::Signal(_) | Outcome::Stopped | Outcome::Lost(_) => "CRASH",
        }
    }

    /// Its exit status, or the number of the signal.
    pub fn status(&self) -> i32 {
        match self.completion.outcome {
            Outcome::Exit(code) | Outcome::Signal(code) => code,
            Outcome::NotStarted(_) | Outcome::Blocked => 1,
            Outcome::Stopped | Outcome::Lost(_) => 9,
        }
    }

    /// From the start of its process to its end.
    pub fn wall(&self) -> Duration {
        self.completion.wall
    }
}

/// The jobs that are over, in the order of their submission.
pub type FinishedJobs = BTreeMap<u64, Finished>;

/// A job, over or not.
#[derive(Debug, Clone, Copy)]
pub enum AnyJob<'a> {
    /// It waits or runs.
    Open(&'a Job),
    /// It is over.
    Over(&'a Finished),
}

impl<'a> AnyJob<'a> {
    /// The word that listings show.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open(job) => job.word(),
            Self::Over(job) => job.word(),
        }
    }

    /// What it runs.
    pub fn request(self) -> &'a Request {
        match self {
            Self::Open(job) => &job.request,
            Self::Over(job) => &job.request,
        }
    }

    /// The host that it is or was on.
    pub fn host(self) -> Option<&'a str> {
        match self {
            Self::Open(job) => job.place.as_ref().map(|place| place.host.as_str()),
            Self::Over(job) => job.host.as_deref(),
        }
    }

    /// How long it has been waiting or running, or has run.
    pub fn age(self, now: Instant) -> Duration {
        match self {
            Self::Open(job) => {
                let since = job
                    .place
                    .as_ref()
                    .map_or(job.submitted, |place| place.since);
                now.saturating_duration_since(since)
            },
            Self::Over(job) => job.wall(),
        }
    }
}
