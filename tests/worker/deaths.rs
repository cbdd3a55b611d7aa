//! What happens when a process dies, is silent, or is told to end.

use super::*;

#[test]
fn a_worker_that_is_killed_is_replaced_and_its_jobs_are_run_again() {
    let run = Run::new(4, WAITING).staged();
    let worker = run.worker(&["--cores=2", "--tries=2"]);
    run.until_begun(2);
    let killed = worker.process("serve", None);
    Worker::signal(killed, Signal::KILL);
    worker.process("serve", Some(killed));
    run.let_go();
    let (code, said) = worker.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(run.ends(), [(2, 0), (2, 0), (1, 0), (1, 0)], "{said}");
    for job in 0..4 {
        assert_eq!(run.effect(job).matches("done").count(), 1, "job {job}");
    }
}

#[test]
fn a_coordinator_that_is_killed_is_replaced_and_nothing_is_run_twice() {
    let run = Run::new(6, WAITING).staged();
    let worker = run.worker(&["--workers=2", "--cores=1", "--tries=2"]);
    run.until_begun(2);
    let killed = worker.process("coordinate", None);
    Worker::signal(killed, Signal::KILL);
    worker.process("coordinate", Some(killed));
    run.let_go();
    let (code, said) = worker.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(run.ends(), [(1, 0); 6], "{said}");
    for job in 0..6 {
        assert_eq!(run.effect(job), "begun\ndone\n", "job {job}: {said}");
    }
}

#[rstest]
#[case("tcp")]
#[case("files")]
fn a_node_that_was_silent_and_comes_back_gets_jobs_again(#[case] transport: &str) {
    let twice = "echo begun >>effect.$1\nuntil [ -e go ]; do sleep 0.02; done\n\
        [ $1 -lt 3 ] || until [ -e on ]; do sleep 0.02; done\necho done >>effect.$1\n";
    // What the silent node was given goes to the other one first: there must be more.
    let run = Run::new(40, twice).staged();
    let mut worker = run.worker(&[
        "--workers=2",
        "--cores=1",
        "--tries=3",
        "--silence=5",
        "--transport",
        transport,
    ]);
    run.until_begun(2);
    let silent = worker.process("serve", None);
    Worker::signal(silent, Signal::STOP);
    run.let_go();
    let mut said = BufReader::new(worker.child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("is silent for") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it has ended");
    }
    worker.child.stderr = Some(said.into_inner());
    let begun = || -> usize {
        (0..40)
            .map(|job| run.effect(job).matches("begun").count())
            .sum()
    };
    until("the other node has a job that waits", || begun() >= 4);
    let before = begun();
    Worker::signal(silent, Signal::CONT);
    until("the node that comes back has one too", || begun() > before);
    fs::write(run.scratch().join("on"), "").unwrap();
    let (code, said) = worker.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(run.ends().iter().all(|(_, code)| *code == 0), "{said}");
}

#[test]
fn the_next_submission_goes_on_where_everything_was_killed() {
    let run = Run::new(3, "echo begun >>effect.$1\n[ $1 = 0 ] || until [ -e go ]; do sleep 0.02; done\necho done >>effect.$1\n").staged();
    let worker = run.worker(&["--cores=1"]);
    run.until_begun(2);
    let keeper = worker.child.id();
    for pid in children(keeper) {
        Worker::signal(pid, Signal::STOP);
    }
    let all = children(keeper);
    Worker::signal(keeper, Signal::KILL);
    for pid in all {
        Worker::signal(pid, Signal::KILL);
    }
    drop(worker);
    let journals: Vec<PathBuf> = fs::read_dir(run.site())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension().is_some_and(|ext| ext == "tsv")
                && path.to_string_lossy().contains("journal.")
        })
        .collect();
    let mut cut = fs::OpenOptions::new()
        .append(true)
        .open(&journals[0])
        .unwrap();
    cut.write_all(b"E\t1\t1\t0\t17").unwrap();
    assert_eq!(run.ends(), [(1, 0)]);
    run.let_go();
    until("what was left ends", || run.effect(1).contains("done"));

    let (code, said) = run.worker(&["--cores=1"]).end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("2 jobs are left to do"), "{said}");
    assert_eq!(run.ends(), [(1, 0), (2, 0), (1, 0)], "{said}");
    assert_eq!(run.effect(0), "begun\ndone\n");
}

#[test]
fn at_the_end_of_the_walltime_what_runs_is_ended_and_written_down() {
    let run = Run::new(3, WAITING).staged();
    let (code, said) = run
        .worker(&["--cores=2", "--walltime=3", "--tries=2"])
        .end();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("the walltime ends") && said.contains("3 left"),
        "{said}"
    );
    assert_eq!(run.ends(), [(1, 143), (1, 143)]);
    let journal = run.journal();
    assert_eq!(
        journal.jobs[&0].message,
        "outrigger: ended by a signal: walltime, cancellation or shutdown\n"
    );
    run.let_go();
    let (code, said) = run.worker(&["--cores=2", "--walltime=100"]).end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(run.ends(), [(2, 0), (2, 0), (1, 0)]);
}

#[test]
fn a_signal_ends_everything_in_order() {
    let run = Run::new(3, WAITING).staged();
    let worker = run.worker(&["--cores=2"]);
    run.until_begun(2);
    Worker::signal(worker.child.id(), Signal::TERM);
    let (code, said) = worker.end();
    assert_eq!(code, Some(143), "{said}");
    assert_eq!(run.ends(), [(1, 143), (1, 143)], "{said}");
}
