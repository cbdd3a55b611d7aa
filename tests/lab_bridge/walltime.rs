//! A batch job whose walltime is over before its jobs are, by each launcher.

use super::*;

/// Parts `a` are done at once. Each other job never ends the first time that it begins.
fn endless_once() -> String {
    format!(
        "case {{{{ out }}}} in *.a) ;; *) mkdir {{{{ out }}}}.begun 2>/dev/null && sleep 600;; esac; {GOOD}"
    )
}

/// A workspace whose batch jobs end after a minute, with its run submitted.
fn submitted<'lab>(lab: &'lab Lab, master: &Master, launcher: &str) -> Workspace<'lab> {
    let workspace = workspace(lab, master, &endless_once());
    let config = workspace.config().replace(
        "walltime: {min: 1m, max: 1h}",
        &format!("walltime: {{min: 1m, max: 1m}}\n    launcher: {launcher}"),
    );
    assert!(config.contains(launcher));
    fs::write(workspace.path().join("outrigger.yaml"), config).unwrap();
    prepare(&workspace, "slurm");
    assert_eq!(workspace.outrigger(["remote", "exec"]).code, 4);
    workspace
}

#[test]
fn what_the_walltime_cut_off_goes_into_the_next_batch_job_by_itself() {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    // Both wait for their walltime at once.
    let workspaces = ["chunks", "worker"].map(|launcher| submitted(&lab, &master, launcher));
    for (workspace, end) in workspaces.iter().zip(["killed at walltime", "completed"]) {
        let driven = drive(workspace, "slurm");
        assert_eq!(driven.code, 0, "{driven:?}");
        complete(workspace);
        let passed = ask(
            workspace,
            "SELECT jobs || ' jobs, ' || passed || ' passed' FROM runs ORDER BY run_id",
        );
        assert_eq!(passed, ["24 jobs, 6 passed", "18 jobs, 18 passed"], "{end}");
        let imported = "SELECT count(*) || '' FROM results";
        assert_eq!(ask(workspace, imported), ["24"], "each record once");
        let at_once = "SELECT count(*) || ' wait' FROM components WHERE due_at IS NOT NULL";
        assert_eq!(ask(workspace, at_once), ["0 wait"]);
        let why = ask(
            workspace,
            "SELECT why FROM events WHERE subject = 'run' AND subject_id = 1 AND after = 'returning'",
        );
        assert!(why[0].contains(end), "{why:?}");
    }
}
