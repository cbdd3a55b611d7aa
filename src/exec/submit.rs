//! Submission, exactly once (design decision 3): the state `submitting` is written before the
//! call; at the far end a token is submitted once, and the answer is kept there; after any doubt the
//! traces there and the scheduler are asked by the token; and the batch script itself claims its
//! token, so that a second copy exits at once.

use std::path::Path;

use super::{ACTOR, Exec, ExecError, Stop, promise::awaited};
use crate::{
    batch::{
        JobArray, JobId, JobRequest, Submission, SubmitError, SubmitFault,
        doubt::{Doubtful, Found},
        once::Once,
    },
    config::units::Seconds,
    state::{
        Store,
        event::Act,
        run::Run,
        run_dir::{self, decision::Decision},
    },
};

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
        let doubtful = Doubtful {
            host: self.host,
            scheduler: self.scheduler,
            once,
        };
        let mut anew = false;
        if !fresh {
            match doubtful.find().await? {
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
            SubmitError::Refused { .. } => Err(Stop::Fail(said.to_string())),
            SubmitError::Unasked { .. } => Err(Stop::Doubt(said.to_string())),
            SubmitError::Doubt { message } => match doubtful.settle().await? {
                Found::Job(id, how) => self.record(store, run, &id, how),
                Found::Nothing | Found::Cut => Err(Stop::Doubt(format!(
                    "the scheduler did not say whether it took the job ({message}); it will be asked for {} before anything is submitted again",
                    run.token
                ))),
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
