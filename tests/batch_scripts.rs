//! The scripts that ask Slurm and Moab, run by a real shell with stand-ins for the schedulers'
//! commands.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use outrigger::{
    batch::{Commands, Ending, JobId, JobStatus, Moab, QueryError, Slurm},
    connection::Output,
};
use tempfile::TempDir;

/// A directory of stand-ins, each of which writes down how it was called.
struct Programs {
    directory: TempDir,
}

impl Programs {
    fn new(programs: &[(&str, &str)]) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("stand ins $(touch injected) ")
            .tempdir()
            .unwrap();
        let calls = directory.path().join("calls");
        for (name, body) in programs {
            let path = directory.path().join(name);
            let note = format!("echo {name} \"$@\" >> '{}'", calls.display());
            fs::write(&path, format!("#!/bin/sh\n{note}\n{body}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { directory }
    }

    fn run(&self, argv: &[String]) -> Output {
        let (program, arguments) = argv.split_first().unwrap();
        let answer = Command::new(program)
            .args(arguments)
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(!self.directory.path().join("injected").exists());
        Output {
            code: answer.status.code().unwrap(),
            stdout: answer.stdout,
            stderr: answer.stderr,
        }
    }

    fn status(
        &self,
        scheduler: &dyn Commands,
        ids: &[&str],
    ) -> Result<BTreeMap<String, JobStatus>, QueryError> {
        let ids: Vec<JobId> = ids.iter().map(|id| id.parse().unwrap()).collect();
        let answer = self.run(&scheduler.status(&ids));
        let states = scheduler.parse_status(&answer, &ids)?;
        Ok(states
            .into_iter()
            .map(|(id, state)| (id.to_string(), state))
            .collect())
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.directory.path().join("calls")).unwrap_or_default()
    }
}

const UNKNOWN_ID: &str = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1";
const NO_ACCOUNTING: &str = "echo 'Slurm accounting storage is disabled' >&2; exit 1";

#[test]
fn slurm_is_asked_first_about_the_live_then_the_past_then_each_that_is_left() {
    let programs = Programs::new(&[
        (
            "squeue",
            "echo '1|RUNNING|4|1700000000|None'; echo '7_[2-4]|PENDING|1|N/A|Priority'",
        ),
        ("sacct", "echo '2|FAILED|9:0|4|1700000000'"),
        (
            "scontrol",
            "echo 'JobId=3 JobName=x JobState=TIMEOUT Reason=TimeLimit ExitCode=0:0'",
        ),
    ]);
    let slurm = Slurm::new(Some(programs.directory.path()));
    let states = programs.status(&slurm, &["1", "2", "3", "7"]).unwrap();
    assert!(matches!(
        states["1"],
        JobStatus::Running {
            node_count: Some(4),
            ..
        }
    ));
    assert_eq!(
        states["2"],
        JobStatus::Ended(Ending::Failed { code: 9, signal: 0 })
    );
    assert_eq!(states["3"], JobStatus::Ended(Ending::Timeout));
    assert_eq!(
        states["7"],
        JobStatus::Queued {
            reason: "Priority".into()
        }
    );
    insta::assert_snapshot!(programs.calls(), @r"
    squeue --noheader --array --jobs=1,2,3,7 --format=%i|%T|%D|%S|%r
    sacct --noheader --parsable2 --allocations --jobs=2,3 --format=JobID,State,ExitCode,NNodes,Start
    scontrol --oneliner show job 3
    ");
}

#[test]
fn slurm_is_asked_once_while_all_jobs_live() {
    let programs = Programs::new(&[
        ("squeue", "echo '1|RUNNING|4|1700000000|None'"),
        ("sacct", "exit 1"),
        ("scontrol", "exit 1"),
    ]);
    let slurm = Slurm::new(Some(programs.directory.path()));
    assert!(programs.status(&slurm, &["1"]).is_ok());
    assert_eq!(programs.calls().lines().count(), 1);
}

#[test]
fn of_an_array_slurm_is_asked_once_while_one_task_lives_and_each_is_told() {
    let live = "echo '7_2|RUNNING|1|1700000000|None'; echo '7_3|PENDING|1|N/A|JobArrayTaskLimit'";
    let programs = Programs::new(&[
        ("squeue", live),
        ("sacct", "exit 1"),
        ("scontrol", "exit 1"),
    ]);
    let slurm = Slurm::new(Some(programs.directory.path()));
    let states = programs.status(&slurm, &["7"]).unwrap();
    let told: Vec<&str> = states.keys().map(String::as_str).collect();
    assert_eq!(told, ["7", "7_2", "7_3"]);
    assert!(matches!(states["7"], JobStatus::Running { .. }));
    assert!(matches!(states["7_3"], JobStatus::Queued { .. }));
    assert_eq!(programs.calls().lines().count(), 1);
}

#[test]
fn of_many_that_are_left_slurm_is_asked_once() {
    let programs = Programs::new(&[
        ("squeue", UNKNOWN_ID),
        ("sacct", NO_ACCOUNTING),
        (
            "scontrol",
            "for id in 1 2 3 4 6 15; do echo \"JobId=$id JobName=x JobState=COMPLETED ExitCode=0:0\"; done
             echo 'JobId=16 ArrayJobId=8 ArrayTaskId=1 JobState=TIMEOUT ExitCode=0:0'",
        ),
    ]);
    let slurm = Slurm::new(Some(programs.directory.path()));
    let ids = ["1", "2", "3", "4", "5", "6", "8_1"];
    let states = programs.status(&slurm, &ids).unwrap();
    let ended = JobStatus::Ended(Ending::Completed);
    assert!(
        ["1", "2", "3", "4", "6"]
            .iter()
            .all(|id| states[*id] == ended)
    );
    assert_eq!(states["5"], JobStatus::Unknown);
    assert_eq!(states["8_1"], JobStatus::Ended(Ending::Timeout));
    assert_eq!(programs.calls().matches("scontrol").count(), 1);
}

#[test]
fn a_single_job_that_slurm_forgot_is_unknown() {
    let programs = Programs::new(&[
        ("squeue", UNKNOWN_ID),
        ("sacct", NO_ACCOUNTING),
        ("scontrol", UNKNOWN_ID),
    ]);
    let slurm = Slurm::new(Some(programs.directory.path()));
    let states = programs.status(&slurm, &["1"]).unwrap();
    assert_eq!(states["1"], JobStatus::Unknown);
}

#[test]
fn a_slurm_controller_that_hangs_is_asked_once() {
    let down = "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1";
    let programs = Programs::new(&[("squeue", down), ("sacct", down), ("scontrol", down)]);
    let slurm = Slurm::new(Some(programs.directory.path()));
    let asked = programs.status(&slurm, &["1", "2"]);
    assert!(
        matches!(asked, Err(QueryError::Unreachable { .. })),
        "{asked:?}"
    );
    assert_eq!(programs.calls().lines().count(), 1);
}

#[test]
fn without_the_programs_nothing_is_concluded() {
    let programs = Programs::new(&[]);
    let empty = programs.directory.path();
    for scheduler in [
        &Slurm::new(Some(empty)) as &dyn Commands,
        &Moab::new(Some(empty)),
    ] {
        let mut argv = scheduler.find("or-1-1-00000000");
        argv.splice(
            0..1,
            [
                "env".into(),
                format!("PATH={}", empty.display()),
                "/bin/sh".into(),
            ],
        );
        let answer = programs.run(&argv);
        let found = scheduler.parse_find(&answer, "or-1-1-00000000");
        assert!(
            matches!(found, Err(QueryError::Unreachable { .. })),
            "{found:?}"
        );
    }
}

#[test]
fn slurm_is_asked_for_a_name_in_queue_and_accounting() {
    let programs = Programs::new(&[
        ("squeue", "echo '12|PENDING|or-1-1-00000000'"),
        (
            "sacct",
            "echo '11|CANCELLED by 0|or-1-1-00000000'; echo '10|COMPLETED|or-1-1-000000001'",
        ),
    ]);
    let slurm = Slurm::new(Some(programs.directory.path()));
    let answer = programs.run(&slurm.find("or-1-1-00000000"));
    let found = slurm.parse_find(&answer, "or-1-1-00000000").unwrap();
    assert_eq!(found, ["11".parse().unwrap(), "12".parse().unwrap()]);
    insta::assert_snapshot!(programs.calls(), @r"
    squeue --noheader --states=all --name=or-1-1-00000000 --format=%i|%T|%j
    sacct --noheader --parsable2 --allocations --starttime=now-60days --name=or-1-1-00000000 --format=JobID,State,JobName
    ");
}

const SHOWQ: &str = r#"case $1 in
  -c) echo '<Data><queue option="completed"><job JobID="2" JobName="or-2-1-00000000" State="Completed" CompletionCode="0"/></queue></Data>' ;;
  *) echo '<Data><queue option="active"><job JobID="1" JobName="or-1-1-00000000" State="Running" ReqNodes="4" StartTime="1700000000"/></queue></Data>' ;;
esac"#;

#[test]
fn moab_is_asked_for_both_queues_and_then_for_each_that_is_left() {
    let programs = Programs::new(&[
        ("id", "echo survey"),
        ("showq", SHOWQ),
        ("checkjob", "printf 'job 3\\n\\nAName: x\\nState: Idle \\n'"),
    ]);
    let moab = Moab::new(Some(programs.directory.path()));
    let states = programs.status(&moab, &["1", "2", "3"]).unwrap();
    assert!(matches!(
        states["1"],
        JobStatus::Running {
            node_count: Some(4),
            ..
        }
    ));
    assert_eq!(states["2"], JobStatus::Ended(Ending::Completed));
    assert!(matches!(states["3"], JobStatus::Queued { .. }));
    insta::assert_snapshot!(programs.calls(), @r"
    id -un
    showq --xml -w user=survey
    showq -c --xml -w user=survey
    checkjob 3
    ");
    let answer = programs.run(&moab.find("or-2-1-00000000"));
    let found = moab.parse_find(&answer, "or-2-1-00000000");
    assert_eq!(found, Ok(vec!["2".parse().unwrap()]));
}

#[test]
fn of_an_array_moab_is_asked_for_both_queues_alone() {
    let showq = r#"case $1 in
      -c) echo '<Data><job JobID="7[0]" JobName="or-7-1-00000000" State="Removed"/></Data>' ;;
      *) echo '<Data><job JobID="7[1]" JobName="or-7-1-00000000" State="Idle"/></Data>' ;;
    esac"#;
    let programs = Programs::new(&[
        ("id", "echo survey"),
        ("showq", showq),
        ("checkjob", "exit 1"),
    ]);
    let moab = Moab::new(Some(programs.directory.path()));
    for asked in ["7", "7[]"] {
        let states = programs.status(&moab, &[asked]).unwrap();
        assert_eq!(states.len(), 3, "{states:?}");
        assert!(matches!(states["7[1]"], JobStatus::Queued { .. }));
        assert!(matches!(states[asked], JobStatus::Queued { .. }));
        assert_eq!(states["7[0]"], JobStatus::Ended(Ending::Cancelled));
    }
    assert_eq!(programs.calls().matches("checkjob").count(), 0);
    let answer = programs.run(&moab.find("or-7-1-00000000"));
    let found = moab.parse_find(&answer, "or-7-1-00000000");
    assert_eq!(found, Ok(vec!["7".parse().unwrap()]));
}

#[test]
fn a_moab_server_that_hangs_is_asked_once() {
    let programs = Programs::new(&[
        ("id", "echo survey"),
        (
            "showq",
            "echo 'ERROR:  client timed out after 30 seconds' >&2; exit 1",
        ),
        ("checkjob", "exit 1"),
    ]);
    let moab = Moab::new(Some(programs.directory.path()));
    let asked = programs.status(&moab, &["1", "2"]);
    assert!(
        matches!(asked, Err(QueryError::Unreachable { .. })),
        "{asked:?}"
    );
    assert_eq!(programs.calls().lines().count(), 2);
}
