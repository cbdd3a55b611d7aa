//! Submission, exactly once (design decision 3): the state `submitting` is written before the
//! call; at the far end a token is submitted once, and the answer is kept there; after any doubt the
//! traces there and the scheduler are asked by the token; and the batch script itself claims its
//! token, so that a second copy exits at once.

use std::{path::Path, time::Duration};

use super::{ACTOR, Exec, ExecError, Stop, promise::awaited};
use crate::{
    batch::{
        AskError, JobArray, JobId, JobRequest, QueryError, Submission, SubmitError, SubmitFault,
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

/// Waits between the looks for a job whose submission is in doubt.
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
        directory: &Path,
        fresh: bool,
    ) -> Result<String, Stop> {
        let decision = Decision::read(directory)?;
        let once = Once {
            dir: &decision.remote_dir,
            token: &run.token,
        };
        let mut anew = false;
        if !fresh {
            let found = match self.adopt(once).await? {
                Found::Cut => self.settle(once).await?,
                found => found,
            };
            match found {
                Found::Job(id, how) => return self.record(store, run, &id, how),
                Found::Nothing => {},
                Found::Cut => anew = true,
            }
        }
        let script = decision.remote_dir.join(run_dir::BATCH_SCRIPT);
        let output = decision.remote_dir.join(run_dir::BATCH_OUTPUT);
        let walltime = Seconds(decision.allocation.walltime);
        let nodes = decision.allocation.nodes;
        let mut request = JobRequest::new(self.site, &run.token, nodes, walltime, output);
        request.array = JobArray::of(self.site, decision.allocation.tasks);
        let after = awaited(store, run.run_id).map_err(ExecError::from)?;
        let job = Submission {
            script: &script,
            copy: &directory.join(run_dir::BATCH_SCRIPT),
            request: &request,
            anew,
            after: &after,
        };
        let said = match self.scheduler.submit(job).await {
            Ok(id) => return self.record(store, run, &id, "submitted"),
            Err(SubmitFault::Link(error)) => return Err(error.into()),
            Err(SubmitFault::Said(said)) => said,
        };
        match said {
            SubmitError::Refused { message } => Err(refused(&message)),
            SubmitError::Unasked { .. } => Err(Stop::Doubt(said.to_string())),
            SubmitError::Doubt { message } => match self.settle(once).await? {
                Found::Job(id, how) => self.record(store, run, &id, how),
                Found::Nothing | Found::Cut => Err(Stop::Doubt(format!(
                    "the scheduler did not say whether it took the job ({message}); it will be asked for {} before anything is submitted again",
                    run.token
                ))),
            },
        }
    }

    /// Looks for the batch job of a submission in doubt, again after a while: a scheduler may show
    /// late what it took.
    async fn settle(&self, once: Once<'_>) -> Result<Found, Stop> {
        let mut found = Found::Cut;
        for wait in SETTLE {
            tokio::time::sleep(wait).await;
            found = self.adopt(once).await?;
            if matches!(found, Found::Job(..)) {
                break;
            }
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
        let found = match self.scheduler.find(once.token).await {
            Ok(found) => found,
            Err(AskError::Link(error)) => return Err(error.into()),
            Err(AskError::Query(error)) => return Err(doubt(error)),
        };
        let keep = found
            .iter()
            .find(|id| Some(*id) == claimant.as_ref())
            .or_else(|| found.first())
            .cloned();
        for extra in found.iter().filter(|id| Some(*id) != keep.as_ref()) {
            match self.scheduler.cancel(extra).await {
                Err(AskError::Link(error)) => return Err(error.into()),
                // It can run no job: its token is claimed, or will be by the one that is kept.
                Ok(_) | Err(AskError::Query(_)) => {},
            }
        }
        if let Some(id) = keep {
            return Ok(Found::Job(id, "found in the queue under its token"));
        }
        if let Some(id) = claimant {
            return Ok(Found::Job(
                id,
                "it has begun, and the scheduler has forgotten it",
            ));
        }
        match trace.sent {
            Sent::Never => Ok(Found::Nothing),
            Sent::Cut => Ok(Found::Cut),
            Sent::UnderWay => Err(Stop::Doubt(
                "a submission of it is under way on the site; it will be asked for".into(),
            )),
            Sent::Answered(answer) => match self.scheduler.read_submission(&answer) {
                Ok(id) => Ok(Found::Job(
                    id,
                    "the scheduler said so to a driver that died",
                )),
                Err(SubmitError::Refused { message }) => Err(refused(&message)),
                Err(SubmitError::Doubt { .. } | SubmitError::Unasked { .. }) => Ok(Found::Cut),
            },
        }
    }

    fn record(&self, store: &mut Store, run: &Run, id: &JobId, how: &str) -> Result<String, Stop> {
        let why = format!("{how}: {id}");
        store
            .submitted(
                run.run_id,
                id.as_str(),
                Act::new(self.clock.now(), ACTOR, &why),
            )
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
