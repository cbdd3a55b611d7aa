//! Processes that are told by an entry of their environment, which their children inherit
//! however they detach themselves.

use std::{
    ffi::OsStr,
    fs, io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal},
};

/// Time that killed processes have to disappear.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest wait for one of them to end before all are looked for again.
const A_WHILE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Whether an entry of the environment, `NAME=value`, is the mark.
pub type IsMark<'a> = &'a dyn Fn(&[u8]) -> bool;

/// Asks every marked process to end, gives them `grace` to do so, and kills the rest. One that
/// cleared its environment escapes.
///
/// # Errors
/// What /proc or the kernel said.
pub fn end(is_mark: IsMark<'_>, grace: Duration) -> io::Result<()> {
    for member in members(is_mark)? {
        signal(&member, Signal::TERM)?;
    }
    await_gone(is_mark, grace, None)?;
    kill(is_mark).map(drop)
}

/// Kills every marked process, and those they start meanwhile. How many are left all the same:
/// they hang in the kernel.
///
/// # Errors
/// What /proc or the kernel said.
pub fn kill(is_mark: IsMark<'_>) -> io::Result<usize> {
    await_gone(is_mark, PATIENCE, Some(Signal::KILL))
}

/// Waits until there is no marked process any more, at most for `patience`; sends `order` to each
/// that is seen.
fn await_gone(is_mark: IsMark<'_>, patience: Duration, order: Option<Signal>) -> io::Result<usize> {
    let begin = Instant::now();
    // One that is just being started is seen by its mark only a moment later.
    let mut looks_without = 0;
    loop {
        let members = members(is_mark)?;
        if members.is_empty() {
            looks_without += 1;
            if looks_without == 2 {
                return Ok(0);
            }
            continue;
        }
        looks_without = 0;
        if begin.elapsed() >= patience {
            return Ok(members.len());
        }
        if let Some(order) = order {
            for member in &members {
                signal(member, order)?;
            }
        }
        let mut ends: Vec<PollFd<'_>> = members
            .iter()
            .map(|member| PollFd::new(member, PollFlags::IN))
            .collect();
        poll(&mut ends, Some(&A_WHILE))?;
    }
}

/// The living marked processes, without this one.
///
/// # Errors
/// What /proc said.
pub fn members(is_mark: IsMark<'_>) -> io::Result<Vec<OwnedFd>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = pid_of(&name).filter(|pid| *pid != getpid()) else {
            continue;
        };
        if !is_marked(pid, is_mark) {
            continue;
        }
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        // The handle may be of a later process with the same number.
        if is_marked(pid, is_mark) {
            found.push(handle);
        }
    }
    Ok(found)
}

/// Signals a process that may have ended meanwhile.
///
/// # Errors
/// Where it may not be signalled.
pub fn signal(process: &OwnedFd, signal: Signal) -> io::Result<()> {
    match pidfd_send_signal(process, signal) {
        Err(error) if error != rustix::io::Errno::SRCH => Err(error.into()),
        _ => Ok(()),
    }
}

fn pid_of(name: &OsStr) -> Option<Pid> {
    Pid::from_raw(name.to_str()?.parse().ok()?)
}

fn is_marked(pid: Pid, is_mark: IsMark<'_>) -> bool {
    let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()));
    environment.is_ok_and(|bytes| bytes.split(|b| *b == 0).any(is_mark))
}
