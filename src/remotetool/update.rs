//! `-updaterun`, `-updatepoll` and `-updatecomponent`: that nothing changed is only a notice.

use std::collections::BTreeMap;

use super::{
    answer::{Answer, Failure},
    exit::Exit,
    list::{component_states, component_word, run_word},
    moves::{Jobs, component_event, run_events},
    request::{ComponentChange, JobId, RunChange},
    words::{ComponentWord, RunWord},
};
use crate::{
    batch,
    remote::{RemoteError, Workplace, is_label},
    state::{
        StateError,
        component::{Component, ComponentState},
        edit::{ComponentEdit, RunEdit},
        event::Act,
        job::JobState,
        listing::ComponentFilter,
        run::{Run, RunEvent, RunState},
    },
};

/// Who acts, in the event log.
pub(super) const ACTOR: &str = "remotetool";

/// Sets columns of a run. A state is reached through the transition function or not at all; then
/// nothing else is set either.
pub(super) fn run(
    workplace: &mut Workplace,
    remote_id: i64,
    change: &RunChange,
) -> Result<Answer, Failure> {
    let run = match workplace.store.run(remote_id) {
        Ok(run) => run,
        Err(StateError::NoRow { .. }) => return Ok(Answer::changed(false, Vec::new())),
        Err(error) => return Err(error.into()),
    };
    if let Some(label) = change.label.as_ref().filter(|label| !is_label(label)) {
        return Err(RemoteError::Label(label.clone()).into());
    }
    let job_id = match &change.job_id {
        Some(JobId::Job(id)) => Some(valid(id)?),
        Some(JobId::Unsubmitted) | None => None,
    };
    let events = match change.state {
        Some(word) => way(workplace, &run, word, job_id.is_some())?,
        None => Vec::new(),
    };
    let forgets = change.job_id == Some(JobId::Unsubmitted) && run.job_id.is_some();
    if forgets && !events.contains(&RunEvent::Revert) {
        return Err(Failure::new(format!(
            "run {remote_id} was submitted as {}: that cannot be taken back, only cancelled: \
             `outrigger remote cancel {remote_id}`",
            JobId::from(run.job_id.clone())
        )));
    }
    let mut notes = Vec::new();
    for event in &events {
        let now = workplace.clock.now();
        let act = Act::new(now, ACTOR, "-updaterun");
        match (event, &job_id) {
            (RunEvent::Revert, _) => {
                let end = workplace.revert_run(remote_id)?;
                if end == RunState::Cancelled {
                    notes.push(format!(
                        "run {remote_id} is cancelled: all its components had failed, and are \
                         free to be bundled again"
                    ));
                }
            },
            (RunEvent::Submitted, Some(job_id)) => {
                workplace.store.submitted(remote_id, job_id, act)?;
            },
            (event, _) => {
                workplace.store.advance(remote_id, *event, act)?;
            },
        }
    }
    let submitted = events.contains(&RunEvent::Submitted);
    let edit = RunEdit {
        label: change.label.clone(),
        fault: change.fault.map(i64::from),
        job_id: job_id.filter(|_| !submitted),
    };
    let act = Act::new(workplace.clock.now(), ACTOR, "-updaterun");
    let edited = workplace.store.edit_run(remote_id, &edit, act)?;
    Ok(Answer::changed(edited || !events.is_empty(), notes))
}

/// The events that take a run to an old word.
fn way(
    workplace: &Workplace,
    run: &Run,
    word: RunWord,
    has_job: bool,
) -> Result<Vec<RunEvent>, Failure> {
    let refuse = |why: &str| {
        let id = run.run_id;
        let from = run_word(run.state).map_or(String::new(), |word| word.to_string());
        Failure::new(format!("run {id} cannot go from {from} to {word}: {why}"))
    };
    let events = run_events(run.state, word, has_job).map_err(refuse)?;
    if events.contains(&RunEvent::Prepared) {
        let open = workplace.store.list_components(&ComponentFilter {
            run_id: Some(run.run_id),
            states: vec![ComponentState::New],
            ..ComponentFilter::default()
        })?;
        if !open.is_empty() {
            return Err(refuse(&format!(
                "{} of its components are neither prepared nor have failed",
                open.len()
            )));
        }
    }
    Ok(events)
}

fn valid(id: &str) -> Result<String, Failure> {
    match id.parse::<batch::JobId>() {
        Ok(id) => Ok(id.to_string()),
        Err(error) => Err(Failure {
            text: format!("-job_id {id}: {error}"),
            exit: Exit::Config,
        }),
    }
}

/// Notes that a run was polled now.
pub(super) fn poll(workplace: &mut Workplace, remote_id: i64) -> Result<Answer, Failure> {
    let now = workplace.clock.now();
    let changed = workplace.store.note_poll(remote_id, now)?;
    Ok(Answer::changed(changed, Vec::new()))
}

/// Sets columns of components. If one of them cannot reach the state, none is changed.
pub(super) fn components(
    workplace: &mut Workplace,
    remote_id: i64,
    stage_id: Option<i64>,
    state: Option<ComponentWord>,
    change: &ComponentChange,
) -> Result<Answer, Failure> {
    let jobs = change
        .jobs
        .map(u64::try_from)
        .transpose()
        .map_err(|_| Failure {
            text: "-set_jobs cannot be below 0".to_owned(),
            exit: Exit::Config,
        })?;
    let found = workplace.store.list_components(&ComponentFilter {
        run_id: Some(remote_id),
        stage_id,
        states: component_states(state)?,
        ..ComponentFilter::default()
    })?;
    let mut moves = Vec::new();
    let mut notes = Vec::new();
    if let Some(word) = change.state {
        let jobs = jobs_of(workplace, remote_id)?;
        for component in &found {
            let id = component.component_id;
            let jobs = jobs.get(&id).copied().unwrap_or_default();
            let event = component_event(component.state, word, jobs)
                .map_err(|why| refuse(component, word, why))?;
            let Some(event) = event else { continue };
            let end = component_word(component.state.after(event)?)?;
            if end != word {
                notes.push(format!(
                    "component {} is {end}: it failed before it had jobs",
                    component.stage_id
                ));
            }
            moves.push((id, event, "-updatecomponent".to_owned()));
        }
    }
    let edit = ComponentEdit {
        path_base: change.path_base.clone(),
        jobs,
    };
    let ids: Vec<i64> = found
        .iter()
        .map(|component| component.component_id)
        .collect();
    let edited = workplace.store.edit_components(&ids, &edit)?;
    let act = Act::new(workplace.clock.now(), ACTOR, "-updatecomponent");
    workplace.store.advance_components(&moves, act)?;
    Ok(Answer::changed(edited > 0 || !moves.is_empty(), notes))
}

fn refuse(component: &Component, word: ComponentWord, why: &str) -> Failure {
    let id = component.stage_id;
    let from = component_word(component.state).map_or(String::new(), |word| word.to_string());
    Failure::new(format!(
        "component {id} cannot go from {from} to {word}: {why}"
    ))
}

/// What is known of the jobs of each component of a run.
fn jobs_of(workplace: &Workplace, run_id: i64) -> Result<BTreeMap<i64, Jobs>, StateError> {
    let mut found: BTreeMap<i64, Jobs> = BTreeMap::new();
    for job in workplace.store.jobs(run_id)? {
        let jobs = found.entry(job.component_id).or_default();
        jobs.written += 1;
        jobs.passed += u64::from(job.state == JobState::Passed);
    }
    Ok(found)
}
