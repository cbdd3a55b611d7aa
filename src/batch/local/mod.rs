//! The embedded scheduler: runs batch scripts on this machine, and survives the death of
//! whoever submitted them.
//!
//! A job is a directory of the spool (`<scratch>/.outrigger-local/jobs/<id>/`) that appears by
//! one rename, and a supervisor process in a session of its own that holds a lock on it for
//! life. An array is a directory of such directories, and each of its tasks has a supervisor. Every
//! other fact is a file that appears by rename. So whoever looks knows: lock taken, the job is in good
//! hands; lock free and never started, it is handed to a new supervisor; lock
//! free and started, it went down with its supervisor (or the machine), what is left of it is
//! killed, and it ends as [`Ending::NodeFailure`](super::Ending::NodeFailure).

mod processes;
mod spool;
mod supervise;
mod verbs;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use self::verbs::{LocalCommand, local_main};
use super::{
    Cancelled, Commands, Dialect, DirectiveError, JobId, JobRequest, JobStatus, QueryError,
    Submission, SubmitError,
    answer::{MARK, said},
};
use crate::connection::Output;

/// The spool, below the site's scratch directory.
const SPOOL: &str = ".outrigger-local";

/// Exit code of a refused submission.
const REFUSED: u8 = 2;

/// The embedded scheduler, spoken to through this program's own hidden verb `local`.
#[derive(Debug, Clone)]
pub struct LocalScheduler {
    program: PathBuf,
    spool: PathBuf,
    slots: u32,
    jobs: u32,
}

/// What the sub-verbs print about a job, as JSON after a mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Report {
    id: String,
    name: String,
    status: JobStatus,
}

impl LocalScheduler {
    /// A scheduler that is reached through `program` (this program's path on the site), keeps
    /// its spool in `scratch`, runs at most `slots` tasks of all jobs, and at most `jobs` jobs
    /// at once.
    pub fn new(program: &Path, scratch: &Path, slots: u32, jobs: u32) -> Self {
        Self {
            program: program.to_owned(),
            spool: scratch.join(SPOOL),
            slots: slots.max(1),
            jobs: jobs.max(1),
        }
    }

