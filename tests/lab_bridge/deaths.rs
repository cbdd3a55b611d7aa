//! What dies at a real cluster: the driver at each step around a submission, a batch job at
//! somebody else's hands, a node.

use std::{
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use super::*;

fn exec(workspace: &Workspace<'_>, steps: Option<(&Path, usize)>) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outrigger"));
    command
        .args(["remote", "exec", "--quiet"])
        .current_dir(workspace.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some((file, number)) = steps {
        command.env("OUTRIGGER_STEPS", file);
        command.env("OUTRIGGER_CRASH_AT", number.to_string());
    }
    command.spawn().unwrap()
}

fn state(workspace: &Workspace<'_>) -> Vec<String> {
    ask(workspace, "SELECT state FROM runs WHERE run_id = 1")
}

/// The batch jobs that the cluster ever had under a token.
fn submitted(lab: &Lab, token: &str) -> usize {
    let query = ["squeue", "-h", "--states=all", "--name", token, "-o", "%i"];
    lab.fe(query).success().lines().count()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_mins(2), "in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

#[test]
fn a_driver_that_dies_at_each_step_of_exec_submits_one_job() {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = workspace(&lab, &master, GOOD);
    prepare(&workspace, "slurm");
    let steps = workspace.path().join("steps");
    let mut deaths = 0;
    loop {
        fs::write(&steps, "").unwrap();
        let status = exec(&workspace, Some((&steps, deaths + 1))).wait().unwrap();
        if status.code().is_some() {
            break;
        }
        deaths += 1;
    }
    assert!(deaths > 5, "{deaths} deaths");
    assert_eq!(state(&workspace), ["run"]);
    drive_home(&workspace, "slurm");
    assert_eq!(submitted(&lab, &token(&workspace)), 1);
}

#[test]
fn a_submission_under_way_when_its_driver_died_is_waited_for() {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = workspace(&lab, &master, GOOD);
    let (bin, go) = (
        format!("{}/bin", workspace.scratch()),
        format!("{}/submit-now", workspace.scratch()),
    );
    lab.fe(["mkdir", "-p", &bin]).success();
    let slow = format!(
        "#!/bin/sh\nwhile [ ! -e {go} ]; do sleep 0.1; done\nexec /usr/bin/sbatch \"$@\"\n"
    );
    lab.write(&format!("{bin}/sbatch"), &slow);
    lab.fe(["chmod", "755", &format!("{bin}/sbatch")]).success();
    lab.fe(["ln", "-s", "/usr/bin/srun", &format!("{bin}/srun")])
        .success();
    let config = workspace.config().replace(
        "scheduler: slurm\n",
        &format!("scheduler: slurm\n    scheduler_path: {bin}\n"),
    );
    fs::write(workspace.path().join("outrigger.yaml"), config).unwrap();
    prepare(&workspace, "slurm");

    let mut driver = exec(&workspace, None);
    let pattern = format!("{}/outrigger/*/*.submit/by", workspace.scratch());
    let begun = format!("ls {pattern} && cat {pattern}");
    wait_until("the submission begins", || {
        let answer = lab.fe(["sh", "-c", &begun]);
        answer.code == 0 && answer.stdout.lines().count() > 1
    });
    driver.kill().unwrap();
    driver.wait().unwrap();
    assert_eq!(workspace.outrigger(["remote", "exec"]).code, 4);
    let why = workspace.outrigger(["remote", "why", "1"]).success();
    assert!(
        why.contains("under way") && why.contains("next  outrigger remote exec 1"),
        "{why}"
    );
    assert_eq!(submitted(&lab, &token(&workspace)), 0);

    lab.fe(["touch", &go]).success();
    drive_home(&workspace, "slurm");
    assert_eq!(submitted(&lab, &token(&workspace)), 1);
}

#[rstest]
#[case::slurm("slurm")]
#[case::slurmrestd("rest")]
fn a_batch_job_that_somebody_else_cancels_is_bundled_again(#[case] site: &str) {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let some = format!(
        "case {{{{ out }}}} in *.a) ;; *) while [ ! -e go ]; do sleep 0.1; done;; esac; {GOOD}"
    );
    let workspace = workspace(&lab, &master, &some);
    prepare(&workspace, site);
    assert_eq!(workspace.outrigger(["remote", "exec"]).code, 4);
    let job = ask(&workspace, "SELECT job_id FROM runs").remove(0);
    let done = format!(
        "grep -h '^E' {}/outrigger/*/journal.*.tsv",
        workspace.scratch()
    );
    wait_until("a job has ended", || lab.fe(["sh", "-c", &done]).code == 0);
    lab.fe(["scancel", &job]).success();
    lab.fe(["touch", &format!("{}/go", workspace.scratch())])
        .success();
    lab.wait_for_job(&job);
    drive_home(&workspace, site);
    let passed = ask(
        &workspace,
        "SELECT (passed > 0) || '' FROM runs ORDER BY run_id",
    );
    assert_eq!(
        passed,
        ["1", "1"],
        "what had ended came home, the rest ran again"
    );
    let why = workspace.outrigger(["remote", "why", "1"]).success();
    assert!(why.contains("went on in run 2"), "{why}");
}

#[test]
fn the_jobs_of_a_node_that_failed_are_bundled_again() {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = workspace(&lab, &master, &waiting());
    prepare(&workspace, "slurm");
    assert_eq!(workspace.outrigger(["remote", "exec"]).code, 4);
    let job = ask(&workspace, "SELECT job_id FROM runs").remove(0);
    let mut node = String::new();
    wait_until("the batch job runs", || {
        let query = ["squeue", "-h", "-t", "R", "-j", &job, "-o", "%B"];
        node = lab.fe(query).stdout.trim().to_owned();
        !node.is_empty()
    });
    lab.control(["node", "down", &node]);
    lab.fe(["touch", &format!("{}/go", workspace.scratch())])
        .success();
    drive_home(&workspace, "slurm");
    assert_eq!(ask(&workspace, "SELECT count(*) || '' FROM runs"), ["2"]);
}

#[rstest]
#[case::slurm("slurm")]
#[case::slurmrestd("rest")]
fn workers_go_on_in_the_same_batch_job_without_a_node_that_failed(#[case] site: &str) {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = workspace(&lab, &master, &waiting());
    let (nodes, two) = (
        "nodes: {cores: 24, max: 4}",
        "launcher: worker\n    worker: {silence: 5s}\n    nodes: {cores: 2, min: 2, max: 2}",
    );
    let config = workspace.config().replace(nodes, two);
    fs::write(workspace.path().join("outrigger.yaml"), config).unwrap();
    prepare(&workspace, site);
    let exec = workspace.outrigger(["remote", "exec"]);
    assert_eq!(exec.code, 4, "{exec:?}");
    let submitted = ask(&workspace, "SELECT state || ': ' || reason FROM runs");
    assert!(submitted[0].starts_with("run"), "{submitted:?}");
    let job = ask(&workspace, "SELECT job_id FROM runs").remove(0);
    let begun = format!(
        "grep -h '^S' {}/outrigger/*/journal.*.tsv",
        workspace.scratch()
    );
    wait_until("both nodes have jobs", || {
        lab.fe(["sh", "-c", &begun]).stdout.lines().count() == 4
    });
    // The batch script and the coordinator are on the first one.
    let first = lab.fe(["squeue", "-h", "-j", &job, "-o", "%B"]).success();
    let named = lab.fe(["squeue", "-h", "-j", &job, "-o", "%N"]).success();
    let all = lab.fe(["scontrol", "show", "hostnames", named.trim()]);
    let all = all.success();
    let other = all.lines().find(|node| *node != first.trim()).unwrap();
    lab.control(["node", "down", other]);
    wait_until("Slurm misses the node", || {
        let state = lab.fe(["sinfo", "-h", "-n", other, "-o", "%T"]);
        state.stdout.contains("down")
    });
    lab.fe(["touch", &format!("{}/go", workspace.scratch())])
        .success();
    drive_home(&workspace, site);
    assert_eq!(
        ask(&workspace, "SELECT passed || ' of ' || jobs FROM runs"),
        ["24 of 24"]
    );
}
