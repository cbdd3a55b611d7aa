//! What prepare would write, with nothing left behind.

use std::{fs, path::Path};

use super::{
    PrepareError, Rendered, Renderer,
    launch::{self, Launch},
};
use crate::state::{
    Store,
    run_dir::{self, decision::Decision},
};

/// What prepare would write.
#[derive(Debug, Clone, PartialEq)]
pub struct DryRun {
    /// What was rendered: counts of components, jobs, files and bytes. Its files are gone.
    pub rendered: Rendered,
    /// What was decided: the allocation, the number of configs.
    pub decision: Decision,
    /// Component and reason of each that cannot be prepared; the first hundred.
    pub failures: Vec<(i64, String)>,
    /// Text of the batch script.
    pub job_script: String,
    /// Text of the first config; empty if there are no jobs.
    pub first_chunk: String,
}

/// Does `work` into a directory that is removed again. `launch` gets what was rendered and
/// hands the launch that it decides on to its second argument.
///
/// # Errors
/// As [`Renderer::render`] and [`launch::write`].
pub fn dry_run<E: From<PrepareError>>(
    work: &Renderer<'_>,
    store: &Store,
    progress: &dyn Fn(u64),
    decide: impl FnOnce(
        &Rendered,
        &dyn Fn(&Launch<'_>) -> Result<DryRun, PrepareError>,
    ) -> Result<DryRun, E>,
) -> Result<DryRun, E> {
    let temporary = tempfile::Builder::new()
        .prefix("outrigger-dry-run")
        .tempdir()
        .map_err(PrepareError::io(&std::env::temp_dir()))?;
    let dir = temporary.path().join("run");
    let rendered = work.render_into(&dir, store, progress)?;
    decide(&rendered, &|launch| {
        let decision = launch::write(&rendered, work.request(), launch)?;
        let failures = rendered
            .components()?
            .filter_map(|c| Some((c.component_id, c.outcome.err()?)))
            .take(100)
            .collect();
        Ok(DryRun {
            failures,
            job_script: text(&dir.join(run_dir::BATCH_SCRIPT))?,
            first_chunk: if decision.chunks > 0 {
                text(&dir.join(run_dir::chunk_name(0)))?
            } else {
                String::new()
            },
            decision,
            rendered: rendered.clone(),
        })
    })
}

fn text(path: &Path) -> Result<String, PrepareError> {
    fs::read_to_string(path).map_err(PrepareError::io(path))
}
