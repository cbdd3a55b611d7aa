use proptest::prelude::*;

use super::*;
use crate::{exec::scratch::tests::staged, state::run::Stage};

fn site() -> Site {
    serde_yaml::from_str("{scratch: /s, resident: [/s/refcat]}").unwrap()
}

fn run(run_id: i64, state: RunState, ended: i64) -> Run {
    let at = |second| Timestamp::from_second(second).unwrap();
    Run {
        run_id,
        stage: "chip".into(),
        site: "here".into(),
        label: "t".into(),
        state,
        path_base: String::new(),
        attempt: 1,
        token: String::new(),
        job_id: None,
        fault: 0,
        reason: String::new(),
        jobs: 0,
        passed: 0,
        failed: 0,
        retried: 0,
        lost: 0,
        unseen_since: None,
        created_at: at(0),
        changed_at: at(ended),
        polled_at: None,
        harvested_at: None,
    }
}

fn paths(names: &[&str]) -> BTreeSet<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

/// The candidates among `ledger`, as runs with what goes with each.
fn found(ledger: &[Staged], runs: &[Run], needed: &[&str], home: &[&str]) -> Vec<Candidate> {
    let keep = Keep {
        site: &site(),
        needed: &paths(needed),
        at_home: &paths(home),
    };
    keep.sort_out(ledger, runs).candidates
}

use StagedKind::{Directory, Input, Kept, Product};

#[test]
fn the_run_that_was_over_first_goes_first_whatever_its_number() {
    let ledger = [
        staged("/s/a", Input, 1, 10),
        staged("/s/b", Input, 2, 20),
        staged("/s/c", Input, 3, 40),
    ];
    let runs = [
        run(1, RunState::Full, 300),
        run(2, RunState::Active(Stage::Run), 100),
        run(3, RunState::Full, 200),
    ];
    let found = found(&ledger, &runs, &["/s/b"], &[]);
    let order: Vec<i64> = found.iter().map(|candidate| candidate.run_id).collect();
    assert_eq!(order, [3, 1]);
    assert_eq!(enough(&found, 40).unwrap().len(), 1);
    assert_eq!(enough(&found, 41).unwrap().len(), 2);
    assert_eq!(enough(&found, 51), None);
}

#[test]
fn a_product_goes_only_if_it_is_at_home() {
    let ledger = [
        staged("/s/home", Product, 1, 1),
        staged("/s/lost_at_home", Product, 1, 2),
        staged("/s/never_came", Kept, 1, 4),
    ];
    let runs = [run(1, RunState::Full, 1)];
    let found = found(&ledger, &runs, &[], &["/s/home"]);
    assert_eq!(found[0].files, [PathBuf::from("/s/home")]);
    assert_eq!(found[0].bytes, 1);
}

#[test]
fn a_directory_with_something_in_it_that_must_stay_stays_whole() {
    let directory = "/s/outrigger/chip.1.aa";
    let runs = [run(1, RunState::Full, 1), run(2, RunState::Full, 2)];
    let own = staged(directory, Directory, 1, 8);
    let inside = |kind| staged("/s/outrigger/chip.1.aa/x", kind, 1, 4);
    let gone = |ledger: &[Staged], needed: &[&str]| {
        let found = found(ledger, &runs, needed, &[]);
        found.iter().any(|candidate| candidate.directory.is_some())
    };
    assert!(gone(std::slice::from_ref(&own), &[]));
    assert!(gone(&[own.clone(), inside(Input)], &[]));
    assert!(!gone(&[own.clone(), inside(Kept)], &[]));
    assert!(!gone(&[own.clone(), inside(Product)], &[]));
    assert!(!gone(
        std::slice::from_ref(&own),
        &["/s/outrigger/chip.1.aa/y"]
    ));
    assert!(gone(&[own], &["/s/outrigger/chip.1.aaa/y"]));
}

