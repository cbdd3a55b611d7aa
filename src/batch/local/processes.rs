//! Processes of a job and of its supervisor, told apart from others that got their number.

use std::{
    ffi::OsStr,
    fs, io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use serde::{Deserialize, Serialize};

/// Environment variable that every process of a job inherits; its value is the job's directory.
pub(super) const MARK: &str = "OUTRIGGER_LOCAL_JOB";

/// Time that killed processes have to disappear.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest wait for one of them to end before all are looked for again.
const A_WHILE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

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
            signal_member(&handle, signal)?;
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
    for member in members(directory)? {
        signal_member(&member, Signal::TERM)?;
    }
    await_gone(directory, grace, None)?;
    kill_job(directory)
}

/// Kills every process of the job in `directory`, and those they start meanwhile.
pub(super) fn kill_job(directory: &Path) -> io::Result<()> {
    await_gone(directory, PATIENCE, Some(Signal::KILL))
}

/// Waits until the job has no process any more, at most for `patience`; sends `signal` to each
/// that is seen.
fn await_gone(directory: &Path, patience: Duration, signal: Option<Signal>) -> io::Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < patience {
        let members = members(directory)?;
        if members.is_empty() {
            break;
        }
        if let Some(signal) = signal {
            for member in &members {
                signal_member(member, signal)?;
            }
        }
        let mut ends: Vec<PollFd<'_>> = members
            .iter()
            .map(|member| PollFd::new(member, PollFlags::IN))
            .collect();
        poll(&mut ends, Some(&A_WHILE))?;
    }
    Ok(())
}

/// The living processes of the job in `directory`.
fn members(directory: &Path) -> io::Result<Vec<OwnedFd>> {
    let mark = [MARK.as_bytes(), b"=", directory.as_os_str().as_bytes()].concat();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = pid_of(&name) else { continue };
        if !is_marked(pid, &mark) {
            continue;
        }
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        // The handle may be of a later process with the same number.
        if is_marked(pid, &mark) {
            found.push(handle);
        }
    }
    Ok(found)
}

/// Signals a process that may have ended meanwhile.
fn signal_member(member: &OwnedFd, signal: Signal) -> io::Result<()> {
    match pidfd_send_signal(member, signal) {
        Err(error) if error != rustix::io::Errno::SRCH => Err(error.into()),
        _ => Ok(()),
    }
}

fn pid_of(name: &OsStr) -> Option<Pid> {
    Pid::from_raw(name.to_str()?.parse().ok()?)
}

fn is_marked(pid: Pid, mark: &[u8]) -> bool {
    let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()));
    environment.is_ok_and(|bytes| bytes.split(|b| *b == 0).any(|entry| entry == mark))
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
        assert!(members(directory.path()).unwrap().is_empty());
        assert_eq!(other.try_wait().unwrap(), None);
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
