//! The task scripts of the original pipeline load here as they are, or fail as they did there.
//!
//! They are not part of this repository: `OUTRIGGER_PRO_SCRIPTS` names the directory that has
//! them (`ippTasks`). `tests/original_scripts.tsv` says what each is expected to do, and
//! `tests/original_findings.tsv` what a check is known to find in them.

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
    opihi::Finding,
    pantasks::{
        check::{Checked, check},
        session::Session,
    },
    process::ProcessSettings,
    shell::outlet::Outlet,
};

const VERDICTS: &str = include_str!("original_scripts.tsv");
const FINDINGS: &str = include_str!("original_findings.tsv");

/// What a check says of `pantasks.pro` and then `script`.
fn checked(scripts: &Path, script: &str) -> Checked {
    let mut files = vec![scripts.join("pantasks.pro")];
    if script != "pantasks.pro" {
        files.push(scripts.join(script));
    }
    check(&files, &[scripts.to_path_buf()], Arc::new(SystemClock)).unwrap()
}

fn is_script(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e == "pro")
}

fn scripts() -> Option<PathBuf> {
    let scripts = std::env::var_os("OUTRIGGER_PRO_SCRIPTS").map(PathBuf::from);
    if scripts.is_none() {
        eprintln!("SKIPPED: OUTRIGGER_PRO_SCRIPTS is not set; no original script was read");
    }
    scripts
}

fn rows(table: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut fields = line.split('\t');
            let mut next = || fields.next().unwrap();
            (next(), next(), next())
        })
}

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
        Session::new(Arc::new(SystemClock), outlet, ProcessSettings::default()).unwrap();
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
    let Some(scripts) = scripts() else {
        return;
    };
    let mut wrong = Vec::new();
    let mut count = 0;
    for (script, verdict, wanted) in rows(VERDICTS) {
        let loads = verdict == "loads";
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
        .filter(|name| is_script(name) && !VERDICTS.contains(&format!("{name}\t")))
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

#[test]
fn a_check_of_an_original_script_comes_to_the_verdict_of_its_load() {
    let Some(scripts) = scripts() else {
        return;
    };
    let mut findings = std::collections::BTreeSet::new();
    let mut wrong = Vec::new();
    for (script, verdict, _) in rows(VERDICTS) {
        let checked = checked(&scripts, script);
        let errors = checked.findings.iter().any(|finding| finding.error);
        if checked.loads != (verdict == "loads") || errors == checked.loads {
            wrong.push(format!(
                "{script}: expected: {verdict}\n{:?}",
                checked.findings
            ));
        }
        let told = |finding: &Finding| {
            let place = finding.place.as_ref().map(ToString::to_string);
            (place, finding.message.clone())
        };
        findings.extend(checked.findings.iter().map(told));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    eprintln!("{} findings in the scripts of the original", findings.len());
}

#[test]
fn a_check_finds_what_is_known_to_be_wrong_in_the_original_scripts() {
    let Some(scripts) = scripts() else {
        return;
    };
    let mut missed = Vec::new();
    for (script, line, part) in rows(FINDINGS) {
        let checked = checked(&scripts, script);
        let is_it = |finding: &&Finding| {
            let spot = finding.spot();
            spot.is_some_and(|(file, at)| {
                file.ends_with(script) && (line.is_empty() || line == at.to_string())
            }) && finding.message.contains(part)
        };
        if checked.findings.iter().find(is_it).is_none() {
            missed.push(format!("{script}:{line}: {part}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
