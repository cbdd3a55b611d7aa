//! Tasks of an array, each with its own coordinator and its share of the jobs.

use super::*;

/// The files of the run's directory on the site whose names have `part`.
fn named(run: &Run, part: &str) -> Vec<String> {
    let entries = fs::read_dir(run.site()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(part))
        .collect();
    names.sort();
    names
}

#[rstest]
fn tasks_of_an_array_run_their_own_shares_on_one_node_at_once(
    #[values("tcp", "files")] transport: &str,
) {
    // Each waits for one that another task has.
    let meet = "touch here.$1; until [ -e here.$((($1 + 1) % 4)) ]; do sleep 0.02; done\n";
    let run = Run::new(4, &format!("echo begun >>effect.$1\n{meet}")).staged();
    fs::write(
        run.site().join("shares.tsv"),
        "seq\ttask\n0\t0\n2\t0\n1\t1\n3\t1\n",
    )
    .unwrap();
    let task = |allocation: &str, number: usize| {
        run.worker(&[
            &format!("--allocation={allocation}"),
            &format!("--task={number}"),
            &format!("--transport={transport}"),
            "--cores=2",
        ])
    };
    let both = [0, 1].map(|number| task(&format!("7_{number}"), number));
    for worker in both {
        let (code, said) = worker.end();
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("2 jobs are left to do"), "{said}");
    }
    assert_eq!(run.ends(), [(1, 0); 4]);
    for number in [0, 1] {
        let journals = named(&run, &format!(".task{number}.tsv"));
        let [journal] = &journals[..] else {
            panic!("{journals:?}");
        };
        let text = fs::read(run.site().join(journal)).unwrap();
        let jobs: Vec<u64> = journal::read(&text).jobs.into_keys().collect();
        assert_eq!(jobs, [number, number + 2]);
    }
    for job in 0..4 {
        assert_eq!(run.effect(job), "begun\n");
    }
    let (code, said) = task("8_0", 0).end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("0 jobs are left to do"), "{said}");
    assert_eq!(run.ends(), [(1, 0); 4]);
}

#[test]
fn a_task_that_is_ended_leaves_its_share_to_the_next_submission_and_others_go_on() {
    let run = Run::new(4, WAITING).staged();
    let shares = |text: &str| fs::write(run.site().join("shares.tsv"), text).unwrap();
    shares("seq\ttask\n0\t0\n2\t0\n1\t1\n3\t1\n");
    let task = |allocation: &str, number: u32| {
        run.worker(&[
            &format!("--allocation={allocation}"),
            &format!("--task={number}"),
            "--cores=1",
        ])
    };
    let [ended, other] = ["7_0", "7_1"].map(|name| task(name, u32::from(name == "7_1")));
    run.until_begun(2);
    Worker::signal(ended.child.id(), Signal::TERM);
    let (code, said) = ended.end();
    assert_eq!(code, Some(143), "{said}");
    run.let_go();
    let (code, said) = other.end();
    assert_eq!(code, Some(0), "{said}");
    // What the one had goes to another task, which knows its tries from the journal of the first.
    shares("seq\ttask\n0\t1\n2\t0\n1\t0\n3\t1\n");
    let again = [0, 1].map(|number| task(&format!("8_{number}"), number));
    for worker in again {
        let (code, said) = worker.end();
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("1 jobs are left to do"), "{said}");
    }
    let mut ends = run.ends();
    ends.sort_unstable();
    assert_eq!(ends, [(1, 0), (1, 0), (1, 0), (2, 0)]);
    assert_eq!(run.effect(0), "begun\nbegun\ndone\n");
    assert_eq!(run.effect(1), "begun\ndone\n");
}
