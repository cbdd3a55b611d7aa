//! Jobs on other hosts that outlive the scheduler.

use serde::{Deserialize, Serialize};

use crate::{
    opihi::Fault,
    pantasks::{
        job::{JobId, Launch},
        scheduler::Scheduler,
        task::Host,
    },
    state::script::{Saved, SavedJob, SavedPlace},
};

/// What is kept of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::pantasks) struct Kept {
    /// What it runs.
    pub(in crate::pantasks) launch: Launch,
    /// The macro that follows it, if it has no task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::pantasks) exit: Option<String>,
}

/// A job of an earlier scheduler, until the scheduler runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pantasks) struct Restored {
    pub(in crate::pantasks) id: JobId,
    pub(in crate::pantasks) kept: Kept,
    /// Where it was given to.
    pub(in crate::pantasks) place: Option<SavedPlace>,
}

/// The jobs that are kept, and the attempts that they were given to a host for.
pub(super) fn attempts(scheduler: &Scheduler) -> impl Iterator<Item = (u64, Option<u64>)> {
    let run = |id: JobId| {
        let job = scheduler.cluster.job(id.0);
        job.and_then(|job| job.place.as_ref())
            .map(|place| place.run)
    };
    let jobs = scheduler.jobs.iter();
    let jobs = jobs.filter(|job| job.launch.host != Host::Local);
    let restored = scheduler.restored.iter().map(|job| {
        let run = job.place.as_ref().map(|place| place.run);
        (job.id.0, run)
    });
    jobs.map(move |job| (job.id.0, run(job.id))).chain(restored)
}

/// What is kept of one of them.
pub(super) fn saved(scheduler: &Scheduler, id: u64) -> Option<SavedJob> {
    let job = scheduler.jobs.get(JobId(id))?;
    let place = scheduler.cluster.job(id).and_then(|job| job.place.as_ref());
    let kept = Kept {
        launch: job.launch.clone(),
        exit: scheduler.own_exits.get(&job.id).cloned(),
    };
    Some(SavedJob {
        job: id,
        launch: serde_json::to_string(&kept).ok()?,
        place: place.map(|place| SavedPlace {
            host: place.host.clone(),
            run: place.run,
            kept: place.kept,
        }),
    })
}

/// Takes the place of the scheduler that has kept these jobs: its agents will be known.
pub(super) fn restore(scheduler: &mut Scheduler, saved: &Saved) -> Result<Vec<Restored>, Fault> {
    if let Some(identity) = &saved.identity {
        let now = scheduler.instant();
        if !scheduler.cluster.set_identity(identity.clone(), now) {
            return Err(Fault::message(
                "persist has to be on before the controller has jobs on its hosts",
            ));
        }
    }
    let mut restored = Vec::new();
    for job in &saved.jobs {
        let kept = serde_json::from_str(&job.launch);
        let kept = kept.map_err(|error| {
            Fault::message(format!(
                "persist: job {} cannot be understood: {error}",
                job.job
            ))
        })?;
        if scheduler.jobs.get(JobId(job.job)).is_some() {
            return Err(Fault::message(
                "persist has to be on before there are jobs: numbers would be used twice",
            ));
        }
        scheduler.jobs.reserve(JobId(job.job));
        restored.push(Restored {
            id: JobId(job.job),
            kept,
            place: job.place.clone(),
        });
    }
    Ok(restored)
}
