//! examples/survey through the program: frames to a stack and its catalogue in state.db.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use outrigger::state::Store;
use rstest::rstest;
use rusqlite::Connection;
use serde_json::Value;

/// A copy of the example in a directory of its own.
struct Survey {
    dir: tempfile::TempDir,
}

impl Survey {
    fn new(stages: &str) -> Self {
        let survey = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/survey");
        for name in ["config", "data", "stages", "stages-builtin"] {
            fs::create_dir(survey.path().join(name)).unwrap();
            for entry in fs::read_dir(example.join(name)).unwrap() {
                let entry = entry.unwrap();
                let copy = survey.path().join(name).join(entry.file_name());
                fs::copy(entry.path(), copy).unwrap();
            }
        }
        let scratch = survey.path().join("scratch");
        let text = fs::read_to_string(example.join("outrigger.yaml"))
            .unwrap()
            .replace("stages: stages/*.yaml", &format!("stages: {stages}"))
            .replace("/tmp/outrigger-survey", scratch.to_str().unwrap());
        fs::write(survey.path().join("outrigger.yaml"), text).unwrap();
        Store::create(&survey.path().join("state.db")).unwrap();
        survey
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs `outrigger` with the words of `line`; the jobs find it by its name.
    fn run(&self, line: &str) {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_outrigger"));
        let mut path = vec![program.parent().unwrap().to_owned()];
        path.extend(env::split_paths(&env::var_os("PATH").unwrap()));
        let output = Command::new(program)
            .args(line.split_whitespace())
            .current_dir(self.path())
            .env("PATH", env::join_paths(path).unwrap())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "outrigger {line}: {said}");
    }

    fn ask(&self, sql: &str) -> i64 {
        let db = Connection::open(self.path().join("state.db")).unwrap();
        db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path().join(name)).unwrap()).unwrap()
    }
}

/// Source Extractor and `SWarp` are what `./test` installs.
#[rstest]
#[case::debian("stages/*.yaml")]
#[case::builtin("stages-builtin/*.yaml")]
fn frames_become_a_stack_with_the_planted_stars_in_it(#[case] stages: &str) {
    let survey = Survey::new(stages);
    survey.run("sky frames --base data/image.fits --out raw --exposures 3 --chips 4");
    survey.run("remote run --label survey");

    for (table, rows) in [("chip", 12), ("camera", 3), ("warp", 12), ("stack", 1)] {
        assert_eq!(
            survey.ask(&format!("SELECT count(*) FROM {table}")),
            rows,
            "{table}"
        );
    }
    let as_fitted = "SELECT count(*) FROM warp JOIN camera USING (exp_id)
                     WHERE warp.dx = camera.dx AND warp.dy = camera.dy";
    assert_eq!(survey.ask(as_fitted), 12, "warp uses what camera fitted");
    let stacked =
        "SELECT count(*) FROM stack WHERE n_warps = 12 AND n_exposures = 3 AND depth > 18";
    assert_eq!(survey.ask(stacked), 1);

    survey.run(
        "sky check --catalog products/stack/field1.r.cat --truth raw/truth.csv --bright 17 \
         --json check.json",
    );
    let check = survey.json("check.json");
    let number = |key: &str| check.get(key).and_then(Value::as_f64).unwrap();
    assert!(number("bright_completeness") > 0.95, "{check}");
    assert!(number("bright_rms_pixels") < 0.15, "{check}");
    assert!(number("magnitude_offset").abs() < 0.05, "{check}");
}
