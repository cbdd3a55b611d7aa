//! What the language asks of the program around it: streams, time, commands of the machine.

use std::{
    io::{self, BufRead as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use jiff::{Timestamp, Zoned, tz::TimeZone};

use super::error::Failure;

/// How a command of the machine ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code; 128 + n where signal n ended it.
    pub code: i32,
    /// What it printed, where that was asked for.
    pub stdout: Vec<u8>,
}

/// The program around an [`super::Interpreter`].
pub trait Host: Send {
    /// Takes text for the log stream.
    fn out(&mut self, text: &str);

    /// Takes text for the error stream.
    fn err(&mut self, text: &str);

    /// Learns of a failure that stops nothing and that the error stream is told of.
    fn failed(&mut self, _failure: &Failure) {}

    /// The time now.
    fn now(&self) -> Timestamp;

    /// The zone that `date` prints.
    fn zone(&self) -> TimeZone {
        TimeZone::UTC
    }

    /// Runs `command` by the shell and waits for it, its streams going where the host's go
    /// (`exec`, `!`).
    fn exec(&mut self, command: &str, timeout: Option<Duration>) -> io::Result<Ran>;

    /// Runs `command` by `/bin/sh` and returns what it printed (back-ticks, `list -x`,
    /// `queueload -x`).
    fn capture(&mut self, command: &str) -> io::Result<Ran>;

    /// Waits; a host may cut it short.
    fn pause(&mut self, time: Duration);

    /// The directory that relative paths start from.
    fn directory(&self) -> PathBuf;

    /// Makes `path` that directory.
    fn change_directory(&mut self, path: &Path) -> io::Result<()>;

    /// The path that a script means by a file's name; an error where it may not have the file.
    fn path(&self, name: &str) -> io::Result<PathBuf> {
        Ok(self.directory().join(name))
    }

    /// A variable of the environment.
    fn environment(&self, name: &str) -> Option<String>;

    /// The next line that is typed (`wait`, `scan stdin`); none at the end.
    fn read_line(&mut self) -> Option<String> {
        None
    }

    /// The value of an entry of the configuration.
    fn config(&self, _key: &str) -> Option<String> {
        None
    }

    /// Reads the configuration anew (`config`).
    fn reload_config(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// The lines that were typed, oldest first.
    fn history(&self) -> Vec<String> {
        Vec::new()
    }

    /// What the program calls itself, and its version.
    fn name_and_version(&self) -> (String, String) {
        let name = env!("CARGO_PKG_NAME").to_owned();
        (name, env!("CARGO_PKG_VERSION").to_owned())
    }
}

/// The machine itself: the process's own streams and the shell.
pub struct SystemHost {
    now: Box<dyn Fn() -> Timestamp + Send>,
    directory: PathBuf,
}

impl std::fmt::Debug for SystemHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SystemHost")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

impl SystemHost {
    /// A host in the process's directory whose time is `now`.
    ///
    /// # Errors
    /// Where the process's directory cannot be told.
    pub fn new(now: impl Fn() -> Timestamp + Send + 'static) -> io::Result<Self> {
        Ok(Self {
            now: Box::new(now),
            directory: std::env::current_dir()?,
        })
    }

    fn shell(&self, shell: &str, command: &str) -> Command {
        let mut shell = Command::new(shell);
        shell.arg("-c").arg(command).current_dir(&self.directory);
        shell
    }
}

fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

impl Host for SystemHost {
    fn out(&mut self, text: &str) {
        // A closed terminal is no reason to stop a scheduler.
        drop(io::stdout().lock().write_all(text.as_bytes()));
    }

    fn err(&mut self, text: &str) {
        drop(io::stderr().lock().write_all(text.as_bytes()));
    }

    fn now(&self) -> Timestamp {
        (self.now)()
    }

    fn zone(&self) -> TimeZone {
        Zoned::new(self.now(), TimeZone::system())
            .time_zone()
            .clone()
    }

    fn exec(&mut self, command: &str, timeout: Option<Duration>) -> io::Result<Ran> {
        let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned());
        let mut child = self.shell(&shell, command).spawn()?;
        let Some(timeout) = timeout else {
            return Ok(Ran {
                code: code(child.wait()?),
                stdout: Vec::new(),
            });
        };
        let begun = std::time::Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Ran {
                    code: code(status),
                    stdout: Vec::new(),
                });
            }
            if begun.elapsed() >= timeout {
                child.kill()?;
                child.wait()?;
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn capture(&mut self, command: &str) -> io::Result<Ran> {
        let output = self
            .shell("/bin/sh", command)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()?;
        Ok(Ran {
            code: code(output.status),
            stdout: output.stdout,
        })
    }

    fn pause(&mut self, time: Duration) {
        let begun = std::time::Instant::now();
        while let Some(left) = time.checked_sub(begun.elapsed()).filter(|l| !l.is_zero()) {
            std::thread::park_timeout(left);
        }
    }

    fn directory(&self) -> PathBuf {
        self.directory.clone()
    }

    fn change_directory(&mut self, path: &Path) -> io::Result<()> {
        self.directory = self.directory.join(path).canonicalize()?;
        Ok(())
    }

    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end_matches(['\n', '\r']).to_owned())
    }
}
