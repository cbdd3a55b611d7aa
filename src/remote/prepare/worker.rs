//! The worker launcher: which program the workers are, and how they are started.

use std::path::Path;

use crate::{
    config::{
        site::{SchedulerKind, Site},
        units::Seconds,
    },
    remote::RemoteError,
    state::run_dir::decision::{Allocation, FarProgram},
    transfer::{self, NoLedger},
    worker::AllocationArgs,
};

/// The program that the workers of a site are: this one on the same machine, else the site's own,
/// else one that is sent under its hash.
pub(super) fn program(site: &Site, home: &Path, own: &Path) -> Result<FarProgram, RemoteError> {
    let there = match (&site.worker.binary, site.scheduler) {
        (Some(binary), _) => Some(binary.as_path()),
        (None, SchedulerKind::Local) => Some(own),
        _ => None,
    };
    if let Some(remote) = there {
        return Ok(FarProgram {
            remote: remote.to_owned(),
            sent: None,
        });
    }
    let local = site.sent_program(home, own);
    transfer::program::sent(site, &local, &NoLedger).map_err(|error| {
        RemoteError::Site(format!(
            "the worker's program {} cannot be read: {error}; see `worker` in docs/configuration.md",
            local.display()
        ))
    })
}

/// The command that starts a node's part, of the batch job or of a task of the array that it is; it
/// runs in the run's directory.
pub(super) fn command(
    site: &Site,
    program: &FarProgram,
    allocation: &Allocation,
    task: Option<u32>,
) -> Vec<String> {
    let mut command = vec![
        program.remote.to_string_lossy().into_owned(),
        "worker".into(),
        "run".into(),
    ];
    let of = AllocationArgs {
        run_dir: ".".into(),
        allocation: None,
        task,
        workers: allocation.nodes,
        here: site.scheduler == SchedulerKind::Local,
        cores: site.nodes.cores,
        memory: site.nodes.memory,
        walltime: Some(Seconds(allocation.walltime)),
        tries: site.tries(),
        transport: site.worker.transport,
        silence: site.worker.silence,
    };
    command.extend(of.words());
    command
}
