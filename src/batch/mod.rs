//! Batch schedulers: Slurm, by its commands or by its REST daemon, Moab and the embedded local
//! one, behind one trait.
//!
//! What is never concluded from silence: a failed or truncated answer is an error, a job that
//! nobody remembers is [`JobStatus::Unknown`], and a submission without a clear yes or no is
//! [`SubmitError::Doubt`], to be settled by looking for the job's name ([`Token`]).

mod answer;
mod commands;
pub(crate) mod doubt;
mod foresight;
mod job_id;
mod launch;
mod local;
mod moab;
mod multi_prog;
pub mod once;
mod request;
mod slurm;
mod slurmrestd;
mod status;
mod token;
pub(crate) mod trace;

use std::{collections::BTreeMap, fmt, path::Path, pin::Pin};

pub use answer::{AskError, Cancelled, QueryError, SubmitError, SubmitFault, Version};
pub use commands::Commands;
pub use foresight::Foresight;
pub use job_id::{JobId, JobIdError};
pub use launch::{LaunchArgs, launch_main};
pub use local::{LocalCommand, LocalScheduler, local_main};
pub use moab::Moab;
pub use multi_prog::MultiProg;
pub use request::{DirectiveError, JobArray, JobRequest};
pub use slurm::Slurm;
pub use slurmrestd::{RestError, SlurmRestd};
pub use status::{Ending, JobStatus};
pub use token::{Token, TokenError};

use commands::ByCommands;

use crate::{
    config::site::{SchedulerKind, Site, scheduler_command as command},
    connection::{Host, Output},
};

/// A batch script on its way to a scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submission<'a> {
    /// The batch script on the site; absolute.
    pub script: &'a Path,
    /// The same script here.
    pub copy: &'a Path,
    /// What the job asks for. The programs of Slurm and Moab take it from the script's
    /// directives.
    pub request: &'a JobRequest,
    /// Whether an earlier submission of its name is known to have died over it.
    pub anew: bool,
    /// Jobs that must have ended well before it begins. Where one does not, the scheduler cancels
    /// it, or leaves it in the queue for ever ([`JobStatus::may_be_stranded`]).
    pub after: &'a [JobId],
}

/// What a batch script must say to its scheduler.
pub trait Dialect {
    /// The full directive lines at the top of the batch script, `#` sign included.
    ///
    /// # Errors
    /// If a value holds a character that could end the directive or start another one, or the
    /// scheduler has no word for a key.
    fn directives(&self, request: &JobRequest) -> Result<Vec<String>, DirectiveError>;

    /// The command that runs one launcher config of `tasks` lines inside the allocation, while up to
    /// `lanes` such steps run there.
    fn step_command(&self, conf: &str, tasks: u32, lanes: u32) -> Vec<String>;

    /// The command that runs `command` once on each of the `nodes` nodes of the allocation.
    fn spread(&self, nodes: u32, command: &[String]) -> Vec<String>;
}

/// An answer that is still to come.
pub type Ask<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A site's batch scheduler, as it is asked.
pub trait Scheduler: fmt::Debug + Send + Sync {
    /// Queues `job`.
    fn submit<'a>(&'a self, job: Submission<'a>) -> Ask<'a, Result<JobId, SubmitFault>>;

    /// What the answer means that a submission left on the site ([`once`]).
    ///
    /// # Errors
    /// As [`Scheduler::submit`].
    fn read_submission(&self, answer: &Output) -> Result<JobId, SubmitError>;

    /// The jobs of exactly this name, queued, running or ended, as far back as the scheduler
    /// remembers; each once, in ascending order. A job whose submission is in doubt may show
    /// late: an empty list right afterwards proves little.
    fn find<'a>(&'a self, name: &'a str) -> Ask<'a, Result<Vec<JobId>, AskError>>;

    /// A state for each of `ids`, [`JobStatus::Unknown`] for those nobody remembers; and one for each
    /// task of an array among them, if the scheduler lists its tasks.
    fn status<'a>(
        &'a self,
        ids: &'a [JobId],
    ) -> Ask<'a, Result<BTreeMap<JobId, JobStatus>, AskError>>;

    /// Takes a job out of the queue or ends it.
    fn cancel<'a>(&'a self, id: &'a JobId) -> Ask<'a, Result<Cancelled, AskError>>;

    /// When each of `requests` of one site, which differ in nodes and walltime only, would begin
    /// if it were submitted now. Queues nothing.
    fn foresee<'a>(
        &'a self,
        requests: &'a [JobRequest],
    ) -> Ask<'a, Result<Vec<Foresight>, AskError>> {
        Box::pin(async move { Ok(Foresight::none(requests.len())) })
    }

    /// The scheduler's version.
    fn version(&self) -> Ask<'_, Result<Version, AskError>>;
}

/// The scheduler of a site, asked over `host`. `program` is this program's own path there; only
/// the local scheduler calls it.
pub fn scheduler(site: &Site, program: &Path, host: &Host) -> Box<dyn Scheduler> {
    let path = site.scheduler_path.as_deref();
    let host = host.clone();
    match site.scheduler {
        SchedulerKind::Slurm => Box::new(ByCommands::new(Slurm::new(path), host)),
        SchedulerKind::Moab => Box::new(ByCommands::new(Moab::new(path), host)),
        SchedulerKind::Local => Box::new(ByCommands::new(local(site, program), host)),
        SchedulerKind::Slurmrestd => Box::new(SlurmRestd::new(site, host)),
    }
}

/// What the batch scripts of a site must say; `program` as in [`scheduler`].
pub fn dialect(site: &Site, program: &Path) -> Box<dyn Dialect> {
    let path = site.scheduler_path.as_deref();
    match site.scheduler {
        SchedulerKind::Slurm => Box::new(Slurm::new(path)),
        SchedulerKind::Moab => Box::new(Moab::new(path)),
        SchedulerKind::Local => Box::new(local(site, program)),
        SchedulerKind::Slurmrestd => Box::new(slurmrestd::Script::new(path)),
    }
}

/// The command that prints the version of a site's scheduler; `None` where none is needed for
/// that.
pub fn version_command(site: &Site) -> Option<Vec<String>> {
    let path = site.scheduler_path.as_deref();
    match site.scheduler {
        SchedulerKind::Slurm => Some(Slurm::new(path).version()),
        SchedulerKind::Moab => Some(Moab::new(path).version()),
        SchedulerKind::Local | SchedulerKind::Slurmrestd => None,
    }
}

/// `afterok:1:2`, in the words of Slurm and of Moab; nothing if there is nothing to wait for.
fn after_ok(jobs: &[JobId]) -> Option<String> {
    let ids: Vec<&str> = jobs.iter().map(JobId::as_str).collect();
    (!ids.is_empty()).then(|| format!("afterok:{}", ids.join(":")))
}

fn local(site: &Site, program: &Path) -> LocalScheduler {
    LocalScheduler::new(program, &site.scratch, site.nodes.cores, site.nodes.max)
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
    use crate::config::units::Seconds;

    #[rstest]
    #[case("slurm", Some("/opt/batch/sbatch --version"))]
    #[case("moab", Some("/opt/batch/showq --version"))]
    #[case("local", None)]
    #[case("slurmrestd", None)]
    fn a_site_gets_the_scheduler_it_names(#[case] kind: &str, #[case] version: Option<&str>) {
        let text = format!("{{scheduler: {kind}, scheduler_path: /opt/batch, scratch: /scratch}}");
        let site: Site = serde_yaml::from_str(&text).unwrap();
        let command = version_command(&site).map(|argv| argv.join(" "));
        assert_eq!(command.as_deref(), version);
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
