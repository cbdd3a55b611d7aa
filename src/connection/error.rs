//! Why a site could not be asked.

use std::{io, path::PathBuf};

/// Why a site could not be asked. What a command itself answered is never one of these.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is no live master: never opened, gone, or silent. Work waits until it is back.
    #[error("the link to site `{site}` is down: {why}; {mend}")]
    Down {
        /// The site.
        site: String,
        /// What was seen.
        why: String,
        /// What a human does about it.
        mend: String,
    },
    /// The site refused a further session on a live master, and went on refusing.
    #[error(
        "site `{site}` refused a further session on its master {tries} times: lower \
         `connection.sessions` (now {sessions}) or end other sessions on socket {socket}"
    )]
    Busy {
        /// The site.
        site: String,
        /// How often it was asked.
        tries: u32,
        /// Sessions that the configuration allows us at once.
        sessions: u32,
        /// The master's control socket.
        socket: PathBuf,
    },
    /// The control socket's path is longer than a Unix socket can bear.
    #[error(
        "site `{site}`: the control socket path {path} has {length} bytes, at most {most} work: \
         set `connection.socket` to a shorter path"
    )]
    SocketPath {
        /// The site.
        site: String,
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
        /// The longest length in bytes that works.
        most: usize,
    },
    /// The default control socket lies in the home directory, and HOME is not set.
    #[error("site `{site}`: HOME is not set: set it, or set `connection.socket` to a path")]
    NoHome {
        /// The site.
        site: String,
    },
    /// A command line is longer than a far shell can be given.
    #[error("site `{site}`: a command of {bytes} bytes is over the {most} that a shell takes")]
    TooLong {
        /// The site.
        site: String,
        /// Its length in bytes, quoting included.
        bytes: usize,
        /// The longest in bytes that works.
        most: usize,
    },
    /// A local program could not be run, or its pipes failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl LinkError {
    /// Whether the link is down, so that a run should wait for a human (design §4.4).
    pub fn is_down(&self) -> bool {
        matches!(self, Self::Down { .. })
    }

    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
