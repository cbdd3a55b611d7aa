//! Submission, exactly once (design decision 3): the state `submitting` is written before the
//! call; after any doubt the scheduler is asked by the token; and the batch script itself claims
//! its token, so that a second copy exits at once.

use std::{path::Path, time::Duration};

use super::{ACTOR, Exec, ExecError, Stop};
use crate::{
    batch::{JobId, Submission, SubmitError},
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
        run_dir: &Path,
        fresh: bool,
    ) -> Result<String, Stop> {
        let decision = Decision::read(run_dir)?;
        if !fresh && let Some(id) = self.adopt(run, &decision).await? {
            return self.record(store, run, &id, "found in the queue under its token");
        }
        let script = decision.remote_dir.join(run_dir::BATCH_SCRIPT);
        let output = decision.remote_dir.join(run_dir::BATCH_OUTPUT);
        let job = Submission {
            script: &script,
            name: &run.token,
            walltime: Seconds(decision.allocation.walltime),
            output: &output,
        };
        let answer = self.host.run(&self.scheduler.submit(&job), None).await?;
        match self.scheduler.parse_submit(&answer) {
            Ok(id) => self.record(store, run, id.as_str(), "submitted"),
            Err(SubmitError::Refused { message }) => Err(Stop::Fail(format!(
                "the scheduler refused the job: {message}"
            ))),
            Err(SubmitError::Doubt { message }) => {
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
        let answer = self
            .host
            .run(&self.scheduler.find(&run.token), None)
            .await?;
        let found = self.scheduler.parse_find(&answer, &run.token);
        let found: Vec<JobId> = match found {
            Ok(found) => found,
            Err(error) => return Err(Stop::Doubt(error.to_string())),
        };
        let keep = found
            .iter()
            .find(|id| id.as_str() == claimant)
            .or_else(|| found.first())
            .cloned();
        for extra in found.iter().filter(|id| Some(*id) != keep.as_ref()) {
            self.host.run(&self.scheduler.cancel(extra), None).await?;
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
