//! Reads what the daemon answers, in all versions of the API: numbers may be objects, and words
//! lists.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{RestError, api::OpenApi};
use crate::batch::{
    JobId, JobStatus, SubmitError, Version,
    answer::one_line,
    slurm::read::{self as slurm, Row},
};

/// Slurm's number for a job that it does not know.
pub(super) const INVALID_JOB_ID: i64 = 2017;
/// Slurm's number for a job that is over.
pub(super) const ALREADY_DONE: i64 = 2021;
/// Slurm's own errors begin here; what is less is about the way to the controller.
const FIRST_OF_SLURM: i64 = 2000;

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// What an answer may hold.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Envelope {
    meta: Value,
    errors: Option<Vec<Complaint>>,
    pub(super) jobs: Vec<Job>,
    job_id: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Complaint {
    error: Option<String>,
    description: Option<String>,
    error_number: Option<i64>,
    error_code: Option<i64>,
}

/// A job, or one task of an array, or the tasks of it that wait.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Job {
    job_id: Value,
    array_job_id: Value,
    array_task_id: Value,
    array_task_string: Value,
    name: Value,
    job_state: Value,
    state_reason: Value,
    node_count: Value,
    start_time: Value,
    exit_code: Value,
}

impl Reply {
    /// The answer, if it says yes.
    pub(super) fn envelope(&self) -> Result<Envelope, RestError> {
        let envelope: Envelope = self.json()?;
        if let Some(complaint) = envelope.errors.as_ref().and_then(|all| all.first()) {
            return Err(complaint.error());
        }
        if self.status >= 400 {
            return Err(self.refused());
        }
        Ok(envelope)
    }

    /// What the daemon offers.
    pub(super) fn openapi(&self) -> Result<OpenApi, RestError> {
        if self.status >= 400 {
            return Err(self.refused());
        }
        self.json()
    }

    fn json<T: DeserializeOwned>(&self) -> Result<T, RestError> {
        if let 401 | 403 = self.status {
            return Err(RestError::Token {
                message: format!("HTTP status {}: {}", self.status, self.beginning()),
            });
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            if self.status >= 400 {
                return self.refused();
            }
            RestError::NotJson {
                message: format!("{error}: {}", self.beginning()),
            }
        })
    }

    fn refused(&self) -> RestError {
        RestError::Status {
            status: self.status,
            message: self.beginning(),
        }
    }

    fn beginning(&self) -> String {
        let part = self
            .body
            .get(..self.body.len().min(200))
            .unwrap_or_default();
        one_line(&String::from_utf8_lossy(part))
    }
}

impl Complaint {
    fn error(&self) -> RestError {
        let words = [&self.error, &self.description];
        let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
        RestError::Said {
            number: self.error_number.or(self.error_code).unwrap_or(-1),
            message: one_line(&words.join(": ")),
        }
    }
}

impl Envelope {
    /// The id in the answer to a submission.
    pub(super) fn submitted(&self) -> Result<JobId, SubmitError> {
        number(&self.job_id)
            .filter(|id| *id > 0)
            .and_then(|id| id.to_string().parse().ok())
            .ok_or_else(|| SubmitError::Doubt {
                message: "slurmrestd answered without a job id".to_owned(),
            })
    }

    /// The daemon's version.
    pub(super) fn version(&self, api: &str) -> Result<Version, RestError> {
        // Newer ones write it small, and its numbers as text.
        let slurm = ["Slurm", "slurm"].iter().find_map(|key| self.meta.get(key));
        let part = |key: &str| {
            let value = slurm?.get("version")?.get(key)?;
            let text = value.as_str().and_then(|text| text.parse().ok());
            number(value)
                .or(text)
                .and_then(|part| u32::try_from(part).ok())
        };
        match (part("major"), part("minor"), part("micro")) {
            (Some(major), Some(minor), Some(micro)) => Ok(Version {
                text: format!("slurm {major}.{minor:02}.{micro} by slurmrestd, API {api}"),
                number: (major, minor, micro),
            }),
            _ => Err(RestError::NotJson {
                message: "the answer names no version".to_owned(),
            }),
        }
    }
}

impl Job {
    /// Its id as squeue writes it: `7`, `7_3`, `7_[4-9]`.
    fn id(&self) -> Option<String> {
        let array = number(&self.array_job_id).filter(|id| *id > 0);
        Some(match (array, number(&self.array_task_id)) {
            (Some(array), Some(task)) => format!("{array}_{task}"),
            (Some(array), None) => match word(&self.array_task_string) {
                tasks if tasks.is_empty() => array.to_string(),
                tasks => format!("{array}_[{tasks}]"),
            },
            (None, _) => number(&self.job_id)?.to_string(),
        })
    }

    fn status(&self) -> JobStatus {
        let text = |value: &Value| number(value).map_or_else(String::new, |n| n.to_string());
        slurm::state(
            &word(&self.job_state),
            &exit(&self.exit_code),
            &text(&self.node_count),
            &text(&self.start_time),
            &word(&self.state_reason),
        )
    }
}

/// The jobs of exactly this name, arrays once.
pub(super) fn named(jobs: &[Job], name: &str) -> Vec<JobId> {
    let ours = jobs.iter().filter(|job| word(&job.name) == name);
    let ids: BTreeSet<JobId> = ours
        .filter_map(|job| Row::named(&job.id()?)?.base.parse().ok())
        .collect();
    ids.into_iter().collect()
}

/// A state for each of `ids`.
pub(super) fn statuses(jobs: &[Job], ids: &[JobId]) -> BTreeMap<JobId, JobStatus> {
    let rows: Vec<(String, JobStatus)> = jobs
        .iter()
        .filter_map(|job| Some((job.id()?, job.status())))
        .collect();
    let rows: Vec<(Row<'_>, JobStatus)> = rows
        .iter()
        .filter_map(|(id, status)| Some((Row::named(id)?, status.clone())))
        .collect();
    slurm::states_of(&rows, ids)
}

/// Whether an error of this number means that nothing was queued.
pub(super) fn is_refusal(number: i64, message: &str) -> bool {
    number >= FIRST_OF_SLURM && !slurm::is_no_answer(message)
}

/// A number, plain or as an object with `set`.
fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Object(fields) => {
            let set = fields.get("set").is_none_or(|set| set == true);
            fields.get("number").filter(|_| set)?.as_i64()
        },
        value => value.as_i64(),
    }
}

/// A word, alone or the first of a list.
fn word(value: &Value) -> String {
    let first = match value {
        Value::Array(words) => words.first(),
        value => Some(value),
    };
    first.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// `code:signal` of a wait status, or of an object with both.
fn exit(value: &Value) -> String {
    let signal_of = |value: &Value| {
        let signal = value.get("signal")?;
        signal
            .get("id")
            .and_then(number)
            .or_else(|| number(signal.get("signal_id")?))
    };
    let (code, signal) = match value.get("return_code") {
        Some(code) => (number(code), signal_of(value)),
        None => {
            let status = number(value);
            (status.map(|s| s >> 8 & 0xff), status.map(|s| s & 0x7f))
        },
    };
    format!("{}:{}", code.unwrap_or(-1), signal.unwrap_or(0))
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
