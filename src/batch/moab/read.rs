//! Reads what Moab's commands print.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::xml::{self, Job};
use crate::{
    batch::{
        Ending, JobId, JobStatus, QueryError, SubmitError,
        answer::{Section, said, sections},
    },
    connection::Output,
};

/// What msub says when the server's answer did not arrive.
const NO_ANSWER: [&str; 7] = [
    "timed out",
    "cannot connect",
    "connection",
    "communication",
    "lost",
    "no response",
    "cannot get object",
];

/// The id that msub printed: alone on the last line, or as `<job JobID="…"/>`.
pub(super) fn submitted(answer: &Output) -> Result<JobId, SubmitError> {
    let out = answer.out();
    let message = said(answer);
    if answer.ok() {
        let in_xml = xml::jobs(&out)
            .ok()
            .and_then(|jobs| jobs.first().and_then(|job| job.id.parse().ok()));
        let alone = || out.lines().rev().find_map(plain_id);
        return in_xml.or_else(alone).ok_or(SubmitError::Doubt { message });
    }
    let err = answer.err();
    let verdict = err
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("ERROR:"))
        .map(str::to_ascii_lowercase);
    let refused = match verdict {
        Some(why) => answer.code < 128 && !NO_ANSWER.iter().any(|sign| why.contains(sign)),
        None => answer.code == 127,
    };
    if refused {
        Err(SubmitError::Refused { message })
    } else {
        Err(SubmitError::Doubt { message })
    }
}

/// An id alone on a line: `123`, `Moab.17`, `881196.admin2`, `Moab.17[]`.
fn plain_id(line: &str) -> Option<JobId> {
    let line = line.trim();
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let name = line.strip_suffix("[]").unwrap_or(line);
    let id = match name.split_once('.') {
        Some((head, tail)) => digits(head) || digits(tail),
        None => digits(name),
    };
    id.then(|| line.parse().ok()).flatten()
}

/// The jobs named `name` in the answer of `find.sh`, arrays once.
pub(super) fn found(answer: &Output, name: &str) -> Result<Vec<JobId>, QueryError> {
    let text = answer.out();
    let mut ids = BTreeSet::new();
    let mut trouble = None;
    for section in sections(&text, answer)? {
        match queue(&section) {
            Ok(jobs) => ids.extend(
                jobs.iter()
                    .filter(|job| job.name == name)
                    .filter_map(|job| whole(&job.id)),
            ),
            Err(error) => trouble = Some(error),
        }
    }
    match trouble {
        Some(error) if ids.is_empty() => Err(error),
        _ => Ok(ids.into_iter().collect()),
    }
}

/// The states in the answer of `status.sh`.
pub(super) fn statuses(
    answer: &Output,
    ids: &[JobId],
) -> Result<BTreeMap<JobId, JobStatus>, QueryError> {
    let text = answer.out();
    let mut jobs = Vec::new();
    let mut checked: Vec<(String, JobStatus)> = Vec::new();
    let mut trouble = None;
    for section in sections(&text, answer)? {
        if section.name == "checkjob" {
            match check(&section) {
                Ok(found) => checked.extend(found),
                Err(error) => trouble = Some(error),
            }
        } else {
            match queue(&section) {
                Ok(found) => jobs.extend(found),
                Err(error) => return Err(error),
            }
        }
    }
    let mut states = BTreeMap::new();
    for id in ids {
        let tasks = jobs
            .iter()
            .filter_map(|job| Some((task(job, id)?, state(job))));
        states.extend(tasks);
        let listed = jobs.iter().filter(|job| is_of(job, id)).map(state);
        let asked = checked
            .iter()
            .filter(|(checked, _)| checked == id.as_str())
            .map(|(_, state)| state.clone());
        let state = listed
            .chain(asked)
            .fold(JobStatus::Unknown, JobStatus::join);
        states.insert(id.clone(), state);
    }
    match trouble {
        Some(error) if states.values().all(|s| *s == JobStatus::Unknown) => Err(error),
        _ => Ok(states),
    }
}

/// The job or the whole array that an id names.
fn whole(id: &str) -> Option<JobId> {
    let id: JobId = id.parse().ok()?;
    match id.array() {
        Some(array) => array.parse().ok(),
        None => Some(id),
    }
}

/// Whether a row speaks of `id`; a whole array is spoken of by each of its tasks.
fn is_of(job: &Job, id: &JobId) -> bool {
    let names = [&job.id, &job.grid_id];
    names.into_iter().any(|name| name == id.as_str()) || task(job, id).is_some()
}

