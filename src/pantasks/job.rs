//! A job and the states it goes through.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    exit_macro::End,
    task::{Host, Target, TaskId, Turn},
};

/// A job's number, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// What a job runs: a copy of its task's settings at the moment of submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The task's name, or a user's own word for a job without a task.
    pub name: String,
    /// The program and its arguments, as they are: no shell reads them.
    pub argv: Vec<String>,
    /// Words handed to the exit macros.
    pub options: Vec<String>,
    /// Where standard output goes.
    pub stdout: Target,
    /// Where standard error goes.
    pub stderr: Target,
    /// The priority, 0 to 20 as nice(1) counts.
    pub nice: u8,
    /// Where it runs.
    pub host: Host,
    /// Files that must be visible before it starts.
    pub block: Vec<PathBuf>,
    /// Who goes first to a host of the controller.
    #[serde(default)]
    pub turn: Turn,
}

/// One job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// Its task; a user's own job has none.
    pub task: Option<TaskId>,
    /// What it runs.
    pub launch: Launch,
    /// When it was submitted.
    pub submitted: Timestamp,
    /// Where it stands.
    pub state: State,
}

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It waits for its start.
    Pending {
        /// Since when.
        since: Timestamp,
    },
    /// It runs.
    Busy {
        /// Since when.
        since: Timestamp,
        /// Where.
        host: String,
    },
    /// It was told to end, and has not yet.
    Stopping {
        /// Why it has to end.
        why: Stop,
    },
    /// It is over.
    Ended(End),
}

/// Why a job is made to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It outlived its timeout.
    Timeout,
    /// It waited for its start longer than it may.
    Pending,
    /// A human wants it so.
    Kill,
}

/// What can happen to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It was started.
    Start {
        /// When.
        at: Timestamp,
        /// Where.
        host: String,
    },
    /// It has to end.
    Stop(Stop),
    /// It ended.
    Finish(End),
    /// Its host was lost; it waits for another one.
    Requeue {
        /// When.
        at: Timestamp,
    },
}

/// Something happened to a job that cannot happen in its state.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a job that is {state} cannot take `{event}`")]
pub struct Refused {
    state: &'static str,
    event: &'static str,
}

impl Stop {
    /// How a job ends that was made to end.
    pub fn end(self) -> End {
        match self {
            Self::Timeout => End::Timeout,
            Self::Pending => End::Pending,
            Self::Kill => End::Killed,
        }
    }
}

impl State {
    /// The state after `event`. A job that was told to end ends for that reason, whatever its
    /// program made of it.
    ///
    /// # Errors
    /// [`Refused`] where the event cannot happen.
    pub fn step(&self, event: Event) -> Result<Self, Refused> {
        let refused = Refused {
            state: self.word(),
            event: event.word(),
        };
        Ok(match (self, event) {
            (Self::Pending { .. }, Event::Start { at, host }) => Self::Busy { since: at, host },
            (Self::Pending { .. }, Event::Stop(why)) => Self::Ended(why.end()),
            (Self::Pending { .. } | Self::Busy { .. }, Event::Finish(end)) => Self::Ended(end),
            (Self::Busy { .. }, Event::Stop(why)) => Self::Stopping { why },
            (Self::Busy { .. }, Event::Requeue { at }) => Self::Pending { since: at },
            (Self::Stopping { why }, Event::Stop(_)) => Self::Stopping { why: *why },
            (Self::Stopping { why }, Event::Finish(_) | Event::Requeue { .. }) => {
                Self::Ended(why.end())
            },
            (Self::Pending { .. }, Event::Requeue { .. })
            | (Self::Busy { .. } | Self::Stopping { .. }, Event::Start { .. })
            | (Self::Ended(_), _) => return Err(refused),
        })
    }

    /// The word `status` shows.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "PENDING",
            Self::Busy { .. } => "BUSY",
            Self::Stopping { .. } => "KILL",
            Self::Ended(End::Exit(_) | End::NotStarted(_)) => "EXIT",
            Self::Ended(_) => "CRASH",
        }
    }
}

impl Event {
    fn word(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Stop(_) => "stop",
            Self::Finish(_) => "finish",
            Self::Requeue { .. } => "requeue",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Start {
                at: NOW,
                host: "po01".into()
            }),
            prop::sample::select(vec![Stop::Timeout, Stop::Pending, Stop::Kill])
                .prop_map(Event::Stop),
            (0..3).prop_map(|code| Event::Finish(End::Exit(code))),
            Just(Event::Requeue { at: NOW }),
        ]
    }

    proptest! {
        #[test]
        fn an_ended_job_stays_as_it_ended(events in prop::collection::vec(event(), 0..12)) {
            let mut state = State::Pending { since: NOW };
            for event in events {
                match state.step(event) {
                    Ok(next) => {
                        prop_assert!(!matches!(state, State::Ended(_)));
                        state = next;
                    },
                    Err(refused) => prop_assert!(refused.to_string().contains(state.word())),
                }
            }
        }

        #[test]
        fn the_reason_to_stop_a_running_job_is_its_end(more in prop::collection::vec(event(), 0..8)) {
            let busy = State::Busy { since: NOW, host: "here".into() };
            let mut state = busy.step(Event::Stop(Stop::Timeout)).unwrap();
            for event in more {
                state = state.step(event).unwrap_or(state);
            }
            let ended = match &state {
                State::Ended(end) => *end == End::Timeout,
                state => *state == State::Stopping { why: Stop::Timeout },
            };
            prop_assert!(ended, "{:?}", state);
        }
    }

    #[test]
    fn a_job_whose_host_was_lost_waits_again() {
        let busy = State::Busy {
            since: NOW,
            host: "po01".into(),
        };
        let next = busy.step(Event::Requeue { at: NOW });
        assert_eq!(next, Ok(State::Pending { since: NOW }));
    }

    #[test]
    fn a_job_that_never_started_can_end() {
        let end = End::NotStarted("no such program".into());
        let next = State::Pending { since: NOW }.step(Event::Finish(end.clone()));
        assert_eq!(next, Ok(State::Ended(end)));
    }
}