#[test]
fn only_directories_that_we_made_for_a_run_go() {
    let runs = [run(1, RunState::Full, 1)];
    for path in [
        "/s",
        "/s/outrigger",
        "/s/x",
        "/s/outrigger/a/..",
        "/s/outrigger/a/b",
    ] {
        assert_eq!(found(&[staged(path, Directory, 1, 8)], &runs, &[], &[]), []);
    }
    let own = Path::new("/s/outrigger");
    assert!(is_run_directory(Path::new("/s/outrigger/chip.1.0a"), own));
    assert!(!is_run_directory(Path::new("/home/outrigger/chip.1"), own));
}

#[test]
fn what_is_resident_or_outside_the_scratch_stays() {
    let runs = [run(1, RunState::Full, 1)];
    for path in [
        "/s/refcat",
        "/s/refcat/1.cat",
        "/projects/flat",
        "/s/../etc/x",
        "/s",
    ] {
        assert_eq!(found(&[staged(path, Input, 1, 8)], &runs, &[], &[]), []);
    }
}

/// Paths of a small world: ours, resident, needed, inside run directories and outside.
const WORLD: [&str; 10] = [
    "/s/a",
    "/s/b",
    "/s/deep/c",
    "/s/refcat/1.cat",
    "/s/outrigger/chip.1.aa",
    "/s/outrigger/chip.1.aa/out",
    "/s/outrigger/chip.2.bb",
    "/s/outrigger/chip.2.bb/in",
    "/projects/flat",
    "/s/../x",
];

fn states() -> impl Strategy<Value = RunState> {
    proptest::sample::select(RunState::all().collect::<Vec<_>>())
}

fn kinds() -> impl Strategy<Value = StagedKind> {
    proptest::sample::select(vec![Input, Product, Kept, Directory])
}

proptest! {
    #[test]
    fn nothing_that_must_stay_is_ever_removed(
        rows in proptest::collection::btree_map(0..WORLD.len(), (kinds(), 1_i64..5, 0_u64..100), 0..10),
        states in proptest::collection::vec((states(), 0_i64..9), 4),
        needed in proptest::sample::subsequence(WORLD.to_vec(), 0..5),
        home in proptest::sample::subsequence(WORLD.to_vec(), 0..10),
        over in 0_u64..400,
    ) {
        let ledger: Vec<Staged> = rows
            .iter()
            .map(|(at, (kind, run, size))| staged(WORLD[*at], *kind, *run, *size))
            .collect();
        let runs: Vec<Run> = (1..).zip(&states).map(|(id, (state, at))| run(id, *state, *at)).collect();
        let found = found(&ledger, &runs, &needed, &home);
        let removed = |path: &Path, some: &[Candidate]| {
            some.iter().any(|candidate| {
                candidate.files.iter().any(|file| file == path)
                    || candidate.directory.as_ref().is_some_and(|dir| path.starts_with(dir))
            })
        };
        for path in &needed {
            prop_assert!(!removed(Path::new(path), &found), "{path} is needed");
        }
        for row in &ledger {
            let stays = match row.kind {
                Kept => true,
                Product => !home.iter().any(|path| Path::new(path) == row.remote),
                Input | Directory => false,
            };
            let ours = row.remote.starts_with("/s") && !row.remote.starts_with("/s/refcat")
                && row.remote != Path::new("/s/../x");
            prop_assert!(!(removed(&row.remote, &found) && (stays || !ours)), "{row:?}");
        }
        for candidate in &found {
            prop_assert!(candidate.state.is_over());
            prop_assert!(candidate.bytes > 0);
        }
        prop_assert!(found.is_sorted_by_key(|candidate| candidate.ended_at));

        let bytes = |some: &[Candidate]| some.iter().map(|candidate| candidate.bytes).sum::<u64>();
        match enough(&found, over) {
            None => prop_assert!(bytes(&found) < over),
            Some(chosen) => {
                prop_assert!(bytes(chosen) >= over);
                prop_assert!(found.starts_with(chosen), "the oldest first");
                let (_, fewer) = chosen.split_last().map_or((None, &[][..]), |(last, fewer)| (Some(last), fewer));
                prop_assert!(chosen.is_empty() || bytes(fewer) < over, "no more than needed");
            },
        }
        let freed: u64 = ledger
            .iter()
            .filter(|row| removed(&row.remote, &found))
            .map(|row| row.size)
            .sum();
        prop_assert!(bytes(&found) <= freed, "no byte is promised twice");
    }
}
