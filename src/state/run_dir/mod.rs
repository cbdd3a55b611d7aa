//! The files of a run directory (design §5): what prepare writes, exec sends and poll reads.
//!
//! | file | what |
//! |---|---|
//! | `run.yaml` | what was decided and why |
//! | `components.tsv` | one line a component: its jobs, or why it has none |
//! | `jobs.tsv` | one line a job |
//! | `manifest.tsv` | one line a file, in or out |
//! | `commands.sh` | the jobs' shell functions, cut out by offset and length |
//! | `run-job.sh` | the wrapper of one rank |
//! | `chunk.NNN.conf` | multi-prog configs |
//! | `shares.tsv` | which task of an array has which job, where its tasks start workers |
//! | `job.sh` | the batch script |
//! | `refused.tsv` | jobs whose inputs are not on the site (from stage-in) |
//! | `journal.tsv` | what the jobs left (after the return) |
//! | `returned.tsv` | the products that came home |

pub mod commands;
pub mod decision;
pub mod files;
pub mod jobs;
pub mod journal;
pub mod manifest;
pub mod shares;
pub mod tsv;

use std::path::{Path, PathBuf};

/// Name of the decision file.
pub const DECISION: &str = "run.yaml";
/// Name of the list of jobs.
pub const JOBS: &str = "jobs.tsv";
/// Name of the list of files.
pub const MANIFEST: &str = "manifest.tsv";
/// Name of the file with the jobs' shell functions.
pub const COMMANDS: &str = "commands.sh";
/// Name of the wrapper of one rank.
pub const WRAPPER: &str = "run-job.sh";
/// Name of the list of the jobs of an array's tasks.
pub const SHARES: &str = "shares.tsv";
/// Name of the batch script.
pub const BATCH_SCRIPT: &str = "job.sh";
/// Name of the list of jobs whose inputs are not on the site.
pub const REFUSED: &str = "refused.tsv";
/// Name of the harvested journal.
pub const JOURNAL: &str = "journal.tsv";
/// Name of the list of products that came home.
pub const RETURNED: &str = "returned.tsv";
/// Name of the scheduler's output file.
pub const BATCH_OUTPUT: &str = "batch.out";

/// Where the directory of a run is here, from its recorded base: `root` is the directory of
/// outrigger.yaml, `runs` that of the run directories. One whose base is a URI is below `runs`.
pub fn place(root: &Path, runs: &Path, path_base: &str) -> PathBuf {
    match path_base.rsplit_once("://") {
        Some((_, path)) => runs.join(Path::new(path).file_name().unwrap_or_default()),
        None => root.join(path_base),
    }
}

/// Name of a multi-prog config.
pub fn chunk_name(index: usize) -> String {
    format!("chunk.{index:03}.conf")
}
