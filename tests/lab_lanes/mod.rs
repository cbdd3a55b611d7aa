//! Steps of `srun --multi-prog` beside each other inside an allocation of real Slurm.

use std::{fmt::Write, fs};

use super::{
    asked,
    lab_harness::{Lab, Login, Workspace},
};

/// The first job waits for the last one, which is two configs further on. Its limit ends it should
/// that never begin.
const STAGE: &str = r#"
stage: a
components: {file: ../things.csv}
command:
  sh: >-
    case {{ stage_id }} in 1) read -r go <gate;; 12) echo go >gate;; esac &&
    mkdir -p out && echo {{ stage_id }} >out/{{ stage_id }}
outputs: [{remote: "out/{{ stage_id }}", local: "products/{{ stage_id }}"}]
cost: {seconds: 1, limit: 60s}
"#;

#[test]
fn a_slow_job_holds_neither_later_steps_nor_a_node() {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = Workspace::new(&lab, &master);
    let config = workspace.config().replace(
        "nodes: {cores: 24, max: 4}",
        "nodes: {cores: 4, min: 2, max: 2}\n    chunk: {lanes: 2}\n    retries: 0",
    );
    let dir = workspace.path();
    fs::write(dir.join("outrigger.yaml"), config).unwrap();
    fs::create_dir(dir.join("stages")).unwrap();
    fs::write(dir.join("stages/a.yaml"), STAGE).unwrap();
    let mut things = String::from("stage_id\n");
    for thing in 1..=12 {
        writeln!(things, "{thing}").unwrap();
    }
    fs::write(dir.join("things.csv"), things).unwrap();
    workspace.outrigger(["init"]).success();
    let gate = format!("{}/gate", workspace.scratch());
    lab.fe(["mkfifo", &gate]).success();
    let driven = workspace.outrigger([
        "remote", "run", "--label", "t", "--site", "slurm", "--quiet",
    ]);
    assert_eq!(driven.code, 0, "{driven:?}");
    let nodes = asked::ask(
        dir,
        "SELECT count(*) || ' jobs' FROM jobs WHERE state = 'passed' GROUP BY node",
    );
    assert_eq!(nodes, ["6 jobs", "6 jobs"], "each step is on both nodes");
}
