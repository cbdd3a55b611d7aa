//! A run as a job array, by each of the lab's schedulers: one of its tasks is cancelled by somebody else.

use std::fs;

use super::{
    asked,
    lab_harness::{Lab, Login, Workspace},
    until::until,
};

/// What starts the jobs of each task.
const CHUNKS: &str = "launcher: chunks";

/// Each job waits for `go`, and has a task of its own.
const STAGE: &str = r#"
stage: a
components: {file: ../things.csv}
command:
  sh: >-
    until [ -e go ]; do sleep 0.1; done;
    mkdir -p out && echo {{ stage_id }} >>out/{{ stage_id }}
outputs: [{remote: "out/{{ stage_id }}", local: "products/{{ stage_id }}"}]
cost: {seconds: 2000}
"#;

#[test]
fn slurm_runs_an_array_and_what_one_cancelled_task_had_goes_into_the_next_run() {
    array("slurm");
}

#[test]
fn moab_runs_an_array_and_what_one_cancelled_task_had_goes_into_the_next_run() {
    array("moab");
}

#[test]
fn slurmrestd_runs_an_array_and_what_one_cancelled_task_had_goes_into_the_next_run() {
    array("rest");
}

#[test]
fn slurm_runs_an_array_of_workers_and_what_one_cancelled_task_had_goes_into_the_next_run() {
    array_with("slurm", "launcher: worker");
}

#[test]
fn moab_runs_an_array_of_workers_and_what_one_cancelled_task_had_goes_into_the_next_run() {
    array_with("moab", "launcher: worker");
}

#[test]
fn slurm_ends_all_tasks_of_a_run_that_is_cancelled() {
    cancelled("slurm");
}

#[test]
fn moab_ends_all_tasks_of_a_run_that_is_cancelled() {
    cancelled("moab");
}

#[test]
fn slurmrestd_ends_all_tasks_of_a_run_that_is_cancelled() {
    cancelled("rest");
}

/// Writes the project of a run of four jobs, which each have a task of their own, two of them at once.
fn write(workspace: &Workspace<'_>, launcher: &str) {
    let dir = workspace.path();
    let config = workspace.config().replace(
        "nodes: {cores: 24, max: 4}",
        &format!("nodes: {{cores: 1, max: 4}}\n    array: {{max_running: 2}}\n    {launcher}"),
    );
    fs::write(dir.join("outrigger.yaml"), config).unwrap();
    fs::create_dir(dir.join("stages")).unwrap();
    fs::write(dir.join("stages/a.yaml"), STAGE).unwrap();
    fs::write(dir.join("things.csv"), "stage_id\n1\n2\n3\n4\n").unwrap();
    workspace.outrigger(["init"]).success();
}

#[test]
fn what_tasks_have_done_comes_home_while_others_run() {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = Workspace::new(&lab, &master);
    let dir = workspace.path();
    write(&workspace, CHUNKS);
    let some = STAGE.replace("until [ -e go ]", "until [ {{ stage_id }} -lt 3 -o -e go ]");
    fs::write(dir.join("stages/a.yaml"), some).unwrap();
    let outrigger = |words: &str| workspace.outrigger(words.split(' '));
    let ask = |sql: &str| asked::ask(dir, sql);
    outrigger("remote define a --label t --site slurm").success();
    outrigger("remote prepare");
    outrigger("remote exec");
    let passed = "SELECT stage_id || '' FROM components WHERE state = 'passed' ORDER BY stage_id";
    until("two tasks have come home", || {
        outrigger("remote poll --harvest");
        ask(passed) == ["1", "2"]
    });
    assert_eq!(ask("SELECT state FROM runs"), ["run"]);
    lab.fe(["touch", &format!("{}/go", workspace.scratch())])
        .success();
    until("the run is over", || {
        outrigger("remote poll");
        ask("SELECT state FROM runs") == ["full"]
    });
    assert_eq!(ask("SELECT passed || ' of ' || jobs FROM runs"), ["4 of 4"]);
    for thing in 1..=4 {
        let product = fs::read_to_string(dir.join(format!("products/{thing}"))).unwrap();
        assert_eq!(product, format!("{thing}\n"));
    }
}

fn cancelled(site: &str) {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = Workspace::new(&lab, &master);
    write(&workspace, CHUNKS);
    let outrigger = |words: &str| workspace.outrigger(words.split(' '));
    outrigger(&format!("remote define a --label t --site {site}")).success();
    outrigger("remote prepare");
    outrigger("remote exec");
    let job = asked::ask(workspace.path(), "SELECT job_id FROM runs").concat();
    let queue = |format: &str| {
        let jobs = format!("--jobs={job}");
        lab.fe(["squeue", "--noheader", "--array", &jobs, format])
            .stdout
    };
    until("two tasks run", || {
        queue("--format=%T").matches("RUNNING").count() == 2
    });
    outrigger("remote cancel 1").success();
    until("no task is left", || queue("--format=%T").is_empty());
}

fn array(site: &str) {
    array_with(site, CHUNKS);
}

fn array_with(site: &str, launcher: &str) {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = Workspace::new(&lab, &master);
    let dir = workspace.path();
    write(&workspace, launcher);
    let outrigger = |words: &str| workspace.outrigger(words.split(' ')).stdout;
    let ask = |sql: &str| asked::ask(dir, sql);
    let reason = || {
        workspace.outrigger(["remote", "poll"]);
        ask("SELECT reason FROM runs WHERE run_id = 1").concat()
    };

    outrigger(&format!("remote define a --label t --site {site}"));
    let prepared = outrigger("remote prepare");
    assert!(
        prepared.contains("an array of 4 tasks, each 1 nodes"),
        "{prepared}"
    );
    outrigger("remote exec");
    let job = ask("SELECT job_id FROM runs WHERE run_id = 1").concat();
    until("two tasks run and two wait", || {
        reason() == "0 of 4 tasks have ended, 2 run, 2 wait"
    });
    let why = outrigger("remote why 1");
    assert!(
        why.contains("an array of 4 tasks (0 of 4 tasks have ended"),
        "{why}"
    );

    lab.fe(["scancel", &format!("{job}_0")]).success();
    until(
        "another task runs in place of the one that somebody cancelled",
        || reason().starts_with("1 of 4 tasks have ended, 2 run, 1 wait"),
    );
    lab.fe(["touch", &format!("{}/go", workspace.scratch())])
        .success();
    until("the run is over", || {
        workspace.outrigger(["remote", "poll"]);
        ask("SELECT state FROM runs WHERE run_id = 1") == ["full"]
    });
    assert_eq!(
        ask("SELECT passed || ' ' || (failed + lost) FROM runs"),
        ["3 1"]
    );
    let told = ask("SELECT why FROM events WHERE subject = 'run' AND after = 'returning'").concat();
    assert!(
        told.contains("its 4 tasks have ended: 1 cancelled, 3 completed"),
        "{told}"
    );

    let driven = workspace.outrigger(["remote", "run", "--label", "t", "--site", site, "--quiet"]);
    assert_eq!(driven.code, 0, "{driven:?}");
    assert_eq!(
        ask("SELECT jobs || ' ' || passed FROM runs WHERE run_id = 2"),
        ["1 1"]
    );
    for thing in 1..=4 {
        let product = fs::read_to_string(dir.join(format!("products/{thing}"))).unwrap();
        assert_eq!(
            product,
            format!("{thing}\n"),
            "each job has had its effect once"
        );
    }
}
