//! Runs the tasks: one thread a slot, each task in a process group of its own.

use std::{
    io,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicI32, AtomicU8, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::{
    config::Step,
    slots::{Slot, Slots},
};

/// How long a thread keeps its slot over several short tasks before it queues again.
const SLICE: Duration = Duration::from_millis(250);

/// Exit code that stands for a program that cannot be started, as with srun.
const NOT_STARTED: u8 = 2;

/// The tasks and the threads that run them.
#[derive(Debug)]
pub(super) struct Pool {
    steps: Vec<Step>,
    next: AtomicUsize,
    slots: Slots,
    /// Process group of each thread's task, 0 between tasks. Changes only under a read lock of
    /// `stopping`, so that whoever holds the write lock signals living groups only.
    groups: Vec<AtomicI32>,
    stopping: RwLock<bool>,
    /// Highest exit code so far.
    pub(super) highest: AtomicU8,
}

impl Pool {
    pub(super) fn new(steps: Vec<Step>, slots: Slots) -> Self {
        let threads = steps.len().min(slots.count() as usize);
        Self {
            steps,
            next: AtomicUsize::new(0),
            slots,
            groups: (0..threads).map(|_| AtomicI32::new(0)).collect(),
            stopping: RwLock::new(false),
            highest: AtomicU8::new(0),
        }
    }

    /// Runs every task and returns when the last one is over.
    pub(super) fn run(&self) {
        std::thread::scope(|scope| {
            for group in &self.groups {
                scope.spawn(|| {
                    if let Err(error) = self.work(group) {
                        eprintln!("outrigger launch: cannot take a slot: {error}");
                        self.highest.fetch_max(1, Ordering::SeqCst);
                    }
                });
            }
        });
    }

    /// Starts no further task, and sends `signal` to those that run.
    pub(super) fn stop(&self, signal: Signal) {
        let mut stopping = self
            .stopping
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *stopping = true;
        if self.next.load(Ordering::SeqCst) < self.steps.len() {
            let code = u8::try_from(128 + signal.as_raw()).unwrap_or(u8::MAX);
            self.highest.fetch_max(code, Ordering::SeqCst);
        }
        for group in &self.groups {
            if let Some(pid) = Pid::from_raw(group.load(Ordering::SeqCst))
                && let Err(error) = kill_process_group(pid, signal)
            {
                eprintln!("outrigger launch: cannot signal process group {pid}: {error}");
            }
        }
        self.slots.close();
    }

    fn work(&self, group: &AtomicI32) -> io::Result<()> {
        let mut held: Option<(Slot, Instant)> = None;
        loop {
            if held
                .as_ref()
                .is_none_or(|(_, since)| since.elapsed() > SLICE)
            {
                drop(held.take());
                match self.slots.take()? {
                    Some(slot) => held = Some((slot, Instant::now())),
                    None => return Ok(()),
                }
            }
            let place = self.next.fetch_add(1, Ordering::SeqCst);
            let Some(step) = self.steps.get(place) else {
                return Ok(());
            };
            let Some(code) = self.task(step, group) else {
                return Ok(());
            };
            self.highest.fetch_max(code, Ordering::SeqCst);
        }
    }

    /// Runs one task and gives its exit code; `None` if no task is to be started any more.
    fn task(&self, step: &Step, group: &AtomicI32) -> Option<u8> {
        let started = {
            let stopping = self.stopping.read().unwrap_or_else(PoisonError::into_inner);
            if *stopping {
                self.highest.fetch_max(143, Ordering::SeqCst);
                return None;
            }
            let started = spawn(step);
            if let Ok(child) = &started {
                group.store(child.id().cast_signed(), Ordering::SeqCst);
            }
            started
        };
        let ended = started.and_then(|mut child| {
            await_end(&child)?;
            {
                let _signals = self.stopping.read().unwrap_or_else(PoisonError::into_inner);
                group.store(0, Ordering::SeqCst);
            }
            child.wait()
        });
        let (code, what) = match ended {
            Ok(status) => (exit_code(status), status.to_string()),
            Err(error) => (NOT_STARTED, format!("cannot be started: {error}")),
        };
        if code != 0 {
            let program = step.argv.first().map(|program| program.display());
            eprintln!(
                "outrigger launch: rank {}: {}: {what}",
                step.rank,
                program.map_or_else(String::new, |program| program.to_string()),
            );
        }
        Some(code)
    }
}

fn spawn(step: &Step) -> io::Result<Child> {
    let mut words = step.argv.iter();
    let program = words
        .next()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
}

/// Waits until the child is over and leaves it to be reaped: till then its id names no other
/// process group.
fn await_end(child: &Child) -> io::Result<()> {
    let Some(pid) = Pid::from_raw(child.id().cast_signed()) else {
        return Ok(());
    };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    loop {
        match waitid(WaitId::Pid(pid), options) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {},
            Err(error) => return Err(error.into()),
        }
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(255);
    u8::try_from(code).unwrap_or(u8::MAX)
}
