//! The state of the scheduler: tasks, jobs, hosts, and what runs.
//!
//! The commands of scripts change it, and [`super::session`] turns it over. Nothing here runs a
//! script, so that a lock on it is never held for long.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    exit_macro::End,
    job::{Event, JobId, Launch, Stop},
    jobs::{Ended, JobError, Jobs},
    persist::Restored,
    status::Standing,
    task::{Host, Task, TaskId},
    tasks::Tasks,
};
use crate::{
    engine::clock::Clock,
    opihi::Body,
    pcontrol::{Claim, Cluster, Request, Wish},
    process::{Processes, Program},
};

/// What the words of a task act on now.
#[derive(Debug)]
pub(super) enum Subject {
    /// No task.
    Nothing,
    /// The task that is being defined.
    Definition(Box<Task<Body>>),
    /// The task whose task.exec runs.
    Evaluation(TaskId),
}

/// Tasks, jobs and hosts.
pub struct Scheduler {
    /// The tasks.
    pub tasks: Tasks<Body>,
    /// The jobs that are not over.
    pub jobs: Jobs,
    /// The controller's hosts and their jobs.
    pub cluster: Cluster,
    /// What the controller has told and nobody has read yet (`controller output`).
    pub(super) messages: String,
    /// What runs.
    pub standing: Standing,
    /// Whether ends and starts of jobs are told on the log stream (`verbose on`).
    pub verbose: bool,
    /// Whether `status` shows jobs only when asked: a server has many clients and many jobs.
    pub brief: bool,
    /// The shortest time between two evaluations of the tasks (`pulse`).
    pub pulse: SignedDuration,
    /// The macros that follow jobs without a task.
    pub(super) own_exits: HashMap<JobId, String>,
    pub(super) subject: Subject,
    /// Jobs of an earlier scheduler that wait for their tasks.
    pub(super) restored: Vec<Restored>,
    local: Processes,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("standing", &self.standing)
            .field("jobs", &self.jobs.len())
            .finish_non_exhaustive()
    }
}

/// A scheduler that commands and the session share.
#[derive(Debug, Clone)]
pub struct Shared(Arc<Mutex<Scheduler>>);

