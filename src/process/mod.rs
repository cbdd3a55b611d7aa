//! Processes on this host: thousands at once, without a shell.
//!
//! Each job is the leader of a process group of its own. Its output goes straight to unlinked
//! temporary files, so that it never waits for a reader and may be of any size. Its end is
//! noticed at once, through a process descriptor.

mod block;
mod capture;
pub mod group;
pub mod marked;
mod run;
mod spool;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, Semaphore, mpsc};

pub use capture::{Captured, IN_MEMORY};
pub use spool::Spool;

/// What a process is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments; it is looked up in `PATH`.
    pub argv: Vec<String>,
    /// The priority, 0 to 20 as nice(1) counts.
    pub nice: u8,
    /// Files that must be visible before it starts.
    pub block: Vec<PathBuf>,
    /// How long to wait for them before the job ends as timed out; forever unless set.
    pub block_limit: Option<Duration>,
    /// Variables of the environment that it has besides ours.
    pub environment: Vec<(String, String)>,
    /// The directory that it starts in; ours unless set.
    pub directory: Option<PathBuf>,
}

/// How a process came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It ended by itself with this status.
    Exit(i32),
    /// A signal ended it.
    Signal(i32),
    /// It could not be started, for this reason.
    NotStarted(String),
    /// The files that it waits for did not appear in time.
    Blocked,
    /// It was stopped before it was started.
    Stopped,
    /// Nobody can tell how it ended.
    Lost(String),
}

/// What is told about a job.
#[derive(Debug)]
pub enum Report {
    /// Its process runs.
    Started {
        /// The job.
        id: u64,
        /// The process, which leads the process group of that number.
        pid: u32,
    },
    /// It is over, or never began.
    Ended(Box<Completion>),
}

/// A job that is over.
#[derive(Debug)]
pub struct Completion {
    /// The job.
    pub id: u64,
    /// How it ended by itself; a job that was stopped shows the signal.
    pub outcome: Outcome,
    /// What it wrote to standard output.
    pub stdout: Captured,
    /// What it wrote to standard error, or why it was not started.
    pub stderr: Captured,
    /// From the start of the process to its end.
    pub wall: Duration,
    /// What it used, with the children it waited for.
    pub usage: Option<Usage>,
    /// Not even the kernel could end it: it still hangs, probably in a disk that is gone.
    pub hung: bool,
}

/// What a process used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    /// The peak resident memory in bytes.
    pub peak_memory: u64,
}

/// How processes are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessSettings {
    /// Between the request to end and the order to, and again until it counts as hung.
    pub grace: Duration,
    /// Where the unlinked files for the output are made.
    pub spill_dir: PathBuf,
}

impl Default for ProcessSettings {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(1),
            spill_dir: std::env::temp_dir(),
        }
    }
}

/// Runs processes; needs a tokio runtime around it.
#[derive(Debug, Clone)]
pub struct Processes(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: ProcessSettings,
    reports: mpsc::UnboundedSender<Report>,
    stops: Mutex<HashMap<u64, Arc<Notify>>>,
    files: OnceLock<Files>,
}

/// File descriptors for jobs.
#[derive(Debug)]
struct Files {
    /// As many jobs as there are file descriptors for.
    room: Arc<Semaphore>,
    /// The limit that processes get back.
    inherited: Option<Rlimit>,
}

/// File descriptors of one job: two outputs, the process, and one more while it starts.
const FILES_PER_JOB: u64 = 4;
/// File descriptors left to everything else.
const FILES_FOR_OTHERS: u64 = 256;

impl Processes {
    /// An executor, and what its jobs will report. With its first job it raises this process's own
    /// limit of open files as far as it may go; the jobs keep the one that it was started with.
    pub fn new(settings: ProcessSettings) -> (Self, mpsc::UnboundedReceiver<Report>) {
        let (reports, receiver) = mpsc::unbounded_channel();
        let shared = Shared {
            settings,
            reports,
            stops: Mutex::default(),
            files: OnceLock::new(),
        };
        (Self(Arc::new(shared)), receiver)
    }

    /// Starts a job as soon as there is room and its files are visible. Everything else,
    /// also that it cannot be started, is reported.
    pub fn start(&self, id: u64, program: Program) {
        let stop = Arc::new(Notify::new());
        self.0.stops().insert(id, Arc::clone(&stop));
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            let completion = run::run(&shared, id, &program, &stop).await;
            shared.stops().remove(&id);
            shared.report(Report::Ended(Box::new(completion)));
        });
    }

    /// Ends a job: its process group is asked to end, and after the grace made to. Its end is
    /// reported as any other. `false` where there is no such job.
    pub fn stop(&self, id: u64) -> bool {
        let stops = self.0.stops();
        stops.get(&id).map(|stop| stop.notify_one()).is_some()
    }

    /// Ends all jobs, as [`Self::stop`].
    pub fn stop_all(&self) {
        for stop in self.0.stops().values() {
            stop.notify_one();
        }
    }

    /// The number of jobs whose end was not yet reported.
    pub fn len(&self) -> usize {
        self.0.stops().len()
    }

    /// Whether every end was reported.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Shared {
    /// Not before there is a job: another program that this process starts instead of jobs has the
    /// old limit, too.
    fn files(&self) -> &Files {
        self.files.get_or_init(|| {
            let (limit, inherited) = raise_open_files();
            let jobs = limit.saturating_sub(FILES_FOR_OTHERS) / FILES_PER_JOB;
            let jobs = usize::try_from(jobs).unwrap_or(usize::MAX);
            Files {
                room: Arc::new(Semaphore::new(jobs.clamp(16, Semaphore::MAX_PERMITS))),
                inherited,
            }
        })
    }

    fn stops(&self) -> MutexGuard<'_, HashMap<u64, Arc<Notify>>> {
        self.stops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, report: Report) {
        // Nobody listens any more when the scheduler has gone.
        drop(self.reports.send(report));
    }
}

/// The limit of open files that this process was started with.
static INHERITED: OnceLock<Rlimit> = OnceLock::new();

/// The number of files this process may open now, and the limit before where it was raised: by
/// this call or by an earlier one.
fn raise_open_files() -> (u64, Option<Rlimit>) {
    let now = getrlimit(Resource::Nofile);
    let inherited = *INHERITED.get_or_init(|| now);
    let raised = Rlimit {
        current: now.maximum,
        maximum: now.maximum,
    };
    let is_raised = now.current == now.maximum || setrlimit(Resource::Nofile, raised).is_ok();
    let limit = if is_raised {
        raised.current
    } else {
        now.current
    };
    let before = (inherited.current != limit).then_some(inherited);
    (limit.unwrap_or(u64::MAX), before)
}
