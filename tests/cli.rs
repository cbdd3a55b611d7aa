//! The commands of `outrigger` as a user meets them: what they print, and their exit codes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a failed test says where"
)]

use std::{fs, path::Path};

use assert_cmd::Command;
use predicates::{
    prelude::PredicateBooleanExt,
    str::{contains, is_empty, starts_with},
};
use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;

fn empty() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A directory in which `outrigger init` was run.
fn initialised() -> TempDir {
    let dir = empty();
    outrigger(dir.path(), &["init"]).assert().success();
    dir
}

fn outrigger(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outrigger"));
    command
        .current_dir(dir)
        .env_remove("OUTRIGGER_CONFIG")
        .args(arguments);
    command
}

fn json(dir: &Path, arguments: &[&str]) -> Value {
    let output = outrigger(dir, arguments).output().unwrap();
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["schema"], 1);
    value
}

fn pragma(dir: &Path, name: &str, value: i64) {
    let connection = rusqlite::Connection::open(dir.join("state.db")).unwrap();
    connection.pragma_update(None, name, value).unwrap();
}

mod transfer {
    use super::*;

    #[test]
    fn what_was_moved_is_told_afterwards_for_all_sites_or_one() {
        let dir = empty();
        let scratch = dir.path().join("scratch");
        let site = |program: &str| {
            let scratch = scratch.display();
            format!("{{scratch: {scratch}, transfer: {{program: {program}}}}}")
        };
        let config = format!(
            "sites: {{a: {}, b: {}}}",
            site("none"),
            site("/opt/outrigger")
        );
        fs::write(dir.path().join("outrigger.yaml"), config).unwrap();
        fs::write(dir.path().join("raw"), "pixels").unwrap();
        outrigger::state::Store::create(&dir.path().join("state.db")).unwrap();
        let into = scratch.join("in");
        let into = into.to_str().unwrap();
        for site in ["a", "b"] {
            let push = ["transfer", "push", site, "raw", "--into", into];
            outrigger(dir.path(), &push).assert().success();
        }
        let told = json(dir.path(), &["transfer", "log", "--json"]);
        let [first, second] = told["transfers"].as_array().unwrap().as_slice() else {
            panic!("{told}");
        };
        assert_eq!(
            (&first["site"], &first["way"]),
            (&"a".into(), &"push".into())
        );
        assert_eq!((&first["moved"], &first["bytes"]), (&1.into(), &6.into()));
        assert!(first["ended_at"].is_string() && first["run_id"].is_null());
        assert_eq!(
            (&second["moved"], &second["already"]),
            (&0.into(), &1.into())
        );
        let one = json(
            dir.path(),
            &["transfer", "log", "b", "--last", "5", "--json"],
        );
        assert_eq!(one["transfers"].as_array().unwrap().len(), 1);
        assert_eq!(&one["transfers"][0], second);
        outrigger(dir.path(), &["transfer", "log"])
            .assert()
            .success()
            .stdout(contains("1 of 1").and(contains("whole")));
        outrigger(dir.path(), &["transfer", "log", "c"])
            .assert()
            .failure();
    }
}

mod init {
    use super::*;

    #[test]
    fn what_it_makes_passes_check_and_says_what_to_do_next() {
        let dir = empty();
        outrigger(dir.path(), &["init", "survey 1"])
            .assert()
            .success()
            .stdout(
                contains("made outrigger.yaml")
                    .and(contains("made state.db"))
                    .and(contains("cd 'survey 1'")),
            );
        let survey = dir.path().join("survey 1");
        outrigger(&survey, &["check"])
            .assert()
            .success()
            .stdout("1 site, 1 stage: no problems\n");
        outrigger(&survey, &["doctor", "local"]).assert().success();
        outrigger(&survey, &["db", "check"]).assert().success();
        outrigger(&survey, &["status"]).assert().success();
    }

