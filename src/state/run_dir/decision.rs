//! `run.yaml`: what was decided for a run and why; all that exec and poll need to know of it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    durable,
    state::{hash::Hash, record::RecordSchema},
};

/// What was decided for a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The run.
    pub run_id: i64,
    /// Its stage.
    pub stage: String,
    /// Its site.
    pub site: String,
    /// Its label.
    pub label: String,
    /// Its run directory on the site: absolute.
    pub remote_dir: PathBuf,
    /// The allocation that is asked for.
    pub allocation: Allocation,
    /// Number of its components.
    pub components: u64,
    /// Number of its jobs.
    pub jobs: u64,
    /// Number of multi-prog configs.
    pub chunks: u64,
    /// The worker that runs its jobs, if they are not in configs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<FarProgram>,
    /// Files that go to the site.
    pub files_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Files that may come home.
    pub files_out: u64,
    /// Where its records go, if it returns any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<RecordSchema>,
    /// How its jobs report.
    pub report: Report,
    /// Stage that is queued for components that pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Paths that must be on the site.
    #[serde(default)]
    pub resident: Vec<PathBuf>,
}

/// Our own program on a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FarProgram {
    /// On the site: absolute.
    pub remote: PathBuf,
    /// Here, with its hash, if it is to be sent there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<SentProgram>,
}

/// A program that is sent to a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentProgram {
    /// Where it is here.
    pub local: PathBuf,
    /// What its content must be.
    pub hash: Hash,
}

/// An allocation of a batch job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Allocation {
    /// Formula that computed it.
    pub formula: String,
    /// Tasks of the array that the batch job is, each with these nodes for this walltime; `None` for a
    /// single job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<u32>,
    /// Nodes.
    pub nodes: u32,
    /// Jobs that one node runs at once.
    pub slots_per_node: u32,
    /// Walltime in seconds.
    pub walltime: u64,
    /// Expected share of the allocation that work fills.
    pub fill: f64,
    /// What else there is to say.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// What a batch job asks for, for whoever reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Tasks, if it is an array.
    pub tasks: Option<u32>,
    /// Nodes of it, or of each task.
    pub nodes: u32,
    /// Walltime in seconds.
    pub walltime: u64,
}

impl Allocation {
    /// What it asks for.
    pub fn size(&self) -> Size {
        Size {
            tasks: self.tasks,
            nodes: self.nodes,
            walltime: self.walltime,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tasks) = self.tasks {
            write!(f, "an array of {tasks} tasks, each ")?;
        }
        write!(f, "{} nodes for {} s", self.nodes, self.walltime)
    }
}

/// How the jobs of a run report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Report {
    /// Not at all.
    None,
    /// One JSON object.
    Json,
    /// psLib metadata text.
    Metadata,
    /// `name value` or `name=value` lines.
    Lines,
    /// A legacy command line.
    Legacy,
}

/// A decision file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    /// The disk says no.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Not the YAML that it should be.
    #[error("{path}: {error}; prepare the run again with `outrigger remote prepare`")]
    Yaml {
        /// The file.
        path: PathBuf,
        /// Why.
        error: serde_yaml::Error,
    },
}

impl DecisionError {
    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { error, .. } if error.kind() == std::io::ErrorKind::NotFound)
    }
}

impl Decision {
    /// Reads the decision of a run directory.
    pub fn read(run_dir: &Path) -> Result<Self, DecisionError> {
        let path = run_dir.join(super::DECISION);
        let text = std::fs::read_to_string(&path).map_err(|error| DecisionError::Io {
            path: path.clone(),
            error,
        })?;
        serde_yaml::from_str(&text).map_err(|error| DecisionError::Yaml { path, error })
    }

    /// Writes the decision into a run directory.
    pub fn write(&self, run_dir: &Path) -> Result<(), DecisionError> {
        let path = run_dir.join(super::DECISION);
        let text = serde_yaml::to_string(self).map_err(|error| DecisionError::Yaml {
            path: path.clone(),
            error,
        })?;
        durable::write(&path, text.as_bytes()).map_err(|error| DecisionError::Io { path, error })
    }
}
