//! Taking a prepared run to its site: stage in, submit exactly once (design §4.2–4.4, §5).
//!
//! Each step can be interrupted anywhere and repeated: what is on the site already is not sent
//! again, and before a submission in doubt is repeated the scheduler is asked by the token.

mod inputs;
mod promise;
mod refuse;
pub mod scratch;
mod stage_in;
mod submit;

use std::{fmt, path::Path, time::Duration};

use scratch::ScratchError;

use crate::{
    batch::{Scheduler, doubt::Unsettled},
    config::site::Site,
    connection::{Host, LinkError, PROBE_LIMIT, Remedy},
    engine::clock::Clock,
    state::{
        StateError, Store,
        event::Act,
        run::{Run, RunEvent, RunState, Stage, Step},
        run_dir::{decision::DecisionError, files::RunDirError},
    },
    transfer::Progress,
};

/// Who acts, in the event log.
const ACTOR: &str = "exec";
/// A site and all that is needed to bring runs to it.
#[derive(Debug)]
pub struct Exec<'a> {
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
    /// Directory of outrigger.yaml.
    pub root: &'a Path,
    /// Directory of the run directories here.
    pub runs: &'a Path,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Who is told how far it is.
    pub progress: &'a dyn Progress,
}

/// How far a run came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Executed {
    /// The scheduler has its batch job.
    Submitted {
        /// The scheduler's name for it.
        job_id: String,
    },
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
    /// It is not known yet whether the scheduler has it; the next exec asks again.
    InDoubt {
        /// What the scheduler said.
        why: String,
    },
    /// There is no room for its inputs yet, or what it reads is still to be made; the next exec
    /// tries again.
    Waits {
        /// For what.
        why: String,
    },
    /// Something that passes by itself stood in the way, on a link that lives; the next exec tries
    /// again.
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

impl fmt::Display for Executed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Submitted { job_id } => write!(f, "submitted as {job_id}"),
            Self::Auth { why } => write!(f, "waits for a login: {why}"),
            Self::Held { why } => write!(f, "held: {why}"),
            Self::InDoubt { why } => write!(f, "in doubt: {why}"),
            Self::Waits { why } => write!(f, "waits for {why}"),
            Self::Later { why } => write!(f, "tried again later: {why}"),
            Self::Failed { why } => write!(f, "error: {why}"),
        }
    }
}

/// Why exec had to stop, leaving the run where it was.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// state.db refuses.
    #[error(transparent)]
    State(#[from] StateError),
    /// The run directory cannot be read.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// A file of the run directory cannot be used.
    #[error("{error}{hint}", error = .0, hint = again(.0))]
    Files(#[from] RunDirError),
}

/// What to do about a run directory that is not what prepare wrote.
fn again(error: &RunDirError) -> &'static str {
    match error {
        RunDirError::Io { .. } => "",
        RunDirError::Format { .. } => "; prepare the run again",
    }
}

/// Why a step did not come to its end.
enum Stop {
    Link(LinkError),
    Fail(String),
    Doubt(String),
    Wait(String),
    Error(ExecError),
}

