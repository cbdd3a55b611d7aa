//! The state of the scheduler: tasks, jobs, hosts, and what runs.
//!
//! The commands of scripts change it, and [`super::session`] turns it over. Nothing here runs a
//! script, so that a lock on it is never held for long.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    exit_macro::End,
    job::{Event, JobId, Launch, Stop},
    jobs::{Ended, JobError, Jobs},
    status::Standing,
    task::{Host, Task, TaskId},
    tasks::Tasks,
};
use crate::{
    engine::clock::Clock,
    opihi::Body,
    pcontrol::{Pool, Wish},
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
    /// The controller's hosts.
    pub pool: Pool,
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
    /// The hosts that jobs of the controller sit on.
    pub(super) seats: HashMap<JobId, String>,
    pub(super) subject: Subject,
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
    /// A scheduler without tasks, at rest, whose local jobs `local` runs.
    pub fn new(local: Processes, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Mutex::new(Scheduler {
            tasks: Tasks::default(),
            jobs: Jobs::default(),
            pool: Pool::default(),
            standing: Standing::default(),
            verbose: false,
            brief: false,
            pulse: SignedDuration::ZERO,
            own_exits: HashMap::new(),
            seats: HashMap::new(),
            subject: Subject::Nothing,
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

    /// Submits a job: it starts here, or waits for a host.
    pub fn submit(&mut self, task: Option<TaskId>, launch: Launch) -> JobId {
        let now = self.now();
        let host = launch.host.clone();
        let id = self.jobs.submit(task, launch, now);
        let wish = match host {
            Host::Local => {
                self.start(id, None);
                return id;
            },
            Host::Any => Wish::Any,
            Host::Named {
                name,
                required: true,
            } => Wish::Required(name),
            Host::Named { name, .. } => Wish::Desired(name),
        };
        self.pool.wait(id.0, wish, now);
        id
    }

    /// Seats waiting jobs on idle hosts.
    pub fn assign(&mut self) {
        if !self.standing.controller {
            return;
        }
        for seat in self.pool.assign(self.now()) {
            let id = JobId(seat.job);
            self.seats.insert(id, seat.host);
            self.start(id, Some(seat.threads));
        }
    }

    /// Ends a job. One that waits is handed out as ended; one that runs ends soon.
    ///
    /// # Errors
    /// [`JobError`] where there is none.
    pub fn end(&mut self, id: JobId, why: Stop) -> Result<Option<Ended>, JobError> {
        let ended = self.jobs.apply(id, Event::Stop(why))?;
        self.local.stop(id.0);
        if ended.is_some() {
            self.forget(id);
        }
        Ok(ended)
    }

    /// A job's program ended by itself. Nothing where nobody waits for the job any more.
    pub(super) fn finished(&mut self, id: JobId, end: End) -> Option<Ended> {
        let ended = self.jobs.apply(id, Event::Finish(end)).ok().flatten();
        self.forget(id);
        ended
    }

    /// A job's program was started.
    pub(super) fn started(&mut self, id: JobId) {
        let host = self.seats.get(&id).cloned();
        let event = Event::Start {
            at: self.now(),
            host: host.unwrap_or_else(|| LOCALHOST.to_owned()),
        };
        // A job that was ended in the meantime does not start any more.
        drop(self.jobs.apply(id, event));
    }

    /// Drops all jobs and ends their processes (`flush jobs`).
    pub fn flush(&mut self) -> usize {
        let jobs = self.jobs.flush();
        for job in &jobs {
            self.local.stop(job.id.0);
            self.forget(job.id);
        }
        self.tasks.sweep(&self.jobs);
        jobs.len()
    }

    /// Ends the controller's hosts: their idle slots go at once, busy ones after their job.
    pub fn clear_hosts(&mut self) -> usize {
        self.standing.controller = false;
        self.pool.clear()
    }

    /// The number of processes whose end was not yet told.
    pub fn processes(&self) -> usize {
        self.local.len()
    }

    fn start(&mut self, id: JobId, threads: Option<u32>) {
        let Some(job) = self.jobs.get(id) else {
            return;
        };
        let mut argv = job.launch.argv.clone();
        if let Some(threads) = threads {
            for word in &mut argv {
                if word.contains(MAX_THREADS) {
                    *word = word.replace(MAX_THREADS, &threads.to_string());
                }
            }
        }
        let program = Program {
            argv,
            nice: job.launch.nice,
            block: job.launch.block.clone(),
            ..Program::default()
        };
        self.local.start(id.0, program);
    }

    fn forget(&mut self, id: JobId) {
        self.pool.withdraw(id.0);
        self.pool.release(id.0);
        self.seats.remove(&id);
    }
}

/// What `$JOB_HOSTNAME` holds after a local job.
pub(super) const LOCALHOST: &str = "localhost";

/// Stands for the host's number of threads in a command of the controller.
const MAX_THREADS: &str = "@MAX_THREADS@";

/// The zone of `trange` lines that name none: UTC unless `word` names one.
///
/// # Errors
/// Where no such zone is known.
pub(super) fn zone_of(word: Option<&str>) -> Result<TimeZone, super::trange::RangeError> {
    word.map_or(Ok(TimeZone::UTC), super::trange::zone)
}
