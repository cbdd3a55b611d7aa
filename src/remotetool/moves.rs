//! Which events lead to an old state word, and why where none does. Nothing here moves anything:
//! the moves themselves go through the transition functions.

use super::words::{ComponentWord, RunWord};
use crate::state::{
    component::{ComponentEvent, ComponentState},
    run::{RunEvent, RunState, Stage, Step},
};

/// The events that take a run from `state` to the old word `word`; none if it is there already.
/// `has_job` tells that the scheduler's name for its batch job is given too.
///
/// # Errors
/// Why there is no way, and what to do instead.
pub(super) fn run_events(
    state: RunState,
    word: RunWord,
    has_job: bool,
) -> Result<Vec<RunEvent>, &'static str> {
    use RunState::{Active, Auth, Cancelled, Cleaned, Error, Full, Hold};
    if is_at(state, word) {
        return Ok(Vec::new());
    }
    match (state, word) {
        (Full | Cancelled | Cleaned, _) => {
            Err("it is over; failed components go into a new run after -revertcomponent")
        },
        (_, RunWord::Full) => Err(
            "only `outrigger remote poll` makes a run full: it brings the products home and \
             imports the records",
        ),
        (_, RunWord::Cancelled) => {
            Err("use `outrigger remote cancel`, which takes its batch job out of the queue first")
        },
        (_, RunWord::Cleaned) => {
            Err("use `outrigger remote clean`, which removes its files on the site first")
        },
        (Hold(stage), word) if is_at(Active(stage), word) => Ok(vec![RunEvent::Release]),
        (Hold(_), _) => Err("it is held; release it first: `outrigger remote release`"),
        (Active(_) | Auth(_), RunWord::Hold) => Ok(vec![RunEvent::Hold]),
        (Auth(stage), word) => {
            let mut events = vec![RunEvent::LinkUp];
            events.extend(active(stage, word, has_job)?);
            Ok(events)
        },
        (Active(stage), word) => active(stage, word, has_job),
        (Error(Step::Prepare), RunWord::New)
        | (Error(Step::Exec), RunWord::Pending)
        | (Error(Step::Poll), RunWord::Run) => Ok(vec![RunEvent::Revert]),
        (Error(Step::Poll), _) => {
            Err("its batch job was submitted; it can only go on as run, or be cancelled")
        },
        (Error(Step::Exec), _) => Err("it can only go on as pending, or be cancelled"),
        (Error(Step::Prepare), _) => Err("it can only go on as new, or be cancelled"),
    }
}

/// The way of a run that moves on by itself.
fn active(stage: Stage, word: RunWord, has_job: bool) -> Result<Vec<RunEvent>, &'static str> {
    use Stage::{New, Pending, Staging, Submitting};
    if is_at(RunState::Active(stage), word) {
        return Ok(Vec::new());
    }
    match (stage, word) {
        (New, RunWord::Pending) => Ok(vec![RunEvent::Prepared]),
        (New, RunWord::PrepFail) => Ok(vec![RunEvent::Fail(Step::Prepare)]),
        (New, _) => Err("it is not prepared"),
        (_, RunWord::Auth) => Ok(vec![RunEvent::LinkDown]),
        (Submitting, RunWord::ExecFail) => Err(
            "its batch job may be in the queue, and would be submitted again; `outrigger remote exec` \
             looks for it, `outrigger remote cancel` takes it out",
        ),
        (Pending | Staging, RunWord::ExecFail) => Ok(vec![RunEvent::Fail(Step::Exec)]),
        (_, RunWord::ExecFail) => Ok(vec![RunEvent::Fail(Step::Poll)]),
        (Pending | Staging | Submitting, RunWord::Run) if !has_job => {
            Err("it has no batch job; if the scheduler has one for it, give its -job_id too")
        },
        (Pending, RunWord::Run) => Ok(vec![
            RunEvent::StageIn,
            RunEvent::Staged,
            RunEvent::Submitted,
        ]),
        (Staging, RunWord::Run) => Ok(vec![RunEvent::Staged, RunEvent::Submitted]),
        (Submitting, RunWord::Run) => Ok(vec![RunEvent::Submitted]),
        (_, RunWord::New | RunWord::PrepFail) => Err("it is prepared already"),
        (_, RunWord::Pending) => Err("its batch job was submitted, and would be so again"),
        (_, _) => Err("see `outrigger remote show`"),
    }
}

fn is_at(state: RunState, word: RunWord) -> bool {
    word.states().contains(&state.to_string().as_str())
}

/// What is known of the jobs of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Jobs {
    /// Those in state.db.
    pub(super) written: u64,
    /// Those that passed.
    pub(super) passed: u64,
}

