//! What the tests of this room share, and what an operator is told.

use jiff::Timestamp;

use super::*;

/// A row of the ledger.
pub(super) fn staged(remote: &str, kind: StagedKind, run_id: i64, size: u64) -> Staged {
    Staged {
        remote: remote.into(),
        kind,
        run_id,
        size,
        hash: "00".into(),
        stamp: String::new(),
        sent_at: Timestamp::UNIX_EPOCH,
        touched_at: Timestamp::UNIX_EPOCH,
        used_at: Timestamp::UNIX_EPOCH,
    }
}

fn candidate(run_id: i64, bytes: u64) -> Candidate {
    Candidate {
        run_id,
        state: RunState::Full,
        ended_at: Timestamp::UNIX_EPOCH,
        bytes,
        directory: None,
        files: Vec::new(),
    }
}

#[test]
fn the_mend_names_just_the_runs_that_free_enough() {
    let some = [candidate(3, 10), candidate(1, 10), candidate(2, 10)];
    insta::assert_snapshot!(mend(&some, 15), @"`outrigger remote clean 3 1` frees 20 bytes; then `outrigger remote revert` this run");
    insta::assert_snapshot!(mend(&some, 50), @"`outrigger remote clean 3 1 2` frees 30 bytes, which is not enough: raise the budget, or wait until other runs are over; then `outrigger remote revert` this run");
    insta::assert_snapshot!(mend(&[], 50), @"no run that is over has files there that may go; wait until one is, or raise the budget");
}
