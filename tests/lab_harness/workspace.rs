//! A directory with an `outrigger.yaml` that knows the lab, and the program run in it.

use std::{
    ffi::OsStr,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{Answer, Lab, Master};

/// An empty project whose sites `slurm`, `moab` and `rest` (slurmrestd) are the lab; its scratch
/// goes with it.
#[derive(Debug)]
pub(crate) struct Workspace<'lab> {
    lab: &'lab Lab,
    dir: TempDir,
    scratch: String,
}

impl<'lab> Workspace<'lab> {
    pub(crate) fn new(lab: &'lab Lab, master: &Master) -> Self {
        let dir = tempfile::Builder::new().prefix("ws-").tempdir().unwrap();
        let unique = dir.path().file_name().unwrap().to_str().unwrap();
        let scratch = format!("/scratch/lanluser/{unique}");
        lab.fe(["mkdir", &scratch]).success();
        let sites = [
            site(
                "slurm",
                "scheduler: slurm\n    partition: shared",
                &scratch,
                master,
            ),
            site(
                "moab",
                "scheduler: moab\n    scheduler_path: /opt/moab/bin\n    queue: shared",
                &scratch,
                master,
            ),
            site("rest", REST, &scratch, master),
        ];
        let config = format!("sites:\n{}", sites.concat());
        fs::write(dir.path().join("outrigger.yaml"), config).unwrap();
        Self { lab, dir, scratch }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The cluster's directory that both sites have as scratch.
    pub(crate) fn scratch(&self) -> &str {
        &self.scratch
    }

    /// The text of `outrigger.yaml`.
    pub(crate) fn config(&self) -> String {
        fs::read_to_string(self.path().join("outrigger.yaml")).unwrap()
    }

    /// Runs the program here.
    pub(crate) fn outrigger<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Answer {
        Command::new(env!("CARGO_BIN_EXE_outrigger"))
            .args(args)
            .current_dir(self.path())
            .env_remove("OUTRIGGER_LAB")
            .stdin(Stdio::null())
            .output()
            .unwrap()
            .into()
    }
}

impl Drop for Workspace<'_> {
    fn drop(&mut self) {
        self.lab.fe(["rm", "-rf", &self.scratch]);
    }
}

/// The site behind slurmrestd's socket on the front end.
const REST: &str = "scheduler: slurmrestd
    rest: {socket: /run/slurmrestd-lanluser/sock}
    partition: shared";

fn site(name: &str, scheduler: &str, scratch: &str, master: &Master) -> String {
    let connection = master.connection();
    format!(
        "  {name}:
    {scheduler}
    nodes: {{cores: 24, max: 4}}
    walltime: {{min: 1m, max: 1h}}
    scratch: {scratch}
    {connection}
"
    )
}
