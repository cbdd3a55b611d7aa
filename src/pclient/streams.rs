//! Standard input and output: pipes are waited for with everything else, and only what cannot be
//! (a terminal, a file) is read and written by threads.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::unix::pipe,
};

/// What comes.
pub(crate) type Input = Box<dyn AsyncRead + Send + Unpin>;

/// What goes.
pub(crate) type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// Standard input. Needs a tokio runtime around it.
pub(crate) fn standard_input() -> io::Result<Input> {
    let own = io::stdin().as_fd().try_clone_to_owned()?;
    Ok(match pipe::Receiver::from_owned_fd(own) {
        Ok(pipe) => Box::new(pipe),
        Err(_) => Box::new(tokio::io::stdin()),
    })
}

/// Standard output as it is: the standard library's would keep what comes behind the last newline.
/// Needs a tokio runtime around it.
pub(crate) fn standard_output() -> io::Result<Output> {
    let own = || io::stdout().as_fd().try_clone_to_owned();
    Ok(match pipe::Sender::from_owned_fd(own()?) {
        Ok(pipe) => Box::new(pipe),
        Err(_) => Box::new(tokio::fs::File::from_std(own()?.into())),
    })
}

/// Whoever has the same pipes may want to wait for them.
pub(crate) fn leave() {
    for stream in [io::stdin().as_fd(), io::stdout().as_fd()] {
        // One that is closed is nobody's.
        wait(stream).unwrap_or_default();
    }
}

fn wait(stream: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let flags = fcntl_getfl(stream)?;
    fcntl_setfl(stream, flags - OFlags::NONBLOCK)
}
