//! What is on a site's scratch, end to end through the program on the embedded scheduler.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test says where"
)]

mod asked;
#[expect(dead_code, reason = "not every test uses every part")]
mod sshd;

use std::{
    fmt::Write,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, SystemTime},
};

use serde_json::Value;
use sshd::Sshd;

/// Each component has a raw file of its own, and all share a flat. Each leaves a product that comes
/// home and a file that stays.
const STAGE_A: &str = r#"
stage: a
components: {file: ../things.csv}
inputs:
  - {local: "raw/{{ stage_id }}", remote: "raw/{{ stage_id }}"}
  - {local: detrend/flat, remote: detrend/flat}
command:
  sh: >-
    mkdir -p work kept && cat {{ input(1) }} {{ input(0) }} > work/{{ stage_id }} &&
    echo x > kept/{{ stage_id }}
outputs:
  - {remote: "work/{{ stage_id }}", local: "products/{{ stage_id }}"}
  - {remote: "kept/{{ stage_id }}"}
cost: {seconds: 1}
"#;

/// Reads on the site what stage `a` left there.
const STAGE_B: &str = r#"
stage: b
components: {file: ../sums.csv}
inputs: [{remote: "work/{{ stage_id }}"}]
command: {sh: "mkdir -p sums && wc -c < {{ input(0) }} > sums/{{ stage_id }}"}
outputs: [{remote: "sums/{{ stage_id }}", local: "products/sum.{{ stage_id }}"}]
cost: {seconds: 1}
"#;

/// Bytes of a raw file; a product has four more.
const RAW: usize = 100_000;

struct Work {
    dir: tempfile::TempDir,
}