/// The id of the task of the array `whole` that a row speaks of.
fn task(job: &Job, whole: &JobId) -> Option<JobId> {
    let mut ids = [&job.id, &job.grid_id].into_iter();
    ids.find_map(|id| id.parse().ok().filter(|id: &JobId| id.is_task_of(whole)))
}

/// The jobs of one `showq --xml`.
fn queue(section: &Section<'_>) -> Result<Vec<Job>, QueryError> {
    if section.code != 0 {
        return Err(QueryError::Unreachable {
            message: section.said(),
        });
    }
    xml::jobs(&section.lines.join("\n")).map_err(|why| QueryError::Unreadable {
        message: format!("{why}: {}", section.said()),
    })
}

/// The id and state of one `checkjob`, as text or XML; nothing if Moab does not know the job.
fn check(section: &Section<'_>) -> Result<Option<(String, JobStatus)>, QueryError> {
    let text = section.lines.join("\n");
    if text.contains("invalid job specified") {
        return Ok(None);
    }
    if section.code != 0 {
        return Err(QueryError::Unreachable {
            message: section.said(),
        });
    }
    if let Ok(jobs) = xml::jobs(&text) {
        return Ok(jobs.first().map(|job| (job.id.clone(), state(job))));
    }
    let after = |key: &str| {
        text.split_once(key)
            .and_then(|(_, rest)| rest.split_whitespace().next())
            .unwrap_or_default()
            .to_owned()
    };
    let id = section
        .lines
        .iter()
        .find_map(|line| line.strip_prefix("job "))
        .and_then(|rest| rest.split_whitespace().next());
    let Some(id) = id else {
        return Err(QueryError::Unreadable {
            message: section.said(),
        });
    };
    let job = Job {
        id: id.to_owned(),
        state: after("\nState:"),
        code: after("Completion Code:"),
        nodes: after("NodeCount:"),
        used: seconds(&after("WallTime:")).map_or_else(String::new, |s| s.to_string()),
        limit: seconds(&after(" of ")).map_or_else(String::new, |s| s.to_string()),
        reason: after("BLOCK MSG:"),
        ..Job::default()
    };
    Ok(Some((id.to_owned(), state(&job))))
}

/// `[[D:]H:]MM:SS` in seconds.
fn seconds(text: &str) -> Option<u64> {
    if !text.contains(':') {
        return None;
    }
    let time: crate::config::units::Seconds = text.parse().ok()?;
    Some(time.0)
}

/// The state that Moab's words stand for.
fn state(job: &Job) -> JobStatus {
    let reason = if job.reason.is_empty() {
        &job.state
    } else {
        &job.reason
    };
    let reason = reason.clone();
    match job.state.as_str() {
        "Idle" | "Migrated" | "Staging" | "NotQueued" | "Deferred" | "Blocked" | "Depend" => {
            JobStatus::Queued { reason }
        },
        "Hold" | "UserHold" | "SystemHold" | "BatchHold" => JobStatus::Held { reason },
        "Running" | "Starting" | "Suspended" | "Canceling" | "Allocated" | "Completing" => {
            JobStatus::Running {
                node_count: job.nodes.parse().ok(),
                started: job
                    .start
                    .parse()
                    .ok()
                    .filter(|seconds| *seconds > 0)
                    .and_then(|seconds| Timestamp::from_second(seconds).ok()),
            }
        },
        "Completed" => JobStatus::Ended(completion(&job.code)),
        "Removed" => JobStatus::Ended(if ran_out(job) {
            Ending::Timeout
        } else {
            Ending::Cancelled
        }),
        "Vacated" => JobStatus::Ended(Ending::NodeFailure),
        _ => JobStatus::Unknown,
    }
}

/// Whether a removed job had used all of its walltime: Moab removes it then, as an operator
/// would.
fn ran_out(job: &Job) -> bool {
    match (job.used.parse::<u64>(), job.limit.parse::<u64>()) {
        (Ok(used), Ok(limit)) => limit > 0 && used >= limit,
        _ => false,
    }
}

/// A completion code: an exit code, 256 + N for signal N, or `CNCLD`, alone or with the code in
/// parentheses.
fn completion(code: &str) -> Ending {
    if code.starts_with("CNCLD") {
        return Ending::Cancelled;
    }
    match code.parse::<i32>() {
        Ok(code @ 257..512) => Ending::of_exit(0, code - 256),
        Ok(code) => Ending::of_exit(code, 0),
        Err(_) => Ending::Other(format!("completion code {code:?}")),
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
