//! A machine on which nothing happens.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    engine::clock::Clock,
    opihi::{Failure, Host, Place, Ran},
};

/// What a dry load told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Failures that stopped nothing.
    pub(super) failures: Vec<Failure>,
    /// The last line on the log stream.
    pub(super) last: String,
    /// Where the script said `break` or `quit`.
    pub(super) left: Option<(Place, String)>,
}

/// [`Told`], shared by the host, the commands and whoever asked for the load.
#[derive(Debug, Clone, Default)]
pub(super) struct Ear(Arc<Mutex<Told>>);

impl Ear {
    pub(super) fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs nothing, waits for nothing, and goes to a directory in its mind alone.
#[derive(Debug)]
pub(super) struct DryHost {
    directory: PathBuf,
    clock: Arc<dyn Clock>,
    ear: Ear,
    /// Whether a command was said to run that may have made a directory.
    ran: bool,
}

impl DryHost {
    pub(super) fn new(directory: PathBuf, clock: Arc<dyn Clock>, ear: Ear) -> Self {
        Self {
            directory,
            clock,
            ear,
            ran: false,
        }
    }
}

impl Host for DryHost {
    fn out(&mut self, text: &str) {
        if let Some(line) = text.lines().rfind(|line| !line.trim().is_empty()) {
            line.trim().clone_into(&mut self.ear.lock().last);
        }
    }

    fn err(&mut self, _: &str) {}

    fn failed(&mut self, failure: &Failure) {
        self.ear.lock().failures.push(failure.clone());
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn exec(&mut self, _: &str, _: Option<Duration>) -> io::Result<Ran> {
        self.ran = true;
        Ok(Ran::default())
    }

    fn capture(&mut self, command: &str) -> io::Result<Ran> {
        self.ran = true;
        let stdout = match command.trim() {
            "pwd" => format!("{}\n", self.directory.display()).into_bytes(),
            _ => Vec::new(),
        };
        Ok(Ran { code: 0, stdout })
    }

    fn pause(&mut self, _: Duration) {}

    fn directory(&self) -> PathBuf {
        self.directory.clone()
    }

    fn change_directory(&mut self, path: &Path) -> io::Result<()> {
        let path = self.directory.join(path);
        self.directory = match path.canonicalize() {
            Ok(found) => found,
            Err(_) if self.ran => path,
            Err(error) => return Err(error),
        };
        Ok(())
    }

    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}
