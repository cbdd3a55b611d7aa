//! `-definebyquery`.

use std::num::NonZeroU32;

use indexmap::IndexSet;

use super::{
    answer::{Answer, Failure},
    output::{DefinedRow, Format, render_defined, render_pretended},
    request::Define,
};
use crate::remote::{DefineRequest, Workplace};

/// Bundles what waits under each label into runs of its own; the limit holds for all labels
/// together. The original took the last label only.
pub(super) fn run(workplace: &mut Workplace, define: &Define) -> Result<Answer, Failure> {
    if workplace.loaded.recipe(&define.stage).is_err() {
        let known: Vec<&str> = workplace
            .loaded
            .recipes
            .keys()
            .map(String::as_str)
            .collect();
        return Err(Failure::new(format!(
            "unknown value for stage: {} (there are recipes for {})",
            define.stage,
            known.join(", ")
        )));
    }
    let mut answer = Answer::default();
    let mut rows = Vec::new();
    let mut stage_ids: IndexSet<i64> = IndexSet::new();
    let mut left = define.limit.map(NonZeroU32::get);
    for label in &define.labels {
        if left == Some(0) {
            break;
        }
        let request = DefineRequest {
            stage: define.stage.clone(),
            label: label.clone(),
            set_label: define.set_label.clone(),
            limit: left.map_or(0, |left| usize::try_from(left).unwrap_or(usize::MAX)),
            pretend: define.pretend,
            path_base: Some(define.path_base.clone()),
            ..DefineRequest::default()
        };
        let defined = workplace.define(&request)?;
        answer.notes.extend(defined.notes);
        let mut taken = 0_u32;
        for stage_id in defined.stage_ids {
            taken = taken.saturating_add(stage_ids.insert(stage_id).into());
        }
        left = left.map(|left| left.saturating_sub(taken));
        for run in defined.runs {
            let components = workplace.store.components(run)?;
            rows.extend(components.iter().map(|component| DefinedRow {
                remote_id: run,
                stage_id: component.stage_id,
            }));
        }
    }
    let format = Format::simple(define.simple);
    answer.out = if define.pretend {
        let stage_ids: Vec<i64> = stage_ids.into_iter().collect();
        render_pretended(&stage_ids, format)
    } else {
        render_defined(&rows, format)
    };
    Ok(answer)
}
