//! What the jobs of a run left, and what of it is home.

use std::path::Path;

use super::{Brought, outcome};
use crate::state::{
    import::JobOutcome,
    run_dir::{
        decision::Decision,
        files::{self, RunDirError},
        jobs::JobLine,
        journal::Journal,
        manifest::ManifestLine,
    },
};

/// What is known of jobs of a run when they are imported.
pub(super) struct Haul {
    /// What was decided of the run.
    pub(super) decision: Decision,
    /// The jobs.
    pub(super) jobs: Vec<JobLine>,
    /// Their files.
    pub(super) files: Vec<ManifestLine>,
    /// What they left.
    pub(super) journal: Journal,
    /// Which products came home.
    pub(super) brought: Brought,
}

impl Haul {
    /// All jobs of the run whose directory here is `run_dir`; no product is home yet.
    pub(super) fn new(
        run_dir: &Path,
        decision: Decision,
        journal: Journal,
    ) -> Result<Self, RunDirError> {
        Ok(Self {
            decision,
            jobs: files::jobs(run_dir)?,
            files: files::manifest(run_dir)?,
            journal,
            brought: Brought::new(),
        })
    }

    /// How each job ended.
    pub(super) fn judge(&self) -> Vec<JobOutcome> {
        outcome::judge(
            &self.jobs,
            &self.files,
            &self.journal,
            &self.brought,
            self.decision.report,
        )
    }

    /// Leaves out all but the jobs, by number, that `which` takes.
    pub(super) fn keep(&mut self, which: impl Fn(u64) -> bool) {
        self.jobs.retain(|job| which(job.seq));
        self.files.retain(|file| which(file.job));
        self.journal.jobs.retain(|job, _| which(*job));
    }
}
