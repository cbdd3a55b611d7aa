//! The one place on a machine that agents of one controller take in turn.
//!
//! It is a directory of this user's own under /tmp, which is local to the machine whatever else is
//! mounted: a lock that an agent holds as long as it lives, and the socket of one that outlives its
//! connections.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, geteuid, pidfd_open},
};
use thiserror::Error;

use crate::process::marked;

/// Longest wait for a killed holder to end before the place is looked at again.
const A_WHILE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Between two looks at a place whose holder is not known.
const A_MOMENT: Duration = Duration::from_millis(5);

/// How long a killed holder may take to end before whoever wants the place gives up: less than a
/// controller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a place cannot be taken.
#[derive(Debug, Error)]
pub(super) enum PostError {
    /// The directory is somebody else's, or others may write into it.
    #[error("{path} belongs to somebody else or is open to others: remove it", path = .path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
    },
    /// Whoever has the place does not go.
    #[error(
        "{path} is still held after {seconds} s by {holder}, which was told to die: perhaps it hangs \
         on a disk that is gone",
        path = .path.display()
    )]
    Held {
        /// The lock.
        path: PathBuf,
        /// Who has it.
        holder: String,
        /// How long that was waited for.
        seconds: f64,
    },
    /// The system said so.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// Of what.
        path: PathBuf,
        /// What.
        source: io::Error,
    },
}

/// The place of the agents of one controller for one machine.
#[derive(Debug, Clone)]
pub(super) struct Post {
    stem: PathBuf,
}

/// A place that is taken as long as this lives.
#[derive(Debug)]
pub(super) struct Taken {
    // It is removed before the lock is let go.
    _name: Own,
    _lock: File,
}

/// The name of a file: it is removed with this, unless it is by now another file's.
#[derive(Debug)]
pub(super) struct Own {
    path: PathBuf,
    identity: Identity,
}

/// Device and inode.
type Identity = (u64, u64);

fn identity(found: &fs::Metadata) -> Identity {
    (found.dev(), found.ino())
}

impl Post {
    /// The place, whose directory is made where it does not exist.
    pub(super) fn of(controller: &str, machine: &str) -> Result<Self, PostError> {
        let uid = geteuid().as_raw();
        let directory = PathBuf::from(format!("/tmp/outrigger-{uid}"));
        let failed = |source| PostError::Io {
            path: directory.clone(),
            source,
        };
        match fs::DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(error));
            },
            _ => {},
        }
        let found = fs::symlink_metadata(&directory).map_err(failed)?;
        if !found.is_dir() || found.uid() != uid || found.mode() & 0o077 != 0 {
            return Err(PostError::Foreign { path: directory });
        }
        // Machines may have any name, and a socket's path must be short.
        let hash = blake3::hash(format!("{controller}:{machine}").as_bytes()).to_hex();
        let stem = directory.join(format!("pclient-{}", hash.get(..16).unwrap_or(&hash)));
        Ok(Self { stem })
    }

    fn lock(&self) -> PathBuf {
        self.stem.with_extension("lock")
    }

    /// The socket of an agent that outlives its connections.
    pub(super) fn socket(&self) -> PathBuf {
        self.stem.with_extension("socket")
    }

    /// Where such an agent tells what goes wrong.
    pub(super) fn log(&self) -> PathBuf {
        self.stem.with_extension("log")
    }

    /// Takes the place, if no living agent has it.
    pub(super) fn take(&self) -> Result<Option<Taken>, PostError> {
        let path = self.lock();
        let failed = |source| PostError::Io {
            path: path.clone(),
            source,
        };
        loop {
            let mut lock = open(&path).map_err(failed)?;
            match lock.try_lock() {
                Ok(()) => {},
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            // Whoever had it before may have removed the file in the meantime.
            let own = Own::of(&path, &lock.metadata().map_err(failed)?);
            if !own.is_there() {
                continue;
            }
            lock.set_len(0).map_err(failed)?;
            write!(lock, "{}", std::process::id()).map_err(failed)?;
            return Ok(Some(Taken {
                _name: own,
                _lock: lock,
            }));
        }
    }

    /// Takes the place, killing the agent that has it.
    ///
    /// # Errors
    /// Also where that one does not end in time.
    pub(super) fn seize(&self) -> Result<Taken, PostError> {
        self.seize_within(PATIENCE)
    }

    fn seize_within(&self, patience: Duration) -> Result<Taken, PostError> {
        let begin = Instant::now();
        loop {
            if let Some(taken) = self.take()? {
                return Ok(taken);
            }
            if begin.elapsed() >= patience {
                return Err(PostError::Held {
                    path: self.lock(),
                    holder: self.holder(),
                    seconds: patience.as_secs_f64(),
                });
            }
            self.kill_holder()?;
        }
    }

    /// Who has the place, in words.
    fn holder(&self) -> String {
        let pid = open(&self.lock()).and_then(|mut lock| read_pid(&mut lock));
        pid.ok().flatten().map_or_else(
            || "a process that is not known".to_owned(),
            |pid| format!("process {}", pid.as_raw_nonzero()),
        )
    }

    /// Kills whoever has the place, and waits a moment for the place to be free.
    fn kill_holder(&self) -> Result<(), PostError> {
        let path = self.lock();
        let failed = |source| PostError::Io {
            path: path.clone(),
            source,
        };
        let mut lock = open(&path).map_err(failed)?;
        let pid = read_pid(&mut lock).map_err(failed)?;
        let holder = pid.and_then(|pid| Some((pid, pidfd_open(pid, PidfdFlags::empty()).ok()?)));
        // One that has just taken the place may not have written its number yet: then the number is
        // of an earlier one, and by now perhaps somebody else's.
        if let Some((pid, process)) = &holder
            && has_open(*pid, &lock)
            && matches!(lock.try_lock(), Err(TryLockError::WouldBlock))
        {
            marked::signal(process, Signal::KILL).map_err(failed)?;
            // However it ends, the place is looked at again.
            let mut end = [PollFd::new(process, PollFlags::IN)];
            poll(&mut end, Some(&A_WHILE)).unwrap_or_default();
        } else {
            std::thread::park_timeout(A_MOMENT);
        }
        Ok(())
    }
}

