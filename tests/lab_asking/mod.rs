//! How often a site's scheduler is asked, counted at the far end.

use std::fs;

use jiff::Timestamp;
use outrigger::state::{
    Store,
    component::{Candidate, NewRun},
    event::Act,
    job::PreparedComponent,
    run::{RunEvent, RunFilter},
    run_dir::decision::{Allocation, Decision, Report},
};

use super::lab_harness::{Lab, Login, Master, Workspace};

const RUNS: usize = 1000;

const NAP: &str = "
stage: nap
components: {file: ../frames.csv}
command: [sleep, '1']
cost: {threads: 2, seconds: 100}
";

/// A workspace with a stage and an empty state.db.
fn workspace<'lab>(lab: &'lab Lab, master: &Master) -> Workspace<'lab> {
    let workspace = Workspace::new(lab, master);
    fs::create_dir(workspace.path().join("stages")).unwrap();
    fs::write(workspace.path().join("stages/nap.yaml"), NAP).unwrap();
    fs::write(workspace.path().join("frames.csv"), "stage_id\n1\n").unwrap();
    Store::create(&workspace.path().join("state.db")).unwrap();
    workspace
}

/// Slurm's programs in a directory of the cluster, each of which notes that it was called.
fn counting(lab: &Lab, workspace: &Workspace<'_>) -> String {
    let directory = format!("{}/counted", workspace.scratch());
    let programs = r#"mkdir "$1" && for name in squeue sacct scontrol; do
        printf '#!/bin/sh\necho %s >>%s/calls\nexec %s "$@"\n' $name "$1" "$(command -v $name)" >"$1/$name"
        chmod 755 "$1/$name"
    done"#;
    lab.fe(["sh", "-c", programs, "sh", &directory]).success();
    directory
}

/// Batch jobs that wait in the queue, one a run.
fn queued(lab: &Lab) -> Vec<String> {
    let submit =
        "for n in $(seq $1); do sbatch --parsable --hold --partition shared --wrap true; done";
    let runs = RUNS.to_string();
    let ids = lab.fe(["sh", "-c", submit, "sh", &runs]).success();
    ids.lines().map(str::to_owned).collect()
}

/// Runs that wait for these batch jobs.
fn submitted(workspace: &Workspace<'_>, ids: &[String]) {
    let mut store = Store::open(&workspace.path().join("state.db")).unwrap();
    let act = Act::new(Timestamp::from_second(1_700_000_000).unwrap(), "test", "");
    for (stage_id, job_id) in (1..).zip(ids) {
        let new = NewRun {
            stage: "nap",
            site: "slurm",
            label: "t",
            base: "runs",
            secret: 7,
        };
        let row = "{}".to_owned();
        let run = store
            .define(new, &[Candidate { stage_id, row }], act)
            .unwrap()
            .unwrap();
        let prepared = PreparedComponent {
            component_id: store.components(run).unwrap()[0].component_id,
            first_seq: 0,
            outcome: Ok(vec!["a".into()]),
            path_base: String::new(),
            next_id: None,
        };
        store.prepared(run, std::iter::once(prepared), act).unwrap();
        for event in [RunEvent::StageIn, RunEvent::Staged] {
            store.advance(run, event, act).unwrap();
        }
        store.submitted(run, job_id, act).unwrap();
        let path_base = store.run(run).unwrap().path_base;
        let directory = workspace.path().join(path_base);
        fs::create_dir_all(&directory).unwrap();
        decision(run, workspace.scratch())
            .write(&directory)
            .unwrap();
    }
}

fn decision(run_id: i64, scratch: &str) -> Decision {
    Decision {
        run_id,
        stage: "nap".into(),
        site: "slurm".into(),
        label: "t".into(),
        remote_dir: format!("{scratch}/run.{run_id}").into(),
        allocation: Allocation {
            formula: "bounded".into(),
            nodes: 1,
            tasks: None,
            slots_per_node: 1,
            walltime: 60,
            fill: 1.0,
            notes: Vec::new(),
        },
        components: 1,
        jobs: 1,
        chunks: 1,
        worker: None,
        files_in: 0,
        bytes_in: 0,
        files_out: 0,
        schema: None,
        report: Report::None,
        next: None,
        resident: Vec::new(),
    }
}

#[test]
fn a_thousand_runs_are_asked_for_by_one_query() {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = workspace(&lab, &master);
    let counted = counting(&lab, &workspace);
    let config = workspace.config().replace(
        "scheduler: slurm\n",
        &format!("scheduler: slurm\n    scheduler_path: {counted}\n"),
    );
    fs::write(workspace.path().join("outrigger.yaml"), config).unwrap();
    let ids = queued(&lab);
    assert_eq!(ids.len(), RUNS);
    submitted(&workspace, &ids);

    let polled = workspace.outrigger(["remote", "poll"]);
    let calls = lab.fe(["cat", &format!("{counted}/calls")]);
    assert_eq!(calls.stdout, "squeue\n", "{polled:?}");
    let store = Store::open(&workspace.path().join("state.db")).unwrap();
    let runs = store.runs(&RunFilter::default()).unwrap();
    let seen = runs.iter().filter(|run| run.polled_at.is_some()).count();
    assert_eq!(seen, RUNS, "{polled:?}");
    assert!(runs.iter().all(|run| run.state.to_string() == "run"));
}

#[test]
fn slurm_foresees_when_a_request_would_begin_and_nothing_is_queued() {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = workspace(&lab, &master);
    let line = "alloc --stage nap --jobs 50 --site slurm --formula calibrated --queue --json";
    let told = workspace.outrigger(line.split(' ')).success();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let first = &told["choices"][0];
    assert!(first["begins"]["at"].is_string(), "{told}");
    // The nodes are idle: it would begin at once, in whichever time zone the front end is.
    let over = first["over_in_seconds"].as_f64().unwrap();
    let walltime = first["walltime_hours"].as_f64().unwrap() * 3600.0;
    assert!((walltime..walltime + 300.0).contains(&over), "{told}");
    assert_eq!(lab.fe(["squeue", "--noheader"]).success(), "");
}