    fn verb(&self, verb: &str) -> Vec<String> {
        vec![
            text(&self.program),
            "local".into(),
            verb.into(),
            "--spool".into(),
            text(&self.spool),
        ]
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl Commands for LocalScheduler {
    fn submit(&self, job: &Submission<'_>) -> Vec<String> {
        let mut argv = self.verb("submit");
        argv.extend([
            "--name".into(),
            job.request.name.clone(),
            "--walltime".into(),
            job.request.walltime.0.to_string(),
            "--output".into(),
            text(&job.request.output),
            "--jobs".into(),
            self.jobs.to_string(),
        ]);
        for id in job.after {
            argv.extend(["--after".into(), id.to_string()]);
        }
        if let Some(array) = job.request.array {
            argv.extend(["--tasks".into(), array.tasks.to_string()]);
            let most = array.max_running.into_iter();
            argv.extend(most.flat_map(|most| ["--running".into(), most.to_string()]));
        }
        argv.push(text(job.script));
        argv
    }

    fn parse_submit(&self, answer: &Output) -> Result<JobId, SubmitError> {
        let message = said(answer);
        match reports(answer) {
            Ok(found) if answer.ok() => found
                .first()
                .and_then(|report| report.id.parse().ok())
                .ok_or(SubmitError::Doubt { message }),
            _ if answer.code == i32::from(REFUSED) || answer.code == 127 => {
                Err(SubmitError::Refused { message })
            },
            _ => Err(SubmitError::Doubt { message }),
        }
    }

    fn find(&self, name: &str) -> Vec<String> {
        let mut argv = self.verb("find");
        argv.push(name.to_owned());
        argv
    }

    fn parse_find(&self, answer: &Output, name: &str) -> Result<Vec<JobId>, QueryError> {
        let mut ids: Vec<JobId> = reports(answer)?
            .iter()
            .filter(|report| report.name == name)
            .filter_map(|report| report.id.parse().ok())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    fn status(&self, ids: &[JobId]) -> Vec<String> {
        let mut argv = self.verb("status");
        argv.extend(ids.iter().map(JobId::to_string));
        argv
    }

    fn parse_status(
        &self,
        answer: &Output,
        ids: &[JobId],
    ) -> Result<BTreeMap<JobId, JobStatus>, QueryError> {
        let unknown = ids.iter().map(|id| (id.clone(), JobStatus::Unknown));
        let mut states: BTreeMap<JobId, JobStatus> = unknown.collect();
        for report in reports(answer)? {
            let Ok(id) = report.id.parse::<JobId>() else {
                continue;
            };
            if ids.iter().any(|asked| *asked == id || id.is_task_of(asked)) {
                states.insert(id, report.status);
            }
        }
        Ok(states)
    }

    fn cancel(&self, id: &JobId) -> Vec<String> {
        let mut argv = self.verb("cancel");
        argv.push(id.to_string());
        argv
    }

    fn parse_cancel(&self, answer: &Output) -> Result<Cancelled, QueryError> {
        match reports(answer)?.first().map(|report| &report.status) {
            None | Some(JobStatus::Ended(_)) => Ok(Cancelled::Gone),
            Some(_) => Ok(Cancelled::Asked),
        }
    }

    fn version(&self) -> Vec<String> {
        vec![text(&self.program), "local".into(), "version".into()]
    }

    fn probe(&self) -> Option<Vec<String>> {
        None
    }
}

impl Dialect for LocalScheduler {
    fn directives(&self, request: &JobRequest) -> Result<Vec<String>, DirectiveError> {
        request.checked_name()?;
        Ok(Vec::new())
    }

    fn step_command(&self, conf: &str, _tasks: u32, _lanes: u32) -> Vec<String> {
        vec![
            text(&self.program),
            "launch".into(),
            "--slots".into(),
            self.slots.to_string(),
            "--spool".into(),
            text(&self.spool),
            conf.into(),
        ]
    }

    fn spread(&self, _nodes: u32, command: &[String]) -> Vec<String> {
        command.to_vec()
    }
}

/// The reports in what a sub-verb printed.
fn reports(answer: &Output) -> Result<Vec<Report>, QueryError> {
    let text = answer.out();
    let mut found = Vec::new();
    let mut complete = false;
    for line in text.lines() {
        match line.strip_prefix(MARK).map(str::trim) {
            Some("end") => complete = true,
            Some(mark) => {
                let json = mark.strip_prefix("job ").unwrap_or(mark);
                let report = serde_json::from_str(json);
                found.push(report.map_err(|error| QueryError::Unreadable {
                    message: format!("{error}: {}", said(answer)),
                })?);
            },
            None => {},
        }
    }
    if !complete {
        return Err(QueryError::Unreachable {
            message: said(answer),
        });
    }
    Ok(found)
}

/// `reports` as the sub-verbs print them.
fn print(reports: &[Report]) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for report in reports {
        text.push_str(MARK);
        text.push_str("job ");
        text.push_str(&serde_json::to_string(report)?);
        text.push('\n');
    }
    text.push_str(MARK);
    text.push_str("end\n");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::{
        batch::{Ending, request::tests::request},
        config::units::Seconds,
    };

    fn scheduler() -> LocalScheduler {
        LocalScheduler::new(
            Path::new("/usr/bin/outrigger"),
            Path::new("/scratch"),
            24,
            1,
        )
    }

    fn output(code: i32, stdout: &str) -> Output {
        Output {
            code,
            stdout: stdout.into(),
            stderr: Vec::new(),
        }
    }

    #[test]
    fn its_commands_are_this_program() {
        let request = JobRequest {
            name: "or-1-1-00000000".into(),
            walltime: Seconds(60),
            output: "/scratch/runs/1/job.out".into(),
            ..request()
        };
        let job = Submission {
            script: Path::new("/scratch/runs/1/job.sh"),
            copy: Path::new("runs/1/job.sh"),
            request: &request,
            anew: false,
            after: &[],
        };
        insta::assert_snapshot!(
            scheduler().submit(&job).join(" "),
            @"/usr/bin/outrigger local submit --spool /scratch/.outrigger-local --name or-1-1-00000000 --walltime 60 --output /scratch/runs/1/job.out --jobs 1 /scratch/runs/1/job.sh"
        );
        insta::assert_snapshot!(
            scheduler().step_command("steps/0.conf", 7, 4).join(" "),
            @"/usr/bin/outrigger launch --slots 24 --spool /scratch/.outrigger-local steps/0.conf"
        );
    }

    #[test]
    fn what_is_printed_is_read_back() {
        let states = [
            JobStatus::Queued {
                reason: "turn".into(),
            },
            JobStatus::Running {
                node_count: Some(1),
                started: Some("2026-11-23T00:00:00Z".parse().unwrap()),
            },
            JobStatus::Ended(Ending::Failed { code: 3, signal: 0 }),
            JobStatus::Ended(Ending::Timeout),
            JobStatus::Unknown,
        ];
        let ids: Vec<JobId> = (1..=5)
            .map(|n| format!("1700000000-{n}").parse().unwrap())
            .collect();
        let given: Vec<Report> = ids
            .iter()
            .zip(&states)
            .map(|(id, status)| Report {
                id: id.to_string(),
                name: "or-1-1-00000000".into(),
                status: status.clone(),
            })
            .collect();
        let answer = output(0, &format!("Welcome\n{}", print(&given).unwrap()));
        let read = scheduler().parse_status(&answer, &ids).unwrap();
        assert_eq!(read.into_values().collect::<Vec<_>>(), states);
        assert_eq!(scheduler().parse_find(&answer, "or-1-1-00000000"), Ok(ids));
        assert_eq!(scheduler().parse_find(&answer, "or-1-1"), Ok(vec![]));
    }

    #[rstest]
    #[case(output(2, ""), false)]
    #[case(output(127, ""), false)]
    #[case(output(0, ""), true)]
    #[case(output(137, ""), true)]
    #[case(output(1, "@outrigger end\n"), true)]
    fn only_a_clear_no_is_a_refusal(#[case] answer: Output, #[case] doubt: bool) {
        let got = scheduler().parse_submit(&answer).unwrap_err();
        assert_eq!(matches!(got, SubmitError::Doubt { .. }), doubt, "{got}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_readers_panic(stdout: Vec<u8>, code: i32) {
            let answer = Output { code, stdout, stderr: Vec::new() };
            let _read = (scheduler().parse_submit(&answer), scheduler().parse_cancel(&answer));
        }
    }
}
