//! One process from its start to its end.

use std::{
    io,
    os::{
        fd::OwnedFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::{
    Pid, PidfdFlags, Resource, Signal, kill_process_group, pidfd_open, prlimit, setpriority_pgrp,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::{Notify, OwnedSemaphorePermit},
    time::timeout,
};
use wait4::{ResUse, Wait4};

use super::{
    Completion, Outcome, Program, Report, Shared, Usage, block, capture::Captured, capture::Output,
};

/// How often, and how far apart, a start is tried again while there are too many processes.
const RETRIES: u32 = 20;
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Runs a job to its end, or until `stop`.
pub(super) async fn run(shared: &Shared, id: u64, program: &Program, stop: &Notify) -> Completion {
    let room = tokio::select! {
        biased;
        () = stop.notified() => return unstarted(id, Outcome::Stopped, String::new()),
        room = ready(shared, program) => room,
    };
    let room = match room {
        Ok(room) => Arc::new(room),
        Err((end, why)) => return unstarted(id, end, why),
    };
    let begun = Instant::now();
    match run_started(shared, id, program, stop, &room, begun).await {
        Ok(completion) => completion,
        Err(error) => {
            let name = program.argv.first().map_or("", String::as_str);
            let why = format!("cannot run `{name}`: {error}");
            unstarted(id, Outcome::NotStarted(why.clone()), format!("{why}\n"))
        },
    }
}

/// Waits for the files and for room, in this order: who waits for a file takes no room.
async fn ready(
    shared: &Shared,
    program: &Program,
) -> Result<OwnedSemaphorePermit, (Outcome, String)> {
    let files = block::visible(&program.block);
    match program.block_limit {
        Some(limit) if !program.block.is_empty() => timeout(limit, files).await.map_err(|_| {
            let seconds = limit.as_secs_f64();
            let why = format!(
                "after {seconds} s not all of {:?} are visible\n",
                program.block
            );
            (Outcome::Blocked, why)
        })?,
        _ => files.await,
    }
    let room = Arc::clone(&shared.files().room).acquire_owned().await;
    room.map_err(|closed| (Outcome::Stopped, closed.to_string()))
}

async fn run_started(
    shared: &Shared,
    id: u64,
    program: &Program,
    stop: &Notify,
    room: &Arc<OwnedSemaphorePermit>,
    begun: Instant,
) -> io::Result<Completion> {
    let dir = &shared.settings.spill_dir;
    let (stdout, stderr) = (Output::new(dir)?, Output::new(dir)?);
    let child = spawn_patiently(program, &stdout, &stderr).await?;
    let process = Process::new(child)?;
    process.settle(shared, program.nice);
    let pid = process.child.id();
    shared.report(Report::Started { id, pid });

    let (ended, hung) = process.end(stop, shared.settings.grace).await;
    let wall = begun.elapsed();
    let (outcome, usage) = match ended {
        Some(Ok(used)) => (how(used.status), Some(usage(&used))),
        Some(Err(error)) => (Outcome::Lost(error.to_string()), None),
        None => (Outcome::Signal(Signal::KILL.as_raw()), None),
    };
    let captured = |output: Output| {
        output
            .capture(room)
            .unwrap_or_else(|error| Captured::text(format!("output lost: {error}\n")))
    };
    Ok(Completion {
        id,
        outcome,
        stdout: captured(stdout),
        stderr: captured(stderr),
        wall,
        usage,
        hung,
    })
}

async fn spawn_patiently(program: &Program, stdout: &Output, stderr: &Output) -> io::Result<Child> {
    let mut tries = 0;
    loop {
        let spawned = spawn(program, stdout, stderr);
        match spawned {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && tries < RETRIES => {
                tries += 1;
                tokio::time::sleep(RETRY_PAUSE).await;
            },
            spawned => return spawned,
        }
    }
}

fn spawn(program: &Program, stdout: &Output, stderr: &Output) -> io::Result<Child> {
    let Some((name, arguments)) = program.argv.split_first() else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "no program given",
        ));
    };
    let mut command = Command::new(name);
    if let Some(directory) = &program.directory {
        command.current_dir(directory);
    }
    command
        .args(arguments)
        .envs(
            program
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        )
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(stdout.for_child()?)
        .stderr(stderr.for_child()?)
        .spawn()
}

/// A child that leads its own process group.
struct Process {
    child: Child,
    /// Readable when the child has ended.
    ended: AsyncFd<OwnedFd>,
}

impl Process {
    fn new(mut child: Child) -> io::Result<Self> {
        #[expect(
            deprecated,
            reason = "the safe way to register; an OwnedFd keeps the promises it asks for"
        )]
        let watch = || {
            let pid = pid(&child).ok_or(io::ErrorKind::InvalidData)?;
            let fd = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
            AsyncFd::with_interest(fd, Interest::READABLE)
        };
        match watch() {
            Ok(ended) => Ok(Self { child, ended }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            },
        }
    }

    /// Gives the job its priority and the limit of open files that it would have had without us.
    /// A job that has already ended needs neither.
    fn settle(&self, shared: &Shared, nice: u8) {
        let Some(pid) = pid(&self.child) else {
            return;
        };
        if nice > 0 {
            setpriority_pgrp(Some(pid), i32::from(nice)).unwrap_or_default();
        }
        if let Some(inherited) = shared.files().inherited {
            prlimit(Some(pid), Resource::Nofile, inherited).unwrap_or(inherited);
        }
    }

    /// Waits for the end. On `stop` the group is asked to end, and after `grace` made to. Says
    /// also whether it hangs all the same; then it is waited for behind everybody's back.
    async fn end(self, stop: &Notify, grace: Duration) -> (Option<io::Result<ResUse>>, bool) {
        let Self { child, ended } = self;
        let group = pid(&child);
        let mut waiting = Box::pin(async move {
            drop(ended.readable().await);
            child
        });
        let child = tokio::select! {
            biased;
            child = &mut waiting => return (Some(reap(child).await), false),
            () = stop.notified() => {
                signal(group, Signal::TERM);
                match timeout(grace, &mut waiting).await {
                    Ok(child) => Some(child),
                    Err(_) => {
                        signal(group, Signal::KILL);
                        timeout(grace, &mut waiting).await.ok()
                    },
                }
            },
        };
        if let Some(child) = child {
            // Its number stays taken until it is waited for, so the rest can still be told.
            signal(group, Signal::KILL);
            return (Some(reap(child).await), false);
        }
        tokio::spawn(async move { reap(waiting.await).await.map(drop) });
        (None, true)
    }
}

async fn reap(mut child: Child) -> io::Result<ResUse> {
    if let Some(used) = child.try_wait4()? {
        return Ok(used);
    }
    tokio::task::spawn_blocking(|| child.wait4())
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // A group that is gone needs no signal.
        kill_process_group(group, signal).unwrap_or_default();
    }
}

fn how(status: ExitStatus) -> Outcome {
    match (status.code(), status.signal()) {
        (Some(code), _) => Outcome::Exit(code),
        (None, signal) => Outcome::Signal(signal.unwrap_or_default()),
    }
}

fn usage(used: &ResUse) -> Usage {
    Usage {
        cpu: used.rusage.utime + used.rusage.stime,
        peak_memory: used.rusage.maxrss,
    }
}

fn unstarted(id: u64, outcome: Outcome, why: String) -> Completion {
    Completion {
        id,
        outcome,
        stdout: Captured::text(Vec::new()),
        stderr: Captured::text(why),
        wall: Duration::ZERO,
        usage: None,
        hung: false,
    }
}
