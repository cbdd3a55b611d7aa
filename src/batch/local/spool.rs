//! The spool directory: what is known of each job, as files that appear by rename.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::processes::ProcessId;
use crate::{
    batch::{Ending, JobId},
    durable,
};

/// The directory of all jobs, in the spool.
const JOBS: &str = "jobs";

/// The spool directory.
#[derive(Debug, Clone)]
pub(super) struct Spool {
    directory: PathBuf,
}

/// What was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    /// The job's name.
    pub(super) name: String,
    /// Seconds after which it is ended.
    pub(super) walltime: u64,
    /// File that its output is appended to.
    pub(super) output: PathBuf,
    /// Directory it runs in.
    pub(super) directory: PathBuf,
    /// Interpreter of its script, with the argument of the script's first line.
    pub(super) interpreter: Vec<String>,
    /// Most jobs at once.
    pub(super) jobs: u32,
    /// Jobs that must have ended well before it begins.
    #[serde(default)]
    pub(super) after: Vec<String>,
    /// The tasks of the array that it is, or that it is a task of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) array: Option<Tasks>,
}

/// The tasks of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tasks {
    /// How many.
    pub(super) count: u32,
    /// Most of them at once.
    pub(super) running: Option<u32>,
}

/// That a job was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Started {
    /// When.
    pub(super) at: Timestamp,
}

/// That a job is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    /// When.
    pub(super) at: Timestamp,
    /// How.
    pub(super) ending: Ending,
}

/// The directory of one job, or of one task of an array, which lies in that of its array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobDirectory {
    path: PathBuf,
}

/// The lock that a job's supervisor holds for life.
#[derive(Debug)]
pub(super) struct Care {
    _lock: File,
}

