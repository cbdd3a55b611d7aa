//! `outrigger.yaml`: sites and how they are reached (design §7).

mod transfer;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Job arrays in place of one wide job, so that the scheduler can begin the tasks one by one;
    /// not with `launcher: worker`, whose jobs go to whichever node of one allocation is free.
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

/// The batch schedulers that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SchedulerKind {
    /// The embedded one: runs batch scripts on this machine.
    #[default]
    Local,
    /// `sbatch`, `squeue`, `sacct` or `scontrol`.
    Slurm,
    /// `msub`, `showq`, `checkjob`, `canceljob`.
    Moab,
    /// Slurm through its REST daemon.
    Slurmrestd,
}

/// How slurmrestd is reached: by a socket or by a URL.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rest {
    /// Its Unix socket on the machine that commands run on: the front end, to which our master
    /// forwards, or this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    /// Its address, reached from this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Who we are there; `$USER` if absent. It goes with a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// File here with the token, which is read anew at each visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Program here (argv) that prints the token, alone or as `SLURM_JWT=…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_command: Option<Vec<String>>,
    /// Version of the API, such as `v0.0.38`; the newest that both sides speak if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Further properties of a job, as the API names them; they win over ours.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, Property>,
}

/// A property of a job in the API of slurmrestd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Property {
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(i64),
    /// A word.
    Word(String),
    /// Several words.
    Words(Vec<String>),
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

/// Allocation formulas by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Formula {
    /// The worked example of the developer notes (seed 003).
    Seed,
    /// The final formula of the original (spec/remote.md §4), which may exceed the limits.
    Ipp,
    /// Never over the site's limits; an oversized bundle is split.
    #[default]
    Bounded,
    /// From what finished jobs took, by playing the launcher; `bounded` while there are too few.
    Calibrated,
}

/// What a site's queue likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Prefer {
    /// The fewest runs, and of these the fewest whole hours.
    #[default]
    Hours,
    /// The shortest walltime, in as many runs as that takes.
    Short,
    /// The fewest runs, and of these the most nodes.
    Wide,
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

/// Shape and number of a site's nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Nodes {
    /// Cores of one node.
    pub cores: u32,
    /// Memory of one node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Fewest nodes a request may name.
    pub min: u32,
    /// Most nodes a request may name.
    pub max: u32,
}

/// Shortest and longest walltime.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Walltime {
    /// Shortest walltime a request may name.
    pub min: Seconds,
    /// Longest walltime a request may name.
    pub max: Seconds,
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

/// The way to a site.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Connection {
    /// The site is this host.
    #[default]
    #[serde(with = "none_word")]
    #[schemars(with = "none_word::NoneWord")]
    None,
    /// Over an OpenSSH ControlMaster that a human opened.
    Ssh(Box<SshConnection>),
}

/// An OpenSSH ControlMaster and what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SshConnection {
    /// The front end, as ssh knows it (a name or a `Host` of the ssh config).
    pub host: String,
    /// More front ends that see the same file systems; lines go to all of them in turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub front_ends: Vec<String>,
    /// The bastion in front of it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump: Option<String>,
    /// Whether the bastion forwards nothing, so that commands run as `ssh FRONT-END …` on it.
    #[serde(default)]
    pub nested: bool,
    /// Logins that the operator makes in one sitting, one token each.
    #[serde(default = "default_one")]
    pub logins: u32,
    /// Masters to the front ends over each login through `jump`; they cost no further token.
    #[serde(default = "default_one")]
    pub lines: u32,
    /// Login name there: the remote account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Control socket of the first master; `~/.ssh/or-<site>@<this host>` if absent. At most 79
    /// characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    /// ssh config file to use instead of the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_file: Option<PathBuf>,
    /// Sessions of each master that we may use at once.
    #[serde(default = "default_sessions")]
    pub sessions: u32,
    /// How long the site lets a connection live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Seconds>,
    /// The ssh program (or an HPN build of it).
    #[serde(default = "default_ssh")]
    pub ssh: PathBuf,
    /// The scp program.
    #[serde(default = "default_scp")]
    pub scp: PathBuf,
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

impl SshConnection {
    /// How many masters lead to front ends. `lines` is 1 where no login carries more (a rule of
    /// the configuration).
    pub fn masters(&self) -> u32 {
        self.logins.max(1).saturating_mul(self.lines.max(1))
    }
}

/// The command `name` in the scheduler's directory, or in PATH.
pub(crate) fn scheduler_command(path: Option<&Path>, name: &str) -> String {
    path.map_or_else(
        || name.to_owned(),
        |path| path.join(name).to_string_lossy().into_owned(),
    )
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

impl Default for Nodes {
    fn default() -> Self {
        Self {
            cores: 1,
            memory: None,
            min: 1,
            max: 1,
        }
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

impl Default for Walltime {
    fn default() -> Self {
        Self {
            min: Seconds(60),
            max: Seconds(8 * 3600),
        }
    }
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

fn default_one() -> u32 {
    1
}

fn default_sessions() -> u32 {
    5
}

fn default_ssh() -> PathBuf {
    "/usr/bin/ssh".into()
}

fn default_scp() -> PathBuf {
    "/usr/bin/scp".into()
}

/// `none` as a word in YAML for a unit variant of an untagged enum.
mod none_word {
    use schemars::JsonSchema;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub(super) enum NoneWord {
        None,
    }

    pub(super) fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
        NoneWord::None.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        NoneWord::deserialize(deserializer).map(|_| ())
    }
}
