//! Between threads that read and write files and the tasks that pump pipes: bounded, so that
//! neither runs ahead of the other.

use std::io::{self, Read, Write};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

use super::rate::Governor;

/// Bytes of one buffer.
const BUFFER: usize = 256 << 10;
/// Buffers between the two sides.
const BUFFERS: usize = 8;

/// The end that a thread writes to.
#[derive(Debug)]
pub(super) struct Inlet {
    buffer: Vec<u8>,
    out: mpsc::Sender<Vec<u8>>,
}

/// The end that a thread reads from.
#[derive(Debug)]
pub(super) struct Outlet {
    buffer: Vec<u8>,
    at: usize,
    input: mpsc::Receiver<Vec<u8>>,
}

/// From a thread to a pipe.
pub(super) fn inward() -> (Inlet, mpsc::Receiver<Vec<u8>>) {
    let (out, input) = mpsc::channel(BUFFERS);
    let buffer = Vec::with_capacity(BUFFER);
    (Inlet { buffer, out }, input)
}

/// From a pipe to a thread.
pub(super) fn outward() -> (mpsc::Sender<Vec<u8>>, Outlet) {
    let (out, input) = mpsc::channel(BUFFERS);
    let outlet = Outlet {
        buffer: Vec::new(),
        at: 0,
        input,
    };
    (out, outlet)
}

/// Pumps all that a thread writes into `pipe`, and closes it. A far end that wants no more ends
/// the thread's writing too.
pub(super) async fn pour(
    input: mpsc::Receiver<Vec<u8>>,
    pipe: Option<openssh::ChildStdin>,
    governor: &Governor,
) -> io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    widen(&pipe);
    pump(input, &mut pipe, governor).await
}

/// Pumps all that a thread writes into `pipe`, which stays open.
pub(super) async fn pump(
    mut input: mpsc::Receiver<Vec<u8>>,
    pipe: &mut openssh::ChildStdin,
    governor: &Governor,
) -> io::Result<()> {
    while let Some(buffer) = input.recv().await {
        governor.pass(buffer.len()).await;
        pipe.write_all(&buffer).await?;
    }
    Ok(())
}

/// Writes `bytes` and closes the pipe; a reader that left early is no error.
pub(super) async fn feed(pipe: Option<openssh::ChildStdin>, bytes: &[u8]) -> io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    match pipe.write_all(bytes).await {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Reads a pipe to its end.
pub(super) async fn drain(pipe: Option<openssh::ChildStdout>) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut said).await?;
    }
    Ok(said)
}

/// Pumps all that comes from `pipe` to a thread; on after the thread has ended, so that the far
/// end can finish what it says.
pub(super) async fn draw(
    pipe: Option<openssh::ChildStdout>,
    out: mpsc::Sender<Vec<u8>>,
    governor: &Governor,
) -> io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    widen(&pipe);
    loop {
        let mut buffer = Vec::with_capacity(BUFFER);
        if pipe.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        governor.pass(buffer.len()).await;
        drop(out.send(buffer).await);
    }
}

/// A pipe of 1 MiB instead of 64 KiB: fewer turns of the loop. Its refusal costs only speed.
pub(super) fn widen(pipe: &impl std::os::fd::AsFd) {
    let _unchanged = rustix::pipe::fcntl_setpipe_size(pipe, 1 << 20);
}

impl Write for Inlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        let n = bytes.len().min(BUFFER - self.buffer.len());
        self.buffer
            .extend_from_slice(bytes.get(..n).unwrap_or_default());
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(BUFFER));
        let gone = |_| io::ErrorKind::BrokenPipe.into();
        self.out.blocking_send(full).map_err(gone)
    }
}

impl Read for Outlet {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.buffer.len() {
            match self.input.blocking_recv() {
                Some(buffer) => {
                    self.buffer = buffer;
                    self.at = 0;
                },
                None => return Ok(0),
            }
        }
        let there = self.buffer.get(self.at..).unwrap_or_default();
        let n = there.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..n), there.get(..n)) {
            to.copy_from_slice(from);
        }
        self.at += n;
        Ok(n)
    }
}
