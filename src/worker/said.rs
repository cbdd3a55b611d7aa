//! What the jobs of a run said, from the logs of all nodes.

use std::{
    fs::{self, File},
    io::{self, BufReader},
    path::{Path, PathBuf},
};

use super::log::{self, Frame, LogError};

/// A log that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}", path = .path.display())]
pub struct SaidError {
    /// The log, or the directory.
    pub path: PathBuf,
    /// Why.
    pub error: LogError,
}

/// Gives each attempt's output, with its node, in the order of the nodes' names and of each node's
/// log.
///
/// # Errors
/// The first log that cannot be read, or is not what was written.
pub fn said(directory: &Path, mut take: impl FnMut(&str, Frame)) -> Result<(), SaidError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| SaidError {
            path,
            error: error.into(),
        }
    };
    let mut logs = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let entry = entry.map_err(failed(directory))?;
        let name = entry.file_name();
        if let Some(node) = name.to_str().and_then(log::node) {
            logs.push((node.to_owned(), entry.path()));
        }
    }
    logs.sort();
    for (node, path) in logs {
        let file = File::open(&path).map_err(failed(&path))?;
        log::read(BufReader::new(file), |frame| take(&node, frame))
            .map_err(|error| SaidError { path, error })?;
    }
    Ok(())
}
