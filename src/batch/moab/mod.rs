//! Moab: `msub`, `showq`, `checkjob`, `canceljob`, over Slurm or Torque.

mod foresee;
mod read;
mod xml;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    Cancelled, Commands, Dialect, DirectiveError, Foresight, JobId, JobRequest, JobStatus,
    QueryError, Submission, SubmitError, after_ok, answer::said, command, multi_prog, script,
};
use crate::connection::Output;

/// Moab, as its client commands speak from 6 on. Jobs run their steps with `srun`, as under
/// Moab over Slurm (spec/remote.md §4); workers are started by the job's list of nodes where there is
/// none.
#[derive(Debug, Clone, Default)]
pub struct Moab {
    path: Option<PathBuf>,
}

impl Moab {
    /// Moab whose commands are in `path`, or in PATH.
    pub fn new(path: Option<&Path>) -> Self {
        Self {
            path: path.map(Path::to_owned),
        }
    }

    fn command(&self, name: &str) -> String {
        command(self.path.as_deref(), name)
    }
}

impl Commands for Moab {
    fn submit(&self, job: &Submission<'_>) -> Vec<String> {
        let mut argv = vec![self.command("msub"), "-N".into(), job.request.name.clone()];
        if let Some(after) = after_ok(job.after) {
            argv.extend(["-l".into(), format!("depend={after}")]);
        }
        argv.push(job.script.to_string_lossy().into_owned());
        argv
    }

    fn parse_submit(&self, answer: &Output) -> Result<JobId, SubmitError> {
        read::submitted(answer)
    }

    fn find(&self, _name: &str) -> Vec<String> {
        script(
            include_str!("find.sh"),
            self.path.as_deref(),
            std::iter::empty(),
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
        vec![self.command("canceljob"), id.to_string()]
    }

    fn parse_cancel(&self, answer: &Output) -> Result<Cancelled, QueryError> {
        let message = said(answer);
        let has = |signs: &[&str]| signs.iter().any(|sign| message.contains(sign));
        if has(&["invalid job specified", "job is already completed"]) {
            Ok(Cancelled::Gone)
        } else if answer.ok() && !has(&["ERROR:"]) {
            Ok(Cancelled::Asked)
        } else if has(&["not authorized", "permission"]) {
            Err(QueryError::Refused { message })
        } else {
            Err(QueryError::Unreachable { message })
        }
    }

    fn version(&self) -> Vec<String> {
        vec![self.command("showq"), "--version".into()]
    }

    fn foresee(&self, requests: &[JobRequest]) -> Result<Option<Vec<String>>, DirectiveError> {
        let Some(first) = requests.first() else {
            return Ok(None);
        };
        let mut argv = vec![self.command("showbf")];
        for (key, value) in first.checked_options()? {
            let option = match key {
                "account" => "-a",
                "queue" => "-c",
                "qos" => "-q",
                "partition" => "-p",
                _ => continue,
            };
            argv.extend([option.to_owned(), value.to_owned()]);
        }
        Ok(Some(argv))
    }

    fn parse_foresee(
        &self,
        answer: &Output,
        requests: &[JobRequest],
    ) -> Result<Vec<Foresight>, QueryError> {
        foresee::begins(answer, requests)
    }

    fn probe(&self) -> Option<Vec<String>> {
        Some(vec!["srun".into(), "--version".into()])
    }
}

impl Dialect for Moab {
    fn directives(&self, request: &JobRequest) -> Result<Vec<String>, DirectiveError> {
        let mut options = vec![
            format!("-N {}", request.checked_name()?),
            format!(
                "-l nodes={}:ppn={},walltime={}",
                request.nodes, request.cores_per_node, request.walltime
            ),
            format!("-o {}", request.checked_output()?),
            "-j oe".to_owned(),
            "-V".to_owned(),
            // Its token is taken: a second start of it could only end at once, as if all were well.
            "-r n".to_owned(),
        ];
        if let Some(array) = request.array {
            let (name, last) = (request.checked_name()?, array.last());
            options.push(format!("-t {name}[0-{last}]{}", array.throttle()));
        }
        for (key, value) in request.checked_options()? {
            options.push(match key {
                "account" => format!("-A {value}"),
                "queue" => format!("-q {value}"),
                "reservation" => format!("-l advres={value}"),
                "constraint" => format!("-l feature={value}"),
                key => format!("-l {key}={value}"),
            });
        }
        options.extend(request.checked_directives()?.into_iter().map(str::to_owned));
        Ok(options
            .into_iter()
            .map(|option| format!("#MSUB {option}"))
            .collect())
    }

    fn step_command(&self, conf: &str, tasks: u32, lanes: u32) -> Vec<String> {
        multi_prog::step("srun", conf, tasks, lanes)
    }

    fn spread(&self, nodes: u32, command: &[String]) -> Vec<String> {
        let srun = multi_prog::spread("srun", nodes, &[]).join(" ");
        let torque = include_str!("spread.sh");
        let script = format!("command -v srun >/dev/null 2>&1 && exec {srun} \"$@\"\n{torque}");
        let words = ["sh", "-c", &script, "sh"].map(str::to_owned);
        words.into_iter().chain(command.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{JobArray, request::tests::request};

    #[test]
    fn the_directives_are_those_of_the_specification() {
        let mut request = request();
        request.queue = Some("batch".into());
        request.constraint = Some("haswell".into());
        let lines = Moab::new(None).directives(&request).unwrap().join("\n");
        insta::assert_snapshot!(lines, @r"
        #MSUB -N or-12-1-9f3c01ab
        #MSUB -l nodes=4:ppn=24,walltime=8:00:00
        #MSUB -o /scratch3/survey/runs/12/job.out
        #MSUB -j oe
        #MSUB -V
        #MSUB -r n
        #MSUB -A ps1
        #MSUB -q batch
        #MSUB -l qos=standard
        #MSUB -l advres=maint_2
        #MSUB -l feature=haswell
        ");
    }

    #[test]
    fn an_array_has_the_name_of_the_job() {
        let request = JobRequest {
            array: Some(JobArray {
                tasks: 8,
                max_running: Some(3),
            }),
            ..request()
        };
        let lines = Moab::new(None).directives(&request).unwrap();
        let line = "#MSUB -t or-12-1-9f3c01ab[0-7]%3";
        assert!(lines.iter().any(|one| one == line), "{lines:?}");
    }

    #[test]
    fn cancelling_knows_gone_from_unreachable() {
        let moab = Moab::new(None);
        let said = |code, stdout: &str, stderr: &str| Output {
            code,
            stdout: stdout.into(),
            stderr: stderr.into(),
        };
        let asked = said(0, "\njob '4761849' cancelled\n\n", "");
        assert_eq!(moab.parse_cancel(&asked), Ok(Cancelled::Asked));
        let gone = said(1, "", "ERROR:  invalid job specified (4761849)\n\n");
        assert_eq!(moab.parse_cancel(&gone), Ok(Cancelled::Gone));
        let late = said(
            1,
            "",
            "ERROR:  client timed out after 30 seconds (hostname:port=mg1:42559)\n",
        );
        assert!(matches!(
            moab.parse_cancel(&late),
            Err(QueryError::Unreachable { .. })
        ));
    }
}
