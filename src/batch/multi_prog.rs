//! `srun --multi-prog`: what a site's version allows, and how a step of ours is started.

use super::Version;

/// What a site's `srun` can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultiProg {
    /// Its version.
    pub version: Version,
    /// Largest `--multi-prog` config in bytes.
    pub max_config_bytes: u64,
}

impl MultiProg {
    /// The limit is 60,000 bytes up to Slurm 25.05.1 and 512 MiB from 25.05.2 on.
    pub(super) fn of(version: Version) -> Self {
        let max_config_bytes = if version.number >= (25, 5, 2) {
            512 << 20
        } else {
            60_000
        };
        Self {
            version,
            max_config_bytes,
        }
    }
}

/// The step that runs a command once on each node, with all that the job has there. A worker that
/// ends, and a node that fails, must not end the others.
pub(super) fn spread(srun: &str, nodes: u32, command: &[String]) -> Vec<String> {
    let mut argv = [
        srun,
        "--kill-on-bad-exit=0",
        "--no-kill",
        "--wait=0",
        "--input=none",
        "--cpu-bind=none",
        "--mpi=none",
    ]
    .map(str::to_owned)
    .to_vec();
    argv.extend([
        format!("--nodes={nodes}"),
        format!("--ntasks={nodes}"),
        "--ntasks-per-node=1".into(),
    ]);
    argv.extend_from_slice(command);
    argv
}

/// The step that runs one config. Each option guards against a default of srun or of a site: a failed
/// rank must not end its neighbours, neither at once (`--kill-on-bad-exit`) nor after the site's
/// `WaitTime` (`--wait`), and neither must a failed node (`--no-kill`); srun must not eat the batch
/// script's standard input; more ranks than cores must not be refused, nor be tied to the same core;
/// neighbouring ranks go to different nodes, so that jobs in order of length spread evenly; and no MPI
/// library is to be set up for ranks that know nothing of each other. Where there are several `lanes`,
/// a step must not wait until the cores and the memory of the one before it are free (`--overlap`,
/// Slurm 20.11).
pub(super) fn step(srun: &str, conf: &str, tasks: u32, lanes: u32) -> Vec<String> {
    let mut argv = [
        srun,
        "--kill-on-bad-exit=0",
        "--no-kill",
        "--wait=0",
        "--input=none",
        "--overcommit",
        "--distribution=cyclic",
        "--cpu-bind=none",
        "--mpi=none",
    ]
    .map(str::to_owned)
    .to_vec();
    if lanes > 1 {
        argv.push("--overlap".into());
    }
    argv.extend([
        format!("--ntasks={tasks}"),
        "--multi-prog".into(),
        conf.into(),
    ]);
    argv
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case((22, 5, 8), 60_000)]
    #[case((25, 5, 1), 60_000)]
    #[case((25, 5, 2), 536_870_912)]
    fn the_limit_follows_the_version(#[case] number: (u32, u32, u32), #[case] bytes: u64) {
        let version = Version {
            text: String::new(),
            number,
        };
        assert_eq!(MultiProg::of(version).max_config_bytes, bytes);
    }

    #[test]
    fn a_step_shields_its_ranks_from_each_other() {
        insta::assert_snapshot!(
            step("srun", "steps/7.conf", 96, 1).join(" "),
            @"srun --kill-on-bad-exit=0 --no-kill --wait=0 --input=none --overcommit --distribution=cyclic --cpu-bind=none --mpi=none --ntasks=96 --multi-prog steps/7.conf"
        );
    }

    #[test]
    fn steps_beside_each_other_share_the_nodes() {
        let argv = step("srun", "steps/7.conf", 24, 4);
        assert!(argv.contains(&"--overlap".to_owned()), "{argv:?}");
    }
}
