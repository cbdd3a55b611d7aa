//! Jobs on other hosts that outlive the scheduler.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::{
    opihi::Fault,
    pantasks::{
        job::{JobId, Launch},
        scheduler::{Scheduler, request},
        task::Host,
    },
    pcontrol::{Place, Resumed},
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

/// A job of an earlier scheduler, until its task is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pantasks) struct Restored {
    pub(in crate::pantasks) id: JobId,
    pub(in crate::pantasks) kept: Kept,
}

/// Where a job stands, as far as two saves have to be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// It waits for a host.
    Waits,
    /// It was given to one.
    Given { run: u64, killed: bool },
}

/// The jobs that are kept, and where they stand. Nothing is said of a job that is over for the
/// controller and whose end no macro has seen: what was saved stays.
pub(super) fn stands(scheduler: &Scheduler) -> impl Iterator<Item = (u64, Option<Stand>)> {
    let jobs = scheduler.jobs.iter();
    let jobs = jobs.filter(|job| job.launch.host != Host::Local);
    let restored = scheduler.restored.iter().map(|job| job.id);
    let all = jobs.map(|job| job.id).chain(restored);
    all.map(|JobId(id)| {
        let job = scheduler.cluster.job(id);
        (id, job.map(|job| Stand::of(job.place.as_ref())))
    })
}

/// What is kept of one of them.
pub(super) fn saved(scheduler: &Scheduler, id: u64) -> Option<SavedJob> {
    let kept = match scheduler.jobs.get(JobId(id)) {
        Some(job) => Kept {
            launch: job.launch.clone(),
            exit: scheduler.own_exits.get(&job.id).cloned(),
        },
        None => {
            let restored = scheduler.restored.iter();
            restored.clone().find(|job| job.id.0 == id)?.kept.clone()
        },
    };
    let cluster = &scheduler.cluster;
    let place = cluster.job(id).and_then(|job| job.place.as_ref());
    Some(SavedJob {
        job: id,
        launch: serde_json::to_string(&kept).ok()?,
        place: place.map(|place| SavedPlace {
            host: place.host.clone(),
            run: place.run,
            fence: place.fence.map(|fence| fence.as_secs_f64()),
            killed: place.killed,
            account: cluster.account(&place.host).map(str::to_owned),
        }),
    })
}

/// Takes the place of the scheduler that has kept these jobs. Its agents are asked for them at
/// once, whenever their tasks will be there.
pub(super) fn restore(scheduler: &mut Scheduler, saved: &Saved) -> Result<Vec<Restored>, Fault> {
    let mut jobs = Vec::new();
    for job in &saved.jobs {
        let kept: Kept = serde_json::from_str(&job.launch).map_err(|error| {
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
        jobs.push((job, kept));
    }
    let now = scheduler.instant();
    if let Some(identity) = &saved.identity
        && !scheduler.cluster.set_identity(identity.clone(), now)
    {
        return Err(Fault::message(
            "persist has to be on before the controller has jobs on its hosts",
        ));
    }
    let mut restored = Vec::new();
    for (job, kept) in jobs {
        let id = JobId(job.job);
        scheduler.jobs.reserve(id);
        if let Some(request) = request(&kept.launch) {
            match &job.place {
                Some(place) => {
                    let resumed = resumed(place, now);
                    scheduler.cluster.resume(id.0, request, resumed, now);
                },
                None => scheduler.cluster.submit(id.0, request, now),
            }
        }
        restored.push(Restored { id, kept });
    }
    Ok(restored)
}

fn resumed(saved: &SavedPlace, now: Instant) -> Resumed {
    // What is no time proves nothing: it counts as one that never comes.
    let fence = saved.fence.map(Duration::try_from_secs_f64);
    Resumed {
        place: Place {
            host: saved.host.clone(),
            run: saved.run,
            since: now,
            started: false,
            killed: saved.killed,
            fence: fence.and_then(Result::ok),
        },
        account: saved.account.clone(),
    }
}

impl Stand {
    fn of(place: Option<&Place>) -> Self {
        place.map_or(Self::Waits, |place| Self::Given {
            run: place.run,
            killed: place.killed,
        })
    }
}
