//! Stage recipes: which components a stage has, and what each needs, runs, yields, costs and
//! reports (design §2, §7).
//!
//! Fields typed [`Template`] are Tera templates over the component's row, the job's row, the
//! recipe's `vars` and the run. `{sh: …}` steps are rendered with shell quoting as the escape;
//! everything else is data and goes to its program as it is, never through a shell.

use std::path::PathBuf;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{Bytes, Seconds};

/// A Tera template.
pub type Template = String;

/// One stage recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name of the stage.
    pub stage: String,
    /// Other names of the stage (`cam` for `camera`).
    #[serde(default)]
    pub alias: Vec<String>,
    /// What the stage does, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where the components come from; each row needs a `stage_id` (integer).
    #[serde(with = "serde_yaml::with::singleton_map")]
    #[schemars(with = "Source")]
    pub components: Source,
    /// Field of a component's row that is its `stage_id`, if that is not its name (`chip_id`, as
    /// `chiptool` prints it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How a component splits into jobs; absent: one job a component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<Jobs>,
    /// Tables loaded once and joined in memory, callable as functions in templates.
    #[serde(default)]
    pub lookups: IndexMap<String, Lookup>,
    /// Named templates, rendered in order for each job; each may use those above it.
    #[serde(default)]
    pub vars: IndexMap<String, Template>,
    /// Files a job reads.
    #[serde(default)]
    pub inputs: Vec<Input>,
    /// Files that must exist and not be empty when the job starts, and what is reported if not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precheck: Option<Precheck>,
    /// Steps before the command; the first that fails ends the job.
    #[serde(default)]
    pub pre: Vec<Step>,
    /// The command.
    pub command: Step,
    /// Steps after the command.
    #[serde(default)]
    pub post: Vec<Step>,
    /// Files a job writes.
    #[serde(default)]
    pub outputs: Vec<Output>,
    /// The record a finished job returns for the local database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dbinfo: Option<Dbinfo>,
    /// What one job costs.
    #[serde(default)]
    pub cost: Cost,
    /// Stage that is queued when a component passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
}

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A query over state.db; `:label` and the fields of the row above it (for jobs) are bound.
    Sql(String),
    /// A `.csv`, `.jsonl`, `.json` or psLib metadata (`.mdc`, `.md`) file, relative to the recipe.
    File(PathBuf),
    /// A command (argv of templates) that prints JSON lines, or psLib metadata.
    Command(Vec<Template>),
}

/// How a component splits into jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jobs {
    /// Name under which templates see the job's row.
    pub for_each: String,
    /// Where the rows come from; absent: the list field of the component's row with the name of
    /// `for_each`, or that name with an `s`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "serde_yaml::with::singleton_map"
    )]
    #[schemars(with = "Option<Source>")]
    pub from: Option<Source>,
    /// For a file or command: the field that equals the component's field of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What tells the jobs of a component apart, stable across retries.
    pub key: Template,
}

/// A table loaded once and searched in memory. In templates it is a function:
/// `detrend('FLAT', imfile)` gives the best row's `value`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// Where the rows come from.
    #[serde(with = "serde_yaml::with::singleton_map")]
    #[schemars(with = "Source")]
    pub from: Source,
    /// Names of the function's arguments, in order (`[type, of]`).
    pub params: Vec<String>,
    /// Columns that must equal a template over the arguments (`filter: "{{ of.filter }}"`). An
    /// empty or null cell matches everything, but an exact match is better.
    #[serde(rename = "match")]
    pub matches: IndexMap<String, Template>,
    /// Validity: the row's interval must hold the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<Validity>,
    /// Column by which ties go to the largest (newest).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// Column the function gives.
    pub value: String,
    /// Whether finding nothing is an error (the default) or an empty string.
    #[serde(default = "yes")]
    pub required: bool,
}

/// When a row of a lookup table is valid: half-open, a missing end is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    /// Time asked for, over the function's arguments.
    pub at: Template,
    /// Column with the first valid time.
    pub from: String,
    /// Column with the first time that is no longer valid.
    pub until: String,
}

