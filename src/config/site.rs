//! `outrigger.yaml`: sites and how they are reached (design §7).

mod connection;
mod launch;
mod request;
mod scheduler;
mod transfer;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use connection::{Connection, SshConnection};
pub use launch::{ArrayTasks, ChunkLimits, LauncherKind, Transport, WorkerSettings};
pub use request::{Formula, Nodes, Prefer, Walltime};
pub(crate) use scheduler::scheduler_command;
pub use scheduler::{Property, Rest, SchedulerKind};
pub use transfer::{Engine, SourceHost, Transfer, TransferProgram};

use super::units::{Bytes, Seconds};

/// The whole of `outrigger.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The batch clusters, by name.
    pub sites: IndexMap<String, Site>,
    /// Glob of the stage recipes, relative to this file.
    #[serde(default = "default_stages")]
    pub stages: String,
    /// The database, relative to this file.
    #[serde(default = "default_state")]
    pub state: PathBuf,
    /// Where run directories are written, relative to this file.
    #[serde(default = "default_runs")]
    pub runs: PathBuf,
    /// How file names of a URI scheme (`neb`, `path`, …) turn into paths.
    #[serde(default)]
    pub names: BTreeMap<String, NameScheme>,
    /// Programs and options that a legacy dbinfo command line may use; anything else is refused.
    #[serde(default)]
    pub legacy_dbinfo: BTreeMap<String, AllowedProgram>,
    /// Who is told when a human is needed.
    #[serde(default)]
    pub notify: Notify,
}

/// One batch cluster: its scheduler, its nodes, its limits, and the way there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// A built-in set of defaults to start from: `lanl` or `uhcray` (spec/remote.md, recipe table).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Which batch scheduler takes the jobs.
    #[serde(default)]
    pub scheduler: SchedulerKind,
    /// How slurmrestd is reached; for `scheduler: slurmrestd` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Rest>,
    /// Directory of the scheduler's commands on the site, where they are not in PATH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler_path: Option<PathBuf>,
    /// Account that is charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Queue (Moab class).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Quality of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qos: Option<String>,
    /// Slurm partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// Advance reservation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<String>,
    /// Node features asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    /// Further directives, each without its `#SBATCH` or `#MSUB`.
    #[serde(default)]
    pub directives: Vec<String>,
    /// Shell lines that set up the environment at the top of the batch script.
    #[serde(default)]
    pub environment: Vec<String>,
    /// Environment modules loaded at the top of the batch script.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Shape and number of the nodes.
    #[serde(default)]
    pub nodes: Nodes,
    /// Shortest and longest walltime that may be asked for.
    #[serde(default)]
    pub walltime: Walltime,
    /// Share of an allocation that work should fill, above 0 and at most 1.
    #[serde(default = "default_fill_factor")]
    pub fill_factor: f64,
    /// Formula that turns work into nodes × walltime.
    #[serde(default)]
    pub formula: Formula,
    /// What the queue likes, for formula `calibrated`.
    #[serde(default)]
    pub prefer: Prefer,
    /// Whether a run that reads what batch jobs still make is submitted to begin after them, instead
    /// of waiting here until they are over.
    #[serde(default)]
    pub chain: bool,
    /// What starts the jobs inside an allocation.
    #[serde(default)]
    pub launcher: LauncherKind,
    /// Limits of one `srun --multi-prog` step.
    #[serde(default)]
    pub chunk: ChunkLimits,
    /// Job arrays in place of one wide job, so that the scheduler can begin the tasks one by one.
    /// Each task is an allocation of its own, with a launcher for its share of the jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array: Option<ArrayTasks>,
    /// The worker launcher.
    #[serde(default)]
    pub worker: WorkerSettings,
    /// Directory on the site under which everything of ours lives; absolute.
    pub scratch: PathBuf,
    /// Name of the site that is recorded as processing host; the site's key if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// What recipes need to know of the site, by name: templates see `site_vars.NAME`.
    #[serde(default)]
    pub vars: BTreeMap<String, String>,
    /// The way there: `none` for this host, or an OpenSSH ControlMaster.
    #[serde(default)]
    pub connection: Connection,
    /// How files travel.
    #[serde(default)]
    pub transfer: Transfer,
    /// Paths that are permanent on the site: checked before a submission, never shipped.
    #[serde(default)]
    pub resident: Vec<PathBuf>,
    /// Most bytes that we may have on its scratch; a run that would need more is refused before
    /// anything is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scratch_budget: Option<Bytes>,
    /// What is done when a run does not fit into the budget.
    #[serde(default)]
    pub scratch_clean: ScratchClean,
    /// How long the site keeps files that nobody uses; inputs are touched well before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge_age: Option<Seconds>,
    /// How it takes the jobs of tasks whose host is `site:NAME`.
    #[serde(default)]
    pub pcontrol: AsHost,
    /// How often a failed component is bundled again by itself. A job is tried once more than that
    /// in all bundles together; what its node, walltime or a cancellation ended counts as no try.
    #[serde(default = "default_retries")]
    pub retries: u32,
    /// How often what has passed is brought home and imported while a batch job still runs; only
    /// when it is over if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harvest_every: Option<Seconds>,
    /// How long a failed component waits before it is bundled again by itself.
    #[serde(default)]
    pub back_off: BackOff,
}

