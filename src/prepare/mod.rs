//! From stage recipes to a run directory: jobs, manifest, multi-prog chunks, batch script.
use crate::{
    config::recipe::Recipe,
    state::{StateError, component::Candidate},
};
use std::path::Path;
/// stub
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// stub
    #[error(transparent)]
    State(#[from] StateError),
}
/// stub
pub fn candidates(
    _: &Recipe,
    _: &Path,
    _: &rusqlite::Connection,
    _: &str,
    _: &mut dyn FnMut(Candidate) -> Result<bool, PrepareError>,
) -> Result<(), PrepareError> {
    Ok(())
}
/// stub
pub fn job_counts(
    _: &Recipe,
    _: &Path,
    _: &rusqlite::Connection,
    _: &str,
    _: &[Candidate],
) -> Result<Vec<u32>, PrepareError> {
    Ok(vec![])
}
