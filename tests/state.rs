//! state.db as its users see it: claims, preparation, import, and what a kill leaves.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a failed test says where"
)]

use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;
use outrigger::state::{
    StateError, Store,
    back_off::BackOff,
    component::{Candidate, ComponentEvent, ComponentState, NewRun},
    event::{Act, Subject},
    file::Product,
    import::{Counts, Effort, Import, JobOutcome},
    job::{JobEvent, JobState, PreparedComponent},
    record::{ColumnKind, RecordSchema},
    run::{RunEvent, RunState, Stage, Step},
    timing::{TimedStage, Timing, TimingFilter},
};
use serde_json::json;

#[path = "state/early.rs"]
mod early;
#[path = "state/room.rs"]
mod room;
#[path = "state/back_off.rs"]
mod waits;

fn act(why: &str) -> Act<'_> {
    Act::new(Timestamp::from_second(1_700_000_000).unwrap(), "test", why)
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(&dir.path().join("state.db")).unwrap();
    (dir, store)
}

fn define(store: &mut Store, stage: &str, ids: &[i64]) -> Option<i64> {
    define_at(store, stage, ids, act("bundled"))
}

fn define_at(store: &mut Store, stage: &str, ids: &[i64], act: Act<'_>) -> Option<i64> {
    let candidates: Vec<Candidate> = ids
        .iter()
        .map(|id| Candidate {
            stage_id: *id,
            row: json!({"filter": "r"}).to_string(),
        })
        .collect();
    let new = NewRun {
        stage,
        site: "here",
        label: "t",
        base: "runs",
        secret: 7,
    };
    store.define(new, &candidates, act).unwrap()
}

/// A run of two components with two jobs each, whose batch job is over.
fn importing(store: &mut Store) -> i64 {
    let run = define(store, "chip", &[10, 20]).unwrap();
    bundled(store, run, &[&["a", "b"], &["a", "b"]]);
    run
}

/// Takes a run, with these jobs of each component, to where its batch job is over.
fn bundled(store: &mut Store, run: i64, jobs: &[&[&str]]) {
    submitted(store, run, jobs);
    for event in [RunEvent::Ended, RunEvent::Returned] {
        store.advance(run, event, act("")).unwrap();
    }
}

/// Takes it to where its batch job runs.
/// Its components have these jobs.
fn prepared(store: &mut Store, run: i64, jobs: &[&[&str]]) {
    let components = store.components(run).unwrap();
    let mut first_seq = 0;
    let prepared = components.iter().zip(jobs).map(|(component, keys)| {
        let first = first_seq;
        first_seq += keys.len() as u64;
        PreparedComponent {
            component_id: component.component_id,
            first_seq: first,
            outcome: Ok(keys.iter().map(|key| (*key).to_owned()).collect()),
            path_base: String::new(),
            next_id: None,
        }
    });
    store.prepared(run, prepared, act("")).unwrap();
}

fn submitted(store: &mut Store, run: i64, jobs: &[&[&str]]) {
    prepared(store, run, jobs);
    for event in [RunEvent::StageIn, RunEvent::Staged] {
        store.advance(run, event, act("")).unwrap();
    }
    store.submitted(run, "17", act("")).unwrap();
}

fn schema() -> RecordSchema {
    RecordSchema {
        table: "chip".into(),
        key: vec!["id".into()],
        columns: IndexMap::from([
            ("id".into(), ColumnKind::Integer),
            ("bg".into(), ColumnKind::Real),
        ]),
        optional: vec![],
    }
}

fn passed(seq: u64, bg: impl Into<serde_json::Value>) -> JobOutcome {
    let record = json!({"id": seq, "bg": bg.into()});
    JobOutcome {
        seq,
        event: JobEvent::Pass,
        exit_code: Some(0),
        started_at: None,
        ended_at: None,
        node: Some("node01".into()),
        memory: None,
        effort: None,
        reason: String::new(),
        by_hand: false,
        failures: 0,
        record: record.as_object().cloned(),
    }
}

fn import(store: &mut Store, run: i64, outcomes: &[JobOutcome], attempts: u32) -> Counts {
    import_at(store, run, outcomes, attempts, BackOff::default())
}

fn import_at(
    store: &mut Store,
    run: i64,
    outcomes: &[JobOutcome],
    attempts: u32,
    back_off: BackOff,
) -> Counts {
    let schema = schema();
    let import = Import {
        run_id: run,
        schema: Some(&schema),
        next: Some("camera"),
        attempts,
        back_off,
    };
    let product = Product {
        seq: 0,
        path: "/home/x.cmf".into(),
        remote: "/scratch/x.cmf".into(),
        size: 3,
        hash: "ab".into(),
    };
    store
        .import(&import, outcomes, &[product], act("imported"))
        .unwrap()
}

