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

/// The first wait for one that is just being started; it doubles up to [`A_WHILE`].
const A_MOMENT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 5_000_000,
};

/// What is left of the marked processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Left {
    /// Nothing: all are gone.
    Nothing,
    /// So many, which hang in the kernel.
    Hanging(usize),
    /// Nobody knows: a process is still being started, and may have the mark.
    Unknown,
}

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
    match await_gone(|| look(is_mark), grace, None)? {
        Left::Nothing => Ok(()),
        Left::Hanging(_) | Left::Unknown => kill(is_mark).map(drop),
    }
}

/// Kills every marked process, and those they start meanwhile. What is left after a few seconds
/// all the same.
///
/// # Errors
/// What /proc or the kernel said.
pub fn kill(is_mark: IsMark<'_>) -> io::Result<Left> {
    await_gone(|| look(is_mark), PATIENCE, Some(Signal::KILL))
}

/// Looks until there is no marked process any more, at most for `patience`; sends `order` to each
/// that is seen.
fn await_gone(
    mut look: impl FnMut() -> io::Result<Look>,
    patience: Duration,
    order: Option<Signal>,
) -> io::Result<Left> {
    let begin = Instant::now();
    // An environment goes before the files and their locks do: whoever was seen has to end.
    let mut going: HashMap<Pid, OwnedFd> = HashMap::new();
    // One that is just being started is seen by its mark only a moment later.
    let mut looks_without = 0;
    let mut moment = A_MOMENT;
    loop {
        let look = look()?;
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
                return Ok(Left::Nothing);
            }
            continue;
        }
        looks_without = 0;
        if begin.elapsed() >= patience {
            return Ok(match going.len() {
                0 => Left::Unknown,
                count => Left::Hanging(count),
            });
        }
        let mut ends: Vec<PollFd<'_>> = going
            .values()
            .map(|process| PollFd::new(process, PollFlags::IN))
            .collect();
        let limit = if ends.is_empty() { moment } else { A_WHILE };
        moment.tv_nsec = (moment.tv_nsec * 2).min(A_WHILE.tv_nsec);
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
        match sight(pid, is_mark)? {
            Sight::Other => continue,
            Sight::Nascent => {
                nascent = true;
                continue;
            },
            Sight::Marked => {},
        }
        let process = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => process,
            Err(Errno::SRCH) => continue,
            Err(error) => return Err(error.into()),
        };
        // The handle may be of a later process with the same number.
        match sight(pid, is_mark)? {
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

fn sight(pid: Pid, is_mark: IsMark<'_>) -> io::Result<Sight> {
    let pid = pid.as_raw_nonzero();
    let Some(bytes) = seen(fs::read(format!("/proc/{pid}/environ")))? else {
        return Ok(Sight::Other);
    };
    if bytes.split(|b| *b == 0).any(is_mark) {
        return Ok(Sight::Marked);
    }
    // What has no program either is a zombie, or a thread of the kernel.
    if !bytes.is_empty() || fs::read_link(format!("/proc/{pid}/exe")).is_err() {
        return Ok(Sight::Other);
    }
    let stat = seen(fs::read_to_string(format!("/proc/{pid}/stat")))?;
    Ok(match stat {
        Some(stat) if is_without_environment(&stat) => Sight::Nascent,
        _ => Sight::Other,
    })
}

/// What a file of /proc says; nothing where the process is gone or somebody else's.
///
/// # Errors
/// Where this process is short of something, so that it would see nothing of any other.
pub(super) fn seen<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    const SHORT: [Errno; 3] = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];
    match read {
        Err(error)
            if SHORT
                .map(|e| Some(e.raw_os_error()))
                .contains(&error.raw_os_error()) =>
        {
            Err(error)
        },
        read => Ok(read.ok()),
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
        assert!((0..100_000).any(|_| sight(pid, &is_mark).unwrap() == Sight::Other));
        child.kill().unwrap();
        child.wait().unwrap();
        let fields: Vec<String> = (3..53).map(|n| (n % 51).to_string()).collect();
        let stat = format!("1 (a) b) {}", fields.join(" "));
        assert!(is_without_environment(&stat));
    }

    fn nascent(nascent: bool) -> Look {
        Look {
            members: Vec::new(),
            nascent,
        }
    }

    #[test]
    fn while_a_process_is_being_started_nobody_says_that_all_are_gone() {
        let left = await_gone(|| Ok(nascent(true)), Duration::ZERO, None).unwrap();
        assert_eq!(left, Left::Unknown);
        let mut looks = [true, true, false, true, false, false].into_iter();
        let look = || Ok(nascent(looks.next().unwrap()));
        let left = await_gone(look, Duration::MAX, None).unwrap();
        assert_eq!((left, looks.next()), (Left::Nothing, None));
    }

    #[test]
    fn who_cannot_look_does_not_say_that_all_are_gone() {
        let short = io::Error::from(Errno::MFILE);
        assert!(seen::<()>(Err(short)).is_err());
        let gone = io::Error::from(Errno::SRCH);
        assert_eq!(seen::<()>(Err(gone)).unwrap(), None);
        assert_eq!(seen(Ok(1)).unwrap(), Some(1));
    }
}
