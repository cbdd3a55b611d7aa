//! When a process of a worker is to end: a signal of the scheduler, or the end of its keeper.

use std::{future::pending, io, os::fd::AsFd as _};

use tokio::{
    io::AsyncReadExt as _,
    net::unix::pipe::Receiver,
    signal::unix::{Signal, SignalKind, signal},
};

/// How a process of a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// There is no more work.
    Done,
    /// It was asked to end.
    Asked,
}

impl Ending {
    /// The process's exit code: what was asked to end exits as a program that SIGTERM ended.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Asked => 143,
        }
    }
}

/// The signals that ask a process to end.
#[derive(Debug)]
pub(super) struct Asked {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Asked {
    /// From now on they are heard.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next of them.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {},
            _ = self.int.recv() => {},
            _ = self.hup.recv() => {},
        }
    }
}

/// Waits until the keeper is gone: it holds the other end of the standard input.
pub(super) async fn keeper_gone() {
    let receiver = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .and_then(Receiver::from_owned_fd);
    let Ok(mut receiver) = receiver else {
        return pending().await;
    };
    let mut byte = [0];
    while receiver.read(&mut byte).await.is_ok_and(|count| count > 0) {}
}
