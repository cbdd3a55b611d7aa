//! Runs that are submitted to begin after the batch jobs that make what they read, end to end
//! through the program on the embedded scheduler.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed test says where"
)]

mod asked;
mod chained;
mod fifo;
mod until;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use chained::{STAGE_A, STAGE_B};
use fifo::fifo;
use until::until;

struct Work {
    dir: tempfile::TempDir,
}

impl Work {
    /// A workplace with one thing, whose stage `a` waits at the gate.
    fn new() -> Self {
        let work = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let config = format!(
            "sites:\n  here:\n    scratch: {}\n    nodes: {{cores: 2, max: 2}}\n    walltime: {{min: 1m, max: 1h}}\n    chain: true\n    retries: 0\n",
            work.path("scratch").display()
        );
        work.write("outrigger.yaml", &config);
        work.write("things.csv", "stage_id\n1\n");
        let gate = work.path("gate");
        fifo(&gate);
        work.stage_a(&format!("read -r go < {} &&", gate.display()));
        work.write("stages/b.yaml", STAGE_B);
        outrigger::state::Store::create(&work.path("state.db")).unwrap();
        work
    }

    fn stage_a(&self, wait: &str) {
        self.write("stages/a.yaml", &STAGE_A.replace("WAIT", wait));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        fs::write(path, text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_outrigger"))
            .current_dir(self.dir.path())
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        text(&output)
    }

    /// Defines and prepares the run of a stage.
    fn prepare(&self, stage: &str) {
        self.run(&["remote", "define", stage, "--label", "t"]);
        self.run(&["remote", "prepare"]);
    }

    fn ask(&self, sql: &str) -> Vec<String> {
        asked::ask(self.dir.path(), sql)
    }

    fn states(&self) -> Vec<String> {
        self.ask("SELECT run_id || ' ' || state FROM runs ORDER BY run_id")
    }

    /// Both runs are submitted, the second one to begin after the first one.
    fn both_submitted(&self) {
        self.prepare("a");
        self.prepare("b");
        let early = self.run(&["remote", "exec", "2"]);
        assert!(
            early.contains("waits for run 1, which is to make"),
            "{early}"
        );
        let said = self.run(&["remote", "exec"]);
        assert_eq!(self.states(), ["1 run", "2 run"], "{said}");
        let awaited = self.ask(
            "SELECT 'run ' || a.run_id || ' after ' || by_run FROM awaited a
             JOIN runs r ON r.run_id = by_run AND r.job_id = a.job_id",
        );
        assert_eq!(awaited, ["run 2 after 1"]);
        let told = self.ask(
            "SELECT why FROM events WHERE subject = 'run' AND subject_id = 2 AND after = 'submitting'",
        );
        assert!(told.concat().ends_with("it begins after run 1"), "{told:?}");
    }
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    format!("{} {}", output.status, String::from_utf8_lossy(&both))
}

#[test]
fn what_a_queued_run_will_make_is_not_missing_and_is_waited_for() {
    let work = Work::new();
    work.both_submitted();
    // There is room for both, and only the first one waits at the gate.
    work.run(&["remote", "poll"]);
    assert_eq!(work.states(), ["1 run", "2 run"]);
    assert!(!work.path("scratch/sums/1").exists());
    fs::write(work.path("gate"), "go\n").unwrap();
    until("both runs are over", || {
        work.run(&["remote", "poll"]);
        work.states() == ["1 full", "2 full"]
    });
    let made = fs::read_to_string(work.path("products/1")).unwrap();
    assert_eq!(made, "made\n");
}

#[test]
fn what_has_passed_is_harvested_by_command_and_is_no_promise_any_more() {
    let work = Work::new();
    work.write("things.csv", "stage_id\n1\n2\n");
    let gate = work.path("gate");
    let wait = format!(
        "case {{{{ stage_id }}}} in 2) read -r go < {};; esac &&",
        gate.display()
    );
    work.stage_a(&wait);
    work.prepare("a");
    work.run(&["remote", "exec"]);
    let passed = "SELECT stage_id || ' ' || state FROM components WHERE state = 'passed'";
    until("1 has passed", || {
        work.run(&["remote", "poll"]);
        assert_eq!(
            work.ask(passed),
            [""; 0],
            "nobody said that it is harvested"
        );
        let said = work.run(&["remote", "poll", "--harvest", "1"]);
        said.contains("1 jobs are home while it runs")
    });
    assert_eq!(work.ask(passed), ["1 passed"]);
    assert_eq!(work.states(), ["1 run"]);
    work.run(&["remote", "poll", "--harvest"]);
    let harvests = "SELECT why FROM events WHERE before = 'run' AND after = 'run'";
    assert_eq!(work.ask(harvests).len(), 1, "it is taken once");

    // What reads it begins, and is over, while the first batch job still runs.
    work.run(&["remote", "define", "b", "--label", "t", "--limit", "1"]);
    work.run(&["remote", "prepare"]);
    let said = work.run(&["remote", "exec"]);
    assert_eq!(
        work.ask("SELECT token FROM awaited JOIN runs USING (run_id)"),
        [""; 0],
        "{said}"
    );
    until("the second run is over", || {
        work.run(&["remote", "poll"]);
        work.states() == ["1 run", "2 full"]
    });
    fs::write(gate, "go\n").unwrap();
    until("the first run is over", || {
        work.run(&["remote", "poll"]);
        work.states() == ["1 full", "2 full"]
    });
    assert_eq!(
        work.ask("SELECT passed || ' of ' || jobs FROM runs WHERE run_id = 1"),
        ["2 of 2"]
    );
    let store = outrigger::state::Store::open(&work.path("state.db")).unwrap();
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn a_run_whose_input_is_never_made_goes_back_untried_and_is_bundled_again() {
    let work = Work::new();
    work.both_submitted();
    let cancelled = work.run(&["remote", "cancel", "1"]);
    until("the second run is given back", || {
        work.run(&["remote", "poll"]);
        work.states() == ["1 cancelled", "2 cancelled"]
    });
    let tried = "SELECT state || ' ' || attempt FROM components WHERE stage = 'b' ORDER BY run_id";
    assert_eq!(work.ask(tried), ["retry 0"], "{cancelled}");
    work.stage_a("");
    let driven = work.run(&["remote", "run", "--label", "t"]);
    assert_eq!(
        work.states(),
        ["1 cancelled", "2 cancelled", "3 full", "4 full"],
        "{driven}"
    );
    assert_eq!(work.ask(tried), ["retry 0", "passed 1"]);
    let store = outrigger::state::Store::open(&work.path("state.db")).unwrap();
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn a_run_that_waits_for_what_another_made_holds_no_room_on_scratch() {
    let work = Work::new();
    work.stage_a("");
    let config = fs::read_to_string(work.path("outrigger.yaml")).unwrap();
    work.write(
        "outrigger.yaml",
        &format!("{config}    scratch_budget: 1 GB\n"),
    );
    work.prepare("a");
    work.prepare("b");
    work.run(&["remote", "exec", "1"]);
    // Before that, the second one would be submitted to begin after it.
    until("its batch job is over", || {
        let jobs = fs::read_dir(work.path("scratch/.outrigger-local/jobs")).unwrap();
        let mut jobs = jobs.map(|job| job.unwrap().path());
        jobs.any(|job| job.join("ended.json").exists())
    });
    let said = work.run(&["remote", "exec", "2"]);
    assert!(
        said.contains("whose batch job is over, to be brought home"),
        "{said}"
    );
    assert_eq!(work.states(), ["1 run", "2 staging"]);
    let none: [&str; 0] = [];
    assert_eq!(
        work.ask("SELECT 'run ' || run_id FROM scratch_claims"),
        none
    );
    let rows = "SELECT kind || ' of run ' || run_id FROM staged WHERE run_id = 2";
    assert_eq!(work.ask(rows), ["directory of run 2"]);
}
