//! The bridge over ssh to a real Slurm, and through the Moab commands: results, faults, and what a
//! cut link leaves.

mod deaths;
mod early;
mod walltime;

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rstest::rstest;
use serde_json::Value;

use super::lab_harness::{Answer, Lab, Login, Master, Workspace};

const STAGE: &str = r#"
stage: sum
components: {file: ../things.csv}
jobs: {for_each: part, from: {file: ../parts.csv}, by: stage_id, key: "{{ part.name }}"}
vars: {out: "work/{{ stage_id }}.{{ part.name }}"}
inputs: [{local: "raw/{{ stage_id }} {{ part.name }}", remote: "raw/{{ stage_id }} {{ part.name }}"}]
pre: [[mkdir, -p, work]]
command: {sh: "COMMAND"}
outputs: [{remote: "{{ out }}.out", local: "products/{{ out }}.out"}]
dbinfo:
  table: summed
  key: [thing, part]
  columns: {thing: integer, part: text, sum: text, node: text}
  values: {thing: "{{ stage_id }}", part: "{{ part.name }}"}
  from: "{{ out }}.json"
cost: {threads: 1, seconds: 2}
"#;

const GOOD: &str = "sha256sum < {{ input(0) }} > {{ out }}.out && \
    printf '{\\\"sum\\\": \\\"%s\\\", \\\"node\\\": \\\"%s\\\"}' $(cut -c 1-8 {{ out }}.out) $(hostname) > {{ out }}.json";

/// A workspace with six components of four jobs each.
fn workspace<'lab>(lab: &'lab Lab, master: &Master, command: &str) -> Workspace<'lab> {
    let workspace = Workspace::new(lab, master);
    let write = |name: &str, text: &str| {
        let path: PathBuf = workspace.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("stages/sum.yaml", &STAGE.replace("COMMAND", command));
    let (mut things, mut parts) = (String::from("stage_id\n"), String::from("stage_id,name\n"));
    for thing in 1..=6 {
        writeln!(things, "{thing}").unwrap();
        for part in ["a", "b", "c", "d"] {
            writeln!(parts, "{thing},{part}").unwrap();
            write(
                &format!("raw/{thing} {part}"),
                &format!("{thing} {part}\n").repeat(100),
            );
        }
    }
    write("things.csv", &things);
    write("parts.csv", &parts);
    outrigger::state::Store::create(&workspace.path().join("state.db")).unwrap();
    workspace
}

/// Defines and prepares the one run that there is to be.
fn prepare(workspace: &Workspace<'_>, site: &str) {
    workspace
        .outrigger(["remote", "define", "sum", "--label", "t", "--site", site])
        .success();
    workspace.outrigger(["remote", "prepare"]).success();
}

fn drive(workspace: &Workspace<'_>, site: &str) -> Answer {
    workspace.outrigger(["remote", "run", "--label", "t", "--site", site])
}

/// Drives until everything is home.
fn drive_home(workspace: &Workspace<'_>, site: &str) {
    let driven = drive(workspace, site);
    assert_eq!(driven.code, 0, "{driven:?}");
    complete(workspace);
}

/// A job that waits for the file `go`, unless that is there from the beginning.
fn waiting() -> String {
    format!("while [ ! -e go ]; do sleep 0.1; done; {GOOD}")
}

fn token(workspace: &Workspace<'_>) -> String {
    ask(workspace, "SELECT token FROM runs WHERE run_id = 1").remove(0)
}

fn ask(workspace: &Workspace<'_>, sql: &str) -> Vec<String> {
    crate::asked::ask(workspace.path(), sql)
}

/// Everything is home, once, and state.db is sound.
fn complete(workspace: &Workspace<'_>) {
    assert_eq!(ask(workspace, "SELECT count(*) || '' FROM summed"), ["24"]);
    let done = ask(
        workspace,
        "SELECT DISTINCT state FROM components WHERE state <> 'retry'",
    );
    assert_eq!(done, ["passed"]);
    for thing in 1..=6 {
        for part in ["a", "b", "c", "d"] {
            let product = format!("products/work/{thing}.{part}.out");
            assert!(workspace.path().join(&product).exists(), "{product}");
        }
    }
    let store = outrigger::state::Store::open(&workspace.path().join("state.db")).unwrap();
    assert_eq!(store.check().unwrap(), []);
}

#[rstest]
#[case::slurm("slurm")]
#[case::moab("moab")]
#[case::slurmrestd("rest")]
fn a_run_goes_there_and_comes_back(#[case] site: &str) {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = workspace(&lab, &master, GOOD);
    drive_home(&workspace, site);
    let nodes = ask(&workspace, "SELECT DISTINCT node FROM summed");
    assert!(
        nodes.iter().all(|node| node.starts_with("node")),
        "{nodes:?}"
    );
    let again = drive(&workspace, site);
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!(ask(&workspace, "SELECT count(*) || '' FROM runs"), ["1"]);
}