/// What is done when a run does not fit into a site's scratch budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScratchClean {
    /// The run is refused, and the runs that could be cleaned are named.
    #[default]
    Never,
    /// Runs that are over are cleaned, the one that finished first before the others, until it
    /// fits.
    OldestFinished,
}

/// How a site takes jobs of a controller: bundled by number and time into batch jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AsHost {
    /// Most jobs of one batch job.
    pub jobs: u32,
    /// How long a job waits for others to go with it.
    pub wait: Seconds,
    /// Nodes of a batch job; the fewest that the site allows if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    /// Walltime of a batch job; the longest that the site allows if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub walltime: Option<Seconds>,
}

/// How long a failed component waits before it is bundled again by itself. What its node, walltime
/// or a cancellation ended goes at once the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackOff {
    /// After its first failure; twice as long after each further one. 1m if absent, and nothing
    /// where `scheduler` is `local`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Seconds>,
    /// Never longer than this.
    pub at_most: Seconds,
}

/// How names of one URI scheme turn into paths (spec/remote.md §3, rules R1–R3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NameScheme {
    /// Directory that stands for what rule R1 strips (everything through the third slash).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    /// Named directories of `scheme://NAME/…`.
    #[serde(default)]
    pub sites: BTreeMap<String, PathBuf>,
    /// Program that prints the disk path of a name given as its last argument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locate: Option<Vec<String>>,
}

/// A program that a legacy dbinfo line may run, and the options it may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowedProgram {
    /// The program's path here.
    pub path: PathBuf,
    /// Options it may be given, with their dashes.
    pub options: Vec<String>,
}

/// Who is told when a human is needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Notify {
    /// URL that gets a JSON message by POST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// Program (argv) that gets the message on its standard input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// How long before a link's known end a human is told.
    pub before_expiry: Seconds,
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            webhook: None,
            command: None,
            before_expiry: Seconds(1800),
        }
    }
}

impl Site {
    /// Our own directory in the scratch: run directories and what is under way.
    pub fn own_directory(&self) -> PathBuf {
        self.scratch.join("outrigger")
    }

    /// The program of ours that is sent to the site: `worker.program`, below `home`, or `own`.
    pub fn sent_program(&self, home: &Path, own: &Path) -> PathBuf {
        let named = self.worker.program.as_deref();
        named.map_or_else(|| own.to_owned(), |program| home.join(program))
    }

    /// Where files stay until they are verified.
    pub fn staging(&self) -> PathBuf {
        self.own_directory().join("staging")
    }

    /// How often a job is tried, and a component bundled, in all.
    pub fn tries(&self) -> u32 {
        self.retries.saturating_add(1)
    }

    /// How long a component waits after its first failure.
    pub fn back_off_after(&self) -> Seconds {
        // The embedded scheduler is ours alone: nobody's queue is spared by waiting.
        let usual = match self.scheduler {
            SchedulerKind::Local => Seconds(0),
            SchedulerKind::Slurm | SchedulerKind::Moab | SchedulerKind::Slurmrestd => Seconds(60),
        };
        self.back_off.after.unwrap_or(usual)
    }

    /// Steps of `launcher: chunks` that run beside each other, at least.
    pub fn lanes(&self) -> u32 {
        let usual = match self.scheduler {
            SchedulerKind::Moab => 1,
            SchedulerKind::Local | SchedulerKind::Slurm | SchedulerKind::Slurmrestd => 4,
        };
        self.chunk.lanes.unwrap_or(usual).max(1)
    }

    /// Name of the site that is recorded as processing host; `key` is its name here.
    pub fn recorded_name<'a>(&'a self, key: &'a str) -> &'a str {
        self.hostname.as_deref().unwrap_or(key)
    }
}

impl Default for AsHost {
    fn default() -> Self {
        Self {
            jobs: 100,
            wait: Seconds(30),
            nodes: None,
            walltime: None,
        }
    }
}

impl Default for BackOff {
    fn default() -> Self {
        Self {
            after: None,
            at_most: Seconds(3600),
        }
    }
}

fn default_stages() -> String {
    "stages/*.yaml".into()
}

fn default_state() -> PathBuf {
    "state.db".into()
}

fn default_runs() -> PathBuf {
    "runs".into()
}

fn default_fill_factor() -> f64 {
    0.8
}

fn default_retries() -> u32 {
    2
}
