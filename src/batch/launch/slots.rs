//! Slots that processes of one machine share: one locked file each.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

/// How often a full house is looked at again.
const AGAIN: Duration = Duration::from_millis(5);

/// A number of slots, shared with every process that names the same directory and kind. The
/// kernel frees the slot of a process that dies.
#[derive(Debug)]
pub(in crate::batch) struct Slots {
    directory: Option<PathBuf>,
    kind: &'static str,
    count: u32,
    closed: Mutex<bool>,
    closing: Condvar,
    turn: Mutex<()>,
}

/// A slot in use, until it is dropped.
#[derive(Debug)]
pub(in crate::batch) struct Slot {
    _lock: Option<File>,
}

impl Slots {
    /// `count` slots of this `kind` in `directory`, which must exist; without a directory they
    /// are this process's own and need no lock.
    pub(in crate::batch) fn new(
        directory: Option<PathBuf>,
        kind: &'static str,
        count: u32,
    ) -> Self {
        Self {
            directory,
            kind,
            count: count.max(1),
            closed: Mutex::new(false),
            closing: Condvar::new(),
            turn: Mutex::new(()),
        }
    }

    /// How many there are.
    pub(in crate::batch) fn count(&self) -> u32 {
        self.count
    }

    /// Waits for a slot; `None` once the slots are closed.
    ///
    /// Who waits holds the queue's lock, so that nobody who comes later overtakes him: a
    /// process that uses all slots cannot starve another.
    pub(in crate::batch) fn take(&self) -> io::Result<Option<Slot>> {
        let Some(directory) = &self.directory else {
            return Ok((!self.is_closed()).then_some(Slot { _lock: None }));
        };
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = open(directory, &format!("{}.queue", self.kind))?;
        let mut first = false;
        loop {
            if self.is_closed() {
                return Ok(None);
            }
            first = first || try_lock(&queue)?;
            if first && let Some(slot) = self.free(directory)? {
                return Ok(Some(slot));
            }
            self.pause();
        }
    }

    /// Sends everybody home who waits for a slot in this process, and all who come later.
    pub(in crate::batch) fn close(&self) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.closing.notify_all();
    }

    fn is_closed(&self) -> bool {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pause(&self) {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let woken = self
            .closing
            .wait_timeout_while(closed, AGAIN, |closed| !*closed);
        drop(woken);
    }

    fn free(&self, directory: &Path) -> io::Result<Option<Slot>> {
        for number in 0..self.count {
            let file = open(directory, &format!("{}.{number}", self.kind))?;
            if try_lock(&file)? {
                return Ok(Some(Slot { _lock: Some(file) }));
            }
        }
        Ok(None)
    }
}

fn open(directory: &Path, name: &str) -> io::Result<File> {
    let path = directory.join(name);
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_users_of_a_directory_share_its_slots() {
        let directory = tempfile::tempdir().unwrap();
        let one = Slots::new(Some(directory.path().into()), "slot", 2);
        let other = Slots::new(Some(directory.path().into()), "slot", 2);
        let first = one.take().unwrap();
        let second = other.take().unwrap();
        assert!(first.is_some() && second.is_some());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| one.take().unwrap());
            other.close();
            assert!(other.take().unwrap().is_none());
            drop(second);
            assert!(waiting.join().unwrap().is_some());
        });
    }

    #[test]
    fn closing_ends_the_wait() {
        let directory = tempfile::tempdir().unwrap();
        let slots = Slots::new(Some(directory.path().into()), "slot", 1);
        let held = slots.take().unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| slots.take().unwrap());
            slots.close();
            assert!(waiting.join().unwrap().is_none());
        });
        drop(held);
    }
}
