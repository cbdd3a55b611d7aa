//! Drivers and batch jobs beside each other: one that dies, several at once, a claim that is held.

use super::*;

#[test]
fn a_locked_database_is_waited_for_and_then_refused() {
    let work = Work::new(GOOD);
    let other = rusqlite::Connection::open(work.path().join("state.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let output = work.run(&["remote", "define", "a", "--label", "t", "--db-wait", "1s"]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert!(text(&output).contains("locked"), "{}", text(&output));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(work.drive().status.code(), Some(0));
    work.sound();
}

#[test]
fn a_driver_killed_at_any_time_is_taken_up_by_the_next() {
    let work = Work::new(&format!("echo begun >> {{{{ out }}}}.begun; {GOOD}"));
    for moment in 0..6_u64 {
        let mut driver = work
            .command(&["remote", "run", "--label", "t"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        let limit = Duration::from_millis(40 * moment);
        until("it is time to kill", || {
            begin.elapsed() >= limit || driver.try_wait().unwrap().is_some()
        });
        driver.kill().unwrap();
        driver.wait().unwrap();
    }
    let output = work.drive();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(work.ask("SELECT count(*) || '' FROM measured"), ["6"]);
    for thing in 1..=3 {
        for part in ["x", "y"] {
            let begun = work
                .path()
                .join(format!("scratch/work/{thing}.{part}.begun"));
            assert_eq!(
                fs::read_to_string(begun).unwrap(),
                "begun\n",
                "each job ran once"
            );
        }
    }
    work.sound();
}

/// When `remote exec` has begun to stage in and to submit, and the scheduler has taken the batch job.
const TAKEN: &str = "remote exec: commit events+runs#3";

#[test]
fn a_run_whose_submission_is_in_doubt_is_no_error_and_is_not_submitted_under_another_token() {
    let command = format!("echo begun >> {{{{ out }}}}.begun; {GOOD}");
    let work = Work::new(&command);
    work.run(&["remote", "define", "a", "--label", "t"]);
    work.run(&["remote", "prepare"]);
    let killed = work
        .command(&["remote", "exec"])
        .env("OUTRIGGER_STEPS", work.path().join("steps"))
        .env("OUTRIGGER_CRASH_AT", TAKEN)
        .output()
        .unwrap();
    assert_eq!(killed.status.code(), None, "{}", text(&killed));
    assert_eq!(work.ask("SELECT state FROM runs"), ["submitting"]);
    let jobs = fs::read_dir(work.path().join("scratch/.outrigger-local/jobs")).unwrap();
    assert_eq!(jobs.count(), 1, "the scheduler has it");

    // For a while what was decided cannot be read.
    let decided = work.path().join("runs/t/remote_a.1/run.yaml");
    let aside = decided.with_extension("aside");
    fs::rename(&decided, &aside).unwrap();
    fs::create_dir(&decided).unwrap();
    let said = text(&work.run(&["remote", "exec"]));
    assert_eq!(work.ask("SELECT state FROM runs"), ["submitting"], "{said}");
    assert!(
        said.contains("in doubt") && said.contains("remote cancel 1"),
        "{said}"
    );
    assert!(!work.run(&["remote", "revert", "1"]).status.success());
    let cancelled = work.run(&["remote", "cancel", "1"]);
    assert!(!cancelled.status.success(), "its token could not be closed");
    fs::remove_dir(&decided).unwrap();
    fs::rename(&aside, &decided).unwrap();

    assert_eq!(work.drive().status.code(), Some(0));
    for part in ["1.x", "2.y"] {
        let begun = work.path().join(format!("scratch/work/{part}.begun"));
        assert_eq!(fs::read_to_string(begun).unwrap(), "begun\n", "{part}");
    }
    assert_eq!(
        work.ask("SELECT attempt || state FROM runs WHERE stage = 'a'"),
        ["1full"]
    );
    work.sound();
}

#[test]
fn a_second_copy_of_the_batch_script_does_nothing() {
    let work = Work::new(&format!("echo begun >> {{{{ out }}}}.begun; {GOOD}"));
    work.drive();
    let script = walk(&work.path().join("scratch/outrigger"))
        .into_iter()
        .find(|path| path.ends_with("job.sh") && path.to_str().unwrap().contains("/a."))
        .unwrap();
    let output = Command::new("/bin/sh").arg(&script).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("claim"), "{}", text(&output));
    let begun = fs::read_to_string(work.path().join("scratch/work/1.x.begun")).unwrap();
    assert_eq!(begun, "begun\n");
}

#[test]
fn several_drivers_at_once_do_not_disturb_each_other() {
    let work = Work::new(&format!("echo begun >> {{{{ out }}}}.begun; {GOOD}"));
    let drivers: Vec<_> = (0..4)
        .map(|_| {
            work.command(&["remote", "run", "--label", "t"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for driver in drivers {
        let output = driver.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    }
    assert_eq!(work.ask("SELECT count(*) || '' FROM runs"), ["2"]);
    let begun = fs::read_to_string(work.path().join("scratch/work/1.x.begun")).unwrap();
    assert_eq!(begun, "begun\n");
    work.sound();
}

#[test]
fn the_copy_of_a_batch_job_that_runs_the_jobs_is_the_one_that_is_waited_for() {
    let work = Work::new(&format!(
        "echo begun >> {{{{ out }}}}.begun; while [ ! -e go ]; do sleep 0.1; done; {GOOD}"
    ));
    work.replace(
        "outrigger.yaml",
        "nodes: {cores: 4}",
        "nodes: {cores: 8, max: 2}",
    );
    work.run(&["remote", "define", "a", "--label", "t"]);
    work.run(&["remote", "prepare"]);
    assert_eq!(work.run(&["remote", "exec"]).status.code(), Some(4));
    let begun = work.path().join("scratch/work/1.x.begun");
    until("the first copy runs", || begun.exists());

    let token = work.ask("SELECT token FROM runs").remove(0);
    let first = work.ask("SELECT job_id FROM runs").remove(0);
    let script = walk(&work.path().join("scratch/outrigger"))
        .into_iter()
        .find(|path| path.ends_with("job.sh"))
        .unwrap();
    let output = script.with_file_name("second.out");
    let spool = work.path().join("scratch/.outrigger-local");
    let submitted = work.run(&[
        "local",
        "submit",
        "--spool",
        spool.to_str().unwrap(),
        "--name",
        &token,
        "--walltime",
        "60",
        "--output",
        output.to_str().unwrap(),
        "--jobs",
        "2",
        script.to_str().unwrap(),
    ]);
    assert!(submitted.status.success(), "{}", text(&submitted));
    until("the second copy has given way", || {
        fs::read_to_string(&output).is_ok_and(|said| said.contains("claimed"))
    });
    let jobs = fs::read_dir(spool.join("jobs")).unwrap();
    let second = jobs
        .map(|job| job.unwrap().file_name().into_string().unwrap())
        .find(|id| *id != first && !id.starts_with('.'))
        .unwrap();
    let db = rusqlite::Connection::open(work.path().join("state.db")).unwrap();
    db.execute("UPDATE runs SET job_id = ?", [&second]).unwrap();
    drop(db);
    let mut polls = 0;
    until("the copy at work is known", || {
        polls += 1;
        work.run(&["remote", "poll"]);
        work.ask("SELECT job_id FROM runs") == [first.clone()] || polls > 20
    });
    assert_eq!(work.ask("SELECT state FROM runs"), ["run"]);
    work.write("scratch/go", "");
    assert_eq!(work.drive().status.code(), Some(0));
    assert_eq!(fs::read_to_string(begun).unwrap(), "begun\n");
    assert_eq!(work.ask("SELECT count(*) || '' FROM measured"), ["6"]);
    work.sound();
}

#[test]
fn a_revert_that_was_cut_before_the_script_had_its_new_token_goes_on() {
    let work = Work::new(GOOD);
    work.run(&["remote", "define", "a", "--label", "t"]);
    work.run(&["remote", "prepare"]);
    let db = rusqlite::Connection::open(work.path().join("state.db")).unwrap();
    db.execute("UPDATE runs SET attempt = 2, token = 'or-1-2-0a1b2c3d'", [])
        .unwrap();
    drop(db);
    let output = work.drive();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let script = fs::read_to_string(work.path().join("runs/t/remote_a.1/job.sh")).unwrap();
    assert!(script.contains("or_token=or-1-2-0a1b2c3d"), "{script}");
    work.sound();
}

#[test]
fn a_holder_that_lives_keeps_its_claim_however_long_its_step_takes() {
    let work = Work::new(GOOD);
    work.run(&["remote", "define", "a", "--label", "t"]);
    let mut store = outrigger::state::Store::open(&work.path().join("state.db")).unwrap();
    let owner = owner_of(std::process::id());
    let long_ago = jiff::Timestamp::from_second(1_600_000_000).unwrap();
    store.claim(1, &owner, 60, long_ago).unwrap();
    let output = work.run(&["remote", "prepare"]);
    assert!(
        text(&output).contains("is being worked on"),
        "{}",
        text(&output)
    );
    assert_eq!(work.ask("SELECT state FROM runs"), ["new"]);
    store.release_claim(1, &owner).unwrap();
    assert!(work.run(&["remote", "prepare"]).status.success());
}
