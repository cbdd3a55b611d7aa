//! Schedulers that are asked by commands on the site.

use std::{collections::BTreeMap, fmt, path::Path};

use super::{
    Ask, AskError, Cancelled, Dialect, DirectiveError, Foresight, JobId, JobRequest, JobStatus,
    MultiProg, QueryError, Scheduler, Submission, SubmitError, SubmitFault, Version, answer,
    once::{self, Once},
};
use crate::connection::{Host, Output};

/// A scheduler as commands (argv, run without a shell) and readers of their answers. It does no
/// I/O: each thing to ask is a pair of pure functions.
pub trait Commands: Dialect + fmt::Debug + Send + Sync {
    /// The command that queues `job`.
    fn submit(&self, job: &Submission<'_>) -> Vec<String>;

    /// The id that [`Commands::submit`] was given.
    ///
    /// # Errors
    /// [`SubmitError::Refused`] if certainly nothing is queued, else [`SubmitError::Doubt`].
    fn parse_submit(&self, answer: &Output) -> Result<JobId, SubmitError>;

    /// The command that looks for jobs by their exact name, queued, running or ended, as far
    /// back as the scheduler remembers.
    fn find(&self, name: &str) -> Vec<String>;

    /// The jobs that [`Commands::find`] saw, each once, in ascending order.
    ///
    /// # Errors
    /// If the answer does not prove what it says: an empty list means "asked, and none there".
    fn parse_find(&self, answer: &Output, name: &str) -> Result<Vec<JobId>, QueryError>;

    /// The one command that asks for the state of all of `ids`.
    fn status(&self, ids: &[JobId]) -> Vec<String>;

    /// A state for each of `ids`, [`JobStatus::Unknown`] for those nobody remembers; and one for each
    /// task of an array among them, if the scheduler lists its tasks.
    ///
    /// # Errors
    /// If the scheduler could not be asked, or its answer is cut off.
    fn parse_status(
        &self,
        answer: &Output,
        ids: &[JobId],
    ) -> Result<BTreeMap<JobId, JobStatus>, QueryError>;

    /// The command that takes a job out of the queue or ends it.
    fn cancel(&self, id: &JobId) -> Vec<String>;

    /// Whether the request of [`Commands::cancel`] was taken.
    ///
    /// # Errors
    /// If the scheduler could not be asked, or said no.
    fn parse_cancel(&self, answer: &Output) -> Result<Cancelled, QueryError>;

    /// The command that tells when `requests` would begin; `None` if the scheduler cannot tell.
    ///
    /// # Errors
    /// As [`Dialect::directives`].
    fn foresee(&self, _requests: &[JobRequest]) -> Result<Option<Vec<String>>, DirectiveError> {
        Ok(None)
    }

    /// What [`Commands::foresee`] told of each of `requests`.
    ///
    /// # Errors
    /// If the scheduler could not be asked, or its answer is not understood.
    fn parse_foresee(
        &self,
        _answer: &Output,
        requests: &[JobRequest],
    ) -> Result<Vec<Foresight>, QueryError> {
        Ok(Foresight::none(requests.len()))
    }

    /// The command that prints the scheduler's version.
    fn version(&self) -> Vec<String>;

    /// The version that [`Commands::version`] printed.
    ///
    /// # Errors
    /// If there is none in the answer.
    fn parse_version(&self, answer: &Output) -> Result<Version, QueryError> {
        answer::version(answer)
    }

    /// The command that tells whether `srun --multi-prog` is there; `None` if the scheduler
    /// brings its own launcher.
    fn probe(&self) -> Option<Vec<String>>;

    /// What [`Commands::probe`] found.
    ///
    /// # Errors
    /// If srun is not there.
    fn parse_probe(&self, answer: &Output) -> Result<MultiProg, QueryError> {
        answer::version(answer).map(MultiProg::of)
    }
}

/// A scheduler whose commands are run on a host.
#[derive(Debug)]
pub(super) struct ByCommands<C> {
    commands: C,
    host: Host,
}

impl<C: Commands> ByCommands<C> {
    pub(super) fn new(commands: C, host: Host) -> Self {
        Self { commands, host }
    }
}

impl<C: Commands> Scheduler for ByCommands<C> {
    fn submit<'a>(&'a self, job: Submission<'a>) -> Ask<'a, Result<JobId, SubmitFault>> {
        Box::pin(async move {
            let once = Once {
                dir: job.script.parent().unwrap_or(Path::new("/")),
                token: &job.request.name,
            };
            let command = once.submit(self.commands.submit(&job), job.anew);
            let answer = self.host.run(&command, None).await?;
            if once::is_taken(&answer) {
                let message = "another submission of it was begun meanwhile".to_owned();
                return Err(SubmitError::Doubt { message }.into());
            }
            Ok(self.commands.parse_submit(&answer)?)
        })
    }

    fn read_submission(&self, answer: &Output) -> Result<JobId, SubmitError> {
        self.commands.parse_submit(answer)
    }

    fn find<'a>(&'a self, name: &'a str) -> Ask<'a, Result<Vec<JobId>, AskError>> {
        Box::pin(async move {
            let answer = self.host.run(&self.commands.find(name), None).await?;
            Ok(self.commands.parse_find(&answer, name)?)
        })
    }

    fn status<'a>(
        &'a self,
        ids: &'a [JobId],
    ) -> Ask<'a, Result<BTreeMap<JobId, JobStatus>, AskError>> {
        Box::pin(async move {
            let answer = self.host.run(&self.commands.status(ids), None).await?;
            Ok(self.commands.parse_status(&answer, ids)?)
        })
    }

    fn cancel<'a>(&'a self, id: &'a JobId) -> Ask<'a, Result<Cancelled, AskError>> {
        Box::pin(async move {
            let answer = self.host.run(&self.commands.cancel(id), None).await?;
            Ok(self.commands.parse_cancel(&answer)?)
        })
    }

    fn foresee<'a>(
        &'a self,
        requests: &'a [JobRequest],
    ) -> Ask<'a, Result<Vec<Foresight>, AskError>> {
        Box::pin(async move {
            let command = self.commands.foresee(requests);
            let refused = |error: DirectiveError| QueryError::Refused {
                message: error.to_string(),
            };
            let Some(command) = command.map_err(refused)? else {
                return Ok(Foresight::none(requests.len()));
            };
            let answer = self.host.run(&command, None).await?;
            Ok(self.commands.parse_foresee(&answer, requests)?)
        })
    }

    fn version(&self) -> Ask<'_, Result<Version, AskError>> {
        Box::pin(async move {
            let answer = self.host.run(&self.commands.version(), None).await?;
            Ok(self.commands.parse_version(&answer)?)
        })
    }
}