    #[test]
    fn a_dry_run_makes_nothing() {
        let dir = empty();
        outrigger(dir.path(), &["init", "--dry-run"])
            .assert()
            .success()
            .stdout(contains("would make outrigger.yaml").and(contains("would make state.db")));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_there_stays_and_is_named() {
        let dir = initialised();
        let config = dir.path().join("outrigger.yaml");
        let mut text = fs::read_to_string(&config).unwrap();
        text.push_str("state: data/other.db\n");
        fs::write(&config, &text).unwrap();
        fs::remove_file(dir.path().join("stages/hello.yaml")).unwrap();
        outrigger(dir.path(), &["init"])
            .assert()
            .success()
            .stdout(starts_with("made data/other.db\n"))
            .stderr("kept outrigger.yaml: it is there already\n");
        assert_eq!(fs::read_to_string(&config).unwrap(), text);
        assert!(!dir.path().join("stages/hello.yaml").exists());
    }

    #[test]
    fn a_wrong_configuration_that_is_there_is_reported() {
        let dir = empty();
        fs::write(dir.path().join("outrigger.yaml"), "sitse: {}\n").unwrap();
        outrigger(dir.path(), &["init"])
            .assert()
            .code(2)
            .stderr(contains("did you mean `sites`?"));
        assert!(!dir.path().join("state.db").exists());
    }
}

mod check {
    use super::*;

    #[test]
    fn all_that_is_wrong_is_told_at_once_with_its_place_and_mend() {
        let dir = initialised();
        fs::write(
            dir.path().join("outrigger.yaml"),
            "sites:\n  local:\n    scheduler: locale\n    scratch: /tmp\n    scratch: /var\n    nodez: {cores: 2}\n",
        )
        .unwrap();
        let stage = dir.path().join("stages/hello.yaml");
        let text = fs::read_to_string(&stage).unwrap();
        fs::write(&stage, text.replace("seconds: 5s", "seconds: 5 parsecs")).unwrap();
        outrigger(dir.path(), &["check"])
            .assert()
            .code(2)
            .stderr(is_empty())
            .stdout(
                contains("outrigger.yaml:3:16")
                    .and(contains("outrigger.yaml:5:5"))
                    .and(contains("did you mean `nodes`?"))
                    .and(contains("did you mean `local`?"))
                    .and(contains("hello.yaml"))
                    .and(contains("4 errors\n")),
            );
    }

    #[test]
    fn a_template_that_cannot_be_used_is_a_problem_of_its_key() {
        let dir = initialised();
        let stage = dir.path().join("stages/hello.yaml");
        let text = fs::read_to_string(&stage).unwrap();
        let broken = text.replace("hello/{{ name }}.count", "hello/{{ name }.count");
        fs::write(&stage, broken).unwrap();
        outrigger(dir.path(), &["check"])
            .assert()
            .code(2)
            .stdout(contains("hello.yaml:26:").and(contains("1 site, 1 stage: 1 error\n")));
        let found = json(dir.path(), &["check", "--json"]);
        assert_eq!(found["problems"][0]["key"], "outputs[0].remote");
        assert_eq!(found["problems"][0]["severity"], "error");
    }

    /// The keys of all that is wrong after `hello.yaml` was changed.
    fn wrong_keys(changes: &[(&str, &str)]) -> Vec<String> {
        let dir = initialised();
        let stage = dir.path().join("stages/hello.yaml");
        let mut text = fs::read_to_string(&stage).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        fs::write(&stage, text).unwrap();
        let found = json(dir.path(), &["check", "--json"]);
        let problems = found["problems"].as_array().unwrap();
        let key = |problem: &Value| problem["key"].as_str().unwrap().to_owned();
        problems.iter().map(key).collect()
    }

    #[test]
    fn templates_are_judged_even_if_something_else_is_wrong() {
        let keys = wrong_keys(&[
            ("hello/{{ name }}.count", "hello/{{ name }.count"),
            ("threads: 1", "threads: 0"),
            ("seconds: 5s", "seconds: 5 parsecs"),
        ]);
        assert_eq!(keys, ["outputs[0].remote", "cost.threads", "cost.seconds"]);
    }

    #[test]
    fn one_mistake_is_told_once() {
        let keys = wrong_keys(&[("table: hello", "table: runs")]);
        assert_eq!(keys, ["dbinfo.table"]);
        let keys = wrong_keys(&[("bytes: integer", "bytes: integr")]);
        assert_eq!(keys, ["dbinfo.columns.bytes"]);
    }

    #[test]
    fn what_the_scheduler_cannot_be_asked_for_is_told_before_prepare() {
        let dir = initialised();
        let site = "scheduler: slurm, scratch: '/my scratch', queue: q, account: 'a;b', directives: ['--x=$(id)']";
        let text = format!("sites:\n  mu: {{{site}}}\n");
        fs::write(dir.path().join("outrigger.yaml"), text).unwrap();
        let found = json(dir.path(), &["check", "--json"]);
        let problems = found["problems"].as_array().unwrap();
        let keys: Vec<_> = problems
            .iter()
            .map(|p| p["key"].as_str().unwrap())
            .collect();
        assert_eq!(
            keys,
            [
                "sites.mu.scratch",
                "sites.mu.queue",
                "sites.mu.account",
                "sites.mu.directives"
            ]
        );
        assert!(problems.iter().all(|problem| problem["line"] == 2));
    }

