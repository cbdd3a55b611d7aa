//! The recipes of examples/survey, with and without Source Extractor and `SWarp`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

use std::{fs, path::Path};

use outrigger::config;
use rstest::rstest;

/// A copy of the example whose stages are those of the glob.
fn survey(stages: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/survey");
    for name in ["stages", "stages-builtin"] {
        fs::create_dir(dir.path().join(name)).unwrap();
        for entry in fs::read_dir(example.join(name)).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), dir.path().join(name).join(entry.file_name())).unwrap();
        }
    }
    let text = fs::read_to_string(example.join("outrigger.yaml")).unwrap();
    let text = text.replace("stages: stages/*.yaml", &format!("stages: {stages}"));
    fs::write(dir.path().join("outrigger.yaml"), text).unwrap();
    fs::create_dir(dir.path().join("raw")).unwrap();
    fs::write(dir.path().join("raw/exposures.csv"), "stage_id,exp_id\n").unwrap();
    fs::write(dir.path().join("raw/chips.jsonl"), "").unwrap();
    dir
}

#[rstest]
#[case("stages/*.yaml")]
#[case("stages-builtin/*.yaml")]
fn the_four_stages_lead_to_one_another(#[case] stages: &str) {
    let dir = survey(stages);
    let loaded = config::load(dir.path()).unwrap_or_else(|problems| panic!("{problems:?}"));
    for (stage, table) in [
        ("chip", "chip"),
        ("cam", "camera"),
        ("warp", "warp"),
        ("stack", "stack"),
    ] {
        let recipe = &loaded.recipe(stage).unwrap().recipe;
        assert_eq!(recipe.dbinfo.as_ref().unwrap().table, table);
    }
}
