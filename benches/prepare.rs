//! Preparing 37,200 chip jobs (620 exposures of 60 imfiles) with 7 detrend lookups each, from a
//! real state.db. `cargo bench --bench prepare -- --times 10` takes ten times as many exposures.
//!
//! Aim: under 2 s and 300 MB, and linear. What the disk needs for the same files is measured in
//! the same run.
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a benchmark that fails should say so at once"
)]

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use outrigger::{
    config::{recipe::Recipe, site::Site},
    prepare::{
        RenderRequest, Renderer, candidates, launch,
        launch::{Launch, Starter},
    },
    state::{
        Store,
        component::NewRun,
        event::Act,
        run_dir::{self, decision::Allocation, manifest},
    },
};

const EXPOSURES: usize = 620;
const CHIPS: usize = 60;
const EPOCHS: usize = 9;
const TYPES: [&str; 7] = [
    "MASK",
    "FLAT",
    "DARK",
    "LINEARITY",
    "NOISEMAP",
    "FRINGE",
    "BURN",
];

const RECIPE: &str = r#"
stage: chip
components: {sql: "SELECT exp_id AS stage_id, exp_name, filter, dateobs, label FROM exposure WHERE label = :label"}
jobs:
  for_each: imfile
  from: {sql: "SELECT class_id, path, :filter AS filter, :dateobs AS dateobs FROM imfile WHERE exp_id = :stage_id ORDER BY class_id"}
  key: "{{ imfile.class_id }}"
lookups:
  detrend:
    from: {file: detrends.csv}
    params: [type, of]
    match: {type: "{{ type }}", filter: "{{ of.filter }}", class_id: "{{ of.class_id }}"}
    valid: {at: "{{ of.dateobs }}", from: begin, until: end}
    newest: made
    value: path
vars:
  tag: "{{ exp_name }}/{{ exp_name }}.ch.{{ stage_id }}"
  out: "{{ tag }}.{{ imfile.class_id }}"
  mask: "{{ detrend('MASK', imfile) }}"
  flat: "{{ detrend('FLAT', imfile) }}"
  dark: "{{ detrend('DARK', imfile) }}"
  linearity: "{{ detrend('LINEARITY', imfile) }}"
  noisemap: "{{ detrend('NOISEMAP', imfile) }}"
  fringe: "{{ detrend('FRINGE', imfile) }}"
  burn: "{{ detrend('BURN', imfile) }}"
inputs:
  - {local: "{{ imfile.path }}", remote: "raw/{{ imfile.path }}"}
  - {local: "{{ mask }}", remote: "cal/{{ mask }}"}
  - {local: "{{ flat }}", remote: "cal/{{ flat }}"}
  - {local: "{{ dark }}", remote: "cal/{{ dark }}"}
  - {local: "{{ linearity }}", remote: "cal/{{ linearity }}"}
  - {local: "{{ noisemap }}", remote: "cal/{{ noisemap }}"}
  - {local: "{{ fringe }}", remote: "cal/{{ fringe }}"}
  - {local: "{{ burn }}", remote: "cal/{{ burn }}"}
pre: [[mkdir, -p, "{{ exp_name }}"]]
command:
  - ppImage
  - -file
  - "{{ input(0) }}"
  - -mask
  - "{{ input(1) }}"
  - -flat
  - "{{ input(2) }}"
  - -dark
  - "{{ input(3) }}"
  - -linearity
  - "{{ input(4) }}"
  - -noisemap
  - "{{ input(5) }}"
  - -fringe
  - "{{ input(6) }}"
  - -burntool
  - "{{ input(7) }}"
  - "{{ out }}"
  - -recipe
  - PPIMAGE
  - CHIP
  - -stats
  - "{{ out }}.stats"
  - -threads
  - "{{ threads }}"
  - -image_id
  - "{{ stage_id }}"
outputs:
  - {remote: "{{ out }}.cmf", local: "products/{{ out }}.cmf"}
  - {remote: "{{ out }}.mdl.fits", local: "products/{{ out }}.mdl.fits"}
  - {remote: "{{ out }}.ptn", local: "products/{{ out }}.ptn", required: false}
  - {remote: "{{ out }}.log", local: "products/{{ out }}.log"}
dbinfo:
  table: chip
  key: [exp_id, class_id]
  columns: {exp_id: integer, class_id: text, host: text, bg: real, quality: integer}
  values: {exp_id: "{{ stage_id }}", class_id: "{{ imfile.class_id }}", host: "{{ site }}"}
  from: "{{ out }}.dbinfo"
