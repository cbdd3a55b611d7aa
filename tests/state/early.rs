//! What is imported while its batch job runs.

use super::{
    waits::{MINUTE, wait},
    *,
};

/// A run of two components with two jobs each, whose batch job runs.
fn running(store: &mut Store) -> i64 {
    let run = define(store, "chip", &[10, 20]).unwrap();
    submitted(store, run, &[&["a", "b"], &["a", "b"]]);
    run
}

fn import_ended(store: &mut Store, run: i64, outcomes: &[JobOutcome]) -> Result<(), StateError> {
    let schema = schema();
    let import = Import {
        run_id: run,
        schema: Some(&schema),
        next: Some("camera"),
        attempts: 3,
        back_off: BackOff::default(),
    };
    store.import_ended(&import, outcomes, &[], act("harvested"))
}

#[test]
fn what_is_imported_while_its_batch_job_runs_keeps_its_outcome() {
    let (_dir, mut store) = store();
    let run = running(&mut store);
    let (first, second) = ([passed(0, 1.0), passed(2, 2.0)], [passed(1, 3.0)]);
    import_ended(&mut store, run, &first).unwrap();
    assert_eq!(
        store.queued("camera").unwrap(),
        0,
        "no component has passed"
    );
    import_ended(&mut store, run, &second).unwrap();
    assert!(
        import_ended(&mut store, run, &second).is_err(),
        "a job ends once"
    );
    assert_eq!(store.queued("camera").unwrap(), 1);
    let component = store.component("chip", 10).unwrap().unwrap();
    assert_eq!(component.state, ComponentState::Passed);
    assert_eq!(store.run(run).unwrap().state, RunState::Active(Stage::Run));
    assert_eq!(store.imported_jobs(run).unwrap(), [0, 1, 2].into());
    assert_eq!(store.check().unwrap(), []);

    for event in [RunEvent::Ended, RunEvent::Returned] {
        store.advance(run, event, act("poll")).unwrap();
    }
    assert!(
        import_ended(&mut store, run, &[]).is_err(),
        "it runs no longer"
    );
    let counts = import(&mut store, run, &[failed(3, 1)], 3);
    assert_eq!((counts.passed, counts.failed, counts.retried), (3, 1, 1));
    assert_eq!(
        rows(&store, "SELECT id || ' ' || bg FROM chip ORDER BY id"),
        ["0 1.0", "1 3.0", "2 2.0"]
    );
    assert_eq!(store.queued("camera").unwrap(), 1);
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn a_record_that_does_not_fit_is_a_failure_that_stays() {
    let (_dir, mut store) = store();
    let run = running(&mut store);
    import_ended(&mut store, run, &[passed(0, "deep"), passed(1, 1.0)]).unwrap();
    assert_eq!(store.queued("camera").unwrap(), 0);
    for event in [RunEvent::Ended, RunEvent::Returned] {
        store.advance(run, event, act("poll")).unwrap();
    }
    let counts = import_at(
        &mut store,
        run,
        &[passed(2, 1.0), passed(3, 1.0)],
        3,
        MINUTE,
    );
    assert_eq!((counts.passed, counts.failed, counts.retried), (3, 1, 1));
    assert_eq!(wait(&store), 60, "it failed by itself");
    let reason = store.component("chip", 10).unwrap().unwrap().reason;
    assert!(reason.starts_with("job a: dbinfo column `bg`"), "{reason}");
    assert_eq!(store.check().unwrap(), []);
}
