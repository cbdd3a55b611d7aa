//! The machine as scripts see it: its shell and its files, with the session's own streams.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};

use super::outlet::Outlet;
use crate::{
    engine::clock::Clock,
    opihi::{Host, Ran, SystemHost},
};

/// [`SystemHost`], whose text goes to an [`Outlet`].
#[derive(Debug)]
pub(super) struct Machine {
    system: SystemHost,
    outlet: Outlet,
}

impl Machine {
    /// A machine in the process's directory.
    ///
    /// # Errors
    /// Where that directory cannot be told.
    pub(super) fn new(clock: Arc<dyn Clock>, outlet: Outlet) -> io::Result<Self> {
        Ok(Self {
            system: SystemHost::new(move || clock.now())?,
            outlet,
        })
    }
}

impl Host for Machine {
    fn out(&mut self, text: &str) {
        self.outlet.out(text);
    }

    fn err(&mut self, text: &str) {
        self.outlet.err(text);
    }

    fn now(&self) -> Timestamp {
        self.system.now()
    }

    fn zone(&self) -> TimeZone {
        self.system.zone()
    }

    fn exec(&mut self, command: &str, timeout: Option<Duration>) -> io::Result<Ran> {
        self.system.exec(command, timeout)
    }

    fn capture(&mut self, command: &str) -> io::Result<Ran> {
        self.system.capture(command)
    }

    fn pause(&mut self, time: Duration) {
        self.system.pause(time);
    }

    fn directory(&self) -> PathBuf {
        self.system.directory()
    }

    fn change_directory(&mut self, path: &Path) -> io::Result<()> {
        self.system.change_directory(path)
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.system.environment(name)
    }
}
