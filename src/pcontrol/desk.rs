//! Hosts, jobs, and what the controller does with them by itself.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    cluster::Cluster,
    controller::Happening,
    finished::{Finished, FinishedJobs},
    job::Request,
};
use crate::engine::clock::Clock;

/// Takes output of jobs as it is.
pub(super) type RawSink = Box<dyn FnMut(&[u8]) + Send>;

/// What the controller does by itself (`run`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Nothing.
    None,
    /// Connects to hosts.
    Hosts,
    /// And notes the ends of jobs.
    Reap,
    /// And gives jobs to hosts.
    All,
}

/// Hosts, jobs, and jobs that are over.
pub(super) struct Desk {
    pub(super) cluster: Cluster,
    pub(super) finished: FinishedJobs,
    pub(super) level: Level,
    pub(super) verbose: bool,
    pub(super) raw: RawSink,
    /// Nothing more is read until all jobs are over (`drain`).
    pub(super) draining: bool,
    /// Waiting jobs that were deleted: nobody wants to know of their end.
    pub(super) deleted: BTreeSet<u64>,
    clock: Arc<dyn Clock>,
    last: u64,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("cluster", &self.cluster)
            .field("finished", &self.finished.len())
            .finish_non_exhaustive()
    }
}

/// A desk that commands and the session share.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<Mutex<Desk>>);

impl Shared {
    /// Without jobs; does everything by itself.
    pub(super) fn new(cluster: Cluster, raw: RawSink, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Mutex::new(Desk {
            cluster,
            finished: FinishedJobs::new(),
            level: Level::All,
            verbose: false,
            raw,
            draining: false,
            deleted: BTreeSet::new(),
            clock,
            last: 0,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    pub(super) fn instant(&self) -> Instant {
        self.clock.instant()
    }

    /// Submits a job; its number.
    pub(super) fn submit(&mut self, wanted: Request) -> u64 {
        self.last += 1;
        let now = self.instant();
        self.cluster.submit(self.last, wanted, now);
        self.last
    }

    /// Does what is due.
    pub(super) fn turn(&mut self) {
        let now = self.instant();
        if self.level >= Level::Hosts {
            self.cluster.tick(now);
        }
        if self.level == Level::All {
            self.cluster.assign(now);
        }
        self.cluster.perform();
    }

    /// How long nothing will be due, unless something happens.
    pub(super) fn pause(&self) -> Option<Duration> {
        if self.level == Level::None {
            return None;
        }
        let now = self.instant();
        let next = self.cluster.next(now)?;
        Some(next.saturating_duration_since(now))
    }

    /// Notes what happened. The text for the log.
    pub(super) fn note(&mut self) -> String {
        let mut lines = Vec::new();
        while self.level >= Level::Reap
            && let Some(happening) = self.cluster.next_happening()
        {
            match happening {
                Happening::Started { job, host } if self.verbose => {
                    lines.push(format!("job {job} runs on {host}"));
                },
                Happening::Started { .. } => {},
                Happening::Requeued { job, host, why } => {
                    lines.push(format!(
                        "job {job} was lost with host {host} and is run again: {why}"
                    ));
                },
                Happening::Ended {
                    job,
                    host,
                    request,
                    completion,
                } => {
                    let finished = Finished {
                        request: *request,
                        host,
                        completion: *completion,
                    };
                    self.end(job, finished);
                },
                Happening::Told(line) => lines.push(line),
            }
        }
        self.cluster.perform();
        lines.into_iter().map(|line| line + "\n").collect()
    }

    fn end(&mut self, job: u64, finished: Finished) {
        if let Some(host) = &finished.host {
            let now = self.clock.instant();
            self.cluster.taken(host, finished.completion.id, now);
        }
        if !self.deleted.remove(&job) {
            self.finished.insert(job, finished);
        }
    }
}
