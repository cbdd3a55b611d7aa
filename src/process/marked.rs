//! Processes that are told by an entry of their environment, which their children inherit
//! however they detach themselves.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs, io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal},
};

/// Time that killed processes have to disappear.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest wait for one of them to end before all are looked for again.
const A_WHILE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// The wait for one that is just being started.
const A_MOMENT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 5_000_000,
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
    // An environment goes before the files and their locks do: whoever was seen has to end.
    let mut going: HashMap<Pid, OwnedFd> = HashMap::new();
    // One that is just being started is seen by its mark only a moment later.
    let mut looks_without = 0;
    loop {
        let look = look(is_mark)?;
        going.retain(|_, process| !has_ended(process));
        for (pid, process) in look.members {
            if let Some(order) = order {
                signal(&process, order)?;
            }
            going.insert(pid, process);
        }
        if going.is_empty() && !look.nascent {
            looks_without += 1;
            if looks_without == 2 {
                return Ok(0);
            }
            continue;
        }
        looks_without = 0;
        if begin.elapsed() >= patience {
            return Ok(going.len());
        }
        let mut ends: Vec<PollFd<'_>> = going
            .values()
            .map(|process| PollFd::new(process, PollFlags::IN))
            .collect();
        let limit = if ends.is_empty() { A_MOMENT } else { A_WHILE };
        match poll(&mut ends, Some(&limit)) {
            // A child that ends is a signal, too.
            Ok(_) | Err(Errno::INTR) => {},
            Err(error) => return Err(error.into()),
        }
    }
}

/// The living marked processes, without this one.
///
/// # Errors
/// What /proc said.
pub fn members(is_mark: IsMark<'_>) -> io::Result<Vec<OwnedFd>> {
    let members = look(is_mark)?.members.into_iter();
    Ok(members.map(|(_, process)| process).collect())
}

/// What is seen at one time.
struct Look {
    members: Vec<(Pid, OwnedFd)>,
    /// Some process has no environment yet.
    nascent: bool,
}

fn look(is_mark: IsMark<'_>) -> io::Result<Look> {
    let (mut members, mut nascent) = (Vec::new(), false);
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = pid_of(&name).filter(|pid| *pid != getpid()) else {
            continue;
        };
        match sight(pid, is_mark) {
            Sight::Other => continue,
            Sight::Nascent => {
                nascent = true;
                continue;
            },
            Sight::Marked => {},
        }
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        // The handle may be of a later process with the same number.
        match sight(pid, is_mark) {
            Sight::Marked => members.push((pid, process)),
            Sight::Nascent => nascent = true,
            Sight::Other => {},
        }
    }
    Ok(Look { members, nascent })
}

fn has_ended(process: &OwnedFd) -> bool {
    let mut end = [PollFd::new(process, PollFlags::IN)];
    poll(&mut end, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Signals a process that may have ended meanwhile.
///
/// # Errors
/// Where it may not be signalled.
pub fn signal(process: &OwnedFd, signal: Signal) -> io::Result<()> {
    match pidfd_send_signal(process, signal) {
        Err(error) if error != Errno::SRCH => Err(error.into()),
        _ => Ok(()),
    }
}

fn pid_of(name: &OsStr) -> Option<Pid> {
    Pid::from_raw(name.to_str()?.parse().ok()?)
}

/// What a process looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    Marked,
    /// Another program is being put into it, perhaps from a slow disk: it had an environment, and
    /// will have one.
    Nascent,
    Other,
}

fn sight(pid: Pid, is_mark: IsMark<'_>) -> Sight {
    let pid = pid.as_raw_nonzero();
    match fs::read(format!("/proc/{pid}/environ")) {
        Ok(bytes) if bytes.split(|b| *b == 0).any(is_mark) => Sight::Marked,
        // What has no program either is a zombie, or a thread of the kernel.
        Ok(bytes)
            if bytes.is_empty()
                && fs::read_link(format!("/proc/{pid}/exe")).is_ok()
                && fs::read_to_string(format!("/proc/{pid}/stat"))
                    .is_ok_and(|stat| is_without_environment(&stat)) =>
        {
            Sight::Nascent
        },
        _ => Sight::Other,
    }
}

/// Whether the end of the environment has no address (proc(5), field 51): an empty one has.
fn is_without_environment(stat: &str) -> bool {
    // The name in parentheses, field 2, may have anything in it.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    fields.split(' ').nth(51 - 3) == Some("0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_an_environment_though_it_be_empty() {
        let own = fs::read_to_string("/proc/self/stat").unwrap();
        assert!(!is_without_environment(&own));
        let mut command = std::process::Command::new("/bin/sleep");
        let mut child = command.arg("60").env_clear().spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        let is_mark = |_: &[u8]| false;
        assert!((0..100_000).any(|_| sight(pid, &is_mark) == Sight::Other));
        child.kill().unwrap();
        child.wait().unwrap();
        let fields: Vec<String> = (3..53).map(|n| (n % 51).to_string()).collect();
        let stat = format!("1 (a) b) {}", fields.join(" "));
        assert!(is_without_environment(&stat));
    }
}
