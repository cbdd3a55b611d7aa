//! What a command line asks for.

use std::{fmt, num::NonZeroU32};

use jiff::Timestamp;

use super::words::{ComponentWord, RunWord};

/// What a command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Print this text.
    Help(String),
    /// Run this command.
    Run(Command),
}

/// A mode and the database it works on.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// `-dbname`: the database of the original. Outrigger has one, so it is only passed on.
    pub dbname: Option<String>,
    /// The mode.
    pub mode: Mode,
}

/// The modes (spec/remote.md §2). Absent filters match everything; present ones must all match.
#[derive(Debug, Clone, PartialEq)]
pub enum Mode {
    /// `-definebyquery`: bundle what can be claimed into a new run.
    DefineByQuery(Define),
    /// `-listrun`.
    ListRun(RunFilter, Listing),
    /// `-listcomponent`.
    ListComponent(ComponentFilter, Listing),
    /// `-doneprep`: runs in which every component is prepared or has failed.
    DonePrep(DonePrepFilter, Listing),
    /// `-updaterun`: that no row changed is only a notice.
    UpdateRun {
        /// The run.
        remote_id: i64,
        /// What to set.
        change: RunChange,
    },
    /// `-updatepoll`: the run's last poll is now.
    UpdatePoll {
        /// The run.
        remote_id: i64,
    },
    /// `-updatecomponent`: that no row changed is only a notice.
    UpdateComponent {
        /// The run.
        remote_id: i64,
        /// Only this component.
        stage_id: Option<i64>,
        /// Only components in this state.
        state: Option<ComponentWord>,
        /// What to set.
        change: ComponentChange,
    },
    /// `-revertrun`: the fault of these runs is 0 again; no such run is an error.
    RevertRun {
        /// Only this run.
        remote_id: Option<i64>,
        /// Only runs with one of these labels; empty: any.
        labels: Vec<String>,
        /// Only runs with this fault.
        fault: Option<i16>,
    },
    /// `-revertauth`: runs in auth go on; no such run is an error.
    RevertAuth {
        /// Only this run.
        remote_id: Option<i64>,
        /// Only runs with one of these labels; empty: any.
        labels: Vec<String>,
    },
    /// `-revertcomponent`: failed components are free to be bundled again; no such component is
    /// an error.
    RevertComponent {
        /// Only components of this run.
        remote_id: Option<i64>,
        /// Only this component.
        stage_id: Option<i64>,
    },
    /// `-dropcomponent`: disabled; asks back and ends with code 1, as the original does.
    DropComponent {
        /// The run.
        remote_id: Option<i64>,
        /// The component.
        stage_id: Option<i64>,
    },
}

/// Options of `-definebyquery`.
#[derive(Debug, Clone, PartialEq)]
pub struct Define {
    /// Labels of the work to claim; at least one.
    pub labels: Vec<String>,
    /// The stage; `cam` is given as `camera`.
    pub stage: String,
    /// Root of the run's files.
    pub path_base: String,
    /// Label of the run; the label of the work if absent.
    pub set_label: Option<String>,
    /// Most components to claim.
    pub limit: Option<NonZeroU32>,
    /// Only print what would be claimed.
    pub pretend: bool,
    /// Print one row a line.
    pub simple: bool,
}

/// How a listing is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing {
    /// Most rows; absent: all.
    pub limit: Option<NonZeroU32>,
    /// One row a line.
    pub simple: bool,
}

/// Filters of `-listrun`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunFilter {
    /// Only this run.
    pub remote_id: Option<i64>,
    /// Only runs in this state.
    pub state: Option<RunWord>,
    /// Only runs of this stage; `cam` is given as `camera`.
    pub stage: Option<String>,
    /// Only runs with one of these labels; empty: any.
    pub labels: Vec<String>,
    /// Only runs with this batch job.
    pub job_id: Option<JobId>,
    /// Only runs that changed at this time or later.
    pub poll_begin: Option<Timestamp>,
    /// Only runs that changed at this time or earlier.
    pub poll_end: Option<Timestamp>,
    /// Only runs with this fault.
    pub fault: Option<i16>,
}

/// Filters of `-listcomponent`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ComponentFilter {
    /// Only components of this run.
    pub remote_id: Option<i64>,
    /// Only this component.
    pub stage_id: Option<i64>,
    /// Only components with this many jobs.
    pub jobs: Option<i32>,
    /// Only components in this state.
    pub state: Option<ComponentWord>,
    /// Only components of runs with one of these labels; empty: any.
    pub labels: Vec<String>,
}

/// Filters of `-doneprep`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DonePrepFilter {
    /// Only this run.
    pub remote_id: Option<i64>,
    /// Only runs with this batch job.
    pub job_id: Option<JobId>,
    /// Only runs of this stage; `cam` is given as `camera`.
    pub stage: Option<String>,
    /// Only runs in this state.
    pub state: Option<RunWord>,
    /// Only runs with one of these labels; empty: any.
    pub labels: Vec<String>,
}

/// What `-updaterun` sets; absent: left as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunChange {
    /// The label.
    pub label: Option<String>,
    /// The state.
    pub state: Option<RunWord>,
    /// The batch job.
    pub job_id: Option<JobId>,
    /// The fault; 0 clears it.
    pub fault: Option<i16>,
}

/// What `-updatecomponent` sets; absent: left as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ComponentChange {
    /// The state.
    pub state: Option<ComponentWord>,
    /// The component's directory.
    pub path_base: Option<String>,
    /// The number of its jobs.
    pub jobs: Option<i32>,
}

/// A batch job's id, which the old tool takes for a number and prints as -1 while there is none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum JobId {
    /// Not submitted: `-1`.
    Unsubmitted,
    /// As the scheduler writes it: `123`, `123_4`, `Moab.17`.
    Job(String),
}

impl From<Option<String>> for JobId {
    fn from(id: Option<String>) -> Self {
        id.map_or(Self::Unsubmitted, Self::Job)
    }
}

impl From<&str> for JobId {
    fn from(text: &str) -> Self {
        match text {
            "-1" => Self::Unsubmitted,
            _ => Self::Job(text.to_owned()),
        }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsubmitted => f.write_str("-1"),
            Self::Job(id) => f.write_str(id),
        }
    }
}
