//! What starts jobs inside an allocation, and in what portions it is asked for.

use std::{fmt, path::PathBuf, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{Bytes, Seconds};

/// What starts jobs inside an allocation (design §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LauncherKind {
    /// `srun --multi-prog` steps cut to the site's limits.
    #[default]
    Chunks,
    /// Our own program: a coordinator, and a worker a node that pulls jobs from it.
    Worker,
}

/// How workers and their coordinator talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Over TCP, each side proving that it knows the run's secret.
    #[default]
    Tcp,
    /// By files in the run's directory, where nodes cannot connect to each other.
    Files,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Files => "files",
        })
    }
}

impl FromStr for Transport {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Tcp, Self::Files]
            .into_iter()
            .find(|transport| transport.to_string() == text)
            .ok_or_else(|| format!("`{text}` is neither `tcp` nor `files`"))
    }
}

/// The worker launcher of a site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerSettings {
    /// Our program on the site, if it is there already: absolute. Else ours is sent, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binary: Option<PathBuf>,
    /// The program that is sent, here: best a static build, which runs anywhere. This very program
    /// if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<PathBuf>,
    /// How workers and their coordinator talk.
    pub transport: Transport,
    /// A node that is not heard for so long is taken for lost, and its jobs go to others.
    pub silence: Seconds,
}

/// Limits of one `srun --multi-prog` step (spec/remote.md §4, lab README §2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChunkLimits {
    /// Largest config file in bytes.
    pub max_bytes: Bytes,
    /// Longest line in bytes, its newline counted.
    pub max_line: Bytes,
    /// Most ranks of one step; the allocation's slots if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tasks: Option<u32>,
    /// Steps at once: each has its share of the slots, and where other limits make steps narrower
    /// there are more of them. 1 is one after the other. 4 if absent, and 1 for Moab, whose srun may
    /// be older than 20.11 and know no `--overlap`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lanes: Option<u32>,
}

/// The tasks of the job arrays that a site gets in place of one wide job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ArrayTasks {
    /// Nodes of one task. All tasks of a run together ask for at most the site's `nodes.max`.
    pub nodes: u32,
    /// Most tasks of one array: at most Slurm's `MaxArraySize`.
    pub max_tasks: u32,
    /// Most tasks of one array that the scheduler runs at once; as many as it likes if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_running: Option<u32>,
}

impl Default for ChunkLimits {
    fn default() -> Self {
        Self {
            max_bytes: Bytes(60_000),
            max_line: Bytes(16_382),
            max_tasks: None,
            lanes: None,
        }
    }
}

impl Default for ArrayTasks {
    fn default() -> Self {
        Self {
            nodes: 1,
            max_tasks: 1000,
            max_running: None,
        }
    }
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            binary: None,
            program: None,
            transport: Transport::default(),
            silence: Seconds(60),
        }
    }
}
