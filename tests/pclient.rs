//! An agent as a controller at the other end of a pipe sees it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed test says where"
)]

mod agents;

use std::{
    fs,
    time::{Duration, Instant},
};

use agents::{Line, Place, wait_until};
use outrigger::pclient::wire::{PROTOCOL, Word};

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

#[test]
fn an_agent_that_keeps_jobs_beats_as_often_as_its_last_controller_wants() {
    let place = Place::new();
    let mut line = Line::new(&place);
    line.greet(&place.hello(1000.0, true)).unwrap();
    line.close();
    let mut line = Line::new(&place);
    line.greet(&place.hello(1.0, true)).unwrap();
    // With the first fence there are 15 s between two.
    let begun = Instant::now();
    for _ in 0..4 {
        line.wait_for("a beat", |word| matches!(word, Word::Beat { .. }));
    }
    assert!(begun.elapsed() < Duration::from_secs(15));
    line.bye();
}

#[test]
fn an_agent_that_keeps_jobs_tells_whom_it_cannot_serve_why_and_keeps_them() {
    let place = Place::new();
    let mut line = Line::new(&place);
    let first = line.greet(&place.hello(1.0, true)).unwrap();
    line.start_job(1, "exec sleep 600", &place.path("job"));
    line.wait_for("its start", |word| {
        matches!(word, Word::Started { run: 1, .. })
    });
    let strange = |protocol, text: &str| {
        let mut line = Line::to_socket(&place.post("socket"));
        line.greet_in(protocol, text).unwrap_err()
    };
    let why = strange(99, "{}");
    assert!(why.contains("the controller asks for 99: install the same"));
    assert!(why.contains("the jobs that it keeps go on"));
    let why = strange(PROTOCOL, "{}");
    assert!(why.contains("the controller's greeting: "), "{why}");
    // Whoever is connected is not disturbed.
    line.wait_for("a beat", |word| matches!(word, Word::Beat { .. }));
    line.close();
    let mut line = Line::new(&place);
    let second = line.greet(&place.hello(1.0, true)).unwrap();
    assert_eq!(second.incarnation, first.incarnation);
    assert_eq!(second.runs, [1]);
    line.bye();
}

#[test]
fn an_agent_that_goes_with_ends_that_nobody_has_asked_for_says_so_in_its_log() {
    let place = Place::new();
    let mut line = Line::new(&place);
    line.greet(&place.hello(60.0, true)).unwrap();
    line.start_job(7, "exit 3", &place.path("job"));
    line.wait_for("its end", |word| matches!(word, Word::Ended(_)));
    line.close();
    place.kill_guard();
    wait_until("the agent's end", || !place.post("socket").exists());
    let log = fs::read_to_string(place.post("log")).unwrap();
    assert!(
        log.contains("the end of run 7, Exit(3), and its output are forgotten"),
        "{log}"
    );
}

#[test]
fn an_agent_that_goes_leaves_the_socket_of_a_later_one() {
    let place = Place::new();
    let mut line = Line::new(&place);
    line.greet(&place.hello(60.0, true)).unwrap();
    fs::remove_file(place.post("socket")).unwrap();
    fs::write(place.post("socket"), "a later one's").unwrap();
    line.bye();
    wait_until("the agent's end", || !place.post("lock").exists());
    assert!(place.post("socket").exists());
}

#[test]
fn where_no_agent_starts_that_would_keep_jobs_the_controller_hears_why_and_what_to_do() {
    let place = Place::new();
    let mut line = Line::new(&place);
    line.greet(&place.hello(60.0, true)).unwrap();
    line.bye();
    wait_until("the agent's end", || !place.post("lock").exists());
    fs::create_dir(place.post("lock")).unwrap();
    let why = Line::new(&place).greet(&place.hello(60.0, true));
    fs::remove_dir(place.post("lock")).unwrap();
    let why = why.unwrap_err();
    assert!(
        why.contains("a new one does not start: /tmp/outrigger-"),
        "{why}"
    );
    assert!(why.contains(".lock: Is a directory"), "{why}");
    assert!(why.contains("say `host retry`"), "{why}");
}