fn is_free(store: &Store, stage_id: i64) -> bool {
    store.is_free("chip", stage_id, act("").now).unwrap()
}

fn rows(store: &Store, sql: &str) -> Vec<String> {
    let reader = store.reader().unwrap();
    let mut statement = reader.prepare(sql).unwrap();
    statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn what_passed_is_imported_though_a_neighbour_failed() {
    let (_dir, mut store) = store();
    let run = importing(&mut store);
    let outcomes = [
        passed(0, 1.5),
        passed(1, 2.5),
        passed(2, 3.5),
        passed(3, "bright"),
    ];
    let counts = import(&mut store, run, &outcomes, 3);
    assert_eq!(
        counts,
        Counts {
            passed: 3,
            failed: 1,
            lost: 0,
            retried: 1
        }
    );
    assert_eq!(
        rows(&store, "SELECT CAST(bg AS TEXT) FROM chip ORDER BY id"),
        ["1.5", "2.5", "3.5"]
    );
    assert_eq!(
        rows(&store, "SELECT stage || stage_id FROM queue"),
        ["camera10"]
    );
    let components = store.components(run).unwrap();
    assert_eq!(components[0].state, ComponentState::Passed);
    assert_eq!(components[1].state, ComponentState::Retry);
    assert_eq!(
        components[1].reason,
        "job b: dbinfo column `bg` should be REAL, but is `bright`"
    );
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn a_second_import_changes_nothing() {
    let (_dir, mut store) = store();
    let run = importing(&mut store);
    let outcomes = [passed(0, 1.0), passed(1, 1.0)];
    let first = import(&mut store, run, &outcomes, 1);
    let events = store.events(Subject::Run, run).unwrap();
    let second = import(&mut store, run, &[passed(2, 9.0)], 1);
    assert_eq!(first, second);
    assert_eq!(store.events(Subject::Run, run).unwrap(), events);
    assert_eq!(rows(&store, "SELECT count(*) || '' FROM chip"), ["2"]);
}

fn timings(store: &Store, by: Option<&str>, newest: u32) -> Vec<Timing> {
    let filter = TimingFilter {
        stage: "chip",
        site: Some("here"),
        by,
        newest,
    };
    store.timings(&filter).unwrap()
}

/// A job that passed and worked for some seconds.
fn worked(seq: u64, seconds: i64) -> JobOutcome {
    JobOutcome {
        started_at: Timestamp::from_second(1000).ok(),
        ended_at: Timestamp::from_second(1000 + seconds).ok(),
        memory: Some(1 << 30),
        effort: Some(Effort {
            threads: 2,
            cpu: Some(Duration::from_millis(1500)),
        }),
        ..passed(seq, 1.0)
    }
}

#[test]
fn what_finished_jobs_took_is_known_after_the_import_and_counted_once() {
    let (_dir, mut store) = store();
    let run = importing(&mut store);
    let outcomes = [worked(0, 40), worked(1, 50)];
    import(&mut store, run, &outcomes, 1);
    import(&mut store, run, &outcomes, 1);
    let took = |kind: &str, wall| Timing {
        kind: kind.into(),
        wall,
        cpu: Some(1.5),
        memory: Some(1 << 30),
        threads: 2,
    };
    assert_eq!(timings(&store, None, 9), [took("", 40.0), took("", 50.0)]);
    assert_eq!(timings(&store, Some("key"), 1), [took("a", 40.0)]);
    assert_eq!(
        timings(&store, Some("filter"), 9),
        [took("r", 40.0), took("r", 50.0)]
    );
    assert_eq!(timings(&store, Some("seeing"), 1), [took("", 40.0)]);
    let (stage, site) = ("chip".to_owned(), "here".to_owned());
    assert_eq!(store.timed_stages().unwrap(), [TimedStage { stage, site }]);
}

#[test]
fn a_job_that_failed_or_did_no_work_tells_nothing_of_what_jobs_take() {
    let (_dir, mut store) = store();
    let run = importing(&mut store);
    let mut failed = worked(0, 40);
    failed.event = JobEvent::Fail;
    let idle = JobOutcome {
        effort: None,
        ..worked(1, 50)
    };
    import(&mut store, run, &[failed, idle], 1);
    assert_eq!(timings(&store, None, 9), []);
    assert_eq!(store.timed_stages().unwrap(), []);
}

#[test]
fn jobs_without_a_record_are_lost_and_their_component_fails() {
    let (_dir, mut store) = store();
    let run = importing(&mut store);
    let counts = import(&mut store, run, &[passed(0, 1.0), passed(1, 1.0)], 1);
    assert_eq!(
        counts,
        Counts {
            passed: 2,
            failed: 0,
            lost: 2,
            retried: 0
        }
    );
    let components = store.components(run).unwrap();
    assert_eq!(components[1].state, ComponentState::Failed);
    assert!(
        store
            .jobs(run)
            .unwrap()
            .iter()
            .skip(2)
            .all(|job| job.state == JobState::Lost)
    );
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn a_retry_runs_only_what_did_not_pass() {
    let (_dir, mut store) = store();
    let run = importing(&mut store);
    import(&mut store, run, &[passed(2, 1.0)], 3);
    assert!(is_free(&store, 20));
    let again = define(&mut store, "chip", &[20]).unwrap();
    let component = &store.components(again).unwrap()[0];
    assert_eq!(component.attempt, 2);
    let earlier = store.earlier(component, 3).unwrap();
    assert_eq!(["a", "b"].map(|key| earlier.is_due(key)), [false, true]);
}

/// A job of which so many tries failed.
fn failed(seq: u64, failures: u32) -> JobOutcome {
    JobOutcome {
        event: JobEvent::Fail,
        failures,
        ..passed(seq, 1.0)
    }
}

#[test]
fn a_job_whose_tries_are_used_up_is_left_out_and_its_component_never_passes_without_it() {
    let (_dir, mut store) = store();
    let run = importing(&mut store);
    // 10: `a` has no try left, `b` was lost. 20: neither has one.
    let counts = import(
        &mut store,
        run,
        &[failed(0, 3), failed(2, 3), failed(3, 4)],
        3,
    );
    assert_eq!(counts.retried, 1);
    let again = define(&mut store, "chip", &[10, 20]).unwrap();
    let [component] = &store.components(again).unwrap()[..] else {
        panic!("20 is not free");
    };
    let earlier = store.earlier(component, 3).unwrap();
    assert_eq!(["a", "b"].map(|key| earlier.is_due(key)), [false, true]);
    bundled(&mut store, again, &[&["b"]]);
    let counts = import(&mut store, again, &[passed(0, 1.0)], 3);
    assert_eq!((counts.passed, counts.retried), (1, 0));
    let component = store.component("chip", 10).unwrap().unwrap();
    assert_eq!(component.state, ComponentState::Partial);

    let revert = (
        component.component_id,
        ComponentEvent::Revert,
        String::new(),
    );
    store.advance_components(&[revert], act("")).unwrap();
    let last = define(&mut store, "chip", &[10]).unwrap();
    let component = &store.components(last).unwrap()[0];
    let earlier = store.earlier(component, 3).unwrap();
    assert_eq!(["a", "b"].map(|key| earlier.is_due(key)), [true, false]);
    assert_eq!(earlier.failures("a"), 0, "a human gives all tries anew");
}

#[test]
fn what_a_human_must_look_at_is_not_run_again_by_itself() {
    let (_dir, mut store) = store();
    let run = importing(&mut store);
    let mut doubtful = passed(0, 1.0);
    (doubtful.event, doubtful.by_hand) = (JobEvent::Fail, true);
    import(&mut store, run, &[doubtful, passed(1, 1.0)], 3);
    let components = store.components(run).unwrap();
    assert_eq!(components[0].state, ComponentState::Partial);
    assert_eq!(components[1].state, ComponentState::Retry);
}

#[test]
fn a_legacy_command_is_begun_once() {
    use outrigger::state::legacy::Begun;
    let (_dir, mut store) = store();
    let run = importing(&mut store);
    let now = Timestamp::UNIX_EPOCH;
    assert_eq!(
        store.begin_legacy(run, 0, "chiptool", now).unwrap(),
        Begun::Fresh
    );
    assert_eq!(
        store.begin_legacy(run, 0, "chiptool", now).unwrap(),
        Begun::Cut
    );
    store.end_legacy(run, 0, true).unwrap();
    assert_eq!(
        store.begin_legacy(run, 0, "chiptool", now).unwrap(),
        Begun::Done
    );
    assert_eq!(
        store.begin_legacy(run, 1, "chiptool", now).unwrap(),
        Begun::Fresh
    );
    store.end_legacy(run, 1, false).unwrap();
    assert_eq!(
        store.begin_legacy(run, 1, "chiptool", now).unwrap(),
        Begun::Fresh
    );
}

#[test]
fn a_component_is_claimed_once_whatever_the_label() {
    let (_dir, mut store) = store();
    define(&mut store, "chip", &[1, 2]).unwrap();
    let second = define(&mut store, "chip", &[2, 3]).unwrap();
    let ids: Vec<i64> = store
        .components(second)
        .unwrap()
        .iter()
        .map(|c| c.stage_id)
        .collect();
    assert_eq!(ids, [3]);
    assert_eq!(define(&mut store, "chip", &[1, 2, 3]), None);
    assert!(define(&mut store, "camera", &[1]).is_some());
}

#[test]
fn two_programs_never_hold_one_run() {
    let (dir, mut store) = store();
    let run = define(&mut store, "chip", &[1]).unwrap();
    let mut other = Store::open(&dir.path().join("state.db")).unwrap();
    let now = Timestamp::from_second(1000).unwrap();
    store.claim(run, "a", 60, now).unwrap();
    store.claim(run, "a", 60, now).unwrap();
    assert!(matches!(
        other.claim(run, "b", 60, now),
        Err(StateError::Held { seconds: 61, .. })
    ));
    let later = Timestamp::from_second(1060).unwrap();
    other.claim(run, "b", 60, later).unwrap();
    store.release_claim(run, "a").unwrap();
    assert!(matches!(
        store.claim(run, "a", 60, later),
        Err(StateError::Held { .. })
    ));
}

#[test]
fn a_prepare_that_yields_no_job_is_an_error_of_the_run() {
    let (_dir, mut store) = store();
    let run = define(&mut store, "chip", &[1]).unwrap();
    let component_id = store.components(run).unwrap()[0].component_id;
    let prepared = PreparedComponent {
        component_id,
        first_seq: 0,
        outcome: Err("raw.fits: no such file".into()),
        path_base: String::new(),
        next_id: None,
    };
    store
        .prepared(run, std::iter::once(prepared), act(""))
        .unwrap();
    assert_eq!(store.run(run).unwrap().state.to_string(), "error:prepare");
    let component = &store.components(run).unwrap()[0];
    assert_eq!(component.state, ComponentState::PrepFailed);
    assert_eq!(component.reason, "raw.fits: no such file");
}

#[test]
fn a_run_is_given_up_together_with_its_components() {
    let (dir, mut store) = store();
    let run = importing(&mut store);
    // A kill between the two would leave components that nobody can free.
    let raw = rusqlite::Connection::open(dir.path().join("state.db")).unwrap();
    raw.execute_batch(
        "CREATE TRIGGER cut BEFORE UPDATE ON components WHEN new.state = 'retry'
         BEGIN SELECT raise(ABORT, 'cut'); END",
    )
    .unwrap();
    store.give_up(run, act("clouds")).unwrap_err();
    assert_eq!(
        store.run(run).unwrap().state,
        RunState::Active(Stage::Importing)
    );
    raw.execute_batch("DROP TRIGGER cut").unwrap();
    store.give_up(run, act("clouds")).unwrap();
    assert_eq!(store.run(run).unwrap().state, RunState::Cancelled);
    assert!(is_free(&store, 10) && is_free(&store, 20));
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn a_reverted_exec_has_a_new_token_at_once() {
    let (_dir, mut store) = store();
    let run = define(&mut store, "chip", &[1]).unwrap();
    let component_id = store.components(run).unwrap()[0].component_id;
    let prepared = PreparedComponent {
        component_id,
        first_seq: 0,
        outcome: Ok(vec!["a".into()]),
        path_base: String::new(),
        next_id: None,
    };
    store
        .prepared(run, std::iter::once(prepared), act(""))
        .unwrap();
    let failed = RunEvent::Fail(Step::Exec);
    store.advance(run, failed, act("refused")).unwrap();
    let state = store.revert(run, 0xabc, act("reverted")).unwrap();
    assert_eq!(state, RunState::Active(Stage::Pending));
    let run = store.run(run).unwrap();
    assert_eq!((run.attempt, run.token.as_str()), (2, "or-1-2-00000abc"));
}

#[test]
fn a_broken_invariant_is_found() {
    let (dir, mut store) = store();
    let run = importing(&mut store);
    assert_eq!(
        store.run(run).unwrap().state,
        RunState::Active(Stage::Importing)
    );
    drop(store);
    let path = dir.path().join("state.db");
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("UPDATE runs SET state = 'full', jobs = 4", [])
        .unwrap();
    raw.execute(
        "UPDATE components SET state = 'passed' WHERE stage_id = 10",
        [],
    )
    .unwrap();
    drop(raw);
    let rules: Vec<String> = Store::open(&path)
        .unwrap()
        .check()
        .unwrap()
        .into_iter()
        .map(|v| v.rule)
        .collect();
    assert!(
        rules.contains(&"a full run has no job without an outcome".to_owned()),
        "{rules:?}"
    );
    assert!(
        rules.contains(&"a passed component has only passed jobs".to_owned()),
        "{rules:?}"
    );
    assert!(
        rules.contains(&"the last event of a run tells its state".to_owned()),
        "{rules:?}"
    );
}
