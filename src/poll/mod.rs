//! Asking for the state of runs, harvesting their journals, bringing products back and importing
//! their records (design §4.6, §5).
//!
//! One scheduler query serves all runs of a site. What a run's jobs left decides, job by job; the
//! scheduler only says when to look. Every step can be repeated: a second poll changes nothing.

mod early;
mod harvest;
mod haul;
mod import;
mod legacy;
mod outcome;
mod report;
mod status;
mod stranded;
mod tally;

use std::{collections::BTreeMap, fmt, path::Path, time::Duration};

pub use early::is_due;
pub use outcome::{Brought, judge};
pub use status::Watched;

use crate::{
    batch::Scheduler,
    config::site::{AllowedProgram, Site},
    connection::{Host, LinkError, Remedy},
    engine::clock::Clock,
    state::{
        StateError, Store,
        event::Act,
        import::Counts,
        run::{Run, RunEvent, RunState, Stage, Step},
        run_dir::{decision::DecisionError, files::RunDirError},
    },
    transfer::Progress,
};

/// Who acts, in the event log.
const ACTOR: &str = "poll";

/// A site and all that is needed to bring runs home from it.
#[derive(Debug)]
pub struct Poll<'a> {
    /// The way there.
    pub host: &'a Host,
    /// Its scheduler.
    pub scheduler: &'a dyn Scheduler,
    /// Its name.
    pub site_name: &'a str,
    /// Its settings.
    pub site: &'a Site,
    /// How long the link still lives, if that is known.
    pub left: Option<Duration>,
    /// The program of ours that may be sent there.
    pub program: &'a Path,
    /// Programs that legacy dbinfo lines may run.
    pub allowed: &'a BTreeMap<String, AllowedProgram>,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Who is told how far it is.
    pub progress: &'a dyn Progress,
}

/// What a poll found of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// Its batch job waits in the queue.
    Queued {
        /// Why, as the scheduler says.
        why: String,
    },
    /// Its batch job runs.
    Running,
    /// Its batch job runs, and jobs that have passed are home and imported.
    Harvested {
        /// How many.
        jobs: usize,
    },
    /// Its batch job runs, and what has passed could not be brought home; it will be at the end.
    NotHarvested {
        /// Why.
        why: String,
    },
    /// Its batch job is over; products and records are still to come home.
    Ended,
    /// The scheduler does not know its batch job, and the job left no end yet; asked again.
    Unseen,
    /// Its batch job was to begin after one that failed, and never will; its components are free to
    /// be bundled again.
    GivenBack {
        /// After which.
        why: String,
    },
    /// It is full.
    Full(Counts),
    /// The link is down; goes on from the same step when it is back.
    Auth {
        /// What happened and what to do.
        why: String,
    },
    /// It waits for a new login, since the present link ends too soon.
    Held {
        /// Why.
        why: String,
    },
    /// Something that passes by itself stood in the way, on a link that lives; the next poll goes
    /// on from the same step.
    Later {
        /// What.
        why: String,
    },
    /// It is in error.
    Failed {
        /// Why.
        why: String,
    },
}

impl fmt::Display for Polled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queued { why } if why.is_empty() => f.write_str("queued"),
            Self::Queued { why } => write!(f, "queued ({why})"),
            Self::Running => f.write_str("running"),
            Self::Harvested { jobs } => write!(f, "running; {jobs} jobs are home"),
            Self::NotHarvested { why } => write!(f, "running; not harvested: {why}"),
            Self::Ended => f.write_str("ended"),
            Self::Unseen => f.write_str("not known to the scheduler (yet)"),
            Self::GivenBack { why } => write!(f, "given back: {why}"),
            Self::Full(counts) => {
                write!(f, "full: {} jobs passed", counts.passed)?;
                for (count, word) in [(counts.failed, "failed"), (counts.lost, "lost")]
                    .iter()
                    .filter(|(n, _)| *n > 0)
                {
                    write!(f, ", {count} {word}")?;
                }
                if counts.retried > 0 {
                    write!(f, "; {} components go into a new bundle", counts.retried)?;
                }
                Ok(())
            },
            Self::Auth { why } => write!(f, "waits for a login: {why}"),
            Self::Held { why } => write!(f, "held: {why}"),
            Self::Later { why } => write!(f, "tried again later: {why}"),
            Self::Failed { why } => write!(f, "error: {why}"),
        }
    }
}

/// Why poll had to stop, leaving the run where it was.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// state.db refuses.
    #[error(transparent)]
    State(#[from] StateError),
    /// The run directory cannot be read.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// A file of the run directory cannot be used.
    #[error(transparent)]
    Files(#[from] RunDirError),
    /// The scheduler could not be asked.
    #[error("{0}")]
    Query(String),
}

/// Why a step did not come to its end.
enum Stop {
    Link(LinkError),
    Fail(String),
    Error(PollError),
}

impl<E: Into<PollError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl From<LinkError> for Stop {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl Poll<'_> {
    /// Brings a run whose batch job is over home: `returning`, `importing`, `full`. The caller
    /// holds the claim on it. `run_dir` is its directory here, `home` the directory that relative
    /// product paths start from.
    pub async fn finish(
        &self,
        store: &mut Store,
        run: &Run,
        run_dir: &Path,
        home: &Path,
    ) -> Result<Polled, PollError> {
        match self.steps(store, run, run_dir, home).await {
            Ok(counts) => Ok(Polled::Full(counts)),
            Err(Stop::Link(error)) if error.remedy() == Remedy::Login => {
                let why = error.to_string();
                self.advance(store, run.run_id, RunEvent::LinkDown, &why)?;
                Ok(if error.is_ending() {
                    Polled::Held { why }
                } else {
                    Polled::Auth { why }
                })
            },
            Err(Stop::Link(error)) if error.remedy() == Remedy::Time => {
                let why = error.to_string();
                store.set_fault(run.run_id, 4, &why)?;
                Ok(Polled::Later { why })
            },
            Err(Stop::Link(error)) => self.fail(store, run, error.to_string()),
            Err(Stop::Fail(why)) => self.fail(store, run, why),
            Err(Stop::Error(PollError::State(error))) if !error.is_of_one_run() => {
                Err(error.into())
            },
            Err(Stop::Error(error)) => self.fail(store, run, error.to_string()),
        }
    }

    fn fail(&self, store: &mut Store, run: &Run, why: String) -> Result<Polled, PollError> {
        let act = Act::new(self.clock.now(), ACTOR, &why);
        store.fail(run.run_id, Step::Poll, act)?;
        Ok(Polled::Failed { why })
    }

    async fn steps(
        &self,
        store: &mut Store,
        run: &Run,
        run_dir: &Path,
        home: &Path,
    ) -> Result<Counts, Stop> {
        let mut state = store.run(run.run_id)?.state;
        if state == RunState::Active(Stage::Returning) {
            let why = self.harvest(store, run, run_dir, home).await?;
            state = self.advance(store, run.run_id, RunEvent::Returned, &why)?;
        }
        if state == RunState::Active(Stage::Importing) {
            return self.import(store, run, run_dir, home).await;
        }
        let run = store.run(run.run_id)?;
        Ok(Counts {
            passed: run.passed,
            failed: run.failed,
            lost: run.lost,
            retried: run.retried,
        })
    }

    fn advance(
        &self,
        store: &mut Store,
        run_id: i64,
        event: RunEvent,
        why: &str,
    ) -> Result<RunState, StateError> {
        store.advance(run_id, event, Act::new(self.clock.now(), ACTOR, why))
    }
}
