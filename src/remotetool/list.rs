//! `-listrun`, `-listcomponent` and `-doneprep`.

use std::{collections::BTreeMap, num::NonZeroU32};

use super::{
    answer::{Answer, Failure},
    output::{
        ComponentRow, DonePrepRow, Format, RunRow, render_components, render_done_prep, render_runs,
    },
    request::{ComponentFilter, DonePrepFilter, JobId, Listing, RunFilter},
    words::{ComponentWord, RunWord},
};
use crate::{
    remote::Workplace,
    state::{
        StateError,
        component::ComponentState,
        listing,
        run::{self, Run},
    },
};

pub(super) fn runs(
    workplace: &Workplace,
    filter: &RunFilter,
    listing: Listing,
) -> Result<Answer, Failure> {
    let found = matching(
        workplace,
        filter.remote_id,
        filter.stage.as_deref(),
        &filter.labels,
        filter.state,
        filter.job_id.as_ref(),
    )?;
    let rows = found
        .iter()
        .filter(|run| {
            let changed = last_poll(run);
            filter.poll_begin.is_none_or(|begin| changed >= begin)
                && filter.poll_end.is_none_or(|end| changed <= end)
                && filter
                    .fault
                    .is_none_or(|fault| run.fault == i64::from(fault))
        })
        .take(limit(listing))
        .map(run_row)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Answer::of(render_runs(
        &rows,
        Format::simple(listing.simple),
    )))
}

pub(super) fn components(
    workplace: &Workplace,
    filter: &ComponentFilter,
    listing: Listing,
) -> Result<Answer, Failure> {
    let found = workplace.store.list_components(&listing::ComponentFilter {
        run_id: filter.remote_id,
        stage_id: filter.stage_id,
        jobs: filter.jobs.map(i64::from),
        states: component_states(filter.state)?,
        labels: filter.labels.clone(),
        limit: listing.limit.map_or(0, NonZeroU32::get),
    })?;
    let mut runs: BTreeMap<i64, Run> = BTreeMap::new();
    let mut rows = Vec::new();
    for component in found {
        let id = component.run_id;
        let run = match runs.entry(id) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => new.insert(workplace.store.run(id)?),
        };
        rows.push(ComponentRow {
            remote_id: id,
            stage_id: component.stage_id,
            jobs: i32::try_from(component.jobs).unwrap_or(i32::MAX),
            state: component_word(component.state)?,
            path_base: Some(component.path_base).filter(|path| !path.is_empty()),
            stage: component.stage,
            run_path_base: given_base(run).to_owned(),
        });
    }
    Ok(Answer::of(render_components(
        &rows,
        Format::simple(listing.simple),
    )))
}

pub(super) fn done_prep(
    workplace: &Workplace,
    filter: &DonePrepFilter,
    listing: Listing,
) -> Result<Answer, Failure> {
    let found = matching(
        workplace,
        filter.remote_id,
        filter.stage.as_deref(),
        &filter.labels,
        filter.state,
        filter.job_id.as_ref(),
    )?;
    let mut rows = Vec::new();
    for run in found {
        let counts = workplace.store.settled(run.run_id)?;
        if counts.settled == counts.components && rows.len() < limit(listing) {
            rows.push(DonePrepRow {
                remote_id: run.run_id,
                path_base: given_base(&run).to_owned(),
                stage: run.stage,
                done: counts.settled.cast_signed(),
                components: counts.components.cast_signed(),
            });
        }
    }
    Ok(Answer::of(render_done_prep(
        &rows,
        Format::simple(listing.simple),
    )))
}

/// The runs that match the filters that listings share.
fn matching(
    workplace: &Workplace,
    remote_id: Option<i64>,
    stage: Option<&str>,
    labels: &[String],
    state: Option<RunWord>,
    job_id: Option<&JobId>,
) -> Result<Vec<Run>, Failure> {
    // A stage without a recipe may still have runs.
    let stage = stage.map(|name| match workplace.loaded.recipe(name) {
        Ok(recipe) => recipe.recipe.stage.clone(),
        Err(_) => name.to_owned(),
    });
    let filter = run::RunFilter {
        run_ids: remote_id.into_iter().collect(),
        states: run_states(state)?,
        stage,
        labels: labels.to_vec(),
        ..run::RunFilter::default()
    };
    let mut runs = workplace.store.runs(&filter)?;
    runs.retain(|run| job_id.is_none_or(|job_id| JobId::from(run.job_id.clone()) == *job_id));
    Ok(runs)
}

fn limit(listing: Listing) -> usize {
    listing.limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit.get()).unwrap_or(usize::MAX)
    })
}

fn run_states(word: Option<RunWord>) -> Result<Vec<run::RunState>, StateError> {
    let states = word.map_or(&[][..], RunWord::states);
    states.iter().map(|state| state.parse()).collect()
}

pub(super) fn component_states(
    word: Option<ComponentWord>,
) -> Result<Vec<ComponentState>, StateError> {
    let states = word.map_or(&[][..], ComponentWord::states);
    states.iter().map(|state| state.parse()).collect()
}

/// The old word of a run's state.
pub(super) fn run_word(state: run::RunState) -> Result<RunWord, StateError> {
    let state = state.to_string();
    RunWord::of_state(&state).ok_or_else(|| StateError::Corrupt(format!("run state `{state}`")))
}

/// The old word of a component's state.
pub(super) fn component_word(state: ComponentState) -> Result<ComponentWord, StateError> {
    let state = state.word();
    ComponentWord::of_state(state)
        .ok_or_else(|| StateError::Corrupt(format!("component state `{state}`")))
}

fn run_row(run: &Run) -> Result<RunRow, StateError> {
    Ok(RunRow {
        remote_id: run.run_id,
        state: run_word(run.state)?,
        stage: run.stage.clone(),
        label: run.label.clone(),
        path_base: given_base(run).to_owned(),
        job_id: run.job_id.clone().into(),
        last_poll: last_poll(run),
        fault: i16::try_from(run.fault).unwrap_or(i16::MAX),
    })
}

/// When the row last changed, which the original's `last_poll` means (spec/remote.md §1).
fn last_poll(run: &Run) -> jiff::Timestamp {
    run.polled_at
        .map_or(run.changed_at, |polled| polled.max(run.changed_at))
}

/// The root that a run was defined with: scripts add `/remote_<stage>.<remote_id>` themselves
/// (spec/remote.md §0).
fn given_base(run: &Run) -> &str {
    let own = format!("/remote_{}.{}", run.stage, run.run_id);
    run.path_base.strip_suffix(&own).unwrap_or(&run.path_base)
}