cost: {threads: 2, seconds: 150 s}
next: camera
"#;

fn main() {
    let times = times();
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let recipe: Recipe = serde_yaml::with::singleton_map_recursive::deserialize(
        serde_yaml::Deserializer::from_str(RECIPE),
    )
    .unwrap();
    write_detrends(home);
    write_exposures(home, EXPOSURES * times);
    let mut store = Store::create(&home.join("state.db")).unwrap();
    let run_id = define(&recipe, &mut store, home);
    let site: Site = serde_json::from_value(serde_json::json!({
        "scratch": "/scratch3/survey", "nodes": {"cores": 24, "max": 1000},
    }))
    .unwrap();
    let run_dir = home.join("run");
    let names = BTreeMap::new();
    let request = RenderRequest {
        recipe: &recipe,
        recipe_dir: home,
        home,
        kept: &[],
        names: &names,
        site_name: "mustang",
        site: &site,
        run_id,
        label: "survey",
        run_dir: &run_dir,
        remote_dir: Path::new("/scratch3/survey/runs/1"),
    };

    reset_peak();
    let before = peak_mb();
    let cpu = cpu_seconds();
    let begin = Instant::now();
    let work = Renderer::new(request, &store).unwrap();
    let loaded = begin.elapsed();
    let rendered = work.render(&store, &|_| {}).unwrap();
    let drawn = begin.elapsed();
    let allocation = Allocation {
        formula: "seed".into(),
        nodes: 162,
        tasks: None,
        slots_per_node: 12,
        walltime: 3600,
        fill: 0.797,
        notes: Vec::new(),
    };
    let launch = Launch {
        token: "or-1-1-00000007",
        allocation: &allocation,
        directives: &[],
        starter: Starter::Chunks(&|conf, tasks, _| {
            vec!["srun".into(), format!("-n{tasks}"), conf.into()]
        }),
    };
    let decision = launch::write(&rendered, &request, &launch).unwrap();
    let done = begin.elapsed();
    let cpu = cpu_seconds() - cpu;
    let peak = peak_mb();
    assert_eq!(rendered.components_failed, 0);
    assert_eq!(rendered.jobs, (EXPOSURES * times * CHIPS) as u64);

    let begin = Instant::now();
    let outcomes = rendered.components().unwrap();
    store.prepared(run_id, outcomes, act()).unwrap();
    let recorded = begin.elapsed();

    let (bytes, written) = write_again(&run_dir, &home.join("again"));
    let (files, looked) = look_again(&run_dir);
    let per_job = done.as_secs_f64() * 1e6 / rendered.jobs as f64;
    println!(
        "jobs                {:>10}  in {} configs",
        rendered.jobs, decision.chunks
    );
    println!(
        "prepare             {:>10.3} s  ({per_job:.1} us a job)",
        done.as_secs_f64()
    );
    println!("  of all cores      {cpu:>10.2} s");
    println!("  compile and load  {:>10.3} s", loaded.as_secs_f64());
    println!(
        "  render            {:>10.3} s",
        drawn.saturating_sub(loaded).as_secs_f64()
    );
    println!(
        "  launch files      {:>10.3} s",
        done.saturating_sub(drawn).as_secs_f64()
    );
    println!("peak memory         {peak:>10.1} MB  (before: {before:.1} MB)");
    println!("record in state.db  {:>10.3} s", recorded.as_secs_f64());
    println!(
        "limit: write the same {:.1} MB  {:.3} s",
        bytes as f64 / 1e6,
        written.as_secs_f64()
    );
    println!(
        "limit: look at the same {files} files  {:.3} s",
        looked.as_secs_f64()
    );
}

fn times() -> usize {
    let arguments: Vec<String> = std::env::args().collect();
    let given = arguments.iter().position(|argument| argument == "--times");
    given
        .and_then(|at| arguments.get(at + 1))
        .map_or(1, |times| times.parse().unwrap())
}

fn act() -> Act<'static> {
    Act::new(Timestamp::UNIX_EPOCH, "bench", "")
}

fn class_id(chip: usize) -> String {
    format!("XY{:02}", chip + 1)
}

