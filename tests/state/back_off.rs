//! How long what failed waits for its next bundle.

use outrigger::state::back_off::Waiting;

use super::*;

/// A bundle of `chip` 10 alone, so many seconds later, whose batch job is over.
fn alone(store: &mut Store, seconds: i64) -> i64 {
    let run = define_at(store, "chip", &[10], later(seconds)).unwrap();
    bundled(store, run, &[&["a", "b"]]);
    run
}

fn later(seconds: i64) -> Act<'static> {
    let now = act("").now + Duration::from_secs(seconds.unsigned_abs());
    Act { now, ..act("") }
}

/// How long it waits after its latest bundle, in seconds.
pub(crate) fn wait(store: &Store) -> i64 {
    let component = store.component("chip", 10).unwrap().unwrap();
    assert_eq!(component.state, ComponentState::Retry);
    let due = component.due_at;
    due.map_or(0, |due| due.duration_since(act("").now).as_secs())
}

pub(crate) const MINUTE: BackOff = BackOff {
    after: Duration::from_mins(1),
    at_most: Duration::from_secs(100),
};

#[test]
fn what_failed_by_itself_waits_twice_as_long_each_time() {
    let (_dir, mut store) = store();
    let mut run = alone(&mut store, 0);
    for (times, seconds) in [60, 100, 100].into_iter().enumerate() {
        import_at(&mut store, run, &[failed(0, 1)], 9, MINUTE);
        assert_eq!(wait(&store), seconds, "after {times}");
        assert!(!is_free(&store, 10));
        assert_eq!(define(&mut store, "chip", &[10]), None);
        let due = later(seconds).now;
        assert!(store.is_free("chip", 10, due).unwrap());
        assert_eq!(store.delayed(due).unwrap(), []);
        run = alone(&mut store, seconds);
    }
}

#[test]
fn what_was_ended_from_outside_waits_only_when_that_repeats() {
    let (_dir, mut store) = store();
    let mut run = alone(&mut store, 0);
    for seconds in [0, 60, 100] {
        import_at(&mut store, run, &[passed(0, 1.0)], 9, MINUTE);
        assert_eq!(wait(&store), seconds);
        let waits = store.delayed(act("").now).unwrap();
        let waits = waits.into_iter().map(|of| of.waiting).collect::<Waiting>();
        let due_at = (seconds > 0).then(|| later(seconds).now);
        let components = u64::from(seconds > 0);
        assert_eq!(waits, Waiting { components, due_at });
        run = alone(&mut store, seconds);
    }
    import_at(&mut store, run, &[failed(0, 1)], 9, MINUTE);
    assert_eq!(wait(&store), 60, "its first failure of its own");
}

#[test]
fn a_human_ends_all_waiting() {
    let (_dir, mut store) = store();
    let run = alone(&mut store, 0);
    import_at(&mut store, run, &[failed(0, 1)], 9, MINUTE);
    let id = store.component("chip", 10).unwrap().unwrap().component_id;
    store.hasten(&[id], act("due at once")).unwrap();
    assert!(is_free(&store, 10));
    assert_eq!(store.delayed(act("").now).unwrap(), []);
    let run = alone(&mut store, 0);
    import_at(&mut store, run, &[failed(0, 1)], 9, MINUTE);
    assert_eq!(wait(&store), 60, "it counts anew");
    assert_eq!(store.check().unwrap(), []);
}
