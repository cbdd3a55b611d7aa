//! Slurm: `sbatch`, `squeue`, `sacct` or `scontrol`, `scancel`.

mod foresee;
pub(super) mod read;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    Cancelled, Commands, Dialect, DirectiveError, Foresight, JobId, JobRequest, JobStatus,
    QueryError, Submission, SubmitError, after_ok, answer::said, command, multi_prog, script,
};
use crate::connection::Output;

/// Slurm, as its command-line programs speak from 20.11 on.
///
/// Where accounting is off, a job is remembered only while the controller does (`MinJobAge`,
/// five minutes unless the site says otherwise): a submission in doubt must be looked for
/// within that time.
#[derive(Debug, Clone, Default)]
pub struct Slurm {
    path: Option<PathBuf>,
}

impl Slurm {
    /// Slurm whose programs are in `path`, or in PATH.
    pub fn new(path: Option<&Path>) -> Self {
        Self {
            path: path.map(Path::to_owned),
        }
    }

    fn command(&self, name: &str) -> String {
        command(self.path.as_deref(), name)
    }
}

impl Commands for Slurm {
    fn submit(&self, job: &Submission<'_>) -> Vec<String> {
        let mut argv = vec![
            self.command("sbatch"),
            "--parsable".into(),
            format!("--job-name={}", job.request.name),
        ];
        if let Some(after) = after_ok(job.after) {
            argv.push(format!("--dependency={after}"));
            argv.push("--kill-on-invalid-dep=yes".into());
        }
        argv.push(job.script.to_string_lossy().into_owned());
        argv
    }

    fn parse_submit(&self, answer: &Output) -> Result<JobId, SubmitError> {
        read::submitted(answer)
    }

    fn find(&self, name: &str) -> Vec<String> {
        script(
            include_str!("find.sh"),
            self.path.as_deref(),
            std::iter::once(name.to_owned()),
        )
    }

    fn parse_find(&self, answer: &Output, name: &str) -> Result<Vec<JobId>, QueryError> {
        read::found(answer, name)
    }

    fn status(&self, ids: &[JobId]) -> Vec<String> {
        script(
            include_str!("status.sh"),
            self.path.as_deref(),
            ids.iter().map(JobId::to_string),
        )
    }

    fn parse_status(
        &self,
        answer: &Output,
        ids: &[JobId],
    ) -> Result<BTreeMap<JobId, JobStatus>, QueryError> {
        read::statuses(answer, ids)
    }

    fn cancel(&self, id: &JobId) -> Vec<String> {
        vec![self.command("scancel"), id.to_string()]
    }

    fn parse_cancel(&self, answer: &Output) -> Result<Cancelled, QueryError> {
        let message = said(answer);
        if message.contains("Invalid job id") || message.contains("already completing or completed")
        {
            Ok(Cancelled::Gone)
        } else if answer.ok() {
            Ok(Cancelled::Asked)
        } else if message.contains("Access/permission denied") {
            Err(QueryError::Refused { message })
        } else {
            Err(QueryError::Unreachable { message })
        }
    }

    fn version(&self) -> Vec<String> {
        vec![self.command("sbatch"), "--version".into()]
    }

    fn foresee(&self, requests: &[JobRequest]) -> Result<Option<Vec<String>>, DirectiveError> {
        let Some(first) = requests.first() else {
            return Ok(None);
        };
        let shape = |of: &JobRequest| format!("{}/{}", of.nodes, of.walltime);
        let shapes: Vec<String> = requests.iter().map(shape).collect();
        let own = ["--nodes=", "--time=", "--output="];
        let lines = self.directives(first)?;
        let options = lines
            .iter()
            .filter_map(|line| line.strip_prefix("#SBATCH "))
            .filter(|option| !own.iter().any(|own| option.starts_with(own)))
            .map(str::to_owned);
        Ok(Some(script(
            include_str!("foresee.sh"),
            self.path.as_deref(),
            std::iter::once(shapes.join(" ")).chain(options),
        )))
    }

    fn parse_foresee(
        &self,
        answer: &Output,
        requests: &[JobRequest],
    ) -> Result<Vec<Foresight>, QueryError> {
        foresee::begins(answer, requests.len())
    }

    fn probe(&self) -> Option<Vec<String>> {
        Some(vec![self.command("srun"), "--version".into()])
    }
}

impl Dialect for Slurm {
    fn directives(&self, request: &JobRequest) -> Result<Vec<String>, DirectiveError> {
        let mut options = vec![
            format!("--job-name={}", request.checked_name()?),
            format!("--nodes={}", request.nodes),
            format!("--time={}", request.walltime),
            format!("--output={}", request.checked_output()?),
            "--open-mode=append".to_owned(),
            "--export=ALL".to_owned(),
            "--exclusive".to_owned(),
            // Its token is taken: a second start of it could only end at once, as if all were well.
            "--no-requeue".to_owned(),
            // What the other nodes do goes on without one that failed.
            "--no-kill".to_owned(),
        ];
        options.extend(request.array.map(|array| format!("--array={array}")));
        for (key, value) in request.checked_options()? {
            if key == "queue" {
                return Err(DirectiveError::NoWord {
                    key,
                    scheduler: "Slurm",
                    instead: "`partition`",
                });
            }
            options.push(format!("--{key}={value}"));
        }
        options.extend(request.checked_directives()?.into_iter().map(str::to_owned));
        Ok(options
            .into_iter()
            .map(|option| format!("#SBATCH {option}"))
            .collect())
    }

