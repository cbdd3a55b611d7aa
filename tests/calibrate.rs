//! What finished jobs teach, end to end on the embedded scheduler: run a stage, look at what its
//! jobs took, and let the next request follow from it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test says where"
)]

use std::{
    fmt::Write,
    fs,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

const SITE: &str = "
sites:
  here:
    scheduler: local
    scratch: SCRATCH
    nodes: {cores: 24}
    walltime: {min: 1m, max: 1h}
";

/// A recipe that says 500 s a job, of which each takes about one.
const STAGE: &str = r#"
stage: nap
components: {file: ../frames.csv}
command: [sleep, "{{ seconds }}"]
cost: {threads: 2, seconds: 500}
"#;

struct Work(tempfile::TempDir);

impl Work {
    fn new(frames: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let scratch = dir.path().join("scratch").display().to_string();
        let mut rows = String::from("stage_id,filter,seconds\n");
        for frame in 1..=frames {
            let filter = if frame % 2 == 0 { "g" } else { "y" };
            writeln!(rows, "{frame},{filter},1").unwrap();
        }
        fs::create_dir(dir.path().join("stages")).unwrap();
        for (name, text) in [
            ("outrigger.yaml", SITE.replace("SCRATCH", &scratch)),
            ("stages/nap.yaml", STAGE.to_owned()),
            ("frames.csv", rows),
        ] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        outrigger::state::Store::create(&dir.path().join("state.db")).unwrap();
        Self(dir)
    }

    fn run(&self, line: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_outrigger"))
            .current_dir(self.0.path())
            .args(line.split(' '))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn json(&self, line: &str) -> Value {
        let output = self.run(line);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }
}

#[test]
fn the_next_request_follows_from_what_jobs_took_and_not_from_the_recipe() {
    let work = Work::new(48);
    let before = work.json("alloc --stage nap --jobs 12 --formula calibrated --json");
    assert_eq!(before["formula"], "bounded");
    assert_eq!(before["cost_from"], "the stage's recipe");
    let why = before["notes"][0].as_str().unwrap();
    assert!(why.starts_with("no finished job of nap"), "{why}");

    let drive = work.run("remote run --label t");
    assert!(drive.status.success(), "{drive:?}");
    let known = work.json("calibrate --json");
    let nap = &known["calibrations"][0];
    assert_eq!(
        (&nap["stage"], &nap["site"]),
        (&"nap".into(), &"here".into())
    );
    assert_eq!(
        (&nap["wall"]["count"], &nap["enough"]),
        (&48.into(), &true.into())
    );
    let mean = nap["wall"]["mean"].as_f64().unwrap();
    assert!((0.9..20.0).contains(&mean), "{nap}");
    assert_eq!(nap["threads"]["2"]["jobs"], 48);

    let kinds = work.json("calibrate --stage nap --site here --by filter --json");
    let kinds = kinds["calibrations"].as_array().unwrap();
    let counts: Vec<_> = kinds
        .iter()
        .map(|k| (&k["kind"], &k["wall"]["count"]))
        .collect();
    assert_eq!(
        counts,
        [(&"g".into(), &24.into()), (&"y".into(), &24.into())]
    );

    let after = work.json("alloc --stage nap --jobs 12 --formula calibrated --json");
    assert_eq!(after["formula"], "calibrated");
    assert_eq!(after["cost_from"], "mean of 48 finished jobs");
    assert!(
        after["walltime_hours"].as_f64() < before["walltime_hours"].as_f64(),
        "{after}"
    );
    assert!(after["overrun"].as_f64().unwrap() <= 0.2, "{after}");
    let again = work.json("alloc --stage nap --jobs 12 --formula calibrated --json");
    assert_eq!(after, again);
}

#[test]
fn a_site_that_asks_for_it_prepares_by_what_jobs_took() {
    let work = Work::new(30);
    let config = work.0.path().join("outrigger.yaml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        format!("{text}    formula: calibrated\n    prefer: wide\n"),
    )
    .unwrap();
    assert!(work.run("remote run --label t").status.success());
    fs::write(
        work.0.path().join("frames.csv"),
        "stage_id,filter,seconds\n101,g,1\n102,y,1\n",
    )
    .unwrap();
    let defined = work.run("remote define nap --label t");
    assert!(defined.status.success(), "{defined:?}");
    let dry = work.json("remote prepare --dry-run --json");
    let allocation = &dry["would_write"][0]["allocation"];
    assert_eq!(allocation["formula"], "calibrated", "{dry}");
    assert_eq!(allocation["walltime"], 60, "{dry}");
}

#[test]
fn too_few_jobs_are_said_to_be_too_few() {
    let work = Work::new(3);
    assert!(work.run("remote run --label t").status.success());
    let said = work.run("calibrate");
    let told = String::from_utf8(said.stderr).unwrap();
    assert!(
        told.contains("nap at here: 3 finished jobs are too few"),
        "{told}"
    );
}

#[test]
fn what_only_finished_jobs_can_tell_is_not_taken_from_the_command_line() {
    let work = Work::new(1);
    let refused = work.run("alloc --stage nap --jobs 9 --formula calibrated --seconds 9");
    assert_eq!(refused.status.code(), Some(2));
    let unknown = work.run("calibrate --stage sleep");
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
}