impl Spool {
    /// The spool in `directory`, which is made, for its owner alone, if it is not there.
    pub(super) fn make(directory: &Path) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory.join(JOBS))?;
        Ok(Self {
            directory: directory.canonicalize()?,
        })
    }

    /// The spool in `directory`; `None` if there is none.
    pub(super) fn open(directory: &Path) -> io::Result<Option<Self>> {
        match directory.canonicalize() {
            Ok(directory) => Ok(Some(Self { directory })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The directory of the turn and slot files.
    pub(super) fn of_job(job: &JobDirectory) -> Option<PathBuf> {
        let array = job.array();
        let whole = array.as_ref().map_or(&job.path, |array| &array.path);
        Some(whole.parent()?.parent()?.to_owned())
    }

    /// The job, or the task of an array, `id`; `None` if there is none.
    pub(super) fn job(&self, id: &JobId) -> Option<JobDirectory> {
        in_jobs(&self.directory.join(JOBS), id)
    }

    /// All jobs.
    pub(super) fn jobs(&self) -> io::Result<Vec<JobDirectory>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.directory.join(JOBS))? {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| name.parse().ok());
            found.extend(id.and_then(|id| self.job(&id)));
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// Writes a new job down, an array with all its tasks, and gives it an id from `now`. Either all
    /// of it is there afterwards, or nothing.
    pub(super) fn add(
        &self,
        order: &Order,
        script: &[u8],
        now: Timestamp,
    ) -> io::Result<JobDirectory> {
        let jobs = self.directory.join(JOBS);
        let draft = tempfile::Builder::new().prefix(".new-").tempdir_in(&jobs)?;
        let job = JobDirectory {
            path: draft.path().to_owned(),
        };
        job.write("script", script)?;
        job.record("order.json", order)?;
        for task in job.tasks_of(order) {
            fs::create_dir(&task.path)?;
            fs::hard_link(job.script(), task.script())?;
            task.record("order.json", order)?;
            File::open(&task.path)?.sync_all()?;
        }
        File::open(&job.path)?.sync_all()?;
        for number in 1_u32.. {
            let path = jobs.join(format!("{}-{number}", now.as_second()));
            match durable::rename(&job.path, &path) {
                Ok(()) => {
                    let _gone = draft.keep();
                    File::open(&jobs)?.sync_all()?;
                    return Ok(JobDirectory { path });
                },
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty
                    ) => {},
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no free job id"))
    }
}

impl JobDirectory {
    /// The job at `path`.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.canonicalize()?,
        })
    }

    /// Its directory.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its id.
    pub(super) fn id(&self) -> String {
        match self.array() {
            Some(array) => format!("{}_{}", array.name(), self.name()),
            None => self.name(),
        }
    }

    /// The array that it is a task of, if it is one.
    pub(super) fn array(&self) -> Option<Self> {
        let path = self.path.parent()?;
        let is_task = path.file_name().is_some_and(|name| name != JOBS);
        is_task.then(|| Self {
            path: path.to_owned(),
        })
    }

    /// Its number among the tasks of its array.
    pub(super) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Its tasks if it is an array, else none.
    pub(super) fn tasks(&self) -> io::Result<Vec<Self>> {
        Ok(match self.array() {
            Some(_) => Vec::new(),
            None => self.tasks_of(&self.order()?).collect(),
        })
    }

    fn tasks_of(&self, order: &Order) -> impl Iterator<Item = Self> {
        let count = order.array.map_or(0, |array| array.count);
        (0..count).map(|number| Self {
            path: self.path.join(number.to_string()),
        })
    }

    /// Another job of its spool; `None` if there is none of this id.
    pub(super) fn beside(&self, id: &str) -> Option<Self> {
        let jobs = Spool::of_job(self)?.join(JOBS);
        in_jobs(&jobs, &id.parse().ok()?)
    }

    /// What was submitted.
    pub(super) fn order(&self) -> io::Result<Order> {
        self.read("order.json")?
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Its script, a copy made at submission.
    pub(super) fn script(&self) -> PathBuf {
        self.path.join("script")
    }

    /// Where its supervisor's messages go.
    pub(super) fn log(&self) -> PathBuf {
        self.path.join("supervisor.log")
    }

    /// Whether it was ever started.
    pub(super) fn started(&self) -> io::Result<Option<Started>> {
        self.read("started.json")
    }

    /// How it ended.
    pub(super) fn ended(&self) -> io::Result<Option<Ended>> {
        self.read("ended.json")
    }

    /// Its supervisor, living or dead.
    pub(super) fn supervisor(&self) -> io::Result<Option<ProcessId>> {
        self.read("supervisor.json")
    }

    /// Whether somebody wants it cancelled.
    pub(super) fn is_cancelled(&self) -> bool {
        self.path.join("cancel").exists()
    }

    /// Notes that it is to be cancelled.
    pub(super) fn note_cancel(&self) -> io::Result<()> {
        self.write("cancel", b"")
    }

    /// Notes that it is about to be started.
    pub(super) fn note_started(&self, at: Timestamp) -> io::Result<()> {
        self.record("started.json", &Started { at })
    }

    /// Notes how it ended.
    pub(super) fn note_ended(&self, at: Timestamp, ending: Ending) -> io::Result<()> {
        self.record("ended.json", &Ended { at, ending })
    }

    /// Notes who supervises it.
    pub(super) fn note_supervisor(&self, process: &ProcessId) -> io::Result<()> {
        self.record("supervisor.json", process)
    }

    /// Takes it into care; `None` if somebody has it in care already.
    pub(super) fn care(&self) -> io::Result<Option<Care>> {
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.path.join("care"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Care { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn record(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        self.write(name, &serde_json::to_vec(value)?)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut draft = tempfile::NamedTempFile::new_in(&self.path)?;
        draft.write_all(bytes)?;
        draft.as_file().sync_all()?;
        durable::persist(draft, &self.path.join(name))
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        match fs::read(self.path.join(name)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The job, or the task of an array, of this id in the directory of all jobs.
fn in_jobs(jobs: &Path, id: &JobId) -> Option<JobDirectory> {
    let path = match id.task() {
        Some((array, task)) => jobs.join(array).join(task),
        None => jobs.join(id.as_str()),
    };
    path.join("order.json")
        .is_file()
        .then_some(JobDirectory { path })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            name: "or-1-1-00000000".into(),
            walltime: 60,
            output: "/tmp/out".into(),
            directory: "/".into(),
            interpreter: vec!["/bin/sh".into()],
            jobs: 1,
            after: Vec::new(),
            array: None,
        }
    }

    #[test]
    fn an_array_is_there_with_all_its_tasks() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::make(directory.path()).unwrap();
        let array = Order {
            array: Some(Tasks {
                count: 2,
                running: None,
            }),
            ..order()
        };
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let job = spool.add(&array, b"#!/bin/sh\n", now).unwrap();
        let tasks = job.tasks().unwrap();
        let ids: Vec<String> = tasks.iter().map(JobDirectory::id).collect();
        assert_eq!(ids, ["1700000000-1_0", "1700000000-1_1"]);
        assert_eq!(spool.jobs().unwrap(), std::slice::from_ref(&job));
        for task in tasks {
            assert_eq!(spool.job(&task.id().parse().unwrap()), Some(task.clone()));
            assert_eq!(fs::read(task.script()).unwrap(), b"#!/bin/sh\n");
            assert_eq!(task.beside(&job.id()), Some(job.clone()));
            assert_eq!(Spool::of_job(&task), Spool::of_job(&job));
            assert!(task.tasks().unwrap().is_empty());
        }
        assert_eq!(spool.job(&"1700000000-1_2".parse().unwrap()), None);
    }

    #[test]
    fn jobs_of_the_same_second_get_different_ids() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::make(directory.path()).unwrap();
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let ids: Vec<String> = (0..3)
            .map(|_| spool.add(&order(), b"#!/bin/sh\n", now).unwrap().id())
            .collect();
        assert_eq!(ids, ["1700000000-1", "1700000000-2", "1700000000-3"]);
        assert_eq!(spool.jobs().unwrap().len(), 3);
        assert_eq!(spool.jobs().unwrap()[0].order().unwrap(), order());
    }

    #[test]
    fn a_half_written_job_is_no_job() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::make(directory.path()).unwrap();
        fs::create_dir(directory.path().join("jobs/.new-x")).unwrap();
        fs::create_dir(directory.path().join("jobs/17-1")).unwrap();
        assert_eq!(spool.jobs().unwrap(), []);
    }

    #[test]
    fn a_job_is_in_one_care_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::make(directory.path()).unwrap();
        let job = spool.add(&order(), b"", Timestamp::UNIX_EPOCH).unwrap();
        let first = job.care().unwrap();
        assert!(first.is_some());
        assert!(job.care().unwrap().is_none());
        drop(first);
        assert!(job.care().unwrap().is_some());
    }
}