impl<E: Into<ExecError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl From<LinkError> for Stop {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl From<Unsettled> for Stop {
    fn from(unsettled: Unsettled) -> Self {
        match unsettled {
            Unsettled::Link(error) => Self::Link(error),
            Unsettled::Doubt(why) => Self::Doubt(why),
            Unsettled::Never(why) => Self::Fail(why),
        }
    }
}

impl From<ScratchError> for Stop {
    fn from(error: ScratchError) -> Self {
        match error {
            ScratchError::State(error) => Self::Error(error.into()),
            ScratchError::Link(error) => Self::Link(error),
            ScratchError::Later(error) => Self::Wait(format!("room: {error}")),
            error => Self::Fail(error.to_string()),
        }
    }
}

impl Exec<'_> {
    /// Takes a run that is `pending`, `staging` or `submitting` (or waits in `auth` there) as far
    /// as `run`. Only state.db refusing is an error here; all else is told of the run. The caller holds
    /// the claim on it. `run_dir` is its directory here.
    pub async fn execute(
        &self,
        store: &mut Store,
        run: &Run,
        run_dir: &Path,
    ) -> Result<Executed, ExecError> {
        match self.steps(store, run, run_dir).await {
            Ok(job_id) => Ok(Executed::Submitted { job_id }),
            Err(Stop::Link(error)) if error.remedy() == Remedy::Login => {
                let why = error.to_string();
                if let RunState::Active(_) = store.run(run.run_id)?.state {
                    self.advance(store, run.run_id, RunEvent::LinkDown, &why)?;
                }
                Ok(if error.is_ending() {
                    Executed::Held { why }
                } else {
                    Executed::Auth { why }
                })
            },
            Err(Stop::Link(error)) if error.remedy() == Remedy::Time => {
                let why = error.to_string();
                store.set_fault(run.run_id, 4, &why)?;
                Ok(Executed::Later { why })
            },
            Err(Stop::Link(error)) => self.fail(store, run, error.to_string()),
            Err(Stop::Fail(why)) => self.fail(store, run, why),
            Err(Stop::Doubt(why)) => {
                store.set_fault(run.run_id, 4, &why)?;
                Ok(Executed::InDoubt { why })
            },
            Err(Stop::Wait(why)) => {
                // Whom it waits for may need the room; what it has sent counts all the same.
                store.yield_room(&run.site, run.run_id)?;
                store.set_fault(run.run_id, 4, &why)?;
                Ok(Executed::Waits { why })
            },
            Err(Stop::Error(error @ ExecError::State(_))) => Err(error),
            Err(Stop::Error(error)) => self.fail(store, run, error.to_string()),
        }
    }

    fn fail(&self, store: &mut Store, run: &Run, why: String) -> Result<Executed, ExecError> {
        let act = Act::new(self.clock.now(), ACTOR, &why);
        store.fail(run.run_id, Step::Exec, act)?;
        Ok(Executed::Failed { why })
    }

    async fn steps(&self, store: &mut Store, run: &Run, run_dir: &Path) -> Result<String, Stop> {
        let id = run.run_id;
        let mut state = run.state;
        if let RunState::Auth(_) = state {
            self.host.probe(PROBE_LIMIT).await?;
            state = self.advance(store, id, RunEvent::LinkUp, "the link is back")?;
        }
        let mut fresh = false;
        if state == RunState::Active(Stage::Pending) {
            state = self.advance(store, id, RunEvent::StageIn, "stage-in begins")?;
        }
        if state == RunState::Active(Stage::Staging) {
            let why = self.stage_in(store, run, run_dir).await?;
            state = self.advance(store, id, RunEvent::Staged, &why)?;
            fresh = true;
        }
        if state != RunState::Active(Stage::Submitting) {
            return Err(StateError::Illegal(crate::state::IllegalMove {
                subject: "run",
                state: state.to_string(),
                event: "be executed",
                mend: "only a run that is pending, staging or submitting can; see `outrigger remote show RUN`",
            })
            .into());
        }
        let submitted = self.submit(store, run, run_dir, fresh).await;
        submitted.map_err(|stop| in_doubt(run, stop))
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

/// What stands in the way of a run that is `submitting` proves nothing of its batch job, so that
/// it stays in doubt and is asked for again: from an error it could be reverted, and be submitted
/// under a new token beside a batch job of the old one.
fn in_doubt(run: &Run, stop: Stop) -> Stop {
    let doubt = |error: &dyn fmt::Display| {
        Stop::Doubt(format!(
            "{error}; its batch job may be in the queue, so it is asked for again, or `outrigger remote cancel {}` gives it up",
            run.run_id
        ))
    };
    match stop {
        Stop::Link(error) if error.remedy() == Remedy::Change => doubt(&error),
        Stop::Error(ExecError::Decision(error)) => doubt(&error),
        Stop::Error(ExecError::Files(error)) => doubt(&error),
        stop => stop,
    }
}
