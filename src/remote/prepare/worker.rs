//! The worker launcher: which program the workers are, and how they are started.

use std::path::Path;

use crate::{
    config::{
        site::{SchedulerKind, Site},
        units::Seconds,
    },
    remote::RemoteError,
    state::{
        hash::Hash,
        run_dir::decision::{Allocation, SentProgram, WorkerProgram},
    },
    worker::AllocationArgs,
};

/// Directory of the programs that were sent, in our own directory on the site.
const PROGRAMS: &str = "bin";

/// The program that the workers of a site are: this one on the same machine, else the site's own,
/// else one that is sent under its hash.
pub(super) fn program(site: &Site, home: &Path, own: &Path) -> Result<WorkerProgram, RemoteError> {
    let there = match (&site.worker.binary, site.scheduler) {
        (Some(binary), _) => Some(binary.as_path()),
        (None, SchedulerKind::Local) => Some(own),
        _ => None,
    };
    if let Some(remote) = there {
        return Ok(WorkerProgram {
            remote: remote.to_owned(),
            sent: None,
        });
    }
    let sent = site.worker.program.as_deref();
    let local = sent.map_or_else(|| own.to_owned(), |program| home.join(program));
    let hash = Hash::of_file(&local).map_err(|error| {
        RemoteError::Site(format!(
            "the worker's program {} cannot be read: {error}; see `worker` in docs/configuration.md",
            local.display()
        ))
    })?;
    let name = format!("outrigger-{hash}");
    Ok(WorkerProgram {
        remote: site.own_directory().join(PROGRAMS).join(name),
        sent: Some(SentProgram { local, hash }),
    })
}

/// The command that starts a node's part; it runs in the run's directory.
pub(super) fn command(
    site: &Site,
    program: &WorkerProgram,
    allocation: &Allocation,
) -> Vec<String> {
    let mut command = vec![
        program.remote.to_string_lossy().into_owned(),
        "worker".into(),
        "run".into(),
    ];
    let of = AllocationArgs {
        run_dir: ".".into(),
        allocation: None,
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