    #[test]
    fn a_table_that_is_not_there_yet_is_a_warning() {
        let dir = initialised();
        fs::remove_file(dir.path().join("stages/hello.csv")).unwrap();
        outrigger(dir.path(), &["check"])
            .assert()
            .success()
            .stdout(contains("hello.yaml:8:9").and(contains("1 site, 1 stage: 1 warning\n")));
    }

    #[test]
    fn a_batch_template_of_ones_own_is_checked_with_its_place() {
        let dir = initialised();
        let templates = dir.path().join("templates/msub/local");
        fs::create_dir_all(&templates).unwrap();
        fs::write(templates.join("body.sh"), "cd {{ dir }}\n{{ directory }}\n").unwrap();
        outrigger(dir.path(), &["check"])
            .assert()
            .code(2)
            .stdout(contains("`directory` is not defined").and(contains("body.sh:2:4")))
            .stdout(contains("templates/msub/local/body.sh\n"));
    }

    #[test]
    fn without_a_configuration_it_says_how_to_make_one() {
        outrigger(empty().path(), &["check"])
            .assert()
            .code(2)
            .stdout(contains("outrigger init"));
    }
}

/// The program with a standard error that nobody reads any more.
fn unheard(dir: &Path, arguments: &[&str]) -> std::process::ExitStatus {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    std::process::Command::new(env!("CARGO_BIN_EXE_outrigger"))
        .current_dir(dir)
        .args(arguments)
        .stdout(std::process::Stdio::null())
        .stderr(writer)
        .status()
        .unwrap()
}

#[rstest]
#[case::an_error(&["explain", "nonsense"], 2)]
#[case::progress(&["remote", "run", "--label", "x"], 0)]
#[case::what_was_kept(&["init"], 0)]
#[case::the_old_tool(&["remotetool", "-bogus"], 3)]
fn whoever_stops_reading_stderr_stops_nothing(#[case] arguments: &[&str], #[case] code: i32) {
    let dir = initialised();
    assert_eq!(unheard(dir.path(), arguments).code(), Some(code));
}

mod explain {
    use super::*;

    #[test]
    fn a_value_comes_with_its_origin_and_meaning() {
        let dir = initialised();
        outrigger(dir.path(), &["explain", "sites.local.scheduler"])
            .assert()
            .success()
            .stdout(contains("sites.local.scheduler: local  (outrigger.yaml:"));
        let found = json(
            dir.path(),
            &["explain", "stages.hello.cost.threads", "--json"],
        );
        assert_eq!(found["keys"][0]["key"], "stages.hello.cost.threads");
        assert_eq!(found["keys"][0]["value"], 1);
    }

    #[test]
    fn an_unknown_key_is_wrong_usage_with_the_nearest_one() {
        outrigger(initialised().path(), &["explain", "sites.local.nodez"])
            .assert()
            .code(2)
            .stderr(contains("did you mean"));
    }
}

mod schema {
    use super::*;

    #[rstest]
    #[case(&["schema"], "sites")]
    #[case(&["schema", "config"], "sites")]
    #[case(&["schema", "recipe"], "command")]
    fn it_is_json_that_knows_the_keys(#[case] arguments: &[&str], #[case] key: &str) {
        let output = outrigger(empty().path(), arguments).output().unwrap();
        let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(schema["properties"].get(key).is_some());
    }
}

mod alloc {
    use super::*;

    #[test]
    fn the_worked_example_of_the_notes_comes_out_in_an_empty_directory() {
        let found = json(
            empty().path(),
            &[
                "alloc",
                "--stage",
                "chip",
                "--jobs",
                "37200",
                "--profile",
                "lanl",
                "--formula",
                "seed",
                "--json",
            ],
        );
        assert_eq!(found["nodes"], 162);
        assert_eq!(found["walltime_hours"], 1.0);
        assert_eq!(found["runs"], 1);
        assert_eq!(found["core_hours"], 3888.0);
        assert!((found["fill"].as_f64().unwrap() - 0.797).abs() < 5e-4);
    }

