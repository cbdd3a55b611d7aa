//! Why a run, or a whole stage, cannot be prepared.

use std::path::{Path, PathBuf};

use super::{chunk::ChunkError, launch::LaunchError, source::SourceError};
use crate::state::{
    StateError,
    run_dir::{decision::DecisionError, tsv::TsvError},
};

/// Why a run, or a whole stage, cannot be prepared. What concerns one component only is not here:
/// it becomes that component's reason.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The disk says no.
    #[error("{path}: {error}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Rows cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The recipe has templates that cannot be used.
    #[error("stage `{stage}`: {}", list(problems))]
    Recipe {
        /// The stage.
        stage: String,
        /// Key path and message of each problem.
        problems: Vec<(String, String)>,
    },
    /// A lookup table cannot be used.
    #[error("lookup `{name}`: {message}")]
    Lookup {
        /// Its name.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// state.db refuses.
    #[error(transparent)]
    State(#[from] StateError),
    /// The jobs do not fit into multi-prog configs.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// The batch script cannot be written.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// `run.yaml` cannot be written.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// A file of a fragment or run directory is not what prepare wrote.
    #[error("{path}: {error}; prepare the run again")]
    Tsv {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: TsvError,
    },
}

impl PrepareError {
    /// For `map_err` on I/O about `path`.
    pub(crate) fn io(path: &Path) -> impl Fn(std::io::Error) -> Self + '_ {
        move |error| Self::Io {
            path: path.to_owned(),
            error,
        }
    }

    /// For `map_err` on reading a `.tsv` file.
    pub(crate) fn tsv(path: &Path) -> impl Fn(TsvError) -> Self + '_ {
        move |error| Self::Tsv {
            path: path.to_owned(),
            error,
        }
    }
}

fn list(problems: &[(String, String)]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|(place, message)| format!("{place}: {message}"))
        .collect();
    lines.join("; ")
}
