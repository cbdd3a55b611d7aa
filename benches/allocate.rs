//! Planning 24 million jobs (400,000 exposures of 60 imfiles) into runs, from a real state.db in
//! which 100,000 finished jobs say what jobs take.
//! `cargo bench --bench allocate -- --times 0.1` takes a tenth as many exposures.
//!
//! What reading the same rows and writing the same components costs SQLite alone is measured in
//! the same run.
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark that fails should say so at once"
)]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use outrigger::{
    config,
    remote::{DefineRequest, Workplace},
    state::Store,
};
use rusqlite::{Connection, params};

const EXPOSURES: f64 = 400_000.0;
const CHIPS: u64 = 60;
const FINISHED: u64 = 100_000;

const SITE: &str = "
sites:
  mustang:
    scheduler: slurm
    scratch: /scratch3/survey
    nodes: {cores: 24, max: 1000}
    walltime: {min: 1h, max: 8h}
    chunk: {max_bytes: 100 MB}
    formula: calibrated
";

const RECIPE: &str = r#"
stage: chip
components: {sql: "SELECT exp_id AS stage_id, exp_name, filter FROM exposure WHERE label = :label"}
jobs:
  for_each: imfile
  from: {sql: "SELECT class_id FROM imfile WHERE :stage_id > 0 ORDER BY class_id"}
  key: "{{ imfile.class_id }}"
command: [ppImage, "{{ exp_name }}", "{{ imfile.class_id }}"]
cost: {threads: 2, seconds: 150}
"#;

fn main() {
    let exposures = (EXPOSURES * times()) as u64;
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    fs::create_dir(home.join("stages")).unwrap();
    fs::write(home.join("outrigger.yaml"), SITE).unwrap();
    fs::write(home.join("stages/chip.yaml"), RECIPE).unwrap();
    let db = home.join("state.db");
    drop(Store::create(&db).unwrap());
    fill(&db, exposures);
    let limit = limit(&db, &home.join("limit.db"));

    let loaded = config::load(home).map_err(|_| "outrigger.yaml").unwrap();
    let mut workplace = Workplace::new(loaded, Store::open(&db).unwrap(), "outrigger".into());
    let begin = Instant::now();
    let reckoning = workplace.reckoning("chip", "mustang").unwrap();
    let learnt = begin.elapsed();
    let begin = Instant::now();
    let whole = reckoning.allocate(exposures * CHIPS, false).unwrap();
    let played = begin.elapsed();
    let begin = Instant::now();
    let request = DefineRequest {
        stage: "chip".into(),
        label: "survey".into(),
        ..DefineRequest::default()
    };
    let defined = workplace.define(&request).unwrap();
    let planned = begin.elapsed();

    let jobs = exposures * CHIPS;
    println!(
        "{jobs} jobs of {exposures} components go into {} runs",
        defined.runs.len()
    );
    println!(
        "each asks for {} nodes and {}: {} jobs at most, fill {:.3}, chance to overrun {:.3}",
        whole.nodes,
        whole.walltime,
        whole.jobs_per_run,
        whole.fill,
        whole.outlook.map_or(1.0, |outlook| outlook.overrun),
    );
    let row = |what: &str, time: Duration| {
        println!(
            "{what:<58}{:>8.2} s  {:>7.3} us a job",
            time.as_secs_f64(),
            time.as_secs_f64() * 1e6 / jobs as f64
        );
    };
    row("learn from 100,000 finished jobs", learnt);
    row("play the launcher until the request is found", played);
    row(
        "define: all of it, from the query to the runs in state.db",
        planned,
    );
    row(
        "SQLite alone: the same rows read, the same components",
        limit,
    );
    println!(
        "define / SQLite alone = {:.2}; peak memory {} MiB",
        planned.as_secs_f64() / limit.as_secs_f64(),
        peak_kib() / 1024
    );
}