impl Own {
    /// The name of the file that was found to be this.
    pub(super) fn of(path: &Path, found: &fs::Metadata) -> Self {
        Self {
            path: path.to_owned(),
            identity: identity(found),
        }
    }

    /// Whether the name is still this file's.
    fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if self.is_there() {
            // It is no harm if it stays.
            drop(fs::remove_file(&self.path));
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

/// Whether a process has that file open.
fn has_open(pid: Pid, file: &File) -> bool {
    let Ok(wanted) = file.metadata() else {
        return false;
    };
    let files = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero()));
    let paths = files
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut found = paths.filter_map(|path| fs::metadata(path).ok());
    found.any(|found| identity(&found) == identity(&wanted))
}

fn read_pid(file: &mut File) -> io::Result<Option<Pid>> {
    file.rewind()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text.trim().parse().ok().and_then(Pid::from_raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_by_one_at_a_time() {
        let post = Post::of("a test", &format!("{}", std::process::id())).unwrap();
        let taken = post.take().unwrap().unwrap();
        assert!(post.take().unwrap().is_none());
        drop(taken);
        assert!(post.take().unwrap().is_some());
        assert!(!post.lock().exists());
    }

    #[test]
    fn a_holder_that_does_not_go_is_not_waited_for_forever() {
        let post = Post::of("a test of patience", &std::process::id().to_string()).unwrap();
        let lock = open(&post.lock()).unwrap();
        lock.try_lock().unwrap();
        let error = post.seize_within(Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains("still held after 0 s by a process that is not known"));
        drop(lock);
        assert!(post.seize_within(Duration::ZERO).is_ok());
    }

    #[test]
    fn whoever_goes_leaves_what_has_taken_the_place_of_its_files() {
        let post = Post::of("a test of names", &std::process::id().to_string()).unwrap();
        let taken = post.take().unwrap().unwrap();
        fs::remove_file(post.lock()).unwrap();
        let later = post.take().unwrap().unwrap();
        drop(taken);
        assert!(post.lock().exists());
        assert!(post.take().unwrap().is_none());
        drop(later);
        assert!(!post.lock().exists());
    }
}
