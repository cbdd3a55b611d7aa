//! What has passed comes over the link while its batch job runs.

use super::*;
use crate::until::until;

#[rstest]
#[case::slurm("slurm")]
#[case::moab("moab")]
#[case::slurmrestd("rest")]
fn what_has_passed_comes_home_once_while_the_rest_runs(#[case] site: &str) {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let some =
        format!("case {{{{ out }}}} in *6.d) while [ ! -e go ]; do sleep 0.1; done;; esac; {GOOD}");
    let workspace = workspace(&lab, &master, &some);
    prepare(&workspace, site);
    assert_eq!(workspace.outrigger(["remote", "exec"]).code, 4);
    let home = || ask(&workspace, "SELECT count(*) || '' FROM summed").concat();
    let mut said = String::new();
    until("all but one job are home", || {
        said = format!("{:?}", workspace.outrigger(["remote", "poll", "--harvest"]));
        said.contains("home while it runs") && home() == "23"
    });
    assert_eq!(ask(&workspace, "SELECT state FROM runs"), ["run"], "{said}");
    let passed = "SELECT count(*) || '' FROM components WHERE state = 'passed'";
    assert_eq!(ask(&workspace, passed), ["5"]);

    lab.control(["drop"]);
    master.wait_until_gone();
    let polled = workspace.outrigger(["remote", "poll", "--harvest"]);
    assert_eq!(polled.code, 3, "{polled:?}");
    assert_eq!(ask(&workspace, "SELECT state FROM runs"), ["auth:run"]);
    lab.fe(["touch", &format!("{}/go", workspace.scratch())])
        .success();
    lab.reopen(&master);
    drive_home(&workspace, site);
    assert_eq!(
        ask(&workspace, "SELECT passed || ' of ' || jobs FROM runs"),
        ["24 of 24"]
    );
}
