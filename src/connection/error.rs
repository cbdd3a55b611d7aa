//! Why a site could not be asked.

use std::{io, path::PathBuf, time::Duration};

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
    /// The link ends before what is left could be moved: it waits for a new one.
    #[error(
        "the link to site `{site}` ends soon, and {bytes} bytes are left to move{more}: log in anew with: \
         outrigger connection refresh {site}", more = about(.takes.as_ref())
    )]
    Ending {
        /// The site.
        site: String,
        /// Bytes left to move.
        bytes: u64,
        /// How long that would take at the measured rate, if there is one.
        takes: Option<Duration>,
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

fn about(takes: Option<&Duration>) -> String {
    takes.map_or_else(String::new, |time| format!(" (about {} s)", time.as_secs()))
}

impl LinkError {
    /// Whether the link is down, so that a run should wait for a human (design §4.4).
    pub fn is_down(&self) -> bool {
        matches!(self, Self::Down { .. })
    }

    /// Whether the link still lives, but not for long enough.
    pub fn is_ending(&self) -> bool {
        matches!(self, Self::Ending { .. })
    }

    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
