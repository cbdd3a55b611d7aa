//! What takes a site's batch jobs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The batch schedulers that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SchedulerKind {
    /// The embedded one: runs batch scripts on this machine.
    #[default]
    Local,
    /// `sbatch`, `squeue`, `sacct` or `scontrol`.
    Slurm,
    /// `msub`, `showq`, `checkjob`, `canceljob`.
    Moab,
    /// Slurm through its REST daemon.
    Slurmrestd,
}

/// How slurmrestd is reached: by a socket or by a URL.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rest {
    /// Its Unix socket on the machine that commands run on: the front end, to which our master
    /// forwards, or this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    /// Its address, reached from this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Who we are there; `$USER` if absent. It goes with a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// File here with the token, which is read anew at each visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Program here (argv) that prints the token, alone or as `SLURM_JWT=…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_command: Option<Vec<String>>,
    /// Version of the API, such as `v0.0.38`; the newest that both sides speak if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Further properties of a job, as the API names them; they win over ours.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, Property>,
}

/// A property of a job in the API of slurmrestd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Property {
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(i64),
    /// A word.
    Word(String),
    /// Several words.
    Words(Vec<String>),
}

/// The command `name` in the scheduler's directory, or in PATH.
pub(crate) fn scheduler_command(path: Option<&Path>, name: &str) -> String {
    path.map_or_else(
        || name.to_owned(),
        |path| path.join(name).to_string_lossy().into_owned(),
    )
}
