//! One process of a job from its start to its end, with its output on a pipe.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::process::{CommandExt as _, ExitStatusExt as _},
    },
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    pipe::{PipeFlags, pipe_with},
    process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open},
};
use wait4::Wait4 as _;

use super::excerpt::Excerpt;

/// Time that a process has to end after it was asked to, as with `timeout -k 10`.
const GRACE_AFTER_LIMIT: Duration = Duration::from_secs(10);
/// The same at the allocation's end, where time is short.
const GRACE_AFTER_STOP: Duration = Duration::from_secs(5);
/// How often, and how far apart, a start is tried while there are too many processes.
const STARTS: u32 = 20;
const START_PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepEnd {
    /// By itself: its exit code, 128 + N for signal N.
    Exited(i32),
    /// It was ended at the time limit.
    TimedOut,
    /// It was ended because it was to stop.
    Stopped,
}

/// What a process used, with the children it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Used {
    /// User and system time.
    pub(super) cpu: Duration,
    /// Peak resident memory in KiB.
    pub(super) peak_kib: u64,
}

/// A process to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'a> {
    /// Where its program is.
    pub(super) program: &'a Path,
    /// The name it is called by.
    pub(super) name: &'a OsStr,
    /// Its arguments.
    pub(super) arguments: &'a [OsString],
    /// Where it runs; where this process runs if `None`.
    pub(super) directory: Option<&'a Path>,
    /// When it is to be over.
    pub(super) deadline: Option<Instant>,
}

impl Step<'_> {
    /// Runs it. `stop` is readable when it is to be ended. What it says goes to `output`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(super) fn run(
        &self,
        output: &mut Excerpt,
        stop: BorrowedFd<'_>,
    ) -> io::Result<(StepEnd, Used)> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        let child = self.spawn_patiently(write, stop)?;
        let running = Running::new(child, read)?;
        running.follow(output, stop, self.deadline)
    }

    fn spawn_patiently(&self, write: OwnedFd, stop: BorrowedFd<'_>) -> io::Result<Child> {
        let mut command = self.command(write)?;
        let mut starts = 1;
        loop {
            match command.spawn() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && starts < STARTS => {
                    starts += 1;
                    let mut stop = [PollFd::new(&stop, PollFlags::IN)];
                    if poll(&mut stop, Some(&START_PAUSE)).is_ok_and(|ready| ready > 0) {
                        return Err(error);
                    }
                },
                spawned => return spawned,
            }
        }
    }

    fn command(&self, write: OwnedFd) -> io::Result<Command> {
        let mut command = Command::new(self.program);
        if let Some(directory) = self.directory {
            command.current_dir(directory);
        }
        command
            .arg0(self.name)
            .args(self.arguments)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::from(write.try_clone()?))
            .stderr(Stdio::from(write));
        Ok(command)
    }
}

/// Bytes read at most after a child has ended: the most that a pipe holds.
const REST: usize = 1 << 20;

/// A child that leads its own process group, and the end of the pipe that it writes to.
struct Running {
    child: Child,
    group: Option<Pid>,
    ended: OwnedFd,
    output: OwnedFd,
}

impl Running {
    fn new(mut child: Child, output: OwnedFd) -> io::Result<Self> {
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let watched = group
            .ok_or(Errno::SRCH)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
        match watched {
            Ok(ended) => Ok(Self {
                child,
                group,
                ended,
                output,
            }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error.into())
            },
        }
    }

    fn follow(
        self,
        excerpt: &mut Excerpt,
        stop: BorrowedFd<'_>,
        mut deadline: Option<Instant>,
    ) -> io::Result<(StepEnd, Used)> {
        let mut buffer = vec![0; 1 << 14];
        let mut why = None;
        let mut is_open = true;
        loop {
            let seen = self.wait(stop, why.is_none(), is_open, deadline)?;
            if seen.output {
                is_open = self.read(&mut buffer, excerpt)?;
            }
            if seen.ended {
                break;
            }
            let due = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            let (end, grace) = if seen.stop {
                (StepEnd::Stopped, GRACE_AFTER_STOP)
            } else if due {
                (StepEnd::TimedOut, GRACE_AFTER_LIMIT)
            } else {
                continue;
            };
            if why.is_none() {
                self.signal(Signal::TERM);
                why = Some(end);
                deadline = Some(Instant::now() + grace);
            } else {
                self.signal(Signal::KILL);
                deadline = None;
            }
        }
        if why.is_some() {
            // Its number stays taken until it is waited for, so the rest can still be told.
            self.signal(Signal::KILL);
        }
        // What it left behind may write for ever.
        for _ in 0..REST / buffer.len() {
            if !is_open || !self.has_output()? {
                break;
            }
            is_open = self.read(&mut buffer, excerpt)?;
        }
        let used = self.child.wait4()?;
        let end = why.unwrap_or_else(|| {
            let code = used.status.code();
            let signal = used.status.signal().unwrap_or_default();
            StepEnd::Exited(code.unwrap_or(128 + signal))
        });
        let used = Used {
            cpu: used.rusage.utime + used.rusage.stime,
            peak_kib: used.rusage.maxrss / 1024,
        };
        Ok((end, used))
    }

    fn wait(
        &self,
        stop: BorrowedFd<'_>,
        heed_stop: bool,
        is_open: bool,
        deadline: Option<Instant>,
    ) -> io::Result<Seen> {
        let limit = deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            }
        });
        let flags = |wanted| {
            if wanted {
                PollFlags::IN
            } else {
                PollFlags::empty()
            }
        };
        // A pipe without a writer is always ready.
        let output = if is_open { &self.output } else { &self.ended };
        let mut ready = [
            PollFd::new(&self.ended, PollFlags::IN),
            PollFd::new(&stop, flags(heed_stop)),
            PollFd::new(output, flags(is_open)),
        ];
        match poll(&mut ready, limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {},
            Err(error) => return Err(error.into()),
        }
        let [ended, stop, output] = ready.map(|fd| !fd.revents().is_empty());
        Ok(Seen {
            ended,
            stop: stop && heed_stop,
            output: output && is_open,
        })
    }

    fn has_output(&self) -> io::Result<bool> {
        let mut ready = [PollFd::new(&self.output, PollFlags::IN)];
        Ok(poll(&mut ready, Some(&Timespec::default()))? > 0)
    }

    /// Reads what is there; `false` once nobody writes any more.
    fn read(&self, buffer: &mut [u8], excerpt: &mut Excerpt) -> io::Result<bool> {
        match rustix::io::read(self.output.as_fd(), &mut *buffer) {
            Ok(0) => Ok(false),
            Ok(count) => {
                excerpt.add(buffer.get(..count).unwrap_or_default());
                Ok(true)
            },
            Err(Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // A group that is gone needs no signal.
            kill_process_group(group, signal).unwrap_or_default();
        }
    }
}

/// What a wait saw.
struct Seen {
    ended: bool,
    stop: bool,
    output: bool,
}
