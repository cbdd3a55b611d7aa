//! Reads what Slurm's programs print.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use jiff::Timestamp;

use crate::{
    batch::{
        Ending, JobId, JobStatus, QueryError, SubmitError,
        answer::{Section, said, sections},
    },
    connection::Output,
};

/// What sbatch says when the controller's answer did not arrive.
const NO_ANSWER: [&str; 11] = [
    "timed out",
    "unable to contact",
    "zero bytes",
    "transport endpoint",
    "connection",
    "communication",
    "receive failure",
    "send failure",
    "unexpected message",
    "unspecified error",
    "header lengths",
];

/// Most tasks of an array: `MaxArraySize` is at most so many.
const MOST_TASKS: u32 = 4_000_001;

/// What sbatch says before it has talked to the controller at all.
const NOT_SENT: [&str; 7] = [
    "sbatch: fatal:",
    "sbatch: unrecognized option",
    "sbatch: invalid option",
    "does not look like a batch script",
    "Unable to open file",
    "command not found",
    "No such file or directory",
];

/// The id that sbatch printed, with or without `--parsable`.
pub(super) fn submitted(answer: &Output) -> Result<JobId, SubmitError> {
    let out = answer.out();
    let id = out.lines().rev().find_map(|line| {
        let line = line.trim();
        let id = line
            .strip_prefix("Submitted batch job ")
            .unwrap_or(line)
            .split([';', ' '])
            .next()?;
        let number = !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
        let whole = line.starts_with("Submitted") || !line.contains(' ');
        (number && whole).then(|| id.parse().ok()).flatten()
    });
    let message = said(answer);
    match id {
        Some(id) if answer.ok() => Ok(id),
        _ if refused(answer) => Err(SubmitError::Refused { message }),
        _ => Err(SubmitError::Doubt { message }),
    }
}

/// Whether sbatch says that nothing was queued.
fn refused(answer: &Output) -> bool {
    if answer.ok() || answer.code >= 128 {
        return false;
    }
    let text = answer.err();
    let verdict = text
        .lines()
        .find_map(|line| line.split_once("submission failed: "))
        .map(|(_, why)| why);
    match verdict {
        Some(why) => !is_no_answer(why),
        None => answer.code == 127 || NOT_SENT.iter().any(|sign| text.contains(sign)),
    }
}

/// The jobs named `name` in the answer of `find.sh`.
pub(super) fn found(answer: &Output, name: &str) -> Result<Vec<JobId>, QueryError> {
    let text = answer.out();
    let mut ids = BTreeSet::new();
    let mut silent = None;
    for section in sections(&text, answer)? {
        for line in &section.lines {
            let mut fields = line.splitn(3, '|');
            let (id, _state, job) = (fields.next(), fields.next(), fields.next());
            if job == Some(name)
                && let Some(Row { base, .. }) = id.and_then(Row::named)
            {
                ids.extend(base.parse::<JobId>());
            }
        }
        if section.code != 0 && !accounting_is_off(&section) {
            silent = Some(section.said());
        }
    }
    match silent {
        Some(message) if ids.is_empty() => Err(QueryError::Unreachable { message }),
        _ => Ok(ids.into_iter().collect()),
    }
}

