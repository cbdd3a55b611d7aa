//! Why a process of a worker cannot do its work.

use std::{io, path::Path, path::PathBuf};

use crate::{
    connection::talk::secret::SecretError,
    state::run_dir::{files::RunDirError, tsv::TsvError},
};

/// Why a process of a worker cannot do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkerError {
    /// A file cannot be read or written.
    #[error("{path}: {error}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file of the run directory is not what prepare wrote.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The secret of the run cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Something of the system failed.
    #[error("{what}: {error}")]
    System {
        /// What it was for.
        what: &'static str,
        /// Why.
        error: io::Error,
    },
    /// No worker came, or none is left.
    #[error("no worker has been heard for {0} s; what is left stays for the next submission")]
    Alone(u64),
    /// There is no coordinator.
    #[error("no coordinator has been heard for {seconds} s: {why}")]
    Unheard {
        /// For how long.
        seconds: u64,
        /// What the last try to reach it said.
        why: String,
    },
    /// The journal cannot be written: what is not recorded has not happened.
    #[error("what jobs leave cannot be recorded: {0}")]
    Journal(io::Error),
}

impl WorkerError {
    /// For `map_err` on I/O about `path`.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| Self::Io {
            path: path.to_owned(),
            error,
        }
    }

    /// For `map_err` on what the system says.
    pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System { what, error }
    }

    /// For `map_err` on reading the file `name` of the run directory.
    pub(super) fn format(name: &str) -> impl FnOnce(TsvError) -> Self + '_ {
        move |error| RunDirError::format(name)(error).into()
    }
}
