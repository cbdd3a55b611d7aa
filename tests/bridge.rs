//! The bridge on the embedded scheduler, end to end through the program: what goes right, and
//! each kind of bad input.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a failed test says where"
)]

mod asked;
#[path = "bridge/drivers.rs"]
mod drivers;
mod fifo;
#[path = "bridge/harvest.rs"]
mod harvest;
mod until;
#[path = "bridge/wrong.rs"]
mod wrong;

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use fifo::fifo;
use rstest::rstest;
use serde_json::Value;
use until::until;

/// A workplace with one local site and the recipes of a test.
struct Work {
    dir: tempfile::TempDir,
}

/// Stage `a`: components from a CSV, two jobs each, a product, a record, and stage `b` next.
const STAGE_A: &str = r#"
stage: a
components: {file: ../things.csv}
jobs: {for_each: part, from: {file: ../parts.csv}, by: stage_id, key: "{{ part.name }}"}
vars: {out: "work/{{ stage_id }}.{{ part.name }}"}
inputs: [{local: "raw/{{ part.file }}", remote: "raw/{{ part.file }}"}]
pre: [[mkdir, -p, work]]
command: {sh: "COMMAND"}
outputs: [{remote: "{{ out }}.out", local: "products/{{ stage_id }}.{{ part.name }}.out"}]
dbinfo:
  table: measured
  key: [thing, part]
  columns: {thing: integer, part: text, bytes: integer}
  values: {thing: "{{ stage_id }}", part: "{{ part.name }}"}
  from: "{{ out }}.stats"
  format: lines
cost: {threads: 1, seconds: 1}
next: b
"#;

/// What stage `a` does if nothing is wrong.
const GOOD: &str = "cat {{ input(0) }} > {{ out }}.out && printf 'bytes %s\\n' $(wc -c < {{ out }}.out) > {{ out }}.stats";

const STAGE_B: &str = r#"
stage: b
components:
  sql: >-
    SELECT q.stage_id, sum(m.bytes) AS total FROM queue q JOIN measured m ON m.thing = q.stage_id
    WHERE q.stage = 'b' AND q.label = :label GROUP BY q.stage_id
command: {sh: "mkdir -p sums && echo {{ total }} > sums/{{ stage_id }}"}
outputs: [{remote: "sums/{{ stage_id }}", local: "products/sum.{{ stage_id }}"}]
cost: {seconds: 1}
"#;

