//! A job of the controller.

use std::time::{Duration, Instant};

use super::waiting::Claim;

/// What a job is to run, and where it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The program and its arguments, as they are: no shell reads them.
    pub argv: Vec<String>,
    /// The priority on its host, 0 to 20 as nice(1) counts.
    pub nice: u8,
    /// Files that must be visible on its host before it starts.
    pub block: Vec<String>,
    /// Where it may run, and before whom.
    pub claim: Claim,
}

/// A job that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What it runs.
    pub request: Request,
    /// When it was submitted.
    pub submitted: Instant,
    /// How often it was lost with its host.
    pub losses: u32,
    /// Where it is; nowhere while it waits.
    pub place: Option<Place>,
}

/// Where a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its host.
    pub host: String,
    /// The number of this one attempt.
    pub run: u64,
    /// When it was given to the host.
    pub since: Instant,
    /// The host said that its process runs.
    pub started: bool,
    /// It was told to end.
    pub killed: bool,
    /// When its agent ends it if it hears nothing; never, where jobs live on.
    pub fence: Option<Duration>,
}

impl Job {
    pub(super) fn new(request: Request, now: Instant) -> Self {
        Self {
            request,
            submitted: now,
            losses: 0,
            place: None,
        }
    }

    /// The word that listings show (seed 000, figure 5).
    pub fn word(&self) -> &'static str {
        match &self.place {
            None => "PENDING",
            Some(Place { killed: true, .. }) => "KILL",
            Some(_) => "BUSY",
        }
    }
}
