//! Submission, exactly once (design decision 3): the state `submitting` is written before the
//! call; after any doubt the scheduler is asked by the token; and the batch script itself claims
//! its token, so that a second copy exits at once.

use std::{path::Path, time::Duration};

use super::{ACTOR, Exec, ExecError, Stop};
use crate::{
    batch::{AskError, JobId, JobRequest, Submission, SubmitError, SubmitFault},
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

/// Prints the job id that the batch script left in its claim, or nothing if there is no claim.
const CLAIMANT: &str =
    r#"if [ -d "$1" ]; then cat "$1/job_id" 2>/dev/null || printf 'claimed\n'; fi"#;

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
        if !fresh && let Some(id) = self.adopt(run, &decision).await? {
            return self.record(store, run, &id, "found in the queue under its token");
        }
        let script = decision.remote_dir.join(run_dir::BATCH_SCRIPT);
        let output = decision.remote_dir.join(run_dir::BATCH_OUTPUT);
        let walltime = Seconds(decision.allocation.walltime);
        let nodes = decision.allocation.nodes;
        let request = JobRequest::new(self.site, &run.token, nodes, walltime, output);
        let job = Submission {
            script: &script,
            copy: &directory.join(run_dir::BATCH_SCRIPT),
            request: &request,
        };
        let said = match self.scheduler.submit(job).await {
            Ok(id) => return self.record(store, run, id.as_str(), "submitted"),
            Err(SubmitFault::Link(error)) => return Err(error.into()),
            Err(SubmitFault::Said(said)) => said,
        };
        match said {
            SubmitError::Refused { message } => Err(Stop::Fail(format!(
                "the scheduler refused the job: {message}"
            ))),
            SubmitError::Unasked { .. } => Err(Stop::Doubt(said.to_string())),
            SubmitError::Doubt { message } => {
                for wait in SETTLE {
                    tokio::time::sleep(wait).await;
                    if let Some(id) = self.adopt(run, &decision).await? {
                        return self.record(store, run, &id, "found in the queue after a doubt");
                    }
                }
                Err(Stop::Doubt(format!(
                    "the scheduler did not say whether it took the job ({message}); it will be asked for {} before anything is submitted again",
                    run.token
                )))
            },
        }
    }

    /// The batch job that carries the run's token, if there is one. Should there be several, the
    /// first is kept and the others are cancelled; only one of them can have claimed the token.
    async fn adopt(&self, run: &Run, decision: &Decision) -> Result<Option<String>, Stop> {
        let claim = decision.remote_dir.join(format!("{}.claim", run.token));
        let claim = claim.to_string_lossy().into_owned();
        let claimant = self
            .host
            .script(CLAIMANT, &[claim])
            .await?
            .out()
            .trim()
            .to_owned();
        let found: Vec<JobId> = match self.scheduler.find(&run.token).await {
            Ok(found) => found,
            Err(AskError::Link(error)) => return Err(error.into()),
            Err(AskError::Query(error)) => return Err(Stop::Doubt(error.to_string())),
        };
        let keep = found
            .iter()
            .find(|id| id.as_str() == claimant)
            .or_else(|| found.first())
            .cloned();
        for extra in found.iter().filter(|id| Some(*id) != keep.as_ref()) {
            match self.scheduler.cancel(extra).await {
                Err(AskError::Link(error)) => return Err(error.into()),
                // It can run no job: its token is claimed, or will be by the one that is kept.
                Ok(_) | Err(AskError::Query(_)) => {},
            }
        }
        Ok(match keep {
            Some(id) => Some(id.as_str().to_owned()),
            // It ran, and the scheduler has forgotten it already.
            None if !claimant.is_empty() => Some(claimant),
            None => None,
        })
    }

    fn record(&self, store: &mut Store, run: &Run, id: &str, how: &str) -> Result<String, Stop> {
        let why = format!("{how}: {id}");
        store
            .submitted(run.run_id, id, Act::new(self.clock.now(), ACTOR, &why))
            .map_err(ExecError::from)?;
        Ok(id.to_owned())
    }
}
