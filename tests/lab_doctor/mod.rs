//! Each check of `outrigger doctor` on a real site, in which it fails and says how to mend it.

use std::fs;

use rstest::rstest;
use serde_json::Value;

use super::lab_harness::{Lab, Login, Master, Workspace};

/// The exit code, and the checks of the site by name.
fn doctor(workspace: &Workspace<'_>) -> (i32, Vec<Value>) {
    let answer = workspace.outrigger(["doctor", "slurm", "--json"]);
    let document: Value =
        serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
    (
        answer.code,
        document["sites"]["slurm"].as_array().unwrap().clone(),
    )
}

fn failed(checks: &[Value]) -> Vec<&str> {
    let failed = |check: &&Value| check["ok"] == "fail" || check["ok"] == "warn";
    checks
        .iter()
        .filter(failed)
        .map(|check| check["name"].as_str().unwrap())
        .collect()
}

fn workspace<'lab>(lab: &'lab Lab, master: &Master) -> Workspace<'lab> {
    Workspace::new(lab, master)
}

#[test]
fn a_sound_site_passes_every_check() {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let (code, checks) = doctor(&workspace(&lab, &master));
    assert_eq!(code, 0, "{checks:#?}");
    // its scratch is a small one, and that is said
    assert!(
        failed(&checks).iter().all(|name| *name == "scratch"),
        "{checks:#?}"
    );
    assert!(checks.len() >= 8, "{checks:#?}");
}

#[rstest]
#[case::noise(&["break", "noise"], "shell")]
#[case::clock(&["break", "clock=-600"], "clock")]
#[case::tar(&["break", "hide=tar"], "tools")]
#[case::checksum(&["break", "hide=sha256sum"], "tools")]
#[case::scheduler(&["break", "hide=sbatch"], "scheduler")]
#[case::srun(&["break", "hide=srun"], "multi-prog")]
#[case::sessions(&["break", "maxsessions=4"], "sessions")]
fn what_is_broken_on_the_site_is_found(#[case] fault: &[&str], #[case] check: &str) {
    let lab = Lab::get();
    lab.control(fault);
    let master = lab.open_master(Login::Key);
    let (_, checks) = doctor(&workspace(&lab, &master));
    assert!(failed(&checks).contains(&check), "{checks:#?}");
    let found = checks.iter().find(|found| found["name"] == check).unwrap();
    assert!(
        found["mend"].as_str().is_some_and(|mend| !mend.is_empty()),
        "{found}"
    );
}

#[rstest]
#[case::scratch("scratch: ", "scratch: /nowhere", "scratch")]
#[case::resident("scratch: ", "resident: [/no/refcat]\n    scratch: ", "resident")]
#[case::chunk("scratch: ", "chunk: {max_bytes: 1 MB}\n    scratch: ", "multi-prog")]
#[case::arrays("scratch: ", "array: {max_tasks: 50000}\n    scratch: ", "arrays")]
fn what_is_configured_wrong_is_found(#[case] from: &str, #[case] to: &str, #[case] check: &str) {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = workspace(&lab, &master);
    let config = workspace.config().replace(from, to);
    fs::write(workspace.path().join("outrigger.yaml"), config).unwrap();
    let (code, checks) = doctor(&workspace);
    assert!(failed(&checks).contains(&check), "{checks:#?}");
    assert!(code <= 1, "{code}");
}

#[test]
fn without_a_master_each_hop_is_looked_at_and_the_login_is_spelled_out() {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = workspace(&lab, &master);
    let config = workspace.config();
    let config = config.replace("scratch: ", "array: {nodes: 1}\n    scratch: ");
    fs::write(workspace.path().join("outrigger.yaml"), config).unwrap();
    lab.control(["drop"]);
    master.wait_until_gone();
    let (code, checks) = doctor(&workspace);
    assert_eq!(code, 3, "{checks:#?}");
    assert!(
        checks.iter().any(|found| found["name"] == "arrays"),
        "what is not looked at is named too: {checks:#?}"
    );
    let found = checks
        .iter()
        .find(|found| found["name"] == "master")
        .unwrap();
    assert!(
        found["mend"]
            .as_str()
            .unwrap()
            .contains("outrigger connection start slurm"),
        "{found}"
    );
}