impl Shared {
    /// A scheduler without tasks, at rest, whose local jobs `local` runs, and `cluster` those of
    /// other hosts.
    pub fn new(local: Processes, cluster: Cluster, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Mutex::new(Scheduler {
            tasks: Tasks::default(),
            jobs: Jobs::default(),
            cluster,
            messages: String::new(),
            standing: Standing::default(),
            verbose: false,
            brief: false,
            pulse: SignedDuration::ZERO,
            own_exits: HashMap::new(),
            subject: Subject::Nothing,
            restored: Vec::new(),
            local,
            clock,
        })))
    }

    /// The scheduler, while nobody else has it.
    pub fn lock(&self) -> MutexGuard<'_, Scheduler> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scheduler {
    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Everything runs from now on. After a stop each task's timer starts at a random part of its
    /// period, so that they do not all fire at once (spec/pantasks.md §2.5).
    pub fn run(&mut self) {
        let now = self.now();
        if !self.standing.scheduler {
            for task in self.tasks.iter_mut() {
                task.restarted(now, fastrand::f64());
            }
        }
        self.standing = Standing {
            scheduler: true,
            harvest: true,
            controller: true,
        };
    }

    /// No more jobs are made; those that run are harvested.
    pub fn stop(&mut self) {
        self.standing.scheduler = false;
    }

    /// Nothing happens any more until `run`.
    pub fn halt(&mut self) {
        self.standing = Standing::default();
    }

    /// A point of the time that only passes.
    pub fn instant(&self) -> Instant {
        self.clock.instant()
    }

    /// Submits a job: it starts here, or waits for a host.
    pub fn submit(&mut self, task: Option<TaskId>, launch: Launch) -> JobId {
        let now = self.now();
        let request = request(&launch);
        let id = self.jobs.submit(task, launch, now);
        match request {
            Some(request) => self.cluster.submit(id.0, request, self.clock.instant()),
            None => self.start(id),
        }
        id
    }

    /// Takes back the jobs of an earlier scheduler, whose tasks are there by now: what has happened
    /// to them can be dealt with. The names of tasks that are not there.
    pub(super) fn adopt(&mut self) -> Vec<String> {
        let now = self.now();
        let mut orphans = Vec::new();
        for Restored { id, kept } in std::mem::take(&mut self.restored) {
            let task = self.tasks.find(&kept.launch.name).map(Task::id);
            match &kept.exit {
                Some(exit) => drop(self.own_exits.insert(id, exit.clone())),
                None if task.is_none() => orphans.push(kept.launch.name.clone()),
                None => {},
            }
            if let Some(task) = task.and_then(|task| self.tasks.get_mut(task)) {
                task.statistics.submitted += 1;
            }
            self.jobs.take_back(id, task, kept.launch, now);
            let place = self.cluster.job(id.0).and_then(|job| job.place.as_ref());
            if let Some((host, killed)) = place.map(|place| (place.host.clone(), place.killed)) {
                self.started(id, &host);
                if killed {
                    // It runs, so that its end comes by itself.
                    drop(self.jobs.apply(id, Event::Stop(Stop::Kill)));
                }
            }
        }
        orphans
    }

    /// Decides what is due with the hosts.
    pub(super) fn tick_hosts(&mut self) {
        let now = self.instant();
        self.cluster.tick(now);
    }

    /// Seats waiting jobs on idle hosts. From then on they may run, and end when they are known not
    /// to.
    pub fn assign(&mut self) {
        if self.standing.controller {
            let now = self.instant();
            for (job, host) in self.cluster.assign(now) {
                self.started(JobId(job), &host);
            }
        }
    }

    /// When [`Self::assign`] has something to do though nothing happens.
    pub(super) fn next_at_hosts(&self) -> Option<Timestamp> {
        let now = self.instant();
        let left = self.cluster.next(now)?.saturating_duration_since(now);
        self.now().checked_add(left).ok()
    }

    /// Ends a job. One that waits is handed out as ended; one that runs ends soon.
    ///
    /// # Errors
    /// [`JobError`] where there is none.
    pub fn end(&mut self, id: JobId, why: Stop) -> Result<Option<Ended>, JobError> {
        let ended = self.jobs.apply(id, Event::Stop(why))?;
        self.local.stop(id.0);
        self.cluster.kill(id.0);
        Ok(ended)
    }

    /// A job's program ended by itself. Nothing where nobody waits for the job any more.
    pub(super) fn finished(&mut self, id: JobId, end: End) -> Option<Ended> {
        self.jobs.apply(id, Event::Finish(end)).ok().flatten()
    }

    /// A job's program was started on a host.
    pub(super) fn started(&mut self, id: JobId, host: &str) {
        let event = Event::Start {
            at: self.now(),
            host: host.to_owned(),
        };
        // A job that was ended in the meantime does not start any more.
        drop(self.jobs.apply(id, event));
    }

    /// A job's host was lost: it waits again, or is over if it was told to end.
    pub(super) fn requeued(&mut self, id: JobId) -> Option<Ended> {
        let at = self.now();
        let ended = self.jobs.apply(id, Event::Requeue { at }).ok().flatten();
        if ended.is_some() {
            self.cluster.kill(id.0);
        }
        ended
    }

    /// Drops all jobs and ends their processes (`flush jobs`).
    pub fn flush(&mut self) -> usize {
        let jobs = self.jobs.flush().into_iter().map(|job| job.id);
        let restored = std::mem::take(&mut self.restored);
        let all: Vec<JobId> = jobs.chain(restored.iter().map(|job| job.id)).collect();
        for job in &all {
            self.local.stop(job.0);
            self.cluster.kill(job.0);
        }
        self.tasks.sweep(&self.jobs);
        all.len()
    }

    /// Ends the processes of all jobs on this host.
    pub(super) fn stop_here(&mut self) {
        self.local.stop_all();
    }

    /// Ends the controller's hosts: what runs there is ended and waits again.
    pub fn clear_hosts(&mut self) -> usize {
        let now = self.instant();
        self.cluster.clear(now)
    }

    /// The number of processes whose end was not yet told.
    pub fn processes(&self) -> usize {
        self.local.len()
    }

    fn start(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(id) else {
            return;
        };
        let program = Program {
            argv: job.launch.argv.clone(),
            nice: job.launch.nice,
            block: job.launch.block.clone(),
            ..Program::default()
        };
        self.local.start(id.0, program);
    }
}

/// What the controller is asked for; nothing where the job runs here.
pub(super) fn request(launch: &Launch) -> Option<Request> {
    let wish = match &launch.host {
        Host::Local => return None,
        Host::Any => Wish::Any,
        Host::Named { name, required } if *required => Wish::Required(name.clone()),
        Host::Named { name, .. } => Wish::Desired(name.clone()),
    };
    Some(Request {
        argv: launch.argv.clone(),
        nice: launch.nice,
        block: launch
            .block
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
        claim: Claim {
            wish,
            touches: launch.turn.touches.clone(),
            priority: launch.turn.priority,
        },
    })
}

/// What `$JOB_HOSTNAME` holds after a local job.
pub(super) const LOCALHOST: &str = "localhost";

/// The zone of `trange` lines that name none: UTC unless `word` names one.
///
/// # Errors
/// Where no such zone is known.
pub(super) fn zone_of(word: Option<&str>) -> Result<TimeZone, super::trange::RangeError> {
    word.map_or(Ok(TimeZone::UTC), super::trange::zone)
}
