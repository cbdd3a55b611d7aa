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
    /// Another user's control socket lies where ours should.
    #[error(
        "site `{site}`: the control socket {path} belongs to the user with the number {owner}, who \
         would see all that is sent: nothing is; remove it, and set `connection.socket` to a path \
         in a directory of your own"
    )]
    NotOurs {
        /// The site.
        site: String,
        /// The path.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
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
    /// A session broke off on a link that lives.
    #[error("a session on site `{site}` broke off: {why}")]
    Session {
        /// The site.
        site: String,
        /// What the master said.
        why: String,
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

/// What it takes until the same succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// A login that a human makes, or a bastion that reaches the front end again: work waits in
    /// `auth`, and goes on by itself (design §4.4).
    Login,
    /// Nothing but time, on a link that lives: work stays where it is and is tried again.
    Time,
    /// A change of the configuration, of the site, or of what is asked of it.
    Change,
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

    /// What it takes until the same succeeds.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Down { .. } | Self::Ending { .. } => Remedy::Login,
            Self::Busy { .. } | Self::Session { .. } => Remedy::Time,
            Self::Io { source, .. } if passes(source) => Remedy::Time,
            Self::SocketPath { .. }
            | Self::NotOurs { .. }
            | Self::NoHome { .. }
            | Self::TooLong { .. }
            | Self::Io { .. } => Remedy::Change,
        }
    }

    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// Whether what the system lacks comes back by itself: descriptors, processes and memory that
/// other programs hold, and a pipe that broke.
fn passes(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionReset, Interrupted, OutOfMemory, ResourceBusy, TimedOut, WouldBlock,
    };
    let held = [
        rustix::io::Errno::MFILE,
        rustix::io::Errno::NFILE,
        rustix::io::Errno::AGAIN,
    ];
    let code = error.raw_os_error();
    code.is_some_and(|code| held.iter().any(|errno| errno.raw_os_error() == code))
        || matches!(
            error.kind(),
            BrokenPipe
                | ConnectionReset
                | Interrupted
                | OutOfMemory
                | ResourceBusy
                | TimedOut
                | WouldBlock
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_link_that_is_down_or_ends_asks_for_a_login() {
        let io = |source| LinkError::io("x")(source);
        let errno =
            |errno: rustix::io::Errno| io(io::Error::from_raw_os_error(errno.raw_os_error()));
        let site = || "x".to_owned();
        let down = LinkError::Down {
            site: site(),
            why: String::new(),
            mend: String::new(),
        };
        let ending = LinkError::Ending {
            site: site(),
            bytes: 1,
            takes: None,
        };
        let busy = LinkError::Busy {
            site: site(),
            tries: 1,
            sessions: 1,
            socket: PathBuf::new(),
        };
        let session = LinkError::Session {
            site: site(),
            why: String::new(),
        };
        let login = [down, ending];
        let time = [
            busy,
            session,
            errno(rustix::io::Errno::MFILE),
            errno(rustix::io::Errno::NFILE),
            errno(rustix::io::Errno::AGAIN),
        ];
        let change = [
            LinkError::NoHome { site: site() },
            errno(rustix::io::Errno::NOENT),
            errno(rustix::io::Errno::NOSPC),
            io(io::Error::other("exit code 1: it must not")),
        ];
        assert!(login.iter().all(|error| error.remedy() == Remedy::Login));
        assert!(time.iter().all(|error| error.remedy() == Remedy::Time));
        assert!(change.iter().all(|error| error.remedy() == Remedy::Change));
    }
}