/// The event that takes a component from `state` to the old word `word`; none if it is there
/// already. The original says `fail` also of a component that could not be prepared for good;
/// here that is `prep_fail`.
///
/// # Errors
/// Why there is no way, and what to do instead.
pub(super) fn component_event(
    state: ComponentState,
    word: ComponentWord,
    jobs: Jobs,
) -> Result<Option<ComponentEvent>, &'static str> {
    use ComponentState::{Failed, New, Partial, PrepFailed, Prepared};
    if word.states().contains(&state.word()) {
        return Ok(None);
    }
    let event = match (state, word) {
        (New, ComponentWord::PrepDone) => ComponentEvent::Prepared,
        (New, ComponentWord::PrepFail | ComponentWord::Fail) => ComponentEvent::PrepareFailed,
        (Prepared, ComponentWord::Pass) if jobs.passed < jobs.written => {
            return Err("not all its jobs have passed; `outrigger remote poll` judges it by them");
        },
        (Prepared, ComponentWord::Pass) => ComponentEvent::Judged { passed: 1, jobs: 1 },
        (Prepared, ComponentWord::Fail) => ComponentEvent::Judged { passed: 0, jobs: 1 },
        (PrepFailed | Failed | Partial, ComponentWord::Retry) => ComponentEvent::Revert,
        (_, ComponentWord::Retry) => return Err("only a component that failed can be retried"),
        (New, _) => return Err("it is not prepared"),
        (Prepared, _) => return Err("it is prepared already"),
        (_, _) => return Err("it has its result; only one that failed can go on, to retry"),
    };
    Ok(Some(event))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn words() -> impl Iterator<Item = RunWord> {
        [
            "new",
            "pending",
            "run",
            "auth",
            "full",
            "prep_fail",
            "exec_fail",
            "cleaned",
            "hold",
            "cancelled",
        ]
        .into_iter()
        .map(|word| word.parse().unwrap())
    }

    #[test]
    fn every_way_is_legal_and_leads_to_the_word() {
        let mut ways = 0;
        for state in RunState::all() {
            for word in words() {
                for has_job in [false, true] {
                    let Ok(events) = run_events(state, word, has_job) else {
                        continue;
                    };
                    let end = events.iter().fold(state, |state, event| {
                        state
                            .after(*event)
                            .unwrap_or_else(|e| panic!("{word}: {e}"))
                    });
                    assert!(is_at(end, word), "{state} to {word} ends in {end}");
                    ways += 1;
                }
            }
        }
        assert!(ways > 60, "{ways}");
    }

    #[test]
    fn no_run_comes_to_run_without_a_batch_job() {
        for state in RunState::all() {
            if let Ok(events) = run_events(state, RunWord::Run, false) {
                assert!(!events.contains(&RunEvent::Submitted), "{state}");
            }
        }
    }

    #[test]
    fn what_may_be_in_the_queue_does_not_come_back_to_pending_by_way_of_an_error() {
        for state in ["submitting", "auth:submitting"] {
            let state = state.parse().unwrap();
            assert!(run_events(state, "exec_fail".parse().unwrap(), false).is_err());
        }
    }

    #[test]
    fn nothing_that_was_submitted_becomes_pending() {
        for state in [
            "run",
            "returning",
            "importing",
            "error:poll",
            "auth:run",
            "hold:run",
        ] {
            let state = state.parse().unwrap();
            assert!(
                run_events(state, RunWord::Pending, false).is_err(),
                "{state}"
            );
        }
    }

    #[test]
    fn every_state_of_a_run_has_an_old_word() {
        for state in RunState::all() {
            assert!(RunWord::of_state(&state.to_string()).is_some(), "{state}");
        }
    }

    #[rstest]
    #[case("new", "prep_done", "prepared")]
    #[case("new", "prep_fail", "prep_failed")]
    #[case("new", "fail", "prep_failed")]
    #[case("prepared", "pass", "passed")]
    #[case("prepared", "fail", "failed")]
    #[case("partial", "retry", "retry")]
    #[case("prep_failed", "retry", "retry")]
    fn a_component_goes_where_the_word_says(
        #[case] from: &str,
        #[case] word: &str,
        #[case] to: &str,
    ) {
        let state: ComponentState = from.parse().unwrap();
        let event = component_event(state, word.parse().unwrap(), Jobs::default());
        assert_eq!(state.after(event.unwrap().unwrap()).unwrap().word(), to);
    }

    #[rstest]
    #[case("new", "pass")]
    #[case("new", "retry")]
    #[case("prepared", "new")]
    #[case("prepared", "retry")]
    #[case("passed", "fail")]
    #[case("passed", "retry")]
    #[case("retry", "new")]
    fn a_component_does_not_go_where_its_table_has_no_way(#[case] from: &str, #[case] word: &str) {
        let way = component_event(
            from.parse().unwrap(),
            word.parse().unwrap(),
            Jobs::default(),
        );
        assert!(way.is_err());
    }

    #[test]
    fn a_component_passes_only_with_all_its_jobs() {
        let pass = |passed| {
            let jobs = Jobs { written: 2, passed };
            component_event(ComponentState::Prepared, ComponentWord::Pass, jobs)
        };
        assert!(pass(1).is_err());
        assert!(pass(2).is_ok());
    }
}
