//! All jobs that are not over.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use thiserror::Error;

use super::{
    exit_macro::End,
    job::{Event, Job, JobId, Launch, Refused, State},
    task::{Host, TaskId},
};

/// An event that no job can take.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JobError {
    /// There is no such job, or it is over.
    #[error("job not found")]
    Unknown,
    /// The job is in no state for it.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// A job that is over, for its exit macro.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The job, in the state before its end.
    pub job: Job,
    /// How it ended.
    pub end: End,
}

/// All jobs that are not over, in the order of their submission.
#[derive(Debug, Clone, Default)]
pub struct Jobs {
    jobs: BTreeMap<JobId, Job>,
    groups: HashMap<Option<TaskId>, Group>,
    last: u64,
}

/// What the timers ask of one task's jobs, oldest first.
#[derive(Debug, Clone, Default)]
struct Group {
    outstanding: u64,
    pending: BTreeSet<(Timestamp, JobId)>,
    busy_here: BTreeSet<(Timestamp, JobId)>,
}

impl Jobs {
    /// Adds a job that waits for its start.
    pub fn submit(&mut self, task: Option<TaskId>, launch: Launch, now: Timestamp) -> JobId {
        self.last += 1;
        let id = JobId(self.last);
        self.take_back(id, task, launch, now);
        id
    }

    /// Keeps a number for a job that comes back.
    pub(super) fn reserve(&mut self, id: JobId) {
        self.last = self.last.max(id.0);
    }

    /// Takes a job back, under its [reserved](Self::reserve) number, that an earlier scheduler has
    /// submitted.
    pub(super) fn take_back(
        &mut self,
        id: JobId,
        task: Option<TaskId>,
        launch: Launch,
        now: Timestamp,
    ) {
        let job = Job {
            id,
            task,
            launch,
            submitted: now,
            state: State::Pending { since: now },
        };
        self.groups.entry(task).or_default().outstanding += 1;
        self.index(&job);
        self.jobs.insert(id, job);
    }

    /// Moves a job to its next state. A job that is over leaves the table and is handed out.
    ///
    /// # Errors
    /// [`JobError`]; the job stays as it was.
    pub fn apply(&mut self, id: JobId, event: Event) -> Result<Option<Ended>, JobError> {
        let job = self.jobs.get(&id).ok_or(JobError::Unknown)?;
        let state = job.state.step(event)?;
        if let State::Ended(end) = state {
            return Ok(self.remove(id).map(|job| Ended { job, end }));
        }
        if let Some(mut job) = self.jobs.remove(&id) {
            self.unindex(&job);
            job.state = state;
            self.index(&job);
            self.jobs.insert(id, job);
        }
        Ok(None)
    }

    /// Takes a job out of the table; its process, if any, is the caller's to end.
    pub fn remove(&mut self, id: JobId) -> Option<Job> {
        let job = self.jobs.remove(&id)?;
        self.unindex(&job);
        if let Some(group) = self.groups.get_mut(&job.task) {
            group.outstanding -= 1;
            if group.outstanding == 0 {
                self.groups.remove(&job.task);
            }
        }
        Some(job)
    }

    /// Takes all jobs out of the table (`flush jobs`).
    pub fn flush(&mut self) -> Vec<Job> {
        self.groups.clear();
        std::mem::take(&mut self.jobs).into_values().collect()
    }

    /// The job of that number.
    pub fn get(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(&id)
    }

    /// All jobs in the order of their submission.
    pub fn iter(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }

    /// The number of jobs.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether there is no job.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// The number of jobs of one task, or of no task.
    pub fn outstanding(&self, task: Option<TaskId>) -> u64 {
        self.groups.get(&task).map_or(0, |group| group.outstanding)
    }

    /// The jobs of one task that wait for their start, the longest waiting first.
    pub(super) fn pending(&self, task: TaskId) -> impl Iterator<Item = (Timestamp, JobId)> {
        let group = self.groups.get(&Some(task));
        group
            .into_iter()
            .flat_map(|group| group.pending.iter().copied())
    }

    /// The jobs of one task that run on this host, the oldest first.
    pub(super) fn busy_here(&self, task: TaskId) -> impl Iterator<Item = (Timestamp, JobId)> {
        let group = self.groups.get(&Some(task));
        group
            .into_iter()
            .flat_map(|group| group.busy_here.iter().copied())
    }

    fn index(&mut self, job: &Job) {
        let group = self.groups.entry(job.task).or_default();
        match &job.state {
            State::Pending { since } => {
                group.pending.insert((*since, job.id));
            },
            State::Busy { since, .. } if job.launch.host == Host::Local => {
                group.busy_here.insert((*since, job.id));
            },
            State::Busy { .. } | State::Stopping { .. } | State::Ended(_) => {},
        }
    }

    fn unindex(&mut self, job: &Job) {
        let Some(group) = self.groups.get_mut(&job.task) else {
            return;
        };
        match &job.state {
            State::Pending { since } => group.pending.remove(&(*since, job.id)),
            State::Busy { since, .. } => group.busy_here.remove(&(*since, job.id)),
            State::Stopping { .. } | State::Ended(_) => false,
        };
    }
}
