//! The embedded scheduler with real processes: what happens to jobs when anybody dies.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod until;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use outrigger::{
    batch::{
        Cancelled, Commands, Ending, JobArray, JobId, JobRequest, JobStatus, LocalScheduler,
        QueryError, Submission, SubmitError,
    },
    config::{self, units::Seconds},
    connection::Output,
};
use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use until::until;

const PROGRAM: &str = env!("CARGO_BIN_EXE_outrigger");
const NAME: &str = "or-1-1-00000000";

/// A scratch directory with its scheduler. What runs in it ends with it.
struct Site {
    scratch: TempDir,
    scheduler: LocalScheduler,
}

impl Site {
    fn new(jobs: u32) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let scheduler = LocalScheduler::new(Path::new(PROGRAM), scratch.path(), 4, jobs);
        Self { scratch, scheduler }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn spool(&self, name: &str) -> PathBuf {
        self.path(".outrigger-local").join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn ask(&self, argv: &[String]) -> Output {
        let (program, arguments) = argv.split_first().unwrap();
        let answer = Command::new(program)
            .args(arguments)
            .current_dir(self.scratch.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Output {
            code: answer
                .status
                .code()
                .unwrap_or_else(|| 128 + answer.status.signal().unwrap()),
            stdout: answer.stdout,
            stderr: answer.stderr,
        }
    }

    fn submit_argv(&self, name: &str, walltime: u64, script: &Path) -> Vec<String> {
        self.request_argv(name, walltime, script, None, &[])
    }

    fn request_argv(
        &self,
        name: &str,
        walltime: u64,
        script: &Path,
        array: Option<JobArray>,
        after: &[JobId],
    ) -> Vec<String> {
        let site: config::site::Site = serde_yaml::from_str("{scratch: /s}").unwrap();
        let output = self.path("job.out");
        let mut request = JobRequest::new(&site, name, 1, Seconds(walltime), output);
        request.array = array;
        self.scheduler.submit(&Submission {
            script,
            copy: script,
            request: &request,
            anew: false,
            after,
        })
    }

    fn submit(&self, name: &str, walltime: u64, body: &str) -> JobId {
        let script = self.write("job.sh", &format!("#!/bin/sh\n{body}\n"));
        let answer = self.ask(&self.submit_argv(name, walltime, &script));
        self.scheduler.parse_submit(&answer).unwrap()
    }

    fn submit_array(&self, tasks: u32, max_running: Option<u32>, body: &str) -> JobId {
        let script = self.write("job.sh", &format!("#!/bin/sh\n{body}\n"));
        let array = JobArray { tasks, max_running };
        let answer = self.ask(&self.request_argv(NAME, 60, &script, Some(array), &[]));
        self.scheduler.parse_submit(&answer).unwrap()
    }

    /// A job that begins after another one.
    fn submit_after(&self, name: &str, other: &JobId, body: &str) -> JobId {
        let script = self.write("after.sh", &format!("#!/bin/sh\n{body}\n"));
        let after = std::slice::from_ref(other);
        let answer = self.ask(&self.request_argv(name, 60, &script, None, after));
        self.scheduler.parse_submit(&answer).unwrap()
    }

    fn state(&self, id: &JobId) -> JobStatus {
        self.states(id).remove(id).unwrap()
    }

    /// The states of a job and of its tasks.
    fn states(&self, id: &JobId) -> BTreeMap<JobId, JobStatus> {
        let ids = [id.clone()];
        let answer = self.ask(&self.scheduler.status(&ids));
        self.scheduler.parse_status(&answer, &ids).unwrap()
    }

    fn find(&self, name: &str) -> Result<Vec<JobId>, QueryError> {
        let answer = self.ask(&self.scheduler.find(name));
        self.scheduler.parse_find(&answer, name)
    }

    fn cancel(&self, id: &JobId) -> Cancelled {
        let answer = self.ask(&self.scheduler.cancel(id));
        self.scheduler.parse_cancel(&answer).unwrap()
    }

    fn ending(&self, id: &JobId) -> Ending {
        let mut seen = JobStatus::Unknown;
        until("the job ends", || {
            seen = self.state(id);
            matches!(seen, JobStatus::Ended(_))
        });
        let JobStatus::Ended(ending) = seen else {
            unreachable!("only an end gets here")
        };
        ending
    }

    fn until_running(&self, id: &JobId) {
        until("the job runs", || {
            matches!(self.state(id), JobStatus::Running { .. })
        });
    }

    fn until_file(&self, name: &str) {
        until(name, || self.path(name).exists());
    }

    fn supervisor(&self, id: &JobId) -> i32 {
        let file = self.spool("jobs").join(id.as_str()).join("supervisor.json");
        let text = fs::read_to_string(file).unwrap();
        let record: serde_json::Value = serde_json::from_str(&text).unwrap();
        i32::try_from(record["pid"].as_i64().unwrap()).unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for entry in fs::read_dir(self.spool("jobs")).into_iter().flatten() {
            let name = entry.unwrap().file_name();
            if let Ok(id) = name.to_str().unwrap().parse() {
                self.ask(&self.scheduler.cancel(&id));
                let begin = Instant::now();
                while !matches!(self.state(&id), JobStatus::Ended(_))
                    && begin.elapsed() < Duration::from_secs(20)
                {
                    std::thread::park_timeout(Duration::from_millis(10));
                }
            }
        }
    }
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

#[rstest]
#[case("echo out; echo err >&2", Ending::Completed)]
#[case("exit 3", Ending::Failed { code: 3, signal: 0 })]
#[case("kill -SEGV $$", Ending::Failed { code: 0, signal: 11 })]
fn a_job_ends_as_its_script_does(#[case] body: &str, #[case] ending: Ending) {
    let site = Site::new(1);
    let id = site.submit(NAME, 60, body);
    assert_eq!(site.ending(&id), ending);
    assert_eq!(site.find(NAME), Ok(vec![id.clone()]));
    assert_eq!(site.find("or-1-1"), Ok(vec![]));
    assert_eq!(site.cancel(&id), Cancelled::Gone);
}

#[test]
fn output_is_appended_and_the_place_and_environment_are_the_submitters() {
    let site = Site::new(1);
    site.write("job.out", "before\n");
    let script = site.write("job.sh", "#!/bin/sh\npwd\necho \"$GREETING\" >&2\ncat\n");
    let argv = site.submit_argv(NAME, 60, &script);
    let (program, arguments) = argv.split_first().unwrap();
    let answer = Command::new(program)
        .args(arguments)
        .current_dir(site.scratch.path())
        .env("GREETING", "hello")
        .output()
        .unwrap();
    assert!(answer.status.success());
    let id = site.find(NAME).unwrap().remove(0);
    assert_eq!(site.ending(&id), Ending::Completed);
    let place = site.scratch.path().canonicalize().unwrap();
    assert_eq!(
        fs::read_to_string(site.path("job.out")).unwrap(),
        format!("before\n{}\nhello\n", place.display())
    );
}

#[test]
fn a_script_may_change_after_its_submission() {
    let site = Site::new(1);
    let first = site.submit(
        "or-1-1-00000001",
        60,
        "until [ -e go ]; do sleep 0.02; done",
    );
    let second = site.submit("or-1-1-00000002", 60, "echo as submitted");
    site.write("job.sh", "#!/bin/sh\necho as changed\n");
    site.write("go", "");
    assert_eq!(site.ending(&first), Ending::Completed);
    assert_eq!(site.ending(&second), Ending::Completed);
    assert_eq!(
        fs::read_to_string(site.path("job.out")).unwrap(),
        "as submitted\n"
    );
}

#[test]
fn no_more_jobs_run_than_may() {
    let site = Site::new(1);
    let first = site.submit(
        "or-1-1-00000001",
        60,
        "until [ -e go ]; do sleep 0.02; done",
    );
    site.until_running(&first);
    let second = site.submit("or-1-1-00000002", 60, "touch ran");
    assert!(matches!(site.state(&second), JobStatus::Queued { .. }));
    assert!(!site.path("ran").exists());
    site.write("go", "");
    assert_eq!(site.ending(&second), Ending::Completed);
    assert_eq!(site.ending(&first), Ending::Completed);
}

#[test]
fn after_its_walltime_a_job_is_ended_with_all_it_started() {
    let site = Site::new(1);
    let id = site.submit(
        NAME,
        1,
        "setsid sh -c 'trap \"\" TERM; echo $$ > away; while :; do sleep 0.1; done' &\nwait",
    );
    assert_eq!(site.ending(&id), Ending::Timeout);
    let away = fs::read_to_string(site.path("away")).unwrap();
    until("the stray process is gone", || !lives(&away));
}

#[test]
fn a_job_has_time_to_end_in_order() {
    let site = Site::new(1);
    let body = "trap 'echo saved > saved; exit 0' TERM\ntouch ready\nwhile :; do sleep 0.05; done";
    let id = site.submit(NAME, 60, body);
    site.until_file("ready");
    assert_eq!(site.cancel(&id), Cancelled::Asked);
    assert_eq!(site.ending(&id), Ending::Cancelled);
    assert_eq!(fs::read_to_string(site.path("saved")).unwrap(), "saved\n");
}

#[test]
fn what_a_job_started_has_time_to_end_in_order_too() {
    let site = Site::new(1);
    let child =
        "trap \"sleep 0.2; touch saved; exit\" TERM; touch ready; while :; do sleep 0.05; done";
    let id = site.submit(NAME, 60, &format!("setsid sh -c '{child}' &\nwait"));
    site.until_file("ready");
    assert_eq!(site.cancel(&id), Cancelled::Asked);
    assert_eq!(site.ending(&id), Ending::Cancelled);
    assert!(site.path("saved").exists());
}

#[test]
fn a_waiting_job_can_be_cancelled() {
    let site = Site::new(1);
    let first = site.submit(
        "or-1-1-00000001",
        60,
        "until [ -e go ]; do sleep 0.02; done",
    );
    site.until_running(&first);
    let second = site.submit("or-1-1-00000002", 60, "touch ran");
    assert_eq!(site.cancel(&second), Cancelled::Asked);
    assert_eq!(site.ending(&second), Ending::Cancelled);
    site.write("go", "");
    assert_eq!(site.ending(&first), Ending::Completed);
    assert!(!site.path("ran").exists());
}

#[test]
fn a_job_survives_the_death_of_its_submitter() {
    let site = Site::new(1);
    let body = "echo $$ > pid; until [ -e go ]; do sleep 0.02; done; exit 7";
    let script = site.write("job.sh", &format!("#!/bin/sh\n{body}\n"));
    let mut caller = Command::new("sh")
        .args(["-c", "\"$@\"; sleep 600", "caller"])
        .args(site.submit_argv(NAME, 60, &script))
        .current_dir(site.scratch.path())
        .process_group(0)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    site.until_file("pid");
    let group = Pid::from_raw(caller.id().cast_signed()).unwrap();
    rustix::process::kill_process_group(group, Signal::KILL).unwrap();
    caller.wait().unwrap();
    let id = site.find(NAME).unwrap().remove(0);
    assert!(matches!(site.state(&id), JobStatus::Running { .. }));
    site.write("go", "");
    assert_eq!(site.ending(&id), Ending::Failed { code: 7, signal: 0 });
}

#[test]
fn a_job_goes_down_with_its_supervisor() {
    let site = Site::new(1);
    let id = site.submit(
        NAME,
        60,
        "echo $$ > pid; setsid sleep 600 & echo $! > away; wait",
    );
    site.until_file("away");
    kill(site.supervisor(&id));
    assert_eq!(site.ending(&id), Ending::NodeFailure);
    for file in ["pid", "away"] {
        let pid = fs::read_to_string(site.path(file)).unwrap();
        until("what is left of the job is gone", || !lives(&pid));
    }
    let next = site.submit("or-1-2-00000000", 60, "true");
    assert_eq!(site.ending(&next), Ending::Completed);
}

#[test]
fn a_waiting_job_outlives_its_supervisor_and_runs_once() {
    let site = Site::new(1);
    let first = site.submit(
        "or-1-1-00000001",
        60,
        "until [ -e go ]; do sleep 0.02; done",
    );
    site.until_running(&first);
    let second = site.submit("or-1-1-00000002", 60, "echo ran >> ran");
    let before = site.supervisor(&second);
    kill(before);
    until("a new supervisor has the job", || {
        assert!(matches!(site.state(&second), JobStatus::Queued { .. }));
        site.supervisor(&second) != before
    });
    site.write("go", "");
    assert_eq!(site.ending(&second), Ending::Completed);
    assert_eq!(fs::read_to_string(site.path("ran")).unwrap(), "ran\n");
}

#[test]
fn a_job_whose_submitter_died_before_the_start_is_found_and_runs_once() {
    let site = Site::new(1);
    let model = site.submit("or-1-1-00000001", 60, "echo ran >> ran");
    assert_eq!(site.ending(&model), Ending::Completed);
    let (old, new) = (
        site.spool("jobs").join(model.as_str()),
        site.spool("jobs/1-1"),
    );
    fs::create_dir(&new).unwrap();
    for file in ["script", "order.json"] {
        fs::copy(old.join(file), new.join(file)).unwrap();
    }
    let found = site.find("or-1-1-00000001").unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(site.ending(&"1-1".parse().unwrap()), Ending::Completed);
    assert_eq!(fs::read_to_string(site.path("ran")).unwrap(), "ran\nran\n");
}

#[rstest]
#[case("true\n")]
#[case("")]
fn what_is_no_script_is_refused_and_not_queued(#[case] text: &str) {
    let site = Site::new(1);
    let script = site.write("job.sh", text);
    let answer = site.ask(&site.submit_argv(NAME, 60, &script));
    let got = site.scheduler.parse_submit(&answer);
    assert!(matches!(got, Err(SubmitError::Refused { .. })), "{got:?}");
    assert_eq!(site.find(NAME), Ok(vec![]));
}

#[test]
fn a_job_that_cannot_be_started_has_failed() {
    let site = Site::new(1);
    let script = site.write("job.sh", "#!/nonexistent/interpreter\n");
    let answer = site.ask(&site.submit_argv(NAME, 60, &script));
    let id = site.scheduler.parse_submit(&answer).unwrap();
    assert_eq!(
        site.ending(&id),
        Ending::Failed {
            code: 127,
            signal: 0
        }
    );
}

#[test]
fn where_nothing_was_ever_submitted_nothing_is_known() {
    let site = Site::new(1);
    assert_eq!(site.find(NAME), Ok(vec![]));
    assert_eq!(
        site.state(&"1700000000-1".parse().unwrap()),
        JobStatus::Unknown
    );
    assert_eq!(
        site.cancel(&"1700000000-1".parse().unwrap()),
        Cancelled::Gone
    );
}

#[test]
fn its_version_is_this_program() {
    let site = Site::new(1);
    let answer = site.ask(&site.scheduler.version());
    let version = site.scheduler.parse_version(&answer).unwrap();
    assert_eq!(
        version.text,
        format!("outrigger {}", env!("CARGO_PKG_VERSION"))
    );
}

fn task(array: &JobId, number: u32) -> JobId {
    format!("{array}_{number}").parse().unwrap()
}

#[test]
fn the_tasks_of_an_array_are_told_one_by_one_and_ended_alone_or_together() {
    let site = Site::new(8);
    let body = "n=$OUTRIGGER_ARRAY_TASK_ID
        touch \"began.$OUTRIGGER_ARRAY_JOB_ID.$n\"
        until [ -e \"go.$n\" ]; do sleep 0.02; done
        exit \"$n\"";
    let id = site.submit_array(4, None, body);
    for number in 0..4 {
        site.until_file(&format!("began.{id}.{number}"));
    }
    assert_eq!(site.find(NAME), Ok(vec![id.clone()]));
    assert_eq!(site.states(&id).len(), 5);
    site.write("go.0", "");
    site.write("go.1", "");
    assert_eq!(site.ending(&task(&id, 0)), Ending::Completed);
    assert_eq!(
        site.ending(&task(&id, 1)),
        Ending::Failed { code: 1, signal: 0 }
    );
    assert_eq!(site.cancel(&task(&id, 2)), Cancelled::Asked);
    assert_eq!(site.ending(&task(&id, 2)), Ending::Cancelled);
    assert!(matches!(site.state(&id), JobStatus::Running { .. }));
    assert_eq!(site.cancel(&id), Cancelled::Asked);
    assert_eq!(site.ending(&task(&id, 3)), Ending::Cancelled);
    assert!(matches!(site.state(&id), JobStatus::Ended(_)));
    assert_eq!(site.cancel(&id), Cancelled::Gone);
}

#[test]
fn no_more_tasks_of_an_array_run_than_may() {
    let site = Site::new(8);
    let body = "mkdir one || exit 9
        until [ -e go ]; do sleep 0.02; done
        rmdir one";
    let id = site.submit_array(3, Some(1), body);
    site.until_file("one");
    let is_waiting = |status: &&JobStatus| matches!(status, JobStatus::Queued { .. });
    assert_eq!(site.states(&id).values().filter(is_waiting).count(), 2);
    site.write("go", "");
    assert_eq!(site.ending(&id), Ending::Completed);
}

#[test]
fn a_task_goes_down_with_its_supervisor_alone() {
    let site = Site::new(8);
    let body = "echo $$ >\"pid.$OUTRIGGER_ARRAY_TASK_ID\"; until [ -e go ]; do sleep 0.02; done";
    let id = site.submit_array(2, None, body);
    site.until_file("pid.0");
    site.until_file("pid.1");
    let record = fs::read_to_string(
        site.spool("jobs")
            .join(id.as_str())
            .join("0/supervisor.json"),
    );
    let record: serde_json::Value = serde_json::from_str(&record.unwrap()).unwrap();
    kill(i32::try_from(record["pid"].as_i64().unwrap()).unwrap());
    assert_eq!(site.ending(&task(&id, 0)), Ending::NodeFailure);
    assert!(matches!(site.state(&id), JobStatus::Running { .. }));
    site.write("go", "");
    assert_eq!(site.ending(&id), Ending::NodeFailure);
    assert_eq!(site.ending(&task(&id, 1)), Ending::Completed);
}

#[test]
fn what_begins_after_an_array_begins_after_all_its_tasks() {
    let site = Site::new(8);
    let body = "until [ -e \"go.$OUTRIGGER_ARRAY_TASK_ID\" ]; do sleep 0.02; done";
    let array = site.submit_array(2, None, body);
    let after = site.submit_after("or-1-1-00000002", &array, "touch ran");
    site.write("go.0", "");
    assert_eq!(site.ending(&task(&array, 0)), Ending::Completed);
    assert!(matches!(site.state(&after), JobStatus::Queued { .. }));
    assert!(!site.path("ran").exists());
    site.write("go.1", "");
    assert_eq!(site.ending(&after), Ending::Completed);

    let failing = site.submit_array(2, None, "exit \"$OUTRIGGER_ARRAY_TASK_ID\"");
    let never = site.submit_after("or-1-1-00000003", &failing, "touch never");
    assert_eq!(site.ending(&never), Ending::Cancelled);
    assert!(!site.path("never").exists());
}
