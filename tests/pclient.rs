//! An agent as a controller at the other end of a pipe sees it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed test says where"
)]

#[expect(dead_code, reason = "not every test uses every part")]
mod agents;

use std::fs;

use agents::{Line, Place};
use outrigger::pclient::wire::Word;

#[rstest::rstest]
#[case::fence(false)]
#[case::keep(true)]
fn a_job_has_the_limit_of_open_files_that_its_agent_was_started_with(#[case] keep: bool) {
    let place = Place::new();
    let mut line = Line::with_soft_limit(&place, Some(99));
    line.greet(&place.hello(60.0, keep)).unwrap();
    let go = place.path("go");
    line.start_job(
        1,
        "while [ ! -e \"$0\" ]; do sleep 0.02; done; ulimit -Sn",
        &go,
    );
    line.wait_for("its start", |word| {
        matches!(word, Word::Started { run: 1, .. })
    });
    fs::write(go, "").unwrap();
    line.wait_for(
        "its end",
        |word| matches!(word, Word::Ended(ended) if ended.run == 1),
    );
    assert_eq!(line.stdout(), "99\n");
    line.bye();
}