impl Work {
    /// A workplace whose site has these `keys` besides.
    fn new(keys: &str) -> Self {
        let work = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let scratch = work.path("scratch");
        let config = format!(
            "sites:\n  here:\n    scratch: {}\n    nodes: {{cores: 4}}\n    walltime: {{min: 1m, max: 1h}}\n    retries: 0\n{keys}",
            scratch.display()
        );
        work.write("outrigger.yaml", &config);
        work.write("stages/a.yaml", STAGE_A);
        work.write("stages/b.yaml", STAGE_B);
        work.write("sums.csv", "stage_id\n");
        work.write("detrend/flat", "flat");
        outrigger::state::Store::create(&work.path("state.db")).unwrap();
        work
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// There are things 1 to `last` from now on.
    fn things(&self, last: usize) {
        let mut list = String::from("stage_id\n");
        for thing in 1..=last {
            writeln!(list, "{thing}").unwrap();
            self.write(&format!("raw/{thing}"), &thing.to_string().repeat(RAW));
        }
        self.write("things.csv", &list);
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_outrigger"))
            .current_dir(self.dir.path())
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Runs all that is new to its end, a run for each thing.
    fn drive(&self) -> Output {
        self.run(&["remote", "run", "--label", "t", "--limit", "1"])
    }

    /// Runs thing `last` after those before it.
    fn drive_to(&self, last: usize) -> Output {
        self.things(last);
        self.drive()
    }

    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        text(&output)
    }

    /// Texts that a query gives.
    fn ask(&self, sql: &str) -> Vec<String> {
        asked::ask(self.dir.path(), sql)
    }

    /// What stage-in told of a run.
    fn staged(&self, run: i64) -> String {
        let sql = format!(
            "SELECT why FROM events WHERE subject = 'run' AND subject_id = {run} AND after = 'submitting'"
        );
        self.ask(&sql).concat()
    }

    fn states(&self) -> Vec<String> {
        self.ask("SELECT run_id || ' ' || state FROM runs ORDER BY run_id")
    }

    /// Whether a file is on scratch.
    fn has(&self, name: &str) -> bool {
        self.path("scratch").join(name).exists()
    }

    fn directories(&self) -> usize {
        let own = self.path("scratch/outrigger");
        let entries = fs::read_dir(own).unwrap().map(Result::unwrap);
        entries
            .filter(|entry| entry.file_name().to_string_lossy().contains('.'))
            .count()
    }

    fn report(&self) -> Value {
        let output = self.run(&["remote", "scratch", "here", "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["scratch"][0].clone()
    }
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    format!("{} {}", output.status, String::from_utf8_lossy(&both))
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

#[test]
fn a_shared_input_goes_once_and_a_purged_one_is_found_and_sent_again_before_the_submission() {
    let work = Work::new("");
    work.drive_to(1);
    assert_eq!(work.staged(1), "2 of 2 inputs sent, the others were there");
    work.drive_to(2);
    assert_eq!(work.staged(2), "1 of 2 inputs sent, the others were there");
    fs::remove_file(work.path("scratch/detrend/flat")).unwrap();
    work.drive_to(3);
    assert_eq!(work.staged(3), "2 of 2 inputs sent, the others were there");
    assert_eq!(work.states(), ["1 full", "2 full", "3 full"]);
    assert_eq!(
        fs::metadata(work.path("products/3")).unwrap().len(),
        100_004
    );
}

#[test]
fn an_input_that_somebody_wrote_to_on_either_side_is_sent_again() {
    let work = Work::new("");
    work.drive_to(1);
    fs::write(work.path("scratch/detrend/flat"), "FLAT").unwrap();
    work.drive_to(2);
    assert_eq!(work.staged(2), "2 of 2 inputs sent, the others were there");
    work.write("detrend/flat", "new!");
    work.drive_to(3);
    assert_eq!(work.staged(3), "2 of 2 inputs sent, the others were there");
    let begin = |thing: usize| {
        let product = fs::read_to_string(work.path("products").join(thing.to_string())).unwrap();
        product.chars().take(4).collect::<String>()
    };
    assert_eq!((begin(2), begin(3)), ("flat".to_owned(), "new!".to_owned()));
}

#[test]
fn an_old_input_is_touched_before_a_job_needs_it_and_a_young_one_is_not() {
    let work = Work::new("    purge_age: 14d\n");
    work.drive_to(1);
    let flat = work.path("scratch/detrend/flat");
    let sent = modified(&flat);
    work.drive_to(2);
    assert_eq!(modified(&flat), sent);
    work.ask("UPDATE staged SET touched_at = touched_at - 4 * 86400000 RETURNING kind");
    work.drive_to(3);
    assert!(modified(&flat) > sent);
    assert_eq!(work.staged(3), "1 of 2 inputs sent, the others were there");
    let report = work.report();
    assert_eq!(report["purge_age"], 14 * 86400);
    assert_eq!(report["heaps"][0]["kind"], "input");
}

#[test]
fn a_file_that_was_there_before_us_counts_as_old() {
    let work = Work::new("    purge_age: 14d\n");
    work.write("scratch/detrend/flat", "flat");
    let flat = fs::File::open(work.path("scratch/detrend/flat")).unwrap();
    flat.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    work.drive_to(1);
    assert_eq!(work.staged(1), "1 of 2 inputs sent, the others were there");
    let age = modified(&work.path("scratch/detrend/flat"))
        .elapsed()
        .unwrap();
    assert!(age < Duration::from_mins(10), "{age:?}");
}

#[test]
fn a_run_over_the_budget_is_refused_before_anything_is_sent_and_goes_on_after_a_clean() {
    let work = Work::new("    scratch_budget: 500 kB\n");
    work.drive_to(2);
    let refused = work.drive_to(3);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert_eq!(work.states(), ["1 full", "2 full", "3 error:exec"]);
    assert!(!work.has("raw/3"));
    assert!(work.has("raw/1") && work.has("raw/2"), "nothing is removed");
    let why = work
        .ask("SELECT reason FROM runs WHERE run_id = 3")
        .concat();
    assert!(why.contains("`scratch_budget` of 500 kB"), "{why}");
    assert!(why.contains("`outrigger remote clean 1` frees"), "{why}");
    let candidates = work.report()["candidates"].clone();
    assert_eq!(candidates[0]["run_id"], 1);
    assert_eq!(candidates[1]["run_id"], 2);

    let said = work.done(&["remote", "clean", "1"]);
    assert!(said.contains("and 2 files"), "{said}");
    assert!(!work.has("raw/1") && !work.has("work/1") && work.has("kept/1"));
    assert!(work.has("detrend/flat"), "run 3 needs it");
    work.done(&["remote", "revert", "3"]);
    let again = work.drive();
    assert!(again.status.success(), "{}", text(&again));
    assert_eq!(work.states(), ["1 cleaned", "2 full", "3 full"]);
}

#[test]
fn the_run_that_finished_first_is_cleaned_first_and_no_more_than_needed() {
    let work = Work::new("    scratch_budget: 500 kB\n    scratch_clean: oldest-finished\n");
    work.things(2);
    for _ in 0..2 {
        work.done(&["remote", "define", "a", "--label", "t", "--limit", "1"]);
    }
    work.done(&["remote", "hold", "1"]);
    work.drive();
    assert_eq!(work.states(), ["1 hold:new", "2 full"]);
    work.done(&["remote", "release", "1"]);
    work.drive();
    assert_eq!(work.states(), ["1 full", "2 full"]);
    assert_eq!(work.directories(), 2);

    let third = work.drive_to(3);
    assert!(third.status.success(), "{}", text(&third));
    assert_eq!(work.states(), ["1 full", "2 cleaned", "3 full"]);
    assert!(
        work.staged(3).contains("run 2 cleaned for"),
        "{}",
        work.staged(3)
    );
    assert!(!work.has("raw/2") && !work.has("work/2") && work.has("kept/2"));
    assert!(work.has("raw/1") && work.has("work/1") && work.has("detrend/flat"));
    assert!(work.path("products/2").exists());
    assert_eq!(work.directories(), 2);
    let store = outrigger::state::Store::open(&work.path("state.db")).unwrap();
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn where_runs_are_cleaned_by_rule_one_that_does_not_fit_yet_waits_for_those_under_way() {
    let work = Work::new("    scratch_budget: 300 kB\n    scratch_clean: oldest-finished\n");
    work.things(3);
    for _ in 0..3 {
        work.done(&["remote", "define", "a", "--label", "t", "--limit", "1"]);
    }
    let all = work.drive();
    assert!(all.status.success(), "{}", text(&all));
    assert!(text(&all).contains("waits for room"), "{}", text(&all));
    assert_eq!(
        work.ask("SELECT state FROM runs WHERE run_id = 3"),
        ["full"]
    );
    assert_eq!(
        work.ask("SELECT state FROM runs WHERE run_id = 1"),
        ["cleaned"]
    );
    assert!(work.staged(3).contains("cleaned for"), "{}", work.staged(3));
    for thing in ["products/1", "products/2", "products/3"] {
        assert!(work.path(thing).exists(), "{thing}");
    }
}

#[test]
fn two_drivers_who_send_at_once_stay_within_the_budget_together() {
    let work = Work::new("    scratch_budget: 150 kB\n    scratch_clean: oldest-finished\n");
    work.things(2);
    for _ in 0..2 {
        work.done(&["remote", "define", "a", "--label", "t", "--limit", "1"]);
    }
    work.done(&["remote", "prepare"]);
    // While the first one has its file half there, the second one begins.
    let second = format!(
        "#!/bin/sh\nunset OUTRIGGER_STEPS\n{} remote exec 2 >second 2>&1 </dev/null\n",
        env!("CARGO_BIN_EXE_outrigger")
    );
    work.write("begin", &second);
    fs::set_permissions(work.path("begin"), fs::Permissions::from_mode(0o755)).unwrap();
    let first = Command::new(env!("CARGO_BIN_EXE_outrigger"))
        .current_dir(work.dir.path())
        .args(["remote", "exec", "1"])
        .env("OUTRIGGER_STEPS", work.path("steps"))
        .env("OUTRIGGER_CRASH_AT", "remote exec: rename N#1")
        .env("OUTRIGGER_CRASH_BY", work.path("begin"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let second = fs::read_to_string(work.path("second")).unwrap();
    assert!(second.contains("waits for room"), "{second}");
    assert_eq!(work.states(), ["1 run", "2 staging"], "{}", text(&first));
    assert!(!work.has("raw/2"));

    let driven = work.drive();
    assert!(driven.status.success(), "{}", text(&driven));
    assert_eq!(work.states(), ["1 cleaned", "2 full"]);
}

#[test]
fn what_a_run_that_is_held_had_sent_counts_though_its_stage_in_was_cut() {
    let work = Work::new("    scratch_budget: 150 kB\n");
    work.things(2);
    for _ in 0..2 {
        work.done(&["remote", "define", "a", "--label", "t", "--limit", "1"]);
    }
    work.done(&["remote", "prepare"]);
    let killed = Command::new(env!("CARGO_BIN_EXE_outrigger"))
        .current_dir(work.dir.path())
        .args(["remote", "exec", "1"])
        .env("OUTRIGGER_STEPS", work.path("steps"))
        .env("OUTRIGGER_CRASH_AT", "remote exec: rename job.sh#1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(killed.status.code(), None, "{}", text(&killed));
    assert!(work.has("raw/1"));
    work.ask("DELETE FROM staged RETURNING 'as if it had died before that'");
    work.done(&["remote", "hold", "1"]);
    let second = work.run(&["remote", "exec", "2"]);
    assert_eq!(
        work.states(),
        ["1 hold:staging", "2 error:exec"],
        "{}",
        text(&second)
    );
    assert!(!work.has("raw/2"));

    // What never arrived counts no longer once the site has been asked.
    fs::remove_file(work.path("scratch/raw/1")).unwrap();
    work.done(&["remote", "revert", "2"]);
    work.run(&["remote", "exec", "2"]);
    assert_eq!(work.states(), ["1 hold:staging", "2 run"]);
}

#[test]
fn a_product_that_is_not_at_home_is_never_cleaned() {
    let work = Work::new("    scratch_budget: 500 kB\n    scratch_clean: oldest-finished\n");
    work.drive_to(2);
    fs::remove_file(work.path("products/1")).unwrap();
    work.drive_to(3);
    assert_eq!(work.states(), ["1 cleaned", "2 full", "3 full"]);
    assert!(!work.has("raw/1") && work.has("work/1"));
}

#[test]
fn what_no_cleaning_can_make_room_for_is_refused_and_nothing_is_removed() {
    let work = Work::new("    scratch_budget: 300 kB\n    scratch_clean: oldest-finished\n");
    work.drive_to(1);
    work.things(2);
    work.write("raw/2", &"2".repeat(400_000));
    work.drive();
    assert_eq!(work.states(), ["1 full", "2 error:exec"]);
    assert!(work.has("raw/1") && work.has("work/1"));
    let why = work
        .ask("SELECT reason FROM runs WHERE run_id = 2")
        .concat();
    assert!(why.contains("which is not enough"), "{why}");
}

#[test]
fn what_the_site_has_purged_does_not_count() {
    let work = Work::new("    scratch_budget: 500 kB\n");
    work.drive_to(2);
    fs::remove_file(work.path("scratch/raw/1")).unwrap();
    fs::remove_file(work.path("scratch/work/1")).unwrap();
    let third = work.drive_to(3);
    assert!(third.status.success(), "{}", text(&third));
    assert_eq!(work.states(), ["1 full", "2 full", "3 full"]);
}

#[test]
fn a_product_that_a_later_stage_reads_on_the_site_is_sent_from_home_if_it_is_gone_there() {
    let work = Work::new("");
    work.drive_to(1);
    work.done(&["remote", "clean", "1"]);
    assert!(!work.has("work/1"));
    work.write("sums.csv", "stage_id\n1\n");
    let output = work.drive();
    assert!(output.status.success(), "{}", text(&output));
    let sum = fs::read_to_string(work.path("products/sum.1")).unwrap();
    assert_eq!(sum.trim(), "100004");
}

#[test]
fn the_scratch_is_told_for_people_too() {
    let work = Work::new("    scratch_budget: 1 MB\n    purge_age: 14d\n");
    work.drive_to(1);
    let said = work.done(&["remote", "scratch", "here", "--files"]);
    for word in [
        "of a scratch_budget of",
        "product",
        "detrend/flat",
        "runs that could be cleaned",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let report = work.report();
    assert_eq!(report["budget"], 1_000_000);
    let heaps = report["heaps"].as_array().unwrap();
    let kinds: Vec<&str> = heaps
        .iter()
        .filter_map(|heap| heap["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["input", "product", "kept", "directory"]);
    assert_eq!(heaps[0]["files"], 2);
    assert_eq!(heaps[0]["bytes"], 100_004);
}

/// Runs what a session asks for with a `sha256sum` before the others that notes what it reads.
const NOTING: &str = r#"#!/bin/sh
PATH=${0%/*}/bin:$PATH; export PATH
exec sh -c "$SSH_ORIGINAL_COMMAND"
"#;

const NOTED: &str = r#"#!/bin/sh
printf '%s\n' "$@" >>"${0%/*}/../hashed"
exec /usr/bin/sha256sum "$@"
"#;

#[test]
fn what_a_far_site_has_unchanged_is_not_read_there_again() {
    let sshd = Sshd::start("Subsystem sftp /usr/lib/openssh/sftp-server");
    let at = |name: &str| sshd.path().join(name);
    fs::create_dir(at("bin")).unwrap();
    sshd.script("noting", NOTING);
    sshd.script("bin/sha256sum", NOTED);
    let key = fs::read_to_string(at("id.pub")).unwrap();
    let forced = format!("command=\"{}\" {key}", at("noting").display());
    fs::write(at("authorized"), forced).unwrap();
    sshd.open_master();
    let work = Work::new(&format!(
        "    connection: {{host: site, socket: {}, config_file: {}}}\n    purge_age: 14d\n",
        sshd.socket().display(),
        at("ssh_config").display()
    ));
    let hashed = || {
        let noted = fs::read_to_string(at("hashed")).unwrap_or_default();
        noted.matches("detrend/flat").count()
    };
    work.drive_to(1);
    assert_eq!(work.staged(1), "2 of 2 inputs sent, the others were there");
    work.drive_to(2);
    assert_eq!(work.staged(2), "1 of 2 inputs sent, the others were there");
    work.ask("UPDATE staged SET touched_at = touched_at - 4 * 86400000 RETURNING kind");
    work.drive_to(3);
    work.drive_to(4);
    assert_eq!(hashed(), 0);

    fs::write(work.path("scratch/detrend/flat"), "FLAT").unwrap();
    work.drive_to(5);
    assert_eq!(work.staged(5), "2 of 2 inputs sent, the others were there");
    assert_eq!(hashed(), 1, "only what was in doubt");
    assert_eq!(work.ask("SELECT DISTINCT state FROM runs"), ["full"]);
    assert_eq!(sshd.logins(), 1);
}
