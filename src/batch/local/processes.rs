//! Processes of a job and of its supervisor, told apart from others that got their number.

use std::{fs, io, os::unix::ffi::OsStrExt as _, path::Path, time::Duration};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use serde::{Deserialize, Serialize};

use crate::process::marked;

/// Environment variable that every process of a job inherits; its value is the job's directory.
pub(super) const MARK: &str = "OUTRIGGER_LOCAL_JOB";

/// A process, by its number, its start and the boot of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessId {
    pid: i32,
    start: u64,
    boot: String,
}

impl ProcessId {
    /// This process.
    pub(super) fn own() -> io::Result<Self> {
        Self::of(std::process::id().cast_signed())
    }

    fn of(pid: i32) -> io::Result<Self> {
        let line = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let start = start_time(&line).ok_or_else(|| io::Error::other("unknown form of stat"))?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        Ok(Self {
            pid,
            start,
            boot: boot.trim().to_owned(),
        })
    }

    /// Sends `signal` if the process still lives.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return Ok(());
        };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            return Ok(());
        };
        if Self::of(self.pid).is_ok_and(|now| now == *self) {
            marked::signal(&handle, signal)?;
        }
        Ok(())
    }
}

/// Field 22 of `/proc/PID/stat`; the second field may hold blanks and parentheses.
fn start_time(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Asks every process of the job in `directory` to end, whatever group or session it went to,
/// gives them `grace` to do so, and kills the rest. One that cleared its environment escapes.
pub(super) fn end_job(directory: &Path, grace: Duration) -> io::Result<()> {
    marked::end(&of_job(directory), grace)
}

/// Kills every process of the job in `directory`, and those they start meanwhile.
pub(super) fn kill_job(directory: &Path) -> io::Result<()> {
    marked::kill(&of_job(directory)).map(drop)
}

fn of_job(directory: &Path) -> impl Fn(&[u8]) -> bool {
    let mark = [MARK.as_bytes(), b"=", directory.as_os_str().as_bytes()].concat();
    move |entry| entry == mark
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_start_time_is_read_past_a_strange_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 2 3";
        assert_eq!(start_time(stat), Some(4711));
        assert_eq!(start_time("nonsense"), None);
    }

    #[test]
    fn another_process_with_the_same_number_is_spared() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let seen = ProcessId::of(child.id().cast_signed()).unwrap();
        let reused = ProcessId {
            start: seen.start - 1,
            ..seen.clone()
        };
        reused.signal(Signal::KILL).unwrap();
        assert_eq!(child.try_wait().unwrap(), None);
        seen.signal(Signal::KILL).unwrap();
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn a_job_is_killed_with_what_left_its_session() {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "setsid sleep 600 & echo $!; wait"])
            .env(MARK, directory.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut other = Command::new("sleep").arg("600").spawn().unwrap();
        kill_job(directory.path()).unwrap();
        assert!(!child.wait().unwrap().success());
        let is_of_job = of_job(directory.path());
        assert!(marked::members(&is_of_job).unwrap().is_empty());
        assert_eq!(other.try_wait().unwrap(), None);
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
