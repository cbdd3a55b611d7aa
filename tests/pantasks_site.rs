//! A batch site as a host of the controller: `host site:NAME` in a task.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test says where"
)]

mod asked;
mod until;

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Command, Stdio},
};

use outrigger::state::Store;
use rustix::process::{Pid, Signal, kill_process};
use until::until;

/// A project whose site `here` bundles jobs as told, and the scheduler by its name.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new(bundles: &str) -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        let program = env!("CARGO_BIN_EXE_outrigger");
        symlink(program, desk.path().join("pantasks")).unwrap();
        let scratch = desk.path().join("scratch");
        fs::create_dir(&scratch).unwrap();
        let config = format!(
            "sites:\n  here:\n    scheduler: local\n    nodes: {{cores: 2, max: 1}}\n    \
             scratch: {}\n    environment: [export LANTERN=lit]\n    pcontrol: {bundles}\n",
            scratch.display()
        );
        fs::write(desk.path().join("outrigger.yaml"), config).unwrap();
        Store::create(&desk.path().join("state.db")).unwrap();
        desk
    }

    /// Jobs at the site run these lines of shell, with their numbers as `$1`.
    fn work(&self, lines: &str) {
        fs::write(self.path().join("scratch/work.sh"), lines).unwrap();
    }

    /// Lets the jobs go on that wait for that.
    fn let_go(&self) {
        fs::write(self.path().join("scratch/go"), "").unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn start(&self, script: &str) -> Child {
        fs::write(self.path().join("night.pro"), script).unwrap();
        Command::new(self.path().join("pantasks"))
            .args(["--norc", "night.pro"])
            .current_dir(self.path())
            .env("HOME", self.path())
            .env_remove("OUTRIGGER_CONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs a script to its end: what it prints.
    fn play(&self, script: &str) -> String {
        ended(self.start(script))
    }

    /// Kills the scheduler with -9 as soon as it prints `line`.
    fn kill_at(&self, script: &str, line: &str) {
        let mut child = self.start(script);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let came = lines.any(|said| said.unwrap() == line);
        child.kill().unwrap();
        let rest = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&rest.stderr);
        assert!(came, "it never said {line}: {err}");
    }

    fn ask(&self, sql: &str) -> Vec<String> {
        asked::ask(self.path(), sql)
    }

    /// How many jobs each bundle was made of, by the story that state.db tells.
    fn bundles(&self) -> Vec<String> {
        let sql = "SELECT why FROM events WHERE subject = 'bundle' AND after = 'submitting'";
        self.ask(sql)
    }

    fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path().join("scratch/log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// A task of `count` jobs at the site, each `work.sh` with its number, that says how they ended;
/// the scheduler goes when all have.
fn script(count: u32) -> String {
    format!(
        r#"
$n = 0
persist on
$over = 0
controller host add site:here
task work
  host site:here
  nmax {count}
  periods -exec 0.02
  task.exec
    $n ++
    options $n
    command sh work.sh $n
  end
  task.exit 0
    queuepop stdout -var out
    queuepop stderr -var err
    echo "good $options:0 $out $err $JOB_HOSTNAME"
    $over ++
    if ($over == {count}) exit
  end
  task.exit 3
    queuepop stdout -var out
    echo "three $options:0 $out"
    $over ++
    if ($over == {count}) exit
  end
  task.exit default
    echo "bad $options:0 $JOB_STATUS"
    $over ++
    if ($over == {count}) exit
  end
  task.exit crash
    echo "crash $options:0"
    $over ++
    if ($over == {count}) exit
  end
end
task look
  periods -exec 0.05 -timeout 60
  npending 1
  command grep -q begin scratch/log
  task.exit 0
    echo running
  end
end
run
"#
    )
}

const HELD: &str =
    "echo begin-$1 >>log; until test -e go; do sleep 0.05; done; echo end-$1 >>log; echo done";

#[test]
fn jobs_are_bundled_by_number_and_time_and_their_ends_come_to_the_exit_macros() {
    let desk = Desk::new("{jobs: 4, wait: 1s}");
    desk.work("echo out-$LANTERN; echo err >&2; test $1 -ne 5 || exit 3");
    let said = desk.play(&script(6));
    for n in [1, 2, 3, 4, 6] {
        let line = format!("good {n} out-lit err site:here\n");
        assert!(said.contains(&line), "{said}");
    }
    assert!(said.contains("three 5 out-lit\n"), "{said}");
    assert_eq!(desk.bundles(), ["4 jobs", "2 jobs"], "{said}");
    let left = fs::read_dir(desk.path().join("scratch/outrigger")).unwrap();
    assert!(
        left.count() <= 1,
        "the directories of bundles that are over go"
    );
}

#[test]
fn a_scheduler_that_comes_after_one_that_was_killed_finds_its_jobs_at_the_site() {
    let desk = Desk::new("{jobs: 2, wait: 1s}");
    desk.work(HELD);
    desk.kill_at(&script(2), "running");
    desk.let_go();
    let said = desk.play(&script(2));
    for n in [1, 2] {
        assert!(said.contains(&format!("good {n} done")), "{said}");
    }
    let mut log = desk.log();
    log.sort();
    assert_eq!(log, ["begin-1", "begin-2", "end-1", "end-2"], "{said}");
    assert_eq!(desk.bundles(), ["2 jobs"], "{said}");
}

#[test]
fn an_agent_that_is_killed_is_followed_by_one_that_knows_its_jobs() {
    let desk = Desk::new("{jobs: 1, wait: 1s}");
    desk.work(HELD);
    let child = desk.start(&script(1));
    until("the job", || !desk.log().is_empty());
    kill_process(Pid::from_raw(agent(&child)).unwrap(), Signal::KILL).unwrap();
    desk.let_go();
    let said = ended(child);
    assert!(said.contains("good 1 done"), "{said}");
    assert_eq!(desk.log(), ["begin-1", "end-1"], "{said}");
}

fn ended(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    format!("{}{err}", String::from_utf8_lossy(&output.stdout))
}

/// The process of the site's agent, a child of the scheduler.
fn agent(scheduler: &Child) -> i32 {
    let children = format!("/proc/{0}/task", scheduler.id());
    let mut found = Vec::new();
    for task in fs::read_dir(children).unwrap() {
        let list = fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default();
        for pid in list.split_whitespace() {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&line).contains("site-agent") {
                found.push(pid.parse().unwrap());
            }
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
    found[0]
}

#[test]
fn what_a_cancelled_batch_job_had_begun_is_lost_and_the_rest_runs_in_the_next_one() {
    let desk = Desk::new("{jobs: 3, wait: 1s}");
    desk.work(HELD);
    let child = desk.start(&script(3));
    until("two jobs", || desk.log().len() == 2);
    let begun = desk.log();
    let id = desk.ask("SELECT job_id FROM bundles").remove(0);
    let spool = desk.path().join("scratch/.outrigger-local");
    let cancel = Command::new(env!("CARGO_BIN_EXE_outrigger"))
        .args(["local", "cancel", "--spool"])
        .arg(spool)
        .arg(id)
        .output()
        .unwrap();
    assert!(cancel.status.success(), "{cancel:?}");
    let over = "SELECT why FROM events WHERE subject = 'bundle' AND after = 'over'";
    until("the end of the batch job", || !desk.ask(over).is_empty());
    desk.let_go();
    let said = ended(child);
    for n in 1..=3 {
        let was_begun = begun.contains(&format!("begin-{n}"));
        let word = if was_begun { "crash" } else { "good" };
        assert!(said.contains(&format!("{word} {n}")), "{said} {begun:?}");
    }
    assert_eq!(desk.bundles(), ["3 jobs", "1 jobs"], "{said}");
}

#[test]
fn of_two_batch_jobs_of_a_bundle_the_one_that_runs_its_jobs_is_waited_for() {
    let desk = Desk::new("{jobs: 1, wait: 1s}");
    desk.work(HELD);
    let child = desk.start(&script(1));
    until("the job", || !desk.log().is_empty());
    let bundle =
        "SELECT token || ' ' || remote_dir || ' ' || job_id FROM bundles WHERE state = 'run'";
    until("its batch job is known", || !desk.ask(bundle).is_empty());
    let known = desk.ask(bundle).concat();
    let [token, dir, first] = known.split(' ').collect::<Vec<_>>().try_into().unwrap();
    // As if the answer of the first submission had come too late.
    let spool = desk.path().join("scratch/.outrigger-local");
    let output = format!("{dir}/second.out");
    let second = Command::new(env!("CARGO_BIN_EXE_outrigger"))
        .args(["local", "submit", "--spool"])
        .arg(&spool)
        .args(["--name", token, "--walltime", "60", "--jobs", "2"])
        .args(["--output", &output, &format!("{dir}/job.sh")])
        .output()
        .unwrap();
    assert!(second.status.success(), "{second:?}");
    let jobs = || {
        fs::read_dir(spool.join("jobs"))
            .unwrap()
            .map(|job| job.unwrap().path())
    };
    let second = jobs().find(|job| !job.ends_with(first)).unwrap();
    until("the second one has given way", || {
        second.join("ended.json").exists()
    });
    let db = rusqlite::Connection::open(desk.path().join("state.db")).unwrap();
    let second = second.file_name().unwrap().to_str().unwrap();
    db.execute("UPDATE bundles SET job_id = ?", [second])
        .unwrap();
    drop(db);
    let moved =
        "SELECT before || ' ' || after FROM events WHERE subject = 'bundle' AND before <> ''";
    until("what became of the second one is seen", || {
        desk.ask(moved).len() == 2
    });
    assert_eq!(desk.ask(moved), ["submitting run", "run run"]);
    desk.let_go();
    let said = ended(child);
    assert!(said.contains("good 1 done"), "{said}");
    assert_eq!(desk.log(), ["begin-1", "end-1"], "{said}");
    assert_eq!(desk.bundles(), ["1 jobs"], "{said}");
}

#[test]
fn what_a_controller_that_goes_leaves_in_the_queue_can_never_begin() {
    let desk = Desk::new("{jobs: 1, wait: 1s}");
    desk.work(HELD);
    // One batch job fills the site, so that the second one waits.
    let config = fs::read_to_string(desk.path().join("outrigger.yaml")).unwrap();
    let narrow = config.replace("cores: 2", "cores: 1");
    fs::write(desk.path().join("outrigger.yaml"), narrow).unwrap();
    let leaving = script(2).replace("persist on\n", "");
    let leaving = leaving.replace("grep -q begin scratch/log", "test -e leave");
    let child = desk.start(&leaving.replace("    echo running", "    exit"));
    let submitted = "SELECT remote_dir FROM bundles WHERE state = 'run'";
    until("both bundles are submitted", || {
        desk.ask(submitted).len() == 2
    });
    until("a job", || !desk.log().is_empty());
    let dirs = desk.ask(submitted);
    fs::write(desk.path().join("leave"), "").unwrap();
    let said = ended(child);
    assert_eq!(desk.ask("SELECT token FROM bundles"), [""; 0], "{said}");
    let claim = |dir: &String| {
        let token = dir.rsplit_once("bundle.").unwrap().1;
        let by = Path::new(dir).join(format!("{token}.claim/job_id"));
        fs::read_to_string(by).unwrap_or_default()
    };
    let closed = dirs.iter().filter(|dir| claim(dir) == "closed\n");
    assert_eq!(closed.count(), 1, "{dirs:?}");
}

#[test]
fn a_job_that_is_killed_is_ended_at_the_site() {
    let desk = Desk::new("{jobs: 1, wait: 1s}");
    desk.work("echo $$ >pid; echo begin >>log; exec sleep 600");
    // The job at the site comes first, and so is job 1.
    let killing = script(1).replacen("    echo running", "    kill 1", 1);
    let killing = killing.replacen("-exec 0.05", "-exec 1", 1);
    let mut child = desk.start(&killing);
    let log = desk.path().join("scratch/log");
    until("the job", || log.exists());
    let pid = fs::read_to_string(desk.path().join("scratch/pid")).unwrap();
    let process = Path::new("/proc").join(pid.trim());
    until("its end", || !process.exists());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_site_that_is_not_there_is_a_host_that_is_down_with_its_reason() {
    let desk = Desk::new("{jobs: 1}");
    let script = r"
controller host add site:there -count 1
$k = 0
task look
  periods -exec 0.1
  task.exec
    controller check host site:there
    $k ++
    if ($k == 30) exit
    command true
  end
end
run
";
    let said = desk.play(script);
    let reason = "site:there is DOWN (there is no site `there`";
    assert!(said.contains(reason), "{said}");
}
