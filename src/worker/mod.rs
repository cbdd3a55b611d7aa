//! What runs the jobs of a run inside an allocation: one coordinator, and a worker a node that
//! pulls jobs from it (design §6).
//!
//! `desk` decides which job goes where and what is tried again (pure); `coordinate` is the process
//! around it, `door` where workers come in. `serve` is the process of a worker, `yard` what it runs
//! and runs next, `job` and `step` one attempt of a job, `books` what it leaves. `keeper` starts
//! both, and starts again what is killed.
//!
//! Nothing is lost: an attempt counts as over when it is in the node's journal, before the
//! coordinator hears of it; the journal is brought to the disk each second, and what a lost node
//! may not have brought there is run again. Nothing runs twice at once: what a node had is given
//! to another only when a new worker on it has ended what the old one left, or when the node was
//! silent for so long that its worker, which hears nobody either, has ended its jobs.

mod asked;
mod books;
mod coordinate;
mod desk;
mod door;
mod error;
mod excerpt;
mod horizon;
mod job;
mod keeper;
mod log;
mod message;
mod outputs;
mod pace;
mod place;
mod program;
mod programs;
mod reach;
mod room;
mod said;
mod serve;
mod step;
mod talk;
mod tasks;
mod waiting;
mod yard;

pub use log::{Frame, LogError};
pub use program::{AllocationArgs, ProcessArgs, coordinate_main, run_main, serve_main};
pub use said::{SaidError, said};

use crate::connection::talk::secret::nonce;

/// A number that no other process has.
fn incarnation() -> std::io::Result<u64> {
    let nonce = nonce()?;
    let mut bytes = nonce.iter().take(8);
    Ok(bytes
        .by_ref()
        .fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