/// A file a job reads. Exactly `local` and `remote`, or `remote` alone for a file that an
/// earlier stage left on the site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Path here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<Template>,
    /// Path on the site, relative to its scratch or absolute.
    pub remote: Template,
    /// Skipped unless this renders to something other than empty, `false` or `0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Template>,
    /// Repeated for each element of this list (an expression, without braces), named by `as`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<String>,
    /// Name of the element (`item` if absent).
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
}

/// A file a job writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Path on the site, relative to its scratch or absolute.
    pub remote: Template,
    /// Path here, relative to outrigger.yaml or absolute; absent: stays on the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<Template>,
    /// Whether the job has failed without it.
    #[serde(default = "yes")]
    pub required: bool,
    /// Whether it may have no bytes.
    #[serde(default)]
    pub may_be_empty: bool,
    /// Skipped unless this renders to something other than empty, `false` or `0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Template>,
    /// Repeated for each element of this list (an expression, without braces), named by `as`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<String>,
    /// Name of the element (`item` if absent).
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
}

/// A step of a job: a program with its arguments, or a line for the shell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Step {
    /// Program and arguments; no shell.
    Argv(Vec<Arg>),
    /// A POSIX shell line; what templates put in is quoted.
    Shell {
        /// The line.
        sh: Template,
    },
}

/// One argument, or several that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Arg {
    /// One argument.
    One(Template),
    /// Arguments that are left out, or repeated.
    Group(ArgGroup),
}

/// Arguments that are left out, or repeated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArgGroup {
    /// The arguments.
    pub args: Vec<Template>,
    /// Left out unless this renders to something other than empty, `false` or `0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Template>,
    /// Repeated for each element of this list (an expression, without braces), named by `as`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<String>,
    /// Name of the element (`item` if absent).
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
}

/// Files that must exist and not be empty when a job starts. If one does not, the job runs
/// nothing, yields nothing, and reports the given dbinfo values (the quality-4242 case of diff).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Precheck {
    /// Paths on the site.
    pub files: Vec<Template>,
    /// Values of the record in that case.
    pub otherwise: IndexMap<String, Template>,
}

/// The typed record a finished job returns for the local database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dbinfo {
    /// Table in state.db; made if absent.
    pub table: String,
    /// Columns that identify a record.
    pub key: Vec<String>,
    /// Columns and their types.
    pub columns: IndexMap<String, ColumnType>,
    /// Values known when the run is prepared.
    #[serde(default)]
    pub values: IndexMap<String, Template>,
    /// File the job writes with the rest, as a path on the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Template>,
    /// How that file is written.
    #[serde(default)]
    pub format: RecordFormat,
    /// Columns that may be missing.
    #[serde(default)]
    pub optional: Vec<String>,
    /// A legacy dbinfo file instead: one command line, run only if allowed by `legacy_dbinfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy: Option<Template>,
}

/// SQLite column types a record may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// 64-bit signed integer.
    Integer,
    /// Double.
    Real,
    /// UTF-8 text.
    Text,
}

/// How a job's record file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordFormat {
    /// One JSON object.
    #[default]
    Json,
    /// psLib metadata text.
    Metadata,
    /// `name value` or `name=value` lines.
    Lines,
}

/// What one job costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cost {
    /// Cores a job uses.
    pub threads: u32,
    /// Expected seconds of a job.
    pub seconds: Seconds,
    /// Template of the expected seconds of one job, where jobs differ and their rows tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each: Option<Template>,
    /// Memory of a job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Time after which a job is killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Seconds>,
}

/// The stage that is queued when a component passes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Next {
    /// The stage, under the same `stage_id`.
    Stage(String),
    /// The stage, under a `stage_id` computed from the component's row.
    Keyed {
        /// Name of the stage.
        stage: String,
        /// Template of its `stage_id`.
        id: Template,
    },
}

impl Default for Cost {
    fn default() -> Self {
        Self {
            threads: 1,
            seconds: Seconds(60),
            each: None,
            memory: None,
            limit: None,
        }
    }
}

fn yes() -> bool {
    true
}
