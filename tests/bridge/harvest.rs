//! What has passed comes home while its batch job runs: where the records are lines of a legacy program,
//! and where they do not fit their table.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn a_table_that_somebody_changed_holds_up_the_harvest_of_its_run_and_nothing_else() {
    let work = Work::new(&format!(
        "case {{{{ out }}}} in *3.y) read -r go < gate;; esac && {GOOD}"
    ));
    let gate = work.path().join("scratch/gate");
    fs::create_dir(work.path().join("scratch")).unwrap();
    fifo(&gate);
    for step in ["define a --label t", "prepare", "exec"] {
        let words: Vec<&str> = ["remote"].into_iter().chain(step.split(' ')).collect();
        work.run(&words);
    }
    let table = |sql: &str| {
        let db = rusqlite::Connection::open(work.path().join("state.db")).unwrap();
        db.execute_batch(sql).unwrap();
    };
    table("DROP TABLE measured");
    table(
        "CREATE TABLE measured (thing TEXT, part TEXT, bytes INTEGER, PRIMARY KEY (thing, part))",
    );
    until("what has passed is found not to fit", || {
        let polled = work.run(&["remote", "poll", "--harvest"]);
        assert_eq!(polled.status.code(), Some(4), "{}", text(&polled));
        text(&polled).contains("not harvested: ")
    });
    let harvested = "SELECT state FROM runs WHERE harvested_at IS NOT NULL";
    assert_eq!(work.ask(harvested), ["run"]);

    table("DROP TABLE measured");
    fs::write(&gate, "go\n").unwrap();
    let driven = work.drive();
    assert!(driven.status.success(), "{}", text(&driven));
    assert_eq!(work.ask("SELECT count(*) || '' FROM measured"), ["6"]);
    work.sound();
}

/// Notes its arguments.
const PROGRAM: &str = "#!/bin/sh\necho \"$*\" >> told\n";

#[test]
fn a_legacy_line_is_run_once_whether_its_job_is_harvested_or_comes_home_at_the_end() {
    let work = Work::new(
        "case {{ out }} in *3.y) read -r go < gate;; esac && cat {{ input(0) }} > {{ out }}.out && \
         echo \\\"measuretool -addmeasured -thing {{ stage_id }} -part {{ part.name }}\\\" > {{ out }}.dbinfo",
    );
    let from = "  from: \"{{ out }}.stats\"\n  format: lines\n";
    work.replace("stages/a.yaml", from, "  legacy: \"{{ out }}.dbinfo\"\n");
    work.replace("stages/a.yaml", "next: b\n", "");
    let tool = work.path().join("measuretool");
    work.write("measuretool", PROGRAM);
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let config = fs::read_to_string(work.path().join("outrigger.yaml")).unwrap();
    let allowed = format!(
        "{config}legacy_dbinfo:\n  measuretool: {{path: {}, options: [-addmeasured, -thing, -part]}}\n",
        tool.display()
    );
    work.write("outrigger.yaml", &allowed);
    let gate = work.path().join("scratch/gate");
    fs::create_dir(work.path().join("scratch")).unwrap();
    fifo(&gate);
    let told = || {
        let lines = fs::read_to_string(work.path().join("told")).unwrap_or_default();
        let mut lines: Vec<String> = lines.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    for step in ["define a --label t", "prepare", "exec"] {
        let words: Vec<&str> = ["remote"].into_iter().chain(step.split(' ')).collect();
        work.run(&words);
    }
    until("five jobs are home", || {
        work.run(&["remote", "poll", "--harvest"]);
        told().len() == 5
    });
    assert_eq!(work.ask("SELECT state FROM runs"), ["run"]);
    let passed = "SELECT stage_id || '' FROM components WHERE state = 'passed' ORDER BY stage_id";
    assert_eq!(work.ask(passed), ["1", "2"]);
    work.run(&["remote", "poll", "--harvest"]);
    assert_eq!(told().len(), 5, "each line is run once");

    fs::write(&gate, "go\n").unwrap();
    let driven = work.drive();
    assert!(driven.status.success(), "{}", text(&driven));
    assert_eq!(work.ask("SELECT state FROM runs"), ["full"]);
    let line = |thing, part| format!("-addmeasured -thing {thing} -part {part}");
    let all = (1..=3).flat_map(|thing| ["x", "y"].map(|part| line(thing, part)));
    assert_eq!(told(), all.collect::<Vec<_>>());
    assert_eq!(work.ask("SELECT DISTINCT state FROM outbox"), ["done"]);
}