    fn step_command(&self, conf: &str, tasks: u32, lanes: u32) -> Vec<String> {
        multi_prog::step(&self.command("srun"), conf, tasks, lanes)
    }

    fn spread(&self, nodes: u32, command: &[String]) -> Vec<String> {
        multi_prog::spread(&self.command("srun"), nodes, command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{JobArray, request::tests::request};

    #[test]
    fn the_directives_are_those_of_the_specification() {
        let mut request = request();
        request.constraint = Some("haswell|knl".into());
        request.directives = vec!["--gres=gpu:1".into()];
        let lines = Slurm::new(None).directives(&request).unwrap().join("\n");
        insta::assert_snapshot!(lines, @r"
        #SBATCH --job-name=or-12-1-9f3c01ab
        #SBATCH --nodes=4
        #SBATCH --time=8:00:00
        #SBATCH --output=/scratch3/survey/runs/12/job.out
        #SBATCH --open-mode=append
        #SBATCH --export=ALL
        #SBATCH --exclusive
        #SBATCH --no-requeue
        #SBATCH --no-kill
        #SBATCH --account=ps1
        #SBATCH --qos=standard
        #SBATCH --reservation=maint_2
        #SBATCH --constraint=haswell|knl
        #SBATCH --gres=gpu:1
        ");
    }

    #[test]
    fn an_array_numbers_its_tasks_from_0() {
        let mut request = request();
        let array = |max_running| JobArray {
            tasks: 8,
            max_running,
        };
        for (array, line) in [
            (array(None), "#SBATCH --array=0-7"),
            (array(Some(3)), "#SBATCH --array=0-7%3"),
        ] {
            request.array = Some(array);
            let lines = Slurm::new(None).directives(&request).unwrap();
            assert!(lines.iter().any(|one| one == line), "{lines:?}");
        }
    }

    #[test]
    fn a_job_that_begins_after_others_is_cancelled_if_it_never_can() {
        let after = ["7".parse().unwrap(), "9".parse().unwrap()];
        let job = Submission {
            script: Path::new("/s/job.sh"),
            copy: Path::new("job.sh"),
            request: &request(),
            anew: false,
            after: &after,
        };
        insta::assert_snapshot!(
            Slurm::new(None).submit(&job).join(" "),
            @"sbatch --parsable --job-name=or-12-1-9f3c01ab --dependency=afterok:7:9 --kill-on-invalid-dep=yes /s/job.sh"
        );
    }

    #[test]
    fn a_moab_class_is_pointed_to_the_partition() {
        let mut request = request();
        request.queue = Some("batch".into());
        insta::assert_snapshot!(
            Slurm::new(None).directives(&request).unwrap_err(),
            @"Slurm has no `queue`: remove the key, or use `partition`"
        );
    }

    #[test]
    fn ids_and_directories_are_arguments_and_never_shell_text() {
        let slurm = Slurm::new(Some(Path::new("/opt/my slurm/bin")));
        let ids = ["7".parse().unwrap(), "8_1".parse().unwrap()];
        let argv = slurm.status(&ids);
        assert_eq!(
            argv.get(3..).unwrap(),
            ["outrigger", "/opt/my slurm/bin", "7", "8_1"]
        );
        assert_eq!(argv.get(2), Slurm::new(None).status(&[]).get(2));
    }

    #[test]
    fn slurm_is_asked_about_all_shapes_by_one_command_with_the_options_of_the_site() {
        let larger = JobRequest {
            nodes: 9,
            ..request()
        };
        let argv = Slurm::new(None).foresee(&[request(), larger]).unwrap();
        insta::assert_snapshot!(argv.unwrap()[3..].join("\n"), @r"
        outrigger

        4/8:00:00 9/8:00:00
        --job-name=or-12-1-9f3c01ab
        --open-mode=append
        --export=ALL
        --exclusive
        --no-requeue
        --no-kill
        --account=ps1
        --qos=standard
        --reservation=maint_2
        ");
        assert_eq!(Slurm::new(None).foresee(&[]), Ok(None));
    }

    #[test]
    fn a_job_that_is_gone_needs_no_cancelling() {
        let answer = Output {
            code: 1,
            stdout: Vec::new(),
            stderr: b"scancel: error: Kill job error on job id 9: Invalid job id specified\n"
                .into(),
        };
        assert_eq!(Slurm::new(None).parse_cancel(&answer), Ok(Cancelled::Gone));
    }
}
