//! The guard beside an agent: it ends the agent's jobs when the agent dies, or when the agent has
//! heard nothing from its controller for too long (the fence).
//!
//! It is a process of its own, because an agent that is killed or stopped can end nothing. The
//! agent writes to it until when it may live; the end of the pipe is the agent's end.

use std::{
    fs::File,
    io::{self, Write as _},
    process::Stdio,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, kill_process, setsid},
    time::{ClockId, clock_gettime},
};
use tokio::process::{Child, Command};

use super::mark::Mark;
use crate::process::marked::{self, Left};

/// The first argument of a guard.
pub(super) const ARGUMENT: &str = "--guard";

/// Longest wait for a job to run its program, which its agent was starting when it was killed,
/// before all are looked for again.
const LAST_START: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// The first and the longest pause before jobs that could not be killed are looked for again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// A point of the time since the machine was booted, its sleep included: jobs on other machines
/// go on while this one sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(Duration);

impl Moment {
    pub(super) fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanoseconds = u32::try_from(now.tv_nsec).unwrap_or(0);
        Self(Duration::new(seconds, nanoseconds))
    }

    pub(super) fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    fn until(self, later: Self) -> Duration {
        later.0.saturating_sub(self.0)
    }

    fn bytes(self) -> [u8; 8] {
        let milliseconds = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        milliseconds.to_le_bytes()
    }

    fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(Duration::from_millis(u64::from_le_bytes(bytes)))
    }
}

/// An agent's hold on its guard.
#[derive(Debug)]
pub(super) struct Guard {
    child: Child,
    pipe: File,
}

impl Guard {
    /// Starts a guard for this process and the jobs with this mark. Until [`Self::extend`] is
    /// called there is no fence.
    pub(super) fn start(mark: &Mark) -> io::Result<Self> {
        let (name, value) = mark.entry();
        let mut child = Command::new("/proc/self/exe")
            .arg0("pclient")
            .args([ARGUMENT, &value, &std::process::id().to_string()])
            .env(name, &value)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // With its own end of the pipe closed it would look for jobs that are not there.
            .kill_on_drop(true)
            .spawn()?;
        let pipe = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let pipe = pipe.into_owned_fd()?.into();
        Ok(Self { child, pipe })
    }

    /// The agent may live until then.
    pub(super) fn extend(&mut self, until: Moment) -> io::Result<()> {
        self.pipe.write_all(&until.bytes())
    }

    /// Waits until the guard is dead.
    pub(super) async fn died(&mut self) {
        drop(self.child.wait().await);
    }
}

/// Runs as a guard, with the words behind [`ARGUMENT`].
pub(super) fn main(words: &[String]) -> Option<()> {
    let [mark, agent] = words else { return None };
    let agent = Pid::from_raw(agent.parse().ok()?)?;
    // It fails only where it leads a session already.
    if let Err(error) = setsid() {
        eprintln!("no session of its own: {error}");
    }
    let mark = Mark::of_value(mark);
    let mut alone = watch() == Watched::Dead;
    if !alone {
        // The agent holds the pipe, so the number is still its own.
        kill_process(agent, Signal::KILL).unwrap_or_default();
    }
    let mut pause = FIRST_PAUSE;
    loop {
        // It ends when all are gone, or by a later agent, which takes this over.
        let left = marked::kill(&|entry| mark.is(entry));
        match (left, alone) {
            (Ok(Left::Nothing), true) => return Some(()),
            (Ok(Left::Nothing), false) => {},
            (Ok(Left::Hanging(_) | Left::Unknown) | Err(_), _) => {
                std::thread::park_timeout(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            },
        }
        alone = alone || await_end();
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Watched {
    /// The agent is dead.
    Dead,
    /// The agent has heard nothing for too long.
    Expired,
}

/// Waits for the end of the agent or of its time.
fn watch() -> Watched {
    let stdin = rustix::stdio::stdin();
    let mut until = None::<Moment>;
    loop {
        let left = until.map(|until| Moment::now().until(until));
        if left.is_some_and(|left| left.is_zero()) {
            return Watched::Expired;
        }
        let left = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], left.as_ref()) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {},
            Err(_) => return Watched::Dead,
        }
        // Each moment is written at once, and only the last one counts.
        let mut bytes = [0; 8 * 64];
        match rustix::io::read(stdin, &mut bytes) {
            Ok(0) => return Watched::Dead,
            Ok(read) => {
                let come = bytes.get(..read).unwrap_or_default();
                until = come.as_chunks().0.last().copied().map(Moment::from_bytes);
            },
            Err(rustix::io::Errno::INTR) => {},
            Err(_) => return Watched::Dead,
        }
    }
}

/// Waits a while until nobody holds the other end of the pipe, and says whether it is so: a job
/// that the agent was just starting has it, and no mark, until it runs its program.
fn await_end() -> bool {
    let stdin = rustix::stdio::stdin();
    let mut bytes = [0; 8 * 64];
    while poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&LAST_START)) == Ok(1) {
        match rustix::io::read(stdin, &mut bytes) {
            Ok(0) => return true,
            Ok(_) => {},
            Err(_) => return false,
        }
    }
    false
}