    #[rstest]
    #[case("seed")]
    #[case("ipp")]
    #[case("bounded")]
    fn every_formula_has_its_name(#[case] formula: &str) {
        let arguments = [
            "alloc",
            "--stage",
            "chip",
            "--jobs",
            "37200",
            "--profile",
            "lanl",
            "--formula",
            formula,
        ];
        outrigger(empty().path(), &arguments)
            .assert()
            .success()
            .stdout(contains(format!("formula {formula}\n")));
    }

    #[test]
    fn the_recipe_and_the_site_of_a_configuration_count() {
        let found = json(
            initialised().path(),
            &["alloc", "--stage", "hello", "--jobs", "10", "--json"],
        );
        assert_eq!(found["site"], "local");
        assert_eq!(found["formula"], "bounded");
        assert_eq!(found["seconds_per_job"], 5.0);
        assert_eq!(found["cost_from"], "the stage's recipe");
    }

    #[test]
    fn what_is_given_goes_over_the_recipe() {
        let arguments = [
            "alloc",
            "--stage",
            "hello",
            "--jobs",
            "10",
            "--seconds",
            "7.5",
            "--json",
        ];
        let found = json(initialised().path(), &arguments);
        assert_eq!(found["seconds_per_job"], 7.5);
        assert_eq!(found["threads"], 1);
    }

    #[rstest]
    #[case(&["--profile", "lanl"], "give both --threads and --seconds")]
    #[case(&["--profile", "lanl", "--threads", "2"], "give both --threads and --seconds")]
    #[case(&["--threads", "2", "--seconds", "3"], "give --profile lanl or --profile uhcray")]
    #[case(&["--profile", "nersc", "--threads", "2", "--seconds", "3"], "there are lanl and uhcray")]
    #[case(&["--profile", "lanl", "--threads", "25", "--seconds", "3"], "a node has 24")]
    #[case(&["--profile", "lanl", "--threads", "2", "--seconds", "-3"], "unexpected argument")]
    #[case(&["--profile", "lanl", "--threads", "2", "--seconds=-3"], "no cost of a job")]
    #[case(&["--profile", "lanl", "--site", "x"], "cannot be used with")]
    fn what_is_missing_or_wrong_is_wrong_usage(#[case] more: &[&str], #[case] message: &str) {
        let arguments = [&["alloc", "--stage", "fit", "--jobs", "10"], more].concat();
        outrigger(empty().path(), &arguments)
            .assert()
            .code(2)
            .stderr(contains(message));
    }
}

mod db {
    use super::*;

    #[test]
    fn what_does_not_hold_is_told_and_ends_with_1() {
        let dir = initialised();
        let connection = rusqlite::Connection::open(dir.path().join("state.db")).unwrap();
        connection
            .execute(
                "INSERT INTO runs (stage, site, label, state, path_base, token, created_at, changed_at)
                 VALUES ('chip', 'local', 'a', 'lost', '', 't', 0, 0)",
                [],
            )
            .unwrap();
        outrigger(dir.path(), &["db", "check"])
            .assert()
            .code(1)
            .stdout(contains("every state is a known one").and(contains("runs: `lost`")));
        let found = json(dir.path(), &["db", "check", "--json"]);
        assert_eq!(found["violations"][0]["found"], "runs: `lost`");
    }

    #[rstest]
    #[case("user_version", 999, "made by a newer outrigger")]
    #[case("application_id", 7, "not an outrigger database")]
    fn a_database_that_is_not_for_this_program_is_refused_with_5(
        #[case] name: &str,
        #[case] value: i64,
        #[case] message: &str,
    ) {
        let dir = initialised();
        pragma(dir.path(), name, value);
        for arguments in [
            &["db", "check"][..],
            &["status"],
            &["remote", "list"],
            &["init"],
        ] {
            outrigger(dir.path(), arguments)
                .assert()
                .code(5)
                .stderr(contains(message));
        }
    }

    #[test]
    fn a_damaged_database_is_refused_with_5() {
        let dir = initialised();
        fs::write(dir.path().join("state.db"), "not a database\n".repeat(500)).unwrap();
        outrigger(dir.path(), &["db", "check"])
            .assert()
            .code(5)
            .stderr(contains("damaged"));
    }

    #[test]
    fn a_missing_database_is_refused_with_5_and_not_made() {
        let dir = initialised();
        fs::remove_file(dir.path().join("state.db")).unwrap();
        outrigger(dir.path(), &["db", "check"])
            .assert()
            .code(5)
            .stderr(contains("`outrigger init` makes one"));
        assert!(!dir.path().join("state.db").exists());
    }
}

mod doctor {
    use super::*;

