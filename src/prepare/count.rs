//! How many jobs components have, before anything is rendered.

use std::path::Path;

use serde_json::Value;

use super::{PrepareError, Row, source::JobRowsPlan};
use crate::{
    config::recipe::Recipe,
    state::{Store, component::Candidate},
};

/// The number of jobs of each candidate. One whose rows cannot be read counts as one job: prepare
/// will say what is wrong with it.
///
/// # Errors
/// When the jobs' query is wrong, or their file or command cannot be read.
pub fn job_counts(
    recipe: &Recipe,
    recipe_dir: &Path,
    store: &Store,
    label: &str,
    candidates: &[Candidate],
) -> Result<Vec<u32>, PrepareError> {
    let plan = JobRowsPlan::new(recipe, recipe_dir, label, &store.reader()?)?;
    let rows = plan.open(store, label)?;
    let count = |candidate: &Candidate| -> u32 {
        let Ok(Value::Object(row)) = serde_json::from_str(&candidate.row) else {
            return 1;
        };
        let row: Row = row;
        match rows.of(&row) {
            Ok(Some(jobs)) => u32::try_from(jobs.len()).unwrap_or(u32::MAX),
            Ok(None) | Err(_) => 1,
        }
    };
    Ok(candidates.iter().map(count).collect())
}
