//! Batch schedulers: Slurm, Moab and the embedded local one, behind one trait.
//!
//! A [`Scheduler`] does no I/O. Each thing to ask is a pair of pure functions: one gives the
//! command to run on the site, the other reads what that command answered. Whoever holds the
//! connection runs the command in between.
//!
//! What is never concluded from silence: a failed or truncated answer is an error, a job that
//! nobody remembers is [`JobStatus::Unknown`], and a submission without a clear yes or no is
//! [`SubmitError::Doubt`], to be settled by looking for the job's name ([`Token`]).

mod answer;
mod job_id;
mod launch;
mod local;
mod moab;
mod multi_prog;
pub mod once;
mod request;
mod slurm;
mod status;
mod token;

use std::{collections::BTreeMap, fmt, path::Path};

pub use answer::{Cancelled, QueryError, SubmitError, Version};
pub use job_id::{JobId, JobIdError};
pub use launch::{LaunchArgs, launch_main};
pub use local::{LocalCommand, LocalScheduler, local_main};
pub use moab::Moab;
pub use multi_prog::MultiProg;
pub use request::{DirectiveError, JobRequest};
pub use slurm::Slurm;
pub use status::{Ending, JobStatus};
pub use token::{Token, TokenError};

use crate::{
    config::{
        site::{SchedulerKind, Site},
        units::Seconds,
    },
    connection::Output,
};

/// A batch script on its way to a scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submission<'a> {
    /// The batch script on the site; absolute.
    pub script: &'a Path,
    /// The job's name: the text of a [`Token`].
    pub name: &'a str,
    /// Walltime after which the job is ended. Slurm and Moab take it from the script's
    /// directives; the local scheduler takes it from here.
    pub walltime: Seconds,
    /// File on the site that the job's output is appended to; used as `walltime` is.
    pub output: &'a Path,
}

/// What can be asked of a batch scheduler, as commands (argv, run without a shell) and readers
/// of their answers.
pub trait Scheduler: fmt::Debug + Send + Sync {
    /// The command that queues `job`.
    fn submit(&self, job: &Submission<'_>) -> Vec<String>;

    /// The id that [`Scheduler::submit`] was given.
    ///
    /// # Errors
    /// [`SubmitError::Refused`] if certainly nothing is queued, else [`SubmitError::Doubt`].
    fn parse_submit(&self, answer: &Output) -> Result<JobId, SubmitError>;

    /// The command that looks for jobs by their exact name, queued, running or ended, as far
    /// back as the scheduler remembers.
    fn find(&self, name: &str) -> Vec<String>;

    /// The jobs that [`Scheduler::find`] saw, each once, in ascending order. A job whose
    /// submission is in doubt may show late: an empty list right afterwards proves little.
    ///
    /// # Errors
    /// If the answer does not prove what it says: an empty list means "asked, and none there".
    fn parse_find(&self, answer: &Output, name: &str) -> Result<Vec<JobId>, QueryError>;

    /// The one command that asks for the state of all of `ids`.
    fn status(&self, ids: &[JobId]) -> Vec<String>;

    /// A state for each of `ids`; [`JobStatus::Unknown`] for those nobody remembers.
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

    /// Whether the request of [`Scheduler::cancel`] was taken.
    ///
    /// # Errors
    /// If the scheduler could not be asked, or said no.
    fn parse_cancel(&self, answer: &Output) -> Result<Cancelled, QueryError>;

    /// The command that prints the scheduler's version.
    fn version(&self) -> Vec<String>;

    /// The version that [`Scheduler::version`] printed.
    ///
    /// # Errors
    /// If there is none in the answer.
    fn parse_version(&self, answer: &Output) -> Result<Version, QueryError> {
        answer::version(answer)
    }

    /// The command that tells whether `srun --multi-prog` is there; `None` if the scheduler
    /// brings its own launcher.
    fn probe(&self) -> Option<Vec<String>>;

    /// What [`Scheduler::probe`] found.
    ///
    /// # Errors
    /// If srun is not there.
    fn parse_probe(&self, answer: &Output) -> Result<MultiProg, QueryError> {
        answer::version(answer).map(MultiProg::of)
    }

    /// The full directive lines at the top of the batch script, `#` sign included.
    ///
    /// # Errors
    /// If a value holds a character that could end the directive or start another one, or the
    /// scheduler has no word for a key.
    fn directives(&self, request: &JobRequest) -> Result<Vec<String>, DirectiveError>;

    /// The command that runs one launcher config of `tasks` lines inside the allocation.
    fn step_command(&self, conf: &str, tasks: u32) -> Vec<String>;
}

/// The scheduler of a site. `program` is this program's own path there; only the local
/// scheduler calls it.
pub fn scheduler(site: &Site, program: &Path) -> Box<dyn Scheduler> {
    let path = site.scheduler_path.as_deref();
    match site.scheduler {
        SchedulerKind::Slurm => Box::new(Slurm::new(path)),
        SchedulerKind::Moab => Box::new(Moab::new(path)),
        SchedulerKind::Local => Box::new(LocalScheduler::new(
            program,
            &site.scratch,
            site.nodes.cores,
            site.nodes.max,
        )),
    }
}

/// `name` in the scheduler's directory, or in PATH.
fn command(path: Option<&Path>, name: &str) -> String {
    path.map_or_else(
        || name.to_owned(),
        |path| path.join(name).to_string_lossy().into_owned(),
    )
}

/// Argv of one of our scripts: the scheduler's directory and `arguments` are positional
/// parameters and never become shell text.
fn script(text: &str, path: Option<&Path>, arguments: impl Iterator<Item = String>) -> Vec<String> {
    let directory = path.map_or_else(String::new, |path| path.to_string_lossy().into_owned());
    ["sh", "-c", text, "outrigger"]
        .map(str::to_owned)
        .into_iter()
        .chain([directory])
        .chain(arguments)
        .collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("slurm", "/opt/batch/sbatch --version")]
    #[case("moab", "/opt/batch/showq --version")]
    #[case("local", "/usr/bin/outrigger local version")]
    fn a_site_gets_the_scheduler_it_names(#[case] kind: &str, #[case] version: &str) {
        let text = format!("{{scheduler: {kind}, scheduler_path: /opt/batch, scratch: /scratch}}");
        let site: Site = serde_yaml::from_str(&text).unwrap();
        let scheduler = scheduler(&site, Path::new("/usr/bin/outrigger"));
        assert_eq!(scheduler.version().join(" "), version);
        assert_eq!(scheduler.probe().is_none(), kind == "local");
    }

    #[test]
    fn a_request_takes_the_words_of_its_site() {
        let text = "{scratch: /s, account: ps1, qos: high, nodes: {cores: 24}, directives: [--mail-type=END]}";
        let site: Site = serde_yaml::from_str(text).unwrap();
        let request = JobRequest::new(&site, "or-1-1-00000000", 3, Seconds(90), "/s/job.out");
        let lines = Slurm::new(None).directives(&request).unwrap();
        assert_eq!(request.cores_per_node, 24);
        for line in [
            "--nodes=3",
            "--time=0:01:30",
            "--account=ps1",
            "--qos=high",
            "--mail-type=END",
        ] {
            assert!(lines.contains(&format!("#SBATCH {line}")), "{line}");
        }
    }
}
