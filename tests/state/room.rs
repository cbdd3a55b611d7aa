//! Room on scratch that runs claim for what they are about to send.

use std::path::{Path, PathBuf};

use super::*;

/// Bytes that fit.
const BUDGET: u64 = 10;

fn path(name: &str) -> PathBuf {
    Path::new("/s").join(name)
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
    let wanted: Vec<(PathBuf, u64)> = wanted.iter().map(|(p, size)| (path(p), *size)).collect();
    let sum = |all: &[(PathBuf, u64)]| all.iter().map(|(_, size)| size).sum::<u64>();
    let fits = |others: &[(PathBuf, u64)]| sum(others) + sum(&wanted) <= BUDGET;
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
    let odd = [(path("a\n b"), 3), (path("c"), 4)];
    assert!(store.claim_room("here", one, &odd, |_| true).unwrap());
    let seen = |taken: &outrigger::state::room::Taken| taken.claimed == odd;
    assert!(store.claim_room("here", two, &[], seen).unwrap());
    let none = |taken: &outrigger::state::room::Taken| taken.claimed.is_empty();
    assert!(store.claim_room("there", two, &[], none).unwrap());
}
