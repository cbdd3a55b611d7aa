//! Inputs that batch jobs are still to make. Where a site says `chain`, a run that reads what a run
//! under way will write is submitted to begin after that one's batch job has ended well; what is
//! there already from an earlier run is then not believed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{Exec, Stop};
use crate::{
    batch::{AskError, JobId, JobStatus},
    state::{
        StateError, Store,
        awaited::Awaited,
        run::{Run, RunFilter, RunState, Stage},
        run_dir::{
            self, files,
            manifest::{FileKind, ManifestLine},
        },
    },
};

/// What runs under way will write of what another run reads.
#[derive(Debug, Default)]
pub(super) struct Promises(BTreeMap<PathBuf, Maker>);

/// A run that will write a file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Maker {
    /// Its batch job is queued or running.
    Submitted(Awaited),
    /// It has no batch job yet.
    Coming(i64),
}

impl Promises {
    /// The batch job that is to make the file at `path`, if one is.
    ///
    /// # Errors
    /// The run has to wait where the file is not there, and that of another is not submitted yet.
    pub(super) fn job(&self, path: &Path, is_there: bool) -> Result<Option<Awaited>, Stop> {
        match self.0.get(path) {
            Some(Maker::Submitted(job)) => Ok(Some(job.clone())),
            Some(Maker::Coming(run)) if !is_there => Err(Stop::Wait(format!(
                "run {run}, which is to make {}, to be submitted",
                path.display()
            ))),
            Some(Maker::Coming(_)) | None => Ok(None),
        }
    }
}

impl Maker {
    /// What `run` is to a file that it writes; nothing if its jobs have run, or never will.
    fn of(run: &Run) -> Option<Self> {
        let (RunState::Active(stage) | RunState::Auth(stage) | RunState::Hold(stage)) = run.state
        else {
            return None;
        };
        match (stage, &run.job_id) {
            (Stage::Run, Some(job_id)) => Some(Self::Submitted(Awaited {
                by_run: run.run_id,
                job_id: job_id.clone(),
            })),
            (Stage::Pending | Stage::Staging | Stage::Submitting, _) => {
                Some(Self::Coming(run.run_id))
            },
            _ => None,
        }
    }
}

impl Exec<'_> {
    /// What other runs at the site will write of the `files` that `run` reads there.
    pub(super) fn promises(
        &self,
        store: &Store,
        run: &Run,
        files: &[ManifestLine],
    ) -> Result<Promises, Stop> {
        let there = files.iter().filter(|file| file.kind == FileKind::There);
        let wanted: BTreeSet<&Path> = there.map(|file| file.remote.as_path()).collect();
        if !self.site.chain || wanted.is_empty() {
            return Ok(Promises::default());
        }
        let runs = store.runs(&RunFilter {
            site: Some(run.site.clone()),
            ..RunFilter::default()
        })?;
        let mut promises = Promises::default();
        for other in runs.iter().filter(|other| other.run_id != run.run_id) {
            let Some(maker) = Maker::of(other) else {
                continue;
            };
            let directory = run_dir::place(self.root, self.runs, &other.path_base);
            // What has come home already is there, though other jobs of that run still go on.
            let made = store.imported_jobs(other.run_id)?;
            let written = files::manifest(&directory)?;
            let written = written.into_iter().filter(|file| {
                let is_wanted = file.kind.is_output() && wanted.contains(file.remote.as_path());
                is_wanted && !made.contains(&file.job)
            });
            for file in written {
                promises.0.insert(file.remote, maker.clone());
            }
        }
        Ok(promises)
    }

    /// Remembers what `run` begins after, once the scheduler says that it can: a job that is over
    /// may be forgotten, and what it made is looked for when its run has come home.
    pub(super) async fn expect_promised(
        &self,
        store: &mut Store,
        run: &Run,
        awaited: &BTreeSet<Awaited>,
    ) -> Result<(), Stop> {
        let awaited: Vec<Awaited> = awaited.iter().cloned().collect();
        let ids: Vec<JobId> = awaited.iter().filter_map(job_id).collect();
        if !ids.is_empty() {
            let states = match self.scheduler.status(&ids).await {
                Ok(states) => states,
                Err(AskError::Link(error)) => return Err(error.into()),
                Err(AskError::Query(error)) => return Err(Stop::Wait(error.to_string())),
            };
            let lives = |job: &&Awaited| {
                let state = job_id(job).and_then(|id| states.get(&id));
                !matches!(state, None | Some(JobStatus::Unknown | JobStatus::Ended(_)))
            };
            if let Some(over) = awaited.iter().find(|job| !lives(job)) {
                let run = over.by_run;
                return Err(Stop::Wait(format!(
                    "run {run}, whose batch job is over, to be brought home"
                )));
            }
        }
        Ok(store.await_jobs(run.run_id, &awaited)?)
    }
}

/// The batch jobs after which that of a run begins, as far as their runs still wait for their end.
pub(super) fn awaited(store: &Store, run_id: i64) -> Result<Vec<JobId>, StateError> {
    let mut ids = Vec::new();
    for job in store.awaited(run_id)? {
        let maker = store.run(job.by_run)?;
        if Maker::of(&maker) == Some(Maker::Submitted(job.clone())) {
            ids.extend(job_id(&job));
        }
    }
    Ok(ids)
}

fn job_id(job: &Awaited) -> Option<JobId> {
    job.job_id.parse().ok()
}
