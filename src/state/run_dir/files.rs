//! Reading and writing the files of a run directory.

use std::path::Path;

use super::{
    JOBS, MANIFEST,
    jobs::{self, JobLine},
    manifest::{self, ManifestLine},
    tsv::TsvError,
};
use crate::durable;

/// A file of a run directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// It cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// It is not what was written.
    #[error("{path}: {error}")]
    Format {
        /// The file.
        path: String,
        /// Where and why.
        error: TsvError,
    },
}

impl RunDirError {
    /// For `map_err` on I/O about `path`.
    pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |error| Self::Io {
            path: path.display().to_string(),
            error,
        }
    }

    /// For `map_err` on reading the file `name`.
    pub fn format(name: &str) -> impl FnOnce(TsvError) -> Self + '_ {
        move |error| Self::Format {
            path: name.to_owned(),
            error,
        }
    }
}

/// The text of a file.
pub fn text(run_dir: &Path, name: &str) -> Result<String, RunDirError> {
    let path = run_dir.join(name);
    std::fs::read_to_string(&path).map_err(RunDirError::io(&path))
}

/// The jobs of a run.
pub fn jobs(run_dir: &Path) -> Result<Vec<JobLine>, RunDirError> {
    jobs::read(&text(run_dir, JOBS)?).map_err(RunDirError::format(JOBS))
}

/// The manifest of a run.
pub fn manifest(run_dir: &Path) -> Result<Vec<ManifestLine>, RunDirError> {
    manifest::read(&text(run_dir, MANIFEST)?).map_err(RunDirError::format(MANIFEST))
}

/// Writes a file so that it is whole or not there.
pub fn write(run_dir: &Path, name: &str, bytes: &[u8]) -> Result<(), RunDirError> {
    let path = run_dir.join(name);
    durable::write(&path, bytes).map_err(RunDirError::io(&path))
}
