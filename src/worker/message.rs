//! What a worker and its coordinator tell each other.

use serde::{Deserialize, Serialize};

use super::room::Need;

/// Of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Word {
    /// The first word: who it is.
    Join(Join),
    /// Attempts that are over and written down, in their order.
    Ended(Vec<Ended>),
    /// It lives, and so many of its ended attempts are on the disk.
    Beat {
        /// How many.
        synced: u64,
    },
    /// It goes, with all that ended on the disk.
    Leave,
}

/// A worker that comes, for the first time or again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Join {
    /// Its node.
    pub(super) node: String,
    /// Its process: another one has another number.
    pub(super) incarnation: u64,
    /// What the node has.
    pub(super) whole: Need,
    /// What runs there: job and attempt.
    pub(super) going: Vec<(u64, u32)>,
    /// All that ended in this process.
    pub(super) ended: Vec<Ended>,
}

/// An attempt that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    /// The job.
    pub(super) seq: u64,
    /// Which attempt of it.
    pub(super) attempt: u32,
    /// How.
    pub(super) how: How,
    /// How long it took, if that is known.
    pub(super) milliseconds: Option<u64>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum How {
    /// It did all it should, or had nothing to do.
    Passed,
    /// It failed.
    Failed,
    /// Its inputs are not on the site: to try again is no use.
    Refused,
    /// It was ended before its time: walltime, cancellation or shutdown.
    Stopped,
}

/// Of the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Order {
    /// Run these.
    Run(Vec<Given>),
    /// End these; somebody else has them.
    Drop(Vec<(u64, u32)>),
    /// It hears the worker.
    Beat,
    /// Bring to the disk what has ended.
    Sync,
    /// There is no more work for this worker.
    Finish,
    /// The allocation ends: end what runs, write it down, and go.
    Stop,
}

/// An attempt that is given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Given {
    /// The job.
    pub(super) seq: u64,
    /// Which attempt of it.
    pub(super) attempt: u32,
    /// What it needs.
    pub(super) need: Need,
    /// Where its part of `commands.sh` begins, in bytes.
    pub(super) offset: u64,
    /// Length of that part in bytes.
    pub(super) length: u64,
}
