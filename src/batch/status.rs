//! Where a job is in its life.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a job is, as the scheduler says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Waits for its turn.
    Queued {
        /// Why it waits, in the scheduler's words; empty if it gave none.
        reason: String,
    },
    /// Will not start before somebody releases it.
    Held {
        /// Why, in the scheduler's words.
        reason: String,
    },
    /// Has its nodes: starting, running, suspended or cleaning up.
    Running {
        /// How many nodes it has, if known.
        node_count: Option<u32>,
        /// When it started, if known.
        started: Option<Timestamp>,
    },
    /// Is over.
    Ended(Ending),
    /// Nobody remembers it, or its state is a word we do not know. Not an end state.
    Unknown,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Its script exited with 0.
    Completed,
    /// Its script failed.
    Failed {
        /// Exit code of the script.
        code: i32,
        /// Signal that ended it, 0 if none.
        signal: i32,
    },
    /// Its walltime was over.
    Timeout,
    /// Somebody cancelled it.
    Cancelled,
    /// A node failed under it, or it was driven off its nodes.
    NodeFailure,
    /// It used more memory than it may.
    OutOfMemory,
    /// Something else, in the scheduler's word.
    Other(String),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("completed"),
            Self::Failed { code, signal: 0 } => write!(f, "failed with exit code {code}"),
            Self::Failed { signal, .. } => write!(f, "killed by signal {signal}"),
            Self::Timeout => f.write_str("killed at walltime"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::NodeFailure => f.write_str("its node failed"),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::Other(word) => f.write_str(word),
        }
    }
}

impl Ending {
    /// The ending that an exit code and a signal stand for.
    pub(super) fn of_exit(code: i32, signal: i32) -> Self {
        if code == 0 && signal == 0 {
            Self::Completed
        } else {
            Self::Failed { code, signal }
        }
    }
}

impl JobStatus {
    /// Whether a job that was to begin after others may never begin, since one of them failed: it
    /// was cancelled, or is left in the queue with that reason (Slurm's `DependencyNeverSatisfied`),
    /// or held by Moab itself, which does that to a job that cannot run.
    pub fn may_be_stranded(&self) -> bool {
        match self {
            Self::Ended(Ending::Cancelled) => true,
            Self::Queued { reason } => reason == "DependencyNeverSatisfied",
            Self::Held { reason } => {
                reason == "BatchHold" || reason.to_ascii_lowercase().contains("depend")
            },
            Self::Running { .. } | Self::Ended(_) | Self::Unknown => false,
        }
    }

    /// The state of a job array of which `self` and `other` are parts: what still lives decides;
    /// among ended parts, one that did not complete decides.
    pub(super) fn join(self, other: Self) -> Self {
        if other.weight() > self.weight() {
            other
        } else {
            self
        }
    }

    fn weight(&self) -> u8 {
        match self {
            Self::Running { .. } => 5,
            Self::Queued { .. } => 4,
            Self::Held { .. } => 3,
            Self::Ended(Ending::Completed) => 1,
            Self::Ended(_) => 2,
            Self::Unknown => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_status() -> impl Strategy<Value = JobStatus> {
        let held = JobStatus::Held {
            reason: String::new(),
        };
        let queued = JobStatus::Queued {
            reason: String::new(),
        };
        let running = JobStatus::Running {
            node_count: None,
            started: None,
        };
        prop_oneof![
            Just(JobStatus::Unknown),
            Just(JobStatus::Ended(Ending::Completed)),
            Just(JobStatus::Ended(Ending::Timeout)),
            Just(held),
            Just(queued),
            Just(running),
        ]
    }

    #[test]
    fn a_job_that_waits_as_it_should_is_not_stranded() {
        let queued = |reason: &str| JobStatus::Queued {
            reason: reason.into(),
        };
        let held = |reason: &str| JobStatus::Held {
            reason: reason.into(),
        };
        for stranded in [
            JobStatus::Ended(Ending::Cancelled),
            queued("DependencyNeverSatisfied"),
            held("BatchHold"),
        ] {
            assert!(stranded.may_be_stranded(), "{stranded:?}");
        }
        for fine in [
            JobStatus::Unknown,
            JobStatus::Ended(Ending::Completed),
            JobStatus::Ended(Ending::Timeout),
            queued("Dependency"),
            held("UserHold"),
            held("JobHeldUser"),
        ] {
            assert!(!fine.may_be_stranded(), "{fine:?}");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_an_arrays_tasks_does_not_matter(mut parts in prop::collection::vec(any_status(), 0..6)) {
            let join = |parts: &[JobStatus]| parts.iter().cloned().fold(JobStatus::Unknown, JobStatus::join);
            let forward = join(&parts);
            parts.reverse();
            prop_assert_eq!(join(&parts), forward);
        }

        #[test]
        fn an_array_has_ended_only_if_all_its_tasks_have(parts in prop::collection::vec(any_status(), 1..6)) {
            let joined = parts.iter().cloned().fold(JobStatus::Unknown, JobStatus::join);
            let lives = parts.iter().any(|part| part.weight() > 2);
            prop_assert_eq!(matches!(joined, JobStatus::Ended(_) | JobStatus::Unknown), !lives);
        }

        #[test]
        fn a_status_is_read_back_from_its_text(status in any_status()) {
            let text = serde_json::to_string(&status).unwrap();
            prop_assert_eq!(serde_json::from_str::<JobStatus>(&text).unwrap(), status);
        }
    }
}