impl Work {
    fn new(command: &str) -> Self {
        let work = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        work.write(
            "outrigger.yaml",
            &format!(
                "sites:\n  here:\n    scheduler: local\n    scratch: {}\n    nodes: {{cores: 4}}\n    walltime: {{min: 1m, max: 1h}}\n    retries: 1\n",
                work.path().join("scratch").display()
            ),
        );
        work.write("stages/a.yaml", &STAGE_A.replace("COMMAND", command));
        work.write("stages/b.yaml", STAGE_B);
        work.write("things.csv", "stage_id\n1\n2\n3\n");
        let mut parts = String::from("stage_id,name,file\n");
        for thing in 1..=3 {
            for part in ["x", "y"] {
                writeln!(parts, "{thing},{part},{thing}{part}").unwrap();
                work.write(&format!("raw/{thing}{part}"), &format!("{thing} {part}\n"));
            }
        }
        work.write("parts.csv", &parts);
        outrigger::state::Store::create(&work.path().join("state.db")).unwrap();
        work
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn replace(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path().join(name)).unwrap();
        assert!(text.contains(from), "{name} has no {from}");
        self.write(name, &text.replace(from, to));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outrigger"));
        command
            .current_dir(self.path())
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn drive(&self) -> Output {
        self.run(&["remote", "run", "--label", "t"])
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", text(&output)))
    }

    /// Texts that a query gives.
    fn ask(&self, sql: &str) -> Vec<String> {
        asked::ask(self.path(), sql)
    }

    fn product(&self, name: &str) -> String {
        fs::read_to_string(self.path().join("products").join(name)).unwrap()
    }

    /// Why the jobs of stage `a` failed, and their keys.
    fn failures(&self) -> Vec<String> {
        self.ask(
            "SELECT c.stage_id || j.key || ': ' || j.reason FROM jobs j JOIN components c USING (component_id)
             WHERE j.state IN ('failed', 'lost') ORDER BY j.run_id, j.seq",
        )
    }

    fn sound(&self) {
        let store = outrigger::state::Store::open(&self.path().join("state.db")).unwrap();
        assert_eq!(store.check().unwrap(), []);
    }

    /// The whole of state.db that must not change by doing nothing.
    fn snapshot(&self) -> Vec<String> {
        self.ask(
            "SELECT 'run ' || run_id || state || job_id || passed || failed FROM runs
             UNION ALL SELECT 'component ' || component_id || state FROM components
             UNION ALL SELECT 'job ' || run_id || '.' || seq || state FROM jobs
             UNION ALL SELECT 'file ' || CAST(path AS TEXT) || hash FROM files
             UNION ALL SELECT 'event ' || count(*) FROM events",
        )
    }
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    format!("{} {}", output.status, String::from_utf8_lossy(&both))
}

/// The name under which a process of this host holds claims.
fn owner_of(pid: u32) -> String {
    let node = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let start = after_name.split_whitespace().nth(19).unwrap();
    let boot = boot.split('-').next().unwrap();
    format!("{}:{boot}/{pid}/{start}", node.trim())
}

#[test]
fn two_stages_run_to_products_and_records() {
    let work = Work::new(GOOD);
    let output = work.drive();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(work.product("2.y.out"), "2 y\n");
    assert_eq!(work.product("sum.3"), "8\n");
    let measured = work.ask("SELECT thing || part || bytes FROM measured ORDER BY thing, part");
    assert_eq!(measured, ["1x4", "1y4", "2x4", "2y4", "3x4", "3y4"]);
    assert_eq!(work.ask("SELECT count(*) || '' FROM files"), ["9"]);
    work.sound();
    let status = work.json(&["status", "--json"]);
    assert_eq!(status["schema"], 1);
    assert_eq!(status["stages"][0]["passed"], 3);
    assert_eq!(status["stages"][1]["products"], 3);
}

#[test]
fn doing_it_again_changes_nothing() {
    let work = Work::new(GOOD);
    work.drive();
    let before = work.snapshot();
    assert_eq!(work.drive().status.code(), Some(0));
    assert_eq!(work.run(&["remote", "poll"]).status.code(), Some(4));
    assert_eq!(work.snapshot(), before);
}

#[test]
fn the_steps_go_one_by_one_too() {
    let work = Work::new(GOOD);
    let pretended = work.json(&[
        "remote",
        "define",
        "a",
        "--label",
        "t",
        "--pretend",
        "--json",
    ]);
    assert_eq!(
        pretended["defined"]["stage_ids"],
        serde_json::json!([1, 2, 3])
    );
    assert_eq!(work.ask("SELECT count(*) || '' FROM runs"), ["0"]);
    assert_eq!(
        work.run(&["remote", "define", "a", "--label", "t"])
            .status
            .code(),
        Some(0)
    );
    assert_eq!(
        work.run(&["remote", "define", "a", "--label", "t"])
            .status
            .code(),
        Some(4)
    );

    let rehearsal = work.run(&["remote", "prepare", "--dry-run"]);
    assert!(rehearsal.status.success(), "{}", text(&rehearsal));
    assert!(text(&rehearsal).contains("6 jobs"), "{}", text(&rehearsal));
    assert!(
        !work.path().join("runs").exists(),
        "a dry run writes nothing"
    );

    assert!(work.run(&["remote", "prepare"]).status.success());
    assert_eq!(work.ask("SELECT state FROM runs"), ["pending"]);
    let dry = work.run(&["remote", "exec", "--dry-run"]);
    assert!(
        text(&dry).contains("6 inputs") && text(&dry).contains("1 nodes"),
        "{}",
        text(&dry)
    );
    assert_eq!(work.ask("SELECT state FROM runs"), ["pending"]);
    let exec = work.run(&["remote", "exec"]);
    assert_eq!(exec.status.code(), Some(4), "{}", text(&exec));
    until("the batch job is over", || {
        work.run(&["remote", "poll"]);
        work.ask("SELECT state FROM runs") == ["full"]
    });
    work.sound();
}

#[test]
fn components_are_prepared_one_by_one_and_merged_to_the_same_run() {
    let work = Work::new(GOOD);
    work.run(&["remote", "define", "a", "--label", "t"]);
    let early = work.run(&["remote", "prepare", "1", "--merge"]);
    assert!(
        !early.status.success(),
        "no component is there yet: {}",
        text(&early)
    );
    assert_eq!(work.ask("SELECT state FROM runs"), ["new"]);
    for component in ["3", "1", "2"] {
        let wrote = work.run(&["remote", "prepare", "1", "--component", component]);
        assert!(wrote.status.success(), "{}", text(&wrote));
    }
    let merged = work.run(&["remote", "prepare", "1", "--merge"]);
    assert!(merged.status.success(), "{}", text(&merged));
    assert_eq!(work.drive().status.code(), Some(0));
    assert_eq!(work.product("2.y.out"), "2 y\n");
    work.sound();
}

#[test]
fn a_failed_job_is_retried_alone_and_its_neighbours_are_imported() {
    let work = Work::new(&format!(
        "case {{{{ out }}}} in *1.y) echo no flat field >&2; exit 3;; esac; {GOOD}"
    ));
    let output = work.drive();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let why = "1y: exited with 3: no flat field";
    assert_eq!(
        work.failures(),
        [why, why],
        "once, and once more as a retry"
    );
    assert_eq!(
        work.ask("SELECT jobs || '' FROM runs WHERE stage = 'a' ORDER BY run_id"),
        ["6", "1"]
    );
    assert_eq!(work.ask("SELECT count(*) || '' FROM measured"), ["5"]);
    assert_eq!(
        work.ask("SELECT group_concat(stage_id) FROM queue"),
        ["2,3"]
    );
    work.sound();

    work.replace("stages/a.yaml", "exit 3", ":");
    let freed = work.run(&["remote", "revert", "--all-components", "--label", "t"]);
    assert!(freed.status.success(), "{}", text(&freed));
    assert_eq!(work.drive().status.code(), Some(0));
    assert_eq!(work.product("sum.1"), "8\n");
    work.sound();
}

/// The first job waits for the last one, which is two configs further on: with one step after the
/// other neither would ever end but by its limit.
#[test]
fn a_slow_job_does_not_hold_those_of_later_steps() {
    let work = Work::new("COMMAND");
    let gate = work.path().join("gate");
    fifo(&gate);
    let wait = format!(
        "case {{{{ out }}}} in *1.x) read -r go <{gate};; *3.y) echo go >{gate};; esac; {GOOD}",
        gate = gate.display()
    );
    work.replace("stages/a.yaml", "COMMAND", &wait);
    work.replace("stages/a.yaml", "seconds: 1}", "seconds: 1, limit: 60s}");
    work.replace(
        "outrigger.yaml",
        "retries: 1",
        "retries: 0\n    chunk: {lanes: 2}",
    );
    let output = work.drive();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let chunks = work.path().join("runs/t/remote_a.1");
    let chunks = fs::read_dir(chunks)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let chunks = chunks.filter(|name| name.to_string_lossy().starts_with("chunk."));
    assert_eq!(chunks.count(), 3);
    work.sound();
}

#[test]
fn a_job_killed_at_walltime_is_lost_and_the_finished_ones_are_not() {
    let work = Work::new(&format!(
        "case {{{{ out }}}} in *3.*) sleep 600;; *) {GOOD};; esac"
    ));
    work.replace(
        "outrigger.yaml",
        "walltime: {min: 1m, max: 1h}",
        "walltime: {min: 3s, max: 3s}",
    );
    work.replace(
        "outrigger.yaml",
        "retries: 1",
        "retries: 0\n    fill_factor: 1.0",
    );
    let output = work.drive();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let failures = work.failures();
    assert!(
        !failures.is_empty() && failures.iter().all(|f| f.starts_with('3')),
        "{failures:?}"
    );
    assert_eq!(work.ask("SELECT count(*) || '' FROM measured"), ["4"]);
    work.sound();
}

#[test]
fn hold_release_cancel_and_clean_do_what_they_say() {
    let work = Work::new(GOOD);
    work.run(&["remote", "define", "a", "--label", "t"]);
    assert!(
        work.run(&["remote", "hold", "1", "--why", "clouds"])
            .status
            .success()
    );
    assert_eq!(
        work.ask("SELECT state || reason FROM runs"),
        ["hold:newclouds"]
    );
    assert_eq!(work.run(&["remote", "prepare", "1"]).status.code(), Some(1));
    assert!(work.run(&["remote", "release", "1"]).status.success());
    assert!(work.run(&["remote", "cancel", "1"]).status.success());
    assert_eq!(work.ask("SELECT DISTINCT state FROM components"), ["retry"]);
    assert_eq!(work.drive().status.code(), Some(0));
    let cleaned = work.run(&["remote", "clean", "2"]);
    assert!(cleaned.status.success(), "{}", text(&cleaned));
    assert!(
        walk(&work.path().join("scratch/outrigger"))
            .iter()
            .all(|p| !p.to_str().unwrap().contains("/a.2"))
    );
    let again = work.run(&["remote", "clean", "2"]);
    assert_eq!(again.status.code(), Some(1));
    work.sound();
}

#[test]
fn a_site_is_reached_from_any_directory() {
    let work = Work::new(GOOD);
    let elsewhere = tempfile::tempdir().unwrap();
    let output = work
        .command(&["remote", "run", "--label", "t", "--config"])
        .arg(work.path())
        .current_dir(elsewhere.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(work.product("sum.3"), "8\n");
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path);
        }
    }
    found
}
