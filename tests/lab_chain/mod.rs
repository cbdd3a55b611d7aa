//! Runs that begin after the batch jobs that make what they read, by each of the lab's schedulers.

use std::fs;

use super::{
    asked,
    chained::{STAGE_A, STAGE_B},
    lab_harness::{Lab, Login, Workspace},
    until::until,
};

#[test]
fn slurm_lets_a_run_begin_after_what_makes_its_input_or_gives_it_back() {
    chained("slurm");
}

#[test]
fn moab_lets_a_run_begin_after_what_makes_its_input_or_gives_it_back() {
    chained("moab");
}

#[test]
fn slurmrestd_lets_a_run_begin_after_what_makes_its_input_or_gives_it_back() {
    chained("rest");
}

fn chained(site: &str) {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = Workspace::new(&lab, &master);
    let dir = workspace.path();
    let config = workspace.config().replace(
        "    scratch:",
        "    chain: true\n    retries: 0\n    scratch:",
    );
    fs::write(dir.join("outrigger.yaml"), config).unwrap();
    fs::create_dir(dir.join("stages")).unwrap();
    let stage_a = STAGE_A.replace("WAIT", "read -r go <gate &&");
    fs::write(dir.join("stages/a.yaml"), stage_a).unwrap();
    fs::write(dir.join("stages/b.yaml"), STAGE_B).unwrap();
    fs::write(dir.join("things.csv"), "stage_id\n1\n").unwrap();
    workspace.outrigger(["init"]).success();
    let gate = format!("{}/gate", workspace.scratch());
    lab.fe(["mkfifo", &gate]).success();
    let ask = |sql: &str| asked::ask(dir, sql);
    let states = || ask("SELECT run_id || ' ' || state FROM runs ORDER BY run_id");
    let submit = || {
        for stage in ["a", "b"] {
            workspace
                .outrigger(["remote", "define", stage, "--label", "t", "--site", site])
                .success();
            workspace.outrigger(["remote", "prepare"]).success();
        }
        workspace.outrigger(["remote", "exec"])
    };

    let said = submit();
    assert_eq!(states(), ["1 run", "2 run"], "{said:?}");
    // The batch job of the first one is ended behind its back.
    let job = ask("SELECT job_id FROM runs WHERE run_id = 1").concat();
    lab.fe(["scancel", &job]).success();
    until("both runs are over", || {
        workspace.outrigger(["remote", "poll"]);
        let states = states();
        states.iter().any(|state| state == "2 cancelled") && states.iter().all(|s| s != "1 run")
    });
    let tried = "SELECT state || ' ' || attempt FROM components WHERE stage = 'b' ORDER BY run_id";
    assert_eq!(ask(tried), ["retry 0"]);

    workspace
        .outrigger(["remote", "revert", "--all-components", "--label", "t"])
        .success();
    let said = submit();
    assert_eq!(states().get(2..).unwrap(), ["3 run", "4 run"], "{said:?}");
    lab.fe(["sh", "-c", &format!("echo go >{gate}")]).success();
    until("both runs are full", || {
        workspace.outrigger(["remote", "poll"]);
        states().get(2..).unwrap() == ["3 full", "4 full"]
    });
    assert_eq!(
        fs::read_to_string(dir.join("products/1")).unwrap(),
        "made\n"
    );
    assert_eq!(ask(tried), ["retry 0", "passed 1"]);
}
