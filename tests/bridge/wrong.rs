//! Bad input: what is wrong is said where it is, and costs nothing else.

use super::*;

#[rstest]
#[case::no_output("true > {{ out }}.log", "missing")]
#[case::empty_output("true > {{ out }}.out", "empty")]
#[case::crash("kill -SEGV $$", "signal 11")]
#[case::no_such_program("no-such-program {{ input(0) }}", "127")]
#[case::wrong_type(
    "cp {{ input(0) }} {{ out }}.out; echo bytes many > {{ out }}.stats",
    "should be INTEGER, but is `many`"
)]
#[case::unknown_column(
    "cp {{ input(0) }} {{ out }}.out; printf 'bytes 1\\nfoo 2\\n' > {{ out }}.stats",
    "column `foo`"
)]
#[case::no_record("cp {{ input(0) }} {{ out }}.out", "record file is missing")]
fn what_a_job_does_wrong_is_said_of_that_job(#[case] wrong: &str, #[case] why: &str) {
    let work = Work::new(&format!(
        "case {{{{ out }}}} in *2.x) {wrong};; *) {GOOD};; esac"
    ));
    work.replace("outrigger.yaml", "retries: 1", "retries: 0");
    let output = work.drive();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let failures = work.failures();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(
        failures[0].starts_with("2x: ") && failures[0].contains(why),
        "{failures:?}"
    );
    assert_eq!(work.ask("SELECT count(*) || '' FROM measured"), ["5"]);
    work.sound();
    let before = work.snapshot();
    work.run(&["remote", "poll"]);
    assert_eq!(work.snapshot(), before);
}

#[test]
fn a_missing_input_fails_its_component_before_anything_is_sent() {
    let work = Work::new(GOOD);
    fs::remove_file(work.path().join("raw/2y")).unwrap();
    let output = work.drive();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let reasons = work.ask("SELECT reason FROM components WHERE state = 'prep_failed'");
    assert_eq!(reasons.len(), 1);
    assert!(
        reasons[0].contains("raw/2y") && reasons[0].contains('y'),
        "{reasons:?}"
    );
    assert_eq!(work.ask("SELECT count(*) || '' FROM measured"), ["4"]);
    work.sound();
}

#[rstest]
#[case::the_database("state.db", "is Outrigger's own")]
#[case::its_journal("x/../state.db-wal", "is Outrigger's own")]
#[case::the_configuration("outrigger.yaml", "is Outrigger's own")]
#[case::a_recipe("stages/b.yaml", "is Outrigger's own")]
#[case::a_run_directory("runs/l/remote_a.1/jobs.tsv", "is Outrigger's own")]
#[case::its_input("raw/{{ part.file }}", "a product would overwrite it")]
fn a_product_overwrites_neither_an_input_nor_what_is_ours(#[case] local: &str, #[case] why: &str) {
    let work = Work::new(GOOD);
    work.replace(
        "stages/a.yaml",
        "products/{{ stage_id }}.{{ part.name }}.out",
        local,
    );
    let output = work.drive();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    for reason in work.ask("SELECT reason FROM components") {
        assert!(reason.contains(why), "{reason}");
    }
    assert_eq!(
        fs::read_to_string(work.path().join("raw/1x")).unwrap(),
        "1 x\n"
    );
    work.sound();
}

#[test]
fn a_template_error_names_its_place_and_leaves_nothing_behind() {
    let work = Work::new(GOOD);
    work.replace(
        "stages/a.yaml",
        "{{ part.name }}.out\"}]",
        "{{ part.nome }}.out\"}]",
    );
    let output = work.drive();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let reasons = work.ask("SELECT reason FROM components");
    assert!(reasons[0].contains("nome"), "{reasons:?}");
    assert_eq!(work.ask("SELECT state FROM runs"), ["error:prepare"]);
    work.sound();
}

#[test]
fn what_cannot_be_written_here_stops_the_run_with_nothing_lost() {
    let work = Work::new(GOOD);
    work.write("products", "a file where a directory should be");
    let output = work.drive();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let said = work.ask("SELECT state || ' ' || reason FROM runs");
    assert!(
        said[0].starts_with("error:poll job ") && said[0].contains("products"),
        "{said:?}"
    );
    let before = work.snapshot();
    work.run(&["remote", "poll"]);
    assert_eq!(work.snapshot(), before, "a second poll changes nothing");

    fs::remove_file(work.path().join("products")).unwrap();
    assert!(work.run(&["remote", "revert", "1"]).status.success());
    assert_eq!(work.drive().status.code(), Some(0));
    assert_eq!(
        work.ask("SELECT count(DISTINCT job_id) || '' FROM runs WHERE stage = 'a'"),
        ["1"]
    );
    assert_eq!(work.product("1.x.out"), "1 x\n");
    work.sound();
}

#[test]
fn a_run_whose_directory_is_gone_is_in_error_and_the_others_go_on() {
    let work = Work::new(GOOD);
    for limit in ["1", "1", "0"] {
        work.run(&["remote", "define", "a", "--label", "t", "--limit", limit]);
    }
    work.run(&["remote", "prepare"]);
    fs::remove_dir_all(work.path().join("runs/t/remote_a.1")).unwrap();
    work.run(&["remote", "exec", "2"]);
    until("run 2 is over", || {
        walk(&work.path().join("scratch/outrigger"))
            .iter()
            .any(|path| path.ends_with("ended"))
    });
    fs::remove_dir_all(work.path().join("runs/t/remote_a.2")).unwrap();
    let output = work.drive();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert_eq!(
        work.ask("SELECT state FROM runs WHERE stage = 'a' ORDER BY run_id"),
        ["error:exec", "error:poll", "full"]
    );
    let why = work.ask("SELECT reason FROM runs WHERE run_id = 1");
    assert!(why[0].contains("No such file"), "{why:?}");
    work.sound();
}

#[test]
fn a_run_of_a_stage_that_is_gone_is_in_error_and_the_driver_ends() {
    let work = Work::new(GOOD);
    work.run(&["remote", "define", "a", "--label", "t"]);
    work.replace("stages/a.yaml", "next: b\n", "");
    fs::remove_file(work.path().join("stages/b.yaml")).unwrap();
    fs::rename(
        work.path().join("stages/a.yaml"),
        work.path().join("stages/c.yaml"),
    )
    .unwrap();
    work.replace("stages/c.yaml", "stage: a", "stage: c");
    let output = work.drive();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert_eq!(
        work.ask("SELECT stage || state FROM runs ORDER BY run_id"),
        ["aerror:prepare", "cfull"]
    );
}

#[test]
fn a_journal_that_cannot_be_read_stops_the_run_and_its_jobs_do_not_count_as_lost() {
    let work = Work::new(&format!(
        "mkdir -p {{{{ run.dir }}}}/journal.zz.tsv; {GOOD}"
    ));
    assert_eq!(work.drive().status.code(), Some(1));
    let states = work.ask("SELECT state FROM runs");
    assert_eq!(states, ["error:poll"]);
    for path in fs::read_dir(work.path().join("scratch/outrigger")).unwrap() {
        fs::remove_dir(path.unwrap().path().join("journal.zz.tsv")).unwrap();
    }
    assert!(work.run(&["remote", "revert", "1"]).status.success());
    assert_eq!(work.drive().status.code(), Some(0));
    assert_eq!(work.ask("SELECT count(*) || '' FROM measured"), ["6"]);
    work.sound();
}