#[rstest]
#[case::slurm("slurm")]
#[case::moab("moab")]
fn workers_on_two_nodes_share_the_jobs_and_their_program_goes_there_once(#[case] site: &str) {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    // Long enough for the second node to be there before all is done.
    let workspace = workspace(&lab, &master, &format!("sleep 0.5; {GOOD}"));
    let nodes = "nodes: {cores: 24, max: 4}";
    let config = workspace.config();
    assert!(config.contains(nodes));
    let config = config.replace(
        nodes,
        "launcher: worker\n    nodes: {cores: 2, min: 2, max: 2}",
    );
    fs::write(workspace.path().join("outrigger.yaml"), config).unwrap();
    drive_home(&workspace, site);
    let nodes = ask(&workspace, "SELECT DISTINCT node FROM summed");
    assert_eq!(nodes.len(), 2, "{nodes:?}");
    let programs = format!("{}/outrigger/bin", workspace.scratch());
    let programs = lab.fe(["ls", &programs]).success();
    assert_eq!(programs.lines().count(), 1, "{programs}");
}

#[rstest]
#[case::slurm("slurm", "partition: shared", "partition: nonesuch")]
#[case::moab("moab", "queue: shared", "queue: nonesuch")]
#[case::slurmrestd("rest", "partition: shared", "partition: nonesuch")]
fn a_refused_job_is_an_error_in_the_schedulers_words(
    #[case] site: &str,
    #[case] from: &str,
    #[case] to: &str,
) {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = workspace(&lab, &master, GOOD);
    let config = workspace.config().replace(from, to);
    fs::write(workspace.path().join("outrigger.yaml"), config).unwrap();
    let driven = drive(&workspace, site);
    assert_eq!(driven.code, 1, "{driven:?}");
    let said = ask(&workspace, "SELECT state || ': ' || reason FROM runs");
    assert!(
        said[0].starts_with("error:exec: the scheduler refused the job"),
        "{said:?}"
    );
    assert!(
        said[0].contains("nonesuch") || said[0].contains("partition"),
        "{said:?}"
    );
    let poll = workspace.outrigger(["remote", "poll"]);
    assert_eq!(poll.code, 4, "{poll:?}");
}

#[rstest]
#[case::slurm("slurm")]
#[case::slurmrestd("rest")]
fn without_a_link_runs_wait_and_go_on_when_it_is_back(#[case] site: &str) {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = workspace(&lab, &master, GOOD);
    prepare(&workspace, site);
    lab.control(["drop"]);
    master.wait_until_gone();
    let exec = workspace.outrigger(["remote", "exec"]);
    assert_eq!(exec.code, 3, "{exec:?}");
    assert!(
        exec.stderr
            .contains(&format!("outrigger connection start {site}")),
        "it says how to open the master: {exec:?}"
    );
    assert_eq!(ask(&workspace, "SELECT state FROM runs"), ["auth:pending"]);
    let driven = drive(&workspace, site);
    assert_eq!(driven.code, 3, "{driven:?}");

    lab.reopen(&master);
    drive_home(&workspace, site);
}

#[rstest]
#[case::slurm("slurm")]
#[case::slurmrestd("rest")]
fn a_link_cut_while_the_job_runs_changes_nothing_for_the_job(#[case] site: &str) {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let slow = waiting();
    let workspace = workspace(&lab, &master, &slow);
    prepare(&workspace, site);
    assert_eq!(workspace.outrigger(["remote", "exec"]).code, 4);
    lab.control(["drop"]);
    master.wait_until_gone();
    assert_eq!(workspace.outrigger(["remote", "poll"]).code, 3);
    assert_eq!(ask(&workspace, "SELECT state FROM runs"), ["auth:run"]);
    lab.fe(["touch", &format!("{}/go", workspace.scratch())])
        .success();
    lab.reopen(&master);
    drive_home(&workspace, site);
    assert_eq!(ask(&workspace, "SELECT count(*) || '' FROM runs"), ["1"]);
}

#[test]
fn a_network_that_falls_silent_is_a_lost_link_too() {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let slow = waiting();
    let workspace = workspace(&lab, &master, &slow);
    prepare(&workspace, "slurm");
    assert_eq!(workspace.outrigger(["remote", "exec"]).code, 4);
    lab.control(["wan", "off"]);
    let poll = workspace.outrigger(["remote", "poll"]);
    assert_eq!(poll.code, 3, "{poll:?}");
    assert_eq!(ask(&workspace, "SELECT state FROM runs"), ["auth:run"]);
    lab.control(["wan", "on"]);
    lab.fe(["touch", &format!("{}/go", workspace.scratch())])
        .success();
    if !master.answers() {
        lab.reopen(&master);
    }
    drive_home(&workspace, "slurm");
}

#[test]
fn a_submission_without_an_answer_is_not_made_twice() {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = workspace(&lab, &master, GOOD);
    prepare(&workspace, "moab");
    let token = token(&workspace);
    lab.control(["moab", "timeout_pct=100", "after=1"]);
    let exec = workspace.outrigger(["remote", "exec"]);
    assert_eq!(
        ask(&workspace, "SELECT state FROM runs"),
        ["submitting"],
        "{exec:?}"
    );
    lab.control(["moab"]);
    drive_home(&workspace, "moab");
    let jobs = lab
        .fe(["squeue", "-h", "--states=all", "--name", &token, "-o", "%i"])
        .success();
    assert_eq!(jobs.lines().count(), 1, "{jobs}");
}

