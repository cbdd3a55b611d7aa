//! The example through the program itself, as its README says.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::asked::ask;

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    format!("{} {}", output.status, String::from_utf8_lossy(&both))
}

/// Sets a copy of the example up in `dir` and drives its label to the end.
fn drive(dir: &Path, stages: &str) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ipp");
    assert!(
        Command::new("cp")
            .arg("-r")
            .arg(example.join("."))
            .arg(dir)
            .status()
            .unwrap()
            .success()
    );
    let scratch = dir.join("scratch");
    let config = dir.join("outrigger.yaml");
    let text_of = std::fs::read_to_string(&config).unwrap();
    let moved = text_of
        .replace("/tmp/outrigger-ipp", scratch.to_str().unwrap())
        .replace("stages: stages/*.yaml", &format!("stages: {stages}"));
    std::fs::write(&config, moved).unwrap();
    assert!(
        Command::new("sh")
            .arg(dir.join("setup"))
            .arg(&scratch)
            .status()
            .unwrap()
            .success()
    );
    for arguments in [
        &["init"][..],
        &["remote", "run", "--label", super::world::LABEL],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_outrigger"))
            .args(arguments)
            .current_dir(dir)
            .env("IPP_BIN", dir.join("bin"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }
}

#[test]
fn all_seven_stages_run_hands_off() {
    let dir = tempfile::tempdir().unwrap();
    drive(dir.path(), "stages/*.yaml");
    let runs = ask(
        dir.path(),
        "SELECT stage || ' ' || state || ' ' || passed FROM runs ORDER BY stage",
    );
    assert_eq!(
        runs,
        [
            "camera full 3",
            "chip full 9",
            "diff full 6",
            "ff full 6",
            "stack full 4",
            "staticsky full 2",
            "warp full 6"
        ]
    );
    let store = outrigger::state::Store::open(&dir.path().join("state.db")).unwrap();
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn legacy_dbinfo_lines_are_run_once_each_and_only_as_allowed() {
    let dir = tempfile::tempdir().unwrap();
    drive(dir.path(), "legacy/*.yaml");
    let calls = std::fs::read_to_string(dir.path().join("chiptool.calls")).unwrap();
    assert_eq!(calls.lines().count(), 9, "{calls}");
    assert!(
        calls
            .lines()
            .all(|call| call.starts_with("-addprocessedimfile ")),
        "{calls}"
    );
    assert_eq!(
        ask(dir.path(), "SELECT DISTINCT state FROM outbox"),
        ["done"]
    );
    assert_eq!(
        ask(dir.path(), "SELECT DISTINCT state FROM components"),
        ["passed"]
    );
}