/// The states in the answer of `status.sh`.
pub(super) fn statuses(
    answer: &Output,
    ids: &[JobId],
) -> Result<BTreeMap<JobId, JobStatus>, QueryError> {
    let text = answer.out();
    let mut rows: Vec<(Row<'_>, JobStatus)> = Vec::new();
    let mut silent = None;
    for section in sections(&text, answer)? {
        let row = match section.name {
            "squeue" => queue_row,
            "sacct" => account_row,
            _ => controller_row,
        };
        let before = rows.len();
        rows.extend(section.lines.iter().filter_map(|line| row(line)));
        let known = rows.len() > before;
        if section.code != 0 && !known && !accounting_is_off(&section) && !unknown_id(&section) {
            silent = Some((section.name == "squeue", section.said()));
        }
    }
    let states = states_of(&rows, ids);
    match silent {
        Some((true, message)) => Err(QueryError::Unreachable { message }),
        Some((false, message)) if states.values().all(|s| *s == JobStatus::Unknown) => {
            Err(QueryError::Unreachable { message })
        },
        _ => Ok(states),
    }
}

/// A state for each of `ids`, from all rows that speak of it, and for each task of the arrays among
/// them.
pub(in crate::batch) fn states_of(
    rows: &[(Row<'_>, JobStatus)],
    ids: &[JobId],
) -> BTreeMap<JobId, JobStatus> {
    let mut states = tasks_of(rows, ids);
    let state = |id: &JobId| {
        rows.iter()
            .filter(|(row, _)| row.is_of(id))
            .map(|(_, state)| state.clone())
            .fold(JobStatus::Unknown, JobStatus::join)
    };
    states.extend(ids.iter().map(|id| (id.clone(), state(id))));
    states
}

/// A state for each task that rows tell of, of the arrays among `ids`; none of an array whose tasks
/// are not all told.
fn tasks_of(rows: &[(Row<'_>, JobStatus)], ids: &[JobId]) -> BTreeMap<JobId, JobStatus> {
    let whole: BTreeSet<&str> = ids.iter().map(JobId::as_str).collect();
    let mut arrays: BTreeMap<&str, Option<BTreeMap<JobId, JobStatus>>> = BTreeMap::new();
    for (row, status) in rows.iter().filter(|(row, _)| whole.contains(row.base)) {
        let Some(task) = row.task else { continue };
        let known = arrays
            .entry(row.base)
            .or_insert_with(|| Some(BTreeMap::new()));
        let Some(numbers) = numbers(task) else {
            *known = None;
            continue;
        };
        for id in numbers.filter_map(|number| format!("{}_{number}", row.base).parse().ok()) {
            if let Some(known) = known {
                let before = known.remove(&id).unwrap_or(JobStatus::Unknown);
                known.insert(id, before.join(status.clone()));
            }
        }
    }
    arrays.into_values().flatten().flatten().collect()
}

/// Whether Slurm's words for a failed submission mean that the controller's answer is missing.
pub(in crate::batch) fn is_no_answer(why: &str) -> bool {
    let why = why.to_ascii_lowercase();
    NO_ANSWER.iter().any(|sign| why.contains(sign))
}

/// Whether there is no accounting to ask: it is off, or its command is not there.
fn accounting_is_off(section: &Section<'_>) -> bool {
    let says = |line: &&str| line.contains("accounting storage is disabled");
    section.name == "sacct" && (section.code == 127 || section.lines.iter().any(says))
}

fn unknown_id(section: &Section<'_>) -> bool {
    let says = |line: &&str| line.contains("Invalid job id");
    section.lines.iter().any(says)
}

/// A job's id in a row: a job, one task of an array, or the tasks that still wait (`7_[3-9]`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::batch) struct Row<'a> {
    pub(in crate::batch) base: &'a str,
    task: Option<&'a str>,
}

impl<'a> Row<'a> {
    pub(in crate::batch) fn named(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let (base, task) = match text.split_once('_') {
            Some((base, task)) => (base, Some(task)),
            None => (text, None),
        };
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let tasks = |part: &str| digits(part) || part.starts_with('[');
        (digits(base) && task.is_none_or(tasks)).then_some(Self { base, task })
    }

    /// Whether this row speaks of `id`; a whole array is spoken of by each of its tasks.
    pub(in crate::batch) fn is_of(&self, id: &JobId) -> bool {
        match id.array() {
            None => self.base == id.as_str(),
            Some(array) if array == self.base => self.task.is_some_and(|task| {
                id.as_str().ends_with(&format!("_{task}")) || holds(task, id.as_str())
            }),
            Some(_) => false,
        }
    }
}

/// Whether the waiting tasks `[1-3,7%2]` hold that of `id`.
fn holds(tasks: &str, id: &str) -> bool {
    let Some(number) = id.rsplit('_').next().and_then(|n| n.parse::<u32>().ok()) else {
        return false;
    };
    ranges(tasks).any(|range| range.is_some_and(|range| range.contains(&number)))
}

/// The numbers of the tasks `3` or `[1-3,7%2]`; `None` if Slurm left some of them out
/// (`SLURM_BITSTR_LEN`), or they are more than an array has.
fn numbers(tasks: &str) -> Option<impl Iterator<Item = u32> + use<>> {
    let ranges: Vec<RangeInclusive<u32>> = ranges(tasks).collect::<Option<_>>()?;
    let count = |range: &RangeInclusive<u32>| range.end().saturating_sub(*range.start());
    let all = ranges
        .iter()
        .fold(0, |sum: u32, range| sum.saturating_add(count(range)));
    (all <= MOST_TASKS).then(|| ranges.into_iter().flatten())
}

/// The ranges of `3` or `[1-3,7%2]`; `None` for one that is none.
fn ranges(tasks: &str) -> impl Iterator<Item = Option<RangeInclusive<u32>>> {
    let inner = tasks.trim_start_matches('[').trim_end_matches(']');
    let ranges = inner.split('%').next().unwrap_or_default();
    ranges.split(',').map(|range| {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        Some(low.parse().ok()?..=high.parse().ok()?)
    })
}

/// `id|state|nodes|start|reason` of squeue.
fn queue_row(line: &str) -> Option<(Row<'_>, JobStatus)> {
    let mut fields = line.splitn(5, '|');
    let row = Row::named(fields.next()?)?;
    let (word, nodes, start) = (fields.next()?, fields.next()?, fields.next()?);
    let reason = fields.next()?;
    Some((row, state(word, "", nodes, start, reason)))
}

/// `id|state|exit code|nodes|start` of sacct.
fn account_row(line: &str) -> Option<(Row<'_>, JobStatus)> {
    let mut fields = line.split('|');
    let row = Row::named(fields.next()?)?;
    let (word, exit, nodes, start) = (
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
    );
    Some((row, state(word, exit, nodes, start, "")))
}

/// `JobId=… JobState=…` of `scontrol --oneliner`.
fn controller_row(line: &str) -> Option<(Row<'_>, JobStatus)> {
    let field = |key: &str| {
        line.split_ascii_whitespace()
            .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    };
    let row = match (field("ArrayJobId"), field("ArrayTaskId")) {
        (Some(base), Some(task)) => Row {
            base,
            task: Some(task),
        },
        _ => Row::named(field("JobId")?)?,
    };
    let text = |key| field(key).unwrap_or_default();
    let state = state(
        field("JobState")?,
        text("ExitCode"),
        text("NumNodes"),
        text("StartTime"),
        text("Reason"),
    );
    Some((row, state))
}

/// The state that Slurm's word stands for (squeue's manual, JOB STATE CODES).
pub(in crate::batch) fn state(
    word: &str,
    exit: &str,
    nodes: &str,
    start: &str,
    reason: &str,
) -> JobStatus {
    let reason = match reason.trim() {
        "None" | "(null)" => String::new(),
        reason => reason.to_owned(),
    };
    let word = word
        .split_ascii_whitespace()
        .next()
        .unwrap_or_default()
        .trim_end_matches('+');
    match word {
        "PENDING" | "REQUEUED" | "REQUEUE_FED" | "REQUEUE_HOLD" | "RESV_DEL_HOLD"
        | "SPECIAL_EXIT" => {
            let held = word.ends_with("HOLD")
                || word == "SPECIAL_EXIT"
                || reason.starts_with("JobHeld")
                || reason.contains("held");
            if held {
                JobStatus::Held { reason }
            } else {
                JobStatus::Queued { reason }
            }
        },
        "RUNNING" | "COMPLETING" | "CONFIGURING" | "SUSPENDED" | "STOPPED" | "SIGNALING"
        | "STAGE_OUT" | "RESIZING" => JobStatus::Running {
            node_count: nodes.split('-').next().and_then(|n| n.trim().parse().ok()),
            started: start
                .trim()
                .parse()
                .ok()
                .filter(|seconds| *seconds > 0)
                .and_then(|seconds| Timestamp::from_second(seconds).ok()),
        },
        "COMPLETED" => JobStatus::Ended(Ending::Completed),
        "FAILED" => {
            let (code, signal) = exit.split_once(':').unwrap_or((exit, "0"));
            JobStatus::Ended(Ending::Failed {
                code: code.parse().unwrap_or(-1),
                signal: signal.parse().unwrap_or(0),
            })
        },
        "TIMEOUT" | "DEADLINE" => JobStatus::Ended(Ending::Timeout),
        "CANCELLED" => JobStatus::Ended(Ending::Cancelled),
        "NODE_FAIL" | "BOOT_FAIL" => JobStatus::Ended(Ending::NodeFailure),
        "OUT_OF_MEMORY" => JobStatus::Ended(Ending::OutOfMemory),
        "PREEMPTED" | "REVOKED" | "LAUNCH_FAILED" => {
            JobStatus::Ended(Ending::Other(word.to_owned()))
        },
        _ => JobStatus::Unknown,
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
