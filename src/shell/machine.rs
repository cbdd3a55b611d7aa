//! The machine as scripts see it: its shell and its files, with the session's own streams.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};

use super::{options::Options, outlet::Outlet, settings::Settings};
use crate::{
    engine::clock::Clock,
    opihi::{Host, Ran, SystemHost},
};

/// The program around a session, as far as scripts can ask for it.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// What the program calls itself.
    pub name: &'static str,
    /// Its command line, by which its settings are read anew.
    pub options: Options,
    /// Its settings.
    pub settings: Settings,
    /// The file with the lines that were typed.
    pub history: Option<PathBuf>,
    /// Whether `wait` and `scan stdin` may read standard input: nobody else does.
    pub reads: bool,
}

/// [`SystemHost`], whose text goes to an [`Outlet`].
#[derive(Debug)]
pub struct Machine {
    system: SystemHost,
    outlet: Outlet,
    around: Surroundings,
}

impl Machine {
    /// A machine in the process's directory.
    ///
    /// # Errors
    /// Where that directory cannot be told.
    pub fn new(clock: Arc<dyn Clock>, outlet: Outlet, around: Surroundings) -> io::Result<Self> {
        Ok(Self {
            system: SystemHost::new(move || clock.now())?,
            outlet,
            around,
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

    fn read_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.around.reads && io::stdin().read_line(&mut line).ok()? > 0;
        read.then(|| line.trim_end_matches('\n').to_owned())
    }

    /// A value that leads nowhere is none; the program has told of it when it started.
    fn config(&self, key: &str) -> Option<String> {
        self.around.settings.get(key).ok().flatten()
    }

    fn reload_config(&mut self) -> io::Result<()> {
        self.around.settings = Settings::of(&self.around.options).map_err(io::Error::other)?;
        Ok(())
    }

    fn history(&self) -> Vec<String> {
        let path = self.around.history.as_ref();
        let text = path.and_then(|path| std::fs::read_to_string(path).ok());
        let lines = text.iter().flat_map(|text| text.lines());
        // The first line is the editor's own mark.
        lines
            .filter(|line| !line.starts_with("#V"))
            .map(str::to_owned)
            .collect()
    }

    fn name_and_version(&self) -> (String, String) {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        (self.around.name.to_owned(), version)
    }
}
