//! The keeper of a node: starts its worker, and on the first node the coordinator; starts again
//! what was killed, after it has ended what that left running.

use std::{
    io,
    os::unix::process::ExitStatusExt as _,
    process::{ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::{asked::Asked, error::WorkerError};
use crate::process::marked::{self, Left};

/// The variable that marks the processes of a worker.
const MARK: &str = "OUTRIGGER_WORKER";
/// How often one process is started again.
const RESTARTS: u32 = 5;

/// A process to be kept.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// What it is, for people.
    pub(super) what: String,
    /// Its arguments.
    pub(super) arguments: Vec<String>,
    /// What its processes are told by: nothing for one that starts none.
    pub(super) mark: Option<String>,
    /// Whether the others are of no use without it.
    pub(super) leads: bool,
}

/// What is done about a process that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Another one is started.
    Again,
    /// It is over for good.
    Over(u8),
}

/// Keeps all of them until each is over for good. Gives the exit code of the first of them, or
/// that of another if that failed.
pub(super) async fn keep(all: Vec<Kept>) -> Result<u8, WorkerError> {
    let mut asked = Asked::new().map_err(WorkerError::system("signals"))?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut keeping = tokio::task::JoinSet::new();
    for (place, kept) in all.into_iter().enumerate() {
        let stopped = stopped.clone();
        let leads = kept.leads;
        keeping.spawn(async move { (place, leads, keep_one(kept, stopped).await) });
    }
    let mut codes = std::collections::BTreeMap::new();
    loop {
        tokio::select! {
            ended = keeping.join_next() => match ended {
                Some(Ok((place, leads, code))) => {
                    let code = code?;
                    codes.insert(place, code);
                    if leads && code != 0 {
                        stop.send_replace(true);
                    }
                },
                Some(Err(error)) => {
                    return Err(WorkerError::System {
                        what: "a process that is kept",
                        error: io::Error::other(error),
                    });
                },
                None => break,
            },
            () = asked.next() => {
                stop.send_replace(true);
            },
        }
    }
    let mut codes = codes.into_values();
    let first = codes.next().unwrap_or(0);
    Ok(codes.fold(first, |code, other| if code == 0 { other } else { code }))
}

async fn keep_one(
    kept: Kept,
    mut stopped: tokio::sync::watch::Receiver<bool>,
) -> Result<u8, WorkerError> {
    let mut restarts = 0;
    loop {
        let mut child = start(&kept, restarts > 0)?;
        // Who waits for a child closes its input, and that would tell it that its keeper is gone.
        let _held = child.stdin.take();
        let status = loop {
            tokio::select! {
                status = child.wait() => break status.map_err(WorkerError::system("a child"))?,
                Ok(()) = stopped.changed() => terminate(&child),
            }
        };
        if let Some(mark) = &kept.mark
            && status.code().is_none()
        {
            end_orphans(mark.clone()).await?;
        }
        match next(status, restarts, *stopped.borrow()) {
            Next::Over(code) => return Ok(code),
            Next::Again => {
                restarts += 1;
                eprintln!(
                    "outrigger worker: {} ended: {status}; it is started again",
                    kept.what
                );
            },
        }
    }
}

/// Only what was killed is started again: what ended by itself had a reason.
fn next(status: ExitStatus, restarts: u32, stopping: bool) -> Next {
    match (status.code(), status.signal()) {
        (Some(code), _) => Next::Over(u8::try_from(code).unwrap_or(1)),
        (None, Some(_)) if !stopping && restarts < RESTARTS => Next::Again,
        (None, signal) => {
            let code = 128 + signal.unwrap_or(0);
            Next::Over(u8::try_from(code).unwrap_or(u8::MAX))
        },
    }
}

fn start(kept: &Kept, again: bool) -> Result<Child, WorkerError> {
    let program = std::env::current_exe().map_err(WorkerError::system("its own program"))?;
    let mut command = Command::new(program);
    command.args(&kept.arguments).stdin(Stdio::piped());
    if again {
        command.arg("--again");
    }
    if let Some(mark) = &kept.mark {
        command.env(MARK, mark);
    }
    let child = command.spawn();
    child.map_err(WorkerError::system("cannot start a process"))
}

fn terminate(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        // One that is over needs no signal.
        kill_process(pid, Signal::TERM).unwrap_or_default();
    }
}

/// Ends what a killed worker left running: its jobs are given out again.
async fn end_orphans(mark: String) -> Result<(), WorkerError> {
    let entry = format!("{MARK}={mark}").into_bytes();
    let killed =
        tokio::task::spawn_blocking(move || marked::kill(&|seen: &[u8]| seen == entry)).await;
    let what = "what a killed worker left";
    let left = killed
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(WorkerError::system(what))?;
    match left {
        Left::Nothing => Ok(()),
        Left::Hanging(_) | Left::Unknown => Err(WorkerError::System {
            what,
            error: io::Error::other("its processes cannot be ended"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_killed_is_started_again_and_not_for_ever() {
        let killed = ExitStatus::from_raw(9);
        let failed = ExitStatus::from_raw(1 << 8);
        assert_eq!(next(killed, 0, false), Next::Again);
        assert_eq!(next(killed, RESTARTS, false), Next::Over(137));
        assert_eq!(next(killed, 0, true), Next::Over(137));
        assert_eq!(next(failed, 0, false), Next::Over(1));
    }
}
