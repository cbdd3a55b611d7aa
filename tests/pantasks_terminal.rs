//! The scheduler at a terminal, as a human sees it: `terminal.py` types at it.

#![allow(clippy::unwrap_used, reason = "a failed test says where")]

use std::{path::Path, process::Command};

#[test]
fn a_human_types_completes_interrupts_and_is_not_disturbed() {
    let dir = tempfile::tempdir().unwrap();
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/terminal.py");
    let program = dir.path().join("pantasks");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_outrigger"), &program).unwrap();
    let output = Command::new("python3")
        .arg(python)
        .arg(program)
        .arg(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
