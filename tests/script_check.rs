//! `outrigger script check` on the scripts of tests/scripts: what it prints is in NAME.out beside
//! NAME.pro. `OUTRIGGER_GOLDEN=write` writes these files anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed test says where"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use assert_cmd::Command;
use predicates::str::contains;
use serde_json::Value;

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts")
}

fn check(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outrigger"));
    command
        .current_dir(directory)
        .args(["script", "check"])
        .args(arguments);
    command
}

/// What the check prints, with its exit code.
fn printed(arguments: &[&str]) -> String {
    let output = check(&scripts(), arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let code = output.status.code().unwrap();
    format!("{text}exit {code}\n")
}

fn is_script(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e == "pro")
}

fn names() -> Vec<String> {
    let files = fs::read_dir(scripts()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| is_script(name)).collect();
    names.sort();
    names
}

#[test]
fn each_script_is_told_what_is_wrong_with_it() {
    let mut wrong = Vec::new();
    let names = names();
    for name in &names {
        let text = printed(&[name]);
        let golden = scripts().join(name).with_extension("out");
        if std::env::var_os("OUTRIGGER_GOLDEN").is_some() {
            fs::write(golden, &text).unwrap();
        } else if fs::read_to_string(golden).unwrap_or_default() != text {
            wrong.push(format!("{name}:\n{text}"));
        }
    }
    assert!(names.len() > 30, "{}", names.len());
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}

#[test]
fn nothing_happens() {
    let directory = tempfile::tempdir().unwrap();
    fs::copy(
        scripts().join("touches.pro"),
        directory.path().join("touches.pro"),
    )
    .unwrap();
    check(directory.path(), &["touches.pro"]).assert().success();
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn json_has_the_verdict_and_each_problem_with_its_line() {
    let output = check(&scripts(), &["task_if.pro", "--json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = serde_json::json!({
        "schema": 1,
        "verdict": "fails",
        "files": ["task_if.pro"],
        "problems": [
            {
                "file": "task_if.pro",
                "line": 4,
                "level": "warning",
                "message": "a task's own lines have no blocks: `if` has no effect, and its `end` ends the task",
                "help": "put it into task.exec, or before the task",
                "text": "if (1)",
            },
            {
                "file": "task_if.pro",
                "line": 7,
                "level": "error",
                "message": "`end` closes nothing that is open",
                "text": "end",
            },
        ],
    });
    assert_eq!(found, expected);
}

#[test]
fn strict_fails_for_warnings_too() {
    check(&scripts(), &["dots.pro"]).assert().code(0);
    check(&scripts(), &["dots.pro", "--strict"])
        .assert()
        .code(1);
    check(&scripts(), &["language.pro", "--strict"])
        .assert()
        .code(0);
}

#[test]
fn files_are_loaded_in_their_order_and_modules_where_they_are_said_to_be() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (
        directory.path().join("first.pro"),
        directory.path().join("second.pro"),
    );
    fs::write(&first, "macro greet\n  echo $1\nend\n").unwrap();
    fs::write(&second, "greet you\nmodule inner.pro\n").unwrap();
    let modules = scripts();
    let modules = modules.to_str().unwrap();
    check(
        directory.path(),
        &["first.pro", "second.pro", "--modules", modules],
    )
    .assert()
    .code(0)
    .stdout(contains("3 files load: 1 warning"));
    check(
        directory.path(),
        &["second.pro", "first.pro", "--modules", modules],
    )
    .assert()
    .code(1)
    .stdout(contains("greet: Command not found."));
    check(directory.path(), &["first.pro", "second.pro"])
        .assert()
        .code(1)
        .stdout(contains("module inner.pro not found"));
    check(directory.path(), &[]).assert().code(2);
}

#[test]
fn the_scripts_that_the_program_carries_are_without_fault() {
    let tasks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tasks");
    check(&tasks, &["pantasks.pro", "remote.pro", "--strict"])
        .assert()
        .code(0);
}
