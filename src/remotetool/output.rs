//! Rows as the original prints them (spec/remote.md §1, §2).

use jiff::Timestamp;

use super::{
    request::JobId,
    words::{ComponentWord, RunWord},
};
use crate::metadata::{Record, Value, write_multi, write_simple};

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// psLib metadata text, which `ipptool2book` reads.
    Metadata,
    /// `-simple`: one row a line.
    Simple,
}

/// A row of remoteRun, as `-listrun` prints it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// The run.
    pub remote_id: i64,
    /// Its state.
    pub state: RunWord,
    /// Its stage.
    pub stage: String,
    /// Its label.
    pub label: String,
    /// Root of its files.
    pub path_base: String,
    /// Its batch job.
    pub job_id: JobId,
    /// When the row last changed.
    pub last_poll: Timestamp,
    /// Exit code of its last failure; 0 = none.
    pub fault: i16,
}

/// A component with its run, as `-listcomponent` prints it.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentRow {
    /// The run.
    pub remote_id: i64,
    /// The component.
    pub stage_id: i64,
    /// Number of its jobs; 0 until it is prepared.
    pub jobs: i32,
    /// Its state.
    pub state: ComponentWord,
    /// Its directory, once it is prepared.
    pub path_base: Option<String>,
    /// The run's stage.
    pub stage: String,
    /// Root of the run's files.
    pub run_path_base: String,
}

/// A run whose components are all settled, as `-doneprep` prints it.
#[derive(Debug, Clone, PartialEq)]
pub struct DonePrepRow {
    /// The run.
    pub remote_id: i64,
    /// Root of its files.
    pub path_base: String,
    /// Its stage.
    pub stage: String,
    /// Components that are prepared or have failed.
    pub done: i64,
    /// All its components, in the column that the original calls Njobs.
    pub components: i64,
}

/// A component of a run just defined, as `-definebyquery` prints it: new, without jobs or path.
#[derive(Debug, Clone, PartialEq)]
pub struct DefinedRow {
    /// The run.
    pub remote_id: i64,
    /// The component.
    pub stage_id: i64,
}

impl Format {
    /// The format for `-simple` given or not.
    pub fn simple(simple: bool) -> Self {
        if simple { Self::Simple } else { Self::Metadata }
    }
}

/// What `-listrun` prints. Without rows the original prints an empty line, unless `-simple`.
pub fn render_runs(rows: &[RunRow], format: Format) -> String {
    let records: Vec<_> = rows.iter().map(run_record).collect();
    match format {
        Format::Metadata => write_multi("remoteRun", &records),
        Format::Simple => write_simple(&records),
    }
}

/// What `-listcomponent` prints; nothing without rows.
pub fn render_components(rows: &[ComponentRow], format: Format) -> String {
    render("remoteComponent", rows, format, component_record)
}

/// What `-doneprep` prints; nothing without rows.
pub fn render_done_prep(rows: &[DonePrepRow], format: Format) -> String {
    render("remoteRun", rows, format, done_prep_record)
}

/// What `-definebyquery` prints; nothing without rows.
pub fn render_defined(rows: &[DefinedRow], format: Format) -> String {
    render("remoteComponent", rows, format, defined_record)
}

/// What `-definebyquery -pretend` prints of the components it would bundle; nothing without.
pub fn render_pretended(stage_ids: &[i64], format: Format) -> String {
    render("newremoteComponents", stage_ids, format, |stage_id| {
        Record::new().with("stage_id", Value::S64(*stage_id))
    })
}

fn render<T>(name: &str, rows: &[T], format: Format, record: impl Fn(&T) -> Record) -> String {
    let records: Vec<_> = rows.iter().map(record).collect();
    match format {
        _ if records.is_empty() => String::new(),
        Format::Metadata => write_multi(name, &records),
        Format::Simple => write_simple(&records),
    }
}

fn run_record(row: &RunRow) -> Record {
    Record::new()
        .with("remote_id", Value::S64(row.remote_id))
        .with("state", text(row.state.word()))
        .with("stage", text(&row.stage))
        .with("label", text(&row.label))
        .with("path_base", text(&row.path_base))
        .with("job_id", job_value(&row.job_id))
        .with("last_poll", Value::time(row.last_poll))
        .with("fault", Value::S16(row.fault))
}

fn component_record(row: &ComponentRow) -> Record {
    Record::new()
        .with("remote_id", Value::S64(row.remote_id))
        .with("stage_id", Value::S64(row.stage_id))
        .with("jobs", Value::S32(row.jobs))
        .with("state", text(row.state.word()))
        .with("path_base", Value::text(row.path_base.as_deref()))
        .with("stage", text(&row.stage))
        .with("run_path_base", text(&row.run_path_base))
}

fn done_prep_record(row: &DonePrepRow) -> Record {
    Record::new()
        .with("remote_id", Value::S64(row.remote_id))
        .with("path_base", text(&row.path_base))
        .with("stage", text(&row.stage))
        .with("Ndone", Value::S64(row.done))
        .with("Njobs", Value::S64(row.components))
}

fn defined_record(row: &DefinedRow) -> Record {
    Record::new()
        .with("remote_id", Value::S64(row.remote_id))
        .with("stage_id", Value::S64(row.stage_id))
        .with("jobs", Value::S32(0))
        .with("state", text(ComponentWord::New.word()))
        .with("path_base", Value::text(None::<String>))
}

/// A number where the scheduler's id is one, as in the original; its text otherwise.
fn job_value(job_id: &JobId) -> Value {
    let id = job_id.to_string();
    match id.parse::<i64>() {
        Ok(number) if number.to_string() == id => Value::S64(number),
        _ => Value::Str(id),
    }
}

fn text(text: &str) -> Value {
    Value::Str(text.to_owned())
}
