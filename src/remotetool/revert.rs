//! `-revertrun`, `-revertauth` and `-revertcomponent`: nothing to revert is an error.

use super::{
    answer::{Answer, Failure},
    list::component_states,
    update::ACTOR,
    words::ComponentWord,
};
use crate::{
    remote::Workplace,
    state::{
        component::{ComponentEvent, ComponentState},
        edit::RunEdit,
        event::Act,
        listing::ComponentFilter,
        run::{Run, RunFilter, RunState},
    },
};

/// Clears the fault of runs; their states stay.
pub(super) fn runs(
    workplace: &mut Workplace,
    remote_id: Option<i64>,
    labels: &[String],
    fault: Option<i16>,
) -> Result<Answer, Failure> {
    let mut rows = 0;
    let edit = RunEdit {
        fault: Some(0),
        ..RunEdit::default()
    };
    for run in matching(workplace, remote_id, labels)? {
        if fault.is_none_or(|fault| run.fault == i64::from(fault)) {
            let act = Act::new(workplace.clock.now(), ACTOR, "reverted");
            rows += usize::from(workplace.store.edit_run(run.run_id, &edit, act)?);
        }
    }
    Answer::reverted(rows, Vec::new())
}

/// Lets runs in auth go on from the state that each remembers; one that was caught before its
/// submission is `pending` again, never `run` without a batch job.
pub(super) fn auth(
    workplace: &mut Workplace,
    remote_id: Option<i64>,
    labels: &[String],
) -> Result<Answer, Failure> {
    let mut rows = 0;
    for run in matching(workplace, remote_id, labels)? {
        if let RunState::Auth(_) = run.state {
            workplace.revert_auth(run.run_id)?;
            rows += 1;
        }
    }
    Answer::reverted(rows, Vec::new())
}

/// Frees failed components to be bundled again; those that are free already wait no longer.
pub(super) fn components(
    workplace: &mut Workplace,
    remote_id: Option<i64>,
    stage_id: Option<i64>,
) -> Result<Answer, Failure> {
    let mut states = component_states(Some(ComponentWord::PrepFail))?;
    states.extend(component_states(Some(ComponentWord::Fail))?);
    let mut filter = ComponentFilter {
        run_id: remote_id,
        stage_id,
        states,
        ..ComponentFilter::default()
    };
    let found = workplace.store.list_components(&filter)?;
    filter.states = vec![ComponentState::Retry];
    let free = workplace.store.list_components(&filter)?;
    let hastened = workplace.hasten(free)?;
    let moves: Vec<_> = found
        .into_iter()
        .map(|component| {
            (
                component.component_id,
                ComponentEvent::Revert,
                component.reason,
            )
        })
        .collect();
    let act = Act::new(workplace.clock.now(), ACTOR, "reverted");
    workplace.store.advance_components(&moves, act)?;
    Answer::reverted(moves.len() + hastened, Vec::new())
}

fn matching(
    workplace: &Workplace,
    remote_id: Option<i64>,
    labels: &[String],
) -> Result<Vec<Run>, Failure> {
    Ok(workplace.store.runs(&RunFilter {
        run_ids: remote_id.into_iter().collect(),
        labels: labels.to_vec(),
        ..RunFilter::default()
    })?)
}
