//! The task scripts of the original pipeline load here as they are, or fail as they did there.
//!
//! They are not part of this repository: `OUTRIGGER_PRO_SCRIPTS` names the directory that has
//! them (`ippTasks`). `tests/original_scripts.tsv` says what each is expected to do.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed test says where"
)]

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use outrigger::{
    engine::clock::SystemClock,
    pantasks::{local::LocalSettings, outlet::Outlet, session::Session},
};

const VERDICTS: &str = include_str!("original_scripts.tsv");

/// Whether `pantasks.pro` and then `script` load in a fresh session, and what was said.
fn load(scripts: &Path, script: &str) -> (bool, String) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let work = tempfile::tempdir().unwrap();
    let said = Arc::new(Mutex::new(String::new()));
    let (out, err) = (Arc::clone(&said), Arc::clone(&said));
    let outlet = Outlet::new(
        Box::new(move |text| out.lock().unwrap().push_str(text)),
        Box::new(move |text| err.lock().unwrap().push_str(text)),
    );
    let mut session =
        Session::new(Arc::new(SystemClock), outlet, LocalSettings::default()).unwrap();
    let scripts = scripts.to_str().unwrap();
    session.interpreter().set_list("MODULES", [scripts]);
    let prelude = format!("cd -q {}\nmodule pantasks.pro", work.path().display());
    assert!(session.run_text(Path::new("prelude"), &prelude).unwrap());
    let loaded = script == "pantasks.pro"
        || session
            .run_text(Path::new("load"), &format!("module {script}"))
            .unwrap();
    let said = said.lock().unwrap().replace(&format!("{scripts}/"), "");
    (loaded, said)
}

#[test]
fn each_script_of_the_original_does_here_what_it_did_there() {
    let Some(scripts) = std::env::var_os("OUTRIGGER_PRO_SCRIPTS").map(PathBuf::from) else {
        eprintln!("SKIPPED: OUTRIGGER_PRO_SCRIPTS is not set; no original script was loaded");
        return;
    };
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in VERDICTS.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split('\t');
        let script = fields.next().unwrap();
        let (loads, wanted) = (fields.next() == Some("loads"), fields.next().unwrap());
        let (loaded, said) = load(&scripts, script);
        count += 1;
        // A script without anything to say loads in silence.
        if loaded != loads || !said.contains(wanted) || (wanted.is_empty() && !said.is_empty()) {
            wrong.push(format!(
                "{script}: loads: {loaded}, expected: {loads}\n{said}"
            ));
        }
    }
    let unknown: Vec<String> = std::fs::read_dir(&scripts)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".pro") && !VERDICTS.contains(&format!("{name}\t")))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(unknown.is_empty(), "no verdict for {unknown:?}");
    eprintln!("{count} scripts of the original, each as expected");
}
