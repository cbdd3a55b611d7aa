//! What failed waits before it goes into a new bundle, end to end through the program.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test says where"
)]

mod asked;
#[allow(
    dead_code,
    reason = "the harness of another test, of which this one needs a part"
)]
#[path = "crash/life.rs"]
mod life;
#[path = "crash/place.rs"]
mod place;
mod until;

use std::{path::Path, process::Output};

use life::Life;
use serde_json::Value;
use until::until;

fn run(life: &Life, arguments: &[&str]) -> Output {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_outrigger"));
    let program = program.current_dir(life.path()).args(arguments);
    program.output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(life: &Life, arguments: &[&str]) -> Value {
    serde_json::from_slice(&run(life, arguments).stdout).unwrap()
}

#[test]
fn the_driver_waits_for_what_is_due_later_and_comes_to_the_same_end() {
    let life = Life::at("retries: 2\nback_off: {after: 1s, at_most: 1s}");
    life.drive(None);
    life.is_sound("nobody died");
    let plain = Life::new();
    plain.drive(None);
    assert_eq!(life.end(), plain.end(), "{}", life.said());
    let waited = life.ask(
        "SELECT c.stage || c.stage_id || ': ' || (next.at - failed.at >= 1000) FROM components c
         JOIN events failed ON failed.subject = 'component' AND failed.subject_id = c.component_id
            AND failed.after = 'retry'
         JOIN components again ON again.stage = c.stage AND again.stage_id = c.stage_id
            AND again.attempt = c.attempt + 1
         JOIN events next ON next.subject = 'component' AND next.subject_id = again.component_id
            AND next.after = 'new'
         ORDER BY 1",
    );
    assert_eq!(waited, ["a1: 1", "a2: 1", "a2: 1"]);
}

#[test]
fn who_asks_is_told_of_the_wait_and_a_human_ends_it() {
    let life = Life::at("retries: 2\nback_off: {after: 1h}");
    until("both failed once", || {
        run(&life, &["remote", "run", "--once", "--label", "t"]);
        life.ask("SELECT state FROM runs WHERE run_id = 1") == ["full"]
    });
    let once = run(&life, &["remote", "run", "--once", "--label", "t"]);
    let wait = "2 components wait, the first is due again in 59 min";
    assert!(text(&once).contains(wait), "{}", text(&once));

    let why = json(&life, &["remote", "why", "1", "--json"]);
    assert_eq!(why["why"]["waiting"]["components"], 2);
    let told = text(&run(&life, &["remote", "why", "1"]));
    assert!(told.contains(wait), "{told}");
    let status = text(&run(&life, &["status"]));
    assert!(status.contains(&format!("a: {wait}")), "{status}");
    let stages = json(&life, &["status", "--json"]);
    assert_eq!(stages["stages"][0]["waiting"]["components"], 2);
    let shown = text(&run(&life, &["remote", "show", "1"]));
    assert_eq!(shown.matches("; due again in 59 min").count(), 2, "{shown}");
    let shown = json(&life, &["remote", "show", "1", "--json"]);
    assert!(shown["shown"]["components"][0]["due_at"].is_string());
    let defined = run(&life, &["remote", "define", "a", "--label", "t"]);
    assert!(text(&defined).contains(wait), "{}", text(&defined));
    assert_eq!(free(life.path()), 0);

    let freed = run(&life, &["remote", "revert", "--components", "1"]);
    assert_eq!(text(&freed), "run 1: 2 components are free again\n");
    let defined = run(&life, &["remote", "define", "a", "--label", "t"]);
    assert!(text(&defined).starts_with("2 components of a bundled"));
    assert_eq!(free(life.path()), 1);
}

/// How many runs of stage `a` are not over.
fn free(dir: &Path) -> usize {
    asked::ask(
        dir,
        "SELECT token FROM runs WHERE stage = 'a' AND state <> 'full'",
    )
    .len()
}
