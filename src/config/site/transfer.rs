//! How files travel to and from a site.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::units::Bytes;

/// Its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Transfer {
    /// Parallel streams on each line; never more than the connection's sessions.
    pub streams: u32,
    /// What carries the files.
    pub engine: Engine,
    /// Most bytes that travel as one: what a lost link can cost a stream.
    pub bundle: Bytes,
    /// Most bytes a second, all streams together; as fast as it goes if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Bytes>,
    /// Whether what travels is compressed where that pays.
    pub compress: bool,
    /// `outrigger` on the site, which hashes files while it writes or sends them. If absent,
    /// `worker.binary`, else what is sent there once many small files have shown that it is missed.
    /// Where it does not run, or is of another version, sh, tar and sha256sum do its work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<TransferProgram>,
    /// Hosts here on whose own disks data lies: it is read there, and not through the network file
    /// system.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceHost>,
}

/// A host here that has data on its own disks, and our program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceHost {
    /// Its name, as ssh knows it.
    pub host: String,
    /// The directory with its data, by the name that it has there and here; absolute.
    pub under: PathBuf,
    /// Our program there.
    #[serde(default = "default_program")]
    pub program: PathBuf,
    /// What reaches it: a program with its arguments, which is given the host and one line for its
    /// shell.
    #[serde(default = "default_command")]
    pub command: Vec<String>,
}

/// Which program of ours takes part in transfers at the far end: `none`, or a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum TransferProgram {
    /// None, and none is sent.
    None,
    /// The one at this path; absolute.
    At(PathBuf),
}

impl From<String> for TransferProgram {
    fn from(word: String) -> Self {
        if word == NONE {
            Self::None
        } else {
            Self::At(word.into())
        }
    }
}

impl From<TransferProgram> for String {
    fn from(program: TransferProgram) -> Self {
        match program {
            TransferProgram::None => NONE.to_owned(),
            TransferProgram::At(path) => path.to_string_lossy().into_owned(),
        }
    }
}

/// The word for no program.
const NONE: &str = "none";

/// What carries files to and from a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Tar streams and ranges of large files, hashed on the way. The site needs sh, tar and
    /// sha256sum.
    #[default]
    Tar,
    /// `scp`, several at once: for sites that let nothing else carry files.
    Scp,
    /// `rsync`, where both sides have it.
    Rsync,
}

impl Default for Transfer {
    fn default() -> Self {
        Self {
            streams: 2,
            engine: Engine::default(),
            bundle: Bytes(64 << 20),
            limit: None,
            compress: true,
            program: None,
            sources: Vec::new(),
        }
    }
}

fn default_program() -> PathBuf {
    "outrigger".into()
}

fn default_command() -> Vec<String> {
    let words = "ssh -x -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=15";
    words.split(' ').map(str::to_owned).collect()
}