fn times() -> f64 {
    let mut arguments = std::env::args();
    arguments
        .find(|argument| argument == "--times")
        .and_then(|_| arguments.next())
        .map_or(1.0, |times| times.parse().unwrap())
}

/// Exposures that wait, and a run of jobs that have finished.
fn fill(db: &Path, exposures: u64) {
    let mut connection = Connection::open(db).unwrap();
    let transaction = connection.transaction().unwrap();
    transaction
        .execute_batch(
            "CREATE TABLE exposure (exp_id INTEGER PRIMARY KEY, exp_name TEXT, filter TEXT, label TEXT);
             CREATE TABLE imfile (class_id TEXT PRIMARY KEY);
             INSERT INTO runs (stage, site, label, state, path_base, token, created_at, changed_at)
             VALUES ('chip', 'mustang', 'before', 'full', 'runs', 'or-1-1-00000000', 0, 0);
             INSERT INTO components (run_id, stage, stage_id, state, row)
             VALUES (1, 'chip', -1, 'passed', '{}');",
        )
        .unwrap();
    {
        let mut exposure = transaction
            .prepare("INSERT INTO exposure VALUES (?, 'o5303g' || ?1, 'g', 'survey')")
            .unwrap();
        for id in 1..=exposures {
            exposure.execute([id]).unwrap();
        }
        let mut imfile = transaction
            .prepare("INSERT INTO imfile VALUES (?)")
            .unwrap();
        for chip in 0..CHIPS {
            imfile.execute([format!("XY{chip:02}")]).unwrap();
        }
        let mut job = transaction
            .prepare(
                "INSERT INTO jobs (run_id, seq, component_id, key, state, started_at, ended_at, threads)
                 VALUES (1, ?, 1, '', 'passed', 0, ?, 2)",
            )
            .unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        for seq in 0..FINISHED {
            // Log-normal: 150 s in the median, a factor of 1.5 a sigma.
            let sigmas: f64 = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
            let seconds = (150.0 * 1.5_f64.powf(sigmas)) as u64;
            job.execute(params![seq, seconds * 1000]).unwrap();
        }
    }
    transaction.commit().unwrap();
}

/// Reads the rows that planning must read, and writes the components that it must write, with
/// nothing in between.
fn limit(db: &Path, to: &Path) -> Duration {
    let source = Connection::open(db).unwrap();
    drop(Store::create(to).unwrap());
    let mut target = Connection::open(to).unwrap();
    let begin = Instant::now();
    let transaction = target.transaction().unwrap();
    transaction
        .execute_batch(
            "INSERT INTO runs (stage, site, label, state, path_base, token, created_at, changed_at)
             VALUES ('chip', 'mustang', 'survey', 'new', 'runs', 'or-1-1-00000000', 0, 0);",
        )
        .unwrap();
    {
        let mut insert = transaction
            .prepare(
                "INSERT INTO components (run_id, stage, stage_id, state, row)
                 VALUES (1, 'chip', ?, 'new', ?)",
            )
            .unwrap();
        let mut chips = source
            .prepare("SELECT class_id FROM imfile WHERE ? > 0 ORDER BY class_id")
            .unwrap();
        let mut exposures = source
            .prepare("SELECT exp_id, exp_name, filter FROM exposure WHERE label = 'survey'")
            .unwrap();
        let mut rows = exposures.query([]).unwrap();
        let mut jobs = 0;
        while let Some(row) = rows.next().unwrap() {
            let id: i64 = row.get(0).unwrap();
            let mut of = chips.query([id]).unwrap();
            while of.next().unwrap().is_some() {
                jobs += 1;
            }
            let text = format!("{{\"exp_name\":\"{}\"}}", row.get::<_, String>(1).unwrap());
            insert.execute(params![id, text]).unwrap();
        }
        assert!(jobs > 0);
    }
    transaction.commit().unwrap();
    begin.elapsed()
}

/// Most memory that this process had, in KiB.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next())
        .map_or(0, |kib| kib.parse().unwrap())
}