    #[test]
    fn a_failure_has_its_mend_and_ends_with_1() {
        let dir = initialised();
        fs::remove_dir(dir.path().join("scratch")).unwrap();
        outrigger(dir.path(), &["doctor", "local"])
            .assert()
            .code(1)
            .stdout(
                contains("✓ master")
                    .and(contains("✗ scratch"))
                    .and(contains("mend: on the site: mkdir -p")),
            );
        let found = json(dir.path(), &["doctor", "--json"]);
        let checks = found["sites"]["local"].as_array().unwrap();
        assert!(checks.iter().any(|check| check["ok"] == "fail"));
    }

    #[test]
    fn a_link_that_is_down_ends_with_3() {
        let dir = initialised();
        let config = dir.path().join("outrigger.yaml");
        let mut text = fs::read_to_string(&config).unwrap();
        text = text.replace(
            "  local:\n",
            &format!(
                "  far:\n    scheduler: slurm\n    scratch: /scratch/us\n    connection: {{host: 127.0.0.1, socket: {}}}\n  local:\n",
                dir.path().join("s").display()
            ),
        );
        fs::write(&config, text).unwrap();
        outrigger(dir.path(), &["doctor", "far"])
            .assert()
            .code(3)
            .stdout(contains("✗ master").and(contains("- scheduler")));
    }

    #[test]
    fn an_unknown_site_is_wrong_usage() {
        outrigger(initialised().path(), &["doctor", "locl"])
            .assert()
            .code(2)
            .stderr(contains("did you mean `local`?"));
    }
}

mod completions {
    use super::*;

    #[rstest]
    #[case("bash")]
    #[case("zsh")]
    #[case("fish")]
    fn a_shells_script_knows_the_verbs(#[case] shell: &str) {
        outrigger(empty().path(), &["completions", shell])
            .assert()
            .success()
            .stdout(contains("completions").and(contains("doctor")));
    }

    #[test]
    fn an_unknown_shell_is_wrong_usage() {
        outrigger(empty().path(), &["completions", "csh"])
            .assert()
            .code(2);
    }
}

#[test]
fn a_verb_that_is_mistyped_is_wrong_usage_with_the_nearest_one() {
    outrigger(empty().path(), &["docter"])
        .assert()
        .code(2)
        .stderr(contains("'doctor'"));
}

#[test]
fn the_configuration_is_found_from_below_and_by_name() {
    let dir = initialised();
    outrigger(&dir.path().join("stages"), &["check"])
        .assert()
        .success();
    let elsewhere = empty();
    let config = dir.path().join("outrigger.yaml");
    outrigger(elsewhere.path(), &["check"])
        .env("OUTRIGGER_CONFIG", &config)
        .assert()
        .success();
    outrigger(
        elsewhere.path(),
        &["--config", config.to_str().unwrap(), "check"],
    )
    .assert()
    .success();
    outrigger(elsewhere.path(), &["check"]).assert().code(2);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dir = empty();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_outrigger"))
        .current_dir(dir.path())
        .args(["schema", "recipe"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

mod templates {
    use super::*;

    #[test]
    fn mistakes_of_configuration_recipe_and_templates_are_told_at_once() {
        let dir = initialised();
        let change = |name: &str, from: &str, to: &str| {
            let path = dir.path().join(name);
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{name}");
            fs::write(path, text.replacen(from, to, 1)).unwrap();
        };
        change("outrigger.yaml", "scheduler: local", "scheduler: pbs");
        let recipe = "stage: other\ncomponents: {file: hello.csv}\ncommand: ['{{ 1 + }}']\n";
        fs::write(dir.path().join("stages/other.yaml"), recipe).unwrap();
        outrigger(dir.path(), &["check"])
            .assert()
            .code(2)
            .stdout(contains("pbs").and(contains("other.yaml:3")));
    }

    #[test]
    fn a_sites_own_batch_template_is_checked_too() {
        let dir = initialised();
        let templates = dir.path().join("templates/msub");
        fs::create_dir_all(&templates).unwrap();
        fs::write(
            templates.join("local.sh"),
            "#!/bin/sh\n{% include \"body.sh\" %}\n",
        )
        .unwrap();
        outrigger(dir.path(), &["check"]).assert().success();
        fs::write(templates.join("local.sh"), "{% if %}").unwrap();
        fs::write(templates.join("slrum.sh"), "").unwrap();
        outrigger(dir.path(), &["check"])
            .assert()
            .code(2)
            .stdout(contains("local.sh").and(contains("slrum.sh")));
    }
}
