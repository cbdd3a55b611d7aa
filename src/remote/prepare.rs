//! Prepare: a new run becomes a run directory.

use super::{
    drive::Observer,
    workplace::{RemoteError, Workplace},
};

/// What was prepared.
#[derive(Debug, Clone)]
pub struct Prepared;
impl std::fmt::Display for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("prepared")
    }
}
impl Workplace {
    /// Prepares.
    pub fn prepare(
        &mut self,
        _run_id: i64,
        _observer: &dyn Observer,
    ) -> Result<Prepared, RemoteError> {
        Ok(Prepared)
    }
}
/// stub
#[derive(Debug, Clone, serde::Serialize)]
pub struct Rehearsal;
impl std::fmt::Display for Rehearsal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("x")
    }
}
impl Workplace {
    /// stub
    pub fn rehearse(
        &mut self,
        _run_id: i64,
        _observer: &dyn Observer,
    ) -> Result<Rehearsal, RemoteError> {
        Ok(Rehearsal)
    }
}