fn write_detrends(home: &Path) {
    fs::create_dir(home.join("detrends")).unwrap();
    let mut table = String::from("type,filter,class_id,begin,end,made,path\n");
    for kind in TYPES {
        let filter = if matches!(kind, "FLAT" | "FRINGE") {
            "r"
        } else {
            ""
        };
        for chip in 0..CHIPS {
            for epoch in 0..EPOCHS {
                let class_id = class_id(chip);
                let path = format!("detrends/{kind}.{epoch}.{class_id}.fits");
                fs::write(home.join(&path), "").unwrap();
                let (begin, end) = (2006 + epoch, 2008 + epoch);
                let line = format!(
                    "{kind},{filter},{class_id},{begin}-01-01,{end}-01-01,{epoch},{path}\n"
                );
                table.push_str(&line);
            }
        }
    }
    fs::write(home.join("detrends.csv"), table).unwrap();
}

fn write_exposures(home: &Path, count: usize) {
    drop(Store::create(&home.join("state.db")).unwrap());
    let mut connection = rusqlite::Connection::open(home.join("state.db")).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE exposure (exp_id INTEGER PRIMARY KEY, exp_name, filter, dateobs, label);
             CREATE TABLE imfile (exp_id, class_id, path, PRIMARY KEY (exp_id, class_id)) WITHOUT ROWID;",
        )
        .unwrap();
    let transaction = connection.transaction().unwrap();
    for exposure in 0..count {
        let name = format!("o5{exposure:05}g");
        fs::create_dir_all(home.join(&name)).unwrap();
        let day = exposure % 28 + 1;
        let month = exposure % 12 + 1;
        let date = format!("2010-{month:02}-{day:02}T08:30:00");
        transaction
            .execute(
                "INSERT INTO exposure VALUES (?, ?, 'r', ?, 'survey')",
                (exposure, &name, date),
            )
            .unwrap();
        let mut insert = transaction
            .prepare_cached("INSERT INTO imfile VALUES (?, ?, ?)")
            .unwrap();
        for chip in 0..CHIPS {
            let class_id = class_id(chip);
            let path = format!("{name}/{name}.{class_id}.fits");
            fs::write(home.join(&path), "").unwrap();
            insert.execute((exposure, class_id, path)).unwrap();
        }
    }
    transaction.commit().unwrap();
}

fn define(recipe: &Recipe, store: &mut Store, home: &Path) -> i64 {
    let reader = store.reader().unwrap();
    let mut found = Vec::new();
    candidates(recipe, home, &reader, "survey", &mut |candidate| {
        found.push(candidate);
        Ok(())
    })
    .unwrap();
    let new = NewRun {
        stage: "chip",
        site: "mustang",
        label: "survey",
        base: "runs",
        secret: 7,
    };
    store.define(new, &found, act()).unwrap().unwrap()
}

/// Writes the same bytes once more, and nothing else.
fn write_again(run_dir: &Path, to: &Path) -> (u64, Duration) {
    let mut all = Vec::new();
    for entry in fs::read_dir(run_dir).unwrap() {
        let path = entry.unwrap().path();
        all.push((
            path.file_name().unwrap().to_owned(),
            fs::read(&path).unwrap(),
        ));
    }
    fs::create_dir(to).unwrap();
    let begin = Instant::now();
    for (name, bytes) in &all {
        let mut file = BufWriter::new(fs::File::create(to.join(name)).unwrap());
        for piece in bytes.chunks(500) {
            file.write_all(piece).unwrap();
        }
        file.flush().unwrap();
    }
    let elapsed = begin.elapsed();
    (
        all.iter().map(|(_, bytes)| bytes.len() as u64).sum(),
        elapsed,
    )
}

/// Looks at the same input files once more, on one thread.
fn look_again(run_dir: &Path) -> (usize, Duration) {
    let text = fs::read_to_string(run_dir.join(run_dir::MANIFEST)).unwrap();
    let lines = manifest::read(&text).unwrap();
    let inputs: HashSet<PathBuf> = lines
        .into_iter()
        .filter(|line| !line.kind.is_output())
        .filter_map(|line| line.local)
        .collect();
    let begin = Instant::now();
    for path in &inputs {
        fs::metadata(path).unwrap();
    }
    (inputs.len(), begin.elapsed())
}

/// Lets the kernel count the peak from here on, where it can.
fn reset_peak() {
    drop(fs::write("/proc/self/clear_refs", "5"));
}

fn peak_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024.0 / 1e6
}

/// Seconds that all threads were at work, in hundredths: user and system time of proc(5).
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum();
    ticks / 100.0
}