#[rstest]
#[case::slurm("slurm")]
#[case::slurmrestd("rest")]
fn a_driver_killed_during_exec_submits_no_second_job(#[case] site: &str) {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = workspace(&lab, &master, GOOD);
    prepare(&workspace, site);
    let token = token(&workspace);
    for state in ["staging", "submitting"] {
        let mut exec = Command::new(env!("CARGO_BIN_EXE_outrigger"))
            .args(["remote", "exec", "--quiet"])
            .current_dir(workspace.path())
            .spawn()
            .unwrap();
        while exec.try_wait().unwrap().is_none() {
            if ask(&workspace, "SELECT state FROM runs") == [state] {
                exec.kill().unwrap();
            }
        }
    }
    drive_home(&workspace, site);
    let jobs = lab
        .fe(["squeue", "-h", "--states=all", "--name", &token, "-o", "%i"])
        .success();
    assert_eq!(jobs.lines().count(), 1, "{jobs}");
}

#[test]
fn a_disk_that_is_full_on_the_site_fails_with_its_reason() {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = workspace(&lab, &master, GOOD);
    let config = workspace
        .config()
        .replace(workspace.scratch(), "/scratch/full");
    fs::write(workspace.path().join("outrigger.yaml"), config).unwrap();
    let raw = workspace.path().join("raw/1 a");
    fs::write(raw, vec![b'x'; 200_000]).unwrap();
    let driven = drive(&workspace, "slurm");
    assert_eq!(driven.code, 1, "{driven:?}");
    let said = ask(&workspace, "SELECT state || ': ' || reason FROM runs");
    assert!(
        said[0].starts_with("error:exec: ") && said[0].contains("no space left on the site"),
        "{said:?}"
    );
    let tried = "SELECT DISTINCT state || ' ' || attempt FROM components";
    assert_eq!(ask(&workspace, tried), ["prepared 1"], "no fault of a job");
}

#[rstest]
#[case::slurm("slurm")]
#[case::slurmrestd("rest")]
fn cancel_takes_the_batch_job_out_of_the_queue(#[case] site: &str) {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = workspace(&lab, &master, "sleep 600");
    prepare(&workspace, site);
    assert_eq!(workspace.outrigger(["remote", "exec"]).code, 4);
    workspace
        .outrigger(["remote", "cancel", "1", "--why", "clouds"])
        .success();
    let job = ask(&workspace, "SELECT job_id FROM runs").remove(0);
    lab.wait_for_job(&job);
    assert_eq!(
        ask(&workspace, "SELECT DISTINCT state FROM components"),
        ["retry"]
    );
    let listed: Value =
        serde_json::from_str(&workspace.outrigger(["remote", "list", "--json"]).success()).unwrap();
    assert_eq!(listed["runs"][0]["state"], "cancelled");
}

#[rstest]
#[case::slurm("scheduler: slurm\n    partition: shared")]
#[case::moab("scheduler: moab\n    scheduler_path: /opt/moab/bin\n    queue: shared")]
#[case::slurmrestd(
    "scheduler: slurmrestd\n    partition: shared\n    rest:\n      url: http://10.98.1.10:6820\n      \
     user: lanluser\n      token_command: [scontrol, token]"
)]
fn on_the_cluster_itself_no_link_is_needed(#[case] scheduler: &str) {
    let lab = Lab::get();
    let home = "/scratch/lanluser/own";
    lab.fe(["rm", "-rf", home]).success();
    lab.send(
        Path::new(env!("CARGO_BIN_EXE_outrigger")),
        &format!("{home}/bin/outrigger"),
    );
    lab.fe(["mkdir", &format!("{home}/stages")]).success();
    let config = format!(
        "sites:\n  own:\n    {scheduler}\n    nodes: {{cores: 24, max: 4}}\n    walltime: {{min: 1m, max: 1h}}\n    scratch: {home}/scratch\n"
    );
    lab.write(&format!("{home}/outrigger.yaml"), &config);
    let stage = "stage: count\ncomponents: {file: ../things.csv}\n\
        inputs: [{local: things.csv, remote: in/things.csv}]\n\
        command: {sh: \"mkdir -p out && wc -l < {{ input(0) }} > out/{{ stage_id }}\"}\n\
        outputs: [{remote: \"out/{{ stage_id }}\", local: \"products/{{ stage_id }}\"}]\n\
        cost: {seconds: 1}\n";
    lab.write(&format!("{home}/stages/count.yaml"), stage);
    lab.write(&format!("{home}/things.csv"), "stage_id\n1\n2\n3\n");
    let script = "cd \"$1\" && bin/outrigger init -q && bin/outrigger remote run --label t && cat products/*";
    let said = lab.fe(["sh", "-c", script, "sh", home]).success();
    assert!(said.ends_with("4\n4\n4\n"), "{said}");
    lab.fe(["rm", "-rf", home]).success();
}
