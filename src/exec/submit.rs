//! Submission, exactly once (design decision 3): the state `submitting` is written before the
//! call; at the far end a token is submitted once, and the answer is kept there; after any doubt the
//! traces there and the scheduler are asked by the token; and the batch script itself claims its
//! token, so that a second copy exits at once.

use std::{path::Path, time::Duration};

use super::{ACTOR, Exec, ExecError, Stop};
use crate::{
    batch::{
        JobId, QueryError, Submission, SubmitError,
        once::{self, Claim, Once, Sent},
    },
    config::units::Seconds,
    state::{
        Store,
        event::Act,
        run::Run,
        run_dir::{self, decision::Decision},
    },
};

/// Waits between the looks for a job whose submission was cut off.
const SETTLE: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(6),
];

impl Exec<'_> {
    /// Submits the batch job, or finds the one that was submitted before. `fresh` tells that
    /// nothing can have been submitted under this token yet.
    pub(super) async fn submit(
        &self,
        store: &mut Store,
        run: &Run,
        run_dir: &Path,
        fresh: bool,
    ) -> Result<String, Stop> {
        let decision = Decision::read(run_dir)?;
        let once = Once {
            dir: &decision.remote_dir,
            token: &run.token,
        };
        let mut anew = false;
        if !fresh {
            match self.settle(once).await? {
                Found::Job(id, how) => return self.record(store, run, &id, how),
                Found::Nothing => {},
                Found::Cut => anew = true,
            }
        }
        let script = decision.remote_dir.join(run_dir::BATCH_SCRIPT);
        let output = decision.remote_dir.join(run_dir::BATCH_OUTPUT);
        let job = Submission {
            script: &script,
            name: &run.token,
            walltime: Seconds(decision.allocation.walltime),
            output: &output,
        };
        let command = once.submit(self.scheduler.submit(&job), anew);
        let answer = self.host.run(&command, None).await?;
        match self.scheduler.parse_submit(&answer) {
            _ if once::is_taken(&answer) => match self.settle(once).await? {
                Found::Job(id, how) => self.record(store, run, &id, how),
                Found::Nothing | Found::Cut => Err(Stop::Doubt(format!(
                    "another submission of {} was begun meanwhile; it will be asked for",
                    run.token
                ))),
            },
            Ok(id) => self.record(store, run, &id, "submitted"),
            Err(SubmitError::Refused { message }) => Err(refused(&message)),
            Err(SubmitError::Doubt { message }) => match self.settle(once).await? {
                Found::Job(id, how) => self.record(store, run, &id, how),
                Found::Nothing | Found::Cut => Err(Stop::Doubt(format!(
                    "the scheduler did not say whether it took the job ({message}); it will be asked for {} before anything is submitted again",
                    run.token
                ))),
            },
        }
    }

    /// Looks for the batch job that carries the token, again after a while if its submission was
    /// cut off: a scheduler may show late what it took.
    async fn settle(&self, once: Once<'_>) -> Result<Found, Stop> {
        let mut found = self.adopt(once).await?;
        for wait in SETTLE {
            if found != Found::Cut {
                break;
            }
            tokio::time::sleep(wait).await;
            found = self.adopt(once).await?;
        }
        Ok(found)
    }

    /// The batch job that carries the token, if there is one. Should there be several, the first
    /// is kept and the others are cancelled; only one of them can have claimed the token.
    async fn adopt(&self, once: Once<'_>) -> Result<Found, Stop> {
        let doubt = |error: QueryError| Stop::Doubt(error.to_string());
        let answer = self.host.run(&once.look(), None).await?;
        let trace = once::read_look(&answer).map_err(doubt)?;
        let claimant = match trace.claim {
            Claim::Free => None,
            Claim::Taken(Some(id)) => Some(id),
            Claim::Begins => return Err(Stop::Doubt("its batch script is just beginning".into())),
            Claim::Taken(None) => {
                return Err(Stop::Fail(
                    "its batch script died as it began, before it left a job id".into(),
                ));
            },
            Claim::Closed => {
                return Err(Stop::Fail(
                    "its token was closed, so that no batch job of it can run".into(),
                ));
            },
        };
        let answer = self.host.run(&self.scheduler.find(once.token), None).await?;
        let found = self.scheduler.parse_find(&answer, once.token).map_err(doubt)?;
        let keep = found
            .iter()
            .find(|id| Some(*id) == claimant.as_ref())
            .or_else(|| found.first())
            .cloned();
        for extra in found.iter().filter(|id| Some(*id) != keep.as_ref()) {
            self.host.run(&self.scheduler.cancel(extra), None).await?;
        }
        if let Some(id) = keep {
            return Ok(Found::Job(id, "found in the queue under its token"));
        }
        if let Some(id) = claimant {
            return Ok(Found::Job(id, "it has begun, and the scheduler has forgotten it"));
        }
        match trace.sent {
            Sent::Never => Ok(Found::Nothing),
            Sent::Cut => Ok(Found::Cut),
            Sent::UnderWay => Err(Stop::Doubt(
                "a submission of it is under way on the site; it will be asked for".into(),
            )),
            Sent::Answered(answer) => match self.scheduler.parse_submit(&answer) {
                Ok(id) => Ok(Found::Job(id, "the scheduler said so to a driver that died")),
                Err(SubmitError::Refused { message }) => Err(refused(&message)),
                Err(SubmitError::Doubt { .. }) => Ok(Found::Cut),
            },
        }
    }

    fn record(
        &self,
        store: &mut Store,
        run: &Run,
        id: &JobId,
        how: &str,
    ) -> Result<String, Stop> {
        let why = format!("{how}: {id}");
        store
            .submitted(run.run_id, id.as_str(), Act::new(self.clock.now(), ACTOR, &why))
            .map_err(ExecError::from)?;
        Ok(id.to_string())
    }
}

/// What is on the site under a token.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// The batch job, and how it was found.
    Job(JobId, &'static str),
    /// Nothing: no submission was ever begun.
    Nothing,
    /// A submission that died, and no job that shows yet.
    Cut,
}

fn refused(message: &str) -> Stop {
    Stop::Fail(format!("the scheduler refused the job: {message}"))
}
