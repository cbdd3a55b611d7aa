//! Room on scratch that runs claim for what they are about to send.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use outrigger::state::{
    room::{Claim, Taken},
    staged::{Staged, StagedKind},
};
use rstest::rstest;

use super::*;

/// Bytes that fit.
const BUDGET: u64 = 10;

fn path(name: &str) -> PathBuf {
    Path::new("/s").join(name)
}

fn input(name: &str, size: u64) -> Claim {
    Claim {
        remote: path(name),
        size,
        kind: StagedKind::Input,
    }
}

/// What the ledger tells: path, kind, run, bytes and whether the content is known.
fn ledger(store: &Store) -> Vec<(PathBuf, StagedKind, i64, u64, bool)> {
    let rows = store.staged("here").unwrap().into_iter();
    let told = |row: Staged| {
        let is_known = !row.hash.is_empty() && !row.stamp.is_empty();
        (row.remote, row.kind, row.run_id, row.size, is_known)
    };
    rows.map(told).collect()
}

/// A run that is being staged in.
fn staging(store: &mut Store, stage_id: i64) -> i64 {
    let run = define(store, "chip", &[stage_id]).unwrap();
    prepared(store, run, &[&["a"]]);
    store.advance(run, RunEvent::StageIn, act("exec")).unwrap();
    run
}

/// Claims room for `wanted` if it fits with all that others have claimed.
fn claim(store: &mut Store, run: i64, wanted: &[(&str, u64)]) -> bool {
    let wanted: Vec<Claim> = wanted.iter().map(|(p, size)| input(p, *size)).collect();
    let own: u64 = wanted.iter().map(|claim| claim.size).sum();
    let sum = |all: &[(PathBuf, u64)]| all.iter().map(|(_, size)| size).sum::<u64>();
    let fits = |others: &[(PathBuf, u64)]| sum(others) + own <= BUDGET;
    store
        .claim_room("here", run, &wanted, |taken| fits(&taken.claimed))
        .unwrap()
}

#[test]
fn what_one_run_has_claimed_another_one_cannot_until_it_is_staged() {
    let (dir, mut first) = store();
    let mut second = Store::open(&dir.path().join("state.db")).unwrap();
    let (one, two) = (staging(&mut first, 1), staging(&mut first, 2));
    assert!(claim(&mut first, one, &[("a", 6)]));
    assert!(!claim(&mut second, two, &[("b", 6)]));
    assert!(claim(&mut second, two, &[("b", 4)]));
    assert!(!claim(&mut first, one, &[("a", 7)]), "its own counts once");
    assert!(claim(&mut first, one, &[("a", 6)]));
    first.advance(one, RunEvent::Staged, act("exec")).unwrap();
    assert!(claim(&mut second, two, &[("b", 10)]));
}

#[test]
fn a_run_that_waits_for_the_link_keeps_its_claim_and_one_that_failed_does_not() {
    let (_dir, mut store) = store();
    let (one, two) = (staging(&mut store, 1), staging(&mut store, 2));
    assert!(claim(&mut store, one, &[("a", 6)]));
    store.advance(one, RunEvent::LinkDown, act("exec")).unwrap();
    assert!(!claim(&mut store, two, &[("b", 6)]));
    store.advance(one, RunEvent::LinkUp, act("exec")).unwrap();
    assert!(!claim(&mut store, two, &[("b", 6)]));
    store
        .advance(one, RunEvent::Fail(Step::Exec), act("exec"))
        .unwrap();
    assert!(claim(&mut store, two, &[("b", 6)]));
}

#[test]
fn claims_hold_at_their_site_alone_and_whatever_the_names() {
    let (_dir, mut store) = store();
    let (one, two) = (staging(&mut store, 1), staging(&mut store, 2));
    let odd = [input("a\n b", 3), input("c", 4)];
    assert!(store.claim_room("here", one, &odd, |_| true).unwrap());
    let told = [(path("a\n b"), 3), (path("c"), 4)];
    let seen = |taken: &Taken| taken.claimed == told;
    assert!(store.claim_room("here", two, &[], seen).unwrap());
    let none = |taken: &Taken| taken.claimed.is_empty();
    assert!(store.claim_room("there", two, &[], none).unwrap());
}

/// Claims room for a file that is known already, one that is not, and the directory of the run.
fn claim_three(store: &mut Store, run: i64) {
    let known = Staged {
        remote: path("known"),
        kind: StagedKind::Input,
        run_id: 9,
        size: 2,
        hash: "00".into(),
        stamp: "7|now".into(),
        sent_at: Timestamp::UNIX_EPOCH,
        touched_at: Timestamp::UNIX_EPOCH,
        used_at: Timestamp::UNIX_EPOCH,
    };
    store.remember_staged("here", &[known]).unwrap();
    let directory = Claim {
        kind: StagedKind::Directory,
        ..input("own", 1)
    };
    let all = [input("known", 2), input("new", 6), directory];
    assert!(store.claim_room("here", run, &all, |_| true).unwrap());
}

#[rstest]
#[case::held(RunEvent::Hold)]
#[case::cancelled(RunEvent::Cancel)]
#[case::failed(RunEvent::Fail(Step::Exec))]
fn what_a_run_may_have_sent_that_is_no_longer_staged_in_is_in_the_ledger(#[case] event: RunEvent) {
    let (_dir, mut store) = store();
    let (one, two) = (staging(&mut store, 1), staging(&mut store, 2));
    claim_three(&mut store, one);
    store.advance(one, event, act("operator")).unwrap();
    let mut seen = Vec::new();
    let free = |taken: &Taken| {
        seen = taken.ledger.iter().map(|row| row.size).collect();
        taken.claimed.is_empty()
    };
    assert!(store.claim_room("here", two, &[], free).unwrap());
    assert_eq!(seen, [2, 6, 1], "in the transaction of the claim");
    let rows = [
        (path("known"), StagedKind::Input, 9, 2, true),
        (path("new"), StagedKind::Input, one, 6, false),
        (path("own"), StagedKind::Directory, one, 1, false),
    ];
    assert_eq!(ledger(&store), rows);
}

#[test]
fn a_run_that_only_waits_gives_its_room_back_and_what_it_sent_is_in_the_ledger() {
    let (_dir, mut store) = store();
    let (one, two) = (staging(&mut store, 1), staging(&mut store, 2));
    claim_three(&mut store, one);
    store.yield_room("here", one).unwrap();
    assert_eq!(ledger(&store).len(), 3);
    let free = |taken: &Taken| taken.claimed.is_empty();
    assert!(store.claim_room("here", two, &[], free).unwrap());
    assert!(claim(&mut store, one, &[("new", 6)]));
    assert!(!claim(&mut store, two, &[("b", 6)]));
}
